"""Lineages and scores for tests of the posterior: random ones for any shape, and simulated ones whose truth is known."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from data.records import Operation
from optimizer.posterior import LineagePosterior
from optimizer.scores import Floats, Scale


class Node(NamedTuple):
    parents: tuple[int, ...]
    operation: Operation
    has: frozenset[int] | None
    new: bool


@dataclass
class History:
    """A lineage and its scores: (node, pair, prompt, score)."""

    nodes: list[Node]
    scores: list[tuple[int, int, int, float]]

    def told(self, posterior: LineagePosterior, *, ask: bool = False) -> LineagePosterior:
        """``ask``: whether beliefs are asked for after each step."""
        for node in self.nodes:
            posterior.add(node.parents, node.operation, node.has, new=node.new)
            if ask:
                posterior.beliefs()
        for node, pair, prompt, score in self.scores:
            posterior.observe(node, pair, score, prompt)
            if ask:
                posterior.beliefs()
        return posterior

    def inherits(self) -> Floats:
        """By the words of the model: which changes (columns) each node has."""
        changes: list[set[int]] = []
        for number, node in enumerate(self.nodes):
            above = set[int]().union(*(changes[parent] for parent in node.parents)) if node.has is None else set(node.has)
            if node.parents:
                above -= {root for root in above if not self.nodes[root].parents and root not in changes[node.parents[0]]}
            changes.append(above | {number})
        return np.array([[float(change in has) for change in range(len(changes))] for has in changes])


@st.composite
def histories(draw: st.DrawFn, most_scores: int = 36) -> History:
    size = draw(st.integers(1, 7))
    nodes = [Node((), Operation.ROOT, None, new=True)]
    for number in range(1, size):
        earlier = st.integers(0, number - 1)
        parents = tuple(draw(st.lists(earlier, max_size=3, unique=True)))
        operation = draw(st.sampled_from([Operation.REFLECT, Operation.EXPLORE, Operation.MERGE]))
        has = draw(st.none() | st.frozensets(earlier)) if parents else None
        nodes.append(Node(parents, operation if parents else Operation.ROOT, has, draw(st.booleans()) or not parents))
    cells = draw(st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, 6)), max_size=most_scores))
    return History(nodes, [(node, pair, pair % 3, draw(st.floats(0, 1))) for node, pair in sorted(cells)])


@dataclass
class Simulated:
    """A tree of ``size`` system prompts whose changes are drawn from N(``typical``, ``spread``²), each with something that is not
    passed on, ``own`` times the root of the number of its changes; measured ``looks`` times on pairs of 20 prompts."""

    seed: int
    size: int = 40
    looks: int = 30
    spread: float = 0.1
    own: float = 0.0
    typical: float = 0.0
    scale: Scale = field(default_factory=lambda: Scale(0.1, 0.05, 0.1))

    def posterior(self) -> tuple[LineagePosterior, Floats]:
        """What is believed, and the true means."""
        luck = np.random.default_rng(self.seed)
        posterior = LineagePosterior()
        passed_on, means, changes = [0.5], [0.5], [0]
        posterior.add()
        for number in range(1, self.size):
            parent = int(luck.integers(number))
            posterior.add([parent])
            passed_on.append(passed_on[parent] + luck.normal(self.typical, self.spread))
            changes.append(changes[parent] + 1)
            means.append(passed_on[-1] + luck.normal(0.0, self.own) * changes[-1] ** 0.5)
        of_prompt = luck.normal(0.0, self.scale.prompt, 20)
        of_pair = luck.normal(0.0, self.scale.pair, 200)
        for node, mean in enumerate(means):
            for pair in luck.choice(200, self.looks, replace=False).tolist():
                score = mean + of_prompt[pair % 20] + of_pair[pair] + self.scale.noise * luck.standard_normal()
                posterior.observe(node, pair, float(score), pair % 20)
        return posterior, np.array(means)
