"""How many calls at once a server serves best, found out while it serves. Bookkeeping only: time is passed in, and nobody waits here.

What it looks at is the rate: the work delivered per second, in output tokens where the server counts them. More calls at once raise the
rate of a server that batches until its batch is full; from there on they only wait in its queue. So the limit doubles while that pays.
When it no longer does, the limit is held, and now and then a little more or less is tried, since what a server can do changes.
A server that says it is overloaded gets half as many calls, and none before the time that it names.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

START = 4
"""Calls at once to begin with: too few to hurt a server that answers one after the other."""
GAIN = 0.08
"""What doubling the calls must add to the rate to be worth it; smaller steps, in proportion to their logarithm."""
GROWTH = 0.15
"""The same for the big steps at the beginning, which are told from few calls."""
LOSS = 0.03
"""What fewer calls may cost of the rate and still be preferred: a shorter queue is a shorter wait."""
CHANGED = 0.3
"""A rate that is this far from the one remembered is another server's: loaded models, other users, a restart."""
LEAST_CALLS = 8
"""Calls from which a rate is told, where the limit is smaller."""
PATIENCE, MOST_PATIENCE = 2, 16
"""Rates that are told at a held limit before something else is tried: after a change, and when trials keep bringing nothing."""
MOST_PAUSE = 120.0
"""Seconds that a server may keep us away for; then it is asked again."""


class Ending(StrEnum):
    """What a call's end says about the server."""

    SERVED = "served"
    REFUSED = "refused"
    """Too many calls: HTTP 429."""
    STRAINED = "strained"
    """Broken or too slow, which a few calls are on any day, and many when the server is overloaded."""
    SILENT = "silent"
    """Nothing: cancelled, never sent, or refused for what was in it."""


@dataclass(slots=True, eq=False)
class Call:
    """A call in flight. ``began`` may be moved to when it was really sent."""

    began: float
    phase: int
    crowd: int
    """How many were in flight with it, itself included."""
    settled: bool
    """Whether the server was already as full as the limit allows when it began."""


@dataclass(slots=True)
class _Window:
    """Calls that began and ended under one limit. By Little's law the rate is their speed times the mean number in flight; unlike counted
    endings, that does not depend on which calls happen to end inside the window."""

    calls: int = 0
    full: int = 0
    crowd: float = 0.0
    work: float = 0.0
    seconds: float = 0.0

    def add(self, call: Call, crowd_at_end: int, now: float, work: float, limit: int) -> None:
        self.calls += 1
        self.full += call.crowd >= limit
        self.crowd += (call.crowd + crowd_at_end) / 2
        self.work += work
        self.seconds += now - call.began

    @property
    def rate(self) -> float:
        # Never 0, since rates are compared by their ratio.
        return max(self.crowd / self.calls * self.work / max(self.seconds, 1e-9), 1e-9)

    @property
    def is_full(self) -> bool:
        """Whether it was the limit that kept more calls away."""
        return 2 * self.full >= self.calls


