"""What the search benchmarks share: one whole run in memory, without ledger or door, through the very code that `phoropter optimize`
runs; and many of them, on two processes.
"""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from data.errors import Stage as StageName
from data.records import SystemPrompt
from optimizer.budget import Budget, Limits
from optimizer.compare import Comparison, Difference
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Born, Confirmed, Selected, TrialDone
from optimizer.gains import SearchGain
from optimizer.optimize import Problem, optimize
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.search import History
from optimizer.stage import Stage, StageLimits

PROCESSES = 2

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its report, its winner and what the search says of it, and how many trials and system prompts it took."""

    comparison: Comparison
    winner: SystemPrompt
    searched: SearchGain
    trials: int
    system_prompts: int

    @property
    def gain(self) -> Difference | None:
        """Best against the reference, confirmed; None where nothing could be compared."""
        return next((entry for entry in self.comparison.to_best if entry.reference == self.comparison.reference), None)


def run_in_memory(problem: Problem, pipeline: Pipeline, proposer: Proposer, images: int) -> Outcome:
    """Runs ``problem`` to its confirmation."""
    return asyncio.run(_run(problem, pipeline, proposer, images))


async def _run(problem: Problem, pipeline: Pipeline, proposer: Proposer, images: int) -> Outcome:
    async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
        return [await proposer(request) for request in requests]

    lineage: dict[str, SystemPrompt] = {}
    trials = 0
    selected: Selected | None = None
    comparison: Comparison | None = None
    limits = Limits(images)
    async with Evaluator(pipeline) as evaluator, Stage(StageName.PROPOSE, ask, StageLimits()) as stage:
        async for event in optimize(problem, limits, evaluator, stage, proposer.identity, History(), Budget(limits)):
            match event:
                case Born():
                    lineage[event.derivation.child.id] = event.derivation.child
                case TrialDone():
                    trials += 1
                case Selected():
                    selected = event
                case Confirmed():
                    comparison = event.comparison
                case _:
                    pass
    if comparison is None or selected is None or selected.gain is None:
        raise RuntimeError("the run ended without a confirmation")
    return Outcome(comparison, lineage[selected.winner], selected.gain, trials, len(lineage))


def in_processes(work: Callable[[A], R], arguments: Sequence[A], what: str = "run") -> list[R]:
    """``work`` of each of ``arguments``, in their order; two processes share them. ``work`` is a function at the top of a module."""
    os.environ["OMP_NUM_THREADS"] = "1"  # Two processes, each with threads for all cores, would wait for each other.
    results: list[R] = []
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        for result in pool.map(work, arguments):
            results.append(result)
            if len(results) % 10 == 0 or len(results) == len(arguments):
                print(f"\r{what} {len(results)} of {len(arguments)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results
