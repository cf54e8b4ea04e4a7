"""Small problems in the synthetic world, for tests of the search."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.worlds import SyntheticGenerator, SyntheticJudge, SyntheticProposer, SyntheticReasoner, SyntheticWorld, system_prompt_of
from data.errors import Stage as StageName
from optimizer.budget import Budget, Limits
from optimizer.compare import Arm
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Event
from optimizer.optimize import Problem, optimize
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.search import History
from optimizer.stage import Stage, StageLimits

LIMITS = StageLimits(concurrency=2, batch=8, backoff=0.001)


def synthetic_pipeline(world: SyntheticWorld, **changes: object) -> Pipeline:
    parts = {"reasoner": SyntheticReasoner(), "generator": SyntheticGenerator(world), "judge": SyntheticJudge(world)}
    limits = {"reasoner_limits": LIMITS, "generator_limits": LIMITS, "judge_limits": LIMITS}
    return Pipeline(**{**parts, **limits, **changes})  # pyright: ignore[reportArgumentType]


def synthetic_problem(world: SyntheticWorld, seed: int = 1) -> Problem:
    arms = [Arm("none", system_prompt_of([1])), Arm("plain", system_prompt_of([])), Arm("general", system_prompt_of([0]))]
    return Problem(world.prompts(), [arm.system_prompt for arm in arms[1:]], arms, "general", seed)


@dataclass
class Play:
    """One run in memory, with everything that it said."""

    world: SyntheticWorld
    images: int = 300
    seed: int = 1
    pipeline: Pipeline | None = None
    proposer: Proposer | None = None
    history: History = field(default_factory=History)
    limits: Limits | None = None
    events: list[Event] = field(default_factory=list)

    async def run(self, stop_after: int | None = None) -> list[Event]:
        proposer = self.proposer or SyntheticProposer(self.world)
        limits = self.limits or Limits(self.images)

        async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
            return [await proposer(request) for request in requests]

        evaluator = Evaluator(self.pipeline or synthetic_pipeline(self.world), self.history.trials)
        async with evaluator, Stage(StageName.PROPOSE, ask, LIMITS) as stage:
            run = optimize(
                synthetic_problem(self.world, self.seed), limits, evaluator, stage, proposer.identity, self.history, Budget(limits)
            )
            try:
                async for event in run:
                    self.events.append(event)
                    if stop_after is not None and len(self.events) >= stop_after:
                        break
            finally:
                await run.aclose()
        return self.events
