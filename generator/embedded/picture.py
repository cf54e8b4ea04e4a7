"""What a painted picture holds: which figures, how many, in which colours and sizes, how they stand to each other, before which background.

A Picture leaves nothing open but the places, which layout.py finds. It knows nothing of words (misreading.py) and of pixels (painter.py).
"""

import random
from dataclasses import dataclass

from data.identity import derived_random
from data.scene import BACKGROUNDS, COLORS, KINDS, MAX_COUNT, Direction, Scene, Size, Thing

MOST_ALIKE = 8
"""The most figures in one group."""
LONGEST_TEXT = 24
"""The most characters on a sign."""


@dataclass(frozen=True, slots=True)
class Group:
    """``count`` (1 to 8) figures of one kind and colour. ``size`` None is ordinary: neither noticeably small nor large."""

    kind: str
    color: str
    count: int = 1
    size: Size | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; there are: {', '.join(KINDS)}")
        if self.color not in COLORS:
            raise ValueError(f"unknown color {self.color!r}; there are: {', '.join(COLORS)}")
        if not 1 <= self.count <= MOST_ALIKE:
            raise ValueError(f"a group has 1 to {MOST_ALIKE} figures, not {self.count}")


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that gets painted.

    ``relations``: (a, direction, b) places every figure of group a ``direction`` every figure of group b; indices into ``groups``.
    ``text`` is written on a sign, in capitals: letters, digits and spaces, at most 24 characters; the rest is left out.
    ``seed`` varies places, sizes within their band, and scenery.
    """

    groups: tuple[Group, ...]
    background: str
    relations: tuple[tuple[int, Direction, int], ...] = ()
    text: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise ValueError(f"unknown background {self.background!r}; there are: {', '.join(BACKGROUNDS)}")
        for subject, _, other in self.relations:
            if subject == other or not (0 <= subject < len(self.groups) and 0 <= other < len(self.groups)):
                raise ValueError(f"a relation joins two of the {len(self.groups)} groups, not {subject} and {other}")

    @property
    def figures(self) -> int:
        """How many figures there are, all groups together."""
        return sum(group.count for group in self.groups)

    @property
    def lettering(self) -> str:
        """What stands on the sign: ``text`` in capitals, single spaces, nothing but A to Z and 0 to 9. Empty: there is no sign."""
        kept = "".join(sign for sign in (self.text or "").upper() if sign == " " or (sign.isascii() and sign.isalnum()))
        return " ".join(kept.split())[:LONGEST_TEXT].strip()


def picture_of(scene: Scene, seed: int) -> Picture:
    """A picture that shows ``scene`` faithfully; what the scene leaves open is drawn by ``seed``.

    Open colours avoid those that would change another thing's count; nothing is added that the scene does not name.
    """
    luck = derived_random("picture of scene", seed)
    return Picture(
        groups=tuple(_group(scene, thing, luck) for thing in scene.things),
        background=scene.background or luck.choice(BACKGROUNDS),
        relations=tuple((index, thing.relation.direction, thing.relation.of) for index, thing in enumerate(scene.things) if thing.relation),
        text=scene.text,
        seed=seed,
    )


def _group(scene: Scene, thing: Thing, luck: random.Random) -> Group:
    others = [other for other in scene.things if other is not thing]
    allowed = [kind for kind in thing.kinds if kind not in scene.absent] or list(thing.kinds)
    free = [kind for kind in allowed if not any(kind in other.kinds for other in others)]
    kind = luck.choice(free or allowed)
    taken = {other.color for other in others if kind in other.kinds}
    color = luck.choice([color for color in COLORS if color not in taken])
    # An open end is seldom used far: "balloons" without a number are a few, not a crowd.
    most = thing.most if thing.most is not None else min(MAX_COUNT, thing.least + luck.choice((0, 0, 0, 1, 2)))
    return Group(kind, thing.color or color, luck.randint(thing.least, most), thing.size)
