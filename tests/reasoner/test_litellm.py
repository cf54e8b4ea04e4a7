"""The litellm engine against a real server that misbehaves, and against litellm's own tables of providers and prices."""

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager

import litellm
import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError, UsageError
from data.remote.balance import Balanced
from data.remote.providers import missing_keys, provider_of
from reasoner.engines.litellm import LiteLLMEndpoint, litellm_engine
from reasoner.rewrite import rewrite_schema
from reasoner.testserver import ChatServer, serving

KEY = "sk-very-secret-0123456789"
SECRETS = {"PHOROPTER_API_KEY": KEY}


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@asynccontextmanager
async def opened(server: ChatServer, model: str, timeout: float = 20.0, **parameters: object) -> AsyncGenerator[Balanced]:
    engine = litellm_engine(f"openai/{model}", urls=[server.url], secret=SECRETS.get, parameters=parameters, most=4, timeout=timeout)
    try:
        yield engine
    finally:
        await engine.aclose()


async def ask(server: ChatServer, model: str, *, chat: Mapping[str, object] | None = None, **options: object) -> Completion | Exception:
    async with opened(server, model, **options) as engine:  # type: ignore[arg-type]
        return (await engine([Chat("Be vivid.", "a cat", seed=5, max_tokens=99, **(chat or {}))]))[0]  # type: ignore[arg-type]


async def test_sends_what_it_was_told_and_reads_the_answer(server: ChatServer):
    completion = await ask(server, "good", temperature=0.3)
    assert isinstance(completion, Completion), completion
    assert completion.text.startswith("a cat")
    assert completion.seed == 5
    assert completion.latency > 0
    used = completion.usage
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (4, len(completion.text.split()), 2)
    assert used.cost is None, "what an endpoint of one's own costs is unknown"
    body = server.requests[-1].body
    assert body["messages"] == [{"role": "system", "content": "Be vivid."}, {"role": "user", "content": "a cat"}]
    assert (body["model"], body["seed"], body["max_tokens"], body["temperature"]) == ("good", 5, 99, 0.3)


@pytest.mark.parametrize("model", ["thinking", "thinking-content", "think-tags", "harmony-raw"])
async def test_keeps_reasoning_apart_from_the_answer(server: ChatServer, model: str):
    completion = await ask(server, model)
    assert isinstance(completion, Completion), completion
    assert completion.text.strip().startswith("a cat")
    assert "The user wants a picture" in completion.reasoning


async def test_counts_reasoning_tokens(server: ChatServer):
    completion = await ask(server, "thinking")
    assert isinstance(completion, Completion), completion
    assert completion.usage.reasoning_tokens == len(completion.reasoning.split())


async def test_sends_the_schema(server: ChatServer):
    completion = await ask(server, "schema", chat={"schema": rewrite_schema()})
    assert isinstance(completion, Completion), completion
    sent = server.requests[-1].body["response_format"]["json_schema"]
    assert sent["name"] == "rewrite"
    assert sent["schema"]["required"] == ["prompt"]
    assert completion.text.startswith('{"prompt"')


@pytest.mark.parametrize(("model", "lacking", "said"), [("no-seed", "seed", "no seed"), ("no-schema", "response_format", "no JSON schema")])
async def test_leaves_out_what_the_model_does_not_take_and_says_so_once(
    server: ChatServer, caplog: pytest.LogCaptureFixture, model: str, lacking: str, said: str
):
    chat = Chat("Be vivid.", "a cat", seed=5, schema=rewrite_schema())
    before = len(server.requests)
    with caplog.at_level(logging.INFO, "reasoner"):
        async with opened(server, model) as engine:
            answers = [(await engine([chat]))[0] for _ in range(2)]
    assert all(isinstance(answer, Completion) for answer in answers), answers
    assert [lacking in request.body for request in server.requests[before:]] == [True, False, False]
    assert [answer.seed for answer in answers if isinstance(answer, Completion)] == ([None, None] if lacking == "seed" else [5, 5])
    assert sum(said in record.message for record in caplog.records) == 1


async def test_never_leaves_out_what_the_user_wrote(server: ChatServer):
    error = await ask(server, "bad-temperature", temperature=0.3)
    assert isinstance(error, StageError)
    assert error.kind is FailureKind.REJECTED
    assert "temperature" in error.hint


TROUBLES = [
    ("rate-limited", FailureKind.RATE_LIMITED, True),
    ("quota", FailureKind.OUT_OF_CREDIT, False),
    ("payment", FailureKind.OUT_OF_CREDIT, False),
    ("unauthorized", FailureKind.UNAUTHORIZED, False),
    ("forbidden", FailureKind.UNAUTHORIZED, False),
    ("unknown", FailureKind.UNKNOWN_MODEL, False),
    ("context", FailureKind.CONTEXT_TOO_LONG, False),
    ("content-filter", FailureKind.REFUSED, False),
    ("content-filtered", FailureKind.REFUSED, False),
    ("refusal", FailureKind.REFUSED, False),
    ("bad-request", FailureKind.REJECTED, False),
    ("server-error", FailureKind.SERVER_ERROR, True),
    ("bad-gateway", FailureKind.SERVER_ERROR, True),
    ("overloaded", FailureKind.SERVER_ERROR, True),
    ("reset", FailureKind.UNREACHABLE, True),
    ("no-choices", FailureKind.MALFORMED, True),
    ("null-content", FailureKind.EMPTY, True),
    ("truncated-json", FailureKind.MALFORMED, True),
    ("array", FailureKind.MALFORMED, True),
    ("error-body", FailureKind.MALFORMED, True),
    ("html", FailureKind.MALFORMED, False),
    ("tool-call", FailureKind.MALFORMED, True),
    ("unfinished", FailureKind.UNFINISHED, False),
    ("too-long", FailureKind.TOO_LONG, False),
    ("huge", FailureKind.TOO_LONG, False),
]


