"""The outlines of the 24 kinds of things, which the embedded painter fills and the scene judge recognises.

An outline is drawn by hand below, in units that suit it, y downwards, as a union of parts in a small subset of SVG's path language
(absolute ``M L H V C Q Z``). :func:`shape` brings it to the measure that all share: centred at (0, 0), where a figure of *size* s pixels
multiplies it by s. A size of 100 gives every kind about the same presence in a picture, whether it is tall or wide.

Colours are in data/palette.py; the details inside an outline are the painter's own (generator/embedded/figures.py).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.scene import Size

Points = NDArray[np.float64]
"""Shape (n, 2): x to the right and y downwards."""

_BANDS: Mapping[Size | None, tuple[float, float]] = {Size.SMALL: (40.0, 50.0), None: (73.0, 94.0), Size.LARGE: (130.0, 176.0)}
_SMALL_BELOW, _LARGE_ABOVE = 58.0, 106.0
_ROOMINESS = (1.75, 1.6, 1.45, 1.3, 1.17, 1.06, 0.98, 0.92)

TILTS: tuple[int, ...] = (-12, -8, -4, 0, 4, 8, 12)
"""The angles in degrees, clockwise, by which figures are painted off the upright."""

_STEPS = 14
"""Straight pieces per curve: at the largest size, off the true curve by less than a quarter of a pixel."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind's outline in shared units: the union of ``parts``. Each part is filled by the even-odd rule, so that a ring is two
    contours."""

    parts: tuple[tuple[Points, ...], ...]
    center: tuple[float, float]
    scale: float
    """Shared units = (drawing units - center) * scale."""


def ink_width(size: float) -> float:
    """How far a figure's ink outline reaches beyond its silhouette, in pixels, for a figure of ``size`` pixels."""
    return max(1.9, 0.022 * size)


def roominess(figures: int) -> float:
    """How much larger everything is in a picture of few figures: 1.75 for one figure, down to 0.92 for eight and more."""
    return _ROOMINESS[min(max(figures, 1), len(_ROOMINESS)) - 1]


def size_band(size: Size | None, figures: int) -> tuple[float, float]:
    """The sizes in pixels, of a 512-pixel picture with so many figures, in which small, ordinary (None) or large ones are painted."""
    low, high = _BANDS[size]
    return low * roominess(figures), high * roominess(figures)


def size_class(size: float, figures: int) -> Size | None:
    """What a measured size in pixels is called in a picture with so many figures; None is ordinary. The limits lie between the bands."""
    relative = size / roominess(figures)
    return Size.SMALL if relative < _SMALL_BELOW else Size.LARGE if relative > _LARGE_ABOVE else None


@cache
def shape(kind: str) -> Shape:
    """The outline of ``kind``; KeyError for what is none."""
    drawing, presence = _DRAWINGS[kind]
    points = np.concatenate([contour for part in drawing for contour in part])
    low, high = points.min(axis=0), points.max(axis=0)
    center: Points = (low + high) / 2
    extent: Points = high - low
    scale = presence / math.sqrt(float(extent[0] * extent[1]))
    parts = tuple(tuple((contour - center) * scale for contour in part) for part in drawing)
    return Shape(parts, (float(center[0]), float(center[1])), scale)


def turned(points: Points, tilt: float, mirrored: bool = False) -> Points:
    """``points`` in shared units, mirrored left to right if asked for, then turned clockwise by ``tilt`` degrees."""
    x = -points[:, 0] if mirrored else points[:, 0]
    cosine, sine = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    return np.stack([x * cosine - points[:, 1] * sine, x * sine + points[:, 1] * cosine], axis=1)


