"""What holds for every ImageGenerator (generator/__init__.py), whatever draws. test_contract.py runs it over all there are."""

import hashlib
import io
from collections.abc import Sequence

from PIL import Image

from data.records import GeneratedImage
from generator import ImageGenerator, ImageRequest

REQUESTS = (
    ImageRequest("two red cats left of a blue house", 1),
    ImageRequest("a sign that says HELLO", 2),
    ImageRequest("two red cats left of a blue house", 3),
)


async def check(generator: ImageGenerator, bad: ImageRequest | None = None) -> None:
    """All of it. ``bad``: a request that this generator fails, if there is one."""
    await an_empty_batch_draws_nothing(generator)
    await each_request_has_its_outcome_in_order(generator)
    await content_is_a_png_of_the_size_and_hash_that_the_record_says(generator)
    await equal_requests_give_equal_pixels(generator)
    await a_ratio_on_offer_is_drawn(generator)
    the_identity_is_one_line_and_stays(generator)
    a_text_limit_counts(generator)
    if bad is not None:
        await a_bad_request_fails_alone(generator, bad)


async def an_empty_batch_draws_nothing(generator: ImageGenerator) -> None:
    assert list(await generator([])) == []


async def each_request_has_its_outcome_in_order(generator: ImageGenerator) -> None:
    together = _hashes(await generator(REQUESTS))
    assert len(set(together)) == len(REQUESTS), "texts and seeds make no difference"
    reversed_ones = _hashes(await generator(REQUESTS[::-1]))
    # Batches of one size each: where the kernels round otherwise by batch, they do so here, too, and place does not matter.
    assert reversed_ones == together[::-1]


async def content_is_a_png_of_the_size_and_hash_that_the_record_says(generator: ImageGenerator) -> None:
    for image in _images(await generator(REQUESTS)):
        assert image.content is not None
        assert hashlib.sha256(image.content).hexdigest() == image.sha256
        with Image.open(io.BytesIO(image.content)) as picture:
            picture.load()
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (image.width, image.height))
        assert image.latency >= 0


async def equal_requests_give_equal_pixels(generator: ImageGenerator) -> None:
    first, second = _hashes(await generator(REQUESTS[:1])), _hashes(await generator(REQUESTS[:1]))
    assert first == second


async def a_ratio_on_offer_is_drawn(generator: ImageGenerator) -> None:
    for ratio in ("16:9", "9:16"):
        if ratio in generator.ratios:
            (image,) = _images(await generator([ImageRequest("a harbour", 1, ratio)]))
            assert (image.width > image.height) == (ratio == "16:9")


def the_identity_is_one_line_and_stays(generator: ImageGenerator) -> None:
    assert generator.identity
    assert generator.identity == generator.identity.strip()
    assert "\n" not in generator.identity
    assert generator.identity == generator.identity


def a_text_limit_counts(generator: ImageGenerator) -> None:
    limit = generator.text_limit
    if limit is None:
        return
    assert limit.name
    assert limit.tokens > 0
    assert limit.count("") == 0
    assert 0 < limit.count("a harbour") <= limit.count("a harbour and a lighthouse behind it")


async def a_bad_request_fails_alone(generator: ImageGenerator, bad: ImageRequest) -> None:
    first, failed, last = await generator([REQUESTS[0], bad, REQUESTS[1]])
    assert isinstance(first, GeneratedImage)
    assert isinstance(failed, Exception)
    assert isinstance(last, GeneratedImage)


def _images(outcomes: Sequence[GeneratedImage | Exception]) -> list[GeneratedImage]:
    images: list[GeneratedImage] = []
    for outcome in outcomes:
        assert isinstance(outcome, GeneratedImage), outcome
        images.append(outcome)
    return images


def _hashes(outcomes: Sequence[GeneratedImage | Exception]) -> list[str]:
    return [image.sha256 for image in _images(outcomes)]
