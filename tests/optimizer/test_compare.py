"""A comparison is paired, drops what is unscored from both sides, and claims no more than it may."""

import json
from collections.abc import Sequence

import numpy as np

from data.errors import FailureKind, Stage
from data.records import Failure, Judgment, Prompt, Rewrite, SystemPrompt, Trial, TrialRequest
from optimizer.compare import Arm, compare, comparison_to_json, prompt_scores

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
    }
    assert record["same_against_itself"]["prompts"] == 3
