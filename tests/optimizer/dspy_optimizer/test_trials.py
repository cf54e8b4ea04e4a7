"""A program on an example is a trial: a score with words, or a failure on record."""

import threading
from collections.abc import Callable
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError, LMAuthError, LMTransportError

from data.errors import FailureKind, FatalError, Stage, StageError, UsageError
from data.records import Prompt, Split, SystemPrompt, Trial, TrialRequest
from optimizer.dspy_optimizer.failures import stage_error
from optimizer.dspy_optimizer.trials import ProgramTrials, as_prompt
from tests.optimizer.dspy_optimizer.conftest import signature, support


class Echo(dspy.Module):
    """Calls no model."""

    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        if question == "boom":
            raise ValueError("a bug of the program")
        return dspy.Prediction(answer=question.upper())


async def run(metric: Callable[..., Any], question: str = "why", program: dspy.Module | None = None) -> Trial:
    example = dspy.Example(question=question, answer="WHY").with_inputs("question")
    prompt = as_prompt(example, Split.SEARCH, 0)
    trials = ProgramTrials(program or Echo(), metric, {prompt.id: example}, 1)
    try:
        return (await results(trials, prompt))[0]
    finally:
        trials.close()


async def results(trials: ProgramTrials, *prompts: Prompt, samples: tuple[int, ...] = (1,), text: str = "") -> list[Trial]:
    system_prompt = SystemPrompt(text) if text else trials.root
    requests = [TrialRequest(system_prompt, prompt, sample, 0) for prompt in prompts for sample in samples]
    done = {trial.id: trial async for trial in trials.stream(requests)}
    return [done[request.id(trials.pipeline)] for request in requests]


def five(gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> float:
    assert (trace, pred_name, pred_trace) == (None, None, None)
    return 0.5


def weighted(example: Any, pred: Any, trace: Any = None, weight: float = 1.0, other: float = 1.0) -> float:
    return 0.5 * weight * other


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        (lambda example, pred: example.answer == pred.answer, 1.0),
        (lambda example, pred, trace: 0, 0.0),
        (lambda example, pred: dspy.Prediction(score=0.25, feedback="loud"), 0.25),
        (five, 0.5),
        (weighted, 0.5),
        (dspy.evaluate.answer_exact_match, 1.0),
    ],
)
async def test_a_metric_of_any_kind_gives_a_score(metric: Callable[..., Any], score: float):
    assert (await run(metric)).score == score


async def test_the_trial_tells_what_was_asked_written_wanted_and_found():
    trial = await run(lambda example, pred: dspy.Prediction(score=0.25, feedback="loud"))
    assert trial.request.prompt.text == "question: why"
    assert trial.request.prompt.checklist[0].text == "answer: WHY"
    assert trial.rewrite is not None
    assert trial.rewrite.text == "answer: WHY"
    assert trial.judgment is not None
    assert trial.judgment.value == 0.25
    assert trial.judgment.scores[0].score == 0.0
    assert trial.judgment.scores[0].evidence == "scored 0.25 of 1: loud"


async def test_what_the_program_raises_is_a_failure_and_no_score():
    trial = await run(lambda example, pred: 1.0, "boom")
    assert trial.score is None
    assert trial.failure is not None
    assert (trial.failure.stage, trial.failure.message) == (Stage.REWRITE, "ValueError: a bug of the program")
    assert "the program raised it" in trial.failure.hint


@pytest.mark.parametrize("returned", [None, "good", float("nan"), dspy.Prediction(feedback="no score")])
async def test_a_metric_without_a_number_is_a_failure(returned: Any):
    trial = await run(lambda example, pred: returned)
    assert trial.rewrite is not None
    assert trial.failure is not None
    assert (trial.failure.stage, trial.failure.kind) == (Stage.JUDGE, FailureKind.MALFORMED)


@pytest.mark.parametrize("returned", [3, -0.1, float("inf")])
async def test_a_score_outside_of_0_to_1_ends_it(returned: float):
    with pytest.raises(FatalError, match="scores go from 0 to 1") as error:
        await run(lambda example, pred: returned)
    assert "divide" in error.value.hint


