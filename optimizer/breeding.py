"""Where the next system prompt is to come from: changes put together anew, or a request to the proposer. Pure functions.

A composite is the text with all those changes, of any branch, that a sample of the posterior holds for good (Thompson sampling over sets of
changes). Each of its scores says something about every change in it, and about every one left out: far more than the scores of a child say
about one. It costs no proposal. Now and then one takes what is good on average: that set is what is handed over.

New changes come from the proposer, mostly by reflection on what failed under one of the best; now and then something is left out, or tried
in the dark. Where texts were written anew instead of edited, changes can't be put together line by line, and the proposer is asked to
merge.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from data.records import Operation
from optimizer.beliefs import Beliefs
from optimizer.scores import Floats

BASES = 10
"""How many of the best a merge may start from."""
MOST_PARENTS = 3
"""More texts at once no model merges well."""
WORTH_MERGING = 1.5
"""A merge must promise this many times the spread of a change: it costs a proposal like any other."""
LUCK = 0.2
"""How much of chance is in what a merge promises; the rest is the mean. Samples alone ask for merges of whatever might be good."""
CONDENSE = 0.03
EXPLORE = 0.03
"""Shares of the requests. Larger ones cost gain in every world that was tried (benchmarks/LOG.md)."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Ask the proposer for a child of ``parents`` (candidate numbers, the one to improve first)."""

    operation: Operation
    parents: tuple[int, ...]


def promising(changes: Floats, edits: Sequence[int]) -> list[int]:
    """Those of ``edits`` that are good where ``changes`` [nodes] are what they come to, the best first."""
    return sorted((change for change in edits if changes[change] > 0.0), key=lambda change: -changes[change])


def mutation(
    beliefs: Beliefs, draw: Floats, ripe: Sequence[int], merged: Collection[frozenset[int]] | None, luck: random.Random
) -> Mutation:
    """The next request, where ``draw`` [nodes] is a sample of the means, and only ``ripe`` nodes may have children. ``merged``: the merges
    that were asked for; None where no merge is needed."""
    best = max(ripe, key=lambda node: draw[node])
    if merged is not None and (together := _best_union(beliefs, draw, best, ripe, merged)):
        return Mutation(Operation.MERGE, together)
    choice = luck.random()
    if choice < CONDENSE:
        return Mutation(Operation.CONDENSE, (best,))
    return Mutation(Operation.EXPLORE if choice < CONDENSE + EXPLORE else Operation.REFLECT, (best,))


def _best_union(beliefs: Beliefs, draw: Floats, best: int, ripe: Sequence[int], merged: Collection[frozenset[int]]) -> tuple[int, ...]:
    """The nodes whose changes together promise most; () where nothing promises enough over ``best``."""
    changes = (1.0 - LUCK) * beliefs.changes(beliefs.mean) + LUCK * beliefs.changes(draw)
    # Another root's mean is no change to add: a merge stands on the root of its first parent.
    additive = np.where(beliefs.roots, 0.0, changes)
    rows = beliefs.inherits[list(ripe)]
    worth = WORTH_MERGING * beliefs.spread
    level = float(beliefs.inherits[best] @ changes) + worth
    chosen: tuple[int, ...] = ()
    bases = sorted(ripe, key=lambda node: -float(beliefs.mean[node]))[:BASES]
    for base in dict.fromkeys([*bases, best]):
        have = beliefs.inherits[base].copy()
        parents = [base]
        while len(parents) < MOST_PARENTS:
            gains = (rows * (1.0 - have)) @ additive
            top = int(gains.argmax())
            if gains[top] <= worth / 2.0:
                break
            parents.append(ripe[top])
            have = np.maximum(have, rows[top])
        promised = float(beliefs.inherits[base][beliefs.roots] @ changes[beliefs.roots]) + float(have @ additive)
        if len(parents) > 1 and promised > level and frozenset(parents) not in merged:
            chosen, level = tuple(parents), promised
    return chosen
