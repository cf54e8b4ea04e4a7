"""The throttle against servers of several kinds, simulated in virtual time: how close it comes to the best fixed number of calls."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.remote.throttle import MOST_PAUSE, START, Call, Ending, Throttle

MOST = 128
FIXED = (1, 2, 4, 8, 16, 24, 32, 64, 128)


@dataclass(frozen=True)
class Server:
    """``speed(n)`` tokens per second for each of n calls that are worked on, at most ``slots`` of them; the others wait, in order.

    With more than ``takes`` calls inside, the next one is refused. With ``per_second``, so many calls are let in and no more, after a burst
    of ten; a refused one is told when to come again.
    """

    speed: Callable[[int], float]
    slots: int = 10**6
    takes: int = 10**6
    per_second: float | None = None


BATCHING = Server(lambda n: 1 / (0.02 + 0.001 * n))
"""Like vLLM: every call more makes all a little slower."""
BATCH_OF_24 = Server(lambda n: 50.0, slots=24)
THRASHING = Server(lambda n: 1 / (0.02 + 0.001 * n + 0.00002 * n * n))
"""Too many calls make it slower in all."""
ONE_BY_ONE = Server(lambda n: 30.0, slots=1)
FOUR_AT_ONCE = Server(lambda n: 30.0, slots=4)
SHARED = Server(lambda n: 30.0 / n)
REFUSING_ABOVE_20 = Server(lambda n: 50.0, takes=20)
REFUSING_ABOVE_3 = Server(lambda n: 50.0, takes=3)
TWO_PER_SECOND = Server(lambda n: 50.0, per_second=2.0)


class Fixed(Throttle):
    """As many calls at once as it is told."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._held = limit

    def end(self, call: Call, now: float, ending: Ending, *, work: float = 1.0, retry_after: float | None = None) -> None:
        call.phase = -1  # nothing is learned from it
        super().end(call, now, ending, work=work, retry_after=retry_after)


@dataclass
class Course:
    """What happened: (time, tokens) of each call served, times of refusals, (time, limit, calls inside) whenever something happened."""

    served: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    states: list[tuple[float, int, int]] = field(default_factory=list)

    def rate(self, since: float, until: float) -> float:
        return sum(tokens for time, tokens in self.served if since <= time < until) / (until - since)

    def mean_limit(self, since: float, until: float) -> float:
        """Over time, not over events."""
        area = 0.0
        for (time, limit, _), (following, _, _) in zip(self.states, self.states[1:], strict=False):
            area += limit * max(0.0, min(following, until) - max(time, since))
        return area / (until - since)


class Simulation:
    """A server and always more callers than it can serve, whose answers have random lengths."""

    def __init__(self, throttle: Throttle, server: Server, seed: int) -> None:
        self.throttle = throttle
        self.server = server
        self.course = Course()
        self._random = Random(seed)
        self._now = 0.0
        self._done = 0.0  # tokens that each call inside has got since the beginning of time
        self._active: list[tuple[float, int, Call, float]] = []
        self._waiting: deque[tuple[int, Call, float]] = deque()
        self._count = 0
        self._tokens = 10.0
        self._filled = 0.0

    def run(self, until: float) -> Course:
        while self._now < until:
            while self.throttle.room(self._now) > 0:
                self._arrive()
            self._advance(until)
            inside = len(self._active) + len(self._waiting)
            self.course.states.append((self._now, self.throttle.limit, inside))
        return self.course

    def _arrive(self) -> None:
        call = self.throttle.begin(self._now)
        length = self._random.lognormvariate(5, 0.5)
        retry_after = self._refusal()
        if retry_after is not None or len(self._active) + len(self._waiting) >= self.server.takes:
            self.course.refused.append(self._now)
            # A refused caller comes again a moment later, told so or not.
            self.throttle.end(call, self._now, Ending.REFUSED, retry_after=retry_after or 0.05)
            return
        self._count += 1
        if len(self._active) < self.server.slots:
            self._start(self._count, call, length)
        else:
            self._waiting.append((self._count, call, length))

    def _refusal(self) -> float | None:
        if self.server.per_second is None:
            return None
        self._tokens = min(10.0, self._tokens + (self._now - self._filled) * self.server.per_second)
        self._filled = self._now
        if self._tokens < 1:
            return max(0.05, (1 - self._tokens) / self.server.per_second)
        self._tokens -= 1
        return None

    def _start(self, number: int, call: Call, length: float) -> None:
        # Two calls of one length do not take equally long.
        heapq.heappush(self._active, (self._done + length * self._random.lognormvariate(0, 0.15), number, call, length))

    def _advance(self, until: float) -> None:
        """On to the next end of a call, or of a pause."""
        speed = self.server.speed(max(1, len(self._active)))
        ends = self._now + (self._active[0][0] - self._done) / speed if self._active else float("inf")
        opens = self.throttle.paused_until if self.throttle.paused_until > self._now else float("inf")
        then = min(ends, opens, until)
        self._done += (then - self._now) * speed
        self._now = then
        if then == ends:
            _, _, call, length = heapq.heappop(self._active)
            if self._waiting and len(self._active) < self.server.slots:
                self._start(*self._waiting.popleft())
            self.throttle.end(call, self._now, Ending.SERVED, work=length)
            self.course.served.append((self._now, length))


