"""How words stand on a sign: which lines, how large, with how much room for each letter. Pillow's built-in typeface, capitals and digits.

Used by layout.py, which has to know how much room a sign takes, and by painter.py, which writes it.
"""

from dataclasses import dataclass
from functools import cache

from PIL import ImageFont

FONT_SIZES = (54, 22)
"""The largest and the smallest letters, as font sizes in pixels; a capital is 0.7 of it high."""
_REFERENCE = 200
_LINE_HEIGHT = 0.98
_TRACKING = 0.12
"""Space between letters, as a share of the font size: enough that no two of them touch."""
_ONE_LINE = 11
"""Words up to this many characters stay on one line."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """``lines`` of words at ``font_size`` pixels, on a sign of ``width`` x ``height`` pixels."""

    lines: tuple[str, ...]
    font_size: int
    width: int
    height: int


@cache
def _advance(sign: str) -> float:
    """How much room a letter takes along the line, as a share of the font size."""
    if sign == " ":
        return 0.42
    font = ImageFont.load_default(_REFERENCE)
    left, _, right, _ = font.getbbox(sign)
    return (right - left) / _REFERENCE + _TRACKING


def advances(line: str, font_size: int) -> list[float]:
    """The room in pixels for each letter of ``line``, its share of the space between letters included."""
    return [_advance(sign) * font_size for sign in line]


def letter(text: str, widest: int) -> Lettering:
    """The largest lettering of ``text`` (not empty) on a sign at most ``widest`` pixels wide."""
    lines = _broken(text)
    length = max(sum(_advance(sign) for sign in line) for line in lines)
    most, least = FONT_SIZES
    size = max(least, min(most if len(lines) == 1 else most - 10, int((widest - 20) / (length + 0.55))))
    return Lettering(lines, size, int(size * (length + 0.55)) + 20, int(size * (_LINE_HEIGHT * len(lines) + 0.3)) + 14)


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
