"""Calibrations: planned from settings, carried out in sittings, kept in the ledger as runs of their own, and read back from there.

A calibration's id is the hash of the judge's identity, the set of pictures and how many of them are shown. So the same command on the same
ledger is the same calibration: unfinished, it goes on; finished, it answers at once. What the figures mean is the optimizer's business.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data.errors import FailureKind, FatalError, UsageError
from data.identity import content_id
from data.records import Failure, Trial, TrialRequest
from data.usage import NOTHING, Usage
from optimizer.calibration.report import CalibrationReport
from optimizer.judges import Judge
from optimizer.stage import StageLimits
from ui.eventlog import SITTING
from ui.settings import Settings

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store
    from optimizer.calibration.exposures import Exposure
    from optimizer.calibration.measuring import Subject
    from optimizer.calibration.pairs import PairExposure
    from optimizer.evaluate import Pipeline
    from optimizer.judges.pairwise import PairwiseJudge

KIND = "calibration"
"""The kind of such runs."""
CALIBRATED = "calibrated"
"""The event that holds a finished calibration's report."""
PATIENCE = 24
"""Where none of so many pictures could be judged, no more are shown."""
OUTAGES = frozenset(
    {
        FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR, FailureKind.UNAUTHORIZED,
        FailureKind.UNKNOWN_MODEL, FailureKind.OUT_OF_CREDIT,
    }
)  # fmt: skip
"""Failures that say nothing about a judge."""
MOST_OUTAGES = 0.02
"""The share of pictures that may stay unjudged for these; beyond, the calibration is not finished."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a calibration works with. Work inside ``async with bench.closing``, which ends the judge's connections; close ``store``."""

    settings: Settings
    store: "Store"
    images: "ImageFiles"
    judge: "Judge | PairwiseJudge"
    limits: StageLimits
    closing: AsyncExitStack


@dataclass(frozen=True)
class Planned:
    """A calibration that could start. ``of_pairs``: of a judge of pairs."""

    id: str
    config: Mapping[str, Any]
    subject: "Subject"
    of_pairs: bool

    @cached_property
    def exposures(self) -> "Sequence[Exposure]":
        """The pictures that a judge is to be shown; it takes a second to say."""
        from optimizer.calibration.exposures import exposures

        return [] if self.of_pairs else exposures(self.subject.images, self.subject.seed)

    @cached_property
    def pairs(self) -> "Sequence[PairExposure]":
        """The pairs that a judge of pairs is to be shown: half as many as there would be pictures."""
        from optimizer.calibration.pairs import pair_exposures

        return pair_exposures(self.subject.images // 2, self.subject.seed) if self.of_pairs else []

    @property
    def judgments(self) -> int:
        return len(self.exposures) + len(self.pairs)


@dataclass(slots=True)
class Progress:
    """How far a calibration is. ``reused``: judgments that were on record. ``seconds`` of this sitting."""

    run_id: str
    total: int
    done: int = 0
    reused: int = 0
    usage: Usage = NOTHING
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter[str])
    last_failure: str = ""

    def count(self, usage: Usage, failure: Failure | None = None, *, reused: bool) -> None:
        """Takes in a judgment, or that there is none."""
        self.done += 1
        self.reused += reused
        if failure is not None:
            self.failures[f"{failure.stage.value} {failure.kind.value}"] += 1
            self.last_failure = failure.message
        if not reused:
            self.usage += usage

    def check(self, failures: Sequence[Failure]) -> None:
        """FatalError with what befell most of them, where nothing could be judged so far and there is no point in going on."""
        if len(failures) >= min(PATIENCE, self.total) and len(failures) == self.done:
            (message, hint), count = Counter((failure.message, failure.hint) for failure in failures).most_common(1)[0]
            raise FatalError(f"none of the first {len(failures)} could be judged; {count} × {message}", hint=hint)


