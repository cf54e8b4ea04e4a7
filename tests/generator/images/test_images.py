"""The images engine against a real server that draws, misbehaves, moderates and dies."""

import asyncio
import hashlib
import io
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from PIL import Image

from data.errors import FailureKind, StageError, UsageError
from data.records import GeneratedImage
from generator import ImageRequest
from generator.engines.images import ImagesEndpoint, RemoteImages, images_generator, model_sizes
from generator.local import Size
from generator.received import REWRITTEN_AGAIN
from reasoner.testserver import IMAGES, ChatServer, Received, serving
from tests.reasoner.failure_table import free_port

KEY = "sk-very-secret-0123456789"
REQUEST = ImageRequest("a red harbour at dawn", 7)
NO_SEED = "takes no seed"


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


def engine(model: str, *urls: str, timeout: float = 30.0, most: int = 4, size: str | None = "64x48", **parameters: Any) -> RemoteImages:
    return images_generator(model, urls=urls, api_key=KEY, parameters=parameters, size=size, most=most, timeout=timeout)


async def outcomes(model: str, url: str, *requests: ImageRequest, **options: Any) -> list[GeneratedImage | Exception]:
    generator = engine(model, url, **options)
    try:
        return list(await generator(requests or [REQUEST]))
    finally:
        await generator.aclose()


async def image(model: str, url: str, request: ImageRequest = REQUEST, **options: Any) -> GeneratedImage:
    (outcome,) = await outcomes(model, url, request, **options)
    assert isinstance(outcome, GeneratedImage), outcome
    return outcome


async def failure(model: str, url: str, request: ImageRequest = REQUEST, **options: Any) -> StageError:
    (outcome,) = await outcomes(model, url, request, **options)
    assert isinstance(outcome, StageError), outcome
    shown = " ".join(map(repr, [outcome, str(outcome), outcome.hint, outcome.__cause__, outcome.__context__]))
    assert KEY not in shown
    return outcome


def sent(server: ChatServer, model: str) -> list[Received]:
    return [received for received in server.requests if received.body.get("model") == model and received.path.endswith("/generations")]


# -- what is sent, and what comes of it


async def test_an_image_comes_as_a_png_with_its_hash(server: ChatServer):
    drawn = await image("good", server.url)
    assert drawn.content is not None
    with Image.open(io.BytesIO(drawn.content)) as shown:
        assert (shown.format, shown.mode, shown.size) == ("PNG", "RGB", (64, 48))
    assert (drawn.width, drawn.height) == (64, 48)
    assert drawn.sha256 == hashlib.sha256(drawn.content).hexdigest()
    assert (drawn.flaws, drawn.revised_prompt) == ((), "")
    assert drawn.usage.cost is None, "what an endpoint of one's own costs is unknown"
    assert drawn.latency > 0


async def test_the_request_says_all_that_was_asked_for(server: ChatServer):
    await image("unrevised", server.url, quality="high", steps=9, guidance=4.5, negative="blurry", true_cfg_scale=2)
    assert sent(server, "unrevised")[-1].body == {
        "model": "unrevised",
        "prompt": REQUEST.text,
        "seed": 7,
        "size": "64x48",
        "response_format": "b64_json",
        "quality": "high",
        "num_inference_steps": 9,
        "guidance_scale": 4.5,
        "negative_prompt": "blurry",
        "true_cfg_scale": 2,
    }


async def test_pixels_depend_on_text_and_seed(server: ChatServer):
    requests = [REQUEST, ImageRequest(REQUEST.text, 8), ImageRequest("another", 7), REQUEST]
    drawn = await outcomes("good", server.url, *requests)
    hashes = [one.sha256 for one in drawn if isinstance(one, GeneratedImage)]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3


async def test_a_ratio_chooses_the_size(server: ChatServer):
    generator = engine("good", server.url, size=None)
    assert {"1:1", "16:9", "9:16"} <= set(generator.ratios)
    assert engine("good", size="256x256").ratios == engine("good", size="auto").ratios == ()
    (wide,) = await generator([ImageRequest("a", 1, "16:9")])
    (odd,) = await generator([ImageRequest("a", 1, "5:1")])
    await generator.aclose()
    assert isinstance(wide, GeneratedImage)
    assert wide.width / wide.height == pytest.approx(16 / 9, rel=0.1)
    assert wide.width % 16 == wide.height % 16 == 0
    assert wide.flaws == ()
    assert isinstance(odd, StageError)
    assert odd.kind is FailureKind.UNSUPPORTED
    assert "16:9" in str(odd)


