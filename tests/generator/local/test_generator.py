"""Many requests in, full batches through three overlapping steps, one outcome each out, in order."""

import asyncio
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from PIL import Image

from data.errors import FailureKind, FatalError, StageError
from data.errors import Stage as StageName
from data.records import GeneratedImage
from generator import ImageRequest
from generator.local.generator import LocalGenerator
from optimizer.stage import Stage, StageLimits
from tests.generator.local.fake_model import SQUARE, WIDE, FakeModel, Latents, color

Plan = Callable[[str, Sequence[object]], None]
Make = Callable[..., LocalGenerator]

LONG = 20.0
"""Seconds after which a test that waits for an event gives up. No passing test waits that long."""


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes generators, which are closed afterwards."""
    made: list[LocalGenerator] = []

    def make(model: FakeModel, texts_kept: int = 256) -> LocalGenerator:
        made.append(LocalGenerator(model, texts_kept=texts_kept))
        return made[-1]

    yield make
    for generator in made:
        await generator.aclose()


def requests(texts: Sequence[str], seeds: int = 1) -> list[ImageRequest]:
    return [ImageRequest(text, seed) for text in texts for seed in range(seeds)]


def pixel(outcome: GeneratedImage | Exception) -> tuple[int, ...]:
    assert isinstance(outcome, GeneratedImage), outcome
    assert outcome.content is not None
    assert outcome.sha256 == hashlib.sha256(outcome.content).hexdigest()
    with Image.open(io.BytesIO(outcome.content)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (outcome.width, outcome.height))
        found = image.getpixel((0, 0))
    assert isinstance(found, tuple)
    return found


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, LONG)


# --- what comes out --------------------------------------------------------------------------------------------------------------------


async def test_outcomes_come_in_the_order_of_requests_whatever_their_size(make: Make) -> None:
    asked = [ImageRequest(f"text {n % 5}", n, ratio) for n, ratio in enumerate(["", "2:1", "1:1", "2:1"] * 5)]
    drawn = await make(FakeModel())(asked)
    assert [pixel(image) for image in drawn] == [color(request.text, request.seed) for request in asked]
    sizes = [(image.width, image.height) for image in drawn if isinstance(image, GeneratedImage)]
    assert sizes == [WIDE if request.aspect_ratio == "2:1" else SQUARE for request in asked]


async def test_nothing_asked_for_is_nothing_drawn(make: Make) -> None:
    assert await make(FakeModel())([]) == []


async def test_a_ratio_that_there_is_not_fails_alone_and_names_those_there_are(make: Make) -> None:
    generator = make(FakeModel())
    wrong, right = await generator([ImageRequest("a", 1, "7:5"), ImageRequest("a", 1, "2:1")])
    assert isinstance(wrong, StageError)
    assert wrong.kind is FailureKind.UNSUPPORTED
    assert "7:5" in str(wrong)
    assert "1:1, 2:1" in wrong.hint
    assert pixel(right) == color("a", 1)
    assert generator.ratios == ("1:1", "2:1")


async def test_what_the_encoder_says_of_a_text_stands_with_each_of_its_images(make: Make) -> None:
    images = await make(FakeModel())(requests(["short", "a text that is cut off somewhere"], seeds=2))
    assert [image.flaws for image in images if isinstance(image, GeneratedImage)] == [(), (), ("long",), ("long",)]


async def test_an_image_that_is_not_finite_fails_alone(make: Make) -> None:
    before, spoilt, after = await make(FakeModel())(requests(["a", "nan", "b"]))
    assert isinstance(spoilt, StageError)
    assert spoilt.kind is FailureKind.MALFORMED
    assert (pixel(before), pixel(after)) == (color("a", 0), color("b", 0))


# --- batches and features --------------------------------------------------------------------------------------------------------------


async def test_batches_are_full_and_hold_one_size(make: Make) -> None:
    model = FakeModel(batch=4)
    generator = make(model)
    drawn = await generator([ImageRequest("a", n, "2:1" if n % 2 else "1:1") for n in range(16)])
    assert model.sizes_of("denoise") == [4, 4, 4, 4]
    assert {image.batch for image in drawn if isinstance(image, GeneratedImage)} == {4}
    assert generator.standing().batches == 4
    for _, items in model.calls:
        assert len({item.seed % 2 for item in items if isinstance(item, Latents)}) <= 1


async def test_single_requests_of_many_tasks_become_common_batches(make: Make) -> None:
    busy, go, encoded = threading.Event(), threading.Event(), threading.Event()

    def plan(step: str, items: Sequence[object]) -> None:
        if step == "denoise" and not busy.is_set():
            busy.set()
            assert go.wait(LONG)
        if "text 3" in items:
            encoded.set()

    model = FakeModel(plan, batch=4)
    generator = make(model)
    first = asyncio.create_task(generator(requests(["first"])))
    await until(busy)
    others = [asyncio.create_task(generator(requests([f"text {n}"]))) for n in range(4)]
    await until(encoded)
    go.set()
    await asyncio.gather(first, *others)
    assert sum(model.sizes_of("denoise")) == 5
    assert len(model.sizes_of("denoise")) <= 3  # the last text may still have been on its way to the line


async def test_a_text_is_encoded_once_for_all_its_seeds(make: Make) -> None:
    model = FakeModel(batch=4)
    generator = make(model)
    await generator(requests(["a", "b", "c"], seeds=4))
    await generator(requests(["c", "a"], seeds=2))
    assert sorted(map(str, model.items_of("encode"))) == ["a", "b", "c"]
    standing = generator.standing()
    assert (standing.texts_encoded, standing.texts_reused, standing.images) == (3, 13, 16)


async def test_tasks_that_ask_for_one_text_at_once_encode_it_once(make: Make) -> None:
    model = FakeModel(batch=2)
    generator = make(model)
    await asyncio.gather(*(generator([ImageRequest("a", seed)]) for seed in range(9)))
    assert model.items_of("encode") == ["a"]


async def test_only_so_many_texts_are_kept(make: Make) -> None:
    model = FakeModel()
    generator = make(model, texts_kept=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await generator(requests([text]))
    assert model.items_of("encode") == ["a", "b", "c", "b"]


async def test_the_steps_of_three_batches_run_at_the_same_time(make: Make) -> None:
    """Each of the three waits for the other two to have begun: one after the other, none would end."""
    meeting = threading.Barrier(3)

    def plan(step: str, items: Sequence[object]) -> None:
        text = str(getattr(items[0], "text", items[0]))
        if (step, text) in {("decode", "first"), ("denoise", "second"), ("encode", "third")}:
            meeting.wait(LONG)

    drawn = await make(FakeModel(plan, batch=1))(requests(["first", "second", "third"]))
    assert [pixel(image) for image in drawn] == [color(text, 0) for text in ("first", "second", "third")]


async def test_where_parts_take_turns_no_two_steps_run_at_once(make: Make) -> None:
    working: list[str] = []
    met: list[str] = []
    pause = threading.Event()

    def plan(step: str, items: Sequence[object]) -> None:
        working.append(step)
        pause.wait(0.002)  # never set: leaves the others time to come in
        met.append(",".join(working))
        working.remove(step)

    await make(FakeModel(plan, batch=1, one_at_a_time=True))(requests([f"text {n}" for n in range(8)]))
    assert set(met) == {"encode", "denoise", "decode"}


async def test_a_latency_is_a_share_of_the_work_and_features_that_are_there_cost_nothing(make: Make) -> None:
    generator = make(FakeModel())
    drawn = await generator(requests(["a", "b"], seeds=2))
    seconds = generator.standing().seconds
    assert set(seconds) == {"encode", "denoise", "decode"}
    assert sum(image.latency for image in drawn if isinstance(image, GeneratedImage)) == pytest.approx(sum(seconds.values()))


# --- short of memory -------------------------------------------------------------------------------------------------------------------


def full(limit: int, where: str, error: Exception) -> Plan:
    """Raises ``error`` in ``where`` for more than ``limit`` items."""

    def plan(step: str, items: Sequence[object]) -> None:
        if step == where and len(items) > limit:
            raise error

    return plan


@pytest.mark.parametrize("step", ["encode", "denoise", "decode"])
@pytest.mark.parametrize("limit", [3, 1])
async def test_where_memory_is_short_batches_are_halved_and_stay_so(
    make: Make, step: str, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel(full(limit, step, RuntimeError("DefaultCPUAllocator: can't allocate memory")), batch=8)
    generator = make(model)
    asked = requests([f"text {n}" for n in range(16)])
    drawn = await generator(asked)
    assert [pixel(image) for image in drawn] == [color(request.text, 0) for request in asked]
    halvings = {3: [8, 4], 1: [8, 4, 2]}[limit]
    assert [count for count in model.sizes_of(step) if count > limit] == halvings
    assert sum(f"not enough memory to {step}" in line for line in caplog.messages) == len(halvings)
    if step == "denoise":
        assert generator.standing().most == halvings[-1] // 2
        assert {image.batch for image in drawn if isinstance(image, GeneratedImage)} == {halvings[-1] // 2}


async def test_one_size_that_is_too_large_does_not_slow_down_another(make: Make) -> None:
    def plan(step: str, items: Sequence[object]) -> None:
        if step == "denoise" and len(items) > 1 and any(item.seed >= 100 for item in items if isinstance(item, Latents)):
            raise MemoryError

    model = FakeModel(plan, batch=4)
    await make(model)([ImageRequest("a", 100 + n, "2:1") for n in range(4)] + [ImageRequest("a", n) for n in range(8)])
    assert model.sizes_of("denoise") == [4, 2, 1, 1, 1, 1, 4, 4]


async def test_a_single_image_without_room_fails_with_what_would_help(make: Make) -> None:
    def plan(step: str, items: Sequence[object]) -> None:
        if step == "denoise" and any(item.text == "huge" for item in items if isinstance(item, Latents)):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.\nsecond line")

    huge, small = await make(FakeModel(plan))(requests(["huge", "small"]))
    assert isinstance(huge, StageError)
    assert huge.kind is FailureKind.OUT_OF_MEMORY
    assert not huge.retryable
    assert "20.00 GiB" in str(huge)
    assert "second line" not in str(huge)
    assert "offload" in huge.hint
    assert pixel(small) == color("small", 0)


async def test_a_single_image_that_finds_room_alone_is_drawn(make: Make) -> None:
    """Another step's memory was in the way: the image is tried again when nothing else runs."""
    decoding, denoising = threading.Event(), threading.Event()
    at_work: set[str] = set()

    def plan(step: str, items: Sequence[object]) -> None:
        text = str(getattr(items[0], "text", items[0]))
        if (step, text) == ("decode", "first"):
            at_work.add("decode")
            decoding.set()
            assert denoising.wait(LONG)
            at_work.remove("decode")
        if (step, text) == ("denoise", "second"):
            assert decoding.wait(LONG)
            denoising.set()
            if at_work:
                raise MemoryError

    model = FakeModel(plan, batch=1)
    drawn = await make(model)(requests(["first", "second"]))
    assert [pixel(image) for image in drawn] == [color("first", 0), color("second", 0)]


