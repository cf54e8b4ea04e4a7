"""Our own search, the very code of `phoropter optimize`, before a meter."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.search.meter import Meter, Spent
from data.errors import Stage as StageName
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    Derivation,
    GeneratedImage,
    Judgment,
    Operation,
    Prompt,
    Rewrite,
    SystemPrompt,
)
from generator import ImageRequest
from optimizer.budget import Budget, Limits
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.events import RoundSealed
from optimizer.judges import JudgeRequest
from optimizer.pairs import Pairs
from optimizer.plan import Planner, Policy
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.search import History, Search
from optimizer.stage import Stage, StageLimits
from reasoner import RewriteRequest

LIMITS = StageLimits(concurrency=1, batch=64)
SEPARATOR = " | "


@dataclass(slots=True)
class MeteredStages:
    """A world as the stages of a pipeline: what passes between them are words and numbers, and the judge's answer is the world's score.

    Seeds become numbers from 0 in the order in which a prompt meets them, so that worlds with few recorded seeds serve, too.
    """

    meter: Meter
    identity: str = "metered"
    text_limit: int | None = None
    ratios: Sequence[str] = ()
    _seeds: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])

    async def rewrite(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [Rewrite(f"{request.system_prompt.text}{SEPARATOR}{request.prompt.text}") for request in requests]

    async def generate(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [GeneratedImage(f"{request.text}{SEPARATOR}{request.seed}", 1, 1) for request in requests]

    async def judge(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [self._judged(request) for request in requests]

    def _judged(self, request: JudgeRequest) -> Judgment:
        text, prompt, seed = request.image.sha256.rsplit(SEPARATOR, 2)
        seeds = self._seeds.setdefault(prompt, {})
        value = self.meter.score(text, int(prompt), seeds.setdefault(int(seed), len(seeds)), request.look)
        return Judgment(value, (CriterionScore("whole", value, f"{value:.4f}"),))

    async def propose(self, requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
        return [Proposal(self._proposed(request), "") for request in requests]

    def _proposed(self, request: ProposalRequest) -> str:
        # As opponents do with a mini-batch, what passed is passed on, too: the world's proposer knows what to make of a score.
        told = [one for parent in request.parents for one in (*parent.failures, *parent.weakest)]
        evidence = [(int(one.prompt_text), float(one.evidence)) for one in told]
        return self.meter.propose([parent.system_prompt.text for parent in request.parents], evidence, request.operation)


@dataclass(frozen=True, slots=True)
class _Engine:
    """One of the metered stages as an engine."""

    call: object
    identity: str = "metered"
    text_limit: int | None = None
    ratios: Sequence[str] = ()

    async def __call__(self, requests: Sequence[object]) -> Sequence[object]:
        return await self.call(requests)  # type: ignore[operator]


USUAL = Policy()


def run(meter: Meter, seed: int, policy: Policy = USUAL) -> None:
    """Searches until the meter's images are spent, whatever they are worth; hands over the leader of the posterior after every round. In a
    closed world nothing is composed."""
    asyncio.run(_run(meter, seed, replace(policy, price=0.0, compose=0.0 if meter.world.closed else policy.compose)))


async def _run(meter: Meter, seed: int, policy: Policy) -> None:
    stages = MeteredStages(meter)
    prompts = [
        Prompt(str(number), (Criterion("whole", "The picture is good.", CriterionKind.ENTITY),), category=str(category))
        for number, category in enumerate(meter.world.categories)
    ]
    planner = Planner(Pairs(prompts, seed, "search"), policy, seed)
    budget = Budget(Limits(meter.images))
    pipeline = Pipeline(_Engine(stages.rewrite), _Engine(stages.generate), _Engine(stages.judge), LIMITS, LIMITS, LIMITS)  # type: ignore[arg-type]
    async with Evaluator(pipeline) as evaluator, Stage(StageName.PROPOSE, stages.propose, LIMITS) as proposer:
        search = Search(planner, evaluator, proposer, "metered", prompts, budget, meter.images, 0, seed, History())
        root = Derivation(SystemPrompt(meter.world.root), (), Operation.ROOT, "start")
        try:
            async for event in search.run([root]):
                if isinstance(event, RoundSealed):
                    meter.hand_over(planner.leading().text)
        except Spent:
            pass
