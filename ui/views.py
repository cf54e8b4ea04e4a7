"""What the doors show of a run, read back from the ledger: its state, its lineage with standings, its report. Shared by terminal and
pages."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from data.records import Derivation, Split, SystemPrompt, Trial
from optimizer.methods import OURS
from ui.eventlog import CONFIRMED, MONITORED, PROPOSAL, ROUND, SELECTED, SITTING
from ui.settings import PLACEBO_OF

if TYPE_CHECKING:
    from data.runs import Event
    from data.store import Store


@dataclass(frozen=True, slots=True)
class Node:
    """A system prompt in a run's lineage. ``mean``, ``sd``, ``p_best`` are the last posterior's; None before the first round. Of another
    method than our own, ``mean`` is that of its trials, ``sd`` that of this mean, and ``p_best`` None.

    ``gain`` is the posterior mean less that of the run's first root.
    """

    system_prompt: SystemPrompt
    parents: tuple[str, ...]
    operation: str
    reason: str
    mean: float | None
    sd: float | None
    p_best: float | None
    gain: float | None
    trials: int

    @property
    def id(self) -> str:
        return self.system_prompt.id


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as people look at it. ``state``: "finished", "searching", "confirming" or "not started".

    ``comparison``, ``monitors`` and ``judge``: docs/json.md. The monitors are None until somebody has reported on the run
    (ui/monitoring.py). What was known of the judge, ``search_gain`` (what the search says of its winner, docs/json.md) and
    ``rewrite_seconds`` (how long rewrites took) are None in runs from before they were kept.
    """

    id: str
    kind: str
    created_at: str
    config: Mapping[str, Any]
    state: str
    nodes: tuple[Node, ...]
    winner: str | None
    shortlist: tuple[str, ...]
    comparison: Mapping[str, Any] | None
    rounds: int
    images: int
    noise_sd: float | None
    refused_proposals: int
    seconds: float
    drawn: int
    last_outcome: str
    monitors: Mapping[str, Any] | None = None
    judge: Mapping[str, Any] | None = None
    search_gain: Mapping[str, Any] | None = None
    rewrite_seconds: Mapping[str, Any] | None = None

    @property
    def method(self) -> str:
        """Who searched: one of optimizer.methods.NAMES."""
        return self.config.get("run", {}).get("method", OURS)

    @property
    def placebo_of(self) -> str | None:
        """The id of the run that this one is the placebo of; None of any other."""
        return self.config.get(PLACEBO_OF)

    @property
    def gain(self) -> Mapping[str, Any] | None:
        """The winner's gain over the reference, three times over (docs/json.md); None before the selection."""
        against = self.search_gain or {}
        reference = against.get("reference") or (self.comparison or {}).get("reference")
        if self.winner is None or reference is None:
            return None
        entries: list[Mapping[str, Any]] = [] if self.comparison is None else self.comparison["best_against"]
        held_out = next((entry for entry in entries if entry["reference"] == reference), None)
        return {
            "reference": reference,
            "search": against.get("search"),
            "shrunk": against.get("shrunk"),
            "held_out": None if held_out is None else {name: held_out[name] for name in ("estimate", "low", "high")},
        }

    def node(self, identifier: str) -> Node:
        """The node with this id."""
        return next(node for node in self.nodes if node.id == identifier)


def run_view(store: "Store", run_prefix: str) -> RunView:
    """Everything a door shows of a run; UsageError where there is no such run."""
    record = store.run(run_prefix)
    events = store.events(record.id)
    by_kind = _by_kind(events)
    rounds = by_kind.get(ROUND, [])
    selected = by_kind.get(SELECTED, [{}])[-1]
    confirmed = by_kind.get(CONFIRMED, [None])[-1]
    sittings = by_kind.get(SITTING, [])
    lineage = store.lineage(record.id)
    return RunView(
        id=record.id,
        kind=record.kind,
        created_at=record.created_at,
        config=record.config,
        state=_state(bool(lineage), bool(selected), confirmed is not None),
        nodes=_nodes(lineage, rounds, chances=record.config.get("run", {}).get("method", OURS) == OURS),
        winner=selected.get("winner"),
        shortlist=tuple(selected.get("shortlist", ())),
        comparison=confirmed,
        rounds=len(rounds),
        images=rounds[-1]["images"] if rounds else 0,
        noise_sd=rounds[-1]["noise_sd"] if rounds else None,
        refused_proposals=sum("failure" in payload for payload in by_kind.get(PROPOSAL, [])),
        seconds=sum(payload["seconds"] for payload in sittings),
        drawn=sum(payload["drawn"] for payload in sittings),
        last_outcome=str(sittings[-1]["outcome"]) if sittings else "",
        monitors=by_kind.get(MONITORED, [None])[-1],
        judge=sittings[-1].get("judge") if sittings else None,
        search_gain=selected.get("gain"),
        rewrite_seconds=next((said for payload in reversed(sittings) if (said := payload.get("rewrite_seconds"))), None),
    )


