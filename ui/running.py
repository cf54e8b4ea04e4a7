"""Runs: planned from settings, carried out in sittings, kept in the ledger as they go, and read back from there.

A run's id is the hash of everything that determines its course: settings, prompts, engines. So the same command on the same ledger is the
same run: unfinished, it goes on; finished, it answers at once. Nothing is decided here; decisions are the optimizer's.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.identity import content_id
from optimizer.budget import Budget, Limits, Shares
from optimizer.compare import Arm
from optimizer.evaluate import Evaluator
from optimizer.events import Born, Event, Phase, ProposalDone, RoundSealed, TrialDone
from optimizer.optimize import Problem, optimize
from ui.engines import stage_limits
from ui.eventlog import CONFIRMED, SITTING, Decision, history, to_record
from ui.judging import check_eyes, check_judgeable, standing
from ui.settings import PLACES, Settings, settings_from
from ui.wiring import Parts, load_prompt_set, load_system_prompt, proposer_stage

if TYPE_CHECKING:
    from data.store import Store

BASELINES = ("none", "plain", "general")
"""Always arms: the raw prompt, a plain instruction, and the shipped careful one."""
FORMAT = 1
"""Part of every run's id: raised when the search would take another course with the same settings."""
FLUSH_TRIALS = 64
"""Trials that may wait to be written, at most; with FLUSH_SECONDS, what a kill -9 can cost beside the trials in flight."""
FLUSH_SECONDS = 0.2
STANDINGS_GROWTH = 1.04
"""Standings are kept when a run has this many times the images of the last ones kept."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that could start: checked, and not yet anywhere on record."""

    id: str
    config: dict[str, Any]
    problem: Problem
    limits: Limits
    shares: Shares


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: what a live view shows beside the events."""

    run_id: str
    images: int
    images_planned: int
    drawn: int
    reused: int
    dollars: float
    cost_known: bool
    seconds: float
    generator: object = None
    """Who draws, and may say in words how that goes: a pool, its GPUs."""


def checked_problem(settings: Settings) -> Problem:
    """What is to be optimized; all that can be checked without an engine or a ledger is: UsageError says what is wrong."""
    prompts = load_prompt_set(settings.run.prompts)
    # Named twice, a root is still one.
    roots = list({root.id: root for root in map(load_system_prompt, settings.run.roots)}.values())
    baselines = [Arm(name, load_system_prompt(name)) for name in BASELINES]
    if settings.run.reference not in BASELINES:
        raise UsageError(f"run.reference is {settings.run.reference!r}", hint=f"one of: {', '.join(BASELINES)}")
    raw = [root.name for root in roots if not root.text]
    if raw:
        raise UsageError(
            "the search can't start from the raw prompt: there is no text to improve", hint="start from plain, general or a file"
        )
    check_judgeable(settings, prompts)
    problem = Problem(prompts, roots, baselines, settings.run.reference, settings.run.seed)
    problem.shares(settings.run.images)
    return problem


def plan_run(settings: Settings, parts: Parts) -> PlannedRun:
    """Checks everything that can be checked before a cent is spent; UsageError says what is wrong."""
    problem = checked_problem(settings)
    limits = Limits(settings.run.images, settings.run.dollars, settings.run.tokens, settings.run.seconds)
    shares = problem.shares(limits.images)
    config = settings.model_dump(mode="json", exclude={*PLACES, "description"})
    determining = {
        "format": FORMAT,
        "run": {name: value for name, value in config["run"].items() if name != "prompts"},
        "prompts": [[prompt.id, prompt.split.value] for prompt in problem.prompts],
        "roots": [root.id for root in problem.roots],
        "baselines": [arm.system_prompt.id for arm in problem.baselines],
        "engines": [
            parts.pipeline.reasoner.identity,
            parts.pipeline.generator.identity,
            parts.pipeline.judge.identity,
            parts.proposer.identity,
        ],
        "policy": repr(problem.policy),
    }
    return PlannedRun(content_id("run", determining), config, problem, limits, shares)


def resumed_settings(store: "Store", run_prefix: str, places: Settings) -> Settings:
    """The settings of a run on record, at the places of here and now."""
    record = store.run(run_prefix)
    if record.kind != "optimize":
        raise UsageError(
            f"run {run_prefix} is of kind {record.kind}, which has nothing to resume", hint="`phoropter runs` lists what there is"
        )
    return settings_from(record.config, places)


async def carry_out(planned: PlannedRun, parts: Parts, listen: Callable[[Event, Progress], None]) -> None:
    """One sitting: carries the run on from what the ledger has, to its end. Cancelled or failing, it keeps what is paid for and
    re-raises."""
    from data.runs import RunRecord

    store = parts.store
    started = time.monotonic()
    judge = standing(parts.settings, parts)
    await _looked_first(planned.id, parts, measured=judge.calibration is not None)
    store.add_run(RunRecord(planned.id, "optimize", planned.config, datetime.now(UTC).isoformat(timespec="seconds")))
    events = store.events(planned.id)
    if any(event.kind == CONFIRMED for event in events):
        return
    sittings = [event.payload for event in events if event.kind == SITTING]
    budget = Budget(planned.limits, seconds=sum(payload["seconds"] for payload in sittings))
    earlier = budget.seconds
    past = history(((event.kind, event.payload) for event in events), store.trials(planned.id))
    writer = LedgerWriter(store, planned.id)
    outcome = "stopped"
    evaluator = Evaluator(parts.pipeline, past.trials)
    stages = evaluator.stages
    try:
        limits = stage_limits(parts.settings.proposer, parts.proposer)
        async with parts.closing, evaluator, proposer_stage(parts.proposer, limits) as proposer, writer:
            run = optimize(planned.problem, planned.limits, evaluator, proposer, parts.proposer.identity, past, budget)
            async with aclosing(run):
                async for event in run:
                    budget.seconds = earlier + time.monotonic() - started
                    await writer.put(event)
                    drawn = stages.generate.delivered
                    progress = Progress(
                        planned.id,
                        budget.images,
                        planned.limits.images,
                        drawn,
                        max(0, budget.images - drawn),  # Some that are drawn still wait for their judgment.
                        budget.dollars,
                        budget.cost_known,
                        budget.seconds,
                        parts.pipeline.generator,
                    )
                    listen(event, progress)
        outcome = "finished"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
        raise
    finally:
        payload = {
            "seconds": round(time.monotonic() - started, 3),
            "drawn": stages.generate.delivered,
            "outcome": outcome,
            "judge": judge.to_json(),
        }
        store.add_event(planned.id, -1 - len(sittings), SITTING, payload)


async def _looked_first(run_id: str, parts: Parts, *, measured: bool) -> None:
    """Before the first image is paid for: do the judges see? That of one that was ``measured`` is known."""
    if measured or not parts.eyes or parts.store.trial_count(run_id):
        return
    try:
        await check_eyes(parts.eyes)
    except BaseException:
        await parts.closing.aclose()
        raise


class LedgerWriter:
    """Writes a run's events to the ledger in their order, trials in groups, from a thread of its own. Use inside ``async with``.

    Trials are written as they come; what the proposer said and what was born of it, when the round is sealed that rests on it. So a run
    that ends in the middle of a round leaves no decision of that round behind, and asks again when it is resumed. Leaving writes what is
    left. An error of the ledger ends the run at the next event.
    """

    def __init__(self, store: "Store", run_id: str) -> None:
        self._store = store
        self._run_id = run_id
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
        trials = [event.trial for event in group if isinstance(event, TrialDone)]
        if trials:
            self._store.add_trials(self._run_id, trials)
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
