"""Runs: what is checked before anything is spent, what makes two runs the same one, and what a sitting leaves in the ledger."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.formats import load_prompts, save_prompts
from data.records import Prompt, Split
from optimizer.events import Confirmed, Event, RoundSealed, TrialDone
from optimizer.proposers import Proposal, ProposalRequest
from tests.ui.cli import cheap
from ui.eventlog import CONFIRMED, SITTING
from ui.running import LedgerWriter, Progress, carry_out, plan_run, resumed_settings
from ui.settings import Settings, resolve
from ui.views import run_view
from ui.wiring import Parts, open_parts

IMAGES = 220


@contextmanager
def opened(home: Path, **flags: Any) -> Generator[Parts]:
    """A run's parts: the embedded reasoner and proposer, and pictures that cost nothing."""
    given = {name.replace("__", "."): value for name, value in flags.items()}
    chosen = {"home": home, "generator.engine": cheap.GENERATOR, "judge.engine": cheap.JUDGE, "run.images": IMAGES, **given}
    parts = open_parts(resolve(flags=chosen).settings)
    try:
        yield parts
    finally:
        parts.store.close()


def quiet(event: Event, progress: Progress) -> None:
    """Listens to nothing."""


def outcome(parts: Parts, run_id: str) -> tuple[Any, ...]:
    """What a run came to, without its times."""
    view = run_view(parts.store, run_id)
    return view.state, view.winner, view.shortlist, view.comparison, view.nodes, view.rounds, view.images


# -- planning


def test_the_same_settings_are_the_same_run_wherever_it_lies(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two", reasoner__concurrency=7, reasoner__attempts=1) as two:
        assert plan_run(one.settings, one).id == plan_run(two.settings, two).id


@pytest.mark.parametrize(
    "flags",
    [{"run__seed": 2}, {"run__images": 221}, {"run__roots": ("general",)}, {"run__seconds": 60.0}, {"reasoner__max_tokens": 99}],
)
def test_what_changes_the_course_makes_another_run(tmp_path: Path, flags: dict[str, Any]) -> None:
    with opened(tmp_path) as one, opened(tmp_path, **flags) as other:
        assert plan_run(one.settings, one).id != plan_run(other.settings, other).id


def test_a_prompt_set_counts_by_its_prompts_not_by_its_name(tmp_path: Path) -> None:
    prompts = load_prompts("scenes")
    save_prompts(prompts, tmp_path / "own.jsonl")
    save_prompts([replace(prompts[0], split=Split.TEST), *prompts[1:]], tmp_path / "other.jsonl")
    ids: list[str] = []
    for source in ("scenes", str(tmp_path / "own.jsonl"), str(tmp_path / "other.jsonl")):
        with opened(tmp_path, run__prompts=source) as parts:
            ids.append(plan_run(parts.settings, parts).id)
    assert ids[0] == ids[1] != ids[2]


def test_a_plan_keeps_neither_places_nor_secrets(tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        planned = plan_run(parts.settings, parts)
    assert str(tmp_path) not in str(planned.config)
    assert not planned.config.keys() & {"home", "ledger", "images_at"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"run__images": 199}, "199 images are too few"),
        ({"run__roots": ("plain", "none")}, "can't start from the raw prompt"),
        ({"run__reference": "best"}, "run.reference is 'best'"),
        ({"run__prompts": "vague", "judge__engine": "scene"}, "no criterion that pixels can answer"),
    ],
)
def test_what_can_not_work_is_said_before_it_costs(tmp_path: Path, flags: dict[str, Any], said: str) -> None:
    with opened(tmp_path, **flags) as parts, pytest.raises(UsageError, match=said):
        plan_run(parts.settings, parts)


def test_prompts_without_checklists_are_refused(tmp_path: Path) -> None:
    save_prompts([Prompt("a cat"), Prompt("a dog", split=Split.TEST)], tmp_path / "bare.jsonl")
    with opened(tmp_path, run__prompts=str(tmp_path / "bare.jsonl")) as parts, pytest.raises(UsageError, match="2 of 2 prompts"):
        plan_run(parts.settings, parts)


