"""The ten backgrounds: soft, layered, and all within the muted band of data/palette.py, so that no figure is ever lost in one.

Colours are written in Lab and go through :func:`tone`, which holds them in the band. Nothing here looks like one of the 24 kinds: no
trees in the meadow and no boats on the sea, for a person who counts things would count them too.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.identity import derived_random
from data.palette import BACKDROPS, MUTED_CHROMA, MUTED_LIGHTNESS, RGB, Backdrop, Lab, from_lab
from generator.embedded.figures import blend
from generator.embedded.layout import SIDE

Image = NDArray[np.uint8]
Curve = Sequence[tuple[float, float]]

_INSIDE = 1.2
"""How far within the band's limits colours stay: rounding and mixing move them a little."""


def tone(lab: Lab) -> RGB:
    """The sRGB colour nearest to ``lab`` within the muted band."""
    low, high = MUTED_LIGHTNESS
    lightness = min(max(lab[0], low + _INSIDE), high - _INSIDE)
    chroma = math.hypot(lab[1], lab[2])
    fade = min(1.0, (MUTED_CHROMA - _INSIDE) / chroma) if chroma else 1.0
    return _rgb(round(lightness, 1), round(lab[1] * fade, 1), round(lab[2] * fade, 1))


@lru_cache(maxsize=4096)
def _rgb(lightness: float, a: float, b: float) -> RGB:
    return from_lab((lightness, a, b))


def between(first: Lab, second: Lab, share: float) -> Lab:
    """``share`` of the way from the first to the second."""
    return (first[0] + (second[0] - first[0]) * share, first[1] + (second[1] - first[1]) * share, first[2] + (second[2] - first[2]) * share)


def lighter(lab: Lab, by: float) -> Lab:
    """The same hue, ``by`` lighter (darker if negative)."""
    return (lab[0] + by, lab[1], lab[2])


