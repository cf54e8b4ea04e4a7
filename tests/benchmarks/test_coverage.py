"""Coverage and bias are computed as they are named, and a goal is missed where it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.coverage import Claim, Result, claim, gepa_error, holds, regime_of, shifted, wilson
from optimizer.stats import Interval


@given(st.integers(1, 3000).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs))))
@settings(deadline=None)
def test_wilsons_interval_holds_the_share_and_lies_within_0_and_1(counted: tuple[int, int]):
    hits, runs = counted
    low, high = wilson(hits, runs)
    assert -1e-12 <= low <= hits / runs + 1e-12
    assert hits / runs - 1e-12 <= high <= 1 + 1e-12


def test_wilsons_interval_of_95_in_100():
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-3)


def test_an_interval_without_ends_holds_nothing():
    assert not holds(Interval(0.1, None, None), 0.1)
    assert holds(Interval(0.1, 0.0, 0.2), 0.2)


def test_the_mean_error_comes_with_its_standard_error():
    found = shifted([0.0, 0.2])
    assert (found.runs, found.bias, found.error) == (2, pytest.approx(0.1), pytest.approx(0.1))
    assert shifted([]).runs == 0


def claims(count: int, holding: int, off: float = 0.0) -> list[Claim]:
    """So many claims of a true gain of .1, of which so many intervals hold it."""
    good, bad = Interval(0.1 + off, 0.0, 0.2), Interval(0.1 + off, 0.15, 0.3)
    return [Claim(0.1, good if number < holding else bad, 0.14, Interval(0.12, 0.0, 0.2)) for number in range(count)]


def result(holding: int, off: float = 0.0) -> Result:
    return Result(500, (), regime_of("all", claims(1000, holding, off), [[0.05], [0.1]]), 1.0)


def test_regimes_say_what_each_figure_is_off_by():
    regime = regime_of("x", claims(10, 9), [[0.05, 0.15], []])
    assert (regime.runs, regime.covered, regime.covered_by_posterior) == (10, 9, 10)
    assert regime.confirmed.bias == pytest.approx(0.0)
    assert regime.raw.bias == pytest.approx(0.04)
    assert regime.shrunk.bias == pytest.approx(0.02)
    assert [one.bias for one in regime.gepa] == [pytest.approx(0.1), 0.0]


@pytest.mark.parametrize(("holding", "met"), [(900, False), (932, True), (950, True), (966, True), (985, False)])
def test_coverage_is_missed_where_chance_does_not_explain_it(holding: int, met: bool):
    assert (not result(holding).misses) == met


def test_a_bias_is_missed_where_it_is_more_than_the_goal():
    assert not result(950, 0.009).misses
    assert "confirmed gains" in result(950, 0.011).misses[0]


def test_a_whole_run_is_held_against_the_truth():
    found = [claim(("strong proposer", number), 400) for number in range(3)]
    claims = [one for one in found if one is not None]
    assert all(abs(one.confirmed.estimate - one.truth) < 0.2 for one in claims)
    assert any(one.raw is not None for one in claims), "only what was never measured in the search has no score of the search"


def test_gepas_error_is_reported_less_true():
    errors = [gepa_error(("loud", number), 300, 8) for number in range(6)]
    known = [error for error in errors if error is not None]
    assert known
    assert sum(known) / len(known) > 0.03
