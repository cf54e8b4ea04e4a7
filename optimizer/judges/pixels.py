"""PNG → what is seen in it: figures with kind, colour, place and size; the words on a sign; the background. Pixels only, and no learned
weights.

It relies on what data/palette.py and data/silhouettes.py promise about painted pictures, and on nothing else: a pixel outside of the muted
band belongs to a thing, what hangs together is one thing, its outline tells the kind, the colour of most of its inside is its colour. Of
other pictures than painted ones it makes little; benchmarks/scene_judge.py measures how often it is right about those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from data.errors import FailureKind, StageError
from data.palette import BACKDROPS, COLOR_NAMES, PLATE_CLASS, classify, to_lab
from data.scene import KINDS, Size
from data.silhouettes import TILTS, bounds, mask, size_class

Image = NDArray[np.uint8]

SIDE = 512
"""Width and height of the pictures that it can measure, pixels: sizes are told by absolute measure."""

_LEAST_AREA = 90
"""Smaller specks are no things, pixels."""
_MEND = 5
"""Gaps in an outline up to about this many pixels are closed; neighbours keep farther apart than that."""
_GRID = 40
"""Outlines are compared on a grid of this many cells a side."""
_INK_SHARES = (0.024, 0.048)
"""An ink outline's width as a share of the figure's size, for ordinary and for small figures."""
_STRETCH_COST = 0.6
"""What a figure's proportions cost when they are off by a factor of e, in likeness."""
_LEAST_LIKENESS = 0.72
"""A thing less like every known outline is of no known kind."""
_COLOR_SHARE = 0.15
"""The share of a thing's pixels that a colour other than black must have; below, all that is there is ink, and the thing is black."""
_PLATE_SHARE = 0.3
"""The share of a sign's pixels that are cream."""
_STRANGE = 26.0
"""A background whose tints are farther than this from all known ones (Lab distance over two tints) is none of them."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a thing is: its upper left corner, width and height in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def center(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A thing as seen. ``kind`` None: like no known outline. ``size`` None: ordinary. ``pixels`` is its size in the sense of
    data/silhouettes.py."""

    kind: str | None
    color: str
    box: Box
    size: Size | None
    pixels: float
    likeness: float
    """How well the outline fits the best known one, at most 1."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that is seen in a picture. ``text`` None: there is no sign. ``background`` None: none that is known."""

    figures: tuple[Figure, ...]
    text: str | None
    background: str | None


@dataclass(frozen=True, slots=True)
class _Blob:
    """Pixels that hang together: ``inside`` is 255 on them and in their holes; ``share`` is how many are of each class, per unmuted
    pixel."""

    box: Box
    inside: Image
    share: NDArray[np.float64]


def measure(png: bytes) -> Measurement:
    """What is seen in a PNG file; StageError where it is none (MALFORMED) or not 512 x 512 pixels (UNSUPPORTED)."""
    image = _decoded(png)
    things: list[_Blob] = []
    text: str | None = None
    for blob in _blobs(classify(image)):
        if blob.share[PLATE_CLASS] >= _PLATE_SHARE:
            words = _read(image, blob.box)
            text = words if text is None else f"{text} {words}"
        else:
            things.append(blob)
    return Measurement(_figures(things), text, _background(image))


def _decoded(png: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB) if png else None
    if image is None:
        raise StageError(FailureKind.MALFORMED, f"not an image: {len(png)} bytes that can't be decoded", hint="draw it again")
    if image.shape[:2] != (SIDE, SIDE):
        raise StageError(
            FailureKind.UNSUPPORTED,
            f"the scene judge measures {SIDE} x {SIDE} pixels, and this image has {image.shape[1]} x {image.shape[0]}",
            hint="it knows the embedded generator's pictures only: use a checklist judge for others",
        )
    return image.astype(np.uint8, copy=False)


