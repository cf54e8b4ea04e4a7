"""The test server as a drawer and a judge: the real client reads what it sends, and what it flags is what its docs say."""

import base64
import io
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types import ImagesResponse, ModerationCreateResponse
from PIL import Image

from reasoner.testserver import IMAGES, VERDICTS, serving
from reasoner.testserver.behaviors import BEHAVIORS
from reasoner.testserver.images import FORBIDDEN, RED, drawn, image_body, moderation
from reasoner.testserver.shapes import Question


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    with serving() as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="sk-test", max_retries=0) as opened:
            yield opened


def asked(**body: object) -> Question:
    return Question("images", "good", dict(body), "", 1)


async def test_images_follow_text_seed_and_size(client: openai.AsyncOpenAI):
    async def draw(seed: int) -> bytes:
        answer = await client.images.generate(model="good", prompt="a cat", size="256x256", extra_body={"seed": seed})
        assert answer.data
        return base64.b64decode(answer.data[0].b64_json or "")

    first, again, other = [await draw(seed) for seed in (1, 1, 2)]
    assert first == again != other
    with Image.open(io.BytesIO(first)) as image:
        assert (image.format, image.size) == ("PNG", (256, 256))


async def test_what_any_server_can_do_wrong_happens_here_too(client: openai.AsyncOpenAI):
    with pytest.raises(openai.RateLimitError):
        await client.images.generate(model="rate-limited", prompt="a cat")
    with pytest.raises(openai.InternalServerError):
        await client.moderations.create(model="server-error", input="a cat")
    with pytest.raises(openai.NotFoundError):
        await client.images.generate(model="nobody", prompt="a cat")


async def test_moderation_flags_by_word_and_by_pixel(client: openai.AsyncOpenAI):
    async def flags(said: object) -> bool:
        answer = await client.moderations.create(model="good", input=said)  # pyright: ignore[reportArgumentType]
        return answer.results[0].flagged

    def shown(prompt: str) -> list:
        uri = f"data:image/png;base64,{base64.b64encode(drawn(asked(prompt=prompt))).decode()}"
        return [{"type": "image_url", "image_url": {"url": uri}}]

    assert [await flags(said) for said in ("a cat", f"{FORBIDDEN} things", shown("a cat"), shown("a red cat"))] == [
        False,
        True,
        False,
        True,
    ]


def test_shapes_are_those_of_the_package():
    """Its models build without checking; this checks."""
    ImagesResponse.model_validate(image_body(asked(prompt="a cat")), strict=True)
    judged = moderation(Question("moderations", "good", {"input": "a cat"}, "", 1))
    assert set(judged) == set(ModerationCreateResponse.model_fields)
    with Image.open(io.BytesIO(drawn(asked(prompt="red")))) as image:
        assert image.getpixel((0, 0)) == RED


def test_no_name_means_two_things():
    assert not set(VERDICTS) & set(BEHAVIORS)
    assert not set(IMAGES) & set(BEHAVIORS)
    assert all(behavior.description[0].islower() for behavior in (*IMAGES.values(), *VERDICTS.values()))
