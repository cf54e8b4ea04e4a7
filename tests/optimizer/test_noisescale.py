"""The scale of the noise is found without bias in unbalanced scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.noisescale import estimated_scale, spread_by_prompt
from optimizer.scores import Rows, Scale

TRUE = Scale(0.2, 0.1, 0.15)
MEANS = np.array([0.4, 0.5, 0.6, 0.7])


def simulated(seed: int, scores: int = 300, prompts: int = 30) -> Rows:
    """Unbalanced: some prompts and pairs are met far more often than others."""
    luck = np.random.default_rng(seed)
    share = luck.dirichlet(np.full(prompts, 2.0))
    cells = {(int(luck.choice(prompts, p=share)), int(luck.geometric(0.4)), int(luck.integers(MEANS.size))) for _ in range(2 * scores)}
    chosen = sorted(cells)[:scores]
    prompt_at = {prompt: at for at, prompt in enumerate(dict.fromkeys(prompt for prompt, _, _ in chosen))}
    pair_at = {pair: at for at, pair in enumerate(dict.fromkeys((prompt, pair) for prompt, pair, _ in chosen))}
    nodes = np.array([node for _, _, node in chosen])
    pairs = np.array([pair_at[prompt, pair] for prompt, pair, _ in chosen])
    of = np.array([prompt_at[prompt] for prompt, _, _ in chosen])
    noise = luck.standard_normal(nodes.size)
    values = MEANS[nodes] + TRUE.prompt * luck.standard_normal(len(prompt_at))[of]
    values += TRUE.pair * luck.standard_normal(len(pair_at))[pairs] + TRUE.noise * noise
    return Rows(nodes, pairs, of, values)


def test_is_right_on_average():
    found = [estimated_scale(simulated(seed), MEANS, 0.0, Scale(), 1e-6) for seed in range(120)]
    variances = np.array([(scale.noise**2, scale.pair**2, scale.prompt**2) for scale in found])
    truth = np.array([TRUE.noise**2, TRUE.pair**2, TRUE.prompt**2])
    error = variances.std(axis=0) / math.sqrt(len(found))
    assert (np.abs(variances.mean(axis=0) - truth) < 3.0 * error + 0.02 * truth).all()


def test_a_guess_counts_for_little_where_there_are_many_scores():
    few, many = simulated(1, 12), simulated(1, 300)
    guess = Scale(0.5, 0.5, 0.5)
    assert estimated_scale(few, MEANS, 0.0, guess, 30.0).noise > 0.35
    assert estimated_scale(many, MEANS, 0.0, guess, 30.0).noise < 0.3


def test_scores_without_any_spread_leave_a_scale_above_zero():
    rows = Rows(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0, 0, 0]), np.full(3, 0.5))
    scale = estimated_scale(rows, np.full(2, 0.5), 0.0, Scale(1e-9, 1e-9, 1e-9), 1.0)
    assert min(scale.noise, scale.pair, scale.prompt) > 0.0


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.0, 10.0))
@settings(max_examples=60, deadline=None)
def test_is_finite_for_whatever_few_scores_there_are(seed: int, scores: int, effective: float):
    scale = estimated_scale(simulated(seed, scores), MEANS, effective, Scale(), 30.0)
    assert all(math.isfinite(value) and value > 0.0 for value in (scale.noise, scale.pair, scale.prompt))


def test_spread_by_prompt_is_one_on_average_and_small_at_a_ceiling():
    rows = simulated(2, 400)
    rows.values[rows.prompts == 0] = 1.0 + MEANS[rows.nodes[rows.prompts == 0]] - MEANS.mean()
    telling = np.ones(rows.prompts.max() + 1)
    spread = spread_by_prompt(rows, MEANS, telling)
    assert spread[0] < 0.5
    assert np.sqrt((spread[1:] ** 2).mean()) == pytest.approx(1.0, abs=0.15)
    telling[0] = 0.0
    among_those_that_tell = spread_by_prompt(rows, MEANS, telling)[1:]
    assert (among_those_that_tell < spread[1:]).all()
    assert np.sqrt((among_those_that_tell**2).mean()) == pytest.approx(1.0, abs=0.05)


def test_a_prompt_met_once_is_as_usual():
    rows = Rows(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.array([0, 0, 1, 0]), np.array([0.2, 0.6, 0.9, 0.4]))
    assert spread_by_prompt(rows, np.array([0.5, 0.5]), np.ones(2))[1] == pytest.approx(1.0)
