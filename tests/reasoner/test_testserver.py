"""The shipped test server: the real clients read what it sends, it is slow and full on request, and it stops at once."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from reasoner.testserver import BEHAVIORS, ChatServer, serving
from reasoner.testserver.behaviors import rewritten
from reasoner.testserver.shapes import Answer, Question, chat_completion, filled, response

KEY = "sk-very-secret-0123456789"
QUESTION = 'two cats at a sign "OPEN", no dogs'
WORD = {"type": "string"}


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@asynccontextmanager
async def client(server: ChatServer, key: str = KEY) -> AsyncGenerator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key=key, max_retries=0) as opened:
        yield opened


def messages(user: str = QUESTION) -> list:
    return [{"role": "system", "content": "Be vivid."}, {"role": "user", "content": user}]


async def test_good_answers_keep_the_words_and_follow_the_seed(server: ChatServer):
    async with client(server) as ours:
        answers = [await ours.chat.completions.create(model="good", messages=messages(), seed=seed) for seed in (1, 1, 2)]
    texts = [answer.choices[0].message.content or "" for answer in answers]
    assert QUESTION in texts[0]
    assert len(texts[0].split()) > 30
    assert texts[0] == texts[1] != texts[2]


async def test_both_apis_say_the_same_and_count_tokens(server: ChatServer):
    async with client(server) as ours:
        chat = await ours.chat.completions.create(model="thinking", messages=messages(), seed=4)
        other = await ours.responses.create(model="thinking", instructions="Be vivid.", input=QUESTION, extra_body={"seed": 4})
    assert other.output_text == chat.choices[0].message.content
    assert other.output[0].type == "reasoning"
    assert other.output[0].content
    assert other.output[0].content[0].text == (chat.choices[0].message.model_extra or {})["reasoning"]
    assert chat.usage is not None
    assert other.usage is not None
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (other.usage.input_tokens, other.usage.output_tokens)
    assert chat.usage.completion_tokens_details
    assert chat.usage.completion_tokens_details.reasoning_tokens == other.usage.output_tokens_details.reasoning_tokens
    assert other.usage.output_tokens_details.reasoning_tokens > 0
    assert other.usage.input_tokens_details.cached_tokens == 2


async def test_streams_say_the_same_as_answers(server: ChatServer):
    async with client(server) as ours:
        whole = await ours.chat.completions.create(model="thinking", messages=messages(), seed=4)
        stream = await ours.chat.completions.create(
            model="thinking", messages=messages(), seed=4, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        events = await ours.responses.create(
            model="thinking", instructions="Be vivid.", input=QUESTION, stream=True, extra_body={"seed": 4}
        )
        kinds = [(event.type, getattr(event, "delta", "")) async for event in events]
    text = whole.choices[0].message.content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-1].usage == whole.usage
    assert "".join(delta for kind, delta in kinds if kind == "response.output_text.delta") == text
    assert kinds[-1][0] == "response.completed"


async def test_several_answers_to_one_question_differ(server: ChatServer):
    async with client(server) as ours:
        answer = await ours.chat.completions.create(model="good", messages=messages(), seed=4, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1


@pytest.mark.parametrize(
    "answer", [Answer("x", "y"), Answer(None, finish="length"), Answer(None, call={"a": 1}), Answer(None, refusal="no")]
)
def test_shapes_are_those_of_the_package(answer: Answer):
    """Its models build without checking; this checks."""
    question = Question("chat", "m", {"messages": messages()}, KEY, 1)
    ChatCompletion.model_validate(chat_completion(question, [answer]), strict=True)
    Response.model_validate_json(json.dumps(response(question, [answer])), strict=True)


async def test_a_schema_is_followed(server: ChatServer):
    schema = {"type": "object", "properties": {"prompt": WORD, "ratio": {"enum": ["1:1"]}}, "required": ["prompt", "ratio"]}
    async with client(server) as ours:
        form: dict = {"type": "json_schema", "json_schema": {"name": "rewrite", "schema": schema}}
        chat = await ours.chat.completions.create(model="schema", messages=messages(), seed=1, response_format=form)  # pyright: ignore[reportArgumentType, reportCallIssue]
        text: dict = {"format": {"type": "json_schema", "name": "rewrite", "schema": schema}}
        other = await ours.responses.create(model="schema", instructions="Be vivid.", input=QUESTION, text=text, extra_body={"seed": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
    found = json.loads(chat.choices[0].message.content or "")
    assert found["ratio"] == "1:1"
    assert QUESTION in found["prompt"]
    assert json.loads(other.output_text) == found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": WORD, "b": WORD}}, {"a": "text", "b": ""}),
        ({"type": "object", "properties": {"a": WORD, "b": WORD}, "required": ["b"]}, {"b": "text"}),
        ({"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2}, [3, 3]),
        ({"anyOf": [{"type": "null"}, WORD]}, None),
        ({"type": ["boolean", "null"]}, False),
        ({"type": "string", "examples": ["16:9"]}, "16:9"),
    ],
)
def test_values_follow_schemas(schema: dict, value: object):
    assert filled(schema, "text") == value


async def test_it_remembers_requests_but_no_key(server: ChatServer):
    async with client(server) as ours:
        await ours.chat.completions.create(model="good", messages=messages(), seed=77)
    received = server.requests[-1]
    assert received.path == "/v1/chat/completions"
    assert received.body["seed"] == 77
    assert received.headers["user-agent"].startswith("AsyncOpenAI")
    assert KEY not in repr(server.requests)


def test_it_lists_its_models(server: ChatServer):
    listed = [model["id"] for model in httpx.get(f"{server.url}/models").json()["data"]]
    assert set(BEHAVIORS) - set(listed) == {"unknown"}
    assert httpx.get(server.url.removesuffix("/v1") + "/health").status_code == 200


def test_a_body_that_is_no_question(server: ChatServer):
    for body in (b"[]", b"{", b"{}"):
        assert httpx.post(f"{server.url}/chat/completions", content=body).status_code == 400


async def test_other_keys_are_refused():
    with serving(api_key=KEY) as server:
        async with client(server) as ours, client(server, "sk-other") as other:
            assert (await ours.models.list()).data
            await ours.chat.completions.create(model="good", messages=messages())
            with pytest.raises(openai.AuthenticationError):
                await other.models.list()
            with pytest.raises(openai.AuthenticationError):
                await other.chat.completions.create(model="good", messages=messages())


async def test_it_works_on_so_many_at_once():
    """While one is worked on, one waits and the third is sent away."""
    with serving(latency=60, capacity=1, drown=1) as server:
        async with client(server) as ours:
            waiting = [asyncio.create_task(ours.chat.completions.create(model="good", messages=messages()))]
            for count in (1, 2):
                while len(server.requests) < count:
                    await asyncio.sleep(0.001)
                waiting.append(asyncio.create_task(ours.chat.completions.create(model="good", messages=messages())))
            with pytest.raises(openai.RateLimitError):
                await waiting.pop()
            assert not any(task.done() for task in waiting)
            server.stop()
            assert all(isinstance(error, openai.APIConnectionError) for error in await asyncio.gather(*waiting, return_exceptions=True))


async def test_who_leaves_makes_room():
    with serving(latency=60, capacity=1, drown=1) as server:
        async with client(server) as ours:
            asked = [asyncio.create_task(ours.chat.completions.create(model="good", messages=messages())) for _ in range(2)]
            while len(server.requests) < 2:
                await asyncio.sleep(0.001)
            asked.pop(0).cancel()
            while True:  # It is sent away until the server has noticed.
                late = asyncio.create_task(ours.chat.completions.create(model="good", messages=messages()))
                done, _ = await asyncio.wait([late], timeout=0.5)
                if not done:
                    break
                await asyncio.gather(late, return_exceptions=True)
            server.stop()
            ends = await asyncio.gather(*asked, late, return_exceptions=True)
    assert [type(end) for end in ends] == [openai.APIConnectionError] * 2


@pytest.mark.parametrize("model", ["hang", "drip"])
def test_it_stops_while_clients_wait(model: str):
    said: list[Exception] = []

    def ask() -> None:
        try:
            httpx.post(f"{server.url}/chat/completions", json={"model": model}, timeout=60)
        except httpx.HTTPError as error:
            said.append(error)

    with serving() as server:
        thread = threading.Thread(target=ask)
        thread.start()
        while not server.requests:
            thread.join(0.001)
        server.stop()
        thread.join()
    assert isinstance(said[0], httpx.RemoteProtocolError | httpx.ReadError)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/models")


def test_it_comes_up_again_where_it_was():
    with serving() as server:
        port = int(server.url.split(":")[2].removesuffix("/v1"))
        with httpx.Client() as ours:
            assert ours.get(f"{server.url}/models").status_code == 200
    with serving(port=port) as server:
        assert httpx.get(f"{server.url}/models").status_code == 200


def test_by_hand():
    with subprocess.Popen([sys.executable, "-m", "reasoner.testserver"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        names = [process.stdout.readline().split()[0] for _ in BEHAVIORS]
        assert names == list(BEHAVIORS)
        assert httpx.get(f"{url}/models").status_code == 200
        process.terminate()  # Where the caller ignores Ctrl-C, so does what it starts.
        assert process.wait(30) == 0


def test_a_rewrite_hangs_on_system_prompt_seed_and_place():
    question = Question("chat", "good", {"messages": messages(), "seed": 1}, "", 1)
    others = [{"messages": messages(), "seed": seed} for seed in range(12)]
    assert len({rewritten(Question("chat", "good", body, "", 1)) for body in others}) > 6
    assert rewritten(question) == rewritten(Question("chat", "other", question.body, KEY, 9))
