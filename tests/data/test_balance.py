"""Calls over several endpoints: order, shares, time limits, endpoints that die and come back, and nothing left behind."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError
from data.remote.balance import Balanced
from data.usage import Usage
from reasoner.engines.openai import openai_engine
from reasoner.testserver import serving

Behavior = Callable[[Chat], Exception | None]


def chats(count: int) -> list[Chat]:
    return [Chat("Rewrite.", f"prompt {number}", seed=number) for number in range(count)]


def refused(_: Chat) -> StageError:
    return StageError(FailureKind.UNREACHABLE, "no connection", retryable=True, hint="is it up?")


def broken(_: Chat) -> StageError:
    return StageError(FailureKind.SERVER_ERROR, "answered 502", retryable=True)


class FakeEndpoint:
    """Answers with its name and the user's text after a few turns of the loop; ``behavior`` says what goes wrong, and may be changed."""

    def __init__(self, name: str = "a", behavior: Behavior | None = None, *, gate: asyncio.Event | None = None) -> None:
        self.name = name
        self.behavior = behavior
        self.gate = gate
        self.asked: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.closed = False
        self.not_ready: Exception | None = None
        self.starting: asyncio.Event | None = None

    async def ready(self) -> None:
        if self.starting is not None:
            await self.starting.wait()
        if self.not_ready is not None:
            raise self.not_ready

    async def answer(self, chat: Chat) -> Completion:
        gate = self.gate
        self.asked.append(chat.user)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if gate is not None:
                await gate.wait()
            if self.behavior is not None and (error := self.behavior(chat)):
                raise error
            return Completion(f"{self.name}: {chat.user}", usage=Usage(output_tokens=5))
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        self.closed = True


def balanced(*endpoints: FakeEndpoint, most: int = 8, timeout: float = 60.0) -> Balanced:
    return Balanced("test", endpoints, most=most, timeout=timeout)


def error_of(outcome: object) -> StageError:
    assert isinstance(outcome, StageError)
    return outcome


def texts(outcomes: Sequence[Completion | Exception]) -> list[str]:
    return [outcome.text if isinstance(outcome, Completion) else repr(outcome) for outcome in outcomes]


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncGenerator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)


# -- sharing out


async def test_there_is_one_outcome_per_chat_in_order():
    engine = balanced(FakeEndpoint())
    assert texts(await engine(chats(50))) == [f"a: prompt {number}" for number in range(50)]
    assert await engine([]) == []
    standing = engine.standings()[0]
    assert (standing.name, standing.in_flight, standing.calls, standing.failures, standing.out) == ("a", 0, 50, 0, False)


async def test_calls_are_made_in_the_order_in_which_they_came():
    endpoint = FakeEndpoint()
    engine = balanced(endpoint, most=1)
    await asyncio.gather(*(engine([chat]) for chat in chats(20)))
    assert endpoint.asked == [f"prompt {number}" for number in range(20)]


@pytest.mark.parametrize("most", [1, 3, 5])
async def test_no_more_than_most_calls_are_in_flight_in_all(most: int):
    endpoints = [FakeEndpoint("a"), FakeEndpoint("b"), FakeEndpoint("c")]
    await balanced(*endpoints, most=most)(chats(200))
    assert max(endpoint.most_in_flight for endpoint in endpoints) <= most
    engine = balanced(*(held := [FakeEndpoint(name, gate=asyncio.Event()) for name in "abc"]), most=most)
    asking = asyncio.create_task(engine(chats(20)))
    await until(lambda: sum(endpoint.in_flight for endpoint in held) == most)
    for _ in range(20):
        await asyncio.sleep(0)
    assert sum(standing.in_flight for standing in engine.standings()) == most
    for endpoint in held:
        assert endpoint.gate
        endpoint.gate.set()
    await asking


async def test_the_least_busy_endpoint_is_next_and_ties_take_turns():
    slow, quick = FakeEndpoint("slow", gate=asyncio.Event()), FakeEndpoint("quick")
    engine = balanced(slow, quick, most=40)
    asking = asyncio.create_task(engine(chats(100)))
    await until(lambda: len(quick.asked) == 96)
    assert len(slow.asked) == 4
    assert slow.gate
    slow.gate.set()
    await asking
    idle = [FakeEndpoint("a"), FakeEndpoint("b"), FakeEndpoint("c")]
    one_by_one = balanced(*idle)
    for chat in chats(9):
        await one_by_one([chat])
    assert [len(endpoint.asked) for endpoint in idle] == [3, 3, 3]


# -- time


async def test_a_call_has_its_time_and_says_how_much_it_was():
    engine = balanced(FakeEndpoint("http://slow:8000/v1", gate=asyncio.Event()), timeout=0.02)
    error = error_of((await engine(chats(1)))[0])
    assert (error.kind, error.retryable) == (FailureKind.TIMEOUT, True)
    assert str(error) == "http://slow:8000/v1 did not answer within 0.02 s"
    assert "reasoner.timeout" in error.hint


