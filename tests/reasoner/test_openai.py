"""The openai engine: what it sends and reads by both APIs, what it finds out about endpoints, and that no key ever shows.

What becomes of each kind of trouble is in test_misbehavior.py.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError, UsageError
from data.remote.errors import Refusal, Target, refused
from data.remote.prices import cost_of
from data.usage import Usage
from reasoner.engines.openai import OpenAIEndpoint, openai_engine
from reasoner.testserver import ChatServer, serving

KEY = "sk-very-secret-0123456789"
SCHEMA = {"title": "rewrite", "type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
CHAT = Chat("Be vivid.", "a cat", seed=5, max_tokens=99)
ANSWER = {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "A cat."}}]}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@asynccontextmanager
async def opened(url: str | None, model: str = "good", key: str | None = KEY, **parameters: Any) -> AsyncGenerator[OpenAIEndpoint]:
    endpoint = OpenAIEndpoint(model, url=url, api_key=key, parameters=parameters, timeout=10.0)
    try:
        yield endpoint
    finally:
        await endpoint.aclose()


async def ask(url: str | None, model: str = "good", chat: Chat = CHAT, **parameters: Any) -> Completion:
    async with opened(url, model, **parameters) as endpoint:
        return await endpoint.answer(chat)


async def failure(url: str | None, model: str = "good", chat: Chat = CHAT, **parameters: Any) -> StageError:
    with pytest.raises(StageError) as caught:
        await ask(url, model, chat, **parameters)
    return caught.value


def asked(server: ChatServer) -> list[tuple[str, dict[str, Any]]]:
    return [(request.path, request.body) for request in server.requests if request.body]


class Canned:
    """A server that answers every request with the same bytes, and keeps what it got."""

    def __init__(self) -> None:
        self.url = ""
        self.heads: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.client_gone = asyncio.Event()
        self.sent = 0


@asynccontextmanager
async def canned(
    body: Any = ANSWER, status: int = 200, headers: str = "content-type: application/json", endless: bytes = b"", silent: bool = False
) -> AsyncGenerator[Canned]:
    """``endless``: sent again and again, chunked; ``silent``: nothing is ever sent. ``body`` may be a function of the request's body."""
    here = Canned()
    answer_to: Callable[[Any], Any] = body if callable(body) else lambda _: (status, body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length"))
            here.heads.append(head)
            here.bodies.append(json.loads(await reader.readexactly(length)))
            code, reply = answer_to(here.bodies[-1])
            payload = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            size = "transfer-encoding: chunked" if endless else f"content-length: {len(payload)}"
            if not silent:
                writer.write(f"HTTP/1.1 {code} X\r\n{headers}\r\n{size}\r\nconnection: close\r\n\r\n".encode())
                writer.write(b"" if endless else payload)
                await writer.drain()
            while endless:
                writer.write(b"%x\r\n%b\r\n" % (len(endless), endless))
                await writer.drain()
                here.sent += len(endless)
            if silent:
                await reader.read()
        except OSError:
            pass
        finally:
            here.client_gone.set()
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield here
    finally:
        listening.close()
        await listening.wait_closed()


# -- what is sent


async def test_chat_completions(server: ChatServer):
    completion = await ask(server.url, temperature=0.3, top_k=20, reasoning_effort="low", chat_template_kwargs='{"enable_thinking": false}')
    ((path, body),) = asked(server)
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "good",
        "messages": [{"role": "system", "content": "Be vivid."}, {"role": "user", "content": "a cat"}],
        "max_completion_tokens": 99,
        "seed": 5,
        "temperature": 0.3,
        "top_k": 20,
        "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert (completion.seed, completion.usage.cost) == (5, None)
    assert completion.latency > 0


async def test_responses(server: ChatServer):
    parameters = {"reasoning_effort": "low", "reasoning_summary": "auto", "verbosity": "low", "temperature": 0.3}
    chat = Chat("Be vivid.", "a cat", 5, 99, SCHEMA)
    completion = await ask(server.url, "schema", chat, api="responses", **parameters)
    ((path, body),) = asked(server)
    assert path == "/v1/responses"
    assert body == {
        "model": "schema",
        "instructions": "Be vivid.",
        "input": "a cat",
        "max_output_tokens": 99,
        "store": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "temperature": 0.3,
        "text": {"format": {"type": "json_schema", "name": "rewrite", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
    }
    assert completion.seed is None
    assert "a cat" in json.loads(completion.text)["prompt"]


async def test_a_schema_by_chat_completions(server: ChatServer):
    completion = await ask(server.url, "schema", Chat("s", "a cat", 5, 99, SCHEMA))
    ((_, body),) = asked(server)
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "rewrite", "schema": SCHEMA, "strict": True}}
    assert "a cat" in json.loads(completion.text)["prompt"]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_the_users_limit_stands_in_for_ours(server: ChatServer, api: str):
    await ask(server.url, api=api, max_tokens=500)
    ((_, body),) = asked(server)
    assert {name: value for name, value in body.items() if "max" in name} == {"max_tokens" if api == "chat" else "max_output_tokens": 500}


@pytest.mark.parametrize("parameters", [{"api": "grpc"}, {"stream": True}, {"messages": "[]"}, {"model": "other"}])
def test_parameters_that_can_not_be_meant(parameters: dict[str, Any]):
    with pytest.raises(UsageError):
        OpenAIEndpoint("m", url="http://127.0.0.1:9/v1", api_key=None, parameters=parameters, timeout=1)


# -- what is read


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_usage_and_reasoning(server: ChatServer, api: str):
    completion = await ask(server.url, "thinking", api=api)
    words = len(completion.reasoning.split())
    assert words > 5
    assert completion.usage == Usage(4, words + len(completion.text.split()), None, 2, words)


async def test_missing_usage_is_zero_tokens_at_unknown_cost():
    async with canned() as here:
        assert (await ask(here.url)).usage == Usage(0, 0, None)


async def test_parts_of_content():
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "A cat."}]
    async with canned({"choices": [{"message": {"content": content}}]}) as here:
        completion = await ask(here.url)
    assert (completion.text, completion.reasoning) == ("A cat.", "Hm.")


