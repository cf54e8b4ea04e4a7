"""The synthetic world's truth is what an endless measurement would say, and a whole run finds all that it needs there."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.search.worlds import REGIMES, Regime, SyntheticWorld, text_of
from benchmarks.worlds import population_mean, prompts_of, synthetic_world
from data.records import Split


@pytest.mark.parametrize("regime", ["middle", "coarse rubric", "interactions", "heavy tails", "loud", "no noise"])
def test_the_truth_is_the_mean_of_very_many_scores(regime: str):
    world = SyntheticWorld(REGIMES[regime], 3, prompts=4000)
    text = text_of([1, 5, 9])
    scores = [world.score(text, prompt, seed=7) for prompt in range(4000)]
    error = np.std(scores) / np.sqrt(len(scores))
    assert population_mean(world, text) == pytest.approx(np.mean(scores), abs=3.5 * error)


def test_a_scale_that_ends_moves_the_truth_where_the_noise_is_loud():
    text = text_of([])
    loud, silent = (SyntheticWorld(REGIMES[regime], 3) for regime in ("loud", "no noise"))
    assert abs(population_mean(loud, text) - population_mean(silent, text)) > 0.005


def test_without_effects_all_system_prompts_do_the_same():
    world = synthetic_world(2, Regime(effects=0.0))
    assert population_mean(world, text_of([1, 2])) == population_mean(world, text_of([]))


def test_prompts_of_all_parts_of_a_run_are_there_and_can_be_scored():
    world = synthetic_world(4)
    prompts = prompts_of(world)
    assert Counter(prompt.split for prompt in prompts) == {Split.SEARCH: 80, Split.SELECT: 20, Split.TEST: 100}
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert all(0.0 <= world.score(text_of([]), int(prompt.text), 1) <= 1.0 for prompt in prompts)