class Throttle:
    """Holds the limit of one server, from 1 to ``most`` calls at once. Ask :meth:`room`, then :meth:`begin` and :meth:`end` each call.

    Lowering the limit ends no call, so more than ``limit`` may be in flight for a while.
    """

    def __init__(self, most: int) -> None:
        self.in_flight = 0
        self.paused_until = 0.0
        self._most = most
        self._held = min(START, most)
        self._rate: float | None = None
        self._trial: int | None = None
        self._upward = True
        self._growing = True
        """Until the first time that more brought nothing, steps are big."""
        self._confirming = False
        """Whether the limit on trial has paid once, and has to do so again."""
        self._ceiling: int | None = None
        """Where the server said that it was too much; forgotten after a while."""
        self._patience = 1
        self._told = 0
        self._phase = 0
        self._settled = False
        self._strained = 0
        self._window = _Window()

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return self._held if self._trial is None else self._trial

    def room(self, now: float) -> int:
        """How many more calls may begin; 0 or less: none."""
        return 0 if now < self.paused_until else self.limit - self.in_flight

    def begin(self, now: float) -> Call:
        """A call takes a place."""
        self.in_flight += 1
        return Call(now, self._phase, self.in_flight, self._settled)

    def end(self, call: Call, now: float, ending: Ending, *, work: float = 1.0, retry_after: float | None = None) -> None:
        """The call's place is free again. ``work``: what it delivered, in a unit that is the same for all calls.

        ``retry_after``: for how many seconds the server wants no more calls.
        """
        crowd = self.in_flight
        self.in_flight -= 1
        if retry_after is not None and ending in (Ending.REFUSED, Ending.STRAINED):
            self.paused_until = max(self.paused_until, now + min(retry_after, MOST_PAUSE))
        # Calls from before the last change of the limit say nothing about this limit. So one crowd lowers it once.
        if call.phase == self._phase:
            if ending is Ending.SERVED and call.settled:
                self._window.add(call, crowd, now, work, self.limit)
            self._strained += ending is Ending.STRAINED
            if ending is Ending.REFUSED or self._strained >= max(2, self.limit // 8):
                self._lower(crowd)
            elif self._window.calls >= max(self.limit, LEAST_CALLS):
                self._tell()
        self._settled = True

    def _tell(self) -> None:
        """A rate is told. What to do with the limit?"""
        rate, is_full = self._window.rate, self._window.is_full
        self._window, self._strained = _Window(), 0
        if self._trial is not None:
            self._decide(self._trial, rate, is_full)
        elif is_full:
            self._hold(rate)

    def _hold(self, rate: float) -> None:
        if self._rate is not None and abs(math.log(rate / self._rate)) > CHANGED:
            # Some of these calls began at the server as it was before, so the rate of the new one is yet to be told.
            self._upward, self._patience, self._rate = rate > self._rate, 1, None
            self._rest()
            return
        self._rate = rate if self._rate is None else (self._rate + rate) / 2
        self._told += 1
        if self._told >= self._patience:
            self._try()

    def _try(self) -> None:
        """Another limit is tried, or, where there is none in this direction, the other direction's turn comes."""
        target = self._more() if self._upward else self._fewer()
        if target == self._held:
            self._upward = not self._upward
            self._ceiling = None
            self._rest()
        else:
            self._trial = target
            self._new_phase()

    def _more(self) -> int:
        target = min(self._most, math.ceil(self._held * (2 if self._growing else 1.5)))
        if self._ceiling is not None and target >= self._ceiling:
            return max(self._held, (self._held + self._ceiling) // 2)
        return target

    def _fewer(self) -> int:
        return max(1, int(self._held / 1.25))

    def _decide(self, trial: int, rate: float, is_full: bool) -> None:
        assert self._rate is not None, "a trial follows a told rate"
        gain = GROWTH if self._growing else GAIN
        needed = 1 + gain * math.log2(trial / self._held) if trial > self._held else 1 - LOSS
        if rate < needed * self._rate:
            self._give_up()
            return
        if trial > self._held and not self._growing and not self._confirming:
            # Chance must not make the limit climb where calls only queue.
            self._confirming = True
            return
        self._trial, self._confirming = None, False
        self._held, self._rate, self._patience, self._told = trial, rate, PATIENCE, 0
        if is_full:
            self._try()

    def _give_up(self) -> None:
        self._trial = None
        self._upward, self._growing = not self._upward, False
        self._patience = min(max(PATIENCE, 2 * self._patience), MOST_PATIENCE)
        self._rest()

    def _rest(self) -> None:
        self._told = 0
        self._new_phase()

    def _lower(self, crowd: int) -> None:
        """The server has too much: back from a higher limit that was tried, or down to half."""
        self._ceiling = min(self.limit, crowd)
        if self._trial is not None and self._trial > self._held:
            self._give_up()
            return
        self._held, self._trial, self._rate = max(1, self.limit // 2), None, None
        self._upward, self._growing, self._patience = True, False, 1
        self._rest()

    def _new_phase(self) -> None:
        self._phase += 1
        self._settled = self._confirming = False
        self._strained = 0
        self._window = _Window()
