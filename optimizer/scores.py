"""What scores say about system prompts once the effects of prompts and pairs are integrated out: sums, kept up to date one score at a time.

Scores belong to nodes (system prompts) and to pairs, and pairs to prompts. With the nodes' means given, what two scores of a pair have in
common is the pair's effect and its prompt's; what two pairs of a prompt have in common is the prompt's. What is left is a precision matrix
over nodes and the shift that goes with it, both in units of 1 / noise². Nothing here knows a lineage; noisescale.py estimates the
:class:`Scale`.
"""

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
        self.precision: Floats = np.zeros((0, 0))
        """[nodes, nodes], in units of 1 / noise²."""
        self.shift: Floats = np.zeros(0)
        """[nodes], likewise: precision @ mean where the scores alone decide."""
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
        self.precision = np.pad(self.precision, (0, 1))
        self.shift = np.pad(self.shift, (0, 1))

    def add(self, node: int, pair: Hashable, prompt: Hashable, value: float, offset: float = 0.0) -> None:
        """Takes in a score, ``offset`` of which is not to count. ValueError for a score twice, or outside the finite numbers."""
        if not np.isfinite(value):
            raise ValueError(f"a score must be a finite number, not {value}")
        if (node, pair) in self._seen:
            raise ValueError(f"node {node} already has a score on pair {pair}")
        self._seen.add((node, pair))
        at, group, above = self._groups(pair, prompt)
        self._rows.append((node, at, value))
        self._offsets.append(offset)
        value -= offset
        size = self.shift.size
        group.fit(size)
        above.fit(size)
        own = np.zeros(size)
        own[node] = 1.0
        # A pair hands to its prompt what its own effect leaves: all of that changes with the new score.
        self._apply(above, 1.0 / (self.scale.prompt_ratio + above.mass))
        self._hand_up(group, above, -1.0)
        group.take(own, 1.0, value, 1.0)
        self._hand_up(group, above, 1.0)
        self._apply(above, -1.0 / (self.scale.prompt_ratio + above.mass))
        self.precision[node, node] += 1.0
        self.shift[node] += value

    def _groups(self, pair: Hashable, prompt: Hashable) -> tuple[int, Group, Group]:
        if pair not in self._pair_at:
            self._pair_at[pair] = len(self._pair_at)
            if prompt not in self._prompt_at:
                self._prompt_at[prompt] = len(self._prompt_at)
                self._prompts.append(Group(self.shift.size))
            self._prompt_of.append(self._prompt_at[prompt])
            self._pairs.append(Group(self.shift.size))
        at = self._pair_at[pair]
        return at, self._pairs[at], self._prompts[self._prompt_of[at]]

    def _hand_up(self, group: Group, above: Group, sign: float) -> None:
        """Integrates a pair's effect out (or takes that back), and hands what is left of it to the prompt."""
        factor = 1.0 / (self.scale.pair_ratio + group.mass)
        self._apply(group, -sign * factor)
        above.take(group.weights, group.mass, group.total, sign * self.scale.pair_ratio * factor)

    def _apply(self, group: Group, factor: float) -> None:
        """Adds ``factor`` times a group's outer product: a change of rank one."""
        at = np.flatnonzero(group.weights)
        own = group.weights[at]
        self.precision[np.ix_(at, at)] += factor * np.outer(own, own)
        self.shift[at] += factor * group.total * own

    def rows(self) -> Rows:
        nodes, pairs = (np.array([row[column] for row in self._rows], dtype=np.intp) for column in (0, 1))
        values = np.array([row[2] for row in self._rows]) - np.array(self._offsets)
        return Rows(nodes, pairs, np.asarray(self._prompt_of, dtype=np.intp)[pairs], values)

    def set_off(self, offsets: Floats) -> None:
        """Takes these ``offsets`` [scores] off instead of those so far; the sums follow with the next :meth:`rescale`."""
        self._offsets = offsets.tolist()

    def rescale(self, scale: Scale) -> None:
        """Sums all anew, for another scale."""
        self.scale = scale
        rows = self.rows()
        by_pair, by_prompt = self._summed(rows)
        self.precision, self.shift = _reduced(rows, by_pair, by_prompt, self.shift.size, scale)
        self._pairs = by_pair.groups()
        self._prompts = by_prompt.groups()

    def of_nodes(self, nodes: Ints) -> tuple[Floats, Floats]:
        """The precision [k, k] and the shift [k] that the scores of these k nodes alone would give."""
        place = np.full(self.shift.size, -1, dtype=np.intp)
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
        return _reduced(rows, *self._summed(rows), self.shift.size, self.scale)

    def _summed(self, rows: Rows, size: int | None = None) -> "tuple[_Sums, _Sums]":
        by_pair = _Sums.zeros(len(self._pairs), self.shift.size if size is None else size)
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
