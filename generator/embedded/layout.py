"""Where everything of a picture goes: sizes, places, tilts, the sign and the horizon. It knows nothing of pixels (painter.py).

What always holds: every figure lies inside of the picture, and no two boxes (nor a box and the sign) come nearer than GAP pixels. What
holds as long as there is room, given up in this order where the picture is over-full:

1. composition: things that fly are in the sky, things that stand are on the ground, the nearer the larger; room around everything;
2. the middle of the size bands (data.silhouettes.size_band): everything moves to their lower ends, and the sign's letters get smaller;
3. the band of ordinary figures, while stated sizes keep theirs;
4. all bands: everything shrinks together;
5. relations.

Relations that contradict each other are given up first, the later ones of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.identity import derived_random
from data.scene import Direction
from data.silhouettes import TILTS, bounds, ink_width, size_band
from generator.embedded.lettering import Lettering, letter
from generator.embedded.picture import Picture

SIDE = 512
"""Width and height of a picture in pixels."""
GAP = 8.0
"""The least distance between the boxes of two figures, pixels."""
MARGIN = 9.0
"""The least distance between a box and the picture's edge, pixels."""
RELATION_MARGIN = 0.56
"""A relation is painted only where GenEval's rule, whose threshold is 0.5, gives at least this."""

FLYING = frozenset({"balloon", "bird", "kite", "star", "butterfly", "bat", "rocket", "heart"})
"""Kinds that are in the sky when free to."""
STANDING = frozenset(
    {"house", "tree", "car", "cat", "flower", "cake", "gift", "mushroom", "cup", "boat", "apple", "bell", "umbrella", "key", "fish", "club"}
)
"""Kinds that stand or lie on the ground when free to."""

_TILTING = {
    "balloon": 8,
    "bird": 8,
    "kite": 12,
    "star": 12,
    "butterfly": 12,
    "bat": 8,
    "rocket": 12,
    "heart": 8,
    "umbrella": 8,
    "key": 8,
    "fish": 8,
    "club": 8,
}
"""The most that a kind is turned off the upright, degrees; 0 for what stands."""
_CANDIDATES = 360
"""Places tried for each figure: with fewer, crowded pictures fail; with more, all take longer."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A box in pixels: its upper left corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Placed:
    """A figure of group ``group`` in its ``box`` (ink included), at ``size`` pixels, turned by ``tilt`` degrees. ``standing``: it touches
    ground."""

    group: int
    box: Rect
    size: float
    tilt: int
    mirrored: bool
    standing: bool


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign with its words; ``hung`` from the picture's upper edge, otherwise on posts."""

    box: Rect
    lettering: Lettering
    hung: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Places for everything, back to front. ``faithful``: the sizes are in their bands and every relation holds."""

    figures: tuple[Placed, ...]
    sign: Sign | None
    horizon: int
    faithful: bool


@dataclass(frozen=True, slots=True)
class _Try:
    """How much is given up: ``squeeze`` 0 to 1 along the size bands, factors on sizes, the widest sign, whether relations are kept."""

    squeeze: float
    ordinary: float = 1.0
    stated: float = 1.0
    sign: int = 400
    related: bool = True
    composed: bool = True

    @property
    def in_bands(self) -> bool:
        return self.ordinary == self.stated == 1.0


_TRIES: tuple[_Try, ...] = (
    *[_Try(0.0)] * 3,
    *[_Try(0.6, sign=340)] * 3,
    *[_Try(0.9, sign=300)] * 4,
    *[_Try(1.0, sign=260, composed=False)] * 10,
    *[_Try(1.0, 0.82, sign=260, composed=False)] * 4,
    *[_Try(1.0, 0.68, sign=240, composed=False)] * 4,
    *[_Try(1.0, factor, factor, sign=220, composed=False) for factor in (0.8, 0.65, 0.52, 0.42) for _ in range(3)],
    *[
        _Try(1.0, factor, factor, sign=240, related=False, composed=False)
        for factor in (1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2)
        for _ in range(3)
    ],
)


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure that waits for its place."""

    group: int
    kind: str
    size: float
    tilt: int
    mirrored: bool
    width: float
    height: float
    rank: float
    """0 for the smallest of its band, 1 for the largest: how near it stands."""