def test_a_metric_that_cannot_be_called_is_refused():
    with pytest.raises(UsageError, match="can't be called"):
        ProgramTrials(Echo(), lambda example: 1.0, {}, 1)


def test_an_example_says_what_its_inputs_are():
    with pytest.raises(UsageError, match="example 3 of the search split") as error:
        as_prompt(dspy.Example(question="why"), Split.SEARCH, 3)
    assert "with_inputs" in error.value.hint


def test_equal_examples_are_told_apart():
    example = dspy.Example(question="why", answer="x").with_inputs("question")
    assert as_prompt(example, Split.SEARCH, 0).id != as_prompt(example, Split.SEARCH, 1).id


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LMAuthError("no key"), FailureKind.UNAUTHORIZED),
        (LMTransportError("no net"), FailureKind.UNREACHABLE),
        (AdapterParseError("ChatAdapter", signature("a -> b"), "prose"), FailureKind.OFF_TASK),
        (StageError(FailureKind.REFUSED, "no"), FailureKind.REFUSED),
        (KeyError("x"), FailureKind.OFF_TASK),
    ],
)
def test_errors_are_filed_by_what_they_are(error: Exception, kind: FailureKind):
    assert stage_error(error, "the program").kind is kind
    wrapped = RuntimeError("around it")
    wrapped.__cause__ = error
    assert stage_error(wrapped, "the program").kind in (FailureKind.OFF_TASK, kind)


class Steps(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict(signature("ticket -> reply", "One."))
        self.parts = [dspy.Predict(signature("ticket -> reply", "Two."))]
        self.first.demos = [dspy.Example(ticket="My radio hums. Order 1. Ada", reply="Hello")]

    def forward(self, ticket: str) -> dspy.Prediction:
        self.first(ticket=ticket)
        return self.parts[0](ticket=ticket)


async def test_a_program_of_several_steps_runs_under_the_instructions_of_each_and_tells_of_each(over: Any):
    prompt = as_prompt(support.tickets(1)[0], Split.SEARCH, 0)
    trials = ProgramTrials(Steps(), lambda example, pred: 1.0, {prompt.id: support.tickets(1)[0]}, 2)
    assert trials.root.text == "[[first]]\nOne.\n\n[[parts[0]]]\nTwo."
    with dspy.context(lm=over(support.Clerk())):
        (trial,) = await results(trials, prompt, text="[[first]]\nOne.\n\n[[parts[0]]]\nKeep it short.")
    trials.close()
    assert trial.rewrite is not None
    first, second, result = trial.rewrite.text.splitlines()
    assert first.startswith("(first) reply: Hello")
    assert second.startswith("(parts[0]) reply: Hello")
    assert "small talk" not in result
    assert len(second) < len(first)
    changed: list[Any] = trials.under(trial.request.system_prompt).predictors()
    assert [predictor.signature.instructions for predictor in changed] == ["One.", "Keep it short."]
    assert changed[0].demos == Steps().first.demos


async def test_each_sample_is_a_rollout_of_its_own_and_the_same_one_again(over: Any, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    class Looking(Echo):
        def forward(self, question: str) -> dspy.Prediction:
            lms: list[Any] = [dspy.settings.lm, self.predict.lm]
            seen.append((*(lm.kwargs.get("rollout_id") for lm in lms), threading.current_thread().name))
            return super().forward(question)

    own = over(support.Clerk()).copy(temperature=0)
    program = Looking()
    program.set_lm(own)
    example = dspy.Example(question="why").with_inputs("question")
    prompt = as_prompt(example, Split.SEARCH, 0)
    trials = ProgramTrials(program, lambda example, pred: 1.0, {prompt.id: example}, 1)
    with dspy.context(lm=over(support.Clerk())):
        await results(trials, prompt, samples=(7, 8))
    trials.close()
    # At temperature 0 there is nothing to sample.
    assert {entry[:2] for entry in seen} == {(7, None), (8, None)}
    assert all(entry[2].startswith("phoropter-program") for entry in seen)
