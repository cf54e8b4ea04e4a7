"""A program in, a better one out: found for real, within its budget, alike each time, and claimed only where it may be."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.clients.cache import Cache

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError, UsageError
from data.records import Operation
from optimizer.dspy_optimizer import PhoropterSearch, SearchResults
from optimizer.dspy_optimizer.results import hold_out
from optimizer.dspy_optimizer.threads import run_apart
from tests.optimizer.dspy_optimizer.conftest import EXAMPLE, Counting, signature, support

TICKETS = support.tickets(70)
TRAIN, VAL = TICKETS[:40], TICKETS[40:]


@pytest.fixture
def models(over: Any) -> Any:
    with dspy.context(lm=over(support.Clerk())):
        yield over(support.Coach())


def search(coach: Any, **options: Any) -> PhoropterSearch:
    settings: dict[str, Any] = {"metric": support.metric, "budget": 220, "reflection_lm": coach, **options}
    return PhoropterSearch(**settings)


def facts(results: SearchResults) -> Any:
    """All but latencies."""
    return results.candidates, results.best, results.held_out, [(trial.id, trial.score) for trial in results.trials]


def test_the_example_of_the_docs_as_it_is_written():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)
    assert "Greet the customer by name." in done.stdout
    assert "280 evaluations (0 failed)" in done.stdout
    assert "; may be claimed" in done.stdout
    assert "original" in done.stderr


def test_a_better_program_and_what_may_be_said_of_it(models: Any):
    program = support.Support()
    program.reply.demos = [dspy.Example(ticket="My lamp hums. Order 0001. Ada", reply="Dear Ada, fine.")]
    better = search(models).compile(program, trainset=TRAIN, valset=VAL)
    results = better.detailed_results
    assert program.reply.signature.instructions == "Reply to the customer."
    assert better.reply.demos == program.reply.demos
    assert results.claimed
    assert results.held_out.gain.low > 0.2
    assert results.held_out.examples == 30
    assert results.evaluations == 220 == len(results.trials)
    best = results.candidates[results.best]
    assert best.instructions == {"reply": better.reply.signature.instructions}
    assert best.operation is not Operation.ROOT
    assert results.candidates[0].instructions == {"reply": "Reply to the customer."}
    assert sum(one.p_best for one in results.candidates) == pytest.approx(1.0)
    scores = {name: sum(map(score, VAL)) / len(VAL) for name, score in (("best", scoring(better)), ("original", scoring(program)))}
    assert scores["best"] - scores["original"] == pytest.approx(results.held_out.gain.estimate, abs=0.15)


def scoring(program: Any) -> Any:
    return lambda example: support.metric(example, program(**example.inputs())).score


def test_the_budget_is_kept_to_the_last_call(models: Any):
    calls: list[Any] = []

    def metric(example: Any, prediction: Any) -> Any:
        calls.append(example)
        return support.metric(example, prediction)

    better = search(models, metric=metric, budget=131).compile(support.Support(), trainset=TRAIN, valset=VAL)
    assert len(calls) == better.detailed_results.evaluations <= 131
    assert better.detailed_results.held_out.examples == 30
    searched = calls[: 131 - 60]
    assert all(any(example is one for one in TRAIN) for example in searched)


def test_the_same_seed_takes_the_same_way_whoever_finishes_first(over: Any):
    class Unpunctual(support.Clerk):
        async def __call__(self, chats: Sequence[Chat]) -> Any:
            time.sleep(random.random() / 300)
            return await super().__call__(chats)

    found = []
    for clerk, threads in ((support.Clerk(), 1), (Unpunctual(), 8), (support.Clerk(), 8)):
        with dspy.context(lm=over(clerk)):
            better = search(over(support.Coach()), num_threads=threads).compile(support.Support(), trainset=TRAIN[:9], valset=VAL)
        found.append(facts(better.detailed_results))
    assert found[0] == found[1] == found[2]


def test_played_again_it_costs_no_call_where_dspy_caches(over: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dspy, "cache", Cache(enable_disk_cache=False, enable_memory_cache=True, disk_cache_dir=""))
    clerk, coach = Counting(support.Clerk()), Counting(support.Coach())
    found = []
    for _ in range(2):
        with dspy.context(lm=over(clerk).copy(cache=True)):
            better = search(over(coach).copy(cache=True)).compile(support.Support(), trainset=TRAIN, valset=VAL)
        found.append((facts(better.detailed_results), len(clerk.chats), len(coach.chats)))
    assert found[0] == found[1]
    assert found[0][1] == 220


class Two(dspy.Module):
    """Drafts, and writes the draft as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict(signature("ticket -> reply", "Reply to the customer."))
        self.check = dspy.Predict(signature("ticket -> reply", "Be formal."))

    def forward(self, ticket: str) -> dspy.Prediction:
        self.check(ticket=ticket)
        return self.draft(ticket=ticket)


class TwoCoach(support.Coach):
    """Changes only the first of two calls."""

    async def __call__(self, chats: Sequence[Chat]) -> list[Completion]:
        answers = []
        for chat in chats:
            luck = random.Random(f"{chat.seed} {chat.user}")
            now = chat.user.split("[[draft]]\n")[1].split("\n\n[[check]]")[0]
            draft = f"{now} {luck.choice([*support.ADVICE.values()])}"
            answers.append(Completion(json.dumps({"cause": "c", "instructions": {"draft": draft}})))
        return answers


def test_all_predictors_of_a_program_are_searched(models: Any, over: Any):
    better = search(over(TwoCoach())).compile(Two(), trainset=TRAIN, valset=VAL)
    assert better.detailed_results.claimed
    assert better.check.signature.instructions == "Be formal."
    assert better.draft.signature.instructions.startswith("Reply to the customer. ")
    assert list(better.detailed_results.candidates[-1].instructions) == ["draft", "check"]


