"""What changes do to single categories is taken off the scores, and never out of a system prompt's mean."""

from dataclasses import replace

import numpy as np
import pytest

from data.records import Operation
from optimizer.beliefs import Prior
from optimizer.leanings import LEAST_SCORES, Leanings
from optimizer.posterior import LineagePosterior
from optimizer.scores import Floats, Scale, ScoreSums

CATEGORIES = 4
PROMPTS = 40
CHANGES = 12


def leaning_world(seed: int, spread: float, prior: Prior) -> tuple[LineagePosterior, Floats]:
    """A posterior over composites of changes that do different things to four categories, and what the changes do on average."""
    luck = np.random.default_rng(seed)
    common = luck.normal(0.0, 0.03, CHANGES)
    leaning = luck.normal(0.0, spread, (CATEGORIES, CHANGES))
    leaning -= leaning.mean(axis=0)
    posterior = LineagePosterior(prior)
    posterior.add()
    for _ in range(CHANGES):
        posterior.add([0], Operation.REFLECT, [0])
    for pair in range(300):
        chosen = np.flatnonzero(luck.random(CHANGES) < 0.5)
        node = posterior.add([0], Operation.MERGE, [0, *(chosen + 1).tolist()], new=False)
        for prompt in luck.choice(PROMPTS, 2, replace=False).tolist():
            category = prompt % CATEGORIES
            score = 0.5 + common[chosen].sum() + leaning[category, chosen].sum() + 0.08 * luck.standard_normal()
            posterior.observe(node, pair * PROMPTS + prompt, score, prompt, str(category))
        posterior.beliefs()
    return posterior, common


def error(spread: float, prior: Prior) -> float:
    """How far what changes are believed to do lies from the truth, in scores."""
    off: list[float] = []
    for seed in range(4):
        posterior, common = leaning_world(seed, spread, prior)
        beliefs = posterior.beliefs()
        off += (beliefs.changes(beliefs.mean)[1 : CHANGES + 1] - common).tolist()
    return float(np.sqrt(np.mean(np.square(off))))


def test_changes_are_known_better_where_categories_differ_and_no_worse_where_they_do_not():
    blind = replace(Prior(), lean=0.0)
    assert error(0.1, Prior()) < 0.8 * error(0.1, blind)
    assert error(0.0, Prior()) < 1.15 * error(0.0, blind)


def told(luck: np.random.Generator, inherits: Floats, leaning: Floats, leanings: Leanings) -> ScoreSums:
    """Scores without noise on prompts of two categories, the first of which has three prompts in four."""
    sums = ScoreSums(Scale(0.01, 0.001, 0.001))
    for _ in range(len(inherits)):
        sums.add_node()
    for node, has in enumerate(inherits):
        for prompt in range(8):
            category = int(prompt >= 6)
            leanings.meet(prompt, category)
            score = 0.5 + float(has @ leaning[category]) + 0.001 * luck.standard_normal()
            sums.add(node, (node, prompt), prompt, score, leanings.offset(prompt, has))
    return sums


def test_leanings_are_found_and_cancel_over_all_prompts():
    luck = np.random.default_rng(1)
    inherits = (luck.random((30, 5)) < 0.5).astype(float)
    leaning = np.array([[0.1, 0.0, -0.05, 0.02, 0.0], [-0.3, 0.0, 0.15, -0.06, 0.0]])
    leanings = Leanings(0.1)
    sums = told(luck, inherits, leaning, leanings)
    assert leanings.estimate(sums, inherits, np.full(30, 0.5)) == pytest.approx(10, abs=1)
    ones = np.eye(5)
    first, second = (np.array([leanings.offset(prompt, has) for has in ones]) for prompt in (0, 7))
    assert first == pytest.approx(leaning[0], abs=0.005)
    assert second == pytest.approx(leaning[1], abs=0.005)
    assert 6 * first + 2 * second == pytest.approx(np.zeros(5), abs=1e-12)
    offsets = leanings.offsets(sums.rows(), sums.prompts, inherits)
    rows = sums.rows()
    each = [leanings.offset(sums.prompts[prompt], inherits[node]) for node, prompt in zip(rows.nodes, rows.prompts, strict=True)]
    assert offsets == pytest.approx(np.array(each))


def test_one_category_or_few_scores_have_no_leanings():
    luck = np.random.default_rng(2)
    inherits = (luck.random((LEAST_SCORES, 3)) < 0.5).astype(float)
    alone, sums = Leanings(0.1), ScoreSums(Scale())
    for node in range(LEAST_SCORES):
        sums.add_node()
        alone.meet(node, "the only one")
    for node in range(LEAST_SCORES):
        sums.add(node, node, node, 0.5)
    assert alone.estimate(sums, inherits, np.full(LEAST_SCORES, 0.5)) == 0.0
    assert alone.offset(0, np.ones(3)) == 0.0
    few = Leanings(0.1)
    for node in range(LEAST_SCORES):
        few.meet(node, node)
    assert few.estimate(sums, inherits, np.full(LEAST_SCORES, 0.5)) == 0.0


def test_a_node_that_came_after_the_estimate_leans_on_the_changes_that_were_known():
    leanings = Leanings(0.1)
    luck = np.random.default_rng(3)
    inherits = (luck.random((30, 2)) < 0.5).astype(float)
    sums = told(luck, inherits, np.array([[0.1, 0.0], [-0.3, 0.0]]), leanings)
    leanings.estimate(sums, inherits, np.full(30, 0.5))
    assert leanings.offset(0, np.array([1.0, 0.0, 1.0])) == leanings.offset(0, np.array([1.0, 0.0]))


def test_what_is_set_off_does_not_count_and_can_be_taken_back():
    plain, off = ScoreSums(Scale()), ScoreSums(Scale())
    for sums in (plain, off):
        sums.add_node()
    for pair, value in enumerate([0.2, 0.4, 0.9]):
        plain.add(0, pair, pair, value)
        off.add(0, pair, pair, value + 0.1, 0.1)
    assert off.together()[1] == pytest.approx(plain.together()[1])
    off.set_off(np.zeros(3))
    off.rescale(Scale())
    assert off.rows().values == pytest.approx([0.3, 0.5, 1.0])
    assert off.of_prompts(np.array([True, True, True]))[1] == pytest.approx(off.together()[1])