async def test_output_items():
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "In short."}], "content": None},
        {"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "message", "phase": "final_answer", "content": [{"type": "output_text", "text": "A cat."}]},
    ]
    async with canned({"output": output, "status": "completed", "incomplete_details": None}) as here:
        completion = await ask(here.url, api="responses")
    assert (completion.text, completion.reasoning) == ("A cat.", "In short.\n\nLet me see.")


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_what_can_not_be_used_is_paid_for(server: ChatServer, api: str):
    error = await failure(server.url, "unfinished", api=api)
    assert error.kind is FailureKind.UNFINISHED
    assert error.usage.reasoning_tokens > 0


async def test_an_error_with_a_good_status_is_what_it_says():
    async with canned({"error": {"message": "Provider is rate limited", "code": 429}}) as here:
        assert (await failure(here.url)).kind is FailureKind.RATE_LIMITED


# -- what is found out


@pytest.mark.parametrize(
    ("model", "lacks"),
    [("old", None), ("no-seed", "seed"), ("no-schema", "schema"), ("schema-crash", "schema"), ("responses-only", "Responses")],
)
async def test_calls_at_the_same_time_find_out_together(
    server: ChatServer, model: str, lacks: str | None, caplog: pytest.LogCaptureFixture
):
    chats = [Chat("s", f"a cat {number}", number, 99, SCHEMA) for number in range(8)]
    async with opened(server.url, model) as endpoint:
        first = await asyncio.gather(*(endpoint.answer(chat) for chat in chats))
        known = len(asked(server))
        later = await asyncio.gather(*(endpoint.answer(chat) for chat in chats))
    assert [completion.text for completion in first] == [completion.text for completion in later]
    assert len(asked(server)) == known + len(chats)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING and record.name.startswith("reasoner")]
    assert len(said) == (lacks is not None)
    assert all(str(lacks) in line and model in line and endpoint.name in line for line in said)
    seedless = model in ("no-seed", "responses-only")
    assert [completion.seed for completion in later] == [None if seedless else chat.seed for chat in chats]


async def test_the_other_way_round(server: ChatServer):
    async with opened(server.url, "chat-only", reasoning_summary="auto") as endpoint:
        await endpoint.answer(CHAT)
        await endpoint.answer(CHAT)
    assert [path for path, _ in asked(server)] == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]


async def test_an_endpoint_may_lack_several_things():
    def picky(body: dict[str, Any]) -> tuple[int, Any]:
        for name in ("max_completion_tokens", "seed", "response_format"):
            if name in body:
                return 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]}
        return 200, ANSWER

    async with canned(picky) as here, opened(here.url) as endpoint:
        chat = Chat("s", "u", 1, 7, SCHEMA)
        assert (await endpoint.answer(chat)).seed is None
        await endpoint.answer(chat)
    assert len(here.bodies) == 5
    assert here.bodies[3] == here.bodies[4]
    assert here.bodies[4]["max_tokens"] == 7


async def test_what_does_not_heal_is_not_remembered():
    async with canned({"error": {"message": "seed is odd today"}}, status=400) as here, opened(here.url) as endpoint:
        for _ in range(2):
            with pytest.raises(StageError):
                await endpoint.answer(CHAT)
    assert ["seed" in body for body in here.bodies] == [True, False, True, False]


