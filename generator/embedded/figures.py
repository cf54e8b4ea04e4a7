"""How each kind of thing is painted: cut paper in one colour, an ink outline, light from the upper left, and a few details in tints.

A figure is painted on its own small canvas at twice its size and scaled down, which makes all edges smooth. Details are drawn in the
drawing units of data/silhouettes.py, and cut off at the outline.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from cv2.typing import MatLike as Image
from numpy.typing import NDArray

from data.palette import INK, RGB, mix
from data.scene import COLORS
from data.silhouettes import Points, box, ellipse, ink_width, mirror, path, shape, stroke, turned
from generator.embedded.layout import Placed

_SHARPER = 2
"""Canvas pixels per picture pixel."""
_FRACTION = 4
"""Bits behind the binary point in the coordinates that cv2 draws with."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """The tints of one colour: ``glow`` for highlights, then lighter, the colour, darker, and ``deep`` for what lies in shadow."""

    glow: RGB
    light: RGB
    base: RGB
    dark: RGB
    deep: RGB
    line: RGB
    """Fine inner lines: ink where the colour is light enough to show it, a paler tint on black."""


@cache
def ramp(color: str) -> Ramp:
    """The tints of a palette colour. White is shaded towards cool greys, so that it is never taken for the cream of a sign."""
    base = COLORS[color]
    if color == "white":
        return Ramp((210, 219, 236), (255, 255, 255), (244, 247, 252), (196, 204, 220), (158, 168, 192), mix(INK, (150, 160, 186), 0.25))
    if color == "black":
        return Ramp((150, 152, 168), (84, 86, 102), base, (14, 13, 17), (8, 8, 10), (112, 114, 132))
    shade = _SHADES[color]
    return Ramp(
        mix(base, (255, 252, 240), 0.64), mix(base, (255, 246, 224), 0.27), base, mix(base, shade, 0.38), mix(base, shade, 0.72), INK
    )


_SHADES: Mapping[str, RGB] = {
    "red": (118, 0, 46), "orange": (186, 40, 0), "yellow": (214, 116, 0), "green": (0, 72, 66), "blue": (32, 14, 122),
    "purple": (56, 4, 92), "pink": (186, 34, 116), "brown": (52, 20, 22),
}  # fmt: skip
"""What a colour turns to in the shade: darker and as vivid, as with gouache, and never so far that it would be taken for another."""


@cache
def _shading(color: str) -> Image:
    """The colours from the lit to the shaded side, shape (256, 1, 3)."""
    tints = ramp(color)
    if color == "black":
        lit, shaded = (44, 43, 52), (12, 11, 15)
    elif color == "white":
        lit, shaded = (255, 255, 255), (228, 232, 242)
    else:
        lit, shaded = mix(tints.base, (255, 246, 224), 0.2), mix(tints.base, tints.dark, 0.62)
    steps = np.linspace(0, 1, 256)[:, None]
    return np.round(np.array(lit) * (1 - steps) + np.array(shaded) * steps).astype(np.uint8)[:, None]


class Pen:
    """Draws details in a kind's drawing units onto a figure's canvas."""

    def __init__(
        self, canvas: Image, kind: str, size: float, tilt: float, mirrored: bool, origin: tuple[float, float], tints: Ramp
    ) -> None:
        outline = shape(kind)
        self.tints = tints
        self._canvas = canvas
        self._center, self._scale, self._size = np.array(outline.center), outline.scale, size
        self._tilt, self._mirrored, self._origin = tilt, mirrored, np.array(origin)

    def outlines(self, kind: str) -> list[list[NDArray[np.int32]]]:
        """The kind's silhouette, part by part, in cv2's fixed-point canvas coordinates."""
        return [[self._fixed(contour) for contour in part] for part in shape(kind).parts]

    def _fixed(self, shared: Points) -> NDArray[np.int32]:
        placed = turned(shared, self._tilt, self._mirrored) * self._size + self._origin
        return np.round(placed * (_SHARPER << _FRACTION)).astype(np.int32)

    def fixed(self, points: Points) -> NDArray[np.int32]:
        """Drawing units to canvas coordinates."""
        return self._fixed((points - self._center) * self._scale)

    def fill(self, color: RGB, *contours: Points) -> None:
        """Fills contours by the even-odd rule."""
        cv2.fillPoly(self._canvas, [self.fixed(contour) for contour in contours], color, cv2.LINE_AA, _FRACTION)

    def disc(self, color: RGB, x: float, y: float, width: float, height: float | None = None, turn: float = 0.0) -> None:
        """Fills an ellipse, by its centre and half axes."""
        self.fill(color, ellipse(x, y, width, width if height is None else height, turn))

    def line(self, color: RGB, text: str, width: float, closed: bool = False) -> None:
        """A line of ``width`` drawing units along a path."""
        thickness = max(1, round(width * self._scale * self._size * _SHARPER))
        cv2.polylines(self._canvas, [self.fixed(path(text))], closed, color, thickness, cv2.LINE_AA, _FRACTION)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A figure ready to be laid onto a picture: its ``colors``, and 0 to 255 where they are (``inside``), and where they or the ink are."""

    colors: Image
    inside: Image
    covered: Image


