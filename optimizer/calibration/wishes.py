"""What the calibration's prompts ask for: scenes drawn by chance, and the English that people would type for them.

Only things that nobody takes for each other: no kind with two meanings, no two colours that are near, no scenery that holds the thing or
looks like another background. It knows nothing of pictures (plants.py) and nothing of judges.
"""

import random
from dataclasses import dataclass, replace

from data.checklists import scene_checklist
from data.records import Criterion, CriterionKind, Need
from data.scene import BACKGROUNDS, COLORS, KINDS, Check, Direction, Relation, Scene, Size, Test, Thing
from optimizer.calibration.skills import Plant

NO_WRITING = Criterion("no-text", "Words are written in the picture", CriterionKind.TEXT, Need.MUST_NOT, check=Check(Test.NO_TEXT))
"""What is asked of a picture that is to be without writing."""

PLAIN_KINDS: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in ("bat", "club"))
"""Kinds whose word means one thing."""
MOST_ALIKE = 4
"""The most things of one kind that are asked for; with one more planted, still counted at a glance."""
MOST_FIGURES = 6
_NEAR_COLORS = tuple(
    frozenset(pair.split("/"))
    for pair in (
        "red/orange", "red/pink", "red/brown", "orange/yellow", "orange/brown", "purple/pink", "purple/blue", "brown/black",
    )
)  # fmt: skip
_NEAR_BACKGROUNDS = tuple(
    frozenset(pair.split("/"))
    for pair in (
        "beach/sea", "beach/desert", "meadow/mountains", "meadow/night", "meadow/sunset", "mountains/snow", "night/snow", "night/sunset",
    )
)  # fmt: skip
_IN_SCENERY = frozenset({("house", "city"), ("star", "night"), ("star", "snow")})
"""Kinds that are painted into a background, or look as if they were."""
WORDS = (
    "OPEN", "SALE", "HELLO", "CAFE", "TAXI", "EXIT", "BAKERY", "MUSIC", "WELCOME", "MARKET", "LIBRARY", "GARDEN", "JAZZ NIGHT",
    "FRESH FISH", "LOVE YOU", "ROOM 204", "HARBOUR", "TICKETS", "HOTEL", "POST",
)  # fmt: skip
_PLACES = {
    "meadow": "in a meadow",
    "beach": "at the beach",
    "night": "at night",
    "snow": "in the snow",
    "desert": "in the desert",
    "sea": "by the sea",
    "city": "in the city",
    "mountains": "in the mountains",
    "room": "in a room",
    "sunset": "at sunset",
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_PLURALS = {"fish": "fish", "butterfly": "butterflies"}
_DIRECTIONS = {Direction.LEFT: "to the left of", Direction.RIGHT: "to the right of", Direction.ABOVE: "above", Direction.BELOW: "below"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a ``scene``, and whether the picture is to be without writing (``silent``, which a Scene can't say)."""

    scene: Scene
    silent: bool = False

    @property
    def text(self) -> str:
        """What a user would type."""
        parts = [_things(self.scene)]
        if self.scene.background is not None:
            parts[0] += f" {_PLACES[self.scene.background]}"
        if self.scene.text is not None:
            parts.append(f'with a sign that says "{self.scene.text}"')
        parts += [f"no {plural(kind)}" for kind in self.scene.absent]
        if self.silent:
            parts.append("without any writing")
        return ", ".join(parts)

    @property
    def checklist(self) -> tuple[Criterion, ...]:
        """Everything that it asks for."""
        return (*scene_checklist(self.scene), *([NO_WRITING] if self.silent else []))


def _things(scene: Scene) -> str:
    named = [_named(thing) for thing in scene.things]
    parts: list[str] = []
    told = set[int]()
    for index, thing in enumerate(scene.things):
        if thing.relation is not None:
            parts.append(f"{named[index]} {_DIRECTIONS[thing.relation.direction]} {named[thing.relation.of]}")
            told |= {index, thing.relation.of}
    parts += [name for index, name in enumerate(named) if index not in told]
    return " and ".join(parts)


def _named(thing: Thing) -> str:
    """ "three small red balloons", "a cat" where one or more will do."""
    one = thing.least == 1
    words = ["a" if one and thing.most is None else _NUMBERS[thing.least], thing.size, thing.color]
    words.append(thing.kinds[0] if one else plural(thing.kinds[0]))
    name = " ".join(word for word in words if word)
    return f"an{name[1:]}" if name.startswith("a ") and name[2] in "aeiou" else name


def plural(kind: str) -> str:
    return _PLURALS.get(kind, kind + "s")


# -- drawn by chance

_NEED_TWO = frozenset({Plant.MISSING, Plant.LEAK, Plant.SIZE, Plant.RELATION})
"""Plants that take two things: one for itself, one that it is seen beside."""


def drawn(luck: random.Random, plant: Plant | None = None) -> Wish:
    """A wish; one that ``plant`` can be done to the picture of, where it is given."""
    background = luck.choice(BACKGROUNDS)
    allowed = [kind for kind in PLAIN_KINDS if (kind, background) not in _IN_SCENERY]
    number = 1 if plant is Plant.BROKEN else luck.choice((2, 2, 3) if plant in _NEED_TWO else (1, 2, 2, 3))
    kinds = luck.sample(allowed, number + 1)
    counts = [1] if plant is Plant.BROKEN else _counts(luck, number)
    things = [
        Thing((kind,), count, count if count > 1 or luck.random() < 0.4 else None, color)
        for kind, count, color in zip(kinds, counts, _apart(luck, number), strict=False)
    ]
    if plant is Plant.MISSING:
        things[0] = replace(things[0], least=1, most=None)
    if plant is Plant.COUNT:
        things[0] = replace(things[0], most=things[0].least)
    if plant is Plant.SIZE or (number > 1 and luck.random() < 0.6):
        index = luck.randrange(number)
        things[index] = replace(things[index], size=luck.choice(list(Size)))
    if plant is Plant.RELATION or (number > 1 and luck.random() < 0.6):
        subject, other = luck.sample(range(2), 2)
        things[subject] = replace(things[subject], relation=Relation(luck.choice(list(Direction)), other))
    silent = plant is Plant.WRITING or (plant is not Plant.TEXT and luck.random() < 0.35)
    words = luck.choice(WORDS) if plant is Plant.TEXT or (not silent and luck.random() < 0.5) else None
    absent = (kinds[-1],) if plant is Plant.PRESENT or luck.random() < 0.4 else ()
    return Wish(Scene(tuple(things), absent, words, background), silent)


def _counts(luck: random.Random, number: int) -> list[int]:
    counts: list[int] = []
    for place in range(number):
        room = MOST_FIGURES - sum(counts) - (number - place - 1)
        counts.append(min(luck.choice((1, 1, 2, 3, MOST_ALIKE)), room))
    return counts


def _apart(luck: random.Random, number: int) -> list[str]:
    """Colours of which no two are near."""
    colors: list[str] = []
    for color in luck.sample(list(COLORS), len(COLORS)):
        if not any(frozenset((color, other)) in _NEAR_COLORS for other in colors):
            colors.append(color)
    return colors[:number]


def other_colors(color: str) -> list[str]:
    """Colours that nobody takes for ``color``."""
    return [other for other in COLORS if other != color and frozenset((color, other)) not in _NEAR_COLORS]


def other_backgrounds(scene: Scene) -> list[str]:
    """Backgrounds that nobody takes for the scene's, and that hold none of its things."""
    kinds = [*(thing.kinds[0] for thing in scene.things), *scene.absent]
    return [
        other
        for other in BACKGROUNDS
        if other != scene.background
        and frozenset((other, scene.background)) not in _NEAR_BACKGROUNDS
        and not any((kind, other) in _IN_SCENERY for kind in kinds)
    ]


def other_kinds(scene: Scene, background: str) -> list[str]:
    """Kinds that the scene does not speak of, and that the background does not hold."""
    named = {*(thing.kinds[0] for thing in scene.things), *scene.absent}
    return [kind for kind in PLAIN_KINDS if kind not in named and (kind, background) not in _IN_SCENERY]
