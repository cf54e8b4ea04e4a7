"""A pool of generators over a Ray cluster, one per actor: an actor per GPU, a call per image, an actor that dies replaced.

Draws nothing itself, and decides nothing about pixels: its identity is that of the generators in it, and which of them drew an image can't
be told from the result. What it is made of lies in generator/pool/.

On a cluster that exists, every node needs this package with the extras of the generator, in the version that is here, and what the
generator reads: its folders at the same paths, its keys in the environment of `ray start`. A cluster of our own, on this machine, has all
that from this process.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import GeneratedImage
from data.textlimit import TextLimit
from generator import ImageGenerator, ImageRequest
from generator.pool import exceptions, ray
from generator.pool.actor import Drawn, Facts, GeneratorActor, GpuUse, Place
from generator.pool.cluster import Need, actor_count, connect, disconnect, has_node

log = logging.getLogger(__name__)

DEATHS = 3
"""Actors that a request may die with. The last one it has to itself: were there others, they would pay for what it does, or it for them."""
STARTS = 3
"""Starts in a row that may fail before an actor's place is given up."""
NODE_DIED = "node has died"
"""How Ray says that an actor ended with its node; it has no other word for it."""
PLACING = 60.0
"""Seconds after which an actor that has no process yet counts as without a place. Ray waits for room without end, and says nothing."""
COUNTING = 10.0
"""Seconds for counting the tokens of one text."""
COUNTED = 4096
"""Texts whose number of tokens is kept."""
SHOWN = 8
"""Actors that are named to people who watch."""
GONE = (
    exceptions.RayActorError,
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,
    exceptions.OutOfMemoryError,
    exceptions.WorkerCrashedError,
)
"""What Ray says where an actor ended, or its node, or a result on it."""


class State(StrEnum):
    """Of an actor."""

    PLACING = "placing"
    """It has no process yet, or none any more."""
    LOADING = "loading"
    """Its generator is being made."""
    UP = "up"
    STRANDED = "stranded"
    """It has been waiting for room on the cluster for long, and still does."""
    GIVEN_UP = "given up"
    """It failed to start too often."""