def _blobs(classes: Image) -> list[_Blob]:
    """The things and signs among the pixel classes. What lies within another's outline is a part of it."""
    solid = cv2.morphologyEx((classes > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_MEND, _MEND), np.uint8))
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found: list[_Blob] = []
    for contour in contours:
        left, top, width, height = cv2.boundingRect(contour)
        if width * height < _LEAST_AREA:
            continue
        inside = np.zeros((height, width), np.uint8)
        cv2.drawContours(inside, [contour], -1, 255, cv2.FILLED, offset=(-left, -top))
        counts = np.bincount(classes[top : top + height, left : left + width][inside > 0], minlength=PLATE_CLASS + 1)
        if counts[1:].sum() >= _LEAST_AREA:
            found.append(_Blob(Box(left, top, width, height), inside, counts / counts[1:].sum()))
    return found


# -- things


@dataclass(frozen=True, slots=True)
class _Outlines:
    """Every kind's silhouette in every tilt, mirrored and not: ``kinds`` and rows of ``cells``; ``extents`` are width and height at size
    1."""

    kinds: tuple[str, ...]
    cells: NDArray[np.uint64]
    extents: NDArray[np.float64]


@cache
def _outlines() -> _Outlines:
    kinds: list[str] = []
    cells: list[NDArray[np.uint64]] = []
    extents: list[tuple[float, float]] = []
    for kind in KINDS:
        for tilt in TILTS:
            for mirrored in (False, True):
                left, top, right, bottom = bounds(kind, tilt, mirrored)
                for ink in _INK_SHARES:
                    width, height = right - left + 2 * ink, bottom - top + 2 * ink
                    image = mask(kind, round(width * 120), round(height * 120), tilt, mirrored, ink)
                    kinds.append(kind)
                    cells.append(_cells(image))
                    extents.append((width, height))
    return _Outlines(tuple(kinds), np.stack(cells), np.array(extents))


def _cells(inside: Image) -> NDArray[np.uint64]:
    """An outline stretched onto the grid: one bit per cell, set where at least half of it is inside."""
    cells = cv2.resize(inside, (_GRID, _GRID), interpolation=cv2.INTER_AREA) >= 128
    return np.packbits(cells).view(np.uint64)


def _figures(blobs: Sequence[_Blob]) -> tuple[Figure, ...]:
    """What the blobs are; sizes are relative to how many there are."""
    if not blobs:
        return ()
    known = _outlines()
    cells = np.stack([_cells(blob.inside) for blob in blobs])[:, None]
    shared = np.bitwise_count(cells & known.cells).sum(axis=2, dtype=np.int64)
    overlap = shared / np.bitwise_count(cells | known.cells).sum(axis=2, dtype=np.int64)
    proportions = np.array([blob.box.width / blob.box.height for blob in blobs])
    stretch = np.abs(np.log(proportions[:, None] / (known.extents[:, 0] / known.extents[:, 1])[None, :]))
    likeness = overlap - _STRETCH_COST * stretch
    found: list[Figure] = []
    for blob, likenesses in zip(blobs, likeness, strict=True):
        best = int(likenesses.argmax())
        width, height = known.extents[best]
        pixels = float(np.sqrt(blob.box.width * blob.box.height / (width * height)))
        fits = float(likenesses[best])
        kind = known.kinds[best] if fits >= _LEAST_LIKENESS else None
        found.append(Figure(kind, _color(blob), blob.box, size_class(pixels, len(blobs)), pixels, fits))
    return tuple(found)


def _color(blob: _Blob) -> str:
    """The palette colour of most of what is not ink; black where there is nothing else."""
    shares = {name: float(blob.share[number]) for number, name in enumerate(COLOR_NAMES, start=1)}
    best = max((name for name in shares if name != "black"), key=lambda name: shares[name])
    return best if shares[best] >= _COLOR_SHARE else "black"


# -- the background


def _background(image: Image) -> str | None:
    """By the tints at the upper and the lower edge, where no figure comes."""
    seen = np.concatenate([np.median(rows.reshape(-1, 3), axis=0) for rows in (image[:8], image[-8:])])
    top, bottom = to_lab(seen.reshape(1, 2, 3).astype(np.uint8))[0]
    distances = {
        name: float(np.hypot(np.linalg.norm(top - np.array(known.top)), np.linalg.norm(bottom - np.array(known.bottom))))
        for name, known in BACKDROPS.items()
    }
    nearest = min(distances, key=lambda name: distances[name])
    return nearest if distances[nearest] <= _STRANGE else None


