"""A comparison is paired, drops what is unscored from both sides, and claims no more than it may; length and drift stand beside it."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FailureKind, Stage
from data.records import Failure, Judgment, Prompt, Rewrite, SystemPrompt, Trial, TrialRequest
from data.usage import Usage
from optimizer.compare import Arm, Comparison, Difference, Exchanged, compare, prompt_scores, transfer, with_transfers
from optimizer.comparison_json import comparison_to_json, seconds_to_json
from optimizer.costs import Cost
from optimizer.rewrites import LengthUnit
from optimizer.slopes import bootstrap_slope
from optimizer.stats import Interval
from reasoner.intent import DriftKind, drift, drift_kind

ARMS = [Arm(name, SystemPrompt(name)) for name in ("none", "plain", "general", "best")]
LOST = Failure(Stage.GENERATE, FailureKind.TIMEOUT, "no answer")


def trials(arm: Arm, scores: Sequence[float | None]) -> list[Trial]:
    return [
        Trial(
            f"{arm.name} {number}",
            TrialRequest(arm.system_prompt, Prompt(f"prompt {number}"), 0, 0),
            rewrite=Rewrite("a b c"),
            judgment=None if score is None else Judgment(score),
            failure=LOST if score is None else None,
        )
        for number, score in enumerate(scores)
    ]


def report(scores: dict[str, Sequence[float | None]], again: Sequence[float | None] = ()):
    by_arm = {arm.name: trials(arm, scores[arm.name]) for arm in ARMS}
    return compare(ARMS, by_arm, best="best", reference="general", again=trials(ARMS[-1], again), seed=1)


def test_a_real_gain_is_claimed_and_an_equal_arm_is_not():
    generator = np.random.default_rng(0)
    base = generator.uniform(0.2, 0.6, 60)
    scores: dict[str, Sequence[float | None]] = {
        "none": base.tolist(),
        "plain": (base + 0.02).tolist(),
        "general": (base + 0.3 + generator.normal(0, 0.1, 60)).tolist(),
        "best": (base + 0.3 + generator.normal(0, 0.1, 60)).tolist(),
    }
    comparison = report(scores, again=scores["best"])
    claimed = {entry.reference: entry.claimed for entry in comparison.to_best}
    assert claimed == {"none": True, "plain": True, "general": False}
    assert [claim.reference for claim in comparison.claims] == ["none", "plain"]
    gain = next(entry for entry in comparison.to_best if entry.reference == "none")
    assert gain.interval.low is not None
    assert gain.interval.low > 0.25
    assert comparison.same is not None
    assert comparison.same.interval.estimate == 0.0
    assert not comparison.same.claimed


def test_a_loss_is_no_claim_of_a_gain():
    scores: dict[str, Sequence[float | None]] = {arm.name: [0.8 + 0.001 * n for n in range(30)] for arm in ARMS}
    scores["best"] = [0.3] * 30
    comparison = report(scores)
    assert comparison.claims == ()
    assert all(entry.claimed and entry.interval.estimate < 0 for entry in comparison.to_best)


def test_an_unscored_trial_drops_its_prompt_from_both_sides_and_is_counted():
    scores: dict[str, Sequence[float | None]] = {arm.name: [0.5] * 10 for arm in ARMS}
    scores["best"] = [None, None, *[0.7] * 8]
    comparison = report(scores)
    best = next(arm for arm in comparison.arms if arm.name == "best")
    assert (best.prompts, best.trials, best.failed, best.drop_rate) == (8, 10, 2, 0.2)
    assert best.mean is not None
    assert abs(best.mean.estimate - 0.7) < 1e-9  # Not 0.56: a failure is not a zero.
    assert all(entry.prompts == 8 and abs(entry.interval.estimate - 0.2) < 1e-9 for entry in comparison.to_best)


def test_a_prompt_with_one_lost_seed_is_left_out():
    request = TrialRequest(ARMS[0].system_prompt, Prompt("x"), 0, 0)
    both = [Trial("a", request, judgment=Judgment(1.0)), Trial("b", request, failure=LOST)]
    assert prompt_scores(both) == {}
    assert list(prompt_scores([both[0], Trial("c", request, judgment=Judgment(0.0))]).values()) == [0.5]


def test_nothing_in_common_is_no_difference():
    scores: dict[str, Sequence[float | None]] = {arm.name: [0.5, None] for arm in ARMS}
    scores["best"] = [None, 0.5]
    comparison = report(scores)
    assert comparison.to_best == ()
    assert comparison.claims == ()


def test_the_report_as_json_is_complete_and_plain():
    record = comparison_to_json(report({arm.name: [0.1, 0.2, 0.4] for arm in ARMS}, again=[0.1, 0.2, 0.3]))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [arm["name"] for arm in record["arms"]] == ["none", "plain", "general", "best"]
    assert record["arms"][2]["difference_to_reference"] is None
    assert set(record["arms"][0]["difference_to_reference"]) == {
        "arm",
        "reference",
        "estimate",
        "low",
        "high",
        "p_value",
        "prompts",
        "claimed",
        "length",
        "drift",
        "cost",
    }
    assert record["arms"][0]["cost"] == {"tokens": 0.0, "dollars": 0.0}  # No seconds: no two runs have them in common.
    assert record["categories"] == record["transfers"] == []
    assert record["length_unit"] == "words"
    assert record["arms"][0]["drift"] == {"quote": 0.0, "number": 0.0, "negation": 0.0, "other": 0.0}
    assert record["best_against"][0]["length"] == {"estimate": 0.0, "low": 0.0, "high": 0.0, "slope": None}
    assert record["same_against_itself"]["prompts"] == 3


# -- length and its slope


def rewritten(arm: Arm, rewrites: Sequence[Rewrite | None], scores: Sequence[float]) -> list[Trial]:
    return [
        replace(trial, rewrite=rewrite, judgment=None if rewrite is None else trial.judgment)
        for trial, rewrite in zip(trials(arm, scores), rewrites, strict=True)
    ]


def lengthened(gain_per_word: float, *, tokens: bool = False, prompts: int = 80) -> Comparison:
    """The best arm's rewrites are longer by 0 to 60 words, and its score higher by so much per word, with some noise."""
    generator = np.random.default_rng(3)
    extra = generator.integers(0, 61, prompts)
    base = generator.uniform(0.2, 0.4, prompts)
    scores = base + 0.1 + gain_per_word * extra + generator.normal(0, 0.02, prompts)

    def text(words: int) -> Rewrite:
        return Rewrite("word " * words, tokens=2 * words if tokens else None)

    arms = {arm.name: rewritten(arm, [text(20)] * prompts, base.tolist()) for arm in ARMS[:3]}
    best = rewritten(ARMS[3], [text(20 + int(more)) for more in extra], scores.tolist())
    return compare(ARMS, {**arms, "best": best}, best="best", reference="general", seed=1)


