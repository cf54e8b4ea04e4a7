"""A run's events as ledger records and back. The order of the decisions is in the ordinals, which a resumed run assigns anew, alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from data.codec import failure_json, failure_of, usage_json, usage_of
from data.records import Failure, Trial, Usage
from optimizer.comparison_json import comparison_to_json, interval_to_json
from optimizer.events import Confirmed, ProposalDone, RoundSealed, Selected
from optimizer.gains import SearchGain
from optimizer.proposers import Proposal
from optimizer.search import History

PROPOSAL = "proposal"
ROUND = "round"
SELECTED = "selected"
CONFIRMED = "confirmed"
MONITORED = "monitored"
"""What the monitors say of a confirmed run (ui/monitoring.py); it comes after the last decision."""
SITTING = "sitting"
"""One stretch of work on a run, from its start to its end or stop; kept at negative ordinals, beside the decisions."""

Decision = ProposalDone | RoundSealed | Selected | Confirmed


def to_record(event: Decision) -> tuple[str, dict[str, Any]]:
    """The kind and payload under which ``event`` is kept."""
    match event:
        case ProposalDone():
            return PROPOSAL, {"key": event.key, **_outcome_to_json(event.outcome)}
        case RoundSealed():
            standings = [[s.system_prompt_id, round(s.mean, 6), round(s.sd, 6), round(s.p_best, 6), s.trials] for s in event.standings]
            return ROUND, {
                "number": event.number,
                "phase": event.phase.value,
                "images": event.images,
                "noise_sd": round(event.noise_sd, 6),
                "standings": standings,
                "failed": list(event.failed),
            }
        case Selected():
            chosen = {"winner": event.winner, "shortlist": list(event.shortlist), "reason": event.reason}
            return SELECTED, chosen if event.gain is None else {**chosen, "gain": _gain_to_json(event.gain)}
        case Confirmed():
            return CONFIRMED, comparison_to_json(event.comparison)


def _gain_to_json(gain: SearchGain) -> dict[str, Any]:
    return {
        "reference": gain.reference,
        "search": None if gain.raw is None else round(gain.raw, 6),
        "shrunk": None if gain.shrunk is None else interval_to_json(gain.shrunk),
    }


def _outcome_to_json(outcome: Proposal | Failure) -> dict[str, Any]:
    if isinstance(outcome, Proposal):
        return {"text": outcome.text, "reason": outcome.reason, "usage": usage_json(outcome.usage)}
    return {"failure": failure_json(outcome)}


def history(records: Iterable[tuple[str, Mapping[str, Any]]], trials: Iterable[Trial]) -> History:
    """What a resumed run need not do again. Scored trials always; failures only where a sealed round or the report already rests on
    them."""
    proposals: dict[str, Proposal | Failure] = {}
    standing: set[str] = set()
    finished = False
    for kind, payload in records:
        if kind == PROPOSAL:
            failed = payload.get("failure")
            proposals[payload["key"]] = failure_of(failed) if failed else _proposal(payload)
        elif kind == ROUND:
            standing.update(payload["failed"])
        elif kind == CONFIRMED:
            finished = True
    known = {trial.id: trial for trial in trials if finished or trial.score is not None or trial.id in standing}
    return History(known, proposals)


def _proposal(payload: Mapping[str, Any]) -> Proposal:
    # Proposals from before revision 0002 of the ledger do not say what they used.
    usage = usage_of(payload["usage"]) if "usage" in payload else Usage()
    return Proposal(payload["text"], payload["reason"], usage)