def open_bench(settings: Settings) -> Bench:
    """Builds the judge that ``settings`` name, and opens the ledger."""
    from data.blobs import ImageFiles
    from data.store import open_store
    from ui.engines import Building, build_judge, build_pairwise, judge_specs, stage_limits

    building = Building(settings)
    kinds = [one.spec.kind for one in judge_specs(settings.judge.engine)]
    judge = build_pairwise(settings.judge.engine, building) if kinds == ["pairwise"] else build_judge(building)
    limits = stage_limits(settings.judge, judge)
    return Bench(settings, open_store(settings.ledger_url), ImageFiles(settings.image_location), judge, limits, building.closing)


def plan(bench: Bench, images: int, seed: int) -> Planned:
    """The calibration of the bench's judge with so many pictures; UsageError for too few."""
    from optimizer.calibration.exposures import LEAST_IMAGES
    from optimizer.calibration.measuring import Subject
    from optimizer.calibration.paintings import VERSION
    from optimizer.judges.pairwise import PairwiseJudge

    if images < LEAST_IMAGES:
        raise UsageError(f"{images} pictures are too few to tell a judge's skills", hint=f"show it at least {LEAST_IMAGES}")
    judge, spec = bench.judge, bench.settings.judge.engine
    config = {"text": f"judge {spec}", "judge": judge.identity, "spec": spec, "images": images, "seed": seed, "version": VERSION}
    run_id = content_id("run", [KIND, judge.identity, VERSION, images, seed])
    return Planned(run_id, config, Subject(judge.identity, spec, images, seed), isinstance(judge, PairwiseJudge))


def finished(store: "Store", run_id: str) -> CalibrationReport | None:
    """The report of a calibration on record; None where it is not finished."""
    payload = next((event.payload for event in store.events(run_id) if event.kind == CALIBRATED), None)
    return None if payload is None else CalibrationReport.from_json(payload)


def calibrations(store: "Store") -> list[tuple[str, CalibrationReport]]:
    """The finished calibrations on record with their runs' ids, the newest first."""
    runs = [run.id for run in store.runs() if run.kind == KIND]
    return [(run_id, report) for run_id in runs if (report := finished(store, run_id)) is not None]


def calibration_of(store: "Store", judge: str) -> CalibrationReport | None:
    """The newest finished calibration of the judge with this identity: on record, or shipped with the judge; None where nobody has
    calibrated it."""
    runs = [run.id for run in store.runs() if run.kind == KIND and run.config.get("judge") == judge]
    return next((report for run_id in runs if (report := finished(store, run_id)) is not None), _shipped(judge))


def _shipped(judge: str) -> CalibrationReport | None:
    """The calibration of the one judge that is the same everywhere: what `phoropter judge calibrate scene` found."""
    import json
    from importlib import resources

    report = CalibrationReport.from_json(json.loads((resources.files("optimizer.calibration") / "scene.json").read_text(encoding="utf-8")))
    return report if report.judge == judge else None


async def carry_out(planned: Planned, bench: Bench, listen: Callable[[Progress], None]) -> CalibrationReport:
    """One sitting: shows the judge what it has not seen yet, and reports. Cancelled or failing, it keeps what is paid for and re-raises.

    FatalError where nothing can be judged, or an outage left too much unjudged: nothing is reported then, and the next sitting tries again.
    """
    from data.runs import RunRecord

    store = bench.store
    started = time.monotonic()
    if (report := finished(store, planned.id)) is not None:
        return report
    config = {**planned.config, "trials": planned.judgments}
    store.add_run(RunRecord(planned.id, KIND, config, datetime.now(UTC).isoformat(timespec="seconds")))
    sittings = sum(event.kind == SITTING for event in store.events(planned.id))
    progress = Progress(planned.id, planned.judgments)
    outcome = "stopped"
    try:
        report = await (_compared if planned.of_pairs else _judged)(planned, bench, progress, listen)
        store.add_event(planned.id, 0, CALIBRATED, report.to_json())
        outcome = "finished"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
        raise
    finally:
        payload = {"seconds": round(time.monotonic() - started, 3), "drawn": progress.done - progress.reused, "outcome": outcome}
        store.add_event(planned.id, -1 - sittings, SITTING, payload)
    return report


