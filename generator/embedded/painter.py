"""Picture → pixels: scenery, shadows, figures back to front, the sign; and pixels → PNG. The same picture gives the same bytes everywhere.

Draws what it is told, without failing; how the embedded generator errs is decided before (misreading.py).
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from data.identity import derived_random
from data.palette import INK, PLATE, RGB
from data.silhouettes import bounds, footing
from generator.embedded.backgrounds import paint_background, tone
from generator.embedded.figures import blend, draw, lay
from generator.embedded.layout import SIDE, Placed, Sign, arrange
from generator.embedded.lettering import glyph, length, line_height
from generator.embedded.picture import Picture

Image = NDArray[np.uint8]

_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
"""zlib's fastest, and no filter: for flat colours that is smaller than with filters, and takes less than half of the time."""
_POST: RGB = tone((42, 8, 14))
_STRING: RGB = tone((38, 3, -4))
_SHADOW: RGB = tone((31, 4, -8))
_TETHERED = {"balloon": 0.62, "kite": 0.4}
"""Kinds that hang on a string, and how long it is relative to their height."""


def paint(picture: Picture) -> Image:
    """The picture as sRGB, shape (512, 512, 3)."""
    layout = arrange(picture)
    image = paint_background(picture.background, picture.seed, layout.horizon)
    for placed in layout.figures:
        _shade_ground(image, picture, placed)
    for placed in layout.figures:
        _tether(image, picture, placed)
    if layout.sign is not None:
        _put_sign(image, picture, layout.sign)
    for placed in layout.figures:
        _put_figure(image, picture, placed)
    return image


