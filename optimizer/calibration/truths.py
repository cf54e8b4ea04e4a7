"""What is true of a painted picture, by what was painted and where, never by its pixels. What two people could see differently is left
open."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from data.checklists import WHOLE
from data.records import Criterion
from data.scene import Check, Direction, Test
from generator.embedded.layout import RELATION_MARGIN, Layout, Rect, holds
from generator.embedded.picture import Group, Picture
from optimizer.calibration.plants import OPPOSITE
from optimizer.calibration.skills import COLLAGE, STRUCTURE, WRITING, Plant, Skill, skill_of

UNREADABLE = frozenset({Plant.COLLAGE})
"""After these, nothing that the checklist says is clear any more."""
_OPENS_OTHERS = frozenset({Plant.COUNT, Plant.COLOR, Plant.LEAK, Plant.SIZE, Plant.TEXT, Plant.WRITING, Plant.BACKGROUND, Plant.BROKEN})
"""Is a fourth balloon, a blue one, or a beach "something that was not asked for"? People differ."""
_IN_TASTE = frozenset({Plant.COLLAGE, Plant.BROKEN})
"""What is wrong with these pictures is no matter of what was asked for."""


class Shown(NamedTuple):
    """A picture as painted."""

    picture: Picture
    layout: Layout


def truths(checklist: Sequence[Criterion], shown: Shown, plants: Sequence[Plant]) -> dict[str, bool]:
    """By criterion id whether its statement holds, for the checklist, the criteria asked of every picture, and the request as a whole;
    without those that are not clear."""
    found: dict[str, bool] = {}
    for criterion in checklist:
        told = None if UNREADABLE & set(plants) else _told(criterion, shown, frozenset(plants))
        if told is not None:
            found[criterion.id] = told
    asks_text = any(skill_of(criterion) is Skill.TEXT for criterion in checklist)
    if Plant.COLLAGE not in plants:
        found[STRUCTURE] = Plant.BROKEN not in plants
        if not asks_text:
            found[WRITING] = bool(shown.picture.lettering)
    found[COLLAGE] = Plant.COLLAGE in plants
    if not _IN_TASTE & set(plants):
        found[WHOLE.id] = not plants
    return found


def _told(criterion: Criterion, shown: Shown, plants: frozenset[Plant]) -> bool | None:
    check = criterion.check
    assert check is not None, "calibration prompts ask only for what can be checked"
    told = holds_in(check, shown)
    if Plant.BROKEN in plants and check.kinds and check.test is not Test.OTHERS:
        return None  # Two halves of a cat: one cat, two, or none?
    if check.test is Test.OTHERS and not told and plants & _OPENS_OTHERS:
        return None
    return told


def holds_in(check: Check, shown: Shown) -> bool | None:
    """Whether ``check`` holds in what was painted; None where that is not clear, as of things that are not there."""
    return _TOLD[check.test](check, shown)


def _groups(shown: Shown, kinds: Sequence[str], color: str | None = None) -> list[Group]:
    return [group for group in shown.picture.groups if group.kind in kinds and (color is None or group.color == color)]


def _count(check: Check, shown: Shown) -> bool:
    number = sum(group.count for group in _groups(shown, check.kinds, check.color))
    return number >= check.least and (check.most is None or number <= check.most)


def _color(check: Check, shown: Shown) -> bool | None:
    groups = _groups(shown, check.kinds)
    if any(group.color != check.color for group in groups):
        return False
    return True if sum(group.count for group in groups) >= check.least else None


def _size(check: Check, shown: Shown) -> bool | None:
    sizes = {group.size for group in _groups(shown, check.kinds, check.color)}
    if not sizes or None in sizes:  # What is of ordinary size may pass for small beside something large.
        return None
    return {size.value for size in sizes if size is not None} == {check.value}


def _relation(check: Check, shown: Shown) -> bool | None:
    direction = Direction(check.value or "")
    pairs = [
        (box, other) for box in _boxes(shown, check.kinds, check.color) for other in _boxes(shown, check.other_kinds, check.other_color)
    ]
    if not pairs:
        return None
    # A margin for rounding: the layout promises this much.
    least = RELATION_MARGIN - 0.01
    if all(holds(direction, box, other, least) for box, other in pairs):
        return True
    return False if all(holds(OPPOSITE[direction], box, other, least) for box, other in pairs) else None


def _boxes(shown: Shown, kinds: Sequence[str], color: str | None) -> list[Rect]:
    groups = shown.picture.groups
    return [
        placed.box
        for placed in shown.layout.figures
        if groups[placed.group].kind in kinds and (color is None or groups[placed.group].color == color)
    ]


def _text(check: Check, shown: Shown) -> bool:
    return shown.picture.lettering == " ".join((check.value or "").upper().split())


def _no_text(check: Check, shown: Shown) -> bool:
    return bool(shown.picture.lettering)


def _background(check: Check, shown: Shown) -> bool:
    return shown.picture.background == check.value


def _others(check: Check, shown: Shown) -> bool:
    return any(group.kind not in check.kinds for group in shown.picture.groups)


_TOLD: Mapping[Test, Callable[[Check, Shown], bool | None]] = {
    Test.COUNT: _count,
    Test.COLOR: _color,
    Test.SIZE: _size,
    Test.RELATION: _relation,
    Test.TEXT: _text,
    Test.NO_TEXT: _no_text,
    Test.BACKGROUND: _background,
    Test.OTHERS: _others,
}