async def test_a_size_may_be_left_to_the_server(server: ChatServer):
    drawn = await image("no-size", server.url, ImageRequest("any size", 3), size="auto")
    assert "size" not in sent(server, "no-size")[-1].body
    assert (drawn.width, drawn.height, drawn.flaws) == (256, 256, ())


@pytest.mark.parametrize(
    ("model", "ratio", "size"),
    [
        ("gpt-image-1", "3:2", Size(1536, 1024)),
        ("gpt-image-1.5", "2:3", Size(1024, 1536)),
        ("dall-e-3", "16:9", Size(1792, 1024)),
        ("openai/dall-e-3", "9:16", Size(1024, 1792)),
        ("Qwen/Qwen-Image", "1:1", Size(1024, 1024)),
    ],
)
def test_models_with_a_few_sizes_are_asked_for_those(model: str, ratio: str, size: Size):
    default, sizes = model_sizes(model, None)
    assert default == Size(1024, 1024)
    assert sizes[ratio] == size


def test_what_can_not_be_meant_is_refused_before_anything_is_sent():
    with pytest.raises(UsageError, match="seed"):
        engine("m", seed=3)
    with pytest.raises(UsageError):
        engine("m", size="large")
    with pytest.raises(UsageError, match="size"):
        images_generator("m", urls=(), api_key=KEY, parameters={"size": "64x64"}, most=1, timeout=1)
    with pytest.raises(UsageError, match="key"):
        images_generator("m", urls=(), api_key="sk-1\nsk-2", parameters={}, most=1, timeout=1)


def test_the_identity_names_what_determines_pixels_and_no_secret():
    one, elsewhere = engine("m", "http://127.0.0.1:1/v1", steps=9), engine("m", "http://127.0.0.1:2/v1", steps=9)
    assert one.identity == elsewhere.identity
    assert one.identity.startswith("images:m?")
    assert "64x48" in one.identity
    assert len({one.identity, engine("m", steps=8).identity, engine("n", steps=9).identity, engine("m", size="64x64").identity}) == 4
    assert KEY not in one.identity
    assert (one.text_limit, one.times_itself) == (None, True)


# -- what a server does not take


@pytest.mark.parametrize(("model", "lacking"), [("no-seed", {"seed"}), ("gpt-image", {"seed", "response_format"}), ("strict", {"seed"})])
async def test_what_a_server_does_not_take_is_left_out_recorded_and_said_once(
    model: str, lacking: set[str], caplog: pytest.LogCaptureFixture
):
    with serving() as own:
        generator = engine(model, own.url)
        with caplog.at_level(logging.WARNING):
            drawn = [(await generator([ImageRequest("a", seed)]))[0] for seed in range(3)]
        await generator.aclose()
        bodies = [received.body for received in own.requests]
    assert len(bodies) == 3 + len(lacking)
    assert all(lacking.isdisjoint(body) for body in bodies[-3:])
    assert all(isinstance(one, GeneratedImage) and NO_SEED in " ".join(one.flaws) for one in drawn), drawn
    assert len([record for record in caplog.records if NO_SEED in record.message]) == 1


async def test_many_first_calls_at_once_learn_it_once(caplog: pytest.LogCaptureFixture):
    with serving(latency=0.05) as own, caplog.at_level(logging.WARNING):
        drawn = await outcomes("gpt-image", own.url, *(ImageRequest("a", seed) for seed in range(8)))
    assert all(isinstance(one, GeneratedImage) for one in drawn), drawn
    assert len([record for record in caplog.records if NO_SEED in record.message]) == 1


async def test_a_seed_that_is_too_large_does_not_mean_that_there_are_none(server: ChatServer):
    large, small = await outcomes("small-seeds", server.url, ImageRequest("a", 70_000), ImageRequest("a", 7))
    assert isinstance(large, StageError)
    assert large.kind is FailureKind.REJECTED
    assert "65535" in str(large)
    assert isinstance(small, GeneratedImage)
    assert small.flaws == ()


async def test_what_the_user_wrote_is_never_left_out(server: ChatServer):
    error = await failure("bad-temperature", server.url, temperature=0.7)
    assert error.kind is FailureKind.REJECTED
    assert "temperature" in error.hint