# -- words

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LETTER_GRID = 24
_LETTER_SIZES = ((24, 0), (40, 1), (54, 1))
"""Font sizes, and how much bolder than the typeface: as signs are written."""
_DARK = 112
"""Letters are darker than this, 0 to 255."""
_BORDER = 9
"""How far the ink of a sign's border reaches inwards, half pixels; letters keep twice as far from the edge."""
_SPACE = 0.4
"""A gap between letters wider than this share of a capital's height is a space."""
_LETTER_STRETCH_COST = 0.35


def _read(image: Image, box: Box) -> str:
    """The words on a sign, its lines joined by spaces."""
    small = cv2.cvtColor(image[box.top : box.top + box.height, box.left : box.left + box.width], cv2.COLOR_RGB2GRAY)
    # Twice as large, since in small lettering a gap or a stroke can be half a pixel wide.
    part = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    _, _, stats, _ = cv2.connectedComponentsWithStats((part < _DARK).astype(np.uint8), connectivity=4, ltype=cv2.CV_16U)
    letters: list[Box] = []
    for left, top, width, height, area in stats[1:].tolist():
        # The border, or a piece of it, reaches the edge; specks are no letters.
        within = min(left, top, part.shape[1] - left - width, part.shape[0] - top - height) > _BORDER
        if within and area >= 32 and height >= 12:
            letters.append(Box(left, top, width, height))
    lines = [_line(part, line) for line in _lines(letters)]
    return " ".join(" ".join(lines).split())


def _lines(letters: Sequence[Box]) -> list[list[Box]]:
    """Letters by line, from the top, each from the left."""
    lines: list[list[Box]] = []
    for letter in sorted(letters, key=lambda box: box.center[1]):
        if lines and letter.center[1] - lines[-1][-1].center[1] < 0.5 * letter.height:
            lines[-1].append(letter)
        else:
            lines.append([letter])
    return [sorted(line, key=lambda box: box.left) for line in lines]


def _line(part: MatLike, line: Sequence[Box]) -> str:
    capital = max(letter.height for letter in line)
    words = ""
    end: int | None = None
    for letter in line:
        if end is not None and letter.left - end > _SPACE * capital:
            words += " "
        words += _letter(part[letter.top : letter.top + letter.height, letter.left : letter.left + letter.width])
        end = letter.left + letter.width
    return words


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """Every letter as it may be written: ``signs``, rows of ``cells`` of length 1, and width by height."""

    signs: str
    cells: NDArray[np.float32]
    proportions: NDArray[np.float64]


@cache
def _alphabet() -> _Alphabet:
    signs = ""
    cells: list[NDArray[np.float32]] = []
    proportions: list[float] = []
    for size, bolder in _LETTER_SIZES:
        font = ImageFont.load_default(size)
        for sign in _LETTERS:
            plate = PillowImage.new("L", (3 * size, 3 * size), 255)
            ImageDraw.Draw(plate).text((size, size), sign, fill=30, font=font, stroke_width=bolder)
            page = np.asarray(plate, np.uint8)
            dark = page < _DARK
            rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
            glyph = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            signs += sign
            cells.append(_glyph_cells(glyph))
            proportions.append(glyph.shape[1] / glyph.shape[0])
    return _Alphabet(signs, np.stack(cells), np.array(proportions))


def _glyph_cells(gray: MatLike) -> NDArray[np.float32]:
    """A letter's ink on the grid, as a vector of length 1."""
    ink = 255 - cv2.resize(gray, (_LETTER_GRID, _LETTER_GRID), interpolation=cv2.INTER_AREA).astype(np.float32).reshape(-1)
    return ink / np.float32(max(float(np.linalg.norm(ink)), 1e-6))


def _letter(gray: MatLike) -> str:
    known = _alphabet()
    stretch = np.abs(np.log(gray.shape[1] / gray.shape[0] / known.proportions))
    return known.signs[int((known.cells @ _glyph_cells(gray) - _LETTER_STRETCH_COST * stretch).argmax())]
