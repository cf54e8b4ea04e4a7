"""Gains by category are drawn towards the common one, as far as the data allow, and their intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.categories import pooled

gains = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=12)
groups = st.dictionaries(st.sampled_from("abcdefg"), gains, min_size=1, max_size=7)


@given(groups)
@settings(deadline=None)
def test_a_pooled_gain_lies_among_the_means(found: dict[str, list[float]]):
    means = [sum(values) / len(values) for values in found.values()]
    for name, interval in pooled(found).items():
        assert min(means) - 1e-9 <= interval.estimate <= max(means) + 1e-9
        if interval.low is not None and interval.high is not None:
            assert interval.low <= interval.estimate <= interval.high
        else:
            assert sum(map(len, found.values())) == 1
        assert name in found


@given(groups, st.floats(-2, 2), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_it_moves_with_the_values_and_knows_no_order(found: dict[str, list[float]], shift: float, random):
    names = list(found)
    random.shuffle(names)
    moved = pooled({name: [value + shift for value in reversed(found[name])] for name in names})
    for name, interval in pooled(found).items():
        assert moved[name].estimate == pytest.approx(interval.estimate + shift, abs=1e-6)
        if interval.low is not None:
            assert moved[name].low == pytest.approx(interval.low + shift, abs=1e-6)


def test_few_prompts_are_drawn_further_than_many():
    generator = np.random.default_rng(0)
    rest = {f"rest {n}": generator.normal(0.05, 0.2, 60).tolist() for n in range(4)}
    many = pooled({**rest, "far": [0.35, 0.05] * 40})["far"].estimate
    few = pooled({**rest, "far": [0.35, 0.05] * 2})["far"].estimate
    assert 0.15 < many < 0.2
    assert 0.05 < few < 0.12


def test_one_group_keeps_its_mean_and_nothing_is_nothing():
    alone = pooled({"all": [0.0, 0.2, 0.4], "none": []})
    assert list(alone) == ["all"]
    assert alone["all"].estimate == pytest.approx(0.2)
    assert pooled({}) == {}
    assert pooled({"one": [0.3]})["one"].low is None
    assert pooled({"a": [0.5, 0.5], "b": [0.5]})["b"].estimate == pytest.approx(0.5)


@pytest.mark.parametrize("spread", [0.0, 0.03, 0.1])
def test_intervals_cover_and_pooling_pays(spread: float):
    """Six categories of 20 prompts, most of which gain nothing, as they do between two good system prompts."""
    generator = np.random.default_rng(7)
    covered, pooled_error, own_error = 0, 0.0, 0.0
    for _ in range(150):
        height = np.clip(0.3 + 5 * spread * generator.standard_normal(6), -0.7, 0.7)
        truth = 0.2 * height
        found = {
            str(n): np.where(generator.random(20) < 0.2, height[n] + generator.choice([-0.3, 0.3], 20), 0.0).tolist() for n in range(6)
        }
        for name, interval in pooled(found).items():
            true = truth[int(name)]
            covered += (interval.low or 0) <= true <= (interval.high or 0)
            pooled_error += (interval.estimate - true) ** 2
            own_error += (sum(found[name]) / 20 - true) ** 2
    assert covered / 900 >= 0.9
    assert pooled_error < own_error