def best_fixed_rate(server: Server) -> float:
    return max(Simulation(Fixed(limit), server, seed=0).run(300).rate(50, 300) for limit in FIXED)


@pytest.mark.parametrize(
    ("server", "share", "most_wanted"),
    [
        pytest.param(BATCHING, 0.88, 128, id="batching"),
        pytest.param(BATCH_OF_24, 0.95, 32, id="batch of 24"),
        pytest.param(THRASHING, 0.88, 40, id="thrashing"),
        pytest.param(ONE_BY_ONE, 0.92, 12, id="one by one"),
        pytest.param(FOUR_AT_ONCE, 0.92, 12, id="four at once"),
        pytest.param(SHARED, 0.9, 12, id="shared"),
        pytest.param(REFUSING_ABOVE_20, 0.95, 21, id="refusing above 20"),
        pytest.param(REFUSING_ABOVE_3, 0.93, 4, id="refusing above 3"),
        # The price of few refusals: what 128 calls at once get out of it, they get with a refusal for nearly every answer.
        pytest.param(TWO_PER_SECOND, 0.8, 10, id="two per second"),
    ],
)
def test_it_serves_about_as_much_as_the_best_fixed_number_of_calls_and_queues_few(server: Server, share: float, most_wanted: int):
    best = best_fixed_rate(server)
    courses = [Simulation(Throttle(MOST), server, seed).run(1000) for seed in (1, 2, 3)]
    assert min(course.rate(200, 1000) for course in courses) >= share * best
    assert min(course.rate(0, 200) for course in courses) >= 0.7 * best, "finding out takes too long"
    # The mean over the seeds: a single course may err for a while.
    assert sum(course.mean_limit(200, 1000) for course in courses) / len(courses) <= most_wanted


@pytest.mark.parametrize("server", [REFUSING_ABOVE_20, REFUSING_ABOVE_3, TWO_PER_SECOND])
def test_a_server_that_refuses_soon_refuses_few(server: Server):
    for seed in (1, 2, 3):
        course = Simulation(Throttle(MOST), server, seed).run(600)
        assert sum(time > 100 for time in course.refused) <= 0.03 * sum(time > 100 for time, _ in course.served)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(BATCH_OF_24, replace(BATCH_OF_24, slots=4), id="less"),
        pytest.param(replace(BATCH_OF_24, slots=4), BATCH_OF_24, id="more"),
        pytest.param(REFUSING_ABOVE_20, replace(REFUSING_ABOVE_20, takes=4), id="refuses more"),
        pytest.param(REFUSING_ABOVE_3, REFUSING_ABOVE_20, id="refuses less"),
    ],
)
def test_it_follows_a_server_that_changes(before: Server, after: Server):
    best = best_fixed_rate(after)
    limits: list[float] = []
    for seed in (1, 2, 3):
        simulation = Simulation(Throttle(MOST), before, seed)
        simulation.run(400)
        simulation.server = after
        course = simulation.run(3000)
        assert course.rate(800, 1400) >= 0.86 * best, "this soon it serves what it can"
        limits.append(course.mean_limit(2000, 3000))
    # Where calls queue, fewer are found to be enough slowly, since nothing is lost meanwhile.
    assert sum(limits) / len(limits) <= 3 * min(after.slots, after.takes)


