"""What stands beside the claim and bears on it, in words for terminal and pages: the gain three times over, the placebo run, transfers,
what rewrites cost. Read from a run as views.py has it; nothing is computed here.

Runs of earlier versions kept less: of what they lack, there is nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.identity import short

if TYPE_CHECKING:
    from ui.views import RunView

Record = Mapping[str, Any]

FIGURES = (
    ("search score", "search", "the plain difference of means in the search, luck included"),
    ("shrunk", "shrunk", "what the posterior makes of all search and select trials"),
    ("held out", "held_out", "measured again on prompts and seeds nobody searched on: what is claimed"),
)
"""The three figures of a gain: their names, where they stand in it, and what they are."""
LEAST_SECONDS = 0.05
"""What rewrites take is not worth a line below this."""


def gain_figures(gain: Record | None) -> list[Record | None]:
    """The three as intervals; None for each that is not known. The search score has no interval: nothing in a search gives it an honest
    one."""
    if gain is None:
        return [None] * len(FIGURES)
    found = [gain[key] for _, key, _ in FIGURES]
    return [{"estimate": value, "low": None, "high": None} if isinstance(value, float | int) else value for value in found]


def worth_comparing(view: "RunView") -> bool:
    """Whether there is a gain to tell: something was confirmed, and it is not the reference itself."""
    if view.comparison is None or view.gain is None or view.gain["held_out"] is None:
        return False
    texts = {arm["name"]: arm["system_prompt"] for arm in view.comparison["arms"]}
    return texts[view.comparison["arms"][-1]["name"]] != texts[view.gain["reference"]]


def placebo_to_json(placebo: "RunView | None") -> dict[str, Any] | None:
    """The placebo run in a run's report (docs/json.md)."""
    if placebo is None:
        return None
    claims = None if placebo.comparison is None else list(placebo.comparison["claims"])
    return {"run": placebo.id, "state": placebo.state, "gain": placebo.gain, "claims": claims}


def placebo_words(placebo: "RunView | None") -> str:
    """What the same procedure says where nothing differs; "" where it was not asked."""
    if placebo is None:
        return ""
    run, gain = short(placebo.id), placebo.gain
    if placebo.comparison is None or gain is None:
        return f"The placebo run {run} is not finished: `phoropter resume {run}` goes on with it."
    same = f"the same procedure where all system prompts do what {gain['reference']} does (placebo run {run})"
    claims: list[str] = placebo.comparison["claims"]
    if claims:
        return (
            f"Placebo: {same} claims a gain over {', '.join(claims)}, which is false. That befalls about 1 run in 20: "
            "measure again with another --seed before you rely on a claim."
        )
    return f"Placebo: {same} claims nothing, as it should."


def transfer_heads(view: "RunView") -> list[str]:
    """What each transfer is, in the order of the comparison: who judged or drew instead."""
    engines: Record = view.config.get("transfer", {})
    words = {"judge": "the same pictures, judged by {}", "generator": "the same rewrites, drawn by {}"}
    entries = (view.comparison or {}).get("transfers", ())
    return [words[entry["exchanged"]].format(engines.get(entry["exchanged"], "another one")) for entry in entries]


def transfer_verdict(entry: Record) -> str:
    """Whether a gain transfers, in a few words."""
    difference = entry["difference"]
    if difference is None:
        return "no prompt was scored in both arms"
    if difference["claimed"]:
        return "the gain transfers" if difference["estimate"] > 0 else "turned around: worse"
    return "not told apart from no gain"


def cost_words(view: "RunView") -> list[str]:
    """What the best arm's rewrites take against each other arm's; nothing where rewrites cost nothing."""
    if view.comparison is None:
        return []
    seconds: Record = (view.rewrite_seconds or {}).get("best_against", {})
    said: list[str] = []
    for entry in view.comparison["best_against"]:
        parts = [*_priced(entry.get("cost", {})), *_timed(seconds.get(entry["reference"]))]
        if parts:
            said.append(f"{', '.join(parts)} against {entry['reference']}")
    return said


def _priced(cost: Record) -> list[str]:
    tokens, dollars = cost.get("tokens"), cost.get("dollars")
    parts = [f"{tokens['estimate']:+z.0f} tokens{_bounds(tokens, '+z.0f')}"] if tokens and _tells(tokens, 0.5) else []
    # By the thousand: a single rewrite costs next to nothing.
    if dollars and _tells(dollars, 5e-7):
        thousand = {name: None if value is None else 1000 * value for name, value in dollars.items()}
        parts.append(f"${thousand['estimate']:+.2f}{_bounds(thousand, '+.2f')} per thousand")
    return parts


def _timed(seconds: Record | None) -> list[str]:
    if seconds is None or abs(seconds["estimate"]) < LEAST_SECONDS:
        return []
    return [f"{seconds['estimate']:+.1f} s{_bounds(seconds, '+.1f')}"]


def _tells(interval: Record, least: float) -> bool:
    return max(abs(interval["estimate"]), abs(interval["low"] or 0.0), abs(interval["high"] or 0.0)) >= least


def _bounds(interval: Record, form: str) -> str:
    return "" if interval["low"] is None else f" [{interval['low']:{form}}, {interval['high']:{form}}]"