def to_general(comparison: Comparison) -> Difference:
    return next(entry for entry in comparison.to_best if entry.reference == "general")


def test_a_gain_that_comes_with_length_has_a_slope():
    length = to_general(lengthened(0.005)).length
    assert length is not None
    assert 25 < length.interval.estimate < 35
    assert length.slope is not None
    assert length.slope.low is not None
    assert 0.045 < length.slope.low < 0.05 < (length.slope.high or 0) < 0.055  # Per ten words.


def test_a_gain_that_is_the_same_for_short_and_long_has_none():
    gained = to_general(lengthened(0.0))
    assert gained.claimed
    assert gained.length is not None
    assert gained.length.slope is not None
    assert not gained.length.slope.excludes_zero


def test_length_is_in_tokens_only_where_all_are_counted():
    counted = lengthened(0.0, tokens=True)
    assert counted.length_unit is LengthUnit.TOKENS
    general, best = counted.arms[2], counted.arms[3]
    assert (general.length, general.words) == (40.0, 20.0)
    assert best.length == 2 * best.words
    mixed = [Rewrite("a b", tokens=3), Rewrite("a b c")]
    arms = {arm.name: rewritten(arm, mixed, [0.5, 0.5]) for arm in ARMS}
    comparison = compare(ARMS, arms, best="best", reference="general", seed=1)
    assert comparison.length_unit is LengthUnit.WORDS
    assert comparison.arms[0].length == comparison.arms[0].words == 2.5


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-1, 1)), min_size=3, max_size=12, unique_by=lambda point: round(point[0], 3)),
    st.floats(-100, 100),
    st.floats(0.5, 4),
)
def test_a_slope_is_that_of_least_squares_wherever_the_origin_lies(points: list[tuple[float, float]], shift: float, scale: float):
    xs, ys = [x for x, _ in points], [y for _, y in points]
    found = bootstrap_slope(xs, ys, seed=1, resamples=200)
    assert found is not None
    assert found.estimate == pytest.approx(np.polyfit(xs, ys, 1)[0], rel=1e-6, abs=1e-9)
    moved = bootstrap_slope([scale * x + shift for x in xs], ys, seed=1, resamples=200)
    assert moved is not None
    assert moved.estimate * scale == pytest.approx(found.estimate, rel=1e-6, abs=1e-9)


