"""Rates: known answers, and intervals that hold what they promise."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.calibration.rates import Rate, area, combined, rate

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=30)


def independent(yes: int, of: int) -> Rate:
    return rate([(number, number < yes) for number in range(of)])


def test_wilson_intervals_are_those_of_the_textbooks() -> None:
    for yes, of, low, high in ((0, 20, 0.0, 0.1611), (10, 20, 0.2993, 0.7007), (81, 263, 0.2553, 0.3662), (20, 20, 0.8389, 1.0)):
        found = independent(yes, of)
        assert (found.low, found.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))
        assert (found.estimate, found.cases) == (yes / of, of)


def test_nothing_is_known_of_nothing() -> None:
    assert rate([]) == area([], [0.5]) == area([1.0], []) == combined([(1, rate([]))]) == Rate(None, None, None, 0)


def test_related_outcomes_are_worth_less() -> None:
    twice = rate([(number // 2, number < 20) for number in range(40)])
    assert (twice.low, twice.high) == (pytest.approx(independent(10, 20).low, abs=0.01), pytest.approx(independent(10, 20).high, abs=0.01))


def test_outcomes_that_balance_within_a_picture_are_not_worth_more() -> None:
    assert rate([(number // 2, number % 2 == 0) for number in range(40)]) == independent(20, 40)


def test_intervals_cover_the_truth_also_where_outcomes_are_related() -> None:
    luck = random.Random(1)
    covered = 0
    for _ in range(400):
        outcomes: list[tuple[object, bool]] = []
        for picture in range(60):
            chance = 0.1 if luck.random() < 0.5 else 0.5
            outcomes += [(picture, luck.random() < chance) for _ in range(luck.randint(1, 5))]
        found = rate(outcomes)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.3 <= found.high
    assert covered >= 0.92 * 400


def test_two_rates_are_combined() -> None:
    """Newcombe's example: 56 of 70 against 48 of 80, a difference of .2, from .0524 to .3339."""
    difference = combined([(1, independent(56, 70)), (-1, independent(48, 80))])
    assert difference[:3] == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-4)
    assert difference.cases == 150


@given(SCORES, SCORES)
def test_the_area_counts_pairs(yes: list[float], no: list[float]) -> None:
    found = area(yes, no)
    expected = sum((one > other) + (one == other) / 2 for one in yes for other in no) / len(yes) / len(no)
    assert found.estimate == pytest.approx(expected)
    assert found.low is not None
    assert found.high is not None
    assert -1e-9 <= found.low <= expected + 1e-9
    assert expected - 1e-9 <= found.high <= 1 + 1e-9


def test_the_area_of_two_normal_groups_is_covered() -> None:
    luck = random.Random(2)
    truth = 0.5 * (1 + math.erf(1 / 2))  # One standard deviation apart.
    covered = 0
    for _ in range(300):
        found = area([luck.gauss(1, 1) for _ in range(40)], [luck.gauss(0, 1) for _ in range(40)])
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 0.92 * 300


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=60))
def test_an_interval_holds_its_estimate_and_stays_in_range(outcomes: list[tuple[object, bool]]) -> None:
    found = rate(outcomes)
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.estimate <= found.high <= 1