def confirmed_trials(store: "Store", run_id: str, comparison: Mapping[str, Any]) -> dict[str, list[Trial]]:
    """The trials that a run's comparison rests on, by the names of its arms, without the winner's repetition: that has prompts, samples and
    seeds which no other arm has."""
    tested = {
        arm["name"]: [
            trial for trial in store.trials(run_id, system_prompt_id=arm["system_prompt"]) if trial.request.prompt.split is Split.TEST
        ]
        for arm in comparison["arms"]
    }
    shared = {place_of(trial) for trial in next(iter(tested.values()))}
    return {name: [trial for trial in trials if place_of(trial) in shared] for name, trials in tested.items()}


def place_of(trial: Trial) -> tuple[str, int, int]:
    """A trial's prompt, sample and seed: what arms that are compared have in common."""
    return trial.request.prompt.id, trial.request.sample, trial.request.seed


def _by_kind(events: "Sequence[Event]") -> dict[str, list[Mapping[str, Any]]]:
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    decisions = [event for event in events if event.ordinal >= 0]
    sittings = [event for event in events if event.ordinal < 0]
    for event in [*decisions, *reversed(sittings)]:
        kinds.setdefault(event.kind, []).append(event.payload)
    return kinds


def _state(begun: bool, selected: bool, confirmed: bool) -> str:
    if confirmed:
        return "finished"
    if selected:
        return "confirming"
    return "searching" if begun else "not started"


def _nodes(lineage: Sequence[Derivation], rounds: Sequence[Mapping[str, Any]], *, chances: bool) -> tuple[Node, ...]:
    """``chances``: whether the method knows any; else there is no ``p_best``."""
    kept: Sequence[Sequence[Any]] = next((payload["standings"] for payload in reversed(rounds) if payload["standings"]), ())
    standings: dict[str, Sequence[Any]] = {row[0]: row for row in kept}
    first = standings.get(lineage[0].child.id) if lineage else None
    nodes = (_node(derivation, standings.get(derivation.child.id), first) for derivation in lineage)
    return tuple(node if chances else replace(node, p_best=None) for node in nodes)


def _node(derivation: Derivation, standing: Sequence[Any] | None, first: Sequence[Any] | None) -> Node:
    _, mean, sd, p_best, trials = standing or (None, None, None, None, 0)
    return Node(
        system_prompt=derivation.child,
        parents=derivation.parents,
        operation=derivation.operation.value,
        reason=derivation.reason,
        mean=mean,
        sd=sd,
        p_best=p_best,
        gain=mean - first[1] if mean is not None and first is not None else None,
        trials=trials,
    )


@dataclass(frozen=True, slots=True)
class DiffPart:
    """A stretch of words that two texts share, or that only one of them has."""

    kind: Literal["same", "removed", "added"]
    text: str


def word_diff(old: str, new: str) -> list[DiffPart]:
    """How ``old`` became ``new``, word by word; line breaks count as words, so that lists stay lists."""
    before, after = _words(old), _words(new)
    parts: list[DiffPart] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(DiffPart("same", " ".join(before[start:end])))
            continue
        if end > start:
            parts.append(DiffPart("removed", " ".join(before[start:end])))
        if new_end > new_start:
            parts.append(DiffPart("added", " ".join(after[new_start:new_end])))
    return parts


def _words(text: str) -> list[str]:
    return text.replace("\n", " \n ").split(" ") if text else []
