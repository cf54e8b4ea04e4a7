"""How colours are told apart in the embedded world: the agreement between its painter and its judge.

**The muted band.** Every backdrop, shadow, string, post and other decoration has a CIE Lab lightness between 28 and 88 and a chroma of at
most 22. Whatever is a figure starts with an ink outline (darker than the band) and is filled with a palette colour (more vivid than the
band, or near-white, or near-black). So a pixel's colour alone says whether it belongs to a thing or to the scenery, whatever the
background.

**The plate.** Signs are warm cream, a light colour that no figure uses: white figures are shaded towards cool greys.

This module knows nothing of shapes (data/silhouettes.py). Colours are sRGB, 0 to 255, unless a name says Lab.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.scene import COLORS

RGB = tuple[int, int, int]
Lab = tuple[float, float, float]

MUTED_LIGHTNESS = (28.0, 88.0)
"""Lightest and darkest of the muted band, CIE L*, 0 to 100."""
MUTED_CHROMA = 22.0
"""The most vivid of the muted band: the Lab distance from grey."""
TOLERANCE = 3.0
"""How far outside of the band a pixel must lie to be a figure's: mixtures at edges and rounding to 8 bits stay below."""

INK: RGB = (34, 26, 40)
"""Outlines and letters: L* 11."""
PLATE: RGB = (251, 240, 212)
"""The ground of a sign: L* 95, warm."""

MUTED = 0
"""The class of pixels of the muted band."""
COLOR_NAMES: tuple[str, ...] = tuple(COLORS)
"""Class ``i + 1`` is the i-th of these."""
PLATE_CLASS = len(COLOR_NAMES) + 1
"""The class of a sign's ground."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The three tints by which a background is known: the top edge of the picture, the far end of the ground, and the bottom edge. Lab."""

    top: Lab
    far: Lab
    bottom: Lab


BACKDROPS: Mapping[str, Backdrop] = {
    "meadow": Backdrop((75, -6, -13), (85, -4, 7), (63, -13, 16)),
    "beach": Backdrop((79, -11, -8), (86, -3, 4), (80, 4, 17)),
    "night": Backdrop((33, 4, -18), (46, 5, -15), (37, -8, -6)),
    "snow": Backdrop((64, 0, -10), (78, 3, -4), (86, -1, -3)),
    "desert": Backdrop((80, 3, 14), (85, 5, 14), (66, 9, 17)),
    "sea": Backdrop((81, -3, -6), (86, 2, 6), (48, -11, -13)),
    "city": Backdrop((68, 6, -6), (82, 8, 5), (47, 1, -4)),
    "mountains": Backdrop((72, -2, -17), (85, 0, -4), (48, -12, 7)),
    "room": Backdrop((73, -10, 3), (76, -9, 4), (53, 8, 17)),
    "sunset": Backdrop((53, 14, -13), (79, 13, 13), (38, 9, -8)),
}
"""The ten backgrounds' tints. The painter varies each by a few units; the nearest two are more than 20 apart over the three."""


def to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE Lab (D65; L* 0 to 100) of an sRGB array of shape (height, width, 3)."""
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab).astype(np.float32)


def from_lab(lab: Lab) -> RGB:
    """The nearest sRGB colour, clipped to the gamut."""
    pixel = cv2.cvtColor(np.array([[lab]], np.float32), cv2.COLOR_Lab2RGB)[0, 0]
    red, green, blue = (round(float(value) * 255) for value in np.clip(pixel, 0, 1))
    return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """``share`` (0 to 1) of the second colour mixed into the first, in sRGB."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def is_muted(lab: NDArray[np.float32], slack: float = 0.0) -> NDArray[np.bool_]:
    """Which pixels of a Lab array lie in the muted band widened by ``slack``."""
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    low, high = MUTED_LIGHTNESS
    return (chroma <= MUTED_CHROMA + slack) & (lab[..., 0] >= low - slack) & (lab[..., 0] <= high + slack)


@cache
def _class_table() -> NDArray[np.uint8]:
    """The class of every sRGB colour at 6 bits per channel: the nearest in Lab."""
    axis = (np.arange(64) * 4 + 2).astype(np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(512, 512, 3)
    lab = to_lab(grid)
    known = to_lab(np.array([[*COLORS.values(), PLATE]], np.uint8))[0]
    distance = np.stack([((lab - color) ** 2).sum(axis=-1) for color in known])
    table = (distance.argmin(axis=0) + 1).astype(np.uint8)
    table[is_muted(lab, TOLERANCE)] = MUTED
    return table.reshape(-1)


def classify(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class of each pixel of an (height, width, 3) array: MUTED, a colour's number in COLOR_NAMES plus 1, or PLATE_CLASS."""
    wide = (rgb >> 2).astype(np.int32)
    return _class_table()[(wide[..., 0] << 12) | (wide[..., 1] << 6) | wide[..., 2]]