def arrange(picture: Picture) -> Layout:
    """A layout for ``picture``; always the same for the same picture, and never none."""
    horizon = _horizon(picture)
    relations = _consistent(picture)
    crowd = sum(group.count * size_band(group.size, picture.figures)[0] ** 2 for group in picture.groups) + (
        30_000 if picture.lettering else 0
    )
    # A picture that can't be composed freely need not be tried so.
    first = 0 if crowd < 120_000 else 3 if crowd < 150_000 else 6
    for number, attempt in enumerate(_TRIES[first:], start=first):
        found = _Placing(picture, relations if attempt.related else (), attempt, number, horizon).run()
        if found is not None:
            figures, sign = found
            kept = attempt.related and len(relations) == len(picture.relations)
            return Layout(figures, sign, horizon, faithful=attempt.in_bands and kept)
    return _rows(picture, horizon)


def holds(direction: Direction, box: Rect, other: Rect, least: float = 0.5) -> bool:
    """GenEval's position rule: whether ``box`` is ``direction`` ``other``. The offset of the centres is shrunk by a tenth of both boxes."""
    (x, y), (other_x, other_y) = box.center, other.center
    return bool(_margin(direction, x - other_x, y - other_y, box.width + other.width, box.height + other.height) > least)


def _margin(direction: Direction, dx: float, dy: float, widths: float, heights: float) -> float:
    norm = math.hypot(dx, dy) or 1.0
    along, extent = (dx, widths) if direction in (Direction.LEFT, Direction.RIGHT) else (dy, heights)
    if direction in (Direction.LEFT, Direction.ABOVE):
        along = -along
    return (along - 0.1 * extent) / norm


def _horizon(picture: Picture) -> int:
    """The height of the far end of the ground, pixels from above."""
    return derived_random("horizon", picture.seed).randint(286, 338)


def _consistent(picture: Picture) -> tuple[tuple[int, Direction, int], ...]:
    """The relations without those that would close a circle with earlier ones."""
    kept: list[tuple[int, Direction, int]] = []
    for relation in picture.relations:
        if _levels(len(picture.groups), [*kept, relation]) is not None:
            kept.append(relation)
    return tuple(kept)


def _levels(groups: int, relations: Sequence[tuple[int, Direction, int]]) -> tuple[list[int], list[int]] | None:
    """For each group its column and its row, counted from the upper left, as the relations order them; None where they contradict each
    other."""
    levels = ([0] * groups, [0] * groups)
    for _ in range(groups + 1):
        changed = False
        for subject, direction, other in relations:
            level = levels[0] if direction in (Direction.LEFT, Direction.RIGHT) else levels[1]
            before, after = (subject, other) if direction in (Direction.LEFT, Direction.ABOVE) else (other, subject)
            if level[after] <= level[before]:
                level[after] = level[before] + 1
                changed = True
        if not changed:
            return levels
    return None


