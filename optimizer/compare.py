"""The claim: arms compared on the same prompts and seeds, in pairs, with intervals. Pure functions from trials to a report.

A prompt with an unscored trial in either arm drops out of both sides of that comparison, and the drop rate is reported. Nothing here picks
a winner: what is compared was chosen before, on other prompts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Self

from data.identity import derived_seed
from data.records import SystemPrompt, Trial
from optimizer.rewrites import (
    LengthChange,
    LengthUnit,
    PerPrompt,
    drift_change,
    drifts,
    length,
    length_change,
    length_unit,
    lengths,
)
from optimizer.stats import CONFIDENCE, Interval, bootstrap_mean, holm, sign_flip_p
from reasoner.intent import DriftKind, drift_kind

CLAIM_LEVEL = 0.05
"""A difference is claimed when its interval excludes 0 and its Holm-adjusted p-value is at most this."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison: a system prompt under a name that people read (``none``, ``plain``, ``general``, ``best``)."""

    name: str
    system_prompt: SystemPrompt


@dataclass(frozen=True, slots=True)
class ArmResult:
    """How one arm did: its mean score over prompts with interval, and what was lost.

    ``words`` and ``length``, the latter in the comparison's unit, are the mean lengths of its rewrites. ``drift_rate`` is the share of them
    that lost something of the user's intent, ``drift`` the same by kind.
    """

    name: str
    system_prompt_id: str
    mean: Interval | None
    prompts: int
    trials: int
    failed: int
    words: float
    length: float
    drift_rate: float
    drift: Mapping[DriftKind, float]

    @property
    def drop_rate(self) -> float:
        """The share of trials that could not be scored."""
        return self.failed / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """``arm`` minus ``reference``, paired by prompt and seed, over the prompts scored in both; ``p_value`` is Holm-adjusted.

    ``length`` and ``drift`` say what else is different about its rewrites, and are no part of the claim.
    """

    arm: str
    reference: str
    interval: Interval
    p_value: float
    prompts: int
    claimed: bool
    length: LengthChange | None = None
    drift: Mapping[DriftKind, Interval] = field(default_factory=dict[DriftKind, Interval])


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole report. ``to_reference`` compares every arm with the reference, ``to_best`` the best arm with every other.

    ``same`` is the A/A control: the best arm against itself with fresh rewrites and seeds, by the same procedure. It should claim nothing.
    """

    reference: str
    arms: tuple[ArmResult, ...]
    to_reference: tuple[Difference, ...]
    to_best: tuple[Difference, ...]
    same: Difference | None
    confidence: float = CONFIDENCE
    length_unit: LengthUnit = LengthUnit.WORDS

    @property
    def claims(self) -> tuple[Difference, ...]:
        """The gains of the best arm that may be claimed."""
        return tuple(difference for difference in self.to_best if difference.claimed and difference.interval.estimate > 0)


@dataclass(frozen=True, slots=True)
class Side:
    """What an arm's trials come to, prompt by prompt. ``scores``: of the prompts all of whose trials were scored."""

    scores: PerPrompt
    lengths: PerPrompt
    drifts: Mapping[DriftKind, PerPrompt]

    @classmethod
    def of(cls, trials: Sequence[Trial], unit: LengthUnit) -> Self:
        return cls(prompt_scores(trials), lengths(trials, unit), drifts(trials))


def prompt_scores(trials: Sequence[Trial]) -> PerPrompt:
    """One score per prompt: the mean over its samples and seeds. A prompt with an unscored trial is left out."""
    scores: dict[str, list[float | None]] = defaultdict(list)
    for trial in trials:
        scores[trial.request.prompt.id].append(trial.score)
    return {prompt: _mean(values) for prompt, values in sorted(scores.items()) if None not in values}


def _mean(values: Sequence[float | None]) -> float:
    present = [value for value in values if value is not None]
    return sum(present) / len(present)


def difference(arm: str, reference: str, ours: Side, theirs: Side, *, seed: int) -> Difference | None:
    """The paired difference over common prompts, with a raw p-value; None where no prompt is common."""
    gains = {prompt: ours.scores[prompt] - theirs.scores[prompt] for prompt in sorted(ours.scores.keys() & theirs.scores.keys())}
    if not gains:
        return None
    name_seed = derived_seed(seed, arm, reference)
    interval = bootstrap_mean(list(gains.values()), seed=name_seed)
    p_value = sign_flip_p(list(gains.values()), seed=name_seed)
    return Difference(
        arm,
        reference,
        interval,
        p_value,
        len(gains),
        _claims(interval, p_value),
        length_change(ours.lengths, theirs.lengths, gains, seed=derived_seed(name_seed, "length")),
        drift_change(ours.drifts, theirs.drifts, seed=derived_seed(name_seed, "drift")),
    )


def _claims(interval: Interval, p_value: float) -> bool:
    return interval.excludes_zero and p_value <= CLAIM_LEVEL