async def test_base64_is_asked_for_where_servers_send_addresses_else(server: ChatServer):
    assert (await image("wants-base64", server.url)).flaws == ()


async def test_tokens_are_counted(server: ChatServer):
    usage = (await image("gpt-image", server.url)).usage
    assert (usage.input_tokens, usage.output_tokens) == (9, 1056)


async def test_a_server_that_rewrites_again_is_recorded_and_flagged(server: ChatServer):
    revised = await image("revised", server.url)
    assert revised.revised_prompt.endswith(REQUEST.text)
    assert revised.flaws == (REWRITTEN_AGAIN,)
    same = await image("unrevised", server.url)
    assert (same.revised_prompt, same.flaws) == ("", ())


async def test_another_size_than_asked_for_is_a_flaw(server: ChatServer):
    drawn = await image("other-size", server.url)
    assert (drawn.width, drawn.height) == (96, 64)
    assert drawn.flaws == ("the server drew 96x64, where 64x48 was asked for",)


@pytest.mark.parametrize("model", ["jpeg", "webp", "data-uri", "transparent"])
async def test_other_files_become_the_same_kind_of_png(server: ChatServer, model: str):
    drawn = await image(model, server.url)
    assert drawn.content is not None
    with Image.open(io.BytesIO(drawn.content)) as shown:
        assert (shown.format, shown.mode, shown.size) == ("PNG", "RGB", (64, 48))
        if model == "transparent":
            assert shown.getpixel((0, 0)) == (255, 255, 255)


# -- what goes wrong


class Trouble(NamedTuple):
    """What a behavior should come to. ``says`` are words of the message or the hint."""

    kind: FailureKind
    retryable: bool
    says: tuple[str, ...] = ()


TROUBLES = {
    "url-only": Trouble(FailureKind.UNSUPPORTED, False, ("address", "base64")),
    "no-image": Trouble(FailureKind.EMPTY, True),
    "null-image": Trouble(FailureKind.EMPTY, True),
    "bad-base64": Trouble(FailureKind.MALFORMED, True, ("base64",)),
    "not-an-image": Trouble(FailureKind.MALFORMED, True, ("no image",)),
    "svg": Trouble(FailureKind.MALFORMED, True, ("no image",)),
    "half-an-image": Trouble(FailureKind.MALFORMED, True, ("whole",)),
    "bomb": Trouble(FailureKind.TOO_LONG, False, ("9000x9000", "megapixels")),
    "endless": Trouble(FailureKind.TOO_LONG, False, ("64 MiB", "cut off", "smaller size")),
    "moderation-blocked": Trouble(FailureKind.BLOCKED, False, ("violence", "reword")),
    "azure-filtered": Trouble(FailureKind.BLOCKED, False, ("violence",)),
    "content-filtered-code": Trouble(FailureKind.BLOCKED, False),
    "nsfw": Trouble(FailureKind.BLOCKED, False, ("NSFW",)),
    "blocked-politely": Trouble(FailureKind.BLOCKED, False),
    "withheld": Trouble(FailureKind.BLOCKED, False, ("kept it back",)),
    # What any server can do wrong.
    "content-filter": Trouble(FailureKind.BLOCKED, False, ("safety system",)),
    "unauthorized": Trouble(FailureKind.UNAUTHORIZED, False, ("401",)),
    "forbidden": Trouble(FailureKind.UNAUTHORIZED, False, ("403",)),
    "unknown": Trouble(FailureKind.UNKNOWN_MODEL, False, ("has no model unknown",)),
    "rate-limited": Trouble(FailureKind.RATE_LIMITED, True, ("429", "generator.concurrency")),
    "quota": Trouble(FailureKind.OUT_OF_CREDIT, False, ("quota",)),
    "context": Trouble(FailureKind.CONTEXT_TOO_LONG, False, ("4096", "shorter length")),
    "bad-request": Trouble(FailureKind.REJECTED, False, ("400",)),
    "no-size": Trouble(FailureKind.REJECTED, False, ("size=auto",)),
    "server-error": Trouble(FailureKind.SERVER_ERROR, True, ("500",)),
    "bad-gateway": Trouble(FailureKind.SERVER_ERROR, True, ("502",)),
    "overloaded": Trouble(FailureKind.SERVER_ERROR, True, ("503",)),
    "reset": Trouble(FailureKind.UNREACHABLE, True),
    "truncated-json": Trouble(FailureKind.MALFORMED, True, ("broken JSON",)),
    "array": Trouble(FailureKind.MALFORMED, True, ("no image model's answer",)),
    "no-choices": Trouble(FailureKind.MALFORMED, True, ("no image model's answer",)),
    "error-body": Trouble(FailureKind.MALFORMED, True, ("Provider returned error", "instead of an image")),
    "html": Trouble(FailureKind.MALFORMED, False, ("HTML", "no image model is served there")),
}
GOOD = {
    "small-seeds",
    "gpt-image",
    "wants-base64",
    "strict",
    "revised",
    "unrevised",
    "other-size",
    "jpeg",
    "webp",
    "transparent",
    "data-uri",
}