@dataclass(slots=True)
class Stage:
    """What a background is painted with: the picture, its horizon (pixels from above), the backdrop's tints as varied by ``luck``."""

    image: Image
    horizon: int
    tints: Backdrop
    luck: random.Random

    def gradient(self, top: float, bottom: float, *stops: Lab) -> None:
        """Fills the rows from ``top`` to ``bottom`` with colours that pass evenly through ``stops``."""
        start, end = max(0, round(top)), min(SIDE, round(bottom))
        colors = np.array([tone(stop) for stop in stops], np.float64)
        at = np.linspace(0, len(stops) - 1, max(1, end - start))
        rows = np.stack([np.interp(at, np.arange(len(stops)), colors[:, channel]) for channel in range(3)], axis=1)
        self.image[start:end] = np.round(rows).astype(np.uint8)[:, None]

    def fill(self, lab: Lab, points: Curve | NDArray[np.float64]) -> None:
        fixed = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], tone(lab), cv2.LINE_AA, 4)

    def rect(self, lab: Lab, x: float, y: float, width: float, height: float) -> None:
        self.fill(lab, ((x, y), (x + width, y), (x + width, y + height), (x, y + height)))

    def disc(self, lab: Lab, x: float, y: float, width: float, height: float | None = None) -> None:
        axes = (round(width * 16), round((width if height is None else height) * 16))
        cv2.ellipse(self.image, (round(x * 16), round(y * 16)), axes, 0, 0, 360, tone(lab), cv2.FILLED, cv2.LINE_AA, 4)

    def line(self, lab: Lab, points: Curve, thickness: int = 1) -> None:
        fixed = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
        cv2.polylines(self.image, [fixed], False, tone(lab), thickness, cv2.LINE_AA, 4)

    def glow(self, lab: Lab, x: float, y: float, radius: float, strength: float) -> None:
        """A soft light around a point: ``strength`` (0 to 1) of the colour at its middle, nothing at ``radius`` pixels."""
        reach = int(radius)
        corner_x, corner_y = int(x) - reach, int(y) - reach
        left, top = max(0, corner_x), max(0, corner_y)
        right, bottom = min(SIDE, corner_x + 2 * reach), min(SIDE, corner_y + 2 * reach)
        if left >= right or top >= bottom:
            return
        part = self.image[top:bottom, left:right]
        share = _halo(reach)[top - corner_y : bottom - corner_y, left - corner_x : right - corner_x]
        part[:] = blend(part, tone(lab), cv2.convertScaleAbs(share, alpha=strength))

    def ridge(self, lab: Lab, height: float, swing: float, waves: float, bottom: float = SIDE) -> list[tuple[float, float]]:
        """Rolling land: everything below a soft wavy line at about ``height``. Returns the line."""
        phases = [self.luck.uniform(0, math.tau) for _ in range(3)]
        line = [
            (
                float(x),
                height
                - swing
                * (
                    0.6 * math.sin(x / SIDE * math.tau * waves + phases[0])
                    + 0.3 * math.sin(x / SIDE * math.tau * waves * 2.1 + phases[1])
                    + 0.1 * math.sin(x / SIDE * math.tau * waves * 4.3 + phases[2])
                ),
            )
            for x in range(-8, SIDE + 17, 12)
        ]
        self.fill(lab, [*line, (SIDE + 16, bottom), (-8, bottom)])
        return line

    def cloud(self, lab: Lab, x: float, y: float, width: float) -> None:
        """A flat-bottomed cloud with a lit upper edge."""
        shade = lighter(lab, -4)
        puffs = [(-0.34, 0.02, 0.17), (-0.12, -0.08, 0.22), (0.14, -0.04, 0.2), (0.35, 0.03, 0.14)]
        puffs = [
            (px + self.luck.uniform(-0.03, 0.03), py + self.luck.uniform(-0.03, 0.02), r * self.luck.uniform(0.85, 1.1))
            for px, py, r in puffs
        ]
        for color, shift in ((shade, 0.0), (lab, -0.035)):
            for px, py, r in puffs:
                self.disc(color, x + px * width, y + (py + shift) * width, r * width, r * width * 0.82)
        bottom = y + 0.075 * width
        self.rounded(shade, x - 0.5 * width, bottom, width, 0.1 * width)

    def rounded(self, lab: Lab, x: float, y: float, width: float, height: float) -> None:
        """A bar with round ends."""
        radius = height / 2
        self.rect(lab, x + radius, y, width - height, height)
        self.disc(lab, x + radius, y + radius, radius)
        self.disc(lab, x + width - radius, y + radius, radius)

    def streaks(self, lab: Lab, top: float, bottom: float, count: int, longest: float, thickness: float = 2.5) -> None:
        """Long soft strokes, nearer ones longer, as a broad brush leaves them."""
        for _ in range(count):
            depth = self.luck.random()
            y = top + (bottom - top) * depth
            width = longest * (0.25 + 0.75 * depth) * self.luck.uniform(0.4, 1)
            self.disc(lab, self.luck.uniform(-20, SIDE + 20), y, width / 2, thickness * (0.35 + 0.65 * depth))

    def clouds(self, lab: Lab, count: int) -> None:
        for index in range(count):
            x = SIDE * (index + self.luck.uniform(0.2, 0.8)) / count
            self.cloud(lab, x, self.luck.uniform(48, self.horizon * 0.5), self.luck.uniform(80, 150))

    def sun(self, lab: Lab, x: float, y: float, radius: float) -> None:
        self.glow(lab, x, y, radius * 3.2, 0.55)
        self.disc(lab, x, y, radius)


@lru_cache(maxsize=64)
def _halo(radius: int) -> Image:
    """A disc of light, 255 in the middle and 0 at the rim, shape (2 * radius, 2 * radius)."""
    axis = (np.arange(2 * radius) - radius + 0.5) / radius
    distance = np.minimum(1.0, np.hypot(axis[None, :], axis[:, None]))
    return np.round(255 * (1 - distance) ** 2).astype(np.uint8)