def adjusted(differences: Sequence[Difference | None]) -> tuple[Difference, ...]:
    """The differences that are reported together, with Holm-adjusted p-values and the claims that survive them."""
    present = [entry for entry in differences if entry is not None]
    p_values = holm([entry.p_value for entry in present])
    return tuple(
        replace(entry, p_value=p_value, claimed=_claims(entry.interval, p_value)) for entry, p_value in zip(present, p_values, strict=True)
    )


def arm_result(arm: Arm, trials: Sequence[Trial], unit: LengthUnit, *, seed: int) -> ArmResult:
    """One arm's own figures."""
    scores = prompt_scores(trials)
    rewrites = [trial.rewrite for trial in trials if trial.rewrite is not None]
    kinds = [{drift_kind(note) for note in rewrite.drift} for rewrite in rewrites]
    return ArmResult(
        name=arm.name,
        system_prompt_id=arm.system_prompt.id,
        mean=bootstrap_mean(list(scores.values()), seed=derived_seed(seed, arm.name)) if scores else None,
        prompts=len(scores),
        trials=len(trials),
        failed=sum(trial.score is None for trial in trials),
        words=_share([length(rewrite, LengthUnit.WORDS) for rewrite in rewrites]),
        length=_share([length(rewrite, unit) for rewrite in rewrites]),
        drift_rate=_share([bool(rewrite.drift) for rewrite in rewrites]),
        drift={kind: _share([kind in found for found in kinds]) for kind in DriftKind},
    )


def _share(values: Sequence[float]) -> float:
    """The mean; 0 where there is nothing to take it of."""
    return sum(values) / len(values) if values else 0.0


def compare(
    arms: Sequence[Arm], trials: Mapping[str, Sequence[Trial]], *, best: str, reference: str, again: Sequence[Trial] = (), seed: int
) -> Comparison:
    """The report on ``arms`` from their ``trials`` by arm name; ``again`` are the best arm's trials repeated for the A/A control."""
    unit = length_unit([*chain.from_iterable(trials[arm.name] for arm in arms), *again])
    sides = {arm.name: Side.of(trials[arm.name], unit) for arm in arms}
    others = [arm.name for arm in arms if arm.name != best]
    return Comparison(
        reference=reference,
        arms=tuple(arm_result(arm, trials[arm.name], unit, seed=seed) for arm in arms),
        to_reference=adjusted(
            [difference(arm.name, reference, sides[arm.name], sides[reference], seed=seed) for arm in arms if arm.name != reference]
        ),
        to_best=adjusted([difference(best, other, sides[best], sides[other], seed=seed) for other in others]),
        same=difference(best, f"{best} again", sides[best], Side.of(again, unit), seed=seed),
        length_unit=unit,
    )


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """The report as documented in docs/json.md: figures rounded to six decimals, in the order of the arms."""
    to_reference = {entry.arm: entry for entry in comparison.to_reference}
    return {
        "confidence": comparison.confidence,
        "reference": comparison.reference,
        "arms": [_arm_to_json(arm, to_reference.get(arm.name)) for arm in comparison.arms],
        "best_against": [_difference_to_json(entry) for entry in comparison.to_best],
        "same_against_itself": None if comparison.same is None else _difference_to_json(comparison.same),
        "claims": [entry.reference for entry in comparison.claims],
        "length_unit": comparison.length_unit.value,
    }


def _arm_to_json(arm: ArmResult, to_reference: Difference | None) -> dict[str, Any]:
    return {
        "name": arm.name,
        "system_prompt": arm.system_prompt_id,
        "mean": None if arm.mean is None else interval_to_json(arm.mean),
        "difference_to_reference": None if to_reference is None else _difference_to_json(to_reference),
        "prompts": arm.prompts,
        "trials": arm.trials,
        "failed": arm.failed,
        "drop_rate": round(arm.drop_rate, 6),
        "mean_words": round(arm.words, 6),
        "drift_rate": round(arm.drift_rate, 6),
        "mean_length": round(arm.length, 6),
        "drift": {kind.value: round(rate, 6) for kind, rate in arm.drift.items()},
    }


def _difference_to_json(entry: Difference) -> dict[str, Any]:
    return {
        "arm": entry.arm,
        "reference": entry.reference,
        **interval_to_json(entry.interval),
        "p_value": round(entry.p_value, 6),
        "prompts": entry.prompts,
        "claimed": entry.claimed,
        "length": None if entry.length is None else _length_to_json(entry.length),
        "drift": {kind.value: interval_to_json(interval) for kind, interval in entry.drift.items()},
    }


def _length_to_json(change: LengthChange) -> dict[str, Any]:
    return {**interval_to_json(change.interval), "slope": None if change.slope is None else interval_to_json(change.slope)}


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """An interval with its figures rounded."""
    return {
        "estimate": round(interval.estimate, 6),
        "low": None if interval.low is None else round(interval.low, 6),
        "high": None if interval.high is None else round(interval.high, 6),
    }