# --- other failures --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["encode", "denoise", "decode"])
@pytest.mark.parametrize("error", [StageError(FailureKind.UNSUPPORTED, "not this one"), ValueError("a bug")])
async def test_only_the_culprit_of_a_batch_fails_and_with_its_own_error(make: Make, step: str, error: Exception) -> None:
    def plan(now: str, items: Sequence[object]) -> None:
        if now == step and any(getattr(item, "text", item) == "poison" for item in items):
            raise error

    outcomes = await make(FakeModel(plan))(requests(["a", "poison", "b"]))
    assert outcomes[1] is error
    assert [pixel(outcomes[0]), pixel(outcomes[2])] == [color("a", 0), color("b", 0)]


@pytest.mark.parametrize("error", [StageError(FailureKind.UNREACHABLE, "no server", retryable=True), FatalError("keys refused")])
async def test_where_the_surroundings_failed_single_items_are_not_tried(make: Make, error: Exception) -> None:
    model = FakeModel(full(0, "encode", error), batch=4)
    assert list(await make(model)(requests(["a", "b", "c", "d"]))) == [error] * 4
    assert model.sizes_of("encode") == [4]


async def test_a_text_that_failed_once_is_encoded_again(make: Make) -> None:
    failures = [StageError(FailureKind.UNREACHABLE, "no server", retryable=True)]

    def plan(step: str, items: Sequence[object]) -> None:
        if failures:
            raise failures.pop()

    generator = make(FakeModel(plan))
    (failed,) = await generator(requests(["a"]))
    (drawn,) = await generator(requests(["a"]))
    assert isinstance(failed, StageError)
    assert pixel(drawn) == color("a", 0)


