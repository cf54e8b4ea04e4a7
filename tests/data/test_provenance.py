"""Provenance in PNGs: read back as written, by us and by others, with the pixels as they were."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.provenance import WORDS, Provenance, provenance_of, stamped

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


def png(color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (5, 3), color).save(file, "PNG")
    return file.getvalue()


@given(st.builds(Provenance, *[words] * len(WORDS)))
def test_what_is_written_is_read(provenance: Provenance):
    assert provenance_of(stamped(png(), provenance)) == provenance


def test_others_read_it_and_the_pixels_stay():
    provenance = Provenance("a cat", "b2:0123", "A grey cat, 漢字.", "lens:Lens?steps=20", "7")
    with Image.open(io.BytesIO(stamped(png(), provenance))) as image, Image.open(io.BytesIO(png())) as plain:
        assert image.tobytes() == plain.tobytes()
        assert image.text == {  # pyright: ignore[reportAttributeAccessIssue]
            "phoropter:prompt": "a cat",
            "phoropter:system_prompt": "b2:0123",
            "phoropter:rewrite": "A grey cat, 漢字.",
            "phoropter:model": "lens:Lens?steps=20",
            "phoropter:seed": "7",
        }


def test_a_second_stamp_takes_the_place_of_the_first():
    first = stamped(png(), Provenance(prompt="a", seed="1"))
    assert stamped(first, Provenance(prompt="b")) == stamped(png(), Provenance(prompt="b"))
    assert stamped(first, Provenance()) == png()


def test_other_texts_stay():
    file = io.BytesIO()
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Author", "somebody")
    Image.new("RGB", (2, 2)).save(file, "PNG", pnginfo=info)
    with Image.open(io.BytesIO(stamped(file.getvalue(), Provenance(seed="3")))) as image:
        assert image.text == {"Author": "somebody", "phoropter:seed": "3"}  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("content", [b"", b"GIF89a", png()[:-5], png()[:20]], ids=["empty", "gif", "cut", "head"])
def test_no_png(content: bytes):
    with pytest.raises(ValueError, match="PNG"):
        stamped(content, Provenance(seed="1"))
