"""Many calls to a few places: as many at once as each can serve, the next one to the least busy, none to one that is dead.

:class:`Balanced` is the engine over one or several :class:`Endpoint`; throttle.py finds out how many calls an endpoint takes.
Requests and answers are the stage's own; all that is known of an answer here is its ``usage``.
A failed call is not made again here, but for one: where an endpoint can't be reached, the call goes to another.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

from data.errors import FailureKind, FatalError, StageError
from data.remote.throttle import Call, Ending, Throttle
from data.usage import Usage

log = logging.getLogger(__name__)

FIRST_OUT, MOST_OUT = 1.0, 60.0
"""Seconds that a dead endpoint is left out for: at first, doubled with every try that fails, and at most."""
BROKEN_IN_A_ROW = 3
"""Calls that break or get no answer, one after the other, before an endpoint counts as dead. One that can't be reached does at once."""
BROKEN = (FailureKind.UNREACHABLE, FailureKind.SERVER_ERROR, FailureKind.TIMEOUT)


class Answer(Protocol):
    """What an endpoint delivers."""

    @property
    def usage(self) -> Usage: ...


Q_contra = TypeVar("Q_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)
Q = TypeVar("Q")
A = TypeVar("A", bound=Answer)


class Endpoint(Protocol[Q_contra, A_co]):
    """One place that answers requests. ``name`` is what people know it by, its address as a rule; never a secret."""

    @property
    def name(self) -> str: ...

    async def ready(self) -> None:
        """Waits until calls can be made; FatalError where they never will. Not counted against a call's time. Cheap when it is ready."""
        ...

    async def answer(self, request: Q_contra, /) -> A_co:
        """Answers one request; raises StageError."""
        ...

    async def aclose(self) -> None:
        """Ends what is kept open between calls."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint is doing: calls ``in_flight`` of at most ``limit`` now, and ``calls`` ended so far, ``failures`` among them.

    ``out``: left out for now, since it can't be reached or keeps breaking.
    """

    name: str
    in_flight: int
    limit: int
    calls: int
    failures: int
    out: bool


@dataclass(slots=True, eq=False)
class _Place(Generic[Q, A]):
    """An endpoint, its throttle, and what is known of its health."""

    endpoint: Endpoint[Q, A]
    throttle: Throttle
    running: dict[Call, None] = field(default_factory=dict[Call, None])
    """The calls in flight, the oldest first."""
    calls: int = 0
    failures: int = 0
    answered_at: float = float("-inf")
    broken_in_a_row: int = 0
    error: StageError | None = None
    """Why it is left out; None where it is not."""
    out_for: float = 0.0
    due: float = 0.0
    """When it is tried again."""

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def opens(self) -> float:
        """When it takes calls again, if nothing else happens."""
        return self.throttle.paused_until if self.error is None else self.due

    def free_share(self, now: float) -> float:
        """Which part of what it can take is free; 0 or less: nothing. One that is left out takes a single call, when it is due."""
        if self.error is not None:
            return float(now >= self.due and not self.running)
        return self.throttle.room(now) / self.throttle.limit

    def is_hopeless(self, now: float) -> bool:
        """Whether it is left out, and nothing under way may change that."""
        return self.error is not None and now < self.due and not self.running

    def begin(self, now: float) -> Call:
        call = self.throttle.begin(now)
        self.running[call] = None
        return call

    def leave(self, call: Call, outcome: A | Exception | None, now: float) -> None:
        del self.running[call]
        ending, work, retry_after = _ending(outcome)
        self.throttle.end(call, now, ending, work=work, retry_after=retry_after)
        if outcome is None:
            return
        self.calls += 1
        self.failures += isinstance(outcome, Exception)
        if isinstance(outcome, StageError) and outcome.kind in BROKEN:
            self._broke(call, outcome, now)
        elif isinstance(outcome, StageError) or not isinstance(outcome, Exception):
            self._answered(now)

    def _answered(self, now: float) -> None:
        self.answered_at, self.broken_in_a_row, self.out_for = now, 0, 0.0
        if self.error is not None:
            self.error = None
            log.info("%s answers again", self.name)

    def _broke(self, call: Call, error: StageError, now: float) -> None:
        if call.began < self.answered_at or (self.error is not None and call.began < self.due):
            # It answered others in the meantime; or this is one more of the calls that it died with.
            return
        self.broken_in_a_row += 1
        if self.error is None:
            # An overloaded server breaks new calls while it works on older ones: it is slow, not dead.
            is_at_work = any(other.began < call.began for other in self.running)
            if error.kind is not FailureKind.UNREACHABLE and (self.broken_in_a_row < BROKEN_IN_A_ROW or is_at_work):
                return
            log.warning("%s is left out until it answers again: %s", self.name, error)
        self.error = error
        self.out_for = min(2 * self.out_for or FIRST_OUT, MOST_OUT)
        self.due = now + self.out_for


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Q, A]):
    """A call without a place yet. It does not go to ``avoided``, where it met ``unreachable``."""

    turn: "asyncio.Future[tuple[_Place[Q, A], Call]]"
    avoided: frozenset[_Place[Q, A]]
    unreachable: StageError | None