async def test_a_limit_that_is_too_large_is_not_taken_for_an_old_server():
    message = "max_completion_tokens is too large: 99. This model supports at most 50 completion tokens."
    async with canned({"error": {"message": message, "param": "max_completion_tokens"}}, status=400) as here:
        error = await failure(here.url)
    assert (error.kind, len(here.bodies)) == (FailureKind.REJECTED, 1)
    assert "at most 50" in str(error)


@pytest.mark.parametrize("name", ["seed", "temperature", "response_format"])
async def test_what_the_user_wrote_is_never_dropped(name: str):
    async with canned({"error": {"message": f"Unsupported parameter: '{name}'", "param": name}}, status=400) as here:
        parameters: dict[str, Any] = {name: "3"}
        error = await failure(here.url, **parameters)
    assert (error.kind, len(here.bodies)) == (FailureKind.REJECTED, 1)
    assert f"leave {name} out" in error.hint


async def test_a_broken_server_is_asked_once():
    async with canned({"error": {"message": "out of memory"}}, status=500) as here:
        assert (await failure(here.url, chat=Chat("s", "u", 1, 7, SCHEMA))).kind is FailureKind.SERVER_ERROR
    assert len(here.bodies) == 1


async def test_an_unknown_model_names_the_nearest_and_asks_for_them_once(server: ChatServer):
    async with opened(server.url, "thinkin") as endpoint:
        outcomes = await asyncio.gather(*(endpoint.answer(CHAT) for _ in range(4)), return_exceptions=True)
    assert {getattr(outcome, "kind", None) for outcome in outcomes} == {FailureKind.UNKNOWN_MODEL}
    assert "it has thinking, " in str(outcomes[0])
    assert [request.path for request in server.requests].count("/v1/models") == 1


@pytest.mark.parametrize("model", ["good", "html"])
async def test_an_address_without_v1(server: ChatServer, model: str):
    base = server.url.removesuffix("/v1")
    error = await failure(base, model)
    assert (error.kind, error.retryable) == (FailureKind.REJECTED, False)
    assert error.hint.endswith(f"try {base}/v1")


async def test_a_web_page_is_no_endpoint():
    async with canned("<!doctype html><title>Shop</title><p>Welcome!", headers="content-type: text/html") as here:
        error = await failure(here.url)
    assert (error.kind, error.retryable) == (FailureKind.MALFORMED, False)
    assert "Shop Welcome!" in str(error)


# -- OpenAI's own host


@pytest.fixture
async def at_openai(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Canned]:
    """A proxy that answers in place of OpenAI, whatever it is asked."""
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}
    output = [{"type": "message", "content": [{"type": "output_text", "text": "A cat."}]}]
    async with canned({**ANSWER, "output": output, "usage": {**usage, "input_tokens": 100, "output_tokens": 20}}) as here:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, here.url.removesuffix("/v1"))
        yield here


async def test_cost_by_list_price(at_openai: Canned):
    expected = cost_of("gpt-5.5", Usage(100, 20, None, 60))
    assert expected
    assert (await ask("http://api.openai.com/v1", "gpt-5.5")).usage.cost == pytest.approx(expected)
    assert (await ask("http://eu.api.openai.com/v1", "gpt-5.5")).usage.cost == pytest.approx(expected * 1.1)
    assert (await ask("http://api.openai.com/v1", "gpt-5.5-2031-01-01")).usage.cost is None
    # The same name elsewhere is somebody else's model.
    assert (await ask("http://api.openai.com.example/v1", "gpt-5.5")).usage.cost is None


async def test_the_first_guess_is_the_price_tables(at_openai: Canned):
    await ask("http://api.openai.com/v1", "gpt-5.5-pro")
    await ask("http://api.openai.com/v1", "gpt-5.5")
    await ask("http://llm.example/v1", "gpt-5.5-pro")
    assert [head.split(" ")[1].partition("/v1")[2] for head in at_openai.heads] == ["/responses", "/chat/completions", "/chat/completions"]


# -- secrets


async def test_a_key_that_an_endpoint_quotes_is_not_repeated():
    for status in (400, 401, 403, 404, 429, 500):
        words = f"bad key {KEY} (Bearer {KEY}), sk-proj-abcdef****wxyz"
        async with canned({"error": {"message": words}}, status=status) as here:
            error = await failure(here.url)
        seen = f"{error} {error.hint} {error!r} {error.__cause__!r} {error.__context__!r}"
        assert "sk-" not in seen, seen


async def test_a_key_shows_nowhere(server: ChatServer):
    engine = openai_engine("good", urls=[server.url], api_key=KEY, parameters={"temperature": 0.3}, most=2, timeout=5)
    assert engine.identity == 'openai:good?{"temperature":0.3}'
    await engine.aclose()
    async with opened(f"http://user:password@127.0.0.1:9/v1?api-key={KEY}") as endpoint:
        assert endpoint.name == "http://127.0.0.1:9/v1"
        assert KEY not in repr(endpoint)


