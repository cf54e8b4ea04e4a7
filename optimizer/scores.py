"""What scores say about system prompts once the effects of prompts and pairs are integrated out: sums, kept up to date one score at a time.

Scores belong to nodes (system prompts) and to pairs, and pairs to prompts. With the nodes' means given, what two scores of a pair have in
common is the pair's effect and its prompt's; what two pairs of a prompt have in common is the prompt's. What is left of one more score is
a :class:`Reading`, and of all of them a precision matrix over nodes and the shift that goes with it, both in units of 1 / noise². Nothing
here knows a lineage; noisescale.py estimates the :class:`Scale`.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scale:
    """Standard deviations in scores: ``noise`` of a single score, ``pair`` between the pairs of a prompt, ``prompt`` between prompts."""

    noise: float = 0.18
    pair: float = 0.08
    prompt: float = 0.18

    @property
    def pair_ratio(self) -> float:
        """The noise's variance over the pairs'."""
        return (self.noise / self.pair) ** 2

    @property
    def prompt_ratio(self) -> float:
        """The noise's variance over the prompts'."""
        return (self.noise / self.prompt) ** 2


class Rows(NamedTuple):
    """All scores as arrays [scores]: the node, the pair and the prompt of each as numbers in order of appearance, and its value, less its
    offset."""

    nodes: Ints
    pairs: Ints
    prompts: Ints
    values: Floats


class Reading(NamedTuple):
    """What one score says beyond those before it: ``told`` [nodes] @ means is ``value``, give or take the noise."""

    told: Floats
    value: float


class Group:
    """The scores that share an effect: their weights by node, and with them the group's ``mass`` and weighted ``total``."""

    __slots__ = ("mass", "total", "weights")

    def __init__(self, size: int) -> None:
        self.weights = np.zeros(size)
        self.mass = 0.0
        self.total = 0.0

    def take(self, weights: Floats, mass: float, total: float, factor: float) -> None:
        """Adds ``factor`` times what another group, or a score, has."""
        self.weights += factor * weights
        self.mass += factor * mass
        self.total += factor * total

    def fit(self, size: int) -> None:
        """Makes room for ``size`` nodes."""
        if self.weights.size < size:
            self.weights = np.pad(self.weights, (0, size - self.weights.size))


