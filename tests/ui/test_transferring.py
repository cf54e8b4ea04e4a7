"""Engines that are exchanged after the confirmation: checked before anything is spent, and kept in runs of their own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from data.records import GeneratedImage, Split
from generator import ImageRequest
from optimizer.compare import Exchanged
from optimizer.events import Event, Phase, TrialDone
from tests.ui.cli import cheap
from tests.ui.test_running import StoppedError, opened, outcome, quiet
from ui.claiming import transfer_heads, transfer_verdict
from ui.cli.report import confirmed_images
from ui.running import Progress, carry_out, plan_run
from ui.settings import resolve
from ui.transferring import exchanges, transfer_run
from ui.views import confirmed_trials, run_view

JUDGE, GENERATOR = f"{__name__}:OtherJudge", f"{__name__}:OtherGenerator"


class OtherJudge(cheap.Judge):
    """Another name, the same mind."""

    identity = "cheap:2"


class OtherGenerator(cheap.Generator):
    """Another name, other pictures."""

    identity = "cheap:2"

    def _draw(self, request: ImageRequest) -> GeneratedImage:
        return super()._draw(ImageRequest(request.text, request.seed + 1))


BOTH: dict[str, Any] = {"transfer__judge": JUDGE, "transfer__generator": GENERATOR, "run__images": 290, "run__seed": 2}


def test_only_the_engine_in_question_is_exchanged() -> None:
    settings = resolve(flags={"transfer.judge": "text", "judge.batch": 3}).settings
    found = exchanges(settings)
    assert list(found) == [Exchanged.JUDGE]
    assert (found[Exchanged.JUDGE].judge.engine, found[Exchanged.JUDGE].judge.batch) == ("text", 3)
    assert found[Exchanged.JUDGE].generator == settings.generator
    assert exchanges(resolve().settings) == {}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"transfer__judge": cheap.JUDGE}, "transfer.judge is the run's own judge"),
        ({"transfer__generator": cheap.GENERATOR, "run__images": 290}, "transfer.generator is the run's own generator"),
        ({"transfer__judge": "text"}, "ask for no words"),
        ({"transfer__judge": "scenery"}, "scenery"),
        ({"transfer__generator": GENERATOR, "run__images": 220}, "7 arms"),
    ],
)
def test_what_can_not_be_exchanged_is_said_before_it_costs(tmp_path: Path, flags: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said), opened(tmp_path, **flags) as parts:
        plan_run(parts.settings, parts)


def test_a_transfer_makes_another_run_and_none_the_old_one(tmp_path: Path) -> None:
    with opened(tmp_path, run__images=290) as plain, opened(tmp_path, **BOTH) as exchanged:
        assert plan_run(plain.settings, plain).id != plan_run(exchanged.settings, exchanged).id


def test_it_is_measured_kept_apart_and_resumed_to_the_same_end(tmp_path: Path) -> None:
    heard: list[TrialDone] = []

    def listen(event: Event, progress: Progress) -> None:
        if isinstance(event, TrialDone):
            heard.append(event)

    with opened(tmp_path / "whole", **BOTH) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, listen))
        view = run_view(parts.store, planned.id)
        whole = outcome(parts, planned.id)
        kept = {exchanged: list(parts.store.trials(transfer_run(planned.id, exchanged))) for exchanged in Exchanged}
        tested = [trial for trial in parts.store.trials(planned.id) if trial.request.prompt.split is Split.TEST]
        confirmed = confirmed_trials(parts.store, planned.id, view.comparison or {})
        assert not list(parts.store.verify(parts.images))
        kinds = {run.kind: run.config for run in parts.store.runs()}
    assert view.comparison is not None
    prompts = view.comparison["arms"][0]["trials"]
    assert {len(trials) for trials in kept.values()} == {2 * prompts}
    assert {len(trials) for trials in confirmed.values()} == {prompts}
    assert {trial.id for trials in kept.values() for trial in trials}.isdisjoint(trial.id for trial in tested)
    assert {trial.image for trial in kept[Exchanged.JUDGE]} <= {trial.image for trial in tested}
    assert confirmed_images(view) == sum(event.phase is not Phase.OTHER_JUDGE for event in heard)
    assert kinds["transfer"]["transfer_of"] == planned.id
    judged, drawn = view.comparison["transfers"]
    gain = next(entry for entry in view.comparison["best_against"] if entry["reference"] == "general")
    assert judged["difference"]["estimate"] == gain["estimate"]  # The same pictures before the same mind.
    assert drawn["difference"]["estimate"] != gain["estimate"]
    assert [head.split(", ")[1].split(" ")[0] for head in transfer_heads(view)] == ["judged", "drawn"]
    assert all(transfer_verdict(entry) for entry in (judged, drawn, {"difference": None}))

    stopped_at = next(number for number, event in enumerate(heard) if event.phase is Phase.OTHER_GENERATOR) + 10
    left = stopped_at

    def stop(event: Event, progress: Progress) -> None:
        nonlocal left
        left -= isinstance(event, TrialDone)
        if left == 0:
            raise StoppedError("enough for today")

    with opened(tmp_path / "cut", **BOTH) as parts, pytest.raises(StoppedError):
        asyncio.run(carry_out(plan_run(parts.settings, parts), parts, stop))
    with opened(tmp_path / "cut", **BOTH) as parts:
        asyncio.run(carry_out(plan_run(parts.settings, parts), parts, quiet))
        assert outcome(parts, planned.id) == whole