async def test_openais_secrets_go_to_nobody_else(monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "do-not-send")
    async with canned() as here, opened(here.url, key=None) as endpoint:
        await endpoint.answer(CHAT)
    assert "do-not-send" not in here.heads[0]


def test_a_key_with_a_line_break_inside():
    with pytest.raises(UsageError) as caught:
        OpenAIEndpoint("m", url=None, api_key="sk-abc\nsk-def", parameters={}, timeout=1)
    assert "sk-" not in f"{caught.value} {caught.value.hint}"


# -- connections


async def test_an_endless_answer_is_cut_off_while_it_comes():
    async with canned(endless=b" " * 65536) as here:
        error = await failure(here.url)
        await here.client_gone.wait()
    assert (error.kind, error.retryable) == (FailureKind.TOO_LONG, False)
    assert here.sent < 16 << 20


async def test_a_cancelled_call_closes_its_connection():
    async with canned(silent=True) as here, opened(here.url) as endpoint:
        call = asyncio.create_task(endpoint.answer(CHAT))
        while not here.bodies:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await here.client_gone.wait()


async def test_half_a_character_is_refused_before_it_is_sent(server: ChatServer):
    error = await failure(server.url, chat=Chat("s", "a \ud83d cat", 1))
    assert (error.kind, error.retryable) == (FailureKind.REJECTED, False)


# -- words of real servers

TO = Target("http://here/v1", "m", KEY, ("top_k",), at_openai=False)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            400,
            {"message": "The decoder prompt (length 5120) is longer than the maximum model length of 4096."},
            FailureKind.CONTEXT_TOO_LONG,
        ),
        (400, {"message": "The input (9 tokens) is longer than the model's context length (8 tokens)."}, FailureKind.CONTEXT_TOO_LONG),
        (400, {"message": "too long", "type": "exceed_context_size_error"}, FailureKind.CONTEXT_TOO_LONG),
        (400, {"message": "Invalid prompt: it was flagged as potentially violating our usage policy."}, FailureKind.REFUSED),
        (400, {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"}, FailureKind.OUT_OF_CREDIT),
        (
            429,
            {"message": "Limit: 3 / min. Visit https://platform.openai.com/account/billing to raise it.", "code": "rate_limit_exceeded"},
            FailureKind.RATE_LIMITED,
        ),
        (429, {"message": "You exceeded your current quota.", "code": "insufficient_quota"}, FailureKind.OUT_OF_CREDIT),
        (400, {"message": "top_k must be an integer"}, FailureKind.REJECTED),
        (529, {"message": "Overloaded"}, FailureKind.SERVER_ERROR),
    ],
)
def test_what_servers_say(status: int, error: dict[str, str], kind: FailureKind):
    assert refused(Refusal.read(status, json.dumps({"error": error}), {}), TO).kind is kind


@pytest.mark.parametrize(
    ("status", "body", "about_model", "about_chat"),
    [
        (404, {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "param": "model", "code": 404}}, True, False),
        (404, {"error": {"message": 'model "x" not found, try pulling it first', "type": "not_found_error"}}, True, False),
        (400, {"error": {"message": "x is not a valid model ID", "code": 400}}, True, False),
        (404, {"error": {"message": "This is not a chat model and thus not supported in the v1/chat/completions endpoint."}}, False, True),
        (404, {"error": {"message": "This model is only supported in v1/responses.", "param": "model"}}, False, True),
        (400, {"error": {"message": "The model does not support Chat Completions API"}}, False, True),
        (404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}, False, True),
        (404, {"detail": "Not Found"}, False, True),
        (405, {"detail": "Method Not Allowed"}, False, True),
        (400, {"error": {"message": "top_k must be an integer"}}, False, False),
    ],
)
def test_what_is_not_there(status: int, body: dict[str, Any], about_model: bool, about_chat: bool):
    refusal = Refusal.read(status, json.dumps(body), {})
    assert (refusal.is_about_model(), refusal.is_about_api("chat")) == (about_model, about_chat)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "2", "retry-after-ms": "150"}, 0.15),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None):
    assert refused(Refusal.read(429, "{}", headers), TO).retry_after == (
        expected if expected is None else pytest.approx(expected, rel=0.02)
    )


@pytest.mark.parametrize(("ahead", "expected"), [(3600, 3600), (-3600, 0)])
def test_retry_after_a_date(ahead: float, expected: float):
    headers = {"retry-after": formatdate(time() + ahead, usegmt=True)}
    assert refused(Refusal.read(429, "{}", headers), TO).retry_after == pytest.approx(expected, rel=0.02)
