"""A generator behind a guard: what passes, what does not, what it costs, and that a guard that fails lets nothing pass."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from data.errors import FailureKind, FatalError, StageError
from data.records import GeneratedImage
from data.usage import Usage
from generator import ImageRequest
from generator.engines.embedded import EmbeddedGenerator
from generator.guard import TEXTS_KEPT, Guarded, Verdict

DRAWN = Usage(10, 100, 0.5)
CHECKED = Usage(3, 1, 0.25)


class Painter:
    """Draws the text itself, as bytes; notes what it was asked for."""

    identity = "painter:1"
    text_limit = None
    ratios = ("1:1", "16:9")
    times_itself = True

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.closed = 0

    async def __call__(self, requests: Sequence[ImageRequest], /) -> Sequence[GeneratedImage | Exception]:
        self.batches.append([request.text for request in requests])
        return [
            StageError(FailureKind.SERVER_ERROR, "broke", retryable=True)
            if "broken" in request.text
            else GeneratedImage("0" * 64, 1, 1, usage=DRAWN, content=request.text.encode())
            for request in requests
        ]

    async def aclose(self) -> None:
        self.closed += 1


class Watch:
    """Blocks by words: "bad" texts, and images of "ugly" ones; fails at "outage" and "blackout"."""

    identity = 'watch:1?{"strict":true}'

    def __init__(self) -> None:
        self.texts: Counter[str] = Counter()
        self.images = 0
        self.failing = 0
        self.closed = 0
        self.free = asyncio.Event()
        self.free.set()

    async def check_text(self, text: str, /) -> Verdict:
        self.texts[text] += 1
        await self.free.wait()
        if "outage" in text or self.failing:
            self.failing = max(0, self.failing - 1)
            raise StageError(FailureKind.UNREACHABLE, "no connection to the guard", retryable=True)
        if "fatal" in text:
            raise FatalError("the guard's key was withdrawn")
        return Verdict("bad" in text, "violence, hate" if "bad" in text else "", CHECKED)

    async def check_image(self, png: bytes, /) -> Verdict:
        self.images += 1
        if b"blackout" in png:
            raise StageError(FailureKind.TIMEOUT, "the guard did not answer", retryable=True, usage=CHECKED)
        if b"crash" in png:
            raise KeyError("results")
        return Verdict(b"ugly" in png, "violence/graphic" if b"ugly" in png else "", CHECKED)

    async def aclose(self) -> None:
        self.closed += 1


def requests(*texts: str) -> list[ImageRequest]:
    return [ImageRequest(text, seed) for seed, text in enumerate(texts)]


async def test_what_is_harmless_passes_unchanged_but_for_what_it_cost():
    painter, watch = Painter(), Watch()
    (image,) = await Guarded(painter, watch)(requests("a cat"))
    (alone,) = await painter(requests("a cat"))
    assert isinstance(image, GeneratedImage)
    assert isinstance(alone, GeneratedImage)
    assert image == alone
    assert image.content == b"a cat"
    assert image.usage == DRAWN + CHECKED + CHECKED


async def test_a_bad_text_is_never_drawn():
    painter, watch = Painter(), Watch()
    outcomes = await Guarded(painter, watch)(requests("a bad cat"))
    (error,) = outcomes
    assert isinstance(error, StageError)
    assert (error.kind, error.retryable, error.usage) == (FailureKind.BLOCKED, False, CHECKED)
    assert str(error) == "the guard watch:1 blocked the text: violence, hate"
    assert painter.batches == []


async def test_a_bad_image_is_not_handed_out_and_still_paid_for():
    (error,) = await Guarded(Painter(), Watch())(requests("an ugly cat"))
    assert isinstance(error, StageError)
    assert error.kind is FailureKind.BLOCKED
    assert "image" in str(error)
    assert "violence/graphic" in str(error)
    assert "an ugly cat" not in f"{error!r} {error.hint} {vars(error)}", "neither the image nor the text is repeated"
    assert error.usage == DRAWN + CHECKED + CHECKED


async def test_each_item_of_a_batch_has_its_own_outcome_in_order():
    painter = Painter()
    outcomes = await Guarded(painter, Watch())(requests("a", "bad", "broken", "outage", "ugly", "b", "blackout", "crash"))
    kinds = [one.kind if isinstance(one, StageError) else type(one) for one in outcomes]
    assert kinds == [
        GeneratedImage,
        FailureKind.BLOCKED,
        FailureKind.SERVER_ERROR,
        FailureKind.UNREACHABLE,
        FailureKind.BLOCKED,
        GeneratedImage,
        FailureKind.TIMEOUT,
        KeyError,
    ]
    assert [one.content for one in outcomes if isinstance(one, GeneratedImage)] == [b"a", b"b"]
    assert painter.batches == [["a", "broken", "ugly", "b", "blackout", "crash"]], "what passes is drawn in one batch"


@pytest.mark.parametrize("text", ["outage", "blackout"])
async def test_a_guard_that_fails_lets_nothing_pass(text: str):
    (error,) = await Guarded(Painter(), Watch())(requests(text))
    assert isinstance(error, StageError)
    assert error.kind in (FailureKind.UNREACHABLE, FailureKind.TIMEOUT)
    assert error.retryable, "it may be asked again"


async def test_what_was_drawn_before_the_guard_failed_is_paid_for():
    (error,) = await Guarded(Painter(), Watch())(requests("blackout"))
    assert isinstance(error, StageError)
    assert error.usage == DRAWN + CHECKED + CHECKED


async def test_a_fatal_error_ends_it():
    with pytest.raises(FatalError, match="withdrawn"):
        await Guarded(Painter(), Watch())(requests("a", "fatal"))


async def test_a_text_is_checked_once_for_all_seeds_and_every_image_for_itself():
    watch = Watch()
    guarded = Guarded(Painter(), watch)
    watch.free.clear()
    calls = [asyncio.create_task(guarded([ImageRequest("a cat", seed)])) for seed in range(3)]
    await asyncio.sleep(0)
    watch.free.set()
    first = [image for (image,) in await asyncio.gather(*calls)]
    later = await guarded([ImageRequest("a cat", 9)])
    assert watch.texts == {"a cat": 1}
    assert watch.images == 4
    used = [image.usage for image in (*first, *later) if isinstance(image, GeneratedImage)]
    assert sum(used, Usage()) == sum([DRAWN + CHECKED] * 4, CHECKED), "the text's check is charged once"


async def test_a_failed_check_is_not_remembered():
    watch = Watch()
    guarded = Guarded(Painter(), watch)
    watch.failing = 1
    (error,) = await guarded(requests("a cat"))
    (image,) = await guarded(requests("a cat"))
    assert isinstance(error, StageError)
    assert isinstance(image, GeneratedImage)
    assert watch.texts["a cat"] == 2


async def test_a_caller_that_goes_away_takes_no_check_from_the_others():
    watch = Watch()
    guarded = Guarded(Painter(), watch)
    watch.free.clear()
    impatient = asyncio.create_task(guarded(requests("a cat")))
    await asyncio.sleep(0)
    patient = asyncio.create_task(guarded(requests("a cat")))
    await asyncio.sleep(0)
    impatient.cancel()
    watch.free.set()
    (image,) = await patient
    assert isinstance(image, GeneratedImage)
    assert watch.texts["a cat"] == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_old_verdicts_are_forgotten():
    watch = Watch()
    guarded = Guarded(Painter(), watch)
    await guarded(requests("first", *(f"text {number}" for number in range(TEXTS_KEPT))))
    await guarded(requests("first"))
    assert watch.texts["first"] == 2


async def test_it_is_the_generator_with_another_identity():
    painter, watch = Painter(), Watch()
    guarded = Guarded(painter, watch)
    assert (guarded.text_limit, guarded.ratios, guarded.times_itself) == (None, ("1:1", "16:9"), True)
    assert painter.identity in guarded.identity
    assert watch.identity in guarded.identity
    await guarded.aclose()
    assert (painter.closed, watch.closed) == (1, 1)


async def test_around_the_embedded_generator():
    embedded = EmbeddedGenerator()
    guarded = Guarded(embedded, Watch())
    (image, blocked) = await guarded([ImageRequest("a red circle", 1), ImageRequest("a bad circle", 1)])
    (alone,) = await embedded([ImageRequest("a red circle", 1)])
    assert isinstance(image, GeneratedImage)
    assert isinstance(alone, GeneratedImage)
    assert replace(image, latency=0) == replace(alone, latency=0)
    assert isinstance(blocked, StageError)
    assert guarded.times_itself is False
    assert await guarded([]) == []
    await guarded.aclose()