def draw(kind: str, color: str, placed: Placed, origin: tuple[float, float], width: int, height: int) -> Cutout:
    """A figure on ``width`` x ``height`` pixels, its outline's centre at ``origin``."""
    canvas = _lit(color, width, height)
    pen = Pen(canvas, kind, placed.size, placed.tilt, placed.mirrored, origin, ramp(color))
    inside = np.zeros(canvas.shape[:2], np.uint8)
    parts = pen.outlines(kind)
    for part in parts:
        cv2.fillPoly(inside, part, 255, cv2.LINE_AA, _FRACTION)
    covered = inside.copy()
    thickness = max(1, round(2 * ink_width(placed.size) * _SHARPER))
    for part in parts:
        cv2.polylines(covered, part, True, 255, thickness, cv2.LINE_AA, _FRACTION)
    _DETAILS[kind](pen)
    return Cutout(*(cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA) for layer in (canvas, inside, covered)))


def lay(part: Image, cutout: Cutout) -> None:
    """Lays a figure onto ``part`` of a picture, which may be cut off on the right and below."""
    window = np.s_[: part.shape[0], : part.shape[1]]
    inside, covered = cutout.inside[window], cutout.covered[window]
    outline = cv2.subtract(covered, inside)
    ink = cv2.merge([cv2.convertScaleAbs(outline, alpha=channel / 255) for channel in INK])
    below = cv2.multiply(part, cv2.merge((cv2.bitwise_not(covered),) * 3), scale=1 / 255)
    colors = cv2.multiply(cutout.colors[window], cv2.merge((inside,) * 3), scale=1 / 255)
    part[:] = cv2.add(cv2.add(below, colors), ink)


def blend(below: Image, above: Image | RGB, coverage: Image) -> Image:
    """``above``, an image or one colour, laid over ``below`` where ``coverage`` says, 0 to 255."""
    rest = cv2.multiply(below, cv2.merge((cv2.bitwise_not(coverage),) * 3), scale=1 / 255)
    if isinstance(above, tuple):
        return cv2.add(rest, cv2.merge([cv2.convertScaleAbs(coverage, alpha=channel / 255) for channel in above]))
    return cv2.add(rest, cv2.multiply(above, cv2.merge((coverage,) * 3), scale=1 / 255))


def _lit(color: str, width: int, height: int) -> Image:
    """A canvas for ``width`` x ``height`` pixels with light from the upper left."""
    across = np.linspace(0, 110, width, dtype=np.float32)[None, :] + np.linspace(0, 145, height, dtype=np.float32)[:, None]
    lit = cv2.applyColorMap(across.astype(np.uint8), _shading(color))
    return cv2.resize(lit, (width * _SHARPER, height * _SHARPER), interpolation=cv2.INTER_NEAREST)


# -- details, one function per kind, from the coarse to the fine


