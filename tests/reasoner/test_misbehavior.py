"""Every behavior of the test server through a real engine and rewriter: what becomes of it, and that no key ever shows."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from data.errors import FailureKind, StageError
from data.errors import Stage as StageName
from data.records import Rewrite
from optimizer.stage import Stage, StageLimits
from reasoner.engines.openai import openai_engine
from reasoner.rewrite import Rewriter
from reasoner.testserver import BEHAVIORS, ChatServer, serving
from tests.reasoner import failure_table
from tests.reasoner.failure_table import KEY, REQUEST, Outcome, documented_kinds, free_port, outcome

CHAT, RESPONSES = "chat", "responses"


class Trouble(NamedTuple):
    """What a behavior should come to. ``says`` are words of the message or the hint."""

    kind: FailureKind
    retryable: bool
    says: tuple[str, ...] = ()
    retry_after: float | None = None


FAILURES = {
    "bad-temperature": Trouble(FailureKind.REJECTED, False, ("temperature",)),
    "unauthorized": Trouble(FailureKind.UNAUTHORIZED, False, ("401",)),
    "forbidden": Trouble(FailureKind.UNAUTHORIZED, False, ("403",)),
    "unknown": Trouble(FailureKind.UNKNOWN_MODEL, False, ("has no model unknown", "it has ")),
    "rate-limited": Trouble(FailureKind.RATE_LIMITED, True, ("429",), 2),
    "rate-limited-bare": Trouble(FailureKind.RATE_LIMITED, True, ("429",)),
    "rate-limited-date": Trouble(FailureKind.RATE_LIMITED, True, ("429",), 0),
    "quota": Trouble(FailureKind.OUT_OF_CREDIT, False, ("quota",)),
    "payment": Trouble(FailureKind.OUT_OF_CREDIT, False, ("402",)),
    "context": Trouble(FailureKind.CONTEXT_TOO_LONG, False, ("4096",)),
    "content-filter": Trouble(FailureKind.REFUSED, False),
    "bad-request": Trouble(FailureKind.REJECTED, False, ("400", "messages")),
    "server-error": Trouble(FailureKind.SERVER_ERROR, True, ("500",)),
    "bad-gateway": Trouble(FailureKind.SERVER_ERROR, True, ("502",)),
    "overloaded": Trouble(FailureKind.SERVER_ERROR, True, ("503",), 3),
    "reset": Trouble(FailureKind.UNREACHABLE, True),
    "drip": Trouble(FailureKind.TIMEOUT, True),
    "hang": Trouble(FailureKind.TIMEOUT, True),
    "busy-once": Trouble(FailureKind.RATE_LIMITED, True, ("429",), 0.01),
    "server-error-once": Trouble(FailureKind.SERVER_ERROR, True, ("500",)),
    "dead-after-one": Trouble(FailureKind.UNREACHABLE, True),
    "no-choices": Trouble(FailureKind.MALFORMED, True),
    "null-content": Trouble(FailureKind.EMPTY, True),
    "blank": Trouble(FailureKind.EMPTY, True),
    "truncated-json": Trouble(FailureKind.MALFORMED, True),
    "array": Trouble(FailureKind.MALFORMED, True),
    "error-body": Trouble(FailureKind.MALFORMED, True, ("Provider returned error",)),
    "html": Trouble(FailureKind.MALFORMED, False, ("HTML",)),
    "wrong-type": Trouble(FailureKind.MALFORMED, True, ("text/plain",)),
    "huge": Trouble(FailureKind.TOO_LONG, False),
    "huge-chunked": Trouble(FailureKind.TOO_LONG, False),
    "tool-call": Trouble(FailureKind.MALFORMED, True, ("tool",)),
    "reasoning-only": Trouble(FailureKind.EMPTY, True),
    "unfinished": Trouble(FailureKind.UNFINISHED, False, ("reasoner.max_tokens",)),
    "harmony-unfinished": Trouble(FailureKind.UNFINISHED, False, ("reasoner.max_tokens",)),
    "too-long": Trouble(FailureKind.TOO_LONG, False, ("reasoner.max_tokens",)),
    "refusal": Trouble(FailureKind.REFUSED, False, ("I can't assist",)),
    "polite-refusal": Trouble(FailureKind.REFUSED, False, ("I can't help",)),
    "content-filtered": Trouble(FailureKind.REFUSED, False),
    "echo": Trouble(FailureKind.OFF_TASK, True, ("instructions",)),
}


class Good(NamedTuple):
    """What is recorded on a rewrite besides its text. ``removed`` and ``flaws`` are words of an entry each."""

    removed: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()
    reasoning: bool = False
    said: tuple[str, ...] = ()
    kept: bool = True
    """Whether the text is the model's whole rewrite, with the user's words in it."""


REWRITES = {
    "good": Good(),
    "thinking": Good(reasoning=True),
    "thinking-content": Good(reasoning=True),
    "schema": Good(),
    "author": Good(),
    "old": Good(),
    "no-seed": Good(said=("seed",)),
    "no-schema": Good(said=("schema",)),
    "schema-crash": Good(said=("schema",)),
    "responses-only": Good(),
    "chat-only": Good(),
    "harmony-raw": Good(reasoning=True),
    "harmony-stripped": Good(reasoning=True),
    "think-tags": Good(reasoning=True),
    "fenced": Good(removed=("fence",)),
    "markdown": Good(removed=("Enhanced prompt", "list marks")),
    "chatter": Good(removed=("Here is the prompt",)),
    "other-language": Good(flaws=("Chinese",), kept=False),
}
ONE_API = {("old", RESPONSES), ("chat-only", RESPONSES), ("responses-only", CHAT)}
"""Where the API that is asked for by name is one that the server does not have."""


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


def test_every_behavior_is_expected_to_do_something():
    assert sorted([*FAILURES, *REWRITES]) == sorted(BEHAVIORS)


def shown(found: Outcome) -> str:
    """All that a user could come to read."""
    error = found.result
    causes = [error.__cause__, error.__context__] if isinstance(error, StageError) else []
    return " ".join(map(repr, [error, str(error), getattr(error, "hint", ""), *causes, found.notices]))


@pytest.mark.parametrize("api", [CHAT, RESPONSES])
@pytest.mark.parametrize("model", FAILURES)
async def test_trouble_is_a_failure_of_its_own_kind(model: str, api: str):
    with serving() as own:  # Some behaviors count their requests.
        found = await outcome(own.url, model, api=api)
    error, expected = found.result, FAILURES[model]
    assert isinstance(error, StageError), error
    assert (error.kind, error.retryable, error.retry_after) == (expected.kind, expected.retryable, expected.retry_after), str(error)
    assert [word for word in expected.says if word not in f"{error} {error.hint}"] == [], f"{error} {error.hint}"
    assert KEY not in shown(found)


@pytest.mark.parametrize(("model", "api"), [(model, api) for model in REWRITES for api in (CHAT, RESPONSES) if (model, api) not in ONE_API])
async def test_what_can_be_used_is_cleaned_and_recorded(server: ChatServer, model: str, api: str):
    found = await outcome(server.url, model, api=api)
    rewrite, expected = found.result, REWRITES[model]
    assert isinstance(rewrite, Rewrite), rewrite
    for words, entries in ((expected.removed, rewrite.removed), (expected.flaws, rewrite.flaws), (expected.said, found.notices)):
        assert [word for word in words if word not in " / ".join(entries)] == [], entries
    assert (bool(rewrite.flaws), bool(rewrite.reasoning)) == (bool(expected.flaws), expected.reasoning), rewrite
    if expected.kept:
        assert REQUEST.prompt.text in rewrite.text
        assert rewrite.drift == ()
        assert not any(mark in rewrite.text for mark in ("```", "**", "<|", "think>", "assistantfinal", "Sure", "Let me know"))
    assert rewrite.usage.input_tokens > 0
    assert KEY not in shown(found)


@pytest.mark.parametrize("model", REWRITES)
async def test_without_being_told_the_api_is_found(server: ChatServer, model: str):
    found = await outcome(server.url, model)
    assert isinstance(found.result, Rewrite), found.result
    # The Responses API has no seed.
    assert (found.result.seed is None) == (model in ("no-seed", "responses-only"))


@pytest.mark.parametrize(("model", "api"), sorted(ONE_API))
async def test_an_api_that_is_asked_for_and_not_there(server: ChatServer, model: str, api: str):
    found = await outcome(server.url, model, api=api)
    assert isinstance(found.result, StageError)
    assert not found.result.retryable
    assert "api" in f"{found.result} {found.result.hint}".lower()


async def test_nobody_there():
    found = await outcome(f"http://127.0.0.1:{free_port()}/v1", "good")
    assert isinstance(found.result, StageError)
    assert (found.result.kind, found.result.retryable) == (FailureKind.UNREACHABLE, True)
    assert "doctor" in found.result.hint


async def test_a_wrong_key_is_not_shown():
    with serving(api_key="sk-another") as server:
        found = await outcome(server.url, "good")
    assert isinstance(found.result, StageError)
    assert found.result.kind is FailureKind.UNAUTHORIZED
    assert KEY not in shown(found)


@pytest.mark.parametrize("model", ["no-seed", "no-schema", "schema-crash", "old", "responses-only"])
async def test_what_a_server_can_not_do_is_found_out_once_and_said_once(model: str):
    with serving() as server:
        engine = openai_engine(model, urls=[server.url], api_key=KEY, parameters={}, most=4, timeout=5.0)
        rewriter = Rewriter(engine)
        with failure_table.listening() as notices:
            for _ in range(3):
                (rewrite,) = await rewriter([REQUEST])
                assert isinstance(rewrite, Rewrite)
        await engine.aclose()
        posts = [received for received in server.requests if received.body]
    assert len(posts) == 4
    assert len(notices) == len(set(notices)) <= 1


@pytest.mark.parametrize("model", ["busy-once", "server-error-once"])
async def test_what_heals_is_tried_again(model: str):
    with serving() as server:
        engine = openai_engine(model, urls=[server.url], api_key=KEY, parameters={}, most=4, timeout=5.0)
        async with Stage(StageName.REWRITE, Rewriter(engine), StageLimits(backoff=0.01, timeout=None)) as stage:
            rewrite = await stage("key", REQUEST)
        await engine.aclose()
    assert REQUEST.prompt.text in rewrite.text


# -- the page


def test_every_kind_has_a_meaning():
    assert set(documented_kinds()) == set(FailureKind)


async def test_the_page_is_up_to_date():
    written = failure_table.PAGE.read_text(encoding="utf-8")
    assert written == await failure_table.page(), f"docs/failures.md is out of date; `{failure_table.COMMAND}` rewrites it"
