"""Scenes that can be checked: which things are in a picture, in which colours, how many, where, before which background, with which words.

A Scene is the ground truth behind a prompt, in the style of a GenEval record. It is painted by the embedded generator in calibrations, and
it writes the checklist that pixels are held against. This module also holds the vocabulary of the embedded world: what exists there at all.
It knows nothing of English (data/reading.py) and nothing of pixels (data/silhouettes.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

COLORS: Mapping[str, tuple[int, int, int]] = {
    "red": (214, 40, 48),
    "orange": (245, 130, 20),
    "yellow": (250, 210, 30),
    "green": (34, 150, 70),
    "blue": (30, 90, 215),
    "purple": (125, 50, 170),
    "pink": (245, 130, 185),
    "brown": (118, 68, 30),
    "black": (24, 24, 28),
    "white": (250, 250, 250),
}
"""The ten GenEval colours as the embedded world paints them, sRGB 0 to 255."""

KINDS: tuple[str, ...] = (
    "balloon", "house", "tree", "car", "boat", "fish", "bird", "cat", "flower", "star", "heart", "apple",
    "cup", "umbrella", "kite", "mushroom", "butterfly", "key", "bell", "cake", "gift", "rocket", "bat", "club",
)  # fmt: skip
"""The 24 kinds of things. ``bat`` is the animal and ``club`` the baseball bat: the English word "bat" means either."""

BACKGROUNDS: tuple[str, ...] = (
    "meadow", "beach", "night", "snow", "desert", "sea", "city", "mountains", "room", "sunset",
)  # fmt: skip
"""The ten backgrounds."""

MAX_COUNT = 6
"""The most things of one kind that a scene asks for."""


class Direction(StrEnum):
    """Where a thing is, seen from another; GenEval's four."""

    LEFT = "left of"
    RIGHT = "right of"
    ABOVE = "above"
    BELOW = "below"