async def test_waiting_for_a_place_and_for_the_endpoint_is_not_the_calls_time():
    endpoint = FakeEndpoint()
    endpoint.starting = asyncio.Event()
    engine = balanced(endpoint, most=1, timeout=0.3)
    asking = asyncio.create_task(engine(chats(3)))
    await asyncio.sleep(0.4)
    assert endpoint.asked == []
    endpoint.starting.set()
    assert texts(await asking) == ["a: prompt 0", "a: prompt 1", "a: prompt 2"]


async def test_an_endpoints_own_timeout_error_is_not_taken_for_ours():
    outcome = (await balanced(FakeEndpoint(behavior=lambda _: TimeoutError("its own")))(chats(1)))[0]
    assert isinstance(outcome, TimeoutError)


async def test_after_a_refusal_nothing_is_sent_before_the_time_named():
    refusal = StageError(FailureKind.RATE_LIMITED, "slow down", retryable=True, retry_after=0.5)
    endpoint = FakeEndpoint(behavior=lambda _: refusal)
    engine = balanced(endpoint)
    assert await engine(chats(1)) == [refusal]
    endpoint.behavior = None
    asking = asyncio.create_task(engine(chats(1)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(endpoint.asked) == 1
    assert texts(await asking) == ["a: prompt 0"]


# -- failures


async def test_a_failed_chat_is_its_own_outcome_and_the_others_are_answered():
    failure = StageError(FailureKind.REFUSED, "declined")
    bug = ZeroDivisionError("a bug")
    wrong: dict[str, Exception] = {"prompt 1": failure, "prompt 3": bug}
    outcomes = await balanced(FakeEndpoint(behavior=lambda chat: wrong.get(chat.user)))(chats(5))
    assert [outcomes[1], outcomes[3]] == [failure, bug]
    assert all(isinstance(outcomes[number], Completion) for number in (0, 2, 4))


@pytest.mark.parametrize("where", ["ready", "answer"])
async def test_a_fatal_error_ends_all_calls(where: str):
    fatal = FatalError("the server can't be started")
    dying, other = FakeEndpoint("a"), FakeEndpoint("b", gate=asyncio.Event())
    if where == "ready":
        dying.not_ready = fatal
    else:
        dying.behavior = lambda _: fatal
    engine = balanced(dying, other)
    with pytest.raises(FatalError, match="can't be started"):
        await engine(chats(20))
    assert other.in_flight == 0
    assert [standing.in_flight for standing in engine.standings()] == [0, 0]


async def test_cancelling_frees_the_places():
    gate = asyncio.Event()
    endpoint = FakeEndpoint(gate=gate)
    engine = balanced(endpoint, most=2)
    first = asyncio.create_task(engine(chats(10)))
    second = asyncio.create_task(engine(chats(1)))
    await until(lambda: endpoint.in_flight == 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert texts(await second) == ["a: prompt 0"]
    assert engine.standings()[0].in_flight == 0


async def test_a_caller_that_is_cancelled_as_its_turn_comes_gives_its_place_on():
    gate = asyncio.Event()
    endpoint = FakeEndpoint(gate=gate)
    engine = balanced(endpoint, most=1)
    first = asyncio.create_task(engine(chats(1)))
    await until(lambda: endpoint.in_flight == 1)
    second, third = asyncio.create_task(engine(chats(1))), asyncio.create_task(engine(chats(1)))
    await asyncio.sleep(0)
    # The place is handed over when the first is done; the second is cancelled before it has taken a step with it.
    first.add_done_callback(lambda _: second.cancel())
    gate.set()
    await asyncio.wait([first, second, third])
    assert second.cancelled()
    assert texts(third.result()) == ["a: prompt 0"]
    assert engine.standings()[0].in_flight == 0


# -- dead endpoints


async def test_a_call_that_meets_a_dead_endpoint_goes_to_another_one(caplog: pytest.LogCaptureFixture):
    dead, alive = FakeEndpoint("http://dead/v1", refused), FakeEndpoint("http://alive/v1")
    engine = balanced(dead, alive)
    with caplog.at_level(logging.INFO, "data.remote.balance"):
        outcomes = await engine(chats(100))
    assert all(isinstance(outcome, Completion) for outcome in outcomes)
    assert [standing.out for standing in engine.standings()] == [True, False]
    # At first a few are sent to it together; then none, until it is tried again after a second.
    assert len(dead.asked) <= 8
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "http://dead/v1 is left out until it answers again: no connection"
    ]


async def test_a_dead_endpoint_is_tried_with_one_call_and_comes_back(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.remote.balance.FIRST_OUT", 0.02)
    sick, well = FakeEndpoint("sick", refused), FakeEndpoint("well")
    engine = balanced(sick, well)
    with caplog.at_level(logging.INFO, "data.remote.balance"):
        await engine(chats(1))
        asked = len(sick.asked)
        for _ in range(3):
            await asyncio.sleep(0.2)
            await engine(chats(20))
            asked += 1
            assert len(sick.asked) == asked, "one call at a time"
        sick.behavior = None
        await asyncio.sleep(0.5)
        await engine(chats(20))
        assert not engine.standings()[0].out
        await engine(chats(20))
    assert len(sick.asked) > asked + 3
    assert [record.message for record in caplog.records] == ["sick is left out until it answers again: no connection", "sick answers again"]


async def test_when_all_are_dead_calls_fail_at_once_and_say_when_to_come_again():
    engine = balanced(FakeEndpoint("a", refused), FakeEndpoint("b", refused))
    for outcome in await engine(chats(30)):
        error = error_of(outcome)
        assert (error.kind, error.retryable) == (FailureKind.UNREACHABLE, True)
    late = error_of((await engine(chats(1)))[0])
    assert "none of the 2 endpoints answers" in str(late)
    assert late.hint == "is it up?"
    assert late.retry_after is not None
    assert 0 < late.retry_after <= 1


async def test_with_a_single_dead_endpoint_calls_share_the_verdict_of_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.remote.balance.FIRST_OUT", 0.02)
    gate = asyncio.Event()
    endpoint = FakeEndpoint("a", refused)
    engine = balanced(endpoint)
    assert str(error_of((await engine(chats(1)))[0])) == "no connection"
    await asyncio.sleep(0.05)
    endpoint.gate = gate
    asking = asyncio.create_task(engine(chats(10)))
    await until(lambda: endpoint.in_flight == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(endpoint.asked) == 2, "the others wait for what becomes of the one"
    endpoint.behavior = None
    gate.set()
    assert len(texts(await asking)) == 10
    assert not engine.standings()[0].out
    assert len(endpoint.asked) == 11


async def test_calls_that_die_together_leave_an_endpoint_out_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.remote.balance.FIRST_OUT", 0.02)
    gate = asyncio.Event()
    endpoint = FakeEndpoint("a", refused, gate=gate)
    engine = balanced(endpoint)
    asking = asyncio.create_task(engine(chats(4)))
    await until(lambda: endpoint.in_flight == 4)
    gate.set()
    await asking
    late = error_of((await engine(chats(1)))[0])
    assert late.retry_after is not None
    assert late.retry_after <= 0.02


async def test_an_endpoint_that_keeps_breaking_is_left_out_and_one_that_breaks_now_and_then_is_not():
    engine = balanced(FakeEndpoint("broken", broken), FakeEndpoint("well"))
    for chat in chats(12):
        await engine([chat])
    assert [standing.out for standing in engine.standings()] == [True, False]
    assert engine.standings()[0].failures == 3
    sometimes = balanced(FakeEndpoint("a", lambda chat: broken(chat) if chat.seed % 3 else None))
    for chat in chats(30):
        await sometimes([chat])
    assert not sometimes.standings()[0].out


async def test_an_endpoint_that_breaks_new_calls_while_it_works_on_older_ones_is_not_dead():
    gate = asyncio.Event()
    endpoint = FakeEndpoint("a", gate=gate)
    engine = balanced(endpoint, most=8)
    working = asyncio.create_task(engine(chats(1)))
    await until(lambda: endpoint.in_flight == 1)
    endpoint.gate, endpoint.behavior = None, broken
    for _ in range(3):
        await asyncio.sleep(0.001)
        await engine(chats(1))
    assert not engine.standings()[0].out
    endpoint.behavior = None
    gate.set()
    assert texts(await working) == ["a: prompt 0"]


async def test_all_are_closed_even_if_one_fails():
    class Stuck(FakeEndpoint):
        async def aclose(self) -> None:
            raise OSError("can't be closed")

    first, last = FakeEndpoint("a"), FakeEndpoint("c")
    with pytest.raises(OSError, match="can't be closed"):
        await balanced(first, Stuck("b"), last).aclose()
    assert first.closed
    assert last.closed


# -- over HTTP


async def test_one_of_two_servers_dies_and_nothing_is_lost():
    with serving(latency=0.01, capacity=8) as mortal, serving(latency=0.01, capacity=8) as lasting:
        engine = openai_engine("good", urls=[mortal.url, lasting.url], api_key=None, parameters={}, most=16, timeout=30)

        async def kill() -> None:
            await until_asleep(lambda: len(mortal.requests) >= 40)
            await asyncio.to_thread(mortal.stop)

        killing = asyncio.create_task(kill())
        outcomes = await engine(chats(300))
        await killing
        await engine.aclose()
        assert [outcome for outcome in outcomes if not isinstance(outcome, Completion)] == []
        standings = engine.standings()
        assert [standing.out for standing in standings] == [True, False]
        assert standings[1].calls > 150
        assert sum(standing.calls - standing.failures for standing in standings) == 300


async def until_asleep(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)