@cache
def bounds(kind: str, tilt: float = 0, mirrored: bool = False) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a turned silhouette in shared units, without the ink."""
    points = turned(np.concatenate([contour for part in shape(kind).parts for contour in part]), tilt, mirrored)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


@cache
def footing(kind: str, tilt: float = 0, mirrored: bool = False) -> tuple[float, float]:
    """Leftmost and rightmost point of the lowest tenth of a turned silhouette in shared units: where it stands."""
    points = turned(np.concatenate([contour for part in shape(kind).parts for contour in part]), tilt, mirrored)
    _, top, _, bottom = bounds(kind, tilt, mirrored)
    feet = points[points[:, 1] > bottom - 0.1 * (bottom - top), 0]
    return float(feet.min()), float(feet.max())


def mask(kind: str, width: int, height: int, tilt: float = 0, mirrored: bool = False, ink: float = 0.0) -> NDArray[np.uint8]:
    """The silhouette stretched to fill ``width`` x ``height`` pixels: 255 inside, 0 outside. Holes are filled.

    ``ink`` widens it by an outline, as a share of the figure's size.
    """
    left, top, right, bottom = bounds(kind, tilt, mirrored)
    stretch = np.array([width / (right - left + 2 * ink), height / (bottom - top + 2 * ink)])
    image = np.zeros((height, width), np.uint8)
    for part in shape(kind).parts:
        points = (turned(part[0], tilt, mirrored) - (left - ink, top - ink)) * stretch
        fixed = np.round(points * 16).astype(np.int32)
        cv2.fillPoly(image, [fixed], 255, cv2.LINE_8, 4)
        if ink:
            cv2.polylines(image, [fixed], True, 255, max(1, round(2 * ink * float(stretch.mean()))), cv2.LINE_8, 4)
    contours, _ = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, 255, cv2.FILLED)
    return image


# -- drawing by hand

_TOKEN = re.compile(r"[MLHVCQZ]|-?\d+(?:\.\d+)?")


@lru_cache(maxsize=2048)
def path(text: str) -> Points:
    """The points along one line or contour of path language, not to be changed; ValueError for what it does not know."""
    tokens = _TOKEN.findall(text)
    points: list[tuple[float, float]] = []
    command, at = "", 0

    def take(count: int) -> list[float]:
        nonlocal at
        at += count
        return [float(token) for token in tokens[at - count : at]]

    while at < len(tokens):
        if tokens[at].isalpha():
            command = tokens[at]
            at += 1
        if command in ("M", "L"):
            x, y = take(2)
            points.append((x, y))
        elif command == "H":
            points.append((take(1)[0], points[-1][1]))
        elif command == "V":
            points.append((points[-1][0], take(1)[0]))
        elif command == "C":
            _curve(points, take(6))
        elif command == "Q":
            _curve(points, take(4))
        elif command != "Z":
            raise ValueError(f"a path begins with M, not with {tokens[at]!r}")
    found: Points = np.array(points, np.float64)
    found.flags.writeable = False
    return found


def _curve(points: list[tuple[float, float]], numbers: Sequence[float]) -> None:
    """Appends a Bézier curve from the last point; its control points and end are ``numbers``."""
    control = np.array([points[-1], *zip(numbers[::2], numbers[1::2], strict=True)])
    degree = len(control) - 1
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        weights = [math.comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(degree + 1)]
        x, y = np.array(weights) @ control
        points.append((float(x), float(y)))


@lru_cache(maxsize=2048)
def ellipse(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Points:
    """An ellipse by its centre and its half axes, turned clockwise by ``turn`` degrees; not to be changed."""
    angle = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    found = turned(np.stack([width * np.cos(angle), height * np.sin(angle)], axis=1), turn) + np.array([x, y])
    found.flags.writeable = False
    return found


@lru_cache(maxsize=512)
def box(x: float, y: float, width: float, height: float, round_: float = 0.0) -> Points:
    """A rectangle by its upper left corner, with rounded corners; not to be changed."""
    r = max(round_, 0.01)
    right, bottom = x + width, y + height
    return path(
        f"M {x + r} {y} H {right - r} Q {right} {y} {right} {y + r} V {bottom - r} Q {right} {bottom} {right - r} {bottom}"
        f" H {x + r} Q {x} {bottom} {x} {bottom - r} V {y + r} Q {x} {y} {x + r} {y} Z"
    )


def stroke(points: Points, width: float) -> Points:
    """The outline of a pen's line of ``width`` along ``points``."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return np.concatenate([points + across * width / 2, (points - across * width / 2)[::-1]])


