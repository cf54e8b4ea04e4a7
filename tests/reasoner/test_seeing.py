"""What language models are shown and told beside a text: images, a temperature, how many alternatives to each token. By every engine."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from data.chat import Chat, ChatImage, Completion, Token
from data.errors import FailureKind, StageError
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.engines.litellm import litellm_engine
from reasoner.engines.openai import OpenAIEndpoint
from tests.reasoner.test_openai import ANSWER, Canned, canned


def png(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(file, "PNG")
    return file.getvalue()


RED, BLUE = ChatImage(png("red")), ChatImage(b"\xff\xd8not looked into", "jpeg")
LOOK = Chat("You see.", "What is it?", 7, images=(RED, BLUE), temperature=0.0, alternatives=5)
URIS = [
    f"data:image/png;base64,{base64.b64encode(RED.content).decode()}",
    f"data:image/jpeg;base64,{base64.b64encode(BLUE.content).decode()}",
]
TOP = [{"token": "A cat.", "logprob": -0.1}, {"token": "A dog.", "logprob": -2.5}]
TOKENS = {"content": [{"token": "A cat.", "logprob": -0.1, "top_logprobs": TOP}]}


async def ask(engine: str, url: str, chat: Chat = LOOK, **parameters: Any) -> Completion:
    """The answer of ``engine``'s model ``eyes`` at ``url``; raises StageError."""
    if engine == "litellm":
        asked = litellm_engine("openai/eyes", urls=[url], secret=lambda _: None, parameters=parameters, most=1, timeout=20.0)
        outcome = (await asked([chat]))[0]
        await asked.aclose()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    endpoint = OpenAIEndpoint("eyes", url=url, api_key=None, parameters={"api": engine} | parameters, timeout=10.0)
    try:
        return await endpoint.answer(chat)
    finally:
        await endpoint.aclose()


def answering(**choice: Any) -> dict[str, Any]:
    return {"choices": [{**ANSWER["choices"][0], **choice}]}


@pytest.mark.parametrize("engine", ["chat", "litellm"])
async def test_images_by_chat_completions(engine: str):
    async with canned(answering(logprobs=TOKENS)) as here:
        completion = await ask(engine, here.url)
    (body,) = here.bodies
    text, *shown = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert [part["image_url"]["url"] for part in shown] == URIS
    assert (body["temperature"], body["logprobs"], body["top_logprobs"]) == (0.0, True, 5)
    assert completion.tokens == (Token("A cat.", {"A cat.": -0.1, "A dog.": -2.5}),)


async def test_images_by_responses():
    item = {"type": "message", "content": [{"type": "output_text", "text": "A cat."}]}
    async with canned({"output": [item]}) as here:
        completion = await ask("responses", here.url)
    (body,) = here.bodies
    ((message),) = body["input"]
    assert message["content"][0] == {"type": "input_text", "text": "What is it?"}
    assert [part["image_url"] for part in message["content"][1:]] == URIS
    assert body["temperature"] == 0.0
    assert completion.tokens == ()


@pytest.mark.parametrize("engine", ["chat", "litellm"])
async def test_nothing_is_sent_that_was_not_asked_for(engine: str):
    async with canned() as here:
        await ask(engine, here.url, Chat("You see.", "What is it?", 7))
    (body,) = here.bodies
    assert body["messages"][1]["content"] == "What is it?"
    assert body.keys().isdisjoint({"temperature", "logprobs", "top_logprobs"})


@pytest.mark.parametrize("engine", ["chat", "litellm"])
async def test_the_users_temperature_stands_in_for_ours(engine: str):
    async with canned() as here:
        await ask(engine, here.url, temperature=0.7)
    assert here.bodies[0]["temperature"] == 0.7


@pytest.mark.parametrize("engine", ["chat", "litellm"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0 with this model."),
        ("logprobs", "This model does not support logprobs."),
    ],
)
async def test_what_a_model_does_not_take_is_left_out(engine: str, name: str, words: str):
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (400, {"error": {"message": words}}) if name in body else (200, ANSWER)

    async with canned(answer) as here:
        completion = await ask(engine, here.url)
    assert completion.text == "A cat."
    assert [name in body for body in here.bodies] == [True, False]
    assert "top_logprobs" not in here.bodies[1] or name == "temperature"


@pytest.mark.parametrize("logprobs", [None, [], {"content": None}, {"content": [{"token": "A"}]}, {"content": [5]}, {"tokens": ["A"]}])
async def test_alternatives_of_another_shape_are_none(logprobs: object):
    async with canned(answering(logprobs=logprobs)) as here:
        assert (await ask("chat", here.url)).tokens == ()


@pytest.mark.parametrize("engine", ["chat", "responses", "litellm"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "eyes is not a multimodal model"),
        (400, "At most 0 image(s) may be provided in one prompt."),
        (404, "No endpoints found that support image input"),
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (400, "Invalid content type. image_url is only supported by certain models."),
    ],
)
async def test_a_model_without_eyes(engine: str, status: int, words: str):
    async with canned({"error": {"message": words}}, status) as here:
        error = await failure(engine, here)
    assert (error.kind, error.retryable) == (FailureKind.UNSUPPORTED, False)
    assert "takes no images" in str(error)
    assert "vision" in error.hint


@pytest.mark.parametrize("engine", ["chat", "litellm"])
@pytest.mark.parametrize(
    ("status", "words"), [(413, "Request Entity Too Large"), (400, "image exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes")]
)
async def test_an_image_that_is_too_large(engine: str, status: int, words: str):
    async with canned({"error": {"message": words}}, status) as here:
        error = await failure(engine, here)
    assert error.kind is FailureKind.REJECTED
    assert "too large" in str(error)
    assert "smaller images" in error.hint


async def failure(engine: str, here: Canned) -> StageError:
    with pytest.raises(StageError) as caught:
        await ask(engine, here.url)
    return caught.value


async def test_an_engine_without_eyes_says_so():
    blind, seeing = await EmbeddedReasoner()([LOOK, Chat("", "a cat", 1)])
    assert isinstance(blind, StageError)
    assert blind.kind is FailureKind.UNSUPPORTED
    assert isinstance(seeing, Completion)


def test_an_image_shows_nowhere():
    assert "not looked into" not in repr(LOOK)