def to_png(image: Image) -> bytes:
    """``image`` (height, width, 3; sRGB) as a PNG file; the same bytes for the same pixels."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _PNG)
    assert done, "a PNG of 8-bit pixels can always be written"
    return encoded.tobytes()


def _put_figure(image: Image, picture: Picture, placed: Placed) -> None:
    group = picture.groups[placed.group]
    left, top = int(placed.box.x) - 2, int(placed.box.y) - 2
    width, height = int(placed.box.width) + 6, int(placed.box.height) + 6
    box_left, box_top, box_right, box_bottom = bounds(group.kind, placed.tilt, placed.mirrored)
    center_x, center_y = placed.box.center
    origin = (center_x - left - (box_left + box_right) / 2 * placed.size, center_y - top - (box_top + box_bottom) / 2 * placed.size)
    cutout = draw(group.kind, group.color, placed, origin, width, height)
    _cast(image, cutout.covered, left, top, placed.size)
    lay(image[top : top + height, left : left + width], cutout)


def _cast(image: Image, covered: MatLike, left: int, top: int, size: float) -> None:
    """The shadow that cut paper casts on what it lies on, a little to the lower right."""
    away = max(2, round(0.035 * size))
    soft = cv2.blur(covered, (away + 1, away + 1))
    part = image[top + away : top + away + covered.shape[0], left + away : left + away + covered.shape[1]]
    _darken(part, soft[: part.shape[0], : part.shape[1]], 0.2)


def _darken(part: Image, coverage: MatLike, strength: float) -> None:
    """Mixes a muted dark tone into ``part``, which keeps every scenery pixel within the muted band."""
    part[:] = blend(part, _SHADOW, cv2.convertScaleAbs(coverage, alpha=strength))


def _shade_ground(image: Image, picture: Picture, placed: Placed) -> None:
    """A soft pool of shadow under what stands."""
    if not placed.standing:
        return
    kind, box = picture.groups[placed.group].kind, placed.box
    box_left, _, box_right, _ = bounds(kind, placed.tilt, placed.mirrored)
    feet_left, feet_right = footing(kind, placed.tilt, placed.mirrored)
    x = box.center[0] + ((feet_left + feet_right) - (box_left + box_right)) / 2 * placed.size + 0.04 * box.width
    half = max(0.42 * box.width, (feet_right - feet_left) * placed.size * 0.58)
    deep = max(4.5, 0.17 * half)
    y = box.bottom - deep * 0.2
    left, top = max(0, int(x - half - 6)), max(0, int(y - deep - 6))
    part = image[top : int(y + deep + 7), left : int(x + half + 7)]
    pool = np.zeros(part.shape[:2], np.uint8)
    center = (round((x - left) * 16), round((y - top) * 16))
    cv2.ellipse(pool, center, (round(half * 16), round(deep * 16)), 0, 0, 360, 255, cv2.FILLED, cv2.LINE_AA, 4)
    _darken(part, cv2.blur(pool, (7, 5)), 0.2 if picture.background == "night" else 0.34)


def _tether(image: Image, picture: Picture, placed: Placed) -> None:
    """The string of a balloon or a kite: scenery, and no part of the figure."""
    kind = picture.groups[placed.group].kind
    if kind not in _TETHERED:
        return
    luck = derived_random("string", picture.seed, round(placed.box.x), round(placed.box.y))
    x, y = placed.box.center[0] - 0.5 * np.sin(np.radians(placed.tilt)) * placed.box.height, placed.box.bottom - 3
    length = min(_TETHERED[kind] * placed.box.height, SIDE + 20 - y)
    bend = luck.choice((-1, 1)) * luck.uniform(0.1, 0.2) * length
    steps = np.linspace(0, 1, 18)
    points = np.stack([x + bend * np.sin(steps * 5.2) * steps, y + length * steps], axis=1)
    cv2.polylines(image, [np.round(points * 16).astype(np.int32)], False, _STRING, 1 if placed.size < 70 else 2, cv2.LINE_AA, 4)


def _put_sign(image: Image, picture: Picture, sign: Sign) -> None:
    """A plate of cream paper with a hand-cut edge and an ink border, hung on strings or nailed to posts."""
    luck = derived_random("sign", picture.seed)
    box = sign.box
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    for x in (left + 0.14 * box.width, right - 0.14 * box.width):
        if sign.hung:
            ends = np.array([[x + luck.uniform(-10, 10), -4], [x, top + 6]])
            cv2.polylines(image, [np.round(ends * 16).astype(np.int32)], False, _STRING, 2, cv2.LINE_AA, 4)
        else:
            post = np.array([[x - 6, top + 10], [x + 6, top + 10], [x + 6, min(SIDE, bottom + 24)], [x - 6, min(SIDE, bottom + 24)]])
            cv2.fillPoly(image, [np.round(post * 16).astype(np.int32)], _POST, cv2.LINE_AA, 4)
    corners = [(left + 4, top + 4), (right - 4, top + 4), (right - 4, bottom - 4), (left + 4, bottom - 4)]
    edge = [(x + luck.uniform(-2.2, 2.2), y + luck.uniform(-2.2, 2.2)) for x, y in _along(corners, 4)]
    fixed = np.round(np.array(edge) * 16).astype(np.int32)
    shadow = np.zeros((int(box.height) + 24, int(box.width) + 24), np.uint8)
    origin_x, origin_y = int(left) - 8, int(top) - 8
    cv2.fillPoly(shadow, [fixed - (origin_x * 16, origin_y * 16)], 255, cv2.LINE_AA, 4)
    _cast(image, shadow[: SIDE - origin_y - 8, : SIDE - origin_x - 8], origin_x, max(0, origin_y), 100)
    cv2.fillPoly(image, [fixed], PLATE, cv2.LINE_AA, 4)
    cv2.polylines(image, [fixed], True, INK, 4, cv2.LINE_AA, 4)
    _write(image, sign, luck.uniform(-0.6, 0.6))


def _along(corners: list[tuple[float, float]], pieces: int) -> list[tuple[float, float]]:
    """Points along a closed line, ``pieces`` to a side."""
    points: list[tuple[float, float]] = []
    for (x, y), (next_x, next_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        points += [(x + (next_x - x) * step / pieces, y + (next_y - y) * step / pieces) for step in range(pieces)]
    return points


def _write(image: Image, sign: Sign, start: float) -> None:
    """The words, letter by letter, each a little off the line as a hand would set it."""
    lettering, box = sign.lettering, sign.box
    left, top = int(box.x), int(box.y)
    part = image[top : top + int(box.height), left : left + int(box.width)]
    plate = PillowImage.new("L", (part.shape[1], part.shape[0]), 0)
    pen = ImageDraw.Draw(plate)
    font = ImageFont.load_default(lettering.font_size)
    cap_top, cap_bottom = font.getbbox("H")[1], font.getbbox("H")[3]
    spacing = line_height(lettering)
    block = spacing * (len(lettering.lines) - 1) + (cap_bottom - cap_top)
    bold = 1 if lettering.font_size >= 30 else 0
    for number, line in enumerate(lettering.lines):
        x = (part.shape[1] - length(line) * lettering.font_size) / 2
        y = (part.shape[0] - block) / 2 + number * spacing - cap_top
        for index, sign_ in enumerate(line):
            if sign_ != " ":
                rise = 0.022 * lettering.font_size * np.sin(2.1 * index + 9 * start + number)
                pen.text((x - glyph(sign_).bearing * lettering.font_size, y + rise), sign_, fill=255, font=font, stroke_width=bold)
            x += glyph(sign_).advance * lettering.font_size
    part[:] = blend(part, INK, np.asarray(plate, np.uint8))