def mirror(points: Points, x: float) -> Points:
    """``points`` reflected at the vertical line through ``x``."""
    return np.stack([2 * x - points[:, 0], points[:, 1]], axis=1)


Drawing = tuple[tuple[Points, ...], ...]


def _union(*parts: Points | tuple[Points, ...]) -> Drawing:
    return tuple(part if isinstance(part, tuple) else (part,) for part in parts)


def _both(points: Points, x: float) -> tuple[Points, Points]:
    return points, mirror(points, x)


def _star() -> Points:
    angle = np.arange(10) * math.pi / 5 - math.pi / 2
    radius = np.where(np.arange(10) % 2 == 0, 50, 23)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _petals() -> list[Points]:
    angles = [turn * 60 - 90 for turn in range(6)]
    return [ellipse(50 + 19 * math.cos(math.radians(a)), 34 + 19 * math.sin(math.radians(a)), 16, 13, a) for a in angles]


def _club() -> Points:
    along = path(
        "M 0 -7.5 Q -6 -7.5 -6 0 Q -6 7.5 0 7.5 Q 5 7.5 6 4.5 L 40 5 C 62 6 78 12 100 12.5 L 116 12.5 Q 130 12 130 0"
        " Q 130 -12 116 -12.5 L 100 -12.5 C 78 -12 62 -6 40 -5 L 6 -4.5 Q 5 -7.5 0 -7.5 Z"
    )
    return turned(along, -52)