NOWHERE = Place("", "", ())
HOPELESS = (State.STRANDED, State.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an actor is doing. ``node`` and ``gpus``: where it is, empty while it is nowhere. ``images``: drawn by it and those it replaced;
    ``in_flight`` of at most the pool's ``at_once``; ``gpu`` as of the last image."""

    state: State
    node: str
    gpus: tuple[str, ...]
    images: int
    in_flight: int
    restarts: int
    gpu: GpuUse | None


@dataclass(slots=True, eq=False)
class _Member:
    """A place in the pool, and the actor in it now."""

    number: int
    actor: Any
    placed: Any
    """The reference of its Place."""
    begun: Any
    """The reference of its Facts."""
    state: State = State.PLACING
    place: Place = NOWHERE
    in_flight: int = 0
    is_reserved: bool = False
    """One request has it to itself."""
    images: int = 0
    restarts: int = 0
    failed_starts: int = 0
    answered_at: float = 0.0
    """By time.monotonic."""
    gpu: GpuUse | None = None

    def __str__(self) -> str:
        where = f" on {self.place.address}" if self.place.address else ""
        return f"actor {self.number}{where}" + (f", GPU {', '.join(self.place.gpus)}" if self.place.gpus else "")


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request that waits for an actor; ``alone``: for one that does nothing else."""

    turn: "asyncio.Future[_Member]"
    alone: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """How actors are made."""

    make: Callable[[], ImageGenerator]
    need: Need
    at_once: int

    def begin(self) -> tuple[Any, Any, Any]:
        """A new actor, and the references of its Place and its Facts. Returns at once."""
        options: dict[str, Any] = {
            # `begin` and `watch` are calls, too.
            "max_concurrency": self.at_once + 2,
            # Counting has a thread of its own: it need not wait for an image.
            "concurrency_groups": {"count": 1},
            # Ray would make again the very call that killed the actor.
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        actor: Any = ray.remote(**self.need.options, **options)(GeneratorActor)
        handle = actor.remote(self.make)
        return handle, handle.place.remote(), handle.begin.remote()


class RayPool:
    """An ImageGenerator. Made by :meth:`start`; ``aclose`` ends it, its actors, and the cluster where it was started for it.

    Requests wait in one queue, in order. The least busy actor takes the next, and has at most ``at_once`` at a time, of which its generator
    makes batches. An actor that died is replaced, and its requests go to others: each to ``DEATHS`` actors in all, the last of which draws
    nothing else, so that a request that kills takes nobody with it.
    """

    times_itself = True

    def __init__(self, plan: _Plan, members: "list[_Member]", facts: Facts, *, timeout: float | None, is_ours: bool) -> None:
        self.identity = facts.identity
        self.ratios = facts.ratios
        self.text_limit = facts.limit and TextLimit(*facts.limit, lru_cache(COUNTED)(self._count))
        self._plan = plan
        self._members = members
        self._timeout = timeout
        self._is_ours = is_ours
        self._waiters: deque[_Waiter] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._is_closed = False
        self._trouble = ""
        """Why the last actor ended."""

    @classmethod
    def start(
        cls,
        make: Callable[[], ImageGenerator],
        *,
        cluster: str = "",
        actors: int | None = None,
        gpus: float | None = None,
        cpus: float = 1,
        memory: float | None = None,
        at_once: int = 16,
        timeout: float | None = None,
    ) -> "RayPool":
        """Connects, starts the actors, and waits until the first has made its generator, which says what the pool is.

        ``make`` is called in each actor's process: a function of a module, or a functools.partial of one, with arguments that pickle.
        ``cluster``: "host:port" or "ray://host:port", "auto" for the one on this machine, "" for one of our own.
        ``actors``: None for one per free GPU, or one for every two CPU cores where there is no GPU.
        ``gpus``, ``cpus`` and ``memory`` (bytes): what each takes of its node; gpus None is 1 where the cluster has GPUs, else 0.
        ``timeout``: seconds in which an actor that has calls must answer one of them; else they fail, and it is replaced.

        UsageError where there is no cluster, no room, or where no generator can be made; what ``make`` raises of ours, as itself.
        """
        is_ours = connect(cluster)
        members: list[_Member] = []
        try:
            plan = _Plan(make, Need.of(gpus, cpus, memory), at_once)
            count = actor_count(plan.need, actors)
            members += [_Member(number + 1, *plan.begin()) for number in range(count)]
            log.info("%d actor%s to start, with %s each", count, "s" if count > 1 else "", plan.need)
            return cls(plan, members, _first_facts(members, plan.need), timeout=timeout, is_ours=is_ours)
        except BaseException:
            _end(members, is_ours)
            raise

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        """One outcome per request. FatalError, from any of them, ends them all."""
        if not self._keepers:
            self._keepers = [asyncio.create_task(self._keep(member), name=f"ray-{member.number}") for member in self._members]
        return await _all_or_none([self._outcome(request) for request in requests])

    async def aclose(self) -> None:
        """Ends all actors, at once: who still waits for an image gets an error."""
        if self._is_closed:
            return
        self._is_closed = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for member in self._members:
            member.state = State.GIVEN_UP
        self._dispatch()
        await asyncio.to_thread(_end, self._members, self._is_ours)

    def in_words(self) -> str:
        """For people who watch."""
        actors = self.standing()
        up = sum(actor.state is State.UP for actor in actors)
        said = "; ".join(_actor_in_words(actor) for actor in actors[:SHOWN])
        more = f" and {len(actors) - SHOWN} more" if len(actors) > SHOWN else ""
        return f"{up} of {len(actors)} actors up: {said}{more}"

    def standing(self) -> list[Standing]:
        """How each actor is doing, in the order in which they were made."""
        return [
            Standing(member.state, member.place.address, member.place.gpus, member.images, member.in_flight, member.restarts, member.gpu)
            for member in self._members
        ]

    def _count(self, text: str) -> int:
        """In an actor, since a tokenizer does not travel. Blocks, for about a millisecond."""
        error = "no actor is up"
        for member in self._members:
            if member.state is State.UP:
                try:
                    return int(ray.get(member.actor.count.options(concurrency_group="count").remote(text), timeout=COUNTING))
                except exceptions.RayError as caught:
                    error = _first_line(caught)
        raise StageError(FailureKind.UNREACHABLE, f"the pool can't count tokens: {error}", retryable=True)

    # -- one request

    async def _outcome(self, request: ImageRequest) -> GeneratedImage | Exception:
        deaths = 0
        while True:
            try:
                member = await self._enter(alone=deaths == DEATHS - 1, first=deaths > 0)
            except StageError as nowhere:
                return nowhere
            # The member's own is another when its actor was replaced.
            place = member.place
            try:
                return await self._draw(member, request)
            except GONE as error:
                deaths += 1
                if deaths == DEATHS and not self._is_closed:
                    return await asyncio.to_thread(_killed, place, error)
            except exceptions.RayError as error:
                return StageError(FailureKind.CRASHED, f"Ray could not hand it over: {_first_line(error)}")
            except StageError as stuck:
                return stuck
            finally:
                self._leave(member)

    async def _draw(self, member: _Member, request: ImageRequest) -> GeneratedImage | Exception:
        actor = member.actor
        reference = actor.draw.remote(request)
        answer = asyncio.ensure_future(_answer(reference))
        try:
            drawn = await self._in_time(member, answer)
        except asyncio.CancelledError:
            ray.cancel(reference)
            raise
        except (*GONE, StageError):
            # Its keeper learns of it by this; until then, nobody else may be sent to it.
            ray.kill(actor)
            if member.actor is actor and member.state is State.UP:
                member.state = State.PLACING
            raise
        finally:
            answer.cancel()
        member.answered_at = time.monotonic()
        member.gpu = drawn.gpu
        if isinstance(drawn.outcome, FatalError):
            raise drawn.outcome
        member.images += isinstance(drawn.outcome, GeneratedImage)
        return drawn.outcome

    async def _in_time(self, member: _Member, answer: "asyncio.Future[Drawn]") -> Drawn:
        """The answer; StageError where the actor has answered nothing for too long. What waits for others to be drawn is not late."""
        if self._timeout is None:
            return await answer
        began = time.monotonic()
        while not answer.done():
            left = max(began, member.answered_at) + self._timeout - time.monotonic()
            if left <= 0:
                message = f"{member} answered nothing for {self._timeout:g} s, and is replaced"
                raise StageError(FailureKind.TIMEOUT, message, retryable=True, hint="raise generator.timeout in the profile")
            await asyncio.wait([answer], timeout=left)
        return answer.result()

    # -- turns

    async def _enter(self, *, alone: bool, first: bool) -> _Member:
        """An actor, when it is this request's turn. Raises StageError where none will come, and FatalError where none ever will."""
        waiter = _Waiter(asyncio.get_running_loop().create_future(), alone)
        if first:
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
                self._leave(waiter.turn.result())
            raise

    def _leave(self, member: _Member) -> None:
        member.in_flight -= 1
        member.is_reserved = False
        self._dispatch()

    def _dispatch(self) -> None:
        """Gives actors to those who wait, in order: nobody overtakes one who waits for an actor to fall idle, or it never would."""
        while self._waiters:
            waiter = self._waiters[0]
            most = 1 if waiter.alone else self._plan.at_once
            free = [member for member in self._members if member.state is State.UP and member.in_flight < most and not member.is_reserved]
            if not free:
                break
            self._waiters.popleft()
            if waiter.turn.done():
                continue
            member = min(free, key=lambda member: member.in_flight)
            member.in_flight += 1
            member.is_reserved = waiter.alone
            waiter.turn.set_result(member)
        if all(member.state in HOPELESS for member in self._members):
            self._disappoint(self._no_actor())

    def _disappoint(self, error: StageError | FatalError) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.turn.done():
                waiter.turn.set_exception(error)

    def _no_actor(self) -> StageError | FatalError:
        if self._is_closed:
            return StageError(FailureKind.UNREACHABLE, "the pool is closed")
        if all(member.state is State.GIVEN_UP for member in self._members):
            return FatalError(f"no actor of the pool starts any more: {self._trouble}", hint="look at what the nodes say: ray logs")
        return StageError(
            FailureKind.UNREACHABLE,
            f"the cluster has no room for an actor, which takes {self._plan.need}",
            retryable=True,
            hint="add a node: ray start --address=HOST:PORT",
        )

    # -- keeping

    async def _keep(self, member: _Member) -> None:
        """Keeps ``member`` filled, until the pool is closed or its actors fail to start."""
        while True:
            self._trouble = await self._life(member)
            if NODE_DIED in self._trouble:
                # Ray may go on placing actors on a node for a moment after it died. That is no fault of the generator.
                member.failed_starts = 0
            if member.failed_starts == STARTS:
                member.state = State.GIVEN_UP
                log.error("%s is given up after %d starts: %s", member, STARTS, self._trouble)
                self._dispatch()
                return
            log.warning("%s ended%s, and is replaced: %s", member, " at its start" if member.failed_starts else "", self._trouble)
            ray.kill(member.actor)
            member.state, member.place, member.restarts = State.PLACING, NOWHERE, member.restarts + 1
            member.actor, member.placed, member.begun = self._plan.begin()

    async def _life(self, member: _Member) -> str:
        """From an actor's start to its end; returns why it ended. ``failed_starts`` is 0 again where it was up."""
        member.failed_starts += 1
        try:
            await self._find_place(member)
            facts: Facts | Exception = await member.begun
            if isinstance(facts, Exception):
                return str(facts)
            if facts.identity != self.identity:
                return f"it draws as {facts.identity}, the pool as {self.identity}"
            member.state, member.failed_starts = State.UP, 0
            log.info("%s is up", member)
            self._dispatch()
            await member.actor.watch.remote()
        except exceptions.RayError as error:
            return _first_line(error)
        return "it ended by itself"

    async def _find_place(self, member: _Member) -> None:
        placed = asyncio.ensure_future(_answer(member.placed))
        try:
            done, _ = await asyncio.wait([placed], timeout=PLACING)
            if not done:
                member.state = State.STRANDED
                log.warning("actor %d waits for a node with %s", member.number, self._plan.need)
                self._dispatch()
            member.place = await placed
        finally:
            placed.cancel()
        if member.state is not State.UP:
            member.state = State.LOADING


async def _answer(reference: Any) -> Any:
    return await reference


async def _all_or_none(calls: "Sequence[Coroutine[Any, Any, GeneratedImage | Exception]]") -> list[GeneratedImage | Exception]:
    """All results; where one raises, the others are cancelled."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _first_facts(members: "Sequence[_Member]", need: Need) -> Facts:
    """What the first generator that is made says of itself; its member is up. Raises what befell the last one where none can be made."""
    placed, _ = ray.wait([member.placed for member in members], timeout=PLACING)
    if not placed:
        raise UsageError(f"the cluster found no place for an actor, which takes {need}", hint="see what others use: ray status")
    by_reference = {member.begun: member for member in members}
    waiting = list(by_reference)
    error: Exception | None = None
    while waiting:
        (ready, *_), waiting = ray.wait(waiting)
        try:
            facts: Facts | Exception = ray.get(ready)
        except exceptions.RayError as caught:
            facts = UsageError(f"an actor ended while it made its generator: {_first_line(caught)}", hint="try it without ray: first")
        if isinstance(facts, Facts):
            by_reference[ready].state = State.UP
            return facts
        error = facts
    assert error is not None, "there is at least one member"
    raise error


def _end(members: "Sequence[_Member]", is_ours: bool) -> None:
    for member in members:
        ray.kill(member.actor)
    if is_ours:
        disconnect()


def _killed(place: Place, error: Exception) -> StageError:
    """What becomes of a request that died with its last actor: its own doing where only the process ended, bad luck where the node did."""
    if not has_node(place.node):
        return StageError(FailureKind.UNREACHABLE, f"its node was lost, after {DEATHS - 1} other actors that drew it", retryable=True)
    message = f"{DEATHS} actors ended while they drew it, the last one alone with it: {_first_line(error)}"
    return StageError(FailureKind.CRASHED, message, hint="look for the cause on the node: ray logs")


def _first_line(error: Exception) -> str:
    """What Ray says, without the paragraphs of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "died" in line or "killed" in line] or lines or [type(error).__name__]
    return told[-1].split(" Some common causes", 1)[0].split(" rpc_code", 1)[0][:300]


def _actor_in_words(actor: Standing) -> str:
    """``10.0.0.1 GPU 0 93%, 41 of 80 GB, 120 images``."""
    where = " ".join([actor.node or actor.state.value, *(f"GPU {number}" for number in actor.gpus)])
    if actor.gpu is None:
        return f"{where}, {actor.images} images"
    busy = "" if actor.gpu.busy is None else f" {actor.gpu.busy}%"
    return f"{where}{busy}, {actor.gpu.taken / 1e9:.0f} of {actor.gpu.total / 1e9:.0f} GB, {actor.images} images"