def test_few_prompts_drawn_often_give_no_slope_out_of_rounding():
    found = bootstrap_slope([0.1, 0.2, 0.3], [0.7, 0.3, 0.1], seed=1)
    assert found is not None
    assert -4.01 < (found.low or 0) < found.estimate < (found.high or 0) < -1.99


def test_a_slope_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for number in range(200):
        x = generator.normal(3, 1, 25)
        y = 0.3 * x + generator.normal(0, 0.5, 25) * (1 + np.abs(x - 3))
        found = bootstrap_slope(x.tolist(), y.tolist(), seed=number, resamples=1000)
        assert found is not None
        covered += (found.low or 0) <= 0.3 <= (found.high or 0)
    assert 175 <= covered <= 199


def test_where_nothing_is_to_be_told_there_is_no_slope():
    assert bootstrap_slope([1.0, 2.0], [0.1, 0.2], seed=1) is None
    assert bootstrap_slope([2.0, 2.0, 2.0], [0.1, 0.2, 0.3], seed=1) is None
    with pytest.raises(ValueError, match="2 x for 1 y"):
        bootstrap_slope([1.0, 2.0], [0.1], seed=1)


# -- drift by kind


@pytest.mark.parametrize(
    ("user", "rewrite", "kind"),
    [
        ('a sign that says "OPEN"', "a sign over a door", DriftKind.QUOTE),
        ('a sign that says "OPEN"', "a sign that says open", DriftKind.QUOTE),
        ("7 cats", "some cats", DriftKind.NUMBER),
        ("a street, no cars", "a street with cars", DriftKind.NEGATION),
    ],
)
def test_each_note_of_drift_has_its_kind(user: str, rewrite: str, kind: DriftKind):
    assert {drift_kind(note) for note in drift(user, rewrite)} == {kind}
    assert drift_kind("the mood is another") is DriftKind.OTHER


def test_drift_is_compared_by_kind_over_the_prompts_that_both_rewrote():
    kept, lost = Rewrite("a b"), Rewrite("a b", drift=("the number 7 is gone", "the number 2 is gone"))
    arms = {arm.name: rewritten(arm, [kept] * 10, [0.5] * 10) for arm in ARMS}
    arms["best"] = rewritten(ARMS[3], [None, None, *[lost] * 4, *[kept] * 4], [0.5] * 10)
    comparison = compare(ARMS, arms, best="best", reference="general", seed=1)
    assert comparison.arms[3].drift[DriftKind.NUMBER] == 0.5
    assert comparison.arms[3].drift_rate == 0.5
    change = to_general(comparison).drift
    assert change[DriftKind.NUMBER].estimate == 0.5
    assert change[DriftKind.NUMBER].excludes_zero
    assert change[DriftKind.QUOTE].estimate == 0.0


# -- categories and costs


def test_the_gain_by_category_adds_up_to_all_prompts_and_claims_nothing():
    kinds = ["count"] * 30 + ["text"] * 12 + ["place"] * 4
    arms = {arm.name: [categorized(trial, kind) for trial, kind in zip(trials(arm, [0.5] * 46), kinds, strict=True)] for arm in ARMS}
    gains = [0.2 + 0.01 * (number % 3) for number in range(30)] + [0.0] * 16
    best = trials(ARMS[3], [0.5 + gain for gain in gains])
    arms["best"] = [categorized(trial, kind) for trial, kind in zip(best, kinds, strict=True)]
    categories = compare(ARMS, arms, best="best", reference="general", seed=1).categories
    assert [(entry.name, entry.prompts) for entry in categories] == [("count", 30), ("place", 4), ("text", 12)]
    assert categories[0].own == pytest.approx(0.21)
    assert 0.19 < categories[0].interval.estimate < 0.21
    assert sum(entry.own * entry.prompts for entry in categories) == pytest.approx(sum(gains))


