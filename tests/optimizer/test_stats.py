"""The statistics keep their promises: coverage, exactness, order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.stats import bootstrap_mean, holm, sign_flip_p

finite = st.floats(-1, 1, allow_nan=False)


@given(st.lists(finite, min_size=2, max_size=40))
def test_the_interval_holds_the_mean(values: list[float]):
    interval = bootstrap_mean(values, seed=1, resamples=200)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= interval.high
    assert min(values) - 1e-12 <= interval.low
    assert interval.high <= max(values) + 1e-12


@given(st.lists(finite, min_size=2, max_size=30), st.floats(-3, 3))
def test_the_interval_moves_with_the_values(values: list[float], shift: float):
    here = bootstrap_mean(values, seed=2, resamples=200)
    there = bootstrap_mean([value + shift for value in values], seed=2, resamples=200)
    assert there.low == pytest.approx((here.low or 0.0) + shift, abs=1e-6)


@pytest.mark.parametrize("kind", ["normal", "lopsided", "bounded", "mostly equal"])
def test_ninety_five_percent_is_ninety_five_percent(kind: str):
    generator = np.random.default_rng(5)
    draw = {
        "normal": lambda: generator.normal(0, 1, 40),
        "lopsided": lambda: generator.exponential(1, 40) - 1,
        "mostly equal": lambda: np.where(generator.random(60) < 0.15, generator.choice([-1, -0.5, -0.33, 0.33, 0.5, 1], 60), 0),
        "bounded": lambda: np.clip(generator.normal(0.7, 0.3, 40), 0, 1) - np.clip(generator.normal(0.7, 0.3, 40), 0, 1),
    }[kind]
    covered = 0
    for trial in range(600):
        interval = bootstrap_mean(draw().tolist(), seed=trial, resamples=800)
        covered += (interval.low or 0) <= 0 <= (interval.high or 0)
    assert 0.92 <= covered / 600 <= 0.98


def test_too_few_values_say_so():
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([], seed=0)
    alone = bootstrap_mean([0.4], seed=0)
    assert (alone.estimate, alone.low, alone.high) == (0.4, None, None)
    assert not alone.excludes_zero
    same = bootstrap_mean([0.25] * 5, seed=0)
    assert (same.low, same.high) == (0.25, 0.25)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=50).tolist()
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_sign_flips_agree_with_the_exact_count():
    # Of the 2^4 sign patterns, 2 reach |1+2+3+4|: p = 2/16.
    assert sign_flip_p([1, 2, 3, 4], seed=0, flips=40_000) == pytest.approx(2 / 16, abs=0.01)
    assert sign_flip_p([0.0, 0.0], seed=0) == 1.0
    assert sign_flip_p([0.1] * 30, seed=0) < 0.001


@given(st.lists(finite, min_size=1, max_size=20))
def test_p_values_are_probabilities_and_blind_to_the_sign(values: list[float]):
    p_value = sign_flip_p(values, seed=1, flips=100)
    assert 0 < p_value <= 1
    assert p_value == sign_flip_p([-value for value in values], seed=1, flips=100)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_only_raises_and_keeps_the_order(p_values: list[float]):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert all(adjusted[a] <= adjusted[b] for a, b in itertools.pairwise(order))
