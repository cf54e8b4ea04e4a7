"""What the rewrites of two arms differ in, beside the score: their length, and what of the user's intent they lost. By prompt, in pairs.

Longer rewrites often score better, whatever they say. So the length stands beside every difference, with its slope: whether the prompts
whose rewrites grew more are those that gained more. Nothing here is an objective, and nothing here looks at a picture.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from data.records import Rewrite, Trial
from optimizer.slopes import bootstrap_slope
from optimizer.stats import Interval, bootstrap_mean
from reasoner.intent import DriftKind, drift_kind

SLOPE_OVER = 10
"""Units of length that a slope is given for: about what one more clause takes."""

PerPrompt = Mapping[str, float]
"""A figure by prompt id."""


class LengthUnit(StrEnum):
    """What a rewrite's length is counted in."""

    TOKENS = "tokens"
    """Those of the generator's own tokenizer."""
    WORDS = "words"
    """Where the generator has no limit, or one that it does not tell."""


@dataclass(frozen=True, slots=True)
class LengthChange:
    """How much longer an arm's rewrites are than another's, as the mean over prompts, in units of length.

    ``slope``: by how much the difference in score is higher, from prompt to prompt, where that in length is higher by SLOPE_OVER units.
    Above 0, it may only have got longer. None where it can't be told: too few prompts, or all rewrites longer by the same.
    """

    interval: Interval
    slope: Interval | None


def length_unit(trials: Iterable[Trial]) -> LengthUnit:
    """Tokens where every rewrite has been counted in them, else words: arms are compared in one unit."""
    rewrites = [trial.rewrite for trial in trials if trial.rewrite is not None]
    return LengthUnit.TOKENS if rewrites and all(rewrite.tokens is not None for rewrite in rewrites) else LengthUnit.WORDS


def length(rewrite: Rewrite, unit: LengthUnit) -> float:
    """A rewrite's length; its tokens have to be known where it is counted in them."""
    if unit is LengthUnit.WORDS:
        return len(rewrite.text.split())
    assert rewrite.tokens is not None, "length_unit said that tokens are known"
    return rewrite.tokens


def lengths(trials: Sequence[Trial], unit: LengthUnit) -> PerPrompt:
    """The mean length of each prompt's rewrites."""
    return means_by_prompt((trial.request.prompt.id, length(trial.rewrite, unit)) for trial in trials if trial.rewrite is not None)


def drifts(trials: Sequence[Trial]) -> Mapping[DriftKind, PerPrompt]:
    """The share of each prompt's rewrites that drifted, by kind."""
    noted = [(trial.request.prompt.id, set(map(drift_kind, trial.rewrite.drift))) for trial in trials if trial.rewrite is not None]
    return {kind: means_by_prompt((prompt, float(kind in kinds)) for prompt, kinds in noted) for kind in DriftKind}


def length_change(ours: PerPrompt, theirs: PerPrompt, gains: PerPrompt, *, seed: int) -> LengthChange | None:
    """The change in length over the prompts of ``gains``, the differences in score; None where there are none of them."""
    common = sorted(gains.keys() & ours.keys() & theirs.keys())
    if not common:
        return None
    changes = [ours[prompt] - theirs[prompt] for prompt in common]
    slope = bootstrap_slope([change / SLOPE_OVER for change in changes], [gains[prompt] for prompt in common], seed=seed)
    return LengthChange(bootstrap_mean(changes, seed=seed), slope)


def drift_change(ours: Mapping[DriftKind, PerPrompt], theirs: Mapping[DriftKind, PerPrompt], *, seed: int) -> Mapping[DriftKind, Interval]:
    """The paired difference in each kind of drift, over the prompts that both have rewritten; empty where there are none."""
    changes = {
        kind: [ours[kind][prompt] - theirs[kind][prompt] for prompt in sorted(ours[kind].keys() & theirs[kind].keys())]
        for kind in DriftKind
    }
    return {kind: bootstrap_mean(values, seed=seed) for kind, values in changes.items() if values}


def means_by_prompt(values: Iterable[tuple[str, float]]) -> PerPrompt:
    """The mean of each prompt's values, given as (prompt id, value)."""
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for prompt, value in values:
        by_prompt[prompt].append(value)
    return {prompt: sum(found) / len(found) for prompt, found in sorted(by_prompt.items())}