class Balanced(Generic[Q, A]):
    """An engine over ``endpoints``, with at most ``most`` calls at once in all, each of at most ``timeout`` seconds.

    A call's time begins when it has its place and the endpoint is ready. Waiting calls get their places in the order in which they came.
    Where no endpoint can be reached, calls fail at once, with ``retry_after`` saying when one will be tried.
    ``section``: the profile's whose settings hints name.
    """

    times_itself = True

    def __init__(self, identity: str, endpoints: Sequence[Endpoint[Q, A]], *, most: int, timeout: float, section: str = "reasoner") -> None:
        self.identity = identity
        self._places = [_Place[Q, A](endpoint, Throttle(most)) for endpoint in endpoints]
        self._most = most
        self._timeout = timeout
        self._section = section
        self._in_flight = 0
        self._waiters: deque[_Waiter[Q, A]] = deque()
        self._next = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def __call__(self, requests: Sequence[Q]) -> Sequence[A | Exception]:
        """One outcome per request. FatalError, from any of them, ends them all."""
        if len(requests) == 1:
            return [await self._outcome(requests[0])]
        tasks = [asyncio.create_task(self._outcome(request)) for request in requests]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def aclose(self) -> None:
        """Closes all endpoints, the others too where one can't be."""
        if self._alarm is not None:
            self._alarm.cancel()
        async with AsyncExitStack() as closing:
            for place in self._places:
                closing.push_async_callback(place.endpoint.aclose)

    def standings(self) -> list[Standing]:
        """How each endpoint is doing, in the order given."""
        return [
            Standing(place.name, place.throttle.in_flight, place.throttle.limit, place.calls, place.failures, place.error is not None)
            for place in self._places
        ]

    # -- one call

    async def _outcome(self, request: Q) -> A | Exception:
        avoided: frozenset[_Place[Q, A]] = frozenset()
        unreachable: StageError | None = None
        while True:
            try:
                place, call = await self._enter(avoided, unreachable)
            except StageError as no_place:
                return no_place
            try:
                return await self._answer(place, call, request)
            except FatalError:
                raise
            except StageError as error:
                if error.kind is not FailureKind.UNREACHABLE:
                    return error
                avoided, unreachable = avoided | {place}, error
            except Exception as error:
                return error

    async def _answer(self, place: _Place[Q, A], call: Call, request: Q) -> A:
        outcome: A | Exception | None = None
        try:
            await place.endpoint.ready()
            call.began = _now()
            outcome = await self._timed(place, request)
            return outcome
        except Exception as error:
            outcome = error
            raise
        finally:
            self._leave(place, call, outcome)

    async def _timed(self, place: _Place[Q, A], request: Q) -> A:
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return await place.endpoint.answer(request)
        except TimeoutError:
            if not limit.expired():
                raise
            raise StageError(
                FailureKind.TIMEOUT,
                f"{place.name} did not answer within {self._timeout:g} s",
                retryable=True,
                hint=f"raise {self._section}.timeout in the profile",
            ) from None

    # -- places

    async def _enter(self, avoided: frozenset[_Place[Q, A]], unreachable: StageError | None) -> tuple[_Place[Q, A], Call]:
        """A place, when it is this call's turn. Raises ``unreachable``, or what befell others, where waiting is of no use."""
        waiter = _Waiter(asyncio.get_running_loop().create_future(), avoided, unreachable)
        if avoided:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        self._dispatch()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._leave(*waiter.turn.result(), None)
            raise

    def _leave(self, place: _Place[Q, A], call: Call, outcome: A | Exception | None) -> None:
        """Frees a place. ``outcome`` None: the call was given up from outside."""
        now = _now()
        self._in_flight -= 1
        place.leave(call, outcome, now)
        self._dispatch()

    def _dispatch(self) -> None:
        """Gives the places that are free to those who wait, and an error to those for whom there will be none."""
        now = _now()
        while self._waiters and self._in_flight < self._most:
            match = self._match(now)
            if match is None:
                break
            waiter, place = match
            self._waiters.remove(waiter)
            if not waiter.turn.done():
                self._in_flight += 1
                waiter.turn.set_result((place, place.begin(now)))
        self._disappoint(now)
        self._set_alarm(now)

    def _match(self, now: float) -> tuple[_Waiter[Q, A], _Place[Q, A]] | None:
        """The first in the queue for whom a place is free, and the endpoint with the largest share of its room free."""
        count = len(self._places)
        turns = [(self._next + step) % count for step in range(count)]
        free = [index for index in turns if self._places[index].free_share(now) > 0]
        if not free:
            return None
        for waiter in self._waiters:
            wanted = [index for index in free if self._places[index] not in waiter.avoided]
            if wanted:
                best = max(wanted, key=lambda index: self._places[index].free_share(now))
                self._next = (best + 1) % count
                return waiter, self._places[best]
        return None

    def _disappoint(self, now: float) -> None:
        hopeless = {place for place in self._places if place.is_hopeless(now)}
        # Whoever avoids an endpoint stands at the front.
        concerned = self._waiters if len(hopeless) == len(self._places) else takewhile(lambda waiter: waiter.avoided, self._waiters)
        for waiter in list(concerned):
            if all(place in hopeless or place in waiter.avoided for place in self._places):
                self._waiters.remove(waiter)
                if not waiter.turn.done():
                    waiter.turn.set_exception(waiter.unreachable or self._all_are_out(now))

    def _all_are_out(self, now: float) -> StageError:
        soonest = min(self._places, key=lambda place: place.due)
        assert soonest.error is not None, "all are left out"
        several = f"none of the {len(self._places)} endpoints answers: " if len(self._places) > 1 else ""
        return StageError(
            soonest.error.kind,
            f"{several}{soonest.error}",
            retryable=True,
            hint=soonest.error.hint,
            retry_after=max(0.0, soonest.due - now),
        )

    def _set_alarm(self, now: float) -> None:
        """Looks again when the next endpoint opens, as long as somebody waits."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        opening = [place.opens for place in self._places if place.opens > now] if self._waiters else []
        if opening:
            self._alarm = asyncio.get_running_loop().call_at(min(opening), self._dispatch)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _ending(outcome: Answer | Exception | None) -> tuple[Ending, float, float | None]:
    """What a throttle wants to know of a call's outcome: what it says, the work delivered, and how long to stay away."""
    if outcome is not None and not isinstance(outcome, Exception):
        return Ending.SERVED, outcome.usage.output_tokens or 1.0, None
    if not isinstance(outcome, StageError):
        return Ending.SILENT, 0.0, None
    if outcome.kind is FailureKind.RATE_LIMITED:
        return Ending.REFUSED, 0.0, outcome.retry_after
    if outcome.kind in (FailureKind.TIMEOUT, FailureKind.SERVER_ERROR):
        return Ending.STRAINED, 0.0, outcome.retry_after
    # An answer that can't be used was work all the same.
    tokens = outcome.usage.output_tokens
    return (Ending.SERVED, tokens, None) if tokens else (Ending.SILENT, 0.0, None)