def paint_background(name: str, seed: int, horizon: int) -> Image:
    """The empty background, shape (512, 512, 3); no two seeds have quite the same."""
    luck = derived_random("background", name, seed)
    stage = Stage(np.empty((SIDE, SIDE, 3), np.uint8), horizon, _varied(BACKDROPS[name], luck), luck)
    stage.image[:] = tone(stage.tints.bottom)
    _PAINTERS[name](stage)
    return stage.image


def _varied(backdrop: Backdrop, luck: random.Random) -> Backdrop:
    light, warm = luck.uniform(-2, 2), luck.uniform(-1.5, 1.5)

    def vary(lab: Lab) -> Lab:
        return (lab[0] + light, lab[1] + luck.uniform(-1, 1), lab[2] + warm)

    return Backdrop(vary(backdrop.top), vary(backdrop.far), vary(backdrop.bottom))


def _sky(stage: Stage, bend: float = 0.45) -> None:
    """From the top tint to the far one, most of the way in the lower part."""
    top, far = stage.tints.top, stage.tints.far
    stage.gradient(0, stage.horizon + 14, top, between(top, far, bend), far)


def _meadow(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((87, -1, 17), luck.uniform(50, 460), luck.uniform(46, 110), luck.uniform(24, 34))
    stage.clouds((87, -1, 0), luck.choice((2, 3)))
    stage.ridge((74, -8, -1), stage.horizon - 34, 16, luck.uniform(0.8, 1.5))
    stage.ridge((72, -11, 8), stage.horizon - 14, 12, luck.uniform(0.8, 1.4))
    stage.gradient(stage.horizon + 6, SIDE, (73, -11, 15), bottom)
    stage.ridge((73, -11, 14.5), stage.horizon + 2, 5, luck.uniform(1.2, 2), stage.horizon + 12)
    stage.streaks(lighter(between(bottom, (75, -9, 18), 0.6), 1), stage.horizon + 30, SIDE - 50, 9, 240, 6)
    stage.streaks(lighter(bottom, -3), stage.horizon + 60, SIDE - 40, 7, 260, 7)
    for _ in range(46):
        depth = luck.random() ** 0.7
        x, y = luck.uniform(0, SIDE), stage.horizon + 22 + (SIDE - stage.horizon - 22) * depth
        tall = 3 + 8 * depth
        shade = lighter(bottom, luck.choice((-10, -7, 7)))
        for lean in (-0.45, 0.0, 0.45):
            stage.line(shade, ((x + lean * 3, y), (x + lean * tall, y - tall)), 1)


def _beach(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((87, 1, 17), luck.uniform(50, 460), luck.uniform(46, 110), luck.uniform(24, 34))
    stage.clouds((87, -1, 1), luck.choice((2, 3)))
    shore = stage.horizon + 44
    far_line = stage.horizon - 30
    stage.gradient(far_line, shore + 24, (62, -12, -15), (72, -14, -9), (80, -11, -2))
    for _ in range(16):
        y = luck.uniform(far_line + 5, shore - 8)
        stage.disc((84, -7, -3), luck.uniform(0, SIDE), y, luck.uniform(12, 46), 1.1)
    stage.ridge((87, -3, 4), shore, 9, luck.uniform(0.8, 1.3))
    # The wet sand and then the dry follow the foam.
    luck_state = luck.getstate()
    stage.ridge((74, 2, 14), shore + 8, 8, 1.0)
    luck.setstate(luck_state)
    stage.ridge(lighter(bottom, 1), shore + 22, 9, 1.0)
    stage.gradient(shore + 34, SIDE, lighter(bottom, 1), bottom, lighter(bottom, -1))
    stage.streaks(lighter(bottom, 4), shore + 50, SIDE - 50, 8, 260, 6)
    stage.streaks(lighter(bottom, -4), shore + 60, SIDE - 44, 6, 240, 5)
    for _ in range(60):
        depth = luck.random()
        stage.disc(lighter(bottom, luck.choice((-9, -6, 5))), luck.uniform(0, SIDE), shore + 40 + (SIDE - shore - 40) * depth, 0.8 + depth)


def _night(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage, 0.35)
    for _ in range(70):
        x, y = luck.uniform(0, SIDE), luck.uniform(0, stage.horizon - 40)
        stage.disc((luck.uniform(60, 84), 0, luck.uniform(-6, 10)), x, y, luck.choice((0.7, 0.9, 1.2, 1.6)))
    x, y, radius = luck.uniform(60, 450), luck.uniform(56, 110), luck.uniform(26, 36)
    stage.glow((72, 2, -6), x, y, radius * 4, 0.5)
    stage.disc((85, 0, 9), x, y, radius)
    for dx, dy, r in ((-0.3, -0.2, 0.22), (0.25, 0.25, 0.28), (0.3, -0.4, 0.13), (-0.25, 0.45, 0.14)):
        stage.disc((80, 0, 8), x + dx * radius, y + dy * radius, r * radius)
    for _ in range(3):
        cx, cy, width = luck.uniform(0, SIDE), luck.uniform(90, stage.horizon - 60), luck.uniform(110, 220)
        stage.rounded((46, 5, -15), cx - width / 2, cy, width, 11)
        stage.rounded((46, 5, -15), cx - width / 2 + 40, cy - 9, width * 0.55, 11)
    stage.ridge((41, 3, -15), stage.horizon - 34, 20, luck.uniform(0.8, 1.5))
    stage.ridge((36, -1, -11), stage.horizon - 10, 12, luck.uniform(1, 1.7))
    stage.gradient(stage.horizon + 8, SIDE, (42, -8, -8), bottom)
    stage.ridge((42, -8, -8), stage.horizon + 4, 5, luck.uniform(1, 2), stage.horizon + 12)
    stage.streaks((46, -8, -8), stage.horizon + 24, SIDE - 50, 9, 240, 5)
    for _ in range(40):
        depth = luck.random() ** 0.7
        gx, gy, tall = luck.uniform(0, SIDE), stage.horizon + 22 + (SIDE - stage.horizon - 22) * depth, 3 + 7 * depth
        for lean in (-0.45, 0.0, 0.45):
            stage.line((48, -9, -7), ((gx + lean * 3, gy), (gx + lean * tall, gy - tall)), 1)


def _snow(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((84, 1, 5), luck.uniform(60, 450), luck.uniform(60, 120), luck.uniform(24, 32))
    stage.ridge((72, 2, -9), stage.horizon - 46, 24, luck.uniform(0.8, 1.4))
    stage.ridge((78, 1, -7), stage.horizon - 20, 16, luck.uniform(0.9, 1.5))
    stage.ridge((83, 0, -5), stage.horizon + 2, 8, luck.uniform(0.9, 1.5))
    stage.gradient(stage.horizon + 12, SIDE, (83, 0, -5), bottom)
    for height, swing, shade in ((stage.horizon + 66, 16, -1.5), (stage.horizon + 128, 18, 0.5)):
        if height < SIDE - 30:
            stage.ridge(lighter(bottom, shade - 3), height, swing, luck.uniform(0.7, 1.2))
            stage.gradient(min(SIDE, height + 24), SIDE, lighter(bottom, shade - 3), bottom)
    stage.streaks((78, 1, -8), stage.horizon + 40, SIDE - 50, 8, 260, 4)
    for _ in range(90):
        stage.disc((86.5, 0, -2), luck.uniform(0, SIDE), luck.uniform(0, stage.horizon + 30), luck.choice((1.0, 1.5, 2.2, 3.0)))
    for _ in range(26):
        stage.disc((80, 1, -7), luck.uniform(0, SIDE), luck.uniform(stage.horizon + 40, SIDE), luck.choice((0.9, 1.3)))


def _desert(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((87, 4, 17), luck.uniform(70, 440), luck.uniform(60, stage.horizon * 0.5), luck.uniform(32, 46))
    x = luck.uniform(-20, 300)
    for width, tall in ((luck.uniform(90, 150), luck.uniform(46, 70)), (luck.uniform(50, 80), luck.uniform(30, 46))):
        foot = stage.horizon + 6
        stage.fill((72, 13, 13), ((x, foot), (x + 14, foot - tall), (x + width - 12, foot - tall), (x + width + 8, foot)))
        stage.fill(
            (66, 13, 13), ((x + width * 0.6, foot), (x + width * 0.66, foot - tall), (x + width - 12, foot - tall), (x + width + 8, foot))
        )
        x += width + luck.uniform(10, 60)
    stage.ridge((78, 7, 18), stage.horizon - 4, 10, luck.uniform(0.7, 1.2))
    stage.gradient(stage.horizon + 14, SIDE, (77, 7, 18), bottom)
    for height, shade in ((stage.horizon + 52, (70, 9, 18)), (stage.horizon + 120, (68, 9, 17))):
        if height < SIDE - 24:
            line = stage.ridge(shade, height, 18, luck.uniform(0.6, 1.0))
            stage.line((79, 6, 18), line, 2)
            stage.gradient(min(SIDE, height + 26), SIDE, shade, bottom)
    for _ in range(12):
        y = luck.uniform(stage.horizon + 70, SIDE - 46)
        cx, width = luck.uniform(0, SIDE), luck.uniform(40, 110)
        stage.line(lighter(bottom, -6), [(cx + t * width, y + 3 * math.sin(t * math.pi)) for t in np.linspace(0, 1, 9)], 1)
    for _ in range(luck.choice((1, 2))):
        cx, foot, tall = luck.uniform(30, 480), stage.horizon + luck.uniform(8, 22), luck.uniform(26, 40)
        green: Lab = (56, -9, 8)
        stage.rounded(green, cx - 3.5, foot - tall, 7, 7)
        stage.rect(green, cx - 3.5, foot - tall + 3.5, 7, tall - 3.5)
        for side in (-1, 1):
            arm = foot - tall * luck.uniform(0.45, 0.65)
            stage.line(green, ((cx, arm), (cx + side * 10, arm), (cx + side * 10, arm - tall * 0.25)), 4)


def _sea(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((87, 2, 15), luck.uniform(60, 450), luck.uniform(50, 120), luck.uniform(24, 34))
    stage.clouds((87, 0, -1), luck.choice((2, 3)))
    line = stage.horizon - 24
    x, width = luck.uniform(0, 330), luck.uniform(110, 190)
    stage.fill((74, -5, -8), [(x + t * width, line + 1 - 26 * math.sin(t * math.pi) ** 1.4) for t in np.linspace(0, 1, 24)])
    stage.gradient(line, SIDE, (74, -8, -9), (63, -11, -12), (55, -12, -13), bottom)
    depth = 0.0
    while depth < 1:
        y = line + 10 + (SIDE - line - 20) * depth**1.25
        swell, shift, reach = 1.2 + 5 * depth, luck.uniform(0, 60), 22 + 60 * depth
        tint = between((80, -7, -7), (62, -11, -12), depth)
        points = [(x, y + swell * math.sin((x + shift) / reach * math.tau)) for x in range(-6, SIDE + 12, 6)]
        below = [(x, py + 1.2 + 2.6 * depth * (1 + math.sin((x + shift) / reach * math.tau + 1))) for x, py in reversed(points)]
        stage.fill(tint, [*points, *below])
        depth += 0.09 + luck.uniform(0, 0.04)
    for _ in range(18):
        depth = luck.random()
        stage.disc(
            between((84, -4, -4), (70, -9, -10), depth),
            luck.uniform(0, SIDE),
            line + 8 + (SIDE - line - 60) * depth,
            8 + 22 * depth,
            0.9 + depth,
        )


def _city(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((86, 6, 11), luck.uniform(60, 450), luck.uniform(60, 130), luck.uniform(26, 36))
    stage.clouds((84, 5, 2), 2)
    foot = stage.horizon + 8
    for shade, tallest, widest, windows in (((74, 6, -4), 176, 62, False), ((65, 5, -7), 136, 74, False), ((55, 3, -9), 96, 86, True)):
        x = luck.uniform(-40, 0)
        while x < SIDE:
            width, tall = luck.uniform(widest * 0.5, widest), luck.uniform(tallest * 0.45, tallest)
            _tower(stage, lighter(shade, luck.uniform(-2, 2)), x, foot - tall, width, tall, windows)
            x += width + luck.uniform(-4, 10)
    stage.gradient(foot, SIDE, (66, 3, -2), (66, 3, -2))
    stage.rect((72, 3, 0), 0, foot, SIDE, 16)
    stage.line((58, 2, -3), ((0, foot + 16), (SIDE, foot + 16)), 2)
    for x in range(-10, SIDE + 40, 46):
        stage.line((64, 2, -2), ((x, foot + 16), (x + (x - SIDE / 2) * 0.06, foot)), 1)
    stage.gradient(foot + 18, SIDE, (55, 2, -5), bottom)
    stage.streaks((57, 2, -5), foot + 34, SIDE - 50, 8, 300, 5)
    middle = foot + 18 + (SIDE - foot - 18) * 0.55
    shift = luck.uniform(0, 80)
    for index in range(-1, 8):
        x = index * 84 + shift
        stage.fill((77, 2, 6), ((x, middle - 4), (x + 44, middle - 4), (x + 41, middle + 3), (x - 5, middle + 3)))


def _tower(stage: Stage, shade: Lab, x: float, y: float, width: float, tall: float, windows: bool) -> None:
    stage.rect(shade, x, y, width, tall + 4)
    stage.rect(lighter(shade, -4), x + width * 0.72, y, width * 0.28, tall + 4)
    roof = stage.luck.random()
    if roof < 0.3:
        stage.rect(shade, x + width * 0.25, y - 12, width * 0.5, 13)
    elif roof < 0.5:
        stage.line(shade, ((x + width / 2, y), (x + width / 2, y - 26)), 2)
    if windows:
        for row in range(int((tall - 14) // 13)):
            for column in range(int((width - 10) // 11)):
                if stage.luck.random() < 0.6:
                    lit = stage.luck.random() < 0.4
                    stage.rect((82, 4, 18) if lit else lighter(shade, 9), x + 6 + column * 11, y + 9 + row * 13, 6, 8)


def _mountains(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    _sky(stage)
    stage.sun((87, 1, 10), luck.uniform(50, 460), luck.uniform(40, 90), luck.uniform(22, 30))
    stage.clouds((87, 0, -3), 2)
    for count, tallest, shade in ((4, 190, (73, 0, -13)), (3, 130, (62, -1, -14))):
        for index in range(count):
            x = SIDE * (index + luck.uniform(0.15, 0.85)) / count
            _peak(stage, shade, x, stage.horizon - tallest * luck.uniform(0.7, 1.05), luck.uniform(0.75, 1.05))
    stage.ridge((66, -8, -2), stage.horizon - 22, 12, luck.uniform(1, 1.8))
    stage.ridge((60, -11, 3), stage.horizon + 2, 8, luck.uniform(1, 1.8))
    stage.gradient(stage.horizon + 12, SIDE, (60, -12, 6), bottom)
    stage.streaks((63, -12, 8), stage.horizon + 26, SIDE - 50, 9, 260, 6)
    stage.streaks(lighter(bottom, -3), stage.horizon + 50, SIDE - 44, 6, 240, 6)
    for _ in range(40):
        depth = luck.random() ** 0.7
        x, y, tall = luck.uniform(0, SIDE), stage.horizon + 24 + (SIDE - stage.horizon - 24) * depth, 3 + 7 * depth
        for lean in (-0.45, 0.0, 0.45):
            stage.line(lighter(bottom, 9), ((x + lean * 3, y), (x + lean * tall, y - tall)), 1)


def _peak(stage: Stage, shade: Lab, x: float, y: float, slope: float) -> None:
    """A mountain with a shaded side and snow on its top."""
    luck = stage.luck
    tall = stage.horizon + 20 - y
    half = tall / slope * 0.85
    stage.fill(shade, ((x - half, y + tall), (x, y), (x + half, y + tall)))
    stage.fill(
        lighter(shade, -6),
        ((x, y), (x + half, y + tall), (x + half * 0.16, y + tall), (x - half * 0.06, y + tall * 0.55), (x + half * 0.08, y + tall * 0.3)),
    )
    snow = luck.uniform(0.26, 0.36)
    edge = [(x - half * snow, y + tall * snow)]
    for step in range(1, 7):
        t = step / 7
        edge.append((x - half * snow * (1 - 2 * t), y + tall * snow * (1.12 if step % 2 else 0.8)))
    edge.append((x + half * snow, y + tall * snow))
    stage.fill((86.5, 0, -4), [(x, y), *edge])
    right = [point for point in edge if point[0] >= x]
    stage.fill((80, 1, -8), [(x, y), *right])


def _room(stage: Stage) -> None:
    luck, wall, floor = stage.luck, stage.tints.top, stage.tints.bottom
    stage.gradient(0, stage.horizon, wall, stage.tints.far)
    if luck.random() < 0.5:
        for x in range(luck.randint(-20, 0), SIDE, 44):
            stage.rect(lighter(wall, 2.2), x, 0, 20, stage.horizon)
    else:
        for row in range(0, stage.horizon, 30):
            for x in range(-10 + 22 * (row // 30 % 2), SIDE + 20, 44):
                stage.disc(lighter(wall, 3), x, row + 12, 3)
    _window(stage, luck.choice((luck.uniform(46, 90), luck.uniform(290, 330))), luck.uniform(44, 66))
    stage.gradient(stage.horizon, SIDE, lighter(floor, 5), floor)
    edge = lighter(floor, -6)
    vanish, far = SIDE / 2 + luck.uniform(-60, 60), 1.0
    for index in range(-12, 13):
        stage.line(edge, ((vanish + index * 34 * far, stage.horizon), (vanish + index * 84, SIDE)), 1)
    for index in range(14):
        row = stage.horizon + (SIDE - stage.horizon) * (0.1 + 0.85 * luck.random())
        t = (row - stage.horizon) / (SIDE - stage.horizon)
        left = vanish + luck.randint(-8, 7) * (34 + 50 * t)
        stage.line(edge, ((left, row), (left + 34 + 50 * t, row)), 1)
        del index
    x, y = SIDE / 2 + luck.uniform(-70, 70), stage.horizon + (SIDE - stage.horizon) * 0.52
    for grow, shade in ((1.0, (60, 9, 4)), (0.9, (70, 9, 7)), (0.84, (63, 9, 4)), (0.5, (69, 9, 7)), (0.45, (63, 9, 4))):
        stage.disc(shade, x, y, 196 * grow, 54 * grow)
    stage.rect((84, -3, 5), 0, stage.horizon - 15, SIDE, 15)
    stage.line((74, -4, 5), ((0, stage.horizon - 15), (SIDE, stage.horizon - 15)), 2)
    stage.line((56, 3, 9), ((0, stage.horizon), (SIDE, stage.horizon)), 2)


def _window(stage: Stage, x: float, y: float) -> None:
    """A window with an evening behind it, and curtains."""
    width, height = 132.0, 150.0
    frame, view = (84.0, 1.0, 8.0), stage.image[int(y) : int(y + height), int(x) : int(x + width)]
    stage.rect(lighter(stage.tints.top, -7), x - 4, y - 2, width + 14, height + 14)
    colors = np.array([tone((72, -3, -14)), tone((84, 0, 2))], np.float64)
    rows = np.linspace(0, 1, view.shape[0])[:, None]
    shades: NDArray[np.float64] = colors[0] * (1 - rows) + colors[1] * rows
    view[:] = np.round(shades).astype(np.uint8)[:, None]
    stage.disc((85, 1, 5), x + width * 0.3, y + height * 0.34, 16, 11)
    stage.disc((85, 1, 5), x + width * 0.42, y + height * 0.36, 20, 13)
    stage.fill(
        (68, -10, 8),
        [
            (x, y + height),
            *((x + t * width, y + height * (0.78 - 0.08 * math.sin(t * 5 + 1))) for t in np.linspace(0, 1, 14)),
            (x + width, y + height),
        ],
    )
    for left, top, w, h in (
        (-6, -6, width + 12, 8),
        (-6, height - 2, width + 12, 8),
        (-6, -6, 8, height + 12),
        (width - 2, -6, 8, height + 12),
    ):
        stage.rect(frame, x + left, y + top, w, h)
    stage.rect(frame, x + width / 2 - 3, y, 6, height)
    stage.rect(frame, x, y + height * 0.5 - 3, width, 6)
    stage.rect(lighter(frame, -6), x - 14, y + height + 4, width + 28, 8)
    cloth: Lab = (74, 12, 6)
    for side in (0, 1):
        start = x - 24 if side == 0 else x + width + 24
        turn = 1 if side == 0 else -1
        drape = [
            (start, y - 12),
            (start + turn * 50, y - 12),
            *((start + turn * (16 + 34 * (1 - t) ** 2), y - 12 + (height + 26) * t) for t in np.linspace(0, 1, 12)),
            (start, y + height + 14),
        ]
        stage.fill(cloth, drape)
        for fold in (8, 18, 28):
            stage.line(
                lighter(cloth, -5), [(start + turn * (fold * (1 - 0.5 * t)), y - 8 + (height + 18) * t) for t in np.linspace(0, 1, 8)], 1
            )
    stage.rounded((54, 6, 12), x - 36, y - 18, width + 72, 7)


def _sunset(stage: Stage) -> None:
    luck, bottom = stage.luck, stage.tints.bottom
    top, far = stage.tints.top, stage.tints.far
    stage.gradient(0, stage.horizon + 2, top, (64, 17, -4), (73, 17, 8), far)
    x, radius = luck.uniform(90, 420), luck.uniform(40, 56)
    y = stage.horizon - luck.uniform(34, 60)
    stage.glow((86, 8, 18), x, y, radius * 3.6, 0.75)
    stage.disc((87, 6, 18), x, y, radius)
    for _ in range(9):
        cy = luck.uniform(36, stage.horizon - 30)
        t = cy / stage.horizon
        tint = between((60, 17, -10), (83, 12, 11), t)
        cx, width = luck.uniform(0, SIDE), luck.uniform(90, 230)
        stage.rounded(tint, cx - width / 2, cy, width, 6 + 4 * (1 - t))
        stage.rounded(tint, cx - width / 2 + luck.uniform(20, 60), cy - 6, width * 0.5, 7)
    stage.ridge((63, 16, -3), stage.horizon - 26, 16, luck.uniform(0.8, 1.4))
    stage.ridge((53, 15, -8), stage.horizon - 8, 12, luck.uniform(0.8, 1.4))
    stage.gradient(stage.horizon + 8, SIDE, (47, 12, -8), bottom)
    stage.ridge((47, 12, -8), stage.horizon + 4, 5, luck.uniform(1, 2), stage.horizon + 12)
    stage.glow((62, 16, 4), x, stage.horizon + 26, 150, 0.35)
    stage.streaks((51, 12, -6), stage.horizon + 26, SIDE - 50, 9, 260, 5)
    for _ in range(40):
        depth = luck.random() ** 0.7
        gx, gy, tall = luck.uniform(0, SIDE), stage.horizon + 24 + (SIDE - stage.horizon - 24) * depth, 3 + 7 * depth
        for lean in (-0.45, 0.0, 0.45):
            stage.line((52, 12, -6), ((gx + lean * 3, gy), (gx + lean * tall, gy - tall)), 1)


_PAINTERS: Mapping[str, Callable[[Stage], None]] = {
    "meadow": _meadow, "beach": _beach, "night": _night, "snow": _snow, "desert": _desert,
    "sea": _sea, "city": _city, "mountains": _mountains, "room": _room, "sunset": _sunset,
}  # fmt: skip
