"""Calibrations behind the doors: judges of pairs, outages, and vision models over HTTP that err in planted ways."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError
from data.identity import derived_random
from data.usage import Usage
from optimizer.calibration.exposures import LEAST_IMAGES
from optimizer.calibration.rates import Rate
from optimizer.calibration.report import CalibrationReport, Canary, Verdict
from optimizer.calibration.skills import Skill
from optimizer.judges.pairwise import PairwiseJudge
from optimizer.judges.scene import SceneJudge
from optimizer.testserver import serving_eyes
from ui.calibrating import Bench, Planned, calibration_of, carry_out, finished, open_bench, plan
from ui.settings import EngineSettings, Settings

IMAGES = 40
Answer = Callable[[Chat], str | StageError]


def bench_of(home: Path, spec: str = "scene") -> Bench:
    return open_bench(Settings(home=home, judge=EngineSettings(engine=spec, concurrency=4, backoff=0.0, attempts=2)))


def planned_for(bench: Bench, images: int) -> Planned:
    """A calibration that may be smaller than what says something about a judge."""
    planned = plan(bench, LEAST_IMAGES, 1)
    return replace(planned, id=f"{planned.id}{images}", subject=planned.subject._replace(images=images))


def calibrated(bench: Bench, images: int = IMAGES) -> CalibrationReport:
    planned = planned_for(bench, images)
    try:
        return asyncio.run(carry_out(planned, bench, lambda _: None))
    finally:
        bench.store.close()


def covers(found: Rate, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


# -- judges of pairs


class Chooser:
    """A ChatEngine that answers questions about pairs without looking; it counts them."""

    identity = "chooser:1"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked = 0

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        await asyncio.sleep(0)
        self.asked += len(chats)
        return [self._said(chat) for chat in chats]

    def _said(self, chat: Chat) -> Completion | StageError:
        answer = self._answer(chat)
        if isinstance(answer, StageError):
            return answer
        return Completion(json.dumps({"first": "a", "second": "b", "answer": answer}), usage=Usage(200, 20, 0.002), latency=0.25)


def pair_bench(home: Path, answer: Answer) -> tuple[Bench, Chooser]:
    engine = Chooser(answer)
    bench = bench_of(home)
    return Bench(bench.settings, bench.store, bench.images, PairwiseJudge(engine), bench.limits, bench.closing), engine


def larger(chat: Chat) -> str:
    """Prefers the larger file: without a place to prefer, and without a reason."""
    first, second = (len(image.content) for image in chat.images)
    return "tie" if first == second else "first" if first > second else "second"


def test_a_judge_of_pairs_that_prefers_a_place_is_found_out(tmp_path: Path) -> None:
    bench, engine = pair_bench(tmp_path, lambda _: "first")
    report = calibrated(bench)
    assert report.pairs
    assert (report.flips.estimate, report.ties.estimate, report.right.estimate) == (1.0, 1.0, 0.5)
    assert report.verdict is Verdict.POOR
    assert engine.asked == 2 * report.cost.judgments
    assert (report.cost.dollars, report.cost.input_tokens, report.cost.seconds) == (pytest.approx(0.004), 400.0, 0.25)


def test_a_judge_of_pairs_that_goes_by_something_else_is_poor_without_flips(tmp_path: Path) -> None:
    report = calibrated(pair_bench(tmp_path, larger)[0])
    assert report.flips.estimate == 0.0
    assert report.verdict is Verdict.POOR
    assert next(canary for canary in report.canaries if canary.name is Canary.IDENTICAL).passed


def test_preferences_are_kept_and_paid_once(tmp_path: Path) -> None:
    stop_at = 30

    class StoppedError(BaseException):
        pass

    def stop(progress: Any) -> None:
        if progress.done >= stop_at:
            raise StoppedError

    bench, engine = pair_bench(tmp_path, larger)
    planned = planned_for(bench, IMAGES)
    with pytest.raises(BaseException) as raised:  # noqa: PT011
        asyncio.run(carry_out(planned, bench, stop))
    assert isinstance(raised.value, StoppedError | BaseExceptionGroup)
    assert finished(bench.store, planned.id) is None
    bench.store.close()
    again, second = pair_bench(tmp_path, larger)
    report = calibrated(again)
    assert second.asked < 2 * planned.judgments
    # Lanes that had an answer in hand when the others were stopped may have lost it.
    assert engine.asked + second.asked <= 2 * planned.judgments + 2 * 8
    assert report.cost.judgments == planned.judgments
    third, nothing = pair_bench(tmp_path, larger)
    assert calibrated(third).to_json() == report.to_json()
    assert nothing.asked == 0


def test_refusals_are_counted_and_outages_end_it(tmp_path: Path) -> None:
    def sometimes(kind: FailureKind) -> Answer:
        error = StageError(kind, "no", hint="do something")
        return lambda chat: error if derived_random(chat.seed).random() < 0.2 else larger(chat)

    report = calibrated(pair_bench(tmp_path / "a", sometimes(FailureKind.REFUSED))[0])
    assert [failure.kind for failure in report.failures] == ["refused"]
    bench, _ = pair_bench(tmp_path / "b", sometimes(FailureKind.SERVER_ERROR))
    with pytest.raises(FatalError, match="because of an outage: no"):
        calibrated(bench)


# -- judges of one's own that fail


class Flaky:
    """The scene judge behind a line that breaks: every fifth picture is lost until ``mended``."""

    identity = "flaky:1"

    def __init__(self, kind: FailureKind, *, mended: bool = False) -> None:
        self._kind, self._mended = kind, mended

    async def __call__(self, requests: Sequence[Any]) -> Sequence[Any]:
        judged = await SceneJudge()(requests)
        lost = [not self._mended and derived_random(request.image.sha256).random() < 0.2 for request in requests]
        return [StageError(self._kind, "lost") if gone else outcome for gone, outcome in zip(lost, judged, strict=True)]


def test_after_an_outage_only_what_is_missing_is_judged(tmp_path: Path) -> None:
    def of(judge: Flaky) -> tuple[Bench, Planned]:
        bench = bench_of(tmp_path)
        bench = Bench(bench.settings, bench.store, bench.images, judge, bench.limits, bench.closing)
        return bench, planned_for(bench, IMAGES)

    bench, planned = of(Flaky(FailureKind.TIMEOUT))
    with pytest.raises(FatalError, match="outage"):
        asyncio.run(carry_out(planned, bench, lambda _: None))
    assert calibration_of(bench.store, "flaky:1") is None
    bench.store.close()
    bench, planned = of(Flaky(FailureKind.TIMEOUT, mended=True))
    reused: list[int] = []
    report = asyncio.run(carry_out(planned, bench, lambda progress: reused.append(progress.reused)))
    assert report.failures == ()
    assert 0.6 < reused[-1] / planned.judgments < 0.95
    known = calibration_of(bench.store, "flaky:1")
    assert known is not None
    assert known.to_json() == report.to_json()
    bench.store.close()


def test_pictures_whose_files_are_gone_are_painted_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    assert calibrated(bench).failures == ()
    shutil.rmtree(tmp_path / "images")
    bench = bench_of(tmp_path)
    mended = Flaky(FailureKind.TIMEOUT, mended=True)
    report = calibrated(Bench(bench.settings, bench.store, bench.images, mended, bench.limits, bench.closing))
    assert report.failures == ()
    assert any((tmp_path / "images").rglob("*.png"))


def test_what_is_the_judges_own_failure_is_part_of_its_report(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    report = calibrated(Bench(bench.settings, bench.store, bench.images, Flaky(FailureKind.MALFORMED), bench.limits, bench.closing))
    (failure,) = report.failures
    assert (failure.stage, failure.kind, failure.message) == ("judge", "malformed", "lost")
    assert failure.count > 20
    assert report.verdict is Verdict.POOR
    assert report.right.estimate == 1.0


# -- vision models over HTTP


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_eyes() as server:
        yield server.url


def test_planted_errors_of_a_vision_model_are_found(url: str, tmp_path: Path) -> None:
    report = calibrated(bench_of(tmp_path, f"checklist:openai:eyes-bias-30@{url}?format=png&side=512"), LEAST_IMAGES)
    assert covers(report.false_yes, 0.3)
    assert report.false_no.estimate == 0.0
    assert covers(report.yes_bias, 0.3)
    assert report.failures == ()
    assert any("leans to yes" in reason for reason in report.reasons)


def test_a_planted_blind_spot_of_a_vision_model_is_found(url: str, tmp_path: Path) -> None:
    report = calibrated(bench_of(tmp_path, f"checklist:openai:eyes-blind-background@{url}?format=png&side=512"), 100)
    assert "blind to background: do not optimize on prompts about places and backgrounds" in report.advice
    blind = next(skill for skill in report.skills if skill.skill == Skill.BACKGROUND)
    assert covers(blind.right, 0.5)


def test_a_planted_preference_for_a_place_is_found(url: str, tmp_path: Path) -> None:
    report = calibrated(bench_of(tmp_path, f"pairwise:openai:eyes-left-30@{url}?format=png&side=512"), 60)
    assert report.pairs
    assert report.flips.estimate is not None
    # It flips where at least one of the two orders is answered by place, and the pictures would not have led there anyway.
    assert report.flips.estimate > 0.1
    assert report.ties.estimate is not None
    assert report.ties.estimate >= report.flips.estimate


def test_a_model_without_eyes_ends_it_with_a_hint(url: str, tmp_path: Path) -> None:
    bench = bench_of(tmp_path, f"checklist:openai:eyes-none@{url}")
    with pytest.raises(FatalError, match="none of the first 24 could be judged") as raised:
        calibrated(bench)
    assert "vision" in raised.value.hint
