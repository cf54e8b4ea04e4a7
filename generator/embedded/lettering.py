"""How words stand on a sign: which lines, how large, with how much room for each letter. Pillow's built-in typeface, capitals and digits.

Used by layout.py, which has to know how much room a sign takes, and by painter.py, which writes it.
"""

from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

FONT_SIZES = (54, 22)
"""The largest and the smallest letters, as font sizes in pixels; a capital is 0.7 of it high."""
_REFERENCE = 200
_LINE_HEIGHT = 0.98
_TRACKING = 0.13
"""Space between letters, as a share of the font size: enough that no two of them touch."""
_SPACE = 0.44
_ONE_LINE = 11
"""Words up to this many characters stay on one line."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """``lines`` of words at ``font_size`` pixels, on a sign of ``width`` x ``height`` pixels."""

    lines: tuple[str, ...]
    font_size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Glyph:
    """A letter as shares of the font size: how far right of the pen its ink begins, and the room it takes along the line, tracking
    included."""

    bearing: float
    advance: float


@cache
def glyph(sign: str) -> Glyph:
    """The measures of a letter or a space; by its ink, since the typeface sets all digits equally wide and a 1 would stand lost."""
    if sign == " ":
        return Glyph(0.0, _SPACE)
    page = Image.new("L", (3 * _REFERENCE, 2 * _REFERENCE))
    ImageDraw.Draw(page).text((_REFERENCE, 0), sign, fill=255, font=ImageFont.load_default(_REFERENCE))
    inked = page.getbbox()
    assert inked is not None, "letters and digits leave ink"
    left, _, right, _ = inked
    return Glyph((left - _REFERENCE) / _REFERENCE, (right - left) / _REFERENCE + _TRACKING)


def letter(text: str, widest: int) -> Lettering:
    """The largest lettering of ``text`` (not empty) on a sign at most ``widest`` pixels wide."""
    lines = _broken(text)
    longest = max(length(line) for line in lines)
    most, least = FONT_SIZES
    size = max(least, min(most if len(lines) == 1 else most - 10, int((widest - 20) / (longest + 0.62))))
    return Lettering(lines, size, int(size * (longest + 0.62)) + 20, int(size * (_LINE_HEIGHT * len(lines) + 0.3)) + 14)


def length(line: str) -> float:
    """How long a line is, as a share of the font size."""
    return sum(glyph(sign).advance for sign in line) - _TRACKING


def line_height(lettering: Lettering) -> float:
    """Pixels from one line to the next."""
    return _LINE_HEIGHT * lettering.font_size


def _broken(text: str) -> tuple[str, ...]:
    """One line, or two of about equal length where there is a space to break at."""
    if len(text) <= _ONE_LINE or " " not in text:
        return (text,)
    spaces = [index for index, sign in enumerate(text) if sign == " "]
    at = min(spaces, key=lambda index: abs(index - len(text) / 2))
    return text[:at], text[at + 1 :]