# -- single rules


def serve(throttle: Throttle, calls: int, *, seconds: float = 1.0, now: float = 0.0) -> float:
    """Keeps the throttle full while ``calls`` are served, each in ``seconds`` whatever the number at once; the time afterwards."""
    running: deque[Call] = deque()
    while calls:
        while throttle.room(now) > 0:
            running.append(throttle.begin(now))
        now = max(now, running[0].began + seconds)
        throttle.end(running.popleft(), now, Ending.SERVED)
        calls -= 1
    for call in running:
        throttle.end(call, now, Ending.SILENT)
    return now


def test_it_begins_small_and_grows_fast():
    throttle = Throttle(MOST)
    assert throttle.limit == START
    serve(throttle, 400)
    assert throttle.limit == MOST


def test_it_does_not_grow_while_nobody_waits():
    throttle = Throttle(MOST)
    for second in range(200):
        calls = [throttle.begin(second) for _ in range(START - 1)]
        for call in calls:
            throttle.end(call, second + 0.9, Ending.SERVED)
    assert throttle.limit == START


def test_one_crowd_lowers_the_limit_once():
    throttle = Throttle(MOST)
    serve(throttle, 400)
    calls = [throttle.begin(500) for _ in range(throttle.limit)]
    for call in calls:
        throttle.end(call, 501, Ending.REFUSED)
    assert throttle.limit == MOST // 2


def test_a_single_broken_call_does_not_lower_the_limit_and_many_do():
    throttle = Throttle(MOST)
    serve(throttle, 400)
    calls = [throttle.begin(500) for _ in range(throttle.limit)]
    throttle.end(calls[0], 501, Ending.STRAINED)
    assert throttle.limit == MOST
    for call in calls[1:]:
        throttle.end(call, 501, Ending.STRAINED)
    assert throttle.limit == MOST // 2


def test_nothing_is_let_in_before_the_time_that_the_server_names():
    throttle = Throttle(MOST)
    throttle.end(throttle.begin(10.0), 10.5, Ending.REFUSED, retry_after=7.0)
    assert (throttle.room(17.4), throttle.paused_until) == (0, 17.5)
    assert throttle.room(17.5) > 0
    throttle.end(throttle.begin(20.0), 20.0, Ending.REFUSED, retry_after=1e9)
    assert throttle.room(20.0 + MOST_PAUSE) > 0


steps = st.lists(
    st.tuples(st.sampled_from(Ending), st.integers(0, 200), st.floats(0, 100), st.floats(0, 1e6), st.none() | st.floats(0, 500)),
    max_size=300,
)


@settings(max_examples=60, deadline=None)
@given(most=st.integers(1, 40), steps=steps)
def test_the_limit_stays_in_its_bounds_and_no_call_begins_beyond_it(most: int, steps: list[tuple[Ending, int, float, float, float | None]]):
    throttle, now = Throttle(most), 0.0
    running: list[Call] = []
    for ending, which, seconds, work, retry_after in steps:
        while throttle.room(now) > 0:
            running.append(throttle.begin(now))
            assert throttle.in_flight <= throttle.limit
        now += seconds
        if running:
            throttle.end(running.pop(which % len(running)), now, ending, work=work, retry_after=retry_after)
        assert 1 <= throttle.limit <= most
        assert throttle.in_flight == len(running) <= most
