"""What stands beside a claim, in sentences for terminal and pages: whether rewrites only got longer, what they lost, what the monitors say.

Read from the comparison and the monitors as the ledger keeps them (docs/json.md). Runs of earlier versions kept less: of what they lack,
there is no sentence.
"""

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]

DRIFTS = {"quote": "quoted words", "number": "a number", "negation": "a “no”", "other": "something else"}
"""What a rewrite lost, by kind of drift."""


def length_words(comparison: Record) -> str:
    """How much longer the best arm's rewrites are than the reference's, and whether that goes with the gain; "" where it is not known."""
    entry = _to_reference(comparison)
    change = None if entry is None else entry.get("length")
    if entry is None or change is None:
        return ""
    unit = comparison["length_unit"]
    how, sign = ("longer", 1) if change["estimate"] >= 0 else ("shorter", -1)
    by = f"{abs(change['estimate']):.1f} {unit} {how}"
    said = f"{entry['arm']}'s rewrites are {by} than {entry['reference']}'s{_numbers(change, sign, '.1f')}"
    slope = change["slope"]
    if slope is None:
        return f"{said}."
    gain = f"10 {unit} more go with {slope['estimate']:+.3f}{_numbers(slope, 1, '+.3f')} of gain"
    return f"{said}; from prompt to prompt, {gain}: {_slope_words(slope)}."


def _slope_words(slope: Record) -> str:
    if slope["low"] > 0:
        return "part of it may be mere length"
    return "longer gains less" if slope["high"] < 0 else "no sign that length alone explains it"


def drift_words(comparison: Record) -> str:
    """Which share of each arm's rewrites lost something, and what; "" where none did, or it is not known by kind."""
    arms = [arm for arm in comparison["arms"] if any(arm.get("drift", {}).values())]
    if not arms:
        return ""
    said = "; ".join(f"{arm['name']} {_share(arm['drift_rate'])} ({_kinds(arm['drift'])})" for arm in arms)
    return f"Rewrites that lost something the user said: {said}{_drift_changes(_to_reference(comparison))}."


def _drift_changes(entry: Record | None) -> str:
    """The kinds of drift in which the best arm differs from the reference."""
    if entry is None:
        return ""
    changes: Record = entry["drift"]
    told = [f"{DRIFTS[kind]} {_percents(change)}" for kind, change in changes.items() if _tells(change)]
    return f". {entry['arm']} minus {entry['reference']}: {', '.join(told)}" if told else ""


def _kinds(drift: Record) -> str:
    return ", ".join(f"{DRIFTS[kind]} {_share(rate)}" for kind, rate in drift.items() if rate)


def judge_words(judge: Record | None) -> list[str]:
    """What to beware of with the judge; nothing with one that is known to be good, or where it was never asked."""
    return [] if judge is None else [f"Judge: {warning}." for warning in judge["warnings"]]


def monitor_words(monitors: Record) -> str:
    """All measures in one sentence."""
    measures = [
        measure
        for measure in monitors["measures"]
        if measure["name"] not in ("refusals", "other failures") or any(measure["means"].values())
    ]
    missing = f" {monitors['missing']} picture files are missing or damaged, and were left out." if monitors["missing"] else ""
    if not measures:
        return f"Monitors: there was nothing to measure.{missing}"
    parts = ", ".join(_measure_words(measure) for measure in measures)
    return f"Monitors, best against the raw prompt: {parts}.{missing}"


def _measure_words(measure: Record) -> str:
    name, change = measure["name"], measure["change"]
    if change is None:
        return f"{name} {measure['means']['best']:.2f} (no other arm has several pictures of a prompt)"
    against = "" if measure["against"] == "none" else f" against {measure['against']}"
    return f"{name} {_percents(change)}{against}"


def _to_reference(comparison: Record) -> Record | None:
    """The best arm's difference to the reference; None where it is the reference itself, or nothing could be compared."""
    texts = {arm["name"]: arm["system_prompt"] for arm in comparison["arms"]}
    entry = next((entry for entry in comparison["best_against"] if entry["reference"] == comparison["reference"]), None)
    return None if entry is None or texts[entry["arm"]] == texts[entry["reference"]] else entry


def _tells(change: Record) -> bool:
    return change["low"] is not None and (change["low"] > 0 or change["high"] < 0)


def _share(rate: float) -> str:
    return f"{rate:.1%}"


def _percents(change: Record) -> str:
    bounds = "" if change["low"] is None else f" [{change['low']:+.1%}, {change['high']:+.1%}]"
    return f"{change['estimate']:+.1%}{bounds}"


def _numbers(change: Record, sign: int, form: str) -> str:
    """The bounds in brackets; turned around where the sentence has turned the sign around."""
    if change["low"] is None:
        return ""
    low, high = sorted((sign * change["low"], sign * change["high"]))
    return f" [{low:{form}}, {high:{form}}]"