class _Placing:
    """One attempt at placing everything, figure by figure, each at the best of many places that are free."""

    def __init__(
        self, picture: Picture, relations: tuple[tuple[int, Direction, int], ...], attempt: _Try, number: int, horizon: int
    ) -> None:
        self.picture = picture
        self.relations = relations
        self.attempt = attempt
        self.horizon = horizon
        self.luck = derived_random("layout", picture.seed, number)
        self.boxes: list[Rect] = []
        self.placed: list[Placed] = []
        self.sign: Sign | None = None
        self.anchors = self._anchors()

    def run(self) -> tuple[tuple[Placed, ...], Sign | None] | None:
        self._put_sign()
        figures = self._figures()
        # Large and related figures first: they have the fewest places to go.
        related = {group for relation in self.relations for group in (relation[0], relation[2])}
        figures.sort(key=lambda figure: (figure.group not in related, -figure.width * figure.height))
        for figure in figures:
            if not self._put(figure):
                return None
        return tuple(sorted(self.placed, key=lambda placed: placed.box.bottom)), self.sign

    def _put_sign(self) -> None:
        text = self.picture.lettering
        if not text:
            return
        lettering = letter(text, self.attempt.sign)
        room = SIDE - 2 * MARGIN - lettering.width
        x = MARGIN + room * (0.5 + 0.7 * (self.luck.random() - 0.5))
        hung = self.luck.random() < 0.62
        y = 16 + 16 * self.luck.random() if hung else SIDE - lettering.height - 26 - 14 * self.luck.random()
        self.sign = Sign(Rect(round(x), round(y), lettering.width, lettering.height), lettering, hung)
        self.boxes.append(self.sign.box)

    def _figures(self) -> list[_Figure]:
        figures: list[_Figure] = []
        for index, group in enumerate(self.picture.groups):
            low, high = size_band(group.size, self.picture.figures)
            factor = self.attempt.ordinary if group.size is None else self.attempt.stated
            for _ in range(group.count):
                rank = self.luck.random()
                # Squeezed all the way, sizes go a tenth below their band, where a judge still tells them apart.
                size = (
                    low * (1 - 0.09 * max(0.0, self.attempt.squeeze - 0.8) / 0.2) + (high - low) * rank * (1 - self.attempt.squeeze)
                ) * factor
                most = _TILTING.get(group.kind, 0)
                tilt = self.luck.choice([angle for angle in TILTS if abs(angle) <= most])
                mirrored = self.luck.random() < 0.5
                left, top, right, bottom = bounds(group.kind, tilt, mirrored)
                ink = 2 * ink_width(size)
                figures.append(
                    _Figure(index, group.kind, size, tilt, mirrored, (right - left) * size + ink, (bottom - top) * size + ink, rank)
                )
        return figures

    def _anchors(self) -> dict[int, tuple[float | None, float | None]]:
        """For groups in relations: where they had best be, so that room is left for those that are to be beside, above or below them."""
        levels = _levels(len(self.picture.groups), self.relations)
        assert levels is not None
        anchors: dict[int, tuple[float | None, float | None]] = {}
        for members in self._joined():
            columns = self._spread(members, levels[0], self.luck.uniform(170, 342))
            standing = any(self.picture.groups[group].kind in STANDING for group in members)
            rows = self._spread(members, levels[1], self.luck.uniform(360, 400) if standing else self.luck.uniform(130, 220))
            for group in members:
                anchors[group] = (columns[group], rows[group])
        return anchors

    def _spread(self, members: Sequence[int], level: Sequence[int], alone: float) -> dict[int, float]:
        """Coordinates for the levels of ``members``, by the room that each level needs; ``alone`` where there is one level only."""
        used = sorted({level[group] for group in members})
        if len(used) == 1:
            return dict.fromkeys(members, alone)
        groups = self.picture.groups
        total = self.picture.figures
        need = [sum(math.sqrt(groups[g].count) * size_band(groups[g].size, total)[0] for g in members if level[g] == one) for one in used]
        places: dict[int, float] = {}
        start = 0.0
        for one, room in zip(used, need, strict=True):
            places[one] = 30 + (SIDE - 60) * (start + room / 2) / sum(need)
            start += room
        return {group: places[level[group]] for group in members}

    def _joined(self) -> list[list[int]]:
        """The groups that relations join, directly or through others."""
        sets: list[set[int]] = []
        for subject, _, other in self.relations:
            touching = [one for one in sets if one & {subject, other}]
            sets = [one for one in sets if one not in touching] + [{subject, other}.union(*touching)]
        return [sorted(one) for one in sets]

    def _put(self, figure: _Figure) -> bool:
        """Puts the figure at the best free place; False where there is none."""
        x, y = self._candidates(figure)
        free = np.ones(len(x), np.bool_)
        nearest = np.minimum(np.minimum(x - figure.width / 2, SIDE - x - figure.width / 2), 60.0)
        for box in self.boxes:
            center_x, center_y = box.center
            apart = np.maximum(
                np.abs(x - center_x) - (figure.width + box.width) / 2, np.abs(y - center_y) - (figure.height + box.height) / 2
            )
            free &= apart >= GAP
            nearest = np.minimum(nearest, apart)
        strength = np.zeros(len(x))
        for subject, direction, other in self.relations:
            if figure.group not in (subject, other):
                continue
            for placed in self.placed:
                if placed.group == (other if figure.group == subject else subject):
                    margin = _margins(direction, x, y, figure, placed.box, forward=figure.group == subject)
                    free &= margin >= RELATION_MARGIN
                    strength += np.minimum(margin, 0.85)
        if not free.any():
            return False
        cost = self._cost(figure, x, y, nearest) - strength
        cost[~free] = np.inf
        best = int(cost.argmin())
        box = Rect(float(x[best]) - figure.width / 2, float(y[best]) - figure.height / 2, figure.width, figure.height)
        standing = figure.kind in STANDING and box.bottom > self.horizon + 6
        self.boxes.append(box)
        self.placed.append(Placed(figure.group, box, figure.size, figure.tilt, figure.mirrored, standing))
        return True

    def _candidates(self, figure: _Figure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres spread evenly over where the figure fits into the picture (the R2 sequence, from a random start)."""
        steps = np.arange(_CANDIDATES, dtype=np.float64)
        across = (self.luck.random() + steps * 0.7548776662466927) % 1
        down = (self.luck.random() + steps * 0.5698402909980532) % 1
        width, height = figure.width + 2 * MARGIN, figure.height + 2 * MARGIN
        x: NDArray[np.float64] = width / 2 + across * max(0.0, SIDE - width)
        y: NDArray[np.float64] = height / 2 + down * max(0.0, SIDE - height)
        return x, y

    def _cost(self, figure: _Figure, x: NDArray[np.float64], y: NDArray[np.float64], nearest: NDArray[np.float64]) -> NDArray[np.float64]:
        """How little a place suits a figure."""
        cost = np.zeros(len(x))
        anchor_x, anchor_y = self.anchors.get(figure.group, (None, None))
        if anchor_x is not None and anchor_y is not None:
            cost += np.abs(x - anchor_x) / 130 + np.abs(y - anchor_y) / 130
        if not self.attempt.composed:
            # Close to what is there already: holes between figures are lost room.
            return cost + nearest / 40
        cost -= np.minimum(nearest, 44) / 44
        if figure.kind in FLYING:
            cost += np.maximum(0.0, y + figure.height / 2 - self.horizon + 10) / 70
        else:
            base = y + figure.height / 2
            nearer = self.horizon + 34 + (SIDE - 24 - self.horizon - 34) * figure.rank
            cost += np.maximum(0.0, self.horizon + 24 - base) / 40 + np.abs(base - nearer) / 160
        alike = [placed.box.center for placed in self.placed if placed.group == figure.group]
        if alike:
            center_x, center_y = np.mean(alike, axis=0)
            cost += np.hypot(x - center_x, y - center_y) / 420
        return cost


def _margins(
    direction: Direction, x: NDArray[np.float64], y: NDArray[np.float64], figure: _Figure, other: Rect, *, forward: bool
) -> NDArray[np.float64]:
    """GenEval's figure for many places of one box; ``forward`` False: the other one is the subject."""
    sign = 1 if forward else -1
    dx, dy = (x - other.center[0]) * sign, (y - other.center[1]) * sign
    horizontal = direction in (Direction.LEFT, Direction.RIGHT)
    along, extent = (dx, figure.width + other.width) if horizontal else (dy, figure.height + other.height)
    if direction in (Direction.LEFT, Direction.ABOVE):
        along = -along
    return (along - 0.1 * extent) / np.maximum(np.hypot(dx, dy), 1e-6)


def _rows(picture: Picture, horizon: int) -> Layout:
    """The last resort: everything in rows of equal cells, as large as they allow. The sign goes below."""
    total = sum(group.count for group in picture.groups)
    lettering = letter(picture.lettering, 220) if picture.lettering else None
    floor = SIDE - MARGIN - (lettering.height + GAP if lettering else 0)
    columns = math.ceil(math.sqrt(total * (SIDE - 2 * MARGIN) / (floor - MARGIN)))
    cell_x, cell_y = (SIDE - 2 * MARGIN) / columns, (floor - MARGIN) / math.ceil(total / columns)
    figures: list[Placed] = []
    for index, group in enumerate(picture.groups):
        left, top, right, bottom = bounds(group.kind)
        # What the ink takes at most at such sizes is left out of the cell first.
        size = min((cell_x - GAP - 4) / (right - left), (cell_y - GAP - 4) / (bottom - top), size_band(group.size, total)[1])
        width, height = (right - left) * size + 2 * ink_width(size), (bottom - top) * size + 2 * ink_width(size)
        for _ in range(group.count):
            row, column = divmod(len(figures), columns)
            center_x, center_y = MARGIN + cell_x * (column + 0.5), MARGIN + cell_y * (row + 0.5)
            figures.append(Placed(index, Rect(center_x - width / 2, center_y - height / 2, width, height), size, 0, False, False))
    sign = None
    if lettering:
        sign = Sign(
            Rect((SIDE - lettering.width) // 2, SIDE - MARGIN - lettering.height, lettering.width, lettering.height), lettering, hung=False
        )
    return Layout(tuple(figures), sign, horizon, faithful=False)