async def test_it_works_where_a_loop_runs_already(models: Any):
    better = search(models, budget=100).compile(support.Support(), trainset=TRAIN)
    assert better.detailed_results.evaluations == 100
    assert better.detailed_results.held_out is None
    assert not better.detailed_results.claimed


class Deaf(support.Clerk):
    """Follows no instructions: every program is as good as the other."""

    async def __call__(self, chats: Sequence[Chat]) -> Any:
        return [
            Completion(f"[[ ## reply ## ]]\n{random.Random(chat.system + chat.user).choice(['Dear Ada, 1234', 'will', ''])}")
            for chat in chats
        ]


def test_where_nothing_differs_nothing_is_claimed(over: Any):
    claims = 0
    for seed in range(6):
        with dspy.context(lm=over(Deaf())):
            better = search(over(support.Coach()), budget=180, seed=seed).compile(support.Support(), trainset=TRAIN, valset=VAL)
        claims += better.detailed_results.claimed
    assert claims <= 1


def test_a_found_program_is_saved_as_any_other(models: Any, tmp_path: Path):
    better = search(models, budget=120).compile(support.Support(), trainset=TRAIN)
    better.save(tmp_path / "better.json")
    again = support.Support()
    again.load(tmp_path / "better.json")
    assert again.reply.signature.instructions == better.reply.signature.instructions
    assert better.deepcopy().detailed_results == better.detailed_results


def test_examples_that_fail_drop_out_of_both_sides(models: Any):
    def metric(example: Any, prediction: Any) -> Any:
        if int(example.order) % 5 == 0:
            raise ValueError("the label is missing")
        return support.metric(example, prediction)

    better = search(models, metric=metric).compile(support.Support(), trainset=TRAIN, valset=VAL)
    held_out = better.detailed_results.held_out
    lost = sum(int(example.order) % 5 == 0 for example in VAL)
    assert lost > 0
    assert (held_out.examples, held_out.dropped) == (30 - lost, lost)
    assert "failed)" in str(better.detailed_results)
    assert f"{lost} dropped" in str(better.detailed_results)


def test_nothing_scored_on_both_sides_is_no_comparison():
    assert hold_out([], [], 0) is None


# -- what ends it


@pytest.mark.parametrize(
    ("options", "data", "said"),
    [
        ({"budget": 50}, {"trainset": TRAIN}, "budget=60"),
        ({"budget": 100}, {"trainset": TRAIN, "valset": VAL}, "budget=120"),
        ({}, {"trainset": []}, "trainset="),
        ({}, {"trainset": [dspy.Example(ticket="x")]}, "with_inputs"),
        ({}, {"trainset": TRAIN, "teacher": dspy.Predict("a -> b")}, "leave teacher out"),
        ({"metric": lambda: 1.0}, {"trainset": TRAIN}, "def metric"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_spent(models: Any, options: dict[str, Any], data: dict[str, Any], said: str):
    with pytest.raises(UsageError) as error:
        search(models, **options).compile(support.Support(), **data)
    assert said in error.value.__notes__[0]


def test_a_program_without_predictors_or_model_is_refused(models: Any):
    with pytest.raises(UsageError, match="no predictor"):
        search(models).compile(dspy.Module(), trainset=TRAIN)
    with dspy.context(lm=None), pytest.raises(UsageError, match="no language model"):
        search(models).compile(support.Support(), trainset=TRAIN)
    program = support.Support()
    program.set_lm(models)
    with dspy.context(lm=None), pytest.raises(UsageError, match="to write proposals"):
        search(None).compile(program, trainset=TRAIN)


def test_a_metric_that_always_raises_ends_it_and_says_why(models: Any):
    def metric(example: Any, prediction: Any) -> float:
        return example.nothing

    with pytest.raises(FatalError, match="at judge: AttributeError") as error:
        search(models, metric=metric).compile(support.Support(), trainset=TRAIN)
    assert error.value.__notes__ == ["Next: the metric raised it: try it on one example"]


def test_an_outage_ends_it(over: Any):
    class Down(support.Clerk):
        async def __call__(self, chats: Sequence[Chat]) -> Any:
            return [StageError(FailureKind.UNREACHABLE, "no connection to http://x") for _ in chats]

    with dspy.context(lm=over(Down())), pytest.raises(FatalError, match="no connection to http://x"):
        search(over(support.Coach())).compile(support.Support(), trainset=TRAIN)


def test_instructions_that_break_the_program_do_not_end_the_search(over: Any):
    class Fragile(support.Clerk):
        async def __call__(self, chats: Sequence[Chat]) -> Any:
            broken = Completion("I would rather chat")
            return [
                broken if "formal" in chat.system else answer for chat, answer in zip(chats, await super().__call__(chats), strict=True)
            ]

    with dspy.context(lm=over(Fragile())):
        better = search(over(support.Coach())).compile(support.Support(), trainset=TRAIN, valset=VAL)
    failed = [trial for trial in better.detailed_results.trials if trial.score is None]
    assert failed
    assert all(trial.failure is not None and "formal" in trial.request.system_prompt.text for trial in failed)
    assert "formal" not in better.reply.signature.instructions


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is listened to: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_cancels_the_work_and_waits_until_it_has_tidied_up():
    events: list[str] = []

    async def work() -> None:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            await asyncio.sleep(60)
        finally:
            events.append("tidied up")

    with pytest.raises(KeyboardInterrupt):
        run_apart(work())
    assert events == ["tidied up"]