_DRAWINGS: Mapping[str, tuple[Drawing, float]] = {
    "balloon": (
        _union(
            path("M 50 2 C 77 2 92 23 92 46 C 92 72 68 90 55 98 L 45 98 C 32 90 8 72 8 46 C 8 23 23 2 50 2 Z"),
            path("M 50 95 L 59 108 Q 50 104 41 108 Z"),
        ),
        0.94,
    ),
    "house": (_union(box(14, 46, 72, 52, 2), path("M 50 4 L 99 47 Q 101 52 95 52 L 5 52 Q -1 52 1 47 Z"), box(70, 8, 14, 30, 1)), 0.98),
    "tree": (
        _union(
            ellipse(50, 24, 27, 24),
            ellipse(27, 44, 25, 21),
            ellipse(73, 44, 25, 21),
            ellipse(50, 50, 32, 20),
            path("M 43 62 H 57 L 59 92 Q 63 99 72 101 H 28 Q 37 99 41 92 Z"),
        ),
        1.04,
    ),
    "car": (
        _union(
            path(
                "M 4 64 Q 4 51 16 48 L 32 44 L 46 23 Q 49 19 55 19 L 92 19 Q 98 19 102 24 L 116 44"
                " Q 132 46 138 52 Q 142 56 142 64 V 74 Q 142 80 136 80 H 10 Q 4 80 4 74 Z"
            ),
            ellipse(36, 80, 15.5, 15.5),
            ellipse(111, 80, 15.5, 15.5),
        ),
        1.0,
    ),
    "boat": (
        _union(
            path("M 2 74 H 114 Q 108 98 90 101 H 30 Q 10 98 2 74 Z"),
            box(51.5, 2, 5, 74, 2),
            path("M 55 6 Q 94 36 99 66 H 55 Z"),
            path("M 53 16 Q 36 46 15 66 H 53 Z"),
        ),
        1.02,
    ),
    "fish": (
        _union(
            path("M 3 50 C 16 20 54 12 86 43 L 108 20 Q 118 14 117 26 Q 108 50 117 74 Q 118 86 108 80 L 86 57 C 54 88 16 80 3 50 Z"),
            path("M 36 28 Q 50 4 76 12 Q 68 24 74 38 Z"),
            path("M 44 70 Q 50 88 66 88 Q 62 76 66 68 Z"),
        ),
        1.0,
    ),
    "bird": (
        _union(
            path(
                "M 0 46 L 15 39 C 18 27 34 23 43 33 C 54 43 70 50 86 50 L 116 40 Q 113 56 94 66 C 80 86 44 88 29 68 C 21 60 18 54 16 51 Z"
            ),
            path("M 38 50 C 40 22 60 4 90 0 C 90 24 84 42 66 60 Z"),
        ),
        1.04,
    ),
    "cat": (
        _union(
            path("M 30 56 C 18 70 16 88 19 102 H 78 C 81 88 78 70 66 56 Z"),
            path("M 16 12 Q 16 5 23 9 L 38 20 Q 48 17 58 20 L 73 9 Q 80 5 80 12 L 81 38 C 81 56 66 64 48 64 C 30 64 15 56 15 38 Z"),
            path("M 70 102 C 98 106 110 88 104 68 C 101 58 89 60 91 70 C 93 82 86 86 68 86 Z"),
        ),
        1.04,
    ),
    "flower": (
        _union(
            *_petals(),
            ellipse(50, 34, 14, 14),
            path("M 47 50 H 53 L 54 116 H 46 Z"),
            path("M 51 100 C 54 80 72 76 86 78 C 84 94 68 104 51 104 Z"),
            path("M 49 92 C 46 74 30 68 16 70 C 18 86 32 96 49 96 Z"),
        ),
        1.04,
    ),
    "star": (_union(_star()), 1.02),
    "heart": (
        _union(
            path("M 50 97 C 12 66 2 48 2 31 C 2 13 15 4 28 4 C 38 4 46 10 50 21 C 54 10 62 4 72 4 C 85 4 98 13 98 31 C 98 48 88 66 50 97 Z")
        ),
        0.96,
    ),
    "apple": (
        _union(
            path("M 50 30 C 58 20 94 16 95 52 C 96 80 74 104 60 102 Q 50 98 40 102 C 26 104 4 80 5 52 C 6 16 42 20 50 30 Z"),
            path("M 47 30 C 48 20 44 12 39 7 L 46 3 C 52 10 54 18 53 30 Z"),
            path("M 54 19 C 58 2 76 -2 90 2 C 86 18 70 27 54 24 Z"),
        ),
        0.96,
    ),
    "cup": (
        _union(
            path("M 5 18 H 79 L 74 84 Q 73 98 59 98 H 25 Q 11 98 10 84 Z"),
            path("M 76 30 C 102 24 114 42 107 60 C 102 74 86 82 70 82 L 71 71 C 84 70 93 63 96 54 C 99 44 91 38 75 42 Z"),
        ),
        0.94,
    ),
    "umbrella": (
        _union(
            path(
                "M 2 56 C 5 24 27 8 50 8 C 73 8 95 24 98 56 Q 90 46 82 56 Q 74 46 66 56"
                " Q 58 46 50 56 Q 42 46 34 56 Q 26 46 18 56 Q 10 46 2 56 Z"
            ),
            box(47.5, 0, 5, 14, 2),
            box(47, 48, 6, 48),
            path("M 47 92 H 53 V 96 C 53 116 28 116 28 98 H 34 C 34 108 47 108 47 96 Z"),
        ),
        1.02,
    ),
    "kite": (
        _union(
            path("M 50 0 L 88 42 L 50 100 L 12 42 Z"),
            stroke(path("M 50 97 C 40 110 64 116 52 128 C 46 136 50 142 56 146"), 4.5),
            path("M 53 112 L 70 106 L 68 122 Z"),
            path("M 56 112 L 40 106 L 41 121 Z"),
            path("M 52 133 L 66 125 L 67 140 Z"),
            path("M 50 134 L 36 128 L 36 142 Z"),
        ),
        1.06,
    ),
    "mushroom": (
        _union(
            path("M 2 56 C 2 22 28 4 52 4 C 78 4 102 22 102 56 C 102 64 94 66 84 66 H 20 C 10 66 2 64 2 56 Z"),
            path("M 36 60 H 68 C 66 76 72 86 74 96 Q 74 103 66 103 H 38 Q 30 103 30 96 C 32 86 38 76 36 60 Z"),
        ),
        0.98,
    ),
    "butterfly": (
        _union(
            *_both(path("M 50 48 C 42 18 16 0 4 6 C -8 14 0 52 22 57 C 36 60 46 56 50 52 Z"), 50),
            *_both(path("M 50 54 C 34 54 12 62 13 78 C 14 94 30 100 39 90 C 46 82 50 68 50 60 Z"), 50),
            ellipse(50, 56, 5, 29),
            *_both(stroke(path("M 49 32 Q 46 14 36 8"), 4), 50),
            *_both(ellipse(36, 8, 3.5, 3.5), 50),
        ),
        1.06,
    ),
    "key": (
        _union(
            (ellipse(26, 30, 26, 26), ellipse(24, 30, 11, 11)),
            box(46, 24, 82, 12, 3),
            box(58, 18, 8, 24, 3),
            box(99, 32, 9, 22, 2),
            box(114, 32, 11, 28, 2),
        ),
        0.94,
    ),
    "bell": (
        _union(
            (ellipse(50, 7, 9, 9), ellipse(50, 7, 3.5, 3.5)),
            path("M 50 12 C 66 12 75 22 77 40 C 79 60 85 68 96 78 Q 99 86 92 86 H 8 Q 1 86 4 78 C 15 68 21 60 23 40 C 25 22 34 12 50 12 Z"),
            ellipse(50, 89, 13, 12),
        ),
        0.98,
    ),
    "cake": (
        _union(
            box(-4, 97, 116, 8, 4),
            box(5, 62, 98, 38, 7),
            box(23, 34, 62, 34, 7),
            box(50, 14, 8, 24, 1),
            path("M 54 -8 C 62 2 63 10 54 14 C 45 10 46 2 54 -8 Z"),
        ),
        1.02,
    ),
    "gift": (
        _union(
            box(9, 44, 82, 56, 3),
            box(2, 28, 96, 20, 4),
            path("M 50 30 C 42 4 18 -2 14 12 C 11 26 34 30 50 32 Z"),
            path("M 50 30 C 58 4 82 -2 86 12 C 89 26 66 30 50 32 Z"),
        ),
        0.94,
    ),
    "rocket": (
        _union(
            path("M 50 0 C 70 18 76 46 70 80 H 30 C 24 46 30 18 50 0 Z"),
            *_both(path("M 29 54 C 12 62 6 80 9 98 L 32 82 Z"), 50),
            box(39, 78, 22, 9, 2),
            path("M 40 86 H 60 C 63 100 55 106 50 118 C 45 106 37 100 40 86 Z"),
        ),
        1.06,
    ),
    "bat": (
        _union(
            *_both(
                path(
                    "M 50 36 C 40 34 34 38 30 44 C 24 28 10 16 -12 16 C -24 20 -36 36 -40 56"
                    " C -30 49 -22 50 -16 60 C -8 51 4 53 10 64 C 18 56 26 58 32 68 C 38 76 44 82 50 90 Z"
                ),
                50,
            ),
            path("M 38 40 L 37 16 L 46 26 Q 50 25 54 26 L 63 16 L 62 40 Q 62 54 50 54 Q 38 54 38 40 Z"),
        ),
        1.0,
    ),
    "club": (_union(_club()), 1.02),
}
"""Kind: its parts, and its presence: how much larger or smaller than its box suggests it has to be for equal weight."""

KINDS_DRAWN: tuple[str, ...] = tuple(_DRAWINGS)
"""The kinds that have an outline: those of data/scene.py."""
