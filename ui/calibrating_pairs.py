"""Calibrations of judges of pairs: each preference is kept as an event of the calibration's run, so that none is paid for twice."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.codec import usage_json, usage_of
from data.errors import FatalError
from data.errors import Stage as StageName
from data.records import Failure, GeneratedImage
from optimizer.calibration.pairs import PairExposure, Preferred, measured_pairs
from optimizer.calibration.report import CalibrationReport, FailureCount
from optimizer.judges.pairwise import PairRequest, PairwiseJudge, Preference
from optimizer.stage import Stage
from optimizer.trial import failure_of

if TYPE_CHECKING:
    from ui.calibrating import Bench, Planned, Progress

PREFERENCE = "preference"
"""The event of one pair. Its ordinal is one more than the pair's place: the report's is 0."""


async def compared(planned: "Planned", bench: "Bench", progress: "Progress", listen: "Callable[[Progress], None]") -> CalibrationReport:
    """Has the pairs compared that are not on record, and reports on all of them."""
    from ui.calibrating import refuse_outages

    assert isinstance(bench.judge, PairwiseJudge), "pairs are planned for judges of pairs alone"
    sitting = _Sitting(planned, bench, bench.judge, progress, listen)
    lanes = 2 * bench.limits.concurrency * bench.limits.batch
    async with bench.closing, Stage(StageName.JUDGE, bench.judge, bench.limits) as stage:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(lanes, len(planned.pairs))):
                    group.create_task(sitting.lane(stage))
        except* FatalError as errors:
            raise errors.exceptions[0] from None
    refuse_outages(sitting.failures, planned.judgments)
    seen = [(pair, sitting.said.get(ordinal)) for ordinal, pair in enumerate(planned.pairs, start=1)]
    return measured_pairs(planned.subject, seen, _counted(sitting.failures))


class _Sitting:
    """What one stretch of work has found so far. Several lanes draw pairs from it."""

    def __init__(
        self, planned: "Planned", bench: "Bench", judge: PairwiseJudge, progress: "Progress", listen: "Callable[[Progress], None]"
    ) -> None:
        self._planned, self._bench, self._judge = planned, bench, judge
        self._progress, self._listen = progress, listen
        self._kept = {event.ordinal: _preferred(event.payload) for event in bench.store.events(planned.id) if event.kind == PREFERENCE}
        self._waiting: Iterator[tuple[int, PairExposure]] = iter(enumerate(planned.pairs, start=1))
        self._started = time.monotonic()
        self.said: dict[int, Preferred] = {}
        self.failures: list[Failure] = []

    async def lane(self, stage: "Stage[PairRequest, Preference]") -> None:
        for ordinal, pair in self._waiting:
            outcome = self._kept.get(ordinal) or await self._ask(pair, stage)
            if isinstance(outcome, Failure):
                self.failures.append(outcome)
            else:
                self.said[ordinal] = outcome
                if ordinal not in self._kept:
                    await asyncio.to_thread(self._bench.store.add_event, self._planned.id, ordinal, PREFERENCE, _to_json(outcome))
            self._progress.count(outcome.usage, outcome if isinstance(outcome, Failure) else None, reused=ordinal in self._kept)
            self._progress.seconds = time.monotonic() - self._started
            self._listen(self._progress)
            self._progress.check(self.failures)

    async def _ask(self, pair: PairExposure, stage: "Stage[PairRequest, Preference]") -> Preferred | Failure:
        request = await asyncio.to_thread(_request, pair, self._planned.subject.seed)
        try:
            said = await stage(request.key(self._judge.identity), request)
        except FatalError:
            raise
        except Exception as error:
            return failure_of(StageName.JUDGE, error)
        return Preferred(said.value if pair.right_first else 1 - said.value, said.flipped, said.usage, said.latency)


def _request(pair: PairExposure, set_seed: int) -> PairRequest:
    right, wrong = _image(set_seed, pair.right), _image(set_seed, pair.wrong)
    return PairRequest(pair.prompt, *((right, wrong) if pair.right_first else (wrong, right)), pair.look)


def _image(set_seed: int, seed: int) -> GeneratedImage:
    from generator.embedded.layout import SIDE
    from optimizer.calibration.paintings import png_of

    png = png_of(set_seed, seed)
    return GeneratedImage(hashlib.sha256(png).hexdigest(), SIDE, SIDE, content=png)


def _to_json(said: Preferred) -> dict[str, Any]:
    return {"value": said.value, "flipped": said.flipped, "usage": usage_json(said.usage), "latency": round(said.latency, 6)}


def _preferred(payload: Mapping[str, Any]) -> Preferred:
    return Preferred(payload["value"], payload["flipped"], usage_of(payload["usage"]), payload["latency"])


def _counted(failures: Sequence[Failure]) -> list[FailureCount]:
    counts = Counter(failure.kind for failure in failures)
    first = {failure.kind: failure for failure in reversed(failures)}
    return [
        FailureCount(first[kind].stage.value, kind.value, count, first[kind].message, first[kind].hint)
        for kind, count in counts.most_common()
    ]
