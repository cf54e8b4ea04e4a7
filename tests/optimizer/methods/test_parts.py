"""The parts that stand between a library and a run: the bridge's answers, sizes within a budget, means, text that dspy gives back."""

import asyncio
import math
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from benchmarks.worlds import SyntheticProposer, prompts_of, synthetic_problem, synthetic_world
from data.errors import Stage as StageName
from data.errors import UsageError
from data.records import Judgment, Split, SystemPrompt, Trial, TrialRequest
from optimizer.budget import Budget, Limits
from optimizer.evaluate import Evaluator
from optimizer.events import Born, Event, RoundSealed, TrialDone
from optimizer.methods import METHODS, Method, identity_of, mipro, simba
from optimizer.methods.bridge import Bridge, Ended
from optimizer.methods.program import Measuring
from optimizer.methods.quiet import quiet
from optimizer.methods.record import UNKNOWN, Record
from optimizer.methods.task import Task, task_of
from optimizer.methods.turns import Turns
from optimizer.pairs import Pairs
from optimizer.search import History
from optimizer.stage import Stage
from tests.optimizer.worlds import LIMITS, synthetic_pipeline

WORLD = synthetic_world(1)
PROBLEM = synthetic_problem(WORLD, 1)
SEARCH, SELECT = PROBLEM.split(Split.SEARCH), PROBLEM.split(Split.SELECT)
ROOT = PROBLEM.roots[-1]


async def play(work: Callable[[Bridge], None], images: int = 40) -> tuple[Bridge, list[Event]]:
    """What happens when ``work`` asks the bridge from its thread."""
    proposer, limits = SyntheticProposer(WORLD), Limits(images)

    async def ask(requests):
        return [await proposer(request) for request in requests]

    async with Evaluator(synthetic_pipeline(WORLD)) as evaluator, Stage(StageName.PROPOSE, ask, LIMITS) as stage:
        bridge = Bridge(
            evaluator=evaluator,
            proposer=stage,
            proposer_identity=proposer.identity,
            search=SEARCH,
            select=SELECT,
            budget=Budget(limits),
            images=images,
            reserve=0,
            seed=1,
            max_words=100,
            history=History(),
        )
        return bridge, [event async for event in bridge.run(ROOT, "start", lambda: work(bridge))]


async def test_trials_come_in_the_order_in_which_they_were_asked_for():
    asked = [SEARCH[3], SEARCH[0], SEARCH[3]]
    got: list[Trial] = []
    _, events = await play(lambda bridge: got.extend(bridge.measure(ROOT, asked)))
    assert [trial.request.prompt for trial in got] == asked
    assert got[0].id != got[2].id, "the second look at a prompt is another trial"
    assert [type(event) for event in events] == [Born, TrialDone, TrialDone, TrialDone, RoundSealed, RoundSealed]


