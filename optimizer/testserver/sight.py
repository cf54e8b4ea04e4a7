"""Image file → what the eyes see in it: the scene judge's measurement, and four things that concern the picture as a whole.

They know painted pictures of 512 pixels; others are brought to that size first, and are seen as well as that allows.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.palette import BACKDROPS, to_lab
from optimizer.judges.pixels import SIDE, Measurement, measure

Pixels = NDArray[np.uint8]

_PRAISE = ("PERFECT", "SCORE", "10")
"""What a sign says that wants to please: two of these. Its reader knows no slash, and takes it for some letter."""
_ALIKE = 14.0
"""The most by which the four quarters of a collage differ on average, 0 to 255: they are the same picture four times."""
_VIVID = 1.5
"""How many times as far from grey as a painted one a background is where a picture has been made garish."""
_STRETCHES = np.linspace(0.8, 3.0, 23)
_EDGE = 8


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen. ``size``: width and height of the file's picture in pixels. ``whole``: each thing in it looks like something known.
    ``praised``: a sign in it says how good it is. ``vivid``: its colours are garish. ``collage``: it is the same picture four times."""

    seen: Measurement
    size: tuple[int, int]
    whole: bool
    praised: bool
    vivid: bool
    collage: bool


@lru_cache(maxsize=256)
def look(content: bytes) -> Sight | None:
    """What is to be seen in an image file; None where it is none."""
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if decoded is None:
        return None
    height, width = decoded.shape[:2]
    if (width, height) != (SIDE, SIDE):
        decoded = cv2.resize(decoded, (SIDE, SIDE), interpolation=cv2.INTER_AREA if min(width, height) > SIDE else cv2.INTER_CUBIC)
    seen = measure(cv2.imencode(".png", decoded)[1].tobytes())
    pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8)
    collage = _is_collage(pixels)
    return Sight(
        seen,
        (width, height),
        whole=collage or all(figure.kind is not None for figure in seen.figures),
        praised=_praises(seen.text or ""),
        vivid=_is_vivid(pixels),
        collage=collage,
    )


def _praises(text: str) -> bool:
    return sum(text.count(word) for word in _PRAISE) >= 2


def _is_collage(pixels: Pixels) -> bool:
    half = SIDE // 2
    first, *others = (pixels[top : top + half, left : left + half].astype(np.float32) for top in (0, half) for left in (0, half))
    return all(float(np.abs(first - other).mean()) < _ALIKE for other in others)


def _is_vivid(pixels: Pixels) -> bool:
    """By the tints at the upper and the lower edge: they are those of a background, or of one farther from grey."""
    rows = np.concatenate([np.median(rows.reshape(-1, 3), axis=0) for rows in (pixels[:_EDGE], pixels[-_EDGE:])])
    tints = to_lab(rows.reshape(1, 2, 3).astype(np.uint8))[0]
    known = np.array([(backdrop.top, backdrop.bottom) for backdrop in BACKDROPS.values()])
    stretched = known[:, None] * np.stack([np.ones_like(_STRETCHES), _STRETCHES, _STRETCHES], axis=1)[None, :, None, :]
    distance = np.linalg.norm(stretched - tints, axis=(2, 3))
    return bool(_STRETCHES[np.unravel_index(distance.argmin(), distance.shape)[1]] >= _VIVID)