def _balloon(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 90 40 C 92 72 68 92 52 98 L 46 98 C 66 88 82 70 84 34 Z"))
    pen.disc(pen.tints.glow, 32, 28, 9, 15, 28)
    pen.disc(pen.tints.glow, 24, 50, 3.5, 5, 10)
    pen.line(pen.tints.line, "M 43 97 Q 50 100 57 97", 1.8)


def _house(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 50 4 L 99 47 Q 101 52 95 52 L 5 52 Q -1 52 1 47 Z"))
    pen.fill(pen.tints.deep, box(14, 52, 72, 5))
    pen.fill(pen.tints.deep, box(70, 8, 14, 5))
    for y in (24, 34, 44):
        pen.line(pen.tints.base, f"M {50 - (y - 4) * 1.1} {y} L {50 + (y - 4) * 1.1} {y}", 1.6)
    pen.line(pen.tints.line, "M 2 52 L 98 52", 2)
    for x in (22, 62):
        pen.fill(pen.tints.glow, box(x, 64, 16, 16, 1))
        pen.line(pen.tints.line, f"M {x} 64 H {x + 16} V 80 H {x} Z M {x} 64", 2, closed=False)
        pen.line(pen.tints.line, f"M {x + 8} 64 V 80", 1.4)
        pen.line(pen.tints.line, f"M {x} 72 H {x + 16}", 1.4)
    pen.fill(pen.tints.deep, path("M 43 99 V 72 Q 43 64 50 64 Q 57 64 57 72 V 99 Z"))
    pen.line(pen.tints.line, "M 43 99 V 72 Q 43 64 50 64 Q 57 64 57 72 V 99", 2)
    pen.disc(pen.tints.glow, 54, 83, 1.6)


def _tree(pen: Pen) -> None:
    pen.fill(
        pen.tints.deep,
        path("M 40 66 H 60 V 102 H 28 Q 37 99 41 92 Z"),
    )
    pen.fill(pen.tints.deep, path("M 41 60 H 59 L 62 95 L 72 103 H 28 L 40 94 Z"))
    pen.line(pen.tints.line, "M 48 74 V 92", 1.6)
    pen.line(pen.tints.line, "M 54 80 V 95", 1.4)
    pen.fill(pen.tints.dark, path("M 18 62 Q 30 56 40 62 Q 52 54 64 62 Q 82 58 98 40 Q 100 66 78 70 H 28 Q 10 66 18 62 Z"))
    pen.disc(pen.tints.light, 42, 18, 14, 9, -24)
    pen.disc(pen.tints.light, 20, 38, 11, 7, -24)
    pen.disc(pen.tints.light, 66, 37, 10, 6, -20)
    for x, y in ((56, 30), (40, 44), (78, 50), (30, 54), (58, 50)):
        pen.line(pen.tints.deep, f"M {x - 4} {y - 2} Q {x} {y + 4} {x + 4} {y - 2}", 1.8)


def _car(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 3 68 H 143 V 84 H 3 Z"))
    pen.fill(pen.tints.glow, path("M 41 44 L 52 27 Q 54 25 58 25 H 70 V 44 Z"))
    pen.fill(pen.tints.glow, path("M 76 25 H 90 Q 95 25 98 29 L 107 44 H 76 Z"))
    pen.line(pen.tints.line, "M 41 44 L 52 27 Q 54 25 58 25 H 70 V 44 L 41 44", 2)
    pen.line(pen.tints.line, "M 76 44 V 25 H 90 Q 95 25 98 29 L 107 44 L 76 44", 2)
    pen.line(pen.tints.line, "M 73 48 V 74", 1.6)
    pen.line(pen.tints.line, "M 80 53 H 88", 2.4)
    pen.disc(pen.tints.glow, 8, 58, 4, 5)
    pen.disc(pen.tints.light, 139, 58, 4, 6)
    for x in (36, 110.5):
        pen.disc(INK, x, 80, 16)
        pen.disc(pen.tints.light, x, 80, 9)
        pen.disc(INK, x, 80, 3)


def _boat(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 0 86 H 116 V 104 H 0 Z"))
    pen.fill(pen.tints.glow, path("M 2 74 H 114 L 112 80 H 4 Z"))
    pen.line(pen.tints.line, "M 4 81 H 112", 1.8)
    pen.fill(pen.tints.light, path("M 53 16 Q 36 46 15 66 H 53 Z"))
    pen.fill(pen.tints.deep, box(51.5, 2, 5, 74))
    pen.line(pen.tints.line, "M 50 14 V 74", 1.6)
    pen.line(pen.tints.line, "M 57.5 8 V 74", 1.6)
    pen.line(pen.tints.dark, "M 58 42 Q 76 46 92 44", 2)
    pen.line(pen.tints.dark, "M 58 54 Q 78 58 97 55", 2)
    for x in (40, 58, 76):
        pen.disc(pen.tints.glow, x, 89, 3)


def _fish(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 3 52 C 30 70 60 70 88 50 V 84 H 20 Z"))
    pen.fill(pen.tints.dark, path("M 36 28 Q 50 4 76 12 Q 68 24 74 38 Q 56 26 36 28 Z"))
    pen.line(pen.tints.line, "M 84 44 Q 90 50 84 57", 2)
    for y in (34, 43, 52, 61):
        pen.line(pen.tints.deep, f"M 96 {50 + (y - 48) * 0.6} L 110 {50 + (y - 48) * 1.6}", 1.8)
    pen.line(pen.tints.line, "M 32 32 Q 42 50 32 68", 2)
    for x, y in ((48, 40), (60, 40), (72, 46), (54, 51), (66, 54), (48, 62), (60, 63)):
        pen.line(pen.tints.deep, f"M {x} {y - 5} Q {x + 6} {y} {x} {y + 5}", 1.8)
    pen.disc(pen.tints.glow, 20, 44, 6)
    pen.disc(INK, 19.5, 44.5, 3.4)
    pen.disc((255, 255, 255), 18.4, 43, 1.2)
    pen.line(pen.tints.line, "M 6 56 Q 12 59 17 56", 1.8)


def _bird(pen: Pen) -> None:
    pen.fill(pen.tints.light, path("M 16 52 C 30 62 50 70 76 74 Q 40 92 29 68 Z"))
    pen.fill(pen.tints.dark, path("M 38 50 C 40 22 60 4 90 0 C 90 24 84 42 66 60 Q 50 60 38 50 Z"))
    pen.line(pen.tints.line, "M 38 49 Q 50 62 67 59 C 84 42 90 24 90 0", 2)
    pen.line(pen.tints.light, "M 48 46 C 52 30 64 16 82 8", 2)
    pen.line(pen.tints.light, "M 56 50 C 62 36 72 26 84 20", 2)
    pen.line(pen.tints.deep, "M 88 54 Q 102 52 112 44", 2)
    pen.fill(pen.tints.deep, path("M -2 46 L 16 38 L 18 46 L 16 52 Z"))
    pen.line(pen.tints.line, "M 16 39 Q 19 45 16 51", 1.8)
    pen.disc(pen.tints.glow, 28, 38, 4.6)
    pen.disc(INK, 27.4, 38.2, 3)
    pen.disc((255, 255, 255), 26.6, 37, 1)


def _cat(pen: Pen) -> None:
    pen.fill(pen.tints.light, path("M 36 66 Q 48 62 60 66 Q 64 86 56 103 H 40 Q 32 86 36 66 Z"))
    pen.fill(pen.tints.dark, path("M 76 94 C 92 96 102 86 101 68 Q 110 90 92 104 H 76 Z"))
    pen.line(pen.tints.line, "M 25 60 Q 48 72 71 60", 2)
    for x in (21, 64):
        pen.fill(pen.tints.deep, path(f"M {x} 16 L {x + 1 if x < 48 else x + 10} 14 L {x + (10 if x < 48 else 11)} 26 L {x - 0.5} 27 Z"))
    for x in (33, 63):
        pen.disc(pen.tints.glow, x, 38, 6.4, 7)
        pen.disc(INK, x, 38.4, 3, 5.4)
        pen.disc((255, 255, 255), x - 1.4, 35.8, 1.4)
    pen.fill(pen.tints.deep, path("M 44 46 H 52 L 48 50.5 Z"))
    pen.line(pen.tints.line, "M 39 53 Q 44 57 48 51 Q 52 57 57 53", 1.9)
    for y in (47, 52):
        pen.line(pen.tints.line, f"M 17 {y} L 31 {y + 1}", 1.2)
        pen.line(pen.tints.line, f"M 79 {y} L 65 {y + 1}", 1.2)
    pen.line(pen.tints.line, "M 38 90 V 102", 1.8)
    pen.line(pen.tints.line, "M 48 92 V 102", 1.8)
    pen.line(pen.tints.line, "M 58 90 V 102", 1.8)
    for x in (43, 48, 53):
        pen.line(pen.tints.deep, f"M {x} 18 V 25", 2.2)


def _flower(pen: Pen) -> None:
    pen.fill(pen.tints.dark, box(45, 64, 10, 54))
    pen.fill(
        pen.tints.dark,
        path("M 51 100 C 54 80 72 76 86 78 C 84 94 68 104 51 104 Z"),
    )
    pen.fill(pen.tints.dark, path("M 49 92 C 46 74 30 68 16 70 C 18 86 32 96 49 96 Z"))
    pen.line(pen.tints.line, "M 53 101 Q 66 92 78 84", 1.6)
    pen.line(pen.tints.line, "M 47 93 Q 36 82 24 76", 1.6)
    for turn in range(6):
        angle = math.radians(turn * 60 - 90)
        x, y = math.cos(angle), math.sin(angle)
        pen.disc(pen.tints.light, 50 + 22 * x, 34 + 22 * y, 8.5, 6, turn * 60 - 90)
        along, down = math.cos(angle + math.pi / 6), math.sin(angle + math.pi / 6)
        pen.line(
            pen.tints.line,
            f"M {50 + 13 * along:.2f} {34 + 13 * down:.2f} L {50 + 22 * along:.2f} {34 + 22 * down:.2f}",
            1.7,
        )
    pen.disc(pen.tints.line, 50, 34, 13)
    pen.disc(pen.tints.glow, 50, 34, 11)
    for x, y in ((46, 31), (53, 30), (50, 37), (56, 36), (45, 38)):
        pen.disc(pen.tints.dark, x, y, 1.5)


def _star(pen: Pen) -> None:
    for point in range(5):
        angle = math.radians(point * 72 - 90)
        side = angle + math.radians(36)
        tip = (50 * math.cos(angle), 50 * math.sin(angle))
        valley = (23 * math.cos(side), 23 * math.sin(side))
        pen.fill(pen.tints.dark if 0 <= point <= 2 else mix(pen.tints.base, pen.tints.dark, 0.5), np.array([(0.0, 0.0), tip, valley]))
    pen.fill(pen.tints.light, np.array([(0.0, 0.0), (0.0, -50.0), (23 * math.cos(math.radians(-126)), 23 * math.sin(math.radians(-126)))]))
    pen.fill(
        pen.tints.light,
        np.array(
            [
                (0.0, 0.0),
                (50 * math.cos(math.radians(-162)), 50 * math.sin(math.radians(-162))),
                (23 * math.cos(math.radians(162)), 23 * math.sin(math.radians(162))),
            ]
        ),
    )
    pen.disc(pen.tints.glow, -9, -8, 4, 2.6, -40)


def _heart(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 98 31 C 98 48 88 66 50 97 L 40 89 C 74 64 86 48 86 10 Q 98 16 98 31 Z"))
    pen.disc(pen.tints.glow, 23, 23, 9, 13, 38)
    pen.disc(pen.tints.glow, 15, 42, 3, 5, -8)


def _apple(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 95 52 C 96 80 74 104 60 102 Q 50 98 40 102 Q 34 102 30 98 C 62 96 84 84 84 30 Q 95 36 95 52 Z"))
    pen.fill(pen.tints.deep, path("M 44 36 Q 50 30 56 36 Q 50 40 44 36 Z"))
    pen.fill(pen.tints.deep, path("M 47 32 C 48 20 44 12 39 7 L 46 3 C 52 10 54 18 53 32 Z"))
    pen.fill(pen.tints.light, path("M 54 19 C 58 2 76 -2 90 2 C 86 18 70 27 54 24 Z"))
    pen.line(pen.tints.line, "M 56 22 Q 70 16 82 8", 1.7)
    pen.line(pen.tints.line, "M 40 33 Q 50 42 60 33", 2)
    pen.disc(pen.tints.glow, 22, 50, 6.5, 11, 18)
    pen.disc(pen.tints.glow, 21, 70, 2.6, 4)


def _cup(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 64 18 H 80 L 74 84 Q 73 98 59 98 H 30 Q 58 92 62 70 Z"))
    pen.fill(pen.tints.deep, box(4, 18, 76, 8))
    pen.line(pen.tints.line, "M 5 27 H 79", 2)
    pen.line(pen.tints.line, "M 78 30 L 71 84", 1.8)
    pen.fill(pen.tints.glow, path("M 38 74 C 24 63 20 57 20 50 C 20 42 32 40 38 49 C 44 40 56 42 56 50 C 56 57 52 63 38 74 Z"))
    pen.line(pen.tints.glow, "M 12 36 L 15 66", 3)


def _umbrella(pen: Pen) -> None:
    pen.fill(pen.tints.light, path("M 2 56 C 5 24 27 8 50 8 C 32 18 20 34 18 56 Q 10 46 2 56 Z"))
    pen.fill(pen.tints.dark, path("M 98 56 C 95 24 73 8 50 8 C 68 18 80 34 82 56 Q 90 46 98 56 Z"))
    pen.fill(pen.tints.dark, path("M 34 56 C 35 34 42 18 50 8 C 58 18 65 34 66 56 Q 58 46 50 56 Q 42 46 34 56 Z"))
    for x, bend in ((18, 20), (34, 35), (66, 65), (82, 80)):
        pen.line(pen.tints.line, f"M 50 8 C {(bend + 50) / 2} 18 {bend} 34 {x} 56", 1.8)
    pen.fill(pen.tints.deep, box(47, 50, 6, 70), box(26, 98, 22, 20))
    pen.disc(pen.tints.glow, 24, 28, 3, 7, 40)


def _kite(pen: Pen) -> None:
    pen.fill(pen.tints.light, path("M 50 0 L 12 42 H 50 Z"))
    pen.fill(pen.tints.dark, path("M 50 0 L 88 42 H 50 Z"))
    pen.fill(pen.tints.dark, path("M 12 42 L 50 100 V 42 Z"))
    pen.line(pen.tints.line, "M 50 0 V 100", 2)
    pen.line(pen.tints.line, "M 12 42 H 88", 2)
    pen.disc(pen.tints.glow, 37, 28, 3.4)
    pen.disc(pen.tints.glow, 63, 28, 3.4)
    pen.line(pen.tints.glow, "M 40 56 Q 50 66 60 56", 3)


def _mushroom(pen: Pen) -> None:
    pen.fill(pen.tints.light, path("M 30 60 H 74 V 104 H 28 Z"))
    pen.fill(pen.tints.dark, path("M 60 66 H 70 C 66 76 72 86 76 104 H 58 Q 64 84 60 66 Z"))
    pen.fill(pen.tints.base, path("M 2 56 C 2 22 28 4 52 4 C 78 4 102 22 102 56 V 58 H 2 Z"))
    pen.fill(pen.tints.dark, path("M 102 56 C 102 26 84 10 66 6 C 84 20 88 40 84 58 H 102 Z"))
    pen.fill(pen.tints.deep, path("M 2 57 H 102 C 102 64 94 66 84 66 H 20 C 10 66 2 64 2 57 Z"))
    pen.line(pen.tints.line, "M 3 57 Q 52 62 101 57", 1.8)
    pen.line(pen.tints.line, "M 34 67 H 70", 2)
    for x, y, r in ((34, 26, 8), (62, 20, 6.5), (20, 46, 5), (54, 44, 8.5), (82, 40, 6)):
        pen.disc(pen.tints.glow, x, y, r, r * 0.85)


def _butterfly(pen: Pen) -> None:
    for flip in (False, True):
        upper = path("M 44 46 C 36 24 16 10 8 12 C 0 18 8 46 24 50 C 34 52 42 50 44 46 Z")
        lower = path("M 44 60 C 32 60 18 66 19 78 C 20 88 30 94 36 86 C 42 80 44 70 44 60 Z")
        pen.fill(pen.tints.light, mirror(upper, 50) if flip else upper)
        pen.fill(pen.tints.dark, mirror(lower, 50) if flip else lower)
        for x, y, r in ((16, 24, 5), (25, 38, 4), (28, 78, 4.4)):
            pen.disc(pen.tints.glow, 100 - x if flip else x, y, r)
        lines = ("M 46 48 Q 30 36 14 30", "M 46 62 Q 36 72 26 84")
        for line in lines:
            points = path(line)
            pen.fill(pen.tints.deep, stroke(mirror(points, 50) if flip else points, 1.8))
    for points in (stroke(path("M 49 32 Q 46 14 36 8"), 4.6), ellipse(36, 8, 4, 4)):
        pen.fill(INK, points)
        pen.fill(INK, mirror(points, 50))
    pen.fill(pen.tints.line, ellipse(50, 57, 5.5, 30))


def _key(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 46 31 H 130 V 62 H 96 V 36 H 46 Z"))
    pen.fill(pen.tints.dark, path("M 52 30 C 52 46 40 56 26 56 C 12 56 4 48 2 40 C 16 52 40 50 44 26 Z"))
    pen.line(pen.tints.line, "M 58 18 V 42", 1.8)
    pen.line(pen.tints.line, "M 66 18 V 42", 1.8)
    pen.line(pen.tints.glow, "M 70 27.5 H 120", 2)
    pen.line(pen.tints.glow, "M 6 26 Q 10 10 24 8", 3)


def _bell(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 62 14 C 74 20 76 32 77 40 C 79 60 85 68 96 78 V 88 H 74 C 66 70 66 40 62 14 Z"))
    pen.fill(pen.tints.deep, box(30, 87, 40, 20))
    pen.fill(pen.tints.light, path("M 4 78 H 96 Q 99 86 92 87 H 8 Q 1 86 4 78 Z"))
    pen.line(pen.tints.line, "M 5 77 H 95", 2)
    pen.line(pen.tints.line, "M 25 87 H 75", 2)
    pen.line(pen.tints.line, "M 26 30 Q 50 36 74 30", 1.8)
    pen.line(pen.tints.glow, "M 36 38 C 34 54 32 60 26 68", 5)


def _cake(pen: Pen) -> None:
    pen.fill(pen.tints.dark, box(5, 82, 98, 20), box(23, 52, 62, 14))
    pen.fill(
        pen.tints.glow,
        path(
            "M 4 60 H 104 V 72 Q 98 82 92 74 Q 86 68 80 76 Q 74 86 68 76"
            " Q 62 68 55 76 Q 48 86 42 76 Q 36 68 30 76 Q 24 84 18 75 Q 10 70 4 76 Z"
        ),
    )
    pen.fill(pen.tints.glow, path("M 22 32 H 86 V 43 Q 80 52 74 45 Q 68 40 62 46 Q 56 54 50 46 Q 44 40 38 46 Q 32 52 22 44 Z"))
    pen.line(
        pen.tints.line,
        "M 5 76 Q 10 70 18 75 Q 24 84 30 76 Q 36 68 42 76 Q 48 86 55 76 Q 62 68 68 76 Q 74 86 80 76 Q 86 68 92 74 Q 98 82 103 74",
        1.5,
    )
    pen.line(pen.tints.line, "M 23 44 Q 32 52 38 46 Q 44 40 50 46 Q 56 54 62 46 Q 68 40 74 45 Q 80 52 85 45", 1.5)
    pen.line(pen.tints.line, "M 22 63 H 86", 2)
    pen.line(pen.tints.line, "M 4 98 H 104", 2)
    pen.fill(pen.tints.deep, box(-6, 98.5, 120, 8))
    pen.fill(pen.tints.light, box(49, 15, 10, 19))
    for y in (18, 24, 30):
        pen.line(pen.tints.dark, f"M 49 {y + 3} L 59 {y - 1}", 2)
    pen.line(pen.tints.line, "M 49 34 H 59", 1.8)
    pen.line(pen.tints.line, "M 50 14 H 58", 1.5)
    pen.disc(pen.tints.glow, 54, 7, 3, 5)


def _gift(pen: Pen) -> None:
    pen.fill(pen.tints.dark, box(9, 48, 82, 6), box(68, 48, 24, 54))
    pen.fill(pen.tints.light, box(2, 28, 96, 20))
    pen.fill(pen.tints.glow, box(42, 28, 16, 74))
    pen.line(pen.tints.line, "M 42 28 V 101", 1.8)
    pen.line(pen.tints.line, "M 58 28 V 101", 1.8)
    pen.line(pen.tints.line, "M 2 48.5 H 98", 2)
    pen.line(pen.tints.line, "M 8 28 H 92", 1.8)
    for flip in (False, True):
        loop = path("M 47 26 C 40 12 24 4 20 12 C 18 20 34 26 47 26 Z")
        pen.fill(pen.tints.deep, mirror(loop, 50) if flip else loop)
    pen.fill(pen.tints.line, ellipse(50, 27, 7.5, 7.5))
    pen.fill(pen.tints.glow, ellipse(50, 27, 5.5, 5.5))


def _rocket(pen: Pen) -> None:
    pen.fill(pen.tints.dark, path("M 50 0 C 70 18 76 46 70 80 H 62 C 69 50 67 22 50 0 Z"))
    pen.fill(pen.tints.dark, path("M 29 54 C 12 62 6 80 9 98 L 32 82 Z"), path("M 71 54 C 88 62 94 80 91 98 L 68 82 Z"))
    pen.fill(pen.tints.dark, path("M 30 24 L 50 0 L 70 24 Q 50 30 30 24 Z"))
    pen.line(pen.tints.line, "M 29 54 Q 30 70 32 82", 2)
    pen.line(pen.tints.line, "M 71 54 Q 70 70 68 82", 2)
    pen.line(pen.tints.line, "M 33 24 Q 50 30 67 24", 1.8)
    pen.disc(pen.tints.line, 50, 44, 11.5)
    pen.disc(pen.tints.glow, 50, 44, 9)
    pen.line((255, 255, 255), "M 45 44 Q 45 39 50 38.5", 2)
    pen.line(pen.tints.line, "M 30 79 H 70", 1.8)
    pen.fill(pen.tints.deep, box(39, 80, 22, 7))
    pen.line(pen.tints.line, "M 39 87 H 61", 1.8)
    pen.fill(pen.tints.glow, path("M 44 89 H 56 C 58 98 53 104 50 110 C 47 104 42 98 44 89 Z"))


def _bat(pen: Pen) -> None:
    for flip in (False, True):
        wing = path("M 34 46 C 24 34 6 24 -12 22 C -22 30 -30 40 -33 48 C -26 46 -20 48 -15 54 C -8 46 4 48 11 58 C 18 50 28 54 34 62 Z")
        pen.fill(pen.tints.light if pen.tints.line != INK else pen.tints.dark, mirror(wing, 50) if flip else wing)
        for end in ("-16 58", "10 62", "32 66"):
            points = path(f"M -10 19 Q 4 34 {end}") if end != "32 66" else path("M 8 24 Q 24 40 32 66")
            pen.fill(pen.tints.deep if pen.tints.line == INK else pen.tints.base, stroke(mirror(points, 50) if flip else points, 1.8))
        ear = path("M 39.5 34 L 39 22 L 45 29 Z")
        pen.fill(pen.tints.glow, mirror(ear, 50) if flip else ear)
        x = 56 if flip else 44
        pen.disc(pen.tints.glow, x, 39, 3.8)
        pen.disc(INK, x, 39.4, 2)
    pen.line(pen.tints.line, "M 44 47 Q 50 50 56 47", 1.6)
    pen.fill((255, 255, 255), path("M 46 48 L 48.6 48.6 L 47 52 Z"))
    pen.fill((255, 255, 255), path("M 54 48 L 51.4 48.6 L 53 52 Z"))
    pen.fill(pen.tints.light, path("M 43 58 Q 50 55 57 58 Q 58 74 50 82 Q 42 74 43 58 Z"))


def _club(pen: Pen) -> None:
    def along(text: str) -> Points:
        return turned(path(text), -52)

    pen.fill(pen.tints.dark, along("M 4 2 L 40 2 C 62 3 80 5 100 5 H 131 V 14 H 60 L 4 6 Z"))
    pen.fill(pen.tints.deep, along("M -7 -9 H 34 V 9 H -7 Z"))
    for x in (10, 16, 22, 28, 34):
        pen.fill(pen.tints.line, stroke(along(f"M {x - 2} -7 L {x + 2} 7"), 1.6))
    pen.fill(pen.tints.glow, stroke(along("M 70 -6 Q 90 -9 118 -8.5"), 3))
    pen.fill(pen.tints.line, stroke(along("M 92 -3 L 108 -3"), 1.8))
    pen.fill(pen.tints.line, stroke(along("M 92 2 L 108 2"), 1.8))


_DETAILS: Mapping[str, Callable[[Pen], None]] = {
    "balloon": _balloon, "house": _house, "tree": _tree, "car": _car, "boat": _boat, "fish": _fish, "bird": _bird, "cat": _cat,
    "flower": _flower, "star": _star, "heart": _heart, "apple": _apple, "cup": _cup, "umbrella": _umbrella, "kite": _kite,
    "mushroom": _mushroom, "butterfly": _butterfly, "key": _key, "bell": _bell, "cake": _cake, "gift": _gift, "rocket": _rocket,
    "bat": _bat, "club": _club,
}  # fmt: skip
