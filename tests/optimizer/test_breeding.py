"""Composites take the changes that are good; merges are asked for where they promise something."""

import random
from collections import Counter

import numpy as np

from data.records import Operation
from optimizer.beliefs import Beliefs, Prior
from optimizer.breeding import CONDENSE, EXPLORE, MOST_PARENTS, Mutation, mutation, promising
from optimizer.posterior import LineagePosterior
from optimizer.scores import Scale

PRIOR = Prior(scale=Scale(0.1, 0.02, 0.02))


def grown(effects: list[float], looks: int, seed: int = 0) -> Beliefs:
    """A root (0) and a child per effect, measured on ``looks`` pairs."""
    luck = np.random.default_rng(seed)
    posterior = LineagePosterior(PRIOR)
    for node, effect in enumerate([0.0, *effects]):
        posterior.add([0] if node else ())
        for pair in range(looks):
            posterior.observe(node, pair, 0.5 + effect + float(luck.normal(0.0, 0.1)), pair)
    return posterior.beliefs()


def test_many_scores_tell_good_changes_from_bad_ones():
    effects = [0.1, -0.1, 0.08, -0.08, 0.12]
    beliefs = grown(effects, 150)
    luck = np.random.default_rng(1)
    for _ in range(12):
        changes = beliefs.draw_changes(luck, beliefs.draw(luck)[0])
        assert set(promising(changes, [1, 2, 3, 4, 5])) == {1, 3, 5}


def test_few_scores_leave_it_open():
    beliefs = grown([0.02, -0.02, 0.0, 0.01], 3)
    luck = np.random.default_rng(1)
    sampled = [promising(beliefs.draw_changes(luck, beliefs.draw(luck)[0]), [1, 2, 3, 4]) for _ in range(60)]
    assert len({frozenset(chosen) for chosen in sampled}) > 5


def test_only_edits_are_put_together_and_the_best_come_first():
    changes = np.array([0.5, 0.1, -0.1, 0.3, 0.2])
    assert promising(changes, [1, 2, 3]) == [3, 1]
    assert promising(changes, []) == []


def asked(beliefs: Beliefs, ripe: list[int], merged: set[frozenset[int]] | None, count: int = 1) -> list[Mutation]:
    return [mutation(beliefs, beliefs.mean, ripe, merged, random.Random(number)) for number in range(count)]


def test_two_good_changes_are_merged_once():
    beliefs = grown([0.15, 0.15, 0.0, 0.0, -0.01], 100)
    (merge,) = asked(beliefs, list(range(6)), set())
    assert merge.operation is Operation.MERGE
    assert set(merge.parents) == {1, 2}
    (again,) = asked(beliefs, list(range(6)), {frozenset({1, 2})})
    assert (again.operation, set(again.parents)) != (Operation.MERGE, {1, 2})


def test_nothing_is_merged_where_nothing_is_promised_or_none_is_needed():
    beliefs = grown([0.15, -0.15, -0.2], 100)
    assert Operation.MERGE not in {each.operation for each in asked(beliefs, [0, 1, 2, 3], set(), 50)}
    good = grown([0.15, 0.15], 100)
    assert Operation.MERGE not in {each.operation for each in asked(good, [0, 1, 2], None, 50)}


def test_a_merge_takes_no_more_than_a_model_can_read():
    (merge,) = asked(grown([0.2] * 6, 60), list(range(7)), set())
    assert len(merge.parents) == MOST_PARENTS == len(set(merge.parents))


def test_roots_are_not_merged_for_being_good():
    posterior = LineagePosterior(PRIOR)
    for root, score in enumerate((0.8, 0.7)):
        posterior.add()
        for pair in range(50):
            posterior.observe(root, pair, score, pair)
    assert Operation.MERGE not in {each.operation for each in asked(posterior.beliefs(), [0, 1], set(), 30)}


def test_mostly_reflects_on_the_best_of_the_draw_that_is_ripe():
    beliefs = grown([0.1, 0.2], 50)
    chosen = asked(beliefs, [0, 1], None, 1000)
    assert {each.parents for each in chosen} == {(1,)}
    count = Counter(each.operation for each in chosen)
    assert abs(count[Operation.CONDENSE] - 1000 * CONDENSE) < 25
    assert abs(count[Operation.EXPLORE] - 1000 * EXPLORE) < 25
    assert count[Operation.REFLECT] > 880
