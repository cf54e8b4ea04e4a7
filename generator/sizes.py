"""Sizes of images: read from a spec, checked, and laid out by aspect ratio. Which sizes a model was trained on stands in its preset."""

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from data.errors import UsageError
from generator.local import Size

RATIOS = ("1:2", "9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "2:1")
"""Width to height; what reasoners ask for."""


def parse_size(text: str) -> Size:
    """ "1024x768" as width 1024 and height 768, in pixels; UsageError where that can't be meant."""
    found = re.fullmatch(r"\s*([1-9]\d{0,4})\s*[x×*]\s*([1-9]\d{0,4})\s*", str(text), re.IGNORECASE)
    if not found:
        raise UsageError(f"{str(text)[:40]!r} is no size", hint="write WIDTHxHEIGHT in pixels, for example size=1024x1024")
    return Size(int(found[1]), int(found[2]))


def checked(size: Size, multiple: int) -> Size:
    """``size``; UsageError where a side is no multiple of ``multiple``, naming the nearest sizes that are."""
    if size.width % multiple == 0 and size.height % multiple == 0:
        return size
    smaller = Size(*(max(side // multiple, 1) * multiple for side in size))
    larger = Size(*(math.ceil(side / multiple) * multiple for side in size))
    near = " or ".join(f"size={one}" for one in dict.fromkeys((smaller, larger)))
    raise UsageError(f"{size}: width and height have to be multiples of {multiple}", hint=f"the nearest are {near}")


def buckets(area: int, multiple: int, ratios: Iterable[str] = RATIOS) -> Mapping[str, Size]:
    """By ratio, the size of about ``area`` pixels, with sides that are multiples of ``multiple``, each to the nearest."""
    return MappingProxyType({ratio: _bucket(area, multiple, ratio) for ratio in ratios})


def _bucket(area: int, multiple: int, ratio: str) -> Size:
    wide, high = (int(part) for part in ratio.split(":"))
    sides = math.sqrt(area * wide / high), math.sqrt(area * high / wide)
    return Size(*(max(round(side / multiple), 1) * multiple for side in sides))
