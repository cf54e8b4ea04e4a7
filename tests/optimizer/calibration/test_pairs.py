"""Judges of pairs that err in known ways: what is shown to them, and what their report says."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from data.identity import derived_random
from optimizer.calibration.measuring import Subject
from optimizer.calibration.paintings import example_at
from optimizer.calibration.pairs import CANARIES, PairExposure, Preferred, measured_pairs, pair_exposures
from optimizer.calibration.report import CalibrationReport, Canary, FailureCount, Standing, Verdict
from optimizer.calibration.skills import Plant, Skill

PAIRS = 250
SHOWN = pair_exposures(PAIRS, 1)


def report(prefer: Callable[[PairExposure], Preferred | None]) -> CalibrationReport:
    return measured_pairs(Subject("pairwise:1", "pairwise", 2 * PAIRS, 1), [(pair, prefer(pair)) for pair in SHOWN], [])


def right(pair: PairExposure) -> Preferred:
    return Preferred(0.5 if pair.canary is Canary.IDENTICAL else 1.0, False)


def test_each_pair_is_a_faithful_picture_and_one_with_a_single_error() -> None:
    plain = [pair for pair in SHOWN if pair.canary is None and pair.look == 0]
    assert len(plain) == PAIRS
    assert set(Counter(pair.plant for pair in plain)) == set(Plant)
    assert min(Counter(pair.plant for pair in plain).values()) >= 14
    assert all(example_at(1, pair.number).plants == (pair.plant,) for pair in plain)
    assert 0.4 < sum(pair.right_first for pair in plain) / PAIRS < 0.6
    assert Counter(pair.canary for pair in SHOWN if pair.canary) == dict.fromkeys(Canary, CANARIES)
    assert len(set(SHOWN)) == len(SHOWN)


def test_a_judge_that_is_always_right_is_good() -> None:
    found = report(right)
    assert found.pairs
    assert found.verdict is Verdict.GOOD
    assert found.accuracy.estimate == found.right.estimate == 1.0
    assert found.ties.estimate == found.flips.estimate == found.value_sd == 0.0
    assert all(canary.passed for canary in found.canaries)
    assert CalibrationReport.from_json(json.loads(json.dumps(found.to_json()))).to_json() == found.to_json()


def test_a_judge_that_follows_the_order_is_poor() -> None:
    """It says first in both orders: a tie, each time."""
    found = report(lambda pair: Preferred(0.5, True))
    assert found.verdict is Verdict.POOR
    assert (found.accuracy.estimate, found.right.estimate, found.ties.estimate, found.flips.estimate) == (0.0, 0.5, 1.0, 1.0)
    assert any("turn with the order" in reason for reason in found.reasons)
    assert [canary.name for canary in found.canaries if canary.passed is False] == [Canary.WRONG, Canary.GREY]


def test_a_blind_spot_is_found() -> None:
    def blind(pair: PairExposure) -> Preferred:
        return Preferred(0.5, False) if pair.plant is Plant.RELATION and pair.canary is None else right(pair)

    found = report(blind)
    assert [skill.skill for skill in found.skills if skill.standing is Standing.BLIND] == [Skill.RELATION]
    assert found.verdict is Verdict.USABLE
    assert found.advice == ("blind to relation: do not optimize on prompts about where things are",)


def test_ties_are_worth_half() -> None:
    found = report(
        lambda pair: Preferred(0.5, False) if derived_random("tie", pair.right).random() < 0.3 and pair.canary is None else right(pair)
    )
    assert found.ties.estimate is not None
    assert found.accuracy.estimate == pytest.approx(1 - found.ties.estimate)
    assert found.right.estimate == pytest.approx(1 - found.ties.estimate / 2)
    assert found.ties.low is not None
    assert found.ties.high is not None
    assert found.ties.low <= 0.3 <= found.ties.high
    assert found.right.cases == PAIRS


def test_who_prefers_one_of_two_identical_pictures_is_named() -> None:
    found = report(lambda pair: Preferred(1.0, False))
    assert [canary.name for canary in found.canaries if not canary.passed] == [Canary.IDENTICAL]
    assert found.verdict is Verdict.USABLE


def test_who_is_swayed_by_flattery_is_named() -> None:
    found = report(lambda pair: Preferred(0.0, False) if pair.canary is Canary.FLATTERED else right(pair))
    assert [canary.name for canary in found.canaries if not canary.passed] == [Canary.FLATTERED]


def test_what_failed_is_no_preference() -> None:
    seen = [(pair, None if number % 3 == 0 else right(pair)) for number, pair in enumerate(SHOWN)]
    lost = FailureCount("judge", "refused", sum(said is None for _, said in seen), "no", "")
    found = measured_pairs(Subject("pairwise:1", "pairwise", 2 * PAIRS, 1), seen, [lost])
    assert found.right.estimate == 1.0
    assert found.verdict is Verdict.POOR
    assert found.failures == (lost,)
