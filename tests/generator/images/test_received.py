"""Files from far sides: whatever they hold, there is a checked PNG or a StageError, and nothing else."""

import base64
import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.errors import FailureKind, StageError
from data.remote.errors import Target, Wording
from data.usage import Usage
from generator.received import MOST_PIXELS, Picture, image_bytes, only_item, picture, revision

TO = Target("http://far.example/v1", "m", None, (), at_openai=False, wording=Wording(serves="image model"))
USED = Usage(9, 1056, 0.04)


def png_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


GOOD = png_of(Image.linear_gradient("L").convert("RGB").resize((24, 16)))
JPEG = png_of(Image.linear_gradient("L").convert("RGB").resize((24, 16)), "JPEG")


def claimed(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def outcome(read: Callable[..., Any], *arguments: Any) -> Any:
    """What it gives, or its StageError; nothing else may come of it."""
    try:
        return read(*arguments)
    except StageError as error:
        return error


def test_pixels_stay_as_they_are():
    read = picture(GOOD, TO, USED)
    with Image.open(io.BytesIO(GOOD)) as before, Image.open(io.BytesIO(read.png)) as after:
        assert before.tobytes() == after.tobytes()
    assert (read.width, read.height) == (24, 16)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_pixels_becomes_rgb(mode: str):
    read = picture(png_of(Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode)), TO, USED)
    with Image.open(io.BytesIO(read.png)) as after:
        assert (after.mode, after.getpixel((2, 2))) == ("RGB", (255, 255, 255))


def test_equal_pixels_give_equal_files_whatever_stands_beside_them():
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("parameters", "far side's own")
    with Image.open(io.BytesIO(GOOD)) as image:
        other = png_of(image, pnginfo=notes, dpi=(300, 300), icc_profile=b"profile" * 30, compress_level=1)
    assert other != GOOD
    assert picture(other, TO, USED) == picture(GOOD, TO, USED)


def test_of_several_frames_the_first_is_taken():
    frames = [Image.new("RGB", (6, 6), color) for color in ((10, 20, 30), (200, 0, 0))]
    read = picture(png_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), TO, USED)
    with Image.open(io.BytesIO(read.png)) as after:
        assert after.getpixel((3, 3)) == (10, 20, 30)


@pytest.mark.parametrize("size", [(MOST_PIXELS // 1000, 1001), (9000, 9900), (14_000, 14_000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(StageError, match="pixels") as refused:
            picture(claimed(*size), TO, USED)
    assert (refused.value.kind, refused.value.retryable, refused.value.usage) == (FailureKind.TOO_LONG, False, USED)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_not_even_opened(kind: str):
    with pytest.raises(StageError) as refused:
        picture(png_of(Image.new("RGB", (4, 4)), kind), TO, USED)
    assert (refused.value.kind, refused.value.usage) == (FailureKind.MALFORMED, USED)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([GOOD, JPEG]), st.data())
def test_a_damaged_file_is_an_image_or_a_stage_error(whole: bytes, data: st.DataObject):
    cut = data.draw(st.integers(0, len(whole)))
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = outcome(picture, bytes(damaged)[:cut], TO, USED)
    if isinstance(read, StageError):
        assert read.kind in (FailureKind.MALFORMED, FailureKind.TOO_LONG)
    else:
        assert isinstance(read, Picture)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("iVBORw0KGgo="),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "b64_json", "url", "finish_reason"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["data", "created", "error", "content_filter_results"]), JSON))
def test_any_answer_is_bytes_or_a_stage_error(answer: dict[str, Any]):
    read = outcome(lambda: image_bytes(only_item(answer, TO, USED), TO, USED))
    if isinstance(read, StageError):
        assert read.usage == USED
        assert "far.example" in str(read)
    else:
        assert isinstance(read, bytes)


@settings(deadline=None)
@given(st.binary(min_size=1))
def test_base64_comes_through(content: bytes):
    plain = base64.b64encode(content).decode()
    for text in (plain, f"data:image/png;base64,{plain}", base64.encodebytes(content).decode()):
        assert image_bytes({"b64_json": text}, TO, USED) == content


@pytest.mark.parametrize(("said", "kept"), [(None, ""), ("", ""), ("a  cat\n", ""), ("a dog", "a dog"), (7, ""), (["a dog"], "")])
def test_a_revision_is_another_text(said: object, kept: str):
    assert revision({"revised_prompt": said}, "a cat") == kept
