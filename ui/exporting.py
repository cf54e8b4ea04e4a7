"""Runs as a replay table (data/replay.py): their trials, who was derived from whom, and the engines that all of it was measured with.

What a table says is measured with one set of engines: runs of different ones don't go into the same table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.identity import canonical_json, short
from data.records import Derivation, Operation, Prompt, SystemPrompt, Trial
from data.replay import PIPELINE, Cell, Place, ReplayTable
from ui.eventlog import SITTING
from ui.settings import PLACEBO_OF

if TYPE_CHECKING:
    from data.runs import RunRecord
    from data.store import Store

ALL = "all"
"""In place of runs: all that have a lineage."""


def chosen_runs(store: "Store", identifiers: Sequence[str]) -> "list[RunRecord]":
    """The runs that are meant, oldest first; UsageError where there are none, or nothing was derived in one of them."""
    every = list(identifiers) == [ALL]
    # A placebo's system prompts do nothing of what they say: none is meant by all.
    found = [run for run in store.runs() if PLACEBO_OF not in run.config] if every else map(store.run, identifiers)
    runs = {run.id: run for run in found}
    with_lineage = [run for run in runs.values() if store.lineage(run.id)]
    bare = sorted(runs.keys() - {run.id for run in with_lineage})
    if not with_lineage or (bare and not every):
        what = "no run in this ledger has a lineage" if every else f"run {', '.join(map(short, bare))} has no lineage"
        raise UsageError(what, hint="a table is made of runs of `phoropter optimize`; `phoropter runs` lists what there is")
    return sorted(with_lineage, key=lambda run: (run.created_at, run.id))


def replay_table(store: "Store", runs: "Sequence[RunRecord]") -> ReplayTable:
    """The table of ``runs``, the first of which come first: of two derivations of a system prompt, the first stands.

    A trial that several runs have is there once, scored if it ever was. UsageError where the runs were measured with different engines, or
    have no trials.
    """
    pipelines = [engines_of(store, run) or _specs(run) for run in runs]
    for run, pipeline in zip(runs, pipelines, strict=True):
        for stage in PIPELINE:
            if pipeline[stage] != pipelines[0][stage]:
                what = f"{pipelines[0][stage]} in run {short(runs[0].id)}, {pipeline[stage]} in run {short(run.id)}"
                raise UsageError(f"the runs have different engines: the {stage} is {what}", hint="export them one by one")
    gathered = _Gathered()
    for run in runs:
        for derivation in store.lineage(run.id):
            gathered.lineage.setdefault(derivation.child.id, derivation)
        for trial in own_trials(store, run):
            gathered.add(trial)
    if not gathered.cells:
        named = ", ".join(short(run.id) for run in runs)
        raise UsageError(f"there are no trials in run {named}", hint="`phoropter runs` says how many images each run has")
    return gathered.table(pipelines[0])


def engines_of(store: "Store", run: "RunRecord") -> Mapping[str, str] | None:
    """What a run's engines were, exactly; None where its sittings don't say: none has ended, or they are from before that was kept."""
    found = [event.payload["pipeline"] for event in store.events(run.id) if event.kind == SITTING and event.payload.get("pipeline")]
    return found[0] if found else None


def _specs(run: "RunRecord") -> Mapping[str, str]:
    """What its engines were in the words of its settings."""
    return {stage: str(run.config.get(stage, {}).get("engine", "unknown")) for stage in PIPELINE}


def own_trials(store: "Store", run: "RunRecord") -> Iterator[Trial]:
    """A run's trials without those that other engines made beside it, which have ids of their own."""
    identities = engines_of(store, run)
    own = None if identities is None else canonical_json([identities[stage] for stage in PIPELINE])
    return (trial for trial in store.trials(run.id) if own is None or trial.id == trial.request.id(own))


@dataclass(slots=True)
class _Gathered:
    """What has been read so far, by id and by place."""

    lineage: dict[str, Derivation] = field(default_factory=dict[str, Derivation])
    prompts: dict[str, Prompt] = field(default_factory=dict[str, Prompt])
    cells: dict[Place, Cell] = field(default_factory=dict[Place, Cell])
    trial_ids: dict[Place, str] = field(default_factory=dict[Place, str])
    _ids: dict[int, tuple[Prompt | SystemPrompt, str]] = field(default_factory=dict[int, tuple[Prompt | SystemPrompt, str]])
    """Ids by object, since hashing a checklist takes longer than all else here; with the object, so that nothing takes its number."""

    def add(self, trial: Trial) -> None:
        request = trial.request
        system_prompt, prompt = self._id(request.system_prompt), self._id(request.prompt)
        self.lineage.setdefault(system_prompt, Derivation(request.system_prompt, (), Operation.ROOT))
        self.prompts.setdefault(prompt, request.prompt)
        place = Place(system_prompt, prompt, request.sample, request.seed, request.look)
        if self.trial_ids.setdefault(place, trial.id) != trial.id:
            what = f"system prompt {short(system_prompt)} on {request.prompt.text!r}"
            raise UsageError(f"{what} was measured with different engines", hint="export runs one by one")
        if place not in self.cells or self.cells[place].score is None:
            self.cells[place] = Cell.of(trial, place)

    def _id(self, noun: Prompt | SystemPrompt) -> str:
        if id(noun) not in self._ids:
            self._ids[id(noun)] = noun, noun.id
        return self._ids[id(noun)][1]

    def table(self, pipeline: Mapping[str, str]) -> ReplayTable:
        """All of it: system prompts by birth, prompts by split and text."""
        prompts = dict(sorted(self.prompts.items(), key=lambda entry: (entry[1].split.value, entry[1].text, entry[0])))
        order = {identifier: number for number, identifier in enumerate([*self.lineage, *prompts])}
        places = sorted(self.cells, key=lambda place: (order[place.system_prompt], order[place.prompt], *place[2:]))
        cells = tuple(self.cells[place] for place in places)
        return ReplayTable(pipeline, tuple(self.lineage.values()), tuple(prompts.values()), cells)
