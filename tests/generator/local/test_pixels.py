"""Decoded numbers become 8-bit pixels; what is no number becomes a failure."""

import io

import pytest
from PIL import Image

from data.errors import FailureKind, StageError
from generator.local.pixels import to_images, to_png, to_pngs

torch = pytest.importorskip("torch")


def test_zero_to_one_is_black_to_white_and_beyond_is_cut() -> None:
    values = torch.tensor([-0.5, 0.0, 0.502, 1.0, 1.5])
    (image,) = to_images(values.reshape(1, 1, 1, 5).expand(1, 3, 1, 5))
    assert isinstance(image, Image.Image)
    assert image.size == (5, 1)
    assert [image.getpixel((x, 0)) for x in range(5)] == [(0,) * 3, (0,) * 3, (128,) * 3, (255,) * 3, (255,) * 3]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_number_that_is_none_spoils_its_image_alone(dtype: str, value: float) -> None:
    pixels = torch.zeros(3, 3, 4, 6, dtype=getattr(torch, dtype))
    pixels[1, 2, 3, 4] = value
    first, spoilt, last = to_images(pixels)
    assert isinstance(spoilt, StageError)
    assert spoilt.kind is FailureKind.MALFORMED
    assert "dtype=bf16" in spoilt.hint
    assert isinstance(first, Image.Image)
    assert isinstance(last, Image.Image)
    assert last.size == (6, 4)


def test_files_hold_the_pixels_as_they_are_and_are_the_same_every_time() -> None:
    images = [Image.effect_noise((32, 16), 50).convert("RGB") for _ in range(3)]
    files = to_pngs(images)
    assert files == [to_png(image) for image in images]
    for file, image in zip(files, images, strict=True):
        with Image.open(io.BytesIO(file)) as read:
            assert read.tobytes() == image.tobytes()
