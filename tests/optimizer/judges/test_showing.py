"""An image as models are shown it: its size, its format, what is left out of it, and what can't be shown."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from data.chat import ChatImage
from data.errors import FailureKind, StageError
from data.provenance import SIGNATURE, Provenance, stamped
from data.records import GeneratedImage
from optimizer.judges.showing import Format, shown


def image_of(content: bytes | None) -> GeneratedImage:
    return GeneratedImage("0" * 64, 1, 1, content=content)


def file_of(pixels: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels.save(buffer, format, **options)
    return buffer.getvalue()


def opened(image: ChatImage) -> Image.Image:
    pixels = Image.open(io.BytesIO(image.content))
    pixels.load()
    return pixels


def gradient(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack([rows * 255 // max(1, height - 1), columns * 255 // max(1, width - 1), rows * 0 + 90], -1).astype(np.uint8)
    )


@pytest.mark.parametrize("format", ["png", "jpeg"])
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(16, 200))
def test_the_longer_side_is_bounded_and_nothing_is_enlarged(format: Format, width: int, height: int, side: int) -> None:
    image = shown(image_of(file_of(gradient(width, height))), side, format)
    pixels = opened(image)
    assert (pixels.format, pixels.mode, image.kind) == (format.upper(), "RGB", format)
    assert max(pixels.size) == min(side, max(width, height))
    # The shape is kept, up to a pixel.
    assert abs(pixels.width * height - pixels.height * width) <= max(width, height)


def test_pixels_that_need_no_change_are_shown_as_they_are() -> None:
    pixels = gradient(64, 40)
    assert opened(shown(image_of(file_of(pixels)), 1024, "png")).tobytes() == pixels.tobytes()


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert opened(shown(image_of(file_of(clear)), 1024, "png")).getpixel((3, 3)) == (255, 255, 255)
    palette = Image.new("P", (8, 8), 0)
    assert opened(shown(image_of(file_of(palette, transparency=0)), 1024, "jpeg")).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "CMYK", "I;16"])
def test_every_kind_of_pixels_is_shown(mode: str) -> None:
    pixels = Image.new("I;16", (8, 8)) if mode == "I;16" else gradient(8, 8).convert(mode)
    assert opened(shown(image_of(file_of(pixels, "JPEG" if mode == "CMYK" else "PNG")), 1024, "jpeg")).size == (8, 8)


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_what_a_file_says_of_itself_is_left_out(format: Format) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("comment", "drawn from SECRET WORDS")
    exif = Image.Exif()
    exif[270] = "SECRET WORDS"
    plain = file_of(gradient(60, 40))
    told = stamped(file_of(gradient(60, 40), pnginfo=about, exif=exif, dpi=(72, 72)), Provenance("a cat", rewrite="SECRET WORDS"))
    assert b"SECRET WORDS" in told
    assert shown(image_of(told), 1024, format).content == shown(image_of(plain), 1024, format).content
    photograph = file_of(gradient(60, 40), "JPEG", comment=b"SECRET WORDS", exif=exif, icc_profile=b"SECRET WORDS")
    assert b"SECRET WORDS" not in shown(image_of(photograph), 1024, format).content


def test_equal_files_give_equal_bytes() -> None:
    content = file_of(gradient(300, 200))
    assert shown(image_of(content), 100, "jpeg") == shown(image_of(content), 100, "jpeg")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


WHOLE = file_of(gradient(300, 200))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, FailureKind.UNSUPPORTED),
        (b"", FailureKind.MALFORMED),
        (b"not a picture", FailureKind.MALFORMED),
        (WHOLE[: len(WHOLE) // 2], FailureKind.MALFORMED),
        (WHOLE[:60], FailureKind.MALFORMED),
        (WHOLE.replace(b"IDAT", b"IDAX"), FailureKind.MALFORMED),
        (bomb(9_000, 9_000), FailureKind.MALFORMED),
        (bomb(12_000, 12_000), FailureKind.MALFORMED),
        (bomb(60_000, 60_000), FailureKind.MALFORMED),
        (file_of(gradient(8, 8), "GIF"), FailureKind.MALFORMED),
    ],
)
def test_what_can_not_be_shown_is_a_failure(content: bytes | None, kind: FailureKind) -> None:
    with pytest.raises(StageError) as caught:
        shown(image_of(content), 512, "jpeg")
    assert caught.value.kind is kind
    assert not caught.value.retryable
    assert caught.value.hint


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(WHOLE) - 1))
def test_no_bytes_raise_anything_but_a_stage_error(content: bytes, place: int) -> None:
    for broken in (content, SIGNATURE + content, WHOLE[:place] + content + WHOLE[place + len(content) :]):
        with contextlib.suppress(StageError):
            assert shown(image_of(broken), 64, "png").content
