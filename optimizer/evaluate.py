"""Trials through the pipeline: rewriting, generating and judging overlap, memory is bounded, order of completion is free.

The evaluator runs what it is asked to run. It decides nothing, stores nothing, and yields each trial when it is done.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sized
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from data.errors import Stage as StageName
from data.records import GeneratedImage, Judgment, Rewrite, Trial, TrialRequest
from generator import ImageGenerator, ImageRequest
from optimizer.judges import Judge, JudgeRequest
from optimizer.stage import Recall, Stage, StageLimits
from optimizer.trial import Stages, run_trial
from reasoner import Reasoner, RewriteRequest

Q = TypeVar("Q")
R = TypeVar("R")

NOTHING_KNOWN: Mapping[str, Trial] = {}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The three engines of a trial, how hard each may be driven, and where earlier results are found (None: nowhere)."""

    reasoner: Reasoner
    generator: ImageGenerator
    judge: Judge
    reasoner_limits: StageLimits = StageLimits()
    generator_limits: StageLimits = StageLimits()
    judge_limits: StageLimits = StageLimits()
    recall_rewrites: Recall[RewriteRequest, Rewrite] | None = None
    recall_images: Recall[ImageRequest, GeneratedImage] | None = None
    recall_judgments: Recall[JudgeRequest, Judgment] | None = None

    @property
    def identities(self) -> dict[str, str]:
        """What its engines are, by stage."""
        return {"reasoner": self.reasoner.identity, "generator": self.generator.identity, "judge": self.judge.identity}

    @property
    def in_flight(self) -> int:
        """How many trials are under way at once: enough to fill every stage twice, so that none waits for another."""
        limits = (self.reasoner_limits, self.generator_limits, self.judge_limits)
        return 2 * sum(limit.concurrency * limit.batch for limit in limits)


class Evaluator:
    """Runs trials; use inside ``async with``.

    ``known`` holds trials by id that need not be run again: those of a run that is being resumed. ``beside``: another evaluator, open as
    long as this one, whose stages are used where the engine is the same, so that what it has just done is not done again.
    """

    def __init__(self, pipeline: Pipeline, known: Mapping[str, Trial] = NOTHING_KNOWN, beside: "Evaluator | None" = None) -> None:
        self._pipeline = pipeline
        self._known = known
        self._exit = AsyncExitStack()
        identities = (pipeline.reasoner.identity, pipeline.generator.identity, pipeline.judge.identity)
        shared = None if beside is None else beside.stages
        rewrite = shared.rewrite if shared is not None and identities[0] == shared.reasoner_identity else None
        generate = shared.generate if shared is not None and identities[1] == shared.generator_identity else None
        judge = shared.judge if shared is not None and identities[2] == shared.judge_identity else None
        self._own: list[Stage[Any, Any]] = []
        self.stages = Stages(
            rewrite or self._made(Stage(StageName.REWRITE, pipeline.reasoner, pipeline.reasoner_limits, pipeline.recall_rewrites)),
            generate or self._made(Stage(StageName.GENERATE, pipeline.generator, pipeline.generator_limits, pipeline.recall_images)),
            judge or self._made(Stage(StageName.JUDGE, pipeline.judge, pipeline.judge_limits, pipeline.recall_judgments)),
            identities,
        )

    def _made(self, stage: Stage[Q, R]) -> Stage[Q, R]:
        self._own.append(stage)
        return stage

    @property
    def pipeline(self) -> str:
        """Names all three engines: part of every trial's id."""
        return self.stages.pipeline

    async def __aenter__(self) -> Self:
        for stage in self._own:
            await self._exit.enter_async_context(stage)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def run(self, request: TrialRequest) -> Trial:
        """One trial: the known one, or a new pass through the stages."""
        known = self._known.get(request.id(self.stages.pipeline)) if self._known else None
        return known or await run_trial(request, self.stages)

    async def stream(self, requests: Iterable[TrialRequest]) -> AsyncGenerator[Trial, None]:
        """Runs ``requests`` and yields each trial as it is done. Requests are drawn as room appears, so they may be endless.

        Several streams may run at once; they share the stages. Closing the iterator cancels what it has under way.
        """
        done: asyncio.Queue[Trial | None] = asyncio.Queue(maxsize=self._pipeline.in_flight)
        lanes_needed = min(self._pipeline.in_flight, len(requests)) if isinstance(requests, Sized) else self._pipeline.in_flight
        async with _Lanes(self, iter(requests), done, lanes_needed) as lanes:
            while (trial := await done.get()) is not None:
                yield trial
            lanes.raise_error()


class _Lanes:
    """A fixed number of coroutines that draw from one source: cheaper than a task a trial, and the bound on what is in flight.

    A fatal error stops the drawing; what is under way is finished first and delivered, since it is paid for.
    """

    def __init__(self, evaluator: Evaluator, source: Iterator[TrialRequest], done: "asyncio.Queue[Trial | None]", count: int) -> None:
        self._evaluator = evaluator
        self._source = source
        self._done = done
        self._count = count
        self._error: Exception | None = None
        self._supervisor: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._supervisor = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def raise_error(self) -> None:
        """Raises what ended the lanes early, if anything did."""
        if self._error is not None:
            raise self._error

    async def _supervise(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._lane())
        await self._done.put(None)

    async def _lane(self) -> None:
        try:
            for request in self._source:
                await self._done.put(await self._evaluator.run(request))
                if self._error is not None:
                    return
        except Exception as error:
            self._error = self._error or error
