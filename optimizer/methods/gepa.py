# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""GEPA over our pipeline: its adapter, which other programs that use gepa may take, too, and its run.

All of gepa's own code runs as its defaults have it: minibatches of three, the Pareto front, its gate and its choice. What is replaced is
the call to a reflection model: our proposer reads what gepa's would have read, the failed criteria of the minibatch. Imports gepa; is
itself imported where GEPA is to run.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from gepa.api import optimize
from gepa.core.adapter import EvaluationBatch, ProposalFn
from gepa.core.callbacks import ValsetEvaluatedEvent

from data.records import CriterionKind, Prompt, SystemPrompt, Trial
from optimizer.methods.bridge import Bridge
from optimizer.methods.task import Task
from optimizer.propose import failed_criteria
from optimizer.proposers import FailedCriterion
from optimizer.search import hopeless

COMPONENT = "system_prompt"
"""The one part of a candidate."""
PASSES = 20
"""The images are so many times the validation prompts: gepa's documentation advises 15 to 30."""
FEWEST = 6
"""So many validation prompts at least, where there are as many: below that, the Pareto front is a front of noise."""

Measure: TypeAlias = Callable[[SystemPrompt, Sequence[Prompt]], Sequence[Trial]]
"""Measures a system prompt on prompts, and waits: a trial for each, in their order."""
Propose: TypeAlias = Callable[[SystemPrompt, Sequence[FailedCriterion]], SystemPrompt | None]
"""Makes a child of a system prompt from what did not hold; None where no idea could be used."""


class SystemPromptAdapter:
    """Our evaluation as a gepa adapter: a candidate is ``{"system_prompt": text}``, an example is a Prompt with its checklist.

    ``propose``: who writes new system prompts; without it, gepa's own reflection does. A failed trial is given the mean of its system
    prompt's scores, and NaN where it has none: that passes no gate of gepa's, and is no score. FatalError where the first system prompt has
    none on a whole batch.
    """

    def __init__(self, measure: Measure, propose: Propose | None = None) -> None:
        self._measure = measure
        self._propose = propose
        self._scores: dict[str, list[float]] = {}
        self.propose_new_texts: ProposalFn | None = self._new_texts if propose is not None else None

    def evaluate(self, batch: list[Prompt], candidate: dict[str, str], capture_traces: bool = False) -> EvaluationBatch[Trial, str]:
        """Trials of a candidate. Without any score there is nothing to reflect on, and gepa skips a parent without trajectories."""
        system_prompt = SystemPrompt(candidate[COMPONENT])
        trials = list(self._measure(system_prompt, batch))
        known = self._scores.setdefault(system_prompt.id, [])
        known += [trial.score for trial in trials if trial.score is not None]
        if not any(self._scores.values()):
            raise hopeless(f"none of the first {len(trials)} trials has a score", trials)
        stand_in = fmean(known) if known else math.nan
        failed = sum(trial.score is None for trial in trials)
        scores = [stand_in if trial.score is None else trial.score for trial in trials]
        shown = trials if capture_traces and failed < len(trials) else []
        return EvaluationBatch([trial.id for trial in trials], scores, shown if capture_traces else None)

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: EvaluationBatch[Trial, str], components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What a reflection reads: each picture's prompt and rewrite, and which criteria failed in it, with the judge's evidence."""
        return {component: [_record(trial) for trial in eval_batch.trajectories or ()] for component in components_to_update}

    def _new_texts(
        self, candidate: dict[str, str], reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]], components_to_update: list[str]
    ) -> dict[str, str]:
        assert self._propose is not None, "gepa asks only where there is somebody to ask"
        failures = [failure for record in reflective_dataset[COMPONENT] for failure in _failures(record)]
        child = self._propose(SystemPrompt(candidate[COMPONENT]), failures)
        return {} if child is None else {COMPONENT: child.text}


def _record(trial: Trial) -> dict[str, Any]:
    if trial.score is None or trial.rewrite is None:
        what = trial.failure.message if trial.failure is not None else "no picture"
        return {"Inputs": trial.request.prompt.text, "Generated Outputs": "", "Feedback": f"not measured: {what}", "Failed criteria": []}
    failed = failed_criteria(trial)
    return {
        "Inputs": trial.request.prompt.text,
        "Generated Outputs": trial.rewrite.text,
        "Feedback": f"The picture drawn from it is worth {trial.score:.2f} of 1; {len(failed)} criteria failed.",
        "Failed criteria": [{"wanted": one.criterion, "kind": one.kind.value, "seen": one.evidence} for one in failed],
    }


def _failures(record: Mapping[str, Any]) -> list[FailedCriterion]:
    return [
        FailedCriterion(record["Inputs"], one["wanted"], CriterionKind(one["kind"]), one["seen"], record["Generated Outputs"])
        for one in record["Failed criteria"]
    ]


@dataclass(frozen=True, slots=True)
class _Favourite:
    """A gepa callback: the best on the validation prompts so far, which gepa would return now."""

    bridge: Bridge

    def on_valset_evaluated(self, event: ValsetEvaluatedEvent) -> None:
        if event["is_best_program"]:
            self.bridge.favour(SystemPrompt(event["candidate"][COMPONENT]))


class _Silent:
    """A gepa logger: all that happens is an event already."""

    def log(self, message: str) -> None:
        pass


def validation_of(task: Task) -> list[Prompt]:
    """As many validation prompts as gepa's documentation advises for the images there are."""
    return list(task.validation[: max(FEWEST, task.images // PASSES)])


def run_gepa(bridge: Bridge, task: Task) -> None:
    """From the root until the images are spent."""
    # A callback need not have all of gepa's methods, whatever the type says.
    callbacks: list[Any] = [_Favourite(bridge)]
    optimize(
        seed_candidate={COMPONENT: task.root.text},
        trainset=list(task.train),
        valset=validation_of(task),
        adapter=SystemPromptAdapter(bridge.measure, bridge.propose),
        max_metric_calls=task.images,
        seed=task.seed,
        logger=_Silent(),
        callbacks=callbacks,
    )
