"""What the search benchmarks share: one whole run in memory, without ledger or door, through the very code that `phoropter optimize`
runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import Stage as StageName
from data.records import SystemPrompt
from optimizer.budget import Budget, Limits
from optimizer.compare import Comparison
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Born, Confirmed, Selected, TrialDone
from optimizer.optimize import Problem, optimize
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.search import History
from optimizer.stage import Stage, StageLimits


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its report, its winner, and how many trials and system prompts it took."""

    comparison: Comparison
    winner: SystemPrompt
    trials: int
    system_prompts: int


def run_in_memory(problem: Problem, pipeline: Pipeline, proposer: Proposer, images: int) -> Outcome:
    """Runs ``problem`` to its confirmation."""
    return asyncio.run(_run(problem, pipeline, proposer, images))


async def _run(problem: Problem, pipeline: Pipeline, proposer: Proposer, images: int) -> Outcome:
    async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
        return [await proposer(request) for request in requests]

    lineage: dict[str, SystemPrompt] = {}
    trials = 0
    winner = ""
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
                    winner = event.winner
                case Confirmed():
                    comparison = event.comparison
                case _:
                    pass
    if comparison is None:
        raise RuntimeError("the run ended without a confirmation")
    return Outcome(comparison, lineage[winner], trials, len(lineage))