# -- sittings


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The outcome of a run that nothing disturbed."""
    with opened(tmp_path_factory.mktemp("whole")) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, quiet))
        return outcome(parts, planned.id)


def test_a_run_is_told_event_by_event(tmp_path: Path, whole: tuple[Any, ...]) -> None:
    heard: list[tuple[Event, Progress]] = []
    with opened(tmp_path) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, lambda event, progress: heard.append((event, progress))))
        assert outcome(parts, planned.id) == whole
        assert parts.store.trial_count(planned.id) == heard[-1][1].images
    assert isinstance(heard[-1][0], Confirmed)
    images = [progress.images for _, progress in heard]
    assert images == sorted(images)
    assert images[-1] <= IMAGES
    assert all(progress.reused >= 0 and progress.run_id == planned.id for _, progress in heard)


class StoppedError(Exception):
    """What ends a sitting early."""


def stop_after(kind: type[Event], count: int) -> Callable[[Event, Progress], None]:
    """A listener that ends the sitting at the ``count``-th event of a kind."""
    left = count

    def listen(event: Event, progress: Progress) -> None:
        nonlocal left
        left -= isinstance(event, kind)
        if left == 0:
            raise StoppedError("enough for today")

    return listen


@pytest.mark.parametrize("kind", [TrialDone, RoundSealed])
def test_stopped_again_and_again_it_comes_to_the_same_end(tmp_path: Path, whole: tuple[Any, ...], kind: type[Event]) -> None:
    sittings = 0
    while True:
        sittings += 1
        with opened(tmp_path) as parts:
            planned = plan_run(parts.settings, parts)
            try:
                asyncio.run(carry_out(planned, parts, stop_after(kind, (40 if kind is TrialDone else 3) * sittings)))
                break
            except StoppedError:
                continue
    assert sittings > 2
    with opened(tmp_path) as parts:
        assert outcome(parts, planned.id) == whole
        ends = [event.payload["outcome"] for event in parts.store.events(planned.id) if event.kind == SITTING]
        assert ends == ["finished"] + ["StoppedError: enough for today"] * (sittings - 1)


def test_a_finished_run_is_not_begun_again(tmp_path: Path) -> None:
    heard: list[Event] = []
    with opened(tmp_path) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, quiet))
        asyncio.run(carry_out(planned, parts, lambda event, _: heard.append(event)))
        kinds = [event.kind for event in parts.store.events(planned.id)]
    assert heard == []
    assert kinds.count(SITTING) == 1
    assert kinds.count(CONFIRMED) == 1


def test_a_ledger_that_fails_ends_the_run(tmp_path: Path) -> None:
    class FullStore:
        def add_trials(self, run_id: str, trials: object) -> None:
            raise FatalError("the disk is full")

    async def write(event: Event) -> None:
        async with LedgerWriter(FullStore(), "b2:0") as writer:  # pyright: ignore[reportArgumentType]
            for _ in range(1000):
                await writer.put(event)
                await asyncio.sleep(0.001)

    heard: list[Event] = []
    with opened(tmp_path) as parts:
        planned = plan_run(parts.settings, parts)
        asyncio.run(carry_out(planned, parts, lambda event, _: heard.append(event)))
    trial = next(event for event in heard if isinstance(event, TrialDone))
    with pytest.raises(FatalError, match="the disk is full"):
        asyncio.run(write(trial))


def test_only_a_search_can_be_resumed(tmp_path: Path) -> None:
    from data.runs import RunRecord

    with opened(tmp_path) as parts:
        parts.store.add_run(RunRecord("b2:abcd", "imagine", {}, "2026-01-01T00:00:00+00:00"))
        with pytest.raises(UsageError, match="of kind imagine, which has nothing to resume"):
            resumed_settings(parts.store, "abcd", Settings())


def test_a_root_named_twice_is_one(tmp_path: Path) -> None:
    with opened(tmp_path, run__roots=("general", "general")) as twice, opened(tmp_path, run__roots=("general",)) as once:
        assert [root.name for root in plan_run(twice.settings, twice).problem.roots] == ["general"]
        assert plan_run(once.settings, once).problem.roots == plan_run(twice.settings, twice).problem.roots


# -- a proposer that goes away


class Away:
    """The embedded proposer's place, while nobody is there."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    async def __call__(self, request: ProposalRequest) -> Proposal:
        raise StageError(FailureKind.UNREACHABLE, "no connection", hint="start it")


def test_a_proposer_that_is_away_ends_the_run_and_its_silence_does_not_stay(tmp_path: Path) -> None:
    with opened(tmp_path, run__images=700) as parts:
        planned = plan_run(parts.settings, parts)
        with pytest.raises(FatalError, match="no usable system prompt; the last: no connection"):
            asyncio.run(carry_out(planned, replace(parts, proposer=Away(parts.proposer.identity)), quiet))
        assert len(run_view(parts.store, planned.id).nodes) == 2
    with opened(tmp_path, run__images=700) as parts:
        asyncio.run(carry_out(planned, parts, quiet))
        view = run_view(parts.store, planned.id)
        assert view.state == "finished"
        assert len(view.nodes) > 2
        again = outcome(parts, planned.id)
        assert not list(parts.store.verify(parts.images))
    with opened(tmp_path, run__images=700) as parts:
        asyncio.run(carry_out(planned, parts, quiet))
        assert outcome(parts, planned.id) == again