async def test_the_same_look_is_paid_once_also_from_many_threads():
    got: list[Trial] = []

    def work(bridge: Bridge) -> None:
        threads = [threading.Thread(target=lambda: got.append(bridge.look(ROOT, SEARCH[0], 1))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bridge.seal()
        bridge.seal()

    bridge, events = await play(work)
    assert len({trial.id for trial in got}) == 1
    assert len(got) == 8
    assert bridge.budget.images == 1
    assert [type(event) for event in events] == [Born, TrialDone, RoundSealed, RoundSealed], "a second seal has nothing to say"


async def test_what_does_not_fit_into_the_budget_is_not_begun():
    def work(bridge: Bridge) -> None:
        for _ in range(9):
            bridge.measure(ROOT, SEARCH[:15])

    bridge, events = await play(work)
    assert bridge.limit == "images"
    assert sum(isinstance(event, TrialDone) for event in events) == 30


async def test_an_end_is_not_caught_by_libraries_that_catch_everything():
    def work(bridge: Bridge) -> None:
        while True:
            try:
                bridge.measure(ROOT, SEARCH[:15])
            except Exception:
                continue

    bridge, _ = await play(work)
    assert bridge.limit == "images"
    assert issubclass(Ended, BaseException)


async def test_an_error_of_a_library_ends_the_run():
    def work(bridge: Bridge) -> None:
        raise ZeroDivisionError("a bug of theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        await play(work)


async def test_a_cancelled_run_waits_for_its_thread():
    ended = threading.Event()

    def work(bridge: Bridge) -> None:
        try:
            while True:
                bridge.look(ROOT, SEARCH[0], 0)
        finally:
            ended.set()

    task = asyncio.create_task(play(work))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


def test_looks_have_the_seeds_of_our_own_search():
    pairs = Pairs(SEARCH, 7, "search")
    turns = Turns(7)
    for pair in (0, 5, len(SEARCH) + 5):
        prompt = pairs.request(pair, ROOT).prompt
        assert turns.request(ROOT, prompt, pair // len(SEARCH)) == pairs.request(pair, ROOT)


@given(images=st.integers(60, 20_000), validation=st.integers(1, 300))
def test_miprov2_gets_passes_that_the_images_allow(images: int, validation: int):
    size = mipro.size_of(images, validation)
    assert 1 <= size.prompts <= min(validation, mipro.MOST)
    assert size.passes >= 1.5 * size.instructions
    if images >= 100:
        assert 3 * (size.instructions - 1) + (size.passes + 1) * size.prompts <= images


@given(images=st.integers(60, 20_000), prompts=st.integers(8, 400))
def test_simba_never_asks_for_more_images_than_there_are(images: int, prompts: int):
    size = simba.size_of(images, prompts)
    assert size.batch <= size.prompts <= prompts
    assert size.searching + size.winners * size.prompts <= images


@given(st.integers(0, 30), st.integers(1, 90))
def test_what_is_validated_on_is_not_learned_from(select: int, search: int):
    task = task_of(ROOT, SEARCH[:search], SELECT[:select], 300, 5)
    assert task.validation
    assert task.train
    if search > 2:
        assert not {prompt.id for prompt in task.train} & {prompt.id for prompt in task.validation}
    assert task == task_of(ROOT, SEARCH[:search], SELECT[:select], 300, 5)
    assert isinstance(task, Task)


@given(st.lists(st.floats(0, 1), max_size=9), st.lists(st.floats(0, 1), max_size=9))
def test_a_record_has_means_and_makes_nothing_up(first: list[float], second: list[float]):
    record, child = Record(), SystemPrompt("child")
    for system_prompt, scores in ((ROOT, first), (child, second)):
        record.born(system_prompt)
        for seed, score in enumerate(scores):
            record.take(Trial(str(seed), TrialRequest(system_prompt, SEARCH[0], 0, seed), judgment=Judgment(score)))
    everything = first + second
    assert record.overall() == pytest.approx(sum(everything) / len(everything) if everything else UNKNOWN)
    assert record.expected(child.id) == pytest.approx(sum(second) / len(second) if second else record.overall())
    standings = record.standings(child.id)
    assert [standing.trials for standing in standings] == ([len(scores) for scores in (first, second) if scores] if first else [])
    assert all(math.isfinite(standing.sd) for standing in standings)
    assert set(record.ranking(record.system_prompts)) == {
        system_prompt.id for system_prompt, scores in ((ROOT, first), (child, second)) if scores
    }


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(str.strip).filter(bool))
def test_a_system_prompt_comes_back_from_dspy_as_it_was_written(text: str):
    measuring = Measuring(lambda *_: pytest.fail("nothing is measured here"), prompts_of(WORLD)[:1])
    assert measuring.written(measuring.take(SystemPrompt(text))).text == text


def test_quiet_is_for_its_own_thread_only(capsys: pytest.CaptureFixture[str]):
    def noisy() -> None:
        with quiet("phoropter.test"):
            print("muted")
            print("muted", file=sys.stderr)
            other = threading.Thread(target=lambda: print("heard"))
            other.start()
            other.join()

    before = sys.stdout
    noisy()
    assert sys.stdout is before
    assert capsys.readouterr() == ("heard\n", "")


def test_a_bar_that_an_error_leaves_open_writes_no_last_line(capsys: pytest.CaptureFixture[str]):
    left: list[object] = []

    def cut_off() -> None:
        with suppress(Ended), quiet("phoropter.test"):
            bar = tqdm(total=12, file=sys.stdout)
            left.append(bar)
            bar.update()
            raise Ended

    thread = threading.Thread(target=cut_off)
    thread.start()
    thread.join()
    left.clear()
    assert capsys.readouterr() == ("", "")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(METHODS, "gepa", Method("GEPA", ("gepa-that-nobody-has",)))
    with pytest.raises(UsageError, match="--method gepa needs gepa-that-nobody-has") as error:
        identity_of("gepa")
    assert error.value.hint == "pip install gepa-that-nobody-has"
    assert identity_of("phoropter") == ""
    assert "dspy 3." in identity_of("simba")
