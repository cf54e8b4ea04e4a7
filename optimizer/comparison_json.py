"""A comparison as JSON, as docs/json.md has it: figures rounded to six decimals, in the order of the arms. Nothing is computed here."""

from collections.abc import Mapping
from typing import Any

from optimizer.compare import ArmResult, CategoryGain, Comparison, Difference, Transfer
from optimizer.costs import Cost
from optimizer.rewrites import LengthChange
from optimizer.stats import Interval


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """The whole report but for seconds, which no two runs have in common."""
    to_reference = {entry.arm: entry for entry in comparison.to_reference}
    return {
        "confidence": comparison.confidence,
        "reference": comparison.reference,
        "arms": [_arm_to_json(arm, to_reference.get(arm.name)) for arm in comparison.arms],
        "best_against": [_difference_to_json(entry) for entry in comparison.to_best],
        "same_against_itself": None if comparison.same is None else _difference_to_json(comparison.same),
        "claims": [entry.reference for entry in comparison.claims],
        "length_unit": comparison.length_unit.value,
        "categories": [_category_to_json(entry) for entry in comparison.categories],
        "transfers": [_transfer_to_json(entry) for entry in comparison.transfers],
    }


def seconds_to_json(comparison: Comparison) -> dict[str, Any]:
    """How long a rewrite took: each arm's mean, and the best arm's difference to each other."""
    return {
        "arms": {arm.name: round(arm.cost[Cost.SECONDS], 6) for arm in comparison.arms if Cost.SECONDS in arm.cost},
        "best_against": {
            entry.reference: interval_to_json(entry.cost[Cost.SECONDS]) for entry in comparison.to_best if Cost.SECONDS in entry.cost
        },
    }


def _category_to_json(entry: CategoryGain) -> dict[str, Any]:
    return {"name": entry.name, "prompts": entry.prompts, "own": round(entry.own, 6), **interval_to_json(entry.interval)}


def _transfer_to_json(entry: Transfer) -> dict[str, Any]:
    return {
        "exchanged": entry.exchanged.value,
        "arms": [_arm_to_json(entry.reference, None), _arm_to_json(entry.best, None)],
        "difference": None if entry.difference is None else _difference_to_json(entry.difference),
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
        "cost": _kept({cost: round(value, 6) for cost, value in arm.cost.items()}),
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
        "cost": _kept({cost: interval_to_json(interval) for cost, interval in entry.cost.items()}),
    }


def _kept(by_cost: Mapping[Cost, Any]) -> dict[str, Any]:
    """Without seconds: they are kept beside what else a clock says of a run."""
    return {cost.value: value for cost, value in by_cost.items() if cost is not Cost.SECONDS}


def _length_to_json(change: LengthChange) -> dict[str, Any]:
    return {**interval_to_json(change.interval), "slope": None if change.slope is None else interval_to_json(change.slope)}


def interval_to_json(interval: Interval) -> dict[str, Any]:
    """An interval with its figures rounded."""
    return {
        "estimate": round(interval.estimate, 6),
        "low": None if interval.low is None else round(interval.low, 6),
        "high": None if interval.high is None else round(interval.high, 6),
    }