class ScoreSums:
    """All scores by node, pair and prompt, and what they add up to."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._size = 0
        self._together: tuple[Floats, Floats] | None = None
        self._rows: list[tuple[int, int, float]] = []
        self._offsets: list[float] = []
        self._seen: set[tuple[int, Hashable]] = set()
        self._pair_at: dict[Hashable, int] = {}
        self._prompt_at: dict[Hashable, int] = {}
        self._prompt_of: list[int] = []
        self._pairs: list[Group] = []
        self._prompts: list[Group] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def prompts(self) -> list[Hashable]:
        """The prompts in order of appearance."""
        return list(self._prompt_at)

    def add_node(self) -> None:
        """Makes room for one more node."""
        self._size += 1
        self._together = None

    def add(self, node: int, pair: Hashable, prompt: Hashable, value: float, offset: float = 0.0) -> Reading:
        """Takes in a score, ``offset`` of which is not to count, and returns what it says that others did not. ValueError for a score
        twice, or outside the finite numbers."""
        if not np.isfinite(value):
            raise ValueError(f"a score must be a finite number, not {value}")
        if (node, pair) in self._seen:
            raise ValueError(f"node {node} already has a score on pair {pair}")
        self._seen.add((node, pair))
        at, group, above = self._groups(pair, prompt)
        self._rows.append((node, at, value))
        self._offsets.append(offset)
        self._together = None
        group.fit(self._size)
        above.fit(self._size)
        own = np.zeros(self._size)
        own[node] = 1.0
        reading = self._reading(own, value - offset, group, above)
        above.take(group.weights, group.mass, group.total, -self._left(group))
        group.take(own, 1.0, value - offset, 1.0)
        above.take(group.weights, group.mass, group.total, self._left(group))
        return reading

    def _left(self, group: Group) -> float:
        """The share of a pair's scores that its own effect leaves, which is handed to its prompt."""
        return self.scale.pair_ratio / (self.scale.pair_ratio + group.mass)

    def _reading(self, own: Floats, value: float, group: Group, above: Group) -> Reading:
        """A score less what its pair and its prompt are expected to add to it, scaled to the noise of a single score."""
        of_pair = 1.0 / (self.scale.pair_ratio + group.mass)
        of_prompt = self._left(group) / (self.scale.prompt_ratio + above.mass)
        spread = math.sqrt(1.0 + of_pair + self._left(group) * of_prompt)
        told = own - of_pair * group.weights - of_prompt * above.weights
        return Reading(told / spread, (value - of_pair * group.total - of_prompt * above.total) / spread)

    def _groups(self, pair: Hashable, prompt: Hashable) -> tuple[int, Group, Group]:
        if pair not in self._pair_at:
            self._pair_at[pair] = len(self._pair_at)
            if prompt not in self._prompt_at:
                self._prompt_at[prompt] = len(self._prompt_at)
                self._prompts.append(Group(self._size))
            self._prompt_of.append(self._prompt_at[prompt])
            self._pairs.append(Group(self._size))
        at = self._pair_at[pair]
        return at, self._pairs[at], self._prompts[self._prompt_of[at]]

    def together(self) -> tuple[Floats, Floats]:
        """What all readings add up to, in units of 1 / noise²: the precision [nodes, nodes], and the shift [nodes], which is precision @
        mean where the scores alone decide."""
        if self._together is None:
            rows = self.rows()
            self._together = _reduced(rows, *self._summed(rows), self._size, self.scale)
        return self._together

    def rows(self) -> Rows:
        nodes, pairs = (np.array([row[column] for row in self._rows], dtype=np.intp) for column in (0, 1))
        values = np.array([row[2] for row in self._rows]) - np.array(self._offsets)
        return Rows(nodes, pairs, np.asarray(self._prompt_of, dtype=np.intp)[pairs], values)

    def set_off(self, offsets: Floats) -> None:
        """Takes these ``offsets`` [scores] off instead of those so far; all else follows with the next :meth:`rescale`."""
        self._offsets = offsets.tolist()

    def rescale(self, scale: Scale) -> None:
        """Sums all anew, for another scale."""
        self.scale = scale
        rows = self.rows()
        by_pair, by_prompt = self._summed(rows)
        self._together = _reduced(rows, by_pair, by_prompt, self._size, scale)
        self._pairs = by_pair.groups()
        self._prompts = by_prompt.groups()

    def of_nodes(self, nodes: Ints) -> tuple[Floats, Floats]:
        """The precision [k, k] and the shift [k] that the scores of these k nodes alone would give."""
        place = np.full(self._size, -1, dtype=np.intp)
        place[nodes] = np.arange(nodes.size)
        rows = self.rows()
        kept = place[rows.nodes] >= 0
        rows = Rows(place[rows.nodes][kept], rows.pairs[kept], rows.prompts[kept], rows.values[kept])
        return _reduced(rows, *self._summed(rows, nodes.size), nodes.size, self.scale)

    def of_prompts(self, among: "npt.NDArray[np.bool_]") -> tuple[Floats, Floats]:
        """The precision [nodes, nodes] and the shift [nodes] that the scores on the prompts ``among`` these [prompts] alone would give,
        nothing taken off."""
        rows = self.rows()
        kept = among[rows.prompts]
        values = (rows.values + np.array(self._offsets))[kept]
        rows = Rows(rows.nodes[kept], rows.pairs[kept], rows.prompts[kept], values)
        return _reduced(rows, *self._summed(rows), self._size, self.scale)

    def _summed(self, rows: Rows, size: int | None = None) -> "tuple[_Sums, _Sums]":
        by_pair = _Sums.zeros(len(self._pairs), self._size if size is None else size)
        np.add.at(by_pair.weights, (rows.pairs, rows.nodes), 1.0)
        np.add.at(by_pair.masses, rows.pairs, 1.0)
        np.add.at(by_pair.totals, rows.pairs, rows.values)
        by_prompt = _Sums.zeros(len(self._prompts), by_pair.weights.shape[1])
        left = self.scale.pair_ratio / (self.scale.pair_ratio + by_pair.masses)
        prompt_of = np.asarray(self._prompt_of, dtype=np.intp)
        np.add.at(by_prompt.weights, prompt_of, left[:, None] * by_pair.weights)
        np.add.at(by_prompt.masses, prompt_of, left * by_pair.masses)
        np.add.at(by_prompt.totals, prompt_of, left * by_pair.totals)
        return by_pair, by_prompt


class _Sums(NamedTuple):
    """Groups as arrays: weights [groups, nodes], masses and totals [groups]."""

    weights: Floats
    masses: Floats
    totals: Floats

    @classmethod
    def zeros(cls, groups: int, nodes: int) -> "_Sums":
        return cls(np.zeros((groups, nodes)), np.zeros(groups), np.zeros(groups))

    def groups(self) -> list[Group]:
        made: list[Group] = []
        for weights, mass, total in zip(self.weights, self.masses.tolist(), self.totals.tolist(), strict=True):
            group = Group(0)
            group.weights, group.mass, group.total = weights, mass, total
            made.append(group)
        return made


def _reduced(rows: Rows, by_pair: _Sums, by_prompt: _Sums, size: int, scale: Scale) -> tuple[Floats, Floats]:
    """The precision and shift of all ``rows``, the groups' effects integrated out."""
    # Without a single row, counts would be whole numbers.
    precision = np.diag(np.bincount(rows.nodes, minlength=size).astype(np.float64))
    shift = np.bincount(rows.nodes, rows.values, minlength=size).astype(np.float64)
    for sums, ratio in ((by_pair, scale.pair_ratio), (by_prompt, scale.prompt_ratio)):
        factors = 1.0 / (ratio + sums.masses)
        precision -= (sums.weights * factors[:, None]).T @ sums.weights
        shift -= sums.weights.T @ (factors * sums.totals)
    return precision, shift
