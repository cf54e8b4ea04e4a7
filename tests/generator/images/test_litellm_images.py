"""Images through litellm, against a real server that misbehaves, and against litellm's own tables of providers."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from data.errors import FailureKind, StageError, UsageError
from data.records import GeneratedImage
from generator import ImageRequest
from generator.engines.litellm_images import litellm_images
from reasoner.testserver import ChatServer, serving

KEY = "sk-very-secret-0123456789"
SECRETS = {"PHOROPTER_API_KEY": KEY}
REQUEST = ImageRequest("a red harbour at dawn", 7)


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


async def draw(server: ChatServer, model: str, times: int = 1, *, timeout: float = 20.0, **parameters: Any) -> list[Any]:
    """By litellm's own way of speaking with Recraft, which looks like OpenAI's on the wire."""
    url = server.url.removesuffix("/v1")
    engine = litellm_images(
        f"recraft/{model}", urls=[url], secret=SECRETS.get, parameters=parameters, size="64x48", most=4, timeout=timeout
    )
    try:
        return [(await engine([REQUEST]))[0] for _ in range(times)]
    finally:
        await engine.aclose()


async def test_sends_what_it_was_told_and_reads_the_image(server: ChatServer):
    (drawn,) = await draw(server, "good", style="vector", steps=9)
    assert isinstance(drawn, GeneratedImage), drawn
    assert (drawn.width, drawn.height, drawn.flaws, drawn.usage.cost) == (64, 48, (), None)
    body = server.requests[-1].body
    assert (body["model"], body["prompt"], body["seed"], body["size"]) == ("good", REQUEST.text, 7, "64x48")
    assert (body["style"], body["num_inference_steps"]) == ("vector", 9)


async def test_a_seed_that_is_not_taken_is_left_out_recorded_and_said_once(server: ChatServer, caplog: pytest.LogCaptureFixture):
    before = len(server.requests)
    with caplog.at_level(logging.INFO):
        drawn = await draw(server, "no-seed", 2)
    assert all(isinstance(one, GeneratedImage) and "no seed" in " ".join(one.flaws) for one in drawn), drawn
    assert ["seed" in received.body for received in server.requests[before:]] == [True, False, False]
    assert sum("no seed" in record.message for record in caplog.records) == 1


TROUBLES = [
    ("url-only", FailureKind.UNSUPPORTED, False),
    ("no-image", FailureKind.EMPTY, True),
    ("null-image", FailureKind.EMPTY, True),
    ("bad-base64", FailureKind.MALFORMED, True),
    ("not-an-image", FailureKind.MALFORMED, True),
    ("bomb", FailureKind.TOO_LONG, False),
    ("moderation-blocked", FailureKind.BLOCKED, False),
    ("azure-filtered", FailureKind.BLOCKED, False),
    ("nsfw", FailureKind.BLOCKED, False),
    ("content-filter", FailureKind.BLOCKED, False),
    ("unauthorized", FailureKind.UNAUTHORIZED, False),
    ("unknown", FailureKind.UNKNOWN_MODEL, False),
    ("rate-limited", FailureKind.RATE_LIMITED, True),
    ("quota", FailureKind.OUT_OF_CREDIT, False),
    ("bad-request", FailureKind.REJECTED, False),
    ("server-error", FailureKind.SERVER_ERROR, True),
    ("overloaded", FailureKind.SERVER_ERROR, True),
    ("reset", FailureKind.UNREACHABLE, True),
    ("array", FailureKind.MALFORMED, True),
    ("html", FailureKind.MALFORMED, True),
    ("error-body", FailureKind.MALFORMED, True),
]
"""By litellm, which tells some of them less well than the images engine does."""


@pytest.mark.parametrize(("model", "kind", "retryable"), TROUBLES)
async def test_every_trouble_is_a_failure_of_its_own_kind(server: ChatServer, model: str, kind: FailureKind, retryable: bool):
    (error,) = await draw(server, model)
    assert isinstance(error, StageError), error
    assert (error.kind, error.retryable) == (kind, retryable), str(error)
    assert KEY not in f"{error} {error.hint} {error!r}"
    assert "reasoner." not in error.hint
    assert "Traceback" not in str(error)


@pytest.mark.parametrize("model", ["rate-limited", "server-error", "overloaded", "reset"])
@pytest.mark.parametrize("provider", ["openai", "together_ai"])
async def test_providers_of_openais_shape_are_asked_without_litellm_which_would_ask_again(model: str, provider: str):
    with serving() as own:
        engine = litellm_images(f"{provider}/{model}", urls=[own.url], secret=SECRETS.get, parameters={}, most=4, timeout=20)
        (error,) = await engine([REQUEST])
        await engine.aclose()
        assert isinstance(error, StageError)
        assert error.retryable
        assert [received.body["model"] for received in own.requests] == [model]


def test_such_a_provider_has_its_own_address_and_key():
    engine = litellm_images(
        "together_ai/black-forest-labs/FLUX.1-schnell", secret={"TOGETHERAI_API_KEY": KEY}.get, parameters={}, most=1, timeout=1
    )
    (standing,) = engine.standings()
    assert standing.name.startswith("https://api.together.")


async def test_what_never_ends_is_a_timeout(server: ChatServer):
    (error,) = await draw(server, "hang", timeout=0.5)
    assert error.kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(("model", "hint"), [("nobody/x", "litellm:"), ("gemini/imagen-4.0-generate-001", "GEMINI_API_KEY")])
def test_an_unknown_provider_or_a_missing_key_is_refused_at_once(model: str, hint: str):
    with pytest.raises(UsageError) as refused:
        litellm_images(model, secret={}.get, parameters={}, most=1, timeout=1)
    assert hint in f"{refused.value} {refused.value.hint}"


async def test_what_litellm_knows_of_a_provider_is_not_tried(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        engine = litellm_images("stability/sd3", secret={"STABILITY_API_KEY": KEY}.get, parameters={}, most=1, timeout=1)
    await engine.aclose()
    assert "takes no seed" in caplog.text
    assert KEY not in engine.identity
