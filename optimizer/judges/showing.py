"""An image as vision models are shown it: decoded, made no larger than they look at, and encoded anew.

Anew, since a PNG may say in its own text what it was drawn from (data/provenance.py), and judges never see the rewrite.
"""

import io
from typing import TYPE_CHECKING, Literal, TypeAlias

from data.chat import ChatImage
from data.errors import FailureKind, StageError
from data.records import GeneratedImage

if TYPE_CHECKING:
    from PIL import Image

Format: TypeAlias = Literal["png", "jpeg"]

JPEG_QUALITY = 92
MOST_PIXELS = 64_000_000
"""Width times height. A file of a few kilobytes can unpack to far more than memory holds."""


def shown(image: GeneratedImage, side: int, format: Format) -> ChatImage:
    """``image`` with at most ``side`` pixels along its longer side, never enlarged; what is transparent gets a white ground. Equal files
    give equal bytes. It blocks: call it in a thread.

    StageError: UNSUPPORTED (it came without its file), MALFORMED (no image, half of one, far too large).
    """
    from PIL import Image

    pixels = decoded(image)
    pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    pixels.save(encoded, "PNG" if format == "png" else "JPEG", quality=JPEG_QUALITY)
    return ChatImage(encoded.getvalue(), format)


def decoded(image: GeneratedImage) -> "Image.Image":
    """``image`` in RGB as it is drawn, without what its file says of itself; what is transparent gets a white ground. It blocks, and raises
    as :func:`shown` does."""
    if image.content is None:
        raise StageError(FailureKind.UNSUPPORTED, "the image came without its file", hint="load it from the blobs before judging")
    # Pillow takes a while to import, and naming a judge should not.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image.content), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise _unreadable(f"{opened.width} x {opened.height} pixels are too many to be shown")
            pixels = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except StageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _unreadable("it has too many pixels to be shown") from None
    except Exception:  # Pillow's readers let through whatever a broken file makes them raise.
        raise _unreadable(f"{len(image.content)} bytes that can't be decoded") from None
    if pixels.mode == "RGBA":
        pixels = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels).convert("RGB")
    pixels.info.clear()
    return pixels


def _unreadable(why: str) -> StageError:
    return StageError(FailureKind.MALFORMED, f"not an image that can be judged: {why}", hint="draw it again")
