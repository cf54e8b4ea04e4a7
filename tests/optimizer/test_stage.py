"""A stage batches, bounds, retries and shares; it never works twice on one key and never loses a caller."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from data.errors import FailureKind, FatalError, StageError
from data.errors import Stage as StageName
from data.records import Usage
from optimizer.stage import Stage, StageFailed, StageLimits

QUICK = StageLimits(concurrency=2, batch=4, timeout=5.0, attempts=3, backoff=0.001)


class Doubling:
    """An engine that doubles numbers, and records how it was called. ``trouble`` maps a request to the errors it meets first."""

    def __init__(self, trouble: dict[int, list[Exception]] | None = None, delay: float = 0.0) -> None:
        self.calls: list[list[int]] = []
        self.running = self.most_running = 0
        self._trouble = trouble or {}
        self._delay = delay

    async def __call__(self, requests: Sequence[int]) -> Sequence[int | Exception]:
        self.calls.append(list(requests))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self._delay)
        self.running -= 1
        return [self._trouble[n].pop(0) if self._trouble.get(n) else 2 * n for n in requests]


async def ask(stage: Stage[int, int], numbers: Sequence[int]) -> list[int]:
    return await asyncio.gather(*(stage(str(number), number) for number in numbers))


async def test_batches_what_waits_within_the_limits():
    engine = Doubling(delay=0.01)
    async with Stage(StageName.REWRITE, engine, QUICK) as stage:
        assert await ask(stage, range(20)) == [2 * n for n in range(20)]
    assert max(len(call) for call in engine.calls) == QUICK.batch
    assert engine.most_running <= QUICK.concurrency


async def test_one_key_is_worked_on_once_also_later():
    engine = Doubling(delay=0.01)
    async with Stage(StageName.REWRITE, engine, QUICK) as stage:
        assert await ask(stage, [7, 7, 7]) == [14, 14, 14]
        assert await stage("7", 7) == 14
    assert engine.calls == [[7]]
    assert stage.delivered == 1


async def test_what_the_ledger_has_is_not_asked_for():
    engine = Doubling()
    async with Stage(StageName.GENERATE, engine, QUICK, lambda asked: {key: -1 for key in asked if key == "3"}) as stage:
        assert await ask(stage, [3, 4]) == [-1, 8]
    assert engine.calls == [[4]]
    assert (stage.recalled, stage.delivered) == (1, 1)


async def test_retries_only_what_may_heal():
    down = StageError(FailureKind.UNREACHABLE, "down", retryable=True)
    engine = Doubling({1: [down, down], 2: [StageError(FailureKind.REFUSED, "no")]})
    async with Stage(StageName.REWRITE, engine, QUICK) as stage:
        assert await stage("1", 1) == 2
        with pytest.raises(StageFailed) as failed:
            await stage("2", 2)
    assert failed.value.attempts == 1
    assert engine.calls == [[1], [1], [1], [2]]


async def test_gives_up_after_the_attempts_and_may_be_asked_again():
    down = StageError(FailureKind.SERVER_ERROR, "down", retryable=True)
    engine = Doubling({1: [down, down, down]})
    async with Stage(StageName.REWRITE, engine, QUICK) as stage:
        with pytest.raises(StageFailed) as failed:
            await stage("1", 1)
        assert failed.value.attempts == QUICK.attempts
        assert await stage("1", 1) == 2


async def test_a_hanging_engine_times_out():
    limits = StageLimits(concurrency=1, batch=1, timeout=0.02, attempts=1)
    async with Stage(StageName.REWRITE, Doubling(delay=60), limits) as stage:
        with pytest.raises(StageFailed) as failed:
            await stage("1", 1)
    assert failed.value.error.kind is FailureKind.TIMEOUT
    assert failed.value.error.retryable


async def test_a_wrong_number_of_results_is_malformed():
    async def short(requests: Sequence[int]) -> Sequence[int]:
        return []

    async with Stage(StageName.JUDGE, short, QUICK) as stage:
        with pytest.raises(StageFailed, match="0 results for 1"):
            await stage("1", 1)


async def test_a_fatal_error_reaches_the_caller_as_it_is():
    async with Stage(StageName.GENERATE, Doubling({1: [FatalError("disk full")]}), QUICK) as stage:
        with pytest.raises(FatalError, match="disk full"):
            await stage("1", 1)


async def test_a_broken_ledger_leaves_nobody_waiting():
    def broken(asked: Mapping[str, int]) -> dict[str, int]:
        raise RuntimeError("no ledger")

    async with Stage(StageName.GENERATE, Doubling(), QUICK, broken) as stage:
        with pytest.raises(RuntimeError, match="no ledger"):
            await stage("1", 1)


async def test_one_caller_that_goes_away_does_not_take_the_work_from_another():
    async with Stage(StageName.REWRITE, Doubling(delay=0.05), QUICK) as stage:
        leaving = asyncio.create_task(stage("1", 1))
        staying = asyncio.create_task(stage("1", 1))
        await asyncio.sleep(0.01)
        leaving.cancel()
        assert await staying == 2


async def test_what_failed_attempts_used_is_counted():
    @dataclass(frozen=True)
    class Answer:
        usage: Usage

    paid = StageError(FailureKind.EMPTY, "nothing", retryable=True, usage=Usage(10, 1, 0.5))
    final = StageError(FailureKind.UNFINISHED, "cut off", usage=Usage(10, 99, None))
    outcomes: dict[int, list[Answer | Exception]] = {1: [paid, paid, Answer(Usage(10, 5, 1.0))], 2: [paid, final]}

    async def engine(requests: Sequence[int]) -> list[Answer | Exception]:
        return [outcomes[request].pop(0) for request in requests]

    async with Stage(StageName.REWRITE, engine, QUICK) as stage:
        assert (await stage("1", 1)).usage == Usage(30, 7, 2.0)
        with pytest.raises(StageFailed) as failed:
            await stage("2", 2)
    assert failed.value.usage == Usage(20, 100, None)


async def test_an_engine_may_bound_its_own_time():
    async with Stage(StageName.REWRITE, Doubling(delay=0.05), replace(QUICK, timeout=None)) as stage:
        assert await stage("1", 1) == 2