def test_every_behavior_is_expected_to_do_something():
    assert set(IMAGES) <= set(TROUBLES) | GOOD


@pytest.mark.parametrize("model", TROUBLES)
async def test_trouble_is_a_failure_of_its_own_kind(server: ChatServer, model: str):
    error, expected = await failure(model, server.url), TROUBLES[model]
    assert (error.kind, error.retryable) == (expected.kind, expected.retryable), str(error)
    assert [word for word in expected.says if word not in f"{error} {error.hint}"] == [], f"{error} {error.hint}"
    assert "reasoner." not in error.hint


@pytest.mark.parametrize("model", ["hang", "drip"])
async def test_what_never_ends_is_a_timeout(server: ChatServer, model: str):
    error = await failure(model, server.url, timeout=0.5)
    assert (error.kind, error.retryable) == (FailureKind.TIMEOUT, True)
    assert "generator.timeout" in error.hint


async def test_nobody_there():
    error = await failure("good", f"http://127.0.0.1:{free_port()}/v1")
    assert (error.kind, error.retryable) == (FailureKind.UNREACHABLE, True)
    assert "generator.engine" in error.hint


async def test_an_answer_beyond_the_bound_is_cut_off(server: ChatServer):
    endpoint = ImagesEndpoint("good", url=server.url, api_key=None, parameters={}, size=None, sizes={}, timeout=5, most_bytes=100)
    with pytest.raises(StageError, match="cut off") as refused:
        await endpoint.answer(REQUEST)
    await endpoint.aclose()
    assert refused.value.kind is FailureKind.TOO_LONG


async def test_one_bad_item_fails_alone(server: ChatServer):
    drawn = await outcomes("good", server.url, ImageRequest("a", 1), ImageRequest("half a character: \ud800", 1), ImageRequest("b", 1))
    assert [type(one) for one in drawn] == [GeneratedImage, StageError, GeneratedImage]


# -- several endpoints


async def test_with_one_endpoint_dead_the_others_draw_everything(server: ChatServer):
    dead = f"http://127.0.0.1:{free_port()}/v1"
    generator = engine("good", dead, server.url)
    drawn = await generator([ImageRequest("a", seed) for seed in range(12)])
    standings = {standing.name: standing.out for standing in generator.standings()}
    await generator.aclose()
    assert all(isinstance(one, GeneratedImage) for one in drawn), drawn
    assert standings == {dead: True, server.url: False}


async def test_an_endpoint_that_dies_takes_no_image_with_it(server: ChatServer):
    with serving() as mortal:
        generator = engine("good", mortal.url, server.url)
        before = await generator([ImageRequest("a", seed) for seed in range(4)])
        mortal.stop()
        after = await generator([ImageRequest("a", seed) for seed in range(8)])
        await generator.aclose()
        assert sent(mortal, "good"), "it drew some before it died"
    assert all(isinstance(one, GeneratedImage) for one in (*before, *after)), after


async def test_no_more_calls_at_once_than_allowed():
    with serving(latency=0.05, capacity=2, drown=0) as own:
        drawn = await outcomes("good", own.url, *(ImageRequest("a", seed) for seed in range(6)), most=2)
    assert all(isinstance(one, GeneratedImage) for one in drawn), drawn


async def test_a_cancelled_call_leaves_the_engine_usable(server: ChatServer):
    generator = engine("hang", server.url, timeout=20)
    call = asyncio.create_task(generator([REQUEST]))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [standing.in_flight for standing in generator.standings()] == [0]
    await generator.aclose()
