"""Runs: planned from settings, carried out in sittings, kept in the ledger as they go, and read back from there.

A run's id is the hash of everything that determines its course: settings, prompts, engines. So the same command on the same ledger is the
same run: unfinished, it goes on; finished, it answers at once. Nothing is decided here; decisions are the optimizer's.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from data.identity import canonical_json, content_id
from optimizer.budget import Budget, Limits, Shares
from optimizer.compare import Arm
from optimizer.comparison_json import seconds_to_json
from optimizer.evaluate import Evaluator
from optimizer.events import Confirmed, Event
from optimizer.methods import NAMES, OURS, identity_of
from optimizer.optimize import Problem, optimize
from optimizer.plan import Policy
from ui.engines import stage_limits
from ui.eventlog import CONFIRMED, SITTING, history
from ui.judging import check_eyes, check_judgeable, standing
from ui.ledgerwriter import LedgerWriter
from ui.placebo import SEARCHES
from ui.settings import PLACES, Settings, settings_from
from ui.spec import unknown
from ui.transferring import check_exchanged, evaluators, exchanges, records
from ui.wiring import Parts, load_prompt_set, load_system_prompt, proposer_stage

if TYPE_CHECKING:
    from data.store import Store

BASELINES = ("none", "plain", "general")
"""Always arms: the raw prompt, a plain instruction, and the shipped careful one."""
FORMAT = 6
"""Part of every run's id: raised when the search would take another course with the same settings."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that could start: checked, and not yet anywhere on record."""

    id: str
    config: dict[str, Any]
    problem: Problem
    limits: Limits
    shares: Shares
    kind: str = "optimize"


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
    if settings.run.method not in NAMES:
        raise unknown("method", settings.run.method, NAMES)
    others = exchanges(settings)
    for judged in (settings, *others.values()):
        check_judgeable(judged, prompts)
    policy = Policy.filling(settings.generator.at_once, settings.run.images)
    run = settings.run
    problem = Problem(prompts, roots, baselines, run.reference, run.seed, policy, method=run.method, exchanged=tuple(others))
    identity_of(problem.method)  # That it is installed.
    problem.shares(settings.run.images)
    return problem


def plan_run(settings: Settings, parts: Parts) -> PlannedRun:
    """Checks everything that can be checked before a cent is spent; UsageError says what is wrong."""
    problem = checked_problem(settings)
    check_exchanged(parts.pipeline, parts.others)
    limits = Limits(settings.run.images, settings.run.dollars, settings.run.tokens, settings.run.seconds)
    shares = problem.shares(limits.images)
    config = settings.model_dump(mode="json", exclude={*PLACES, "description"})
    determining = {
        "format": FORMAT,
        "run": {name: value for name, value in config["run"].items() if name not in ("prompts", "method")},
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
        # Runs of our own search are what they were before there was any other.
        **({} if problem.method == OURS else {"method": identity_of(problem.method)}),
        # Runs without a transfer are what they were before there were any.
        **{f"other {exchanged.value}": canonical_json(other.identities) for exchanged, other in parts.others.items()},
    }
    return PlannedRun(content_id("run", determining), config, problem, limits, shares)


def resumed_settings(store: "Store", run_prefix: str, places: Settings) -> Settings:
    """The settings of a run on record, at the places of here and now."""
    record = store.run(run_prefix)
    if record.kind not in SEARCHES:
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
    store.add_run(RunRecord(planned.id, planned.kind, planned.config, datetime.now(UTC).isoformat(timespec="seconds")))
    events = store.events(planned.id)
    if any(event.kind == CONFIRMED for event in events):
        return
    sittings = [event.payload for event in events if event.kind == SITTING]
    budget = Budget(planned.limits, seconds=sum(payload["seconds"] for payload in sittings))
    earlier = budget.seconds
    past = history(((event.kind, event.payload) for event in events), store.trials(planned.id))
    writer = LedgerWriter(store, planned.id, records(planned.id, planned.config, parts.others))
    outcome = "stopped"
    rewrite_seconds: Mapping[str, Any] = {}
    evaluator = Evaluator(parts.pipeline, past.trials)
    others = evaluators(planned.id, parts.others, evaluator, store)
    stages = evaluator.stages
    drawing = {id(stages.generate): stages.generate, **{id(other.stages.generate): other.stages.generate for other in others.values()}}
    try:
        limits = stage_limits(parts.settings.proposer, parts.proposer)
        async with parts.closing, evaluator, AsyncExitStack() as beside, proposer_stage(parts.proposer, limits) as proposer, writer:
            for other in others.values():
                await beside.enter_async_context(other)
            run = optimize(planned.problem, planned.limits, evaluator, proposer, parts.proposer.identity, past, budget, others)
            async with aclosing(run):
                async for event in run:
                    budget.seconds = earlier + time.monotonic() - started
                    await writer.put(event)
                    if isinstance(event, Confirmed):
                        rewrite_seconds = seconds_to_json(event.comparison)
                    drawn = sum(stage.delivered for stage in drawing.values())
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
            "drawn": sum(stage.delivered for stage in drawing.values()),
            "outcome": outcome,
            "judge": judge.to_json(),
            "pipeline": parts.pipeline.identities,
            "rewrite_seconds": rewrite_seconds,
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
