"""What a far side sent as an image: checked, and made a PNG like any other. For every engine that gets its images from elsewhere.

Nothing is fetched: an address in place of an image is refused. Equal pixels give equal files, and what the far side wrote beside them
(comments, its own provenance) is left out.
"""

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from data.errors import FailureKind, StageError
from data.remote.errors import REWORD, Target, moderated_for
from data.usage import Usage
from generator.local.pixels import to_png

MOST_PIXELS = 64_000_000
"""Of an image, width times height. A file of a few kilobytes can unpack to far more than memory holds."""
FORMATS = ("PNG", "JPEG", "WEBP")
_WITHHELD = ("content_filter", "content_filtered", "safety", "image_safety", "moderation", "nsfw")
"""What servers write as finish_reason where they keep an image back; in lower case."""


class Picture(NamedTuple):
    """An image as a PNG file, 8-bit RGB."""

    png: bytes
    sha256: str
    width: int
    height: int


def only_item(answer: Mapping[str, Any], to: Target, usage: Usage) -> Mapping[str, Any]:
    """The one image in an OpenAI-shaped answer. StageError: EMPTY where there is none, BLOCKED where it was kept back."""
    data: object = answer.get("data")
    items = cast("list[object]", data) if isinstance(data, list) else []
    if not items and isinstance(data, list | None) and ("data" in answer or "created" in answer):
        _refuse_withheld(answer, to, usage)
        raise StageError(FailureKind.EMPTY, f"{to.name} answered without an image", retryable=True, usage=usage)
    if not items or not isinstance(items[0], Mapping):
        raise _no_images_answer(to, usage)
    return cast("Mapping[str, Any]", items[0])


def image_bytes(item: Mapping[str, Any], to: Target, usage: Usage) -> bytes:
    """The file in an item of an answer. StageError: UNSUPPORTED (an address), BLOCKED, EMPTY, MALFORMED (no base64)."""
    text = item.get("b64_json")
    if not text:
        _refuse_withheld(item, to, usage)
        if item.get("url"):
            raise StageError(
                FailureKind.UNSUPPORTED,
                f"{to.name} sent an address in place of an image, and addresses are not fetched",
                hint="let the server answer with base64 (b64_json)",
                usage=usage,
            )
        raise StageError(FailureKind.EMPTY, f"{to.name} answered without an image", retryable=True, usage=usage)
    if not isinstance(text, str):
        raise _no_images_answer(to, usage)
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise StageError(FailureKind.MALFORMED, f"{to.name} sent an image that is no valid base64", retryable=True, usage=usage) from None


def picture(content: bytes, to: Target, usage: Usage) -> Picture:
    """The image in a file. It blocks: call it in a thread. StageError: MALFORMED (no whole image), TOO_LONG (too many pixels).

    What is transparent gets a white ground; of several frames, the first is taken.
    """
    # Pillow takes a while to import, and naming an engine should not.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise _too_large(f"{image.width}x{image.height} pixels", to, usage)
            pixels = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    except StageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("far too many pixels", to, usage) from None
    except Exception:  # Pillow's readers let through whatever a broken file makes them raise.
        message = f"{to.name} sent something that is no image ({', '.join(FORMATS)}), or not a whole one"
        raise StageError(FailureKind.MALFORMED, message, retryable=True, usage=usage) from None
    if pixels.mode == "RGBA":
        pixels = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels).convert("RGB")
    # Else it would be written into the file again: a color profile, a resolution.
    pixels.info.clear()
    png = to_png(pixels)
    return Picture(png, hashlib.sha256(png).hexdigest(), pixels.width, pixels.height)


def revision(item: Mapping[str, Any], text: str) -> str:
    """The text that the far side says it drew instead of ``text``; "" where it says nothing, or drew ours."""
    said = item.get("revised_prompt")
    return said if isinstance(said, str) and said.strip() and said.split() != text.split() else ""


NO_SEED = "takes no seed: the same request may be drawn otherwise next time"
REWRITTEN_AGAIN = "the server rewrote the text again, which spoils the comparison"


def flaws_of(drawn: Picture, *, asked_size: str, revised: str, seed_taken: bool) -> tuple[str, ...]:
    """What of an image's making may spoil a comparison. ``asked_size`` "": none was asked for."""
    size = f"{drawn.width}x{drawn.height}"
    return (
        *(() if seed_taken else (f"the server {NO_SEED}",)),
        *((REWRITTEN_AGAIN,) if revised else ()),
        *((f"the server drew {size}, where {asked_size} was asked for",) if asked_size and size != asked_size else ()),
    )


def _refuse_withheld(said: Mapping[str, Any], to: Target, usage: Usage) -> None:
    categories = moderated_for(said)
    if not categories and str(said.get("finish_reason", "")).lower() not in _WITHHELD:
        return
    what = f" ({to.hidden(', '.join(categories))})" if categories else ""
    raise StageError(FailureKind.BLOCKED, f"{to.name} drew an image and kept it back{what}", hint=REWORD, usage=usage)


def _no_images_answer(to: Target, usage: Usage) -> StageError:
    return StageError(
        FailureKind.MALFORMED, f"{to.name} answered JSON that is no {to.wording.serves}'s answer", retryable=True, usage=usage
    )


def _too_large(size: str, to: Target, usage: Usage) -> StageError:
    message = f"{to.name} sent an image of {size}, more than the {MOST_PIXELS // 1_000_000} megapixels that are read"
    return StageError(FailureKind.TOO_LONG, message, hint=to.wording.smaller, usage=usage)
