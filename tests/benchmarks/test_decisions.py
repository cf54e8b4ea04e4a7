"""What is timed is a posterior of the size that is named, and decisions of both kinds."""

import numpy as np

from benchmarks.decisions import PAIRS, PROMPTS, decide, lineage, measure, scores
from optimizer.posterior import LineagePosterior


def test_times_both_kinds_of_decisions():
    result = measure(system_prompts=20, trials=300, decisions=5, estimates=2)
    assert (result.system_prompts, result.trials) == (20, 300)
    assert 0.0 < result.median <= result.slowest
    assert 0.0 < result.estimating <= result.slowest_estimating


def test_scores_fit_the_lineage_and_find_its_best():
    luck = np.random.default_rng(0)
    posterior = LineagePosterior()
    means = lineage(posterior, 30, luck)
    taken = scores(means, 3000, luck)
    assert len(posterior) == len(means) == 30
    assert len({(node, pair) for node, pair, _ in taken}) == 3000
    assert {pair for _, pair, _ in taken} <= set(range(PAIRS))
    for node, pair, value in taken[:-1]:
        posterior.observe(node, pair, value, pair % PROMPTS)
    assert decide(posterior, taken[-1], luck) > 0.0
    away = posterior.beliefs().mean - np.array(means)
    assert np.std(away) < np.std(means) / 2