@pytest.mark.parametrize(("model", "kind", "retryable"), TROUBLES)
async def test_every_trouble_is_a_failure_of_its_own_kind(server: ChatServer, model: str, kind: FailureKind, retryable: bool):
    error = await ask(server, model)
    assert isinstance(error, StageError), error
    assert (error.kind, error.retryable) == (kind, retryable), error
    assert KEY not in f"{error} {error.hint} {error!r}"
    assert "litellm." not in str(error), "its class names say nothing to people"


@pytest.mark.parametrize("model", ["hang", "drip"])
async def test_a_call_that_takes_too_long_is_ended(server: ChatServer, model: str):
    error = await ask(server, model, timeout=1.0)
    assert isinstance(error, StageError)
    assert (error.kind, error.retryable) == (FailureKind.TIMEOUT, True)


async def test_says_how_long_the_far_side_wants_to_wait(server: ChatServer):
    waits = [await ask(server, model) for model in ("rate-limited", "rate-limited-date", "rate-limited-bare")]
    assert [error.retry_after for error in waits if isinstance(error, StageError)] == [2.0, 0.0, None]


async def test_a_dead_server_is_unreachable():
    with serving() as gone:
        pass
    error = await ask(gone, "good")
    assert isinstance(error, StageError)
    assert (error.kind, error.retryable) == (FailureKind.UNREACHABLE, True)


async def test_only_the_own_key_goes_to_an_endpoint_of_ones_own():
    with serving(api_key=KEY) as guarded:
        assert isinstance(await ask(guarded, "good"), Completion)
        endpoint = LiteLLMEndpoint("openai/good", url=guarded.url, secret={"OPENAI_API_KEY": KEY}.get, parameters={}, timeout=9)
        with pytest.raises(StageError) as refused:
            await endpoint.answer(Chat("s", "u", 1))
        await endpoint.aclose()
    assert refused.value.kind is FailureKind.UNAUTHORIZED
    assert "PHOROPTER_API_KEY" in refused.value.hint


def nothing(name: str) -> None:
    return None


def test_a_missing_key_is_known_before_any_call():
    assert missing_keys("anthropic/claude-sonnet-4-5", nothing) == ["ANTHROPIC_API_KEY"]
    assert missing_keys("anthropic/claude-sonnet-4-5", {"ANTHROPIC_API_KEY": KEY}.get) == []
    assert missing_keys("gemini/gemini-2.5-pro", {"GEMINI_API_KEY": KEY}.get) == [], "either of the two will do"
    assert missing_keys("ollama/llama3", nothing) == []
    assert missing_keys("bedrock/anthropic.claude-3", nothing) == [], "AWS has other ways to find one"
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY is not set"):
        litellm_engine("anthropic/claude-sonnet-4-5", secret=nothing, parameters={}, most=1, timeout=1)


@pytest.mark.parametrize("model", ["antropic/claude-sonnet-4-5", "claude", ""])
def test_an_unknown_provider_is_answered_with_those_there_are(model: str):
    with pytest.raises(UsageError) as error:
        provider_of(model)
    assert "litellm:anthropic/" in error.value.hint
    assert "anthropic" in error.value.hint.partition(";")[2]


@pytest.mark.parametrize(
    ("model", "cost"),
    [("anthropic/claude-sonnet-4-5", 0.0105), ("gemini/gemini-2.5-pro", 0.00625), ("ollama/llama3", None), ("openai/gpt-unheard-of", None)],
)
def test_cost_is_told_by_the_table_in_the_package_and_never_made_up(model: str, cost: float | None):
    endpoint = LiteLLMEndpoint(model, url=None, secret=lambda name: KEY, parameters={}, timeout=1)
    used = litellm.Usage(prompt_tokens=1000, completion_tokens=500, total_tokens=1500)
    told = endpoint._usage(litellm.ModelResponse(model=model.partition("/")[2], usage=used)).cost
    assert told == (cost if cost is None else pytest.approx(cost))


def test_the_identity_names_model_and_parameters_and_no_key():
    engine = litellm_engine(
        "anthropic/claude-sonnet-4-5", secret={"ANTHROPIC_API_KEY": KEY}.get, parameters={"temperature": 0.2}, most=1, timeout=1
    )
    assert engine.identity == 'litellm:anthropic/claude-sonnet-4-5?{"temperature":0.2}'
    endpoint = LiteLLMEndpoint("gemini/gemini-2.5-pro", url=None, secret={"GEMINI_API_KEY": KEY}.get, parameters={}, timeout=1)
    assert KEY not in repr(endpoint) + repr(engine) + endpoint.name
