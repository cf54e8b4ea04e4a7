"""Between an optimizer that calls and waits, in a thread of its own, and the run, which lives in an event loop.

The thread asks for trials and proposals; what happens meanwhile comes out of :meth:`Bridge.run` as events. The budget is kept here: a call
that does not fit ends the thread's work, wherever it is. Nothing is known here of any optimizer.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from data.errors import FailureKind, FatalError
from data.identity import derived_random, derived_seed
from data.records import Derivation, Failure, Operation, Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.ancestry import wording
from optimizer.budget import Budget
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, TrialDone
from optimizer.methods.record import Record
from optimizer.methods.turns import Turns
from optimizer.propose import FAILURES_SHOWN
from optimizer.proposers import FailedCriterion, ParentHistory, ProposalRequest
from optimizer.search import (
    HOPELESS_PROPOSALS,
    HOPELESS_TRIALS,
    OUTAGE,
    History,
    ProposerStage,
    TrialSource,
    answer_to,
    hopeless,
    raise_if_hopeless,
)

T = TypeVar("T")


class Ended(BaseException):
    """Raised in the optimizer's thread where its work is over. No Exception: libraries catch those, and would go on."""


class _Spent(Exception):
    """What was asked for does not fit into the budget."""


@dataclass(slots=True)
class Bridge:
    """One optimizer's run; ``run`` may be used once. All public methods but ``run`` are for its thread, or for threads that it starts.

    ``images`` may be asked for in all, and ``reserve`` images are kept for what comes afterwards.
    """

    evaluator: TrialSource
    proposer: ProposerStage
    proposer_identity: str
    search: Sequence[Prompt]
    select: Sequence[Prompt]
    budget: Budget
    images: int
    reserve: int
    seed: int
    max_words: int
    history: History
    record: Record = field(default_factory=Record)
    favourite: str = ""
    """The id of the system prompt that the optimizer would choose now."""
    limit: str = ""
    """Which limit ended the work; "" where the optimizer came to its own end."""
    _turns: Turns = field(init=False)
    _shared: "dict[str, asyncio.Task[list[Trial]]]" = field(default_factory=dict[str, "asyncio.Task[list[Trial]]"])
    _events: "asyncio.Queue[Event | None]" = field(default_factory=lambda: asyncio.Queue[Event | None]())
    _loop: asyncio.AbstractEventLoop | None = None
    _calls: "set[Future[Any]]" = field(default_factory=lambda: set[Future[Any]]())
    _closed: bool = False
    _error: BaseException | None = None
    _asked: int = 0
    _rounds: int = 0
    _sealed_at: int = 0
    _proposals: int = 0
    _barren: int = 0
    _lost: list[Trial] = field(default_factory=list[Trial])
    _unsealed: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._turns = Turns(self.seed)

    # -- for the thread

    def measure(self, system_prompt: SystemPrompt, prompts: Sequence[Prompt]) -> list[Trial]:
        """A trial of ``system_prompt`` on each of ``prompts``, in their order: at its next look at each. Then the round is sealed."""

        async def measured() -> list[Trial]:
            trials = await self._measured([self._turns.next(system_prompt, prompt) for prompt in prompts])
            self._seal(Phase.SEARCH)
            return trials

        return self._call(measured)

    def look(self, system_prompt: SystemPrompt, prompt: Prompt, turn: int) -> Trial:
        """The trial of ``system_prompt`` at look number ``turn`` at ``prompt``; asked for again, the same trial. Seals nothing."""

        async def looked() -> list[Trial]:
            request = self._turns.request(system_prompt, prompt, turn)
            identifier = request.id(self.evaluator.pipeline)
            if identifier not in self._shared:
                self._shared[identifier] = asyncio.create_task(self._measured([request]))
            return await asyncio.shield(self._shared[identifier])

        return self._call(looked)[0]

    def seal(self) -> None:
        """Says that a decision rests on all trials so far, where some came since the last one."""

        async def sealing() -> None:
            if self.budget.images > self._sealed_at:
                self._seal(Phase.SEARCH)

        self._call(sealing)

    def propose(self, parent: SystemPrompt, failures: Sequence[FailedCriterion]) -> SystemPrompt | None:
        """A child of ``parent``, born already, by the run's own proposer, which reads a seeded sample of ``failures``; None where it had no
        usable idea."""
        return self._call(lambda: self._proposed(parent, failures))

    def favour(self, system_prompt: SystemPrompt) -> None:
        """Says what the optimizer would choose now."""
        self.favourite = system_prompt.id

    def _call(self, asked: "Callable[[], Coroutine[Any, Any, T]]") -> T:
        """Has the loop do something, and waits for it. Ended where it could not be done, or where the run is over."""
        if self._closed or self._error is not None or self.limit or self._loop is None:
            raise Ended
        coroutine = asked()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # The loop is closed: whoever ran it is gone.
            coroutine.close()
            raise Ended from None
        self._calls.add(future)
        try:
            return future.result()
        except (CancelledError, _Spent):
            raise Ended from None
        except Exception as error:
            self._error = self._error or error
            raise Ended from None
        finally:
            self._calls.discard(future)

    # -- in the loop

    async def run(self, root: SystemPrompt, reason: str, work: Callable[[], None]) -> AsyncGenerator[Event, None]:
        """Runs ``work`` in a thread, from ``root``, and yields what happens. Closing it ends the work at its next call, and waits for that.
        Raises what ended it; that the budget is spent is no error."""
        self._loop = asyncio.get_running_loop()
        self.favourite = root.id
        yield Born(self.record.born(root), Derivation(root, (), Operation.ROOT, reason))
        thread = threading.Thread(target=self._work, args=(work,), name="phoropter-method", daemon=True)
        thread.start()
        try:
            while (event := await self._events.get()) is not None:
                yield event
            if self._error is not None:
                raise self._error
            self._seal(Phase.SELECT)
            while not self._events.empty():
                if (event := self._events.get_nowait()) is not None:
                    yield event
        finally:
            self._closed = True
            for task in (*self._calls, *self._shared.values()):
                task.cancel()
            await asyncio.gather(*self._shared.values(), return_exceptions=True)
            await asyncio.to_thread(thread.join)

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Ended:
            pass
        except BaseException as error:
            self._error = self._error or error
        assert self._loop is not None, "run() sets it before the thread starts"
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            self._loop.call_soon_threadsafe(self._events.put_nowait, None)

    async def _measured(self, requests: Sequence[TrialRequest]) -> list[Trial]:
        """Runs trials that the budget allows, all or none; their order is that of ``requests``."""
        too_many = "images" if self._asked + len(requests) > self.images else self.budget.exhausted(self.reserve + len(requests))
        self.limit = self.limit or too_many
        if self._closed or self.limit:
            raise _Spent
        self._asked += len(requests)
        done: dict[str, Trial] = {}
        async with aclosing(self.evaluator.stream(requests)) as trials:
            async for trial in trials:
                self.budget.charge(trial)
                done[trial.id] = trial
                self._events.put_nowait(TrialDone(Phase.SEARCH, trial))
        raise_if_hopeless(list(done.values()))
        ordered = [done[request.id(self.evaluator.pipeline)] for request in requests]
        for trial in ordered:
            self._take(trial)
        return ordered

    def _take(self, trial: Trial) -> None:
        """Ends a run that has had nothing but failures for a while. Where the machinery is sound, those of a system prompt that was never
        scored are its own affair."""
        self.record.take(trial)
        if trial.failure is None:
            self._lost = []
            return
        self._unsealed.append(trial.id)
        identifier = trial.request.system_prompt.id
        root = next(iter(self.record.system_prompts))
        if trial.failure.kind in OUTAGE or identifier == root or self.record.scores(identifier):
            self._lost.append(trial)
        if len(self._lost) >= HOPELESS_TRIALS:
            raise hopeless(f"the last {len(self._lost)} trials all failed", self._lost)

    def _seal(self, phase: Phase) -> None:
        record, failed = self.record, tuple(sorted(self._unsealed))
        number, standings = self._rounds if phase is Phase.SEARCH else -1, record.standings(self.favourite)
        self._events.put_nowait(RoundSealed(number, phase, self.budget.images, record.noise_sd, standings, failed))
        self._rounds += 1
        self._sealed_at = self.budget.images
        self._unsealed.clear()

    async def _proposed(self, parent: SystemPrompt, failures: Sequence[FailedCriterion]) -> SystemPrompt | None:
        seed = derived_seed(self.seed, "proposal", self._proposals)
        self._proposals += 1
        shown = derived_random("failures", seed).sample(failures, min(FAILURES_SHOWN, len(failures)))
        scored = len(self.record.scores(parent.id))
        known = ParentHistory(parent, self.record.expected(parent.id), scored, tuple(shown), ())
        request = ProposalRequest(Operation.REFLECT, (known,), self.max_words, seed)
        key = request.key(self.proposer_identity)
        outcome = self.history.proposals.get(key)
        if outcome is None:
            prompts = [*self.search, *self.select]
            born = frozenset(wording(text.text) for text in self.record.system_prompts.values())
            outcome = await answer_to(request, self.proposer, self.proposer_identity, prompts, born)
        self._events.put_nowait(ProposalDone(key, outcome))
        self.budget.charge_usage(outcome.usage)
        if isinstance(outcome, Failure):
            # A refused idea is no outage: the proposer works, and may have a better one next time.
            self._barren += outcome.kind is not FailureKind.REJECTED
            if self._barren >= HOPELESS_PROPOSALS:
                raise FatalError(
                    f"{self._barren} requests in a row brought no usable system prompt; the last: {outcome.message}",
                    hint=outcome.hint or "look at the proposer's endpoint and model",
                )
            return None
        self._barren = 0
        child = SystemPrompt(outcome.text)
        self._events.put_nowait(Born(self.record.born(child), Derivation(child, (parent.id,), Operation.REFLECT, outcome.reason)))
        return child
