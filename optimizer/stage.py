"""One engine behind a queue: batches what waits, bounds what runs, retries what may heal, and never works twice on the same key.

A stage knows nothing of trials. It finds earlier results through ``recall`` (the ledger's cache, passed in as a function), shares the
work in flight between all who ask for the same key, and remembers recent results until the ledger surely has them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from data.errors import FailureKind, StageError
from data.errors import Stage as StageName
from data.identity import derived_random
from data.usage import Usage

Q = TypeVar("Q")
R = TypeVar("R")

Engine = Callable[[Sequence[Q]], Awaitable[Sequence[R | Exception]]]
Recall = Callable[[Mapping[str, Q]], Mapping[str, R]]
"""Earlier results for requests by their keys, by the same keys."""

REMEMBERED = 4096
"""Finished results kept at hand: far more than a door leaves unwritten, and a few megabytes at most."""

MOST_WAIT = 120.0
"""How many seconds a far side may ask us to wait, where no time limit is set."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """How hard an engine may be driven.

    ``concurrency`` calls run at once, of up to ``batch`` requests each. A call that takes longer than ``timeout`` seconds has failed; None
    is for engines that bound the time of their calls themselves.
    A retryable failure is tried again, ``attempts`` times in all, after ``backoff`` seconds, twice that, and so on.
    """

    concurrency: int = 4
    batch: int = 8
    timeout: float | None = 120.0
    attempts: int = 4
    backoff: float = 1.0


class StageFailed(Exception):
    """What a caller of a stage gets in place of a result: the last ``error``, how many ``attempts`` were made, and what they used."""

    def __init__(self, error: StageError, attempts: int, usage: Usage) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts = attempts
        self.usage = usage


@dataclass(slots=True)
class _Job(Generic[Q, R]):
    key: str
    request: Q
    result: "asyncio.Future[R]"
    attempts: int = 0
    wasted: Usage = Usage()
    """What attempts that failed have used."""


class Stage(Generic[Q, R]):
    """See the module's text. Use inside ``async with``; leaving cancels what still runs."""

    def __init__(self, name: StageName, engine: Engine[Q, R], limits: StageLimits, recall: Recall[Q, R] | None = None) -> None:
        self.name = name
        self.recalled = 0
        """Results that came from the ledger instead of the engine."""
        self.delivered = 0
        """Results that the engine delivered."""
        self._engine = engine
        self._limits = limits
        self._recall = recall
        self._jobs: asyncio.Queue[_Job[Q, R]] = asyncio.Queue()
        self._results: OrderedDict[str, asyncio.Future[R]] = OrderedDict()
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Stage[Q, R]":
        self._workers = [asyncio.create_task(self._work(), name=f"{self.name}-{n}") for n in range(self._limits.concurrency)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for result in self._results.values():
            result.cancel()

    async def __call__(self, key: str, request: Q) -> R:
        """The result for ``key``; StageFailed where the engine did not deliver, FatalError where the run can't go on."""
        result = self._results.get(key)
        if result is None:
            result = asyncio.get_running_loop().create_future()
            result.add_done_callback(_retrieved)
            self._results[key] = result
            self._forget_old()
            self._jobs.put_nowait(_Job(key, request, result))
        # Shielded: the work is shared, and one caller that goes away must not take it from the others.
        return await asyncio.shield(result)

    def _forget_old(self) -> None:
        while len(self._results) > REMEMBERED:
            key, oldest = next(iter(self._results.items()))
            if not oldest.done():
                return
            del self._results[key]

    async def _work(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < self._limits.batch and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            try:
                missing = await self._settle_from_ledger(jobs)
                if missing:
                    self._settle(missing, await self._call(missing))
            except Exception as error:
                # A ledger that can't be read, or a bug of ours: nobody may wait for ever for a worker that died.
                for job in jobs:
                    if not job.result.done():
                        self._fail(job, error)

    async def _settle_from_ledger(self, jobs: list[_Job[Q, R]]) -> list[_Job[Q, R]]:
        if self._recall is None:
            return jobs
        found = await asyncio.to_thread(self._recall, {job.key: job.request for job in jobs if job.attempts == 0})
        for job in jobs:
            if job.key in found and not job.result.done():
                self.recalled += 1
                job.result.set_result(found[job.key])
        return [job for job in jobs if job.key not in found]

    async def _call(self, jobs: list[_Job[Q, R]]) -> Sequence[R | Exception]:
        """One outcome per job; an exception of the whole call is every job's outcome."""
        try:
            async with asyncio.timeout(self._limits.timeout):
                outcomes = await self._engine([job.request for job in jobs])
        except TimeoutError:
            outcomes = [self._timed_out()] * len(jobs)
        except Exception as error:
            outcomes = [error] * len(jobs)
        if len(outcomes) != len(jobs):
            broken = StageError(FailureKind.MALFORMED, f"the {self.name} engine gave {len(outcomes)} results for {len(jobs)} requests")
            return [broken] * len(jobs)
        return outcomes

    def _timed_out(self) -> StageError:
        return StageError(
            FailureKind.TIMEOUT,
            f"no answer within {self._limits.timeout:g} s",
            retryable=True,
            hint=f"raise {_section(self.name)}.timeout in the profile, or lower its batch",
        )

    def _settle(self, jobs: Sequence[_Job[Q, R]], outcomes: Sequence[R | Exception]) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.attempts += 1
            if isinstance(outcome, StageError):
                job.wasted += outcome.usage
            if not isinstance(outcome, Exception):
                self.delivered += 1
                if not job.result.done():
                    job.result.set_result(_charged(outcome, job.wasted))
            elif isinstance(outcome, StageError) and outcome.retryable and job.attempts < self._limits.attempts:
                asyncio.get_running_loop().call_later(self._delay(job, outcome), self._jobs.put_nowait, job)
            else:
                self._fail(job, outcome)

    def _delay(self, job: _Job[Q, R], error: StageError) -> float:
        if error.retry_after is not None:
            return min(error.retry_after, self._limits.timeout or MOST_WAIT)
        # Up to half as much again, so that jobs that failed together do not come back together.
        return self._limits.backoff * 2 ** (job.attempts - 1) * (1 + derived_random("backoff", job.key, job.attempts).random() / 2)

    def _fail(self, job: _Job[Q, R], error: Exception) -> None:
        self._results.pop(job.key, None)
        if not job.result.done():
            job.result.set_exception(StageFailed(error, job.attempts, job.wasted) if isinstance(error, StageError) else error)


def _charged(result: R, wasted: Usage) -> R:
    """``result`` with what its failed attempts used, too."""
    if wasted == Usage():
        return result
    record: Any = result
    return replace(record, usage=record.usage + wasted)


def _section(name: StageName) -> str:
    sections = {
        StageName.REWRITE: "reasoner",
        StageName.GENERATE: "generator",
        StageName.JUDGE: "judge",
        StageName.PROPOSE: "proposer",
        StageName.WRITE: "writer",
    }
    return sections[name]


def _retrieved(result: "asyncio.Future[R]") -> None:
    """Looks at the exception once, so that asyncio does not complain when every caller has gone away."""
    if not result.cancelled():
        result.exception()
