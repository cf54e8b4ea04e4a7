"""The openai engine against a real server that misbehaves: every trouble is a StageError of its own kind, and no key ever shows."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import pytest

from data.errors import FailureKind, StageError
from data.errors import Stage as StageName
from data.records import Prompt, SystemPrompt
from optimizer.stage import Stage, StageFailed, StageLimits
from reasoner import RewriteRequest
from reasoner.chat import Chat, Completion
from reasoner.engines.openai import OpenAIEngine
from reasoner.rewrite import Rewriter
from tests.chat_server import ChatServer, chat_server

KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@asynccontextmanager
async def opened(url: str, model: str, **parameters: object) -> AsyncGenerator[OpenAIEngine]:
    engine = OpenAIEngine(model, base_url=url, api_key=KEY, parameters=parameters)
    try:
        yield engine
    finally:
        await engine.aclose()


async def ask(server: ChatServer, model: str, **parameters: object) -> Completion | Exception:
    async with opened(server.url, model, **parameters) as engine:
        return (await engine([Chat("Be vivid.", "a cat", seed=5, max_tokens=99)]))[0]


async def test_sends_what_it_was_told_and_reads_the_answer(server: ChatServer):
    completion = await ask(server, "good", temperature=0.3)
    assert isinstance(completion, Completion)
    assert completion.text == "A picture of a cat."
    assert (completion.usage.input_tokens, completion.usage.output_tokens, completion.usage.cost) == (11, 7, None)
    body = server.bodies[-1]
    assert body["messages"] == [{"role": "system", "content": "Be vivid."}, {"role": "user", "content": "a cat"}]
    assert (body["seed"], body["max_completion_tokens"], body["temperature"]) == (5, 99, 0.3)


async def test_keeps_the_reasoning(server: ChatServer):
    completion = await ask(server, "thinking")
    assert isinstance(completion, Completion)
    assert completion.reasoning == "The user wants a cat."


async def test_finds_out_once_that_a_server_is_old(server: ChatServer):
    async with opened(server.url, "old") as old:
        for _ in range(2):
            assert isinstance((await old([Chat("s", "a cat", 1, 50)]))[0], Completion)
    limits = [("max_tokens" in body, "max_completion_tokens" in body) for body in server.bodies if body["model"] == "old"]
    assert limits == [(False, True), (True, False), (True, False)]


@pytest.mark.parametrize(
    ("model", "kind", "retryable"),
    [
        ("busy", FailureKind.RATE_LIMITED, True),
        ("broken", FailureKind.SERVER_ERROR, True),
        ("locked", FailureKind.UNAUTHORIZED, False),
        ("unknown", FailureKind.REJECTED, False),
        ("junk", FailureKind.MALFORMED, True),
        ("half", FailureKind.MALFORMED, True),
        ("no-choices", FailureKind.MALFORMED, True),
        ("empty", FailureKind.EMPTY, True),
        ("endless", FailureKind.TOO_LONG, False),
    ],
)
async def test_every_trouble_is_a_failure_of_its_own_kind(server: ChatServer, model: str, kind: FailureKind, retryable: bool):
    error = await ask(server, model)
    assert isinstance(error, StageError)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert KEY not in f"{error} {error.hint} {error!r}"
    assert error.retry_after == (0.01 if model == "busy" else None)


async def test_nobody_there_is_unreachable():
    async with opened("http://127.0.0.1:9/v1", "m") as engine:
        error = (await engine([Chat("s", "u", 1)]))[0]
    assert isinstance(error, StageError)
    assert (error.kind, error.retryable) == (FailureKind.UNREACHABLE, True)
    assert "doctor" in error.hint


async def test_the_identity_names_model_and_parameters_and_no_secret(server: ChatServer):
    async with opened(server.url, "good", temperature=0.3) as warm, opened(server.url, "good") as plain:
        assert "good" in warm.identity
        assert "0.3" in warm.identity
        assert KEY not in warm.identity
        assert warm.identity != plain.identity


async def test_the_stage_waits_and_tries_again(server: ChatServer):
    request = RewriteRequest(SystemPrompt("Be vivid."), Prompt("a cat"), 0)
    async with opened(server.url, "busy-once") as engine, Stage(StageName.REWRITE, Rewriter(engine), StageLimits(backoff=0.01)) as stage:
        rewrite = await stage("key", request)
    assert rewrite.text == "A picture of a cat."


async def test_a_slow_server_times_out(server: ChatServer):
    limits = StageLimits(timeout=0.1, attempts=1)
    async with opened(server.url, "slow") as engine, Stage(StageName.REWRITE, Rewriter(engine), limits) as stage:
        with pytest.raises(StageFailed) as failed:
            await stage("key", RewriteRequest(SystemPrompt("s"), Prompt("a cat"), 0))
    assert failed.value.error.kind is FailureKind.TIMEOUT
