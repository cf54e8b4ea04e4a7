"""Small problems in the synthetic world, for tests of the search."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from benchmarks.search.worlds import SyntheticWorld
from benchmarks.worlds import SyntheticGenerator, SyntheticJudge, SyntheticProposer, SyntheticReasoner, synthetic_problem
from data.errors import FailureKind, StageError
from data.errors import Stage as StageName
from data.records import Rewrite
from optimizer.budget import Budget, Limits
from optimizer.compare import Exchanged
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import Event
from optimizer.methods import OURS
from optimizer.optimize import optimize
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.search import History
from optimizer.stage import Stage, StageLimits
from reasoner import RewriteRequest

LIMITS = StageLimits(concurrency=2, batch=8, backoff=0.001)


def synthetic_pipeline(world: SyntheticWorld, **changes: object) -> Pipeline:
    parts = {"reasoner": SyntheticReasoner(), "generator": SyntheticGenerator(world), "judge": SyntheticJudge(world)}
    limits = {"reasoner_limits": LIMITS, "generator_limits": LIMITS, "judge_limits": LIMITS}
    return Pipeline(**{**parts, **limits, **changes})  # pyright: ignore[reportArgumentType]


class Prudish(SyntheticReasoner):
    """Refuses under every system prompt that has the rule ``forbidden``."""

    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        rewrites = await super().__call__(requests)
        refused = StageError(FailureKind.REFUSED, "I'd rather not")
        return [
            refused if self._forbidden in request.system_prompt.text.split() else rewrite
            for request, rewrite in zip(requests, rewrites, strict=True)
        ]


class Naughty(SyntheticProposer):
    """Adds the rule ``forbidden`` to one in ``every`` of its proposals."""

    def __init__(self, world: SyntheticWorld, forbidden: str, every: int) -> None:
        super().__init__(world)
        self._forbidden = forbidden
        self._every = every

    async def __call__(self, request: ProposalRequest) -> Proposal:
        proposal = await super().__call__(request)
        return Proposal(f"{proposal.text} {self._forbidden}", "naughty") if request.seed % self._every == 0 else proposal


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
    method: str = OURS
    others: Mapping[Exchanged, Pipeline] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    async def run(self, stop_after: int | None = None) -> list[Event]:
        proposer = self.proposer or SyntheticProposer(self.world)
        limits = self.limits or Limits(self.images)

        async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
            return [await proposer(request) for request in requests]

        evaluator = Evaluator(self.pipeline or synthetic_pipeline(self.world), self.history.trials)
        others = {exchanged: Evaluator(other, self.history.trials, evaluator) for exchanged, other in self.others.items()}
        async with evaluator, AsyncExitStack() as beside, Stage(StageName.PROPOSE, ask, LIMITS) as stage:
            for other in others.values():
                await beside.enter_async_context(other)
            problem = replace(synthetic_problem(self.world, self.seed), method=self.method, exchanged=tuple(others))
            run = optimize(problem, limits, evaluator, stage, proposer.identity, self.history, Budget(limits), others)
            try:
                async for event in run:
                    self.events.append(event)
                    if stop_after is not None and len(self.events) >= stop_after:
                        break
            finally:
                await run.aclose()
        return self.events
