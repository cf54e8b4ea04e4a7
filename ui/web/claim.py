"""The claim of a finished run: its comparison (docs/json.md) as a sentence and a table with dots and whiskers; what stands beside it."""

import math
from collections.abc import Mapping
from typing import Any

from ui.beside import drift_words, length_words, monitor_words
from ui.web.markup import box, escaped, signed

Interval = Mapping[str, Any]
UNMEASURED = "Saturation, contrast, sharpness and diversity are not measured yet: `phoropter show` of this run does that."
ARM_WORDS = {
    "none": "the raw prompt, not rewritten",
    "plain": "“describe it in more detail”",
    "general": "the shipped system prompt",
    "best": "what this run found",
}


def headline(comparison: Mapping[str, Any]) -> str:
    """What may be said, in a sentence of plain text."""
    against = {entry["reference"]: entry for entry in comparison["best_against"]}
    entry = against.get(comparison["reference"]) or next(iter(against.values()), None)
    if entry is None:
        return "Nothing could be compared: no prompt was scored in both arms."
    texts = {arm["name"]: arm["system_prompt"] for arm in comparison["arms"]}
    if texts.get(entry["arm"]) == texts.get(entry["reference"]):
        return f"The search found nothing better than {entry['reference']}."
    name, prompts = entry["reference"], f"{entry['prompts']} prompts nobody searched on"
    if entry["claimed"] and entry["estimate"] > 0:
        return f"Better than {name} by {entry['estimate']:.3f} on {prompts}."
    if entry["claimed"]:
        return f"Worse than {name} by {-entry['estimate']:.3f} on {prompts}."
    return f"No difference from {name} may be claimed on {prompts}."


def bounds(comparison: Mapping[str, Any]) -> tuple[float, float]:
    """The ends of the scale on which all means and their intervals lie, rounded outwards to twentieths."""
    values = [value for arm in comparison["arms"] for value in _values(arm["mean"])]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low, high = math.floor(max(0.0, low - 0.01) * 20) / 20, math.ceil(min(1.0, high + 0.01) * 20) / 20
    return (low, high) if high > low else (low, low + 0.05)


def _values(mean: Interval | None) -> list[float]:
    return [] if mean is None else [value for value in (mean["low"], mean["estimate"], mean["high"]) if value is not None]


def table(comparison: Mapping[str, Any]) -> str:
    """The arms, each with its mean on a common scale, beside what the best arm gains over it; then the A/A control."""
    low, high = bounds(comparison)
    against = {entry["reference"]: entry for entry in comparison["best_against"]}
    best = {arm["system_prompt"] for arm in comparison["arms"] if arm["name"] not in against}
    rows = [_arm_row(arm, against.get(arm["name"]), arm["system_prompt"] in best, low, high) for arm in comparison["arms"]]
    level = f"{comparison['confidence']:.0%}"
    return (
        '<table class="ph-claim"><thead><tr><th>arm</th>'
        f'<th class="ph-scale"><span>{low:.2f}</span><span>mean score, {level} interval</span><span>{high:.2f}</span></th>'
        '<th class="ph-num">score</th><th class="ph-num">best minus this</th><th></th></tr></thead>'
        f"<tbody>{''.join(rows)}{_control_row(comparison['same_against_itself'])}</tbody></table>"
    )


def beside(comparison: Mapping[str, Any], monitors: Mapping[str, Any] | None, judge: Mapping[str, Any] | None = None) -> str:
    """What is no part of the claim and may speak against it: alarms and doubts about the judge in boxes, then length, drift and monitors in
    small."""
    alarms = () if monitors is None else monitors["alarms"]
    said = [length_words(comparison), drift_words(comparison), UNMEASURED if monitors is None else monitor_words(monitors)]
    lines = "".join(f'<p class="ph-under">{escaped(sentence)}</p>' for sentence in said if sentence)
    warnings = () if judge is None else judge["warnings"]
    doubts = box("note", "What to know about the judge", "; ".join(warnings)) if warnings else ""
    return "".join(box("error", f"Alarm: {alarm}.") for alarm in alarms) + doubts + lines


def _arm_row(arm: Mapping[str, Any], difference: Mapping[str, Any] | None, itself: bool, low: float, high: float) -> str:
    name, mean = arm["name"], arm["mean"]
    best = ' class="ph-best"' if name == "best" else ""
    about = ARM_WORDS.get(name, "")
    lost = f'<span class="ph-warn">{arm["drop_rate"]:.0%} of trials lost</span>' if arm["failed"] else ""
    score = "–" if mean is None else f"{mean['estimate']:.3f}"
    return (
        f'<tr{best}><th scope="row">{escaped(name)}<small>{escaped(about)}</small>{lost}</th>'
        f"<td>{_track(mean, low, high)}</td>"
        f'<td class="ph-num">{score}</td>{_difference_cells(difference, itself)}</tr>'
    )


def _track(mean: Interval | None, low: float, high: float) -> str:
    if mean is None:
        return '<div class="ph-track"></div>'

    def at(value: float) -> float:
        return 100 * max(0.0, min(1.0, (value - low) / (high - low)))

    start = mean["estimate"] if mean["low"] is None else mean["low"]
    end = mean["estimate"] if mean["high"] is None else mean["high"]
    return (
        f'<div class="ph-track" title="{escaped(interval_text(mean))}">'
        f'<i style="left:{at(start):.2f}%;width:{at(end) - at(start):.2f}%"></i><b style="left:{at(mean["estimate"]):.2f}%"></b></div>'
    )


def _difference_cells(entry: Mapping[str, Any] | None, itself: bool) -> str:
    if entry is None:
        return '<td class="ph-num"></td><td></td>'
    if itself:
        return '<td></td><td><span class="ph-chip">the same text as best</span></td>'
    figure = f'<td class="ph-num"><b>{signed(entry["estimate"])}</b> <span class="ph-soft">{escaped(interval_words(entry))}</span></td>'
    return figure + f"<td>{_verdict(entry)}</td>"


def _verdict(entry: Mapping[str, Any]) -> str:
    said = f"p = {entry['p_value']:.3f}, {entry['prompts']} prompts"
    if not entry["claimed"]:
        return f'<span class="ph-chip" title="{said}">not claimed</span>'
    kind, word = ("good", "claimed") if entry["estimate"] > 0 else ("bad", "claimed: worse")
    return f'<span class="ph-chip ph-{kind}" title="{said}">{word}</span>'


def _control_row(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    verdict = (
        f'<span class="ph-chip ph-bad" title="p = {entry["p_value"]:.3f}">claims a difference where there is none</span>'
        if entry["claimed"]
        else f'<span class="ph-chip" title="p = {entry["p_value"]:.3f}">claims nothing, as it should</span>'
    )
    return (
        '<tr class="ph-control"><th scope="row">A/A<small>best against itself, fresh rewrites and seeds</small></th><td></td><td></td>'
        f'<td class="ph-num"><b>{signed(entry["estimate"])}</b> <span class="ph-soft">{escaped(interval_words(entry))}</span></td>'
        f"<td>{verdict}</td></tr>"
    )


def interval_text(entry: Interval) -> str:
    """Estimate and interval of a mean."""
    if entry["low"] is None or entry["high"] is None:
        return f"{entry['estimate']:.3f}"
    return f"{entry['estimate']:.3f}, {entry['low']:.3f} to {entry['high']:.3f}"


def interval_words(entry: Interval) -> str:
    """The interval of a difference."""
    if entry["low"] is None or entry["high"] is None:
        return "no interval"
    return f"{signed(entry['low'])} to {signed(entry['high'])}"
