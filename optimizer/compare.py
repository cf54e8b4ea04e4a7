"""The claim: arms compared on the same prompts and seeds, in pairs, with intervals. Pure functions from trials to a report.

A prompt with an unscored trial in either arm drops out of both sides of that comparison, and the drop rate is reported. Nothing here picks
a winner: what is compared was chosen before, on other prompts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import Self

from data.identity import derived_seed
from data.records import SystemPrompt, Trial
from optimizer.categories import pooled
from optimizer.costs import Cost, Costs, cost_change, costs, mean_costs
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
    that lost something of the user's intent, ``drift`` the same by kind. ``cost``: what a rewrite takes, as far as that is known.
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
    cost: Mapping[Cost, float] = field(default_factory=dict[Cost, float], compare=False)

    @property
    def drop_rate(self) -> float:
        """The share of trials that could not be scored."""
        return self.failed / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """``arm`` minus ``reference``, paired by prompt and seed, over the prompts scored in both; ``p_value`` is Holm-adjusted.

    ``length``, ``drift`` and ``cost`` say what else is different about its rewrites, and are no part of the claim.
    """

    arm: str
    reference: str
    interval: Interval
    p_value: float
    prompts: int
    claimed: bool
    length: LengthChange | None = None
    drift: Mapping[DriftKind, Interval] = field(default_factory=dict[DriftKind, Interval])
    cost: Mapping[Cost, Interval] = field(default_factory=dict[Cost, Interval], compare=False)


@dataclass(frozen=True, slots=True)
class CategoryGain:
    """The best arm less the reference on the ``prompts`` of one category: its ``own`` mean, and the ``interval`` that is partially pooled
    with the other categories (categories.py). Shown, and never claimed."""

    name: str
    own: float
    interval: Interval
    prompts: int


class Exchanged(StrEnum):
    """Which engine is replaced by one that the search never used, to see whether a gain transfers."""

    JUDGE = "judge"
    """The same pictures before another judge."""
    GENERATOR = "generator"
    """The same rewrites drawn by another generator, before the run's own judge."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """The best arm and the reference once more, with one engine exchanged. ``difference`` is None where no prompt was scored in both.

    Its p-value is adjusted among the transfers, which are a family of their own.
    """

    exchanged: Exchanged
    best: ArmResult
    reference: ArmResult
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole report. ``to_reference`` compares every arm with the reference, ``to_best`` the best arm with every other; ``categories``
    and ``transfers`` are about the best arm and the reference.

    ``same`` is the A/A control: the best arm against itself with fresh rewrites and seeds, by the same procedure. It should claim nothing.
    """

    reference: str
    arms: tuple[ArmResult, ...]
    to_reference: tuple[Difference, ...]
    to_best: tuple[Difference, ...]
    same: Difference | None
    confidence: float = CONFIDENCE
    length_unit: LengthUnit = LengthUnit.WORDS
    categories: tuple[CategoryGain, ...] = ()
    transfers: tuple[Transfer, ...] = ()

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
    costs: Costs

    @classmethod
    def of(cls, trials: Sequence[Trial], unit: LengthUnit) -> Self:
        return cls(prompt_scores(trials), lengths(trials, unit), drifts(trials), costs(trials))


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
        cost_change(ours.costs, theirs.costs, seed=derived_seed(name_seed, "cost")),
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
        cost=mean_costs(costs(trials)),
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
    ids = {arm.name: arm.system_prompt.id for arm in arms}
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
        categories=_categories(trials[best], sides[best], sides[reference]) if ids[best] != ids[reference] else (),
    )


def _categories(trials: Sequence[Trial], ours: Side, theirs: Side) -> tuple[CategoryGain, ...]:
    """The gain by category, in the order of the alphabet; none where there is a single category, which says nothing new."""
    names = {trial.request.prompt.id: trial.request.prompt.category for trial in trials}
    gains: dict[str, list[float]] = defaultdict(list)
    for prompt in sorted(ours.scores.keys() & theirs.scores.keys()):
        gains[names[prompt]].append(ours.scores[prompt] - theirs.scores[prompt])
    if len(gains) < 2:
        return ()
    intervals = pooled(gains)
    return tuple(CategoryGain(name, _mean(gains[name]), intervals[name], len(gains[name])) for name in sorted(gains))


def transfer(exchanged: Exchanged, best: Arm, reference: Arm, trials: Mapping[str, Sequence[Trial]], *, seed: int) -> Transfer:
    """What the two arms' ``trials`` by arm name, made with an engine exchanged, come to; the p-value is raw."""
    arms = (best, reference)
    unit = length_unit(chain.from_iterable(trials[arm.name] for arm in arms))
    ours, theirs = (Side.of(trials[arm.name], unit) for arm in arms)
    name_seed = derived_seed(seed, "transfer", exchanged.value)
    our_result, their_result = (arm_result(arm, trials[arm.name], unit, seed=name_seed) for arm in arms)
    return Transfer(exchanged, our_result, their_result, difference(best.name, reference.name, ours, theirs, seed=name_seed))


def with_transfers(comparison: Comparison, transfers: Sequence[Transfer]) -> Comparison:
    """The report with the transfers in it, their p-values adjusted for being reported together."""
    told = iter(adjusted([entry.difference for entry in transfers]))
    settled = tuple(replace(entry, difference=next(told)) if entry.difference is not None else entry for entry in transfers)
    return replace(comparison, transfers=settled)
