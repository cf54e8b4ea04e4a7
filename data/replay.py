"""The replay table: what a ledger knows of some system prompts, as plain values that need neither the ledger nor an engine.

A cell is what one pass of a system prompt over a prompt brought; beside the cells stand the mutation graph, the prompts with their
checklists, and what the engines were. So an optimizer of system prompts can be tried on real scores without a GPU.

No pictures, no rewrites and no evidence in words are in it. The file is for replayfiles.py; what to put into a table is decided elsewhere
(ui/exporting.py), and so is what to do with one (benchmarks/search/replay.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from data.errors import FailureKind, Stage
from data.identity import short
from data.records import CriterionScore, Derivation, Prompt, Trial
from data.usage import Usage

PIPELINE = ("reasoner", "generator", "judge")
"""The engines that a table names, in the order of their stages."""
STAGES = ("rewrite", "image", "judgment")
"""How the columns of what a stage used begin."""


class Place(NamedTuple):
    """Which cell: ids of a system prompt and a prompt, and the sample, seed and look of :class:`data.records.TrialRequest`."""

    system_prompt: str
    prompt: str
    sample: int
    seed: int
    look: int


@dataclass(frozen=True, slots=True)
class Used:
    """What a stage used for a cell: ``tokens`` read and written, ``cost`` in dollars, ``seconds``. None: not known, or not reached."""

    tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What was found at a place: a ``score`` in [0, 1], or else the ``failed`` stage and the kind of its ``failure``.

    ``criteria``: how far each holds, without evidence. ``rewrite_words``: the length of the rewrite, None where there is none.
    """

    place: Place
    score: float | None
    failed: Stage | None = None
    failure: FailureKind | None = None
    criteria: tuple[CriterionScore, ...] = ()
    rewrite_words: int | None = None
    rewrite: Used = Used()
    image: Used = Used()
    judgment: Used = Used()

    @classmethod
    def of(cls, trial: Trial, place: Place) -> "Cell":
        """What a table keeps of ``trial``."""
        failure = trial.failure
        used = {name: Used() for name in STAGES}
        if failure is not None:
            stage = {Stage.REWRITE: "rewrite", Stage.GENERATE: "image", Stage.JUDGE: "judgment"}[failure.stage]
            used[stage] = _used(failure.usage, None)
        for name, result in (("rewrite", trial.rewrite), ("image", trial.image), ("judgment", trial.judgment)):
            if result is not None:
                used[name] = _used(result.usage, result.latency)
        return cls(
            place,
            trial.score,
            None if failure is None else failure.stage,
            None if failure is None else failure.kind,
            () if trial.judgment is None else tuple(CriterionScore(entry.id, entry.score) for entry in trial.judgment.scores),
            None if trial.rewrite is None else len(trial.rewrite.text.split()),
            **used,
        )


def _used(usage: Usage, seconds: float | None) -> Used:
    return Used(usage.input_tokens + usage.output_tokens, usage.cost, None if seconds is None else round(seconds, 3))


@dataclass(frozen=True, slots=True)
class ReplayTable:
    """A table in memory. ``lineage``: the mutation graph, a derivation per system prompt. ``pipeline``: the identities of reasoner,
    generator and judge, by stage."""

    pipeline: Mapping[str, str]
    lineage: tuple[Derivation, ...]
    prompts: tuple[Prompt, ...]
    cells: tuple[Cell, ...]

    def problems(self) -> Iterator[str]:
        """A line for each thing that can't be."""
        system_prompts = [derivation.child.id for derivation in self.lineage]
        prompts = [prompt.id for prompt in self.prompts]
        yield from (f"the system prompt {short(identifier)} is there twice" for identifier in _twice(system_prompts))
        yield from (f"the prompt {short(identifier)} is there twice" for identifier in _twice(prompts))
        yield from _graph_problems(self.lineage)
        yield from (f"two rows have the place {place}" for place in _twice([cell.place for cell in self.cells]))
        known, asked = frozenset(system_prompts), frozenset(prompts)
        for cell in self.cells:
            if cell.place.system_prompt not in known:
                yield f"a row has the system prompt {short(cell.place.system_prompt)}, which is not in the graph"
            if cell.place.prompt not in asked:
                yield f"a row has the prompt {short(cell.place.prompt)}, which is not among the prompts"
            if cell.score is None and (cell.failed is None or cell.failure is None):
                yield f"the row at {cell.place} has neither a score nor a failure"
            elif cell.score is not None and (not 0.0 <= cell.score <= 1.0 or cell.failure is not None):
                yield f"the row at {cell.place} has the score {cell.score}, {cell.failure or 'outside of [0, 1]'}"


def _twice(entries: Sequence[Any]) -> list[Any]:
    seen = set[Any]()
    return [entry for entry in entries if entry in seen or seen.add(entry)]


def _graph_problems(lineage: Sequence[Derivation]) -> Iterator[str]:
    known = {derivation.child.id for derivation in lineage}
    for derivation in lineage:
        for parent in derivation.parents:
            if parent not in known:
                yield f"{short(derivation.child.id)} has the parent {short(parent)}, which is not in the graph"
    try:
        TopologicalSorter({derivation.child.id: derivation.parents for derivation in lineage}).prepare()
    except CycleError as error:
        yield f"some system prompts descend from themselves: {' → '.join(map(short, error.args[1]))}"