def categorized(trial: Trial, category: str) -> Trial:
    return replace(trial, request=replace(trial.request, prompt=replace(trial.request.prompt, category=category)))


def test_one_category_or_the_reference_itself_has_no_table():
    assert report({arm.name: [0.1, 0.5] for arm in ARMS}).categories == ()
    general = [Arm("general", SystemPrompt("general")), Arm("best", SystemPrompt("general"))]
    both = [categorized(trial, kind) for trial, kind in zip(trials(general[0], [0.1, 0.5]), ("a", "b"), strict=True)]
    assert compare(general, {"general": both, "best": both}, best="best", reference="general", seed=1).categories == ()


def used(tokens: int, cost: float | None, seconds: float) -> Rewrite:
    return Rewrite("a b", usage=Usage(tokens, 10, cost), latency=seconds)


def test_costs_are_compared_by_prompt_as_far_as_prices_are_known():
    arms = {arm.name: rewritten(arm, [used(90, 0.001, 1.0)] * 10, [0.5] * 10) for arm in ARMS}
    arms["plain"] = rewritten(ARMS[1], [*[used(90, 0.001, 1.0)] * 9, used(90, None, 1.0)], [0.5] * 10)
    arms["best"] = rewritten(ARMS[3], [*[used(190, 0.004, 1.5)] * 9, None], [0.5] * 10)
    comparison = compare(ARMS, arms, best="best", reference="general", seed=1)
    change = to_general(comparison).cost
    assert change[Cost.TOKENS] == Interval(100.0, 100.0, 100.0)
    assert change[Cost.DOLLARS].estimate == pytest.approx(0.003)
    assert change[Cost.SECONDS].estimate == pytest.approx(0.5)
    plain = next(entry for entry in comparison.to_best if entry.reference == "plain")
    assert set(plain.cost) == {Cost.TOKENS, Cost.SECONDS}
    assert "dollars" not in comparison_to_json(comparison)["best_against"][1]["cost"]
    assert seconds_to_json(comparison)["best_against"]["general"] == {"estimate": 0.5, "low": 0.5, "high": 0.5}


def test_what_a_rewrite_took_is_no_part_of_what_a_comparison_is():
    slow, fast = ({arm.name: rewritten(arm, [used(90, 0.001, s)] * 5, [0.5] * 5) for arm in ARMS} for s in (9.0, 1.0))
    reports = [compare(ARMS, arms, best="best", reference="general", seed=1) for arms in (slow, fast)]
    assert reports[0] == reports[1]
    assert comparison_to_json(reports[0]) == comparison_to_json(reports[1])


# -- transfers


def test_transfers_are_a_family_of_their_own():
    generator = np.random.default_rng(2)
    base = generator.uniform(0.2, 0.5, 40)
    better = {"general": trials(ARMS[2], base.tolist()), "best": trials(ARMS[3], (base + generator.normal(0.06, 0.15, 40)).tolist())}
    same = {"general": trials(ARMS[2], base.tolist()), "best": trials(ARMS[3], (base + generator.normal(0, 0.15, 40)).tolist())}
    lost = {"general": trials(ARMS[2], [None, 0.5]), "best": trials(ARMS[3], [0.5, None])}
    told = [
        transfer(Exchanged.JUDGE, ARMS[3], ARMS[2], better, seed=1),
        transfer(Exchanged.GENERATOR, ARMS[3], ARMS[2], same, seed=1),
        transfer(Exchanged.GENERATOR, ARMS[3], ARMS[2], lost, seed=1),
    ]
    report_ = report({arm.name: [0.1, 0.5] for arm in ARMS})
    settled = with_transfers(report_, told)
    assert settled.to_best == report_.to_best
    first, second, third = settled.transfers
    assert first.difference is not None
    assert told[0].difference is not None
    assert first.difference.p_value == pytest.approx(2 * told[0].difference.p_value)
    assert second.difference is not None
    assert third.difference is None
    assert third.best.failed == third.reference.failed == 1
    record = comparison_to_json(settled)["transfers"]
    assert [entry["exchanged"] for entry in record] == ["judge", "generator", "generator"]
    assert record[2]["difference"] is None
