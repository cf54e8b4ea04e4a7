"""From what is asked for to a picture that shows it, but for what is planted. Whether a picture is as planned is for truths.py to say."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from data.scene import Direction, Size
from generator.embedded.picture import Group, Picture, picture_of
from optimizer.calibration.skills import Plant
from optimizer.calibration.wishes import WORDS, Wish, other_backgrounds, other_colors, other_kinds

OPPOSITE = {
    Direction.LEFT: Direction.RIGHT,
    Direction.RIGHT: Direction.LEFT,
    Direction.ABOVE: Direction.BELOW,
    Direction.BELOW: Direction.ABOVE,
}
_OTHER_SIZE = {Size.SMALL: Size.LARGE, Size.LARGE: Size.SMALL}
_ALPHABET = "ABCDEFGHKLMNPRSTUVXZ"
"""Letters that no other one passes for."""


@dataclass(slots=True)
class _Draft:
    """A picture in the making: for each thing asked for its groups, and what comes on top."""

    wish: Wish
    groups: list[list[Group]]
    background: str
    text: str | None
    luck: random.Random
    opposite: bool = False
    extra: list[Group] = field(default_factory=list[Group])
    touched: set[int] = field(default_factory=set[int])
    """Things whose number was changed: what else would be said of them is no longer clear."""

    def places(self, *, exact: bool | None = None, sized: bool = False) -> list[int]:
        """The things that can still be changed: those of an exact number or not, those of a stated size."""
        return [
            index
            for index, thing in enumerate(self.wish.scene.things)
            if index not in self.touched and (exact is None or (thing.most is not None) == exact) and (thing.size is not None or not sized)
        ]


def planted(wish: Wish, plants: tuple[Plant, ...], luck: random.Random, seed: int) -> tuple[Picture, tuple[Plant, ...]]:
    """A picture for ``wish`` with ``plants`` done to it, and which of them could be done. COLLAGE and BROKEN are done to finished
    pictures, and left out here."""
    faithful = picture_of(wish.scene, seed)
    # An open number is one: how many are drawn is not what is tried.
    groups = [
        [group if thing.most is not None else replace(group, count=1)]
        for group, thing in zip(faithful.groups, wish.scene.things, strict=True)
    ]
    draft = _Draft(wish, groups, faithful.background, wish.scene.text, luck)
    done = tuple(plant for plant in plants if plant in _PLANTERS and _PLANTERS[plant](draft))
    return _finished(draft, seed), done


def _finished(draft: _Draft, seed: int) -> Picture:
    places: list[list[int]] = []
    groups: list[Group] = []
    for parts in draft.groups:
        places.append(list(range(len(groups), len(groups) + len(parts))))
        groups += parts
    relations = [
        (subject, OPPOSITE[thing.relation.direction] if draft.opposite else thing.relation.direction, other)
        for index, thing in enumerate(draft.wish.scene.things)
        if thing.relation is not None
        for subject in places[index]
        for other in places[thing.relation.of]
    ]
    return Picture((*groups, *draft.extra), draft.background, tuple(relations), draft.text, seed)


def _leave_out(draft: _Draft) -> bool:
    places = draft.places(exact=False)
    if not places or sum(bool(parts) for parts in draft.groups) < 2:
        return False
    index = draft.luck.choice(places)
    draft.groups[index] = []
    draft.touched.add(index)
    return True


def _miscount(draft: _Draft) -> bool:
    places = draft.places(exact=True)
    if not places:
        return False
    index = draft.luck.choice(places)
    (group,) = draft.groups[index]
    draft.groups[index] = [replace(group, count=group.count + (1 if group.count == 1 else draft.luck.choice((-1, 1))))]
    draft.touched.add(index)
    return True


def _recolor(draft: _Draft) -> bool:
    places = draft.places()
    if not places:
        return False
    index = draft.luck.choice(places)
    (group,) = draft.groups[index]
    taken = {thing.color for thing in draft.wish.scene.things}
    color = draft.luck.choice([color for color in other_colors(group.color) if color not in taken])
    return _color(draft, index, color)


def _leak(draft: _Draft) -> bool:
    places = draft.places()
    if not places or len(draft.wish.scene.things) < 2:
        return False
    index = draft.luck.choice(places)
    colors = [thing.color for place, thing in enumerate(draft.wish.scene.things) if place != index and thing.color is not None]
    return _color(draft, index, draft.luck.choice(colors))


def _color(draft: _Draft, index: int, color: str) -> bool:
    """Gives ``color`` to one of several alike, or to the only one."""
    (group,) = draft.groups[index]
    others = [replace(group, count=group.count - 1)] if group.count > 1 else []
    draft.groups[index] = [*others, replace(group, color=color, count=1)]
    draft.touched.add(index)
    return True


def _resize(draft: _Draft) -> bool:
    places = draft.places(sized=True)
    if not places:
        return False
    index = places[0]
    draft.groups[index] = [replace(group, size=_OTHER_SIZE[group.size]) for group in draft.groups[index] if group.size is not None]
    return True


def _turn_around(draft: _Draft) -> bool:
    draft.opposite = any(
        thing.relation is not None and draft.groups[index] and draft.groups[thing.relation.of]
        for index, thing in enumerate(draft.wish.scene.things)
    )
    return draft.opposite


def _misspell(draft: _Draft) -> bool:
    if draft.text is None:
        return False
    draft.text = misspelt(draft.text, draft.luck)
    return True


def misspelt(text: str, luck: random.Random) -> str:
    """``text`` with one letter too few, another one, or two that changed places; never the same."""
    letters = [place for place, sign in enumerate(text) if sign.isalpha()]
    swaps = [place for place in letters if place + 1 in letters and text[place] != text[place + 1]]
    way = luck.choice(("drop", "other", "swap") if swaps else ("drop", "other"))
    if way == "swap":
        place = luck.choice(swaps)
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    place = luck.choice(letters)
    instead = "" if way == "drop" else luck.choice([letter for letter in _ALPHABET if letter != text[place].upper()])
    return text[:place] + instead + text[place + 1 :]


def _write(draft: _Draft) -> bool:
    if not draft.wish.silent:
        return False
    draft.text = draft.luck.choice(WORDS)
    return True


def _move(draft: _Draft) -> bool:
    draft.background = draft.luck.choice(other_backgrounds(draft.wish.scene))
    return True


def _add(draft: _Draft) -> bool:
    kind = draft.luck.choice(other_kinds(draft.wish.scene, draft.background))
    return _put(draft, kind)


def _bring_back(draft: _Draft) -> bool:
    return bool(draft.wish.scene.absent) and _put(draft, draft.wish.scene.absent[0])


def _put(draft: _Draft, kind: str) -> bool:
    color = draft.luck.choice([color for color in other_colors("white") if color != "white"])
    draft.extra.append(Group(kind, color))
    return True


_PLANTERS: Mapping[Plant, Callable[[_Draft], bool]] = {
    Plant.MISSING: _leave_out,
    Plant.COUNT: _miscount,
    Plant.COLOR: _recolor,
    Plant.LEAK: _leak,
    Plant.SIZE: _resize,
    Plant.RELATION: _turn_around,
    Plant.TEXT: _misspell,
    Plant.WRITING: _write,
    Plant.BACKGROUND: _move,
    Plant.EXTRA: _add,
    Plant.PRESENT: _bring_back,
}