async def test_a_model_that_gives_too_little_fails_for_what_it_was_asked(make: Make) -> None:
    class Forgetful(FakeModel):
        def denoise(self, features: Sequence[str], seeds: Sequence[int], size: object) -> list[Latents]:
            return []

    outcomes = await make(Forgetful())(requests(["a", "b"]))
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, StageError)] == [FailureKind.MALFORMED] * 2


# --- going away ------------------------------------------------------------------------------------------------------------------------


async def test_what_nobody_waits_for_any_more_is_not_drawn(make: Make) -> None:
    busy, go = threading.Event(), threading.Event()

    def plan(step: str, items: Sequence[object]) -> None:
        if step == "denoise" and not busy.is_set():
            busy.set()
            assert go.wait(LONG)

    model = FakeModel(plan, batch=1)
    generator = make(model)
    first = asyncio.create_task(generator(requests(["first"])))
    await until(busy)
    unwanted = asyncio.create_task(generator(requests([f"unwanted {n}" for n in range(20)])))
    wanted = asyncio.create_task(generator(requests(["wanted"])))
    await asyncio.sleep(0)
    unwanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unwanted
    go.set()
    drawn = [*await first, *await wanted]
    assert [pixel(image) for image in drawn] == [color("first", 0), color("wanted", 0)]
    assert {item.text for item in model.items_of("denoise") if isinstance(item, Latents)} == {"first", "wanted"}


