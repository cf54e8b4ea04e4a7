"""What writes a run's events to the ledger while it goes. It decides nothing, and reads nothing back."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from data.records import Trial
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, TrialDone
from ui.eventlog import Decision, to_record

if TYPE_CHECKING:
    from data.runs import RunRecord
    from data.store import Store

FLUSH_TRIALS = 64
"""Trials that may wait to be written, at most; with FLUSH_SECONDS, what a kill -9 can cost beside the trials in flight."""
FLUSH_SECONDS = 0.2
STANDINGS_GROWTH = 1.04
"""Standings are kept when a run has this many times the images of the last ones kept."""
NOWHERE_ELSE: "Mapping[Phase, RunRecord]" = {}


class LedgerWriter:
    """Writes a run's events to the ledger in their order, trials in groups, from a thread of its own. Use inside ``async with``.

    Trials are written as they come; what the proposer said and what was born of it, when the round is sealed that rests on it. So a run
    that ends in the middle of a round leaves no decision of that round behind, and asks again when it is resumed. Leaving writes what is
    left. An error of the ledger ends the run at the next event. Trials of the phases in ``elsewhere`` are kept in runs of their own.
    """

    def __init__(self, store: "Store", run_id: str, elsewhere: "Mapping[Phase, RunRecord]" = NOWHERE_ELSE) -> None:
        self._store = store
        self._run_id = run_id
        self._elsewhere = elsewhere
        self._queue: asyncio.Queue[Event] = asyncio.Queue(maxsize=8 * FLUSH_TRIALS)
        self._ordinal = 0
        self._standings_at = 0.0
        self._unsealed: list[Event] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LedgerWriter":
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task = self._running()
        if not task.done():
            waiting = asyncio.create_task(self._queue.join())
            await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if task.done() and kind is None:
            await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def put(self, event: Event) -> None:
        """Takes an event; waits where the ledger is slower than the run."""
        if self._running().done():
            await self._running()
        await self._queue.put(event)

    def _running(self) -> "asyncio.Task[None]":
        assert self._task is not None, "a LedgerWriter is used inside `async with`"
        return self._task

    async def _write(self) -> None:
        while True:
            group = [await self._queue.get()]
            deadline = time.monotonic() + FLUSH_SECONDS
            while len(group) < FLUSH_TRIALS and isinstance(group[-1], TrialDone):
                try:
                    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                        group.append(await self._queue.get())
                except TimeoutError:
                    break
            await asyncio.to_thread(self._write_group, group)
            for _ in group:
                self._queue.task_done()

    def _write_group(self, group: Sequence[Event]) -> None:
        trials: dict[Phase, list[Trial]] = {}
        for event in group:
            if isinstance(event, TrialDone):
                trials.setdefault(event.phase, []).append(event.trial)
        for phase, done in trials.items():
            if phase in self._elsewhere:
                self._store.add_run(self._elsewhere[phase])
            self._store.add_trials(self._elsewhere[phase].id if phase in self._elsewhere else self._run_id, done)
        for event in group:
            if isinstance(event, TrialDone):
                continue
            self._unsealed.append(event)
            if not (isinstance(event, ProposalDone) or (isinstance(event, Born) and event.derivation.parents)):
                self._write_decisions()

    def _write_decisions(self) -> None:
        for event in self._unsealed:
            if isinstance(event, Born):
                self._store.add_derivations(self._run_id, [(event.ordinal, event.derivation)])
            elif not isinstance(event, TrialDone):
                self._store.add_event(self._run_id, self._ordinal, *to_record(self._thinned(event)))
                self._ordinal += 1
        self._unsealed.clear()

    def _thinned(self, event: Decision) -> Decision:
        """Leaves out standings that hardly differ from the last ones kept: a long run's would outweigh its trials."""
        if not isinstance(event, RoundSealed) or event.phase is not Phase.SEARCH:
            return event
        if event.images < STANDINGS_GROWTH * self._standings_at:
            return replace(event, standings=())
        self._standings_at = float(event.images)
        return event