class Size(StrEnum):
    """A stated size: noticeably smaller or larger than ordinary things of the picture."""

    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Relation:
    """``direction`` from the thing at index ``of`` in the same scene."""

    direction: Direction
    of: int


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing asked for, or several alike.

    ``kinds``: any one of them will do (more than one only where the user's words leave it open, as in "a birthday").
    ``least`` to ``most`` of them; ``most`` None is no upper limit. None elsewhere: not asked for.
    """

    kinds: tuple[str, ...]
    least: int = 1
    most: int | None = None
    color: str | None = None
    size: Size | None = None
    relation: Relation | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ValueError(f"unknown kind {unknown or self.kinds!r}; there are: {', '.join(KINDS)}")
        if self.color is not None and self.color not in COLORS:
            raise ValueError(f"unknown color {self.color!r}; there are: {', '.join(COLORS)}")
        if not 1 <= self.least <= (self.most if self.most is not None else MAX_COUNT) <= MAX_COUNT:
            raise ValueError(f"a thing's count runs from 1 to {MAX_COUNT}, not from {self.least} to {self.most}")


@dataclass(frozen=True, slots=True)
class Scene:
    """What must be in a picture (``things``), what must not (``absent`` kinds), which words are written in it, and where it plays.

    ``only``: nothing but the things may be in the picture. ``text`` is letters, digits and spaces, compared without case.
    """

    things: tuple[Thing, ...] = ()
    absent: tuple[str, ...] = ()
    text: str | None = None
    background: str | None = None
    only: bool = True

    def __post_init__(self) -> None:
        if self.background is not None and self.background not in BACKGROUNDS:
            raise ValueError(f"unknown background {self.background!r}; there are: {', '.join(BACKGROUNDS)}")
        for kind in self.absent:
            if kind not in KINDS:
                raise ValueError(f"unknown kind {kind!r}; there are: {', '.join(KINDS)}")
        for index, thing in enumerate(self.things):
            if thing.relation is not None and (thing.relation.of == index or not 0 <= thing.relation.of < len(self.things)):
                raise ValueError(f"thing {index} is placed relative to thing {thing.relation.of}, which is not another one of the scene")

    def to_json(self) -> dict[str, Any]:
        """The scene as a GenEval-style record; what is not asked for is left out."""
        record: dict[str, Any] = {"include": [_thing_to_json(thing) for thing in self.things]}
        if self.absent:
            record["exclude"] = [{"class": kind, "count": 1} for kind in self.absent]
        if self.text is not None:
            record["text"] = self.text
        if self.background is not None:
            record["background"] = self.background
        if not self.only:
            record["only"] = False
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads what :meth:`to_json` writes; ValueError or KeyError says what is wrong."""
        return cls(
            things=tuple(_thing_from_json(entry) for entry in record.get("include", ())),
            absent=tuple(entry["class"] for entry in record.get("exclude", ())),
            text=record.get("text"),
            background=record.get("background"),
            only=record.get("only", True),
        )


def _thing_to_json(thing: Thing) -> dict[str, Any]:
    record: dict[str, Any] = {"class": thing.kinds[0] if len(thing.kinds) == 1 else list(thing.kinds)}
    record["count"] = thing.least if thing.most == thing.least else [thing.least, thing.most]
    if thing.color is not None:
        record["color"] = thing.color
    if thing.size is not None:
        record["size"] = thing.size.value
    if thing.relation is not None:
        record["position"] = [thing.relation.direction.value, thing.relation.of]
    return record


def _thing_from_json(record: Mapping[str, Any]) -> Thing:
    kinds: str | Sequence[str] = record["class"]
    count: int | Sequence[int | None] = record.get("count", [1, None])
    least, most = (count, count) if isinstance(count, int) else count
    position = record.get("position")
    return Thing(
        kinds=(kinds,) if isinstance(kinds, str) else tuple(kinds),
        least=least or 1,
        most=most,
        color=record.get("color"),
        size=Size(record["size"]) if "size" in record else None,
        relation=Relation(Direction(position[0]), position[1]) if position else None,
    )


class Test(StrEnum):
    """What a check measures."""

    COUNT = "count"
    """Things of ``kinds`` (and ``color``, if given) number ``least`` to ``most``."""
    COLOR = "color"
    """At least ``least`` things of ``kinds`` are there, and all of them are ``color``."""
    SIZE = "size"
    """Every thing of ``kinds`` is ``value`` ("small" or "large")."""
    RELATION = "relation"
    """Every thing of ``kinds``/``color`` is ``value`` (a Direction) every thing of ``other_kinds``/``other_color``."""
    TEXT = "text"
    """The words ``value`` are written in the picture, and no others."""
    NO_TEXT = "no_text"
    """Some words are written in the picture (used with a must-not criterion)."""
    BACKGROUND = "background"
    """The background is ``value``."""
    OTHERS = "others"
    """There is a thing that is none of ``kinds`` (used with a must-not criterion)."""


@dataclass(frozen=True, slots=True)
class Check:
    """A criterion in a form that pixels can answer; see :class:`Test` for which fields each test reads."""

    test: Test
    kinds: tuple[str, ...] = ()
    color: str | None = None
    least: int = 1
    most: int | None = None
    value: str | None = None
    other_kinds: tuple[str, ...] = ()
    other_color: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The check as a JSON object without its default fields."""
        record: dict[str, Any] = {"test": self.test.value}
        for name, default in (
            ("kinds", ()),
            ("color", None),
            ("least", 1),
            ("most", None),
            ("value", None),
            ("other_kinds", ()),
            ("other_color", None),
        ):
            value: Any = getattr(self, name)
            if value != default:
                record[name] = list(value) if name.endswith("kinds") else value
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads what :meth:`to_json` writes."""
        return cls(
            test=Test(record["test"]),
            kinds=tuple(record.get("kinds", ())),
            color=record.get("color"),
            least=record.get("least", 1),
            most=record.get("most"),
            value=record.get("value"),
            other_kinds=tuple(record.get("other_kinds", ())),
            other_color=record.get("other_color"),
        )