async def _compared(planned: Planned, bench: Bench, progress: Progress, listen: Callable[[Progress], None]) -> CalibrationReport:
    from ui.calibrating_pairs import compared

    return await compared(planned, bench, progress, listen)


async def _judged(planned: Planned, bench: Bench, progress: Progress, listen: Callable[[Progress], None]) -> CalibrationReport:
    from optimizer.calibration.measuring import measured

    requests = [exposure.request for exposure in planned.exposures]
    trials = await judged_trials(bench, pipeline_for(planned.subject.seed, bench), requests, progress, listen)
    return measured(planned.subject, in_order(planned, {trial.id: trial for trial in trials}))


async def judged_trials(
    bench: Bench,
    pipeline: "Pipeline",
    requests: Sequence[TrialRequest],
    progress: Progress,
    listen: Callable[[Progress], None],
    *,
    patient: bool = False,
) -> list[Trial]:
    """The trials of ``requests``, in their order: those that are not on record are carried out and kept as they come.

    FatalError where there is no point in going on (:meth:`Progress.check`; ``patient``: only outages are a reason), and where an outage
    left too much unjudged.
    """
    from optimizer.evaluate import Evaluator
    from optimizer.events import Phase, TrialDone
    from ui.ledgerwriter import LedgerWriter

    known = {trial.id: trial for trial in bench.store.trials(progress.run_id) if trial.score is not None}
    trials: dict[str, Trial] = {}
    failures: list[Failure] = []
    started = time.monotonic()
    evaluator = Evaluator(pipeline, known)
    async with bench.closing, evaluator, LedgerWriter(bench.store, progress.run_id) as writer:
        async for trial in evaluator.stream(requests):
            trials[trial.id] = trial
            if trial.failure is not None:
                failures.append(trial.failure)
            if trial.id not in known:
                await writer.put(TrialDone(Phase.CONFIRM, trial))
            usage = trial.judgment.usage if trial.judgment is not None else trial.failure.usage if trial.failure is not None else NOTHING
            progress.count(usage, trial.failure, reused=trial.id in known)
            progress.seconds = time.monotonic() - started
            listen(progress)
            if not patient or all(failure.kind in OUTAGES for failure in failures):
                progress.check(failures)
    refuse_outages(failures, len(trials))
    return [trials[request.id(evaluator.stages.pipeline)] for request in requests]


def pipeline_for(seed: int, bench: Bench) -> "Pipeline":
    """The judge of ``bench`` behind the pictures of the set ``seed``."""
    from optimizer.calibration.engines import AsTyped, Painted
    from optimizer.evaluate import Pipeline
    from ui.keeping import ImagesOnDisk, KeptImages

    store, images = bench.store, bench.images
    judge: Any = bench.judge
    return Pipeline(
        reasoner=AsTyped(),
        generator=KeptImages(Painted(seed), images.write, provenance=bench.settings.provenance),
        judge=ImagesOnDisk(judge, images.read),
        judge_limits=bench.limits,
        recall_images=lambda asked: {key: image for key, image in store.find_images(list(asked)).items() if images.has(image.sha256)},
        recall_judgments=lambda asked: store.find_judgments(list(asked)),
    )


def refuse_outages(failures: Sequence[Failure], judgments: int) -> None:
    """FatalError where too much was not judged for reasons that are not the judge's: a report would say something else tomorrow."""
    lost = [failure for failure in failures if failure.kind in OUTAGES]
    if len(lost) > MOST_OUTAGES * judgments:
        (message, hint), _ = Counter((failure.message, failure.hint) for failure in lost).most_common(1)[0]
        raise FatalError(f"{len(lost)} of {judgments} were not judged because of an outage: {message}", hint=hint)


def in_order(planned: Planned, trials: Mapping[str, Trial]) -> "list[tuple[Exposure, Trial]]":
    """Each exposure with its trial."""
    from optimizer.calibration.engines import trial_id

    subject = planned.subject
    return [(exposure, trials[trial_id(exposure.request, subject.seed, subject.judge)]) for exposure in planned.exposures]