async def close_while_busy(model: FakeModel, generator: LocalGenerator, close: Callable[[], Awaitable[None]]) -> None:
    asking = asyncio.create_task(generator(requests(["a", "b", "c"], seeds=20)))
    await asyncio.sleep(0)
    await close()
    outcomes = await asyncio.wait_for(asking, LONG)
    assert len(outcomes) == 60
    assert any(isinstance(outcome, StageError) and "closed" in str(outcome) for outcome in outcomes)


async def test_closing_ends_what_is_under_way_and_frees_the_model() -> None:
    go = threading.Event()

    def plan(step: str, items: Sequence[object]) -> None:
        go.wait(LONG)

    model = FakeModel(plan)
    generator = LocalGenerator(model)

    async def close() -> None:
        closing = asyncio.create_task(generator.aclose())
        await asyncio.sleep(0)
        go.set()
        await closing

    await close_while_busy(model, generator, close)
    assert model.closed == 1
    await generator.aclose()
    assert model.closed == 1
    (late,) = await generator(requests(["late"]))
    assert isinstance(late, StageError)


async def test_closing_does_not_wait_for_ever_nor_free_a_model_in_use(caplog: pytest.LogCaptureFixture) -> None:
    busy, go = threading.Event(), threading.Event()

    def plan(step: str, items: Sequence[object]) -> None:
        busy.set()
        go.wait(LONG)

    model = FakeModel(plan)
    generator = LocalGenerator(model)

    async def close() -> None:
        await until(busy)
        await generator.aclose(patience=0.01)

    try:
        await close_while_busy(model, generator, close)
        assert model.closed == 0
        assert any("still at work (encode)" in line for line in caplog.messages)
    finally:
        go.set()


async def test_a_generator_that_was_never_used_closes() -> None:
    model = FakeModel()
    await LocalGenerator(model).aclose()
    assert model.closed == 1


# --- behind a stage --------------------------------------------------------------------------------------------------------------------


async def test_a_stage_that_hands_over_singly_gets_full_batches(make: Make) -> None:
    model = FakeModel(batch=4)
    generator = make(model)
    assert generator.times_itself
    asked = requests([f"text {n}" for n in range(10)], seeds=4)
    async with Stage(StageName.GENERATE, generator, StageLimits(concurrency=16, batch=1, timeout=None)) as stage:
        drawn = await asyncio.gather(*(stage(request.key("fake"), request) for request in asked))
    assert [pixel(image) for image in drawn] == [color(request.text, request.seed) for request in asked]
    assert generator.standing().texts_encoded == 10
    assert generator.standing().batches < 20
