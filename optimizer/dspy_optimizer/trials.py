# dspy leaves most of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A dspy program on its examples as the trials of a search: the instructions in, a score with words out.

A trial's rewrite is what the program wrote, its judgment the metric's score and feedback; no image is drawn. What the program or the metric
raises is a failure, never a score. It decides nothing and keeps nothing.
"""

import asyncio
import inspect
import math
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import dspy

from data.errors import FailureKind, FatalError, StageError, UsageError
from data.errors import Stage as StageName
from data.identity import canonical_json
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    Failure,
    Judgment,
    Prompt,
    Rewrite,
    Split,
    SystemPrompt,
    Trial,
    TrialRequest,
)
from optimizer.dspy_optimizer.failures import stage_error
from optimizer.dspy_optimizer.texts import joined, parted
from optimizer.dspy_optimizer.threads import in_thread

KEPT = 16
"""Copies of the program, one per candidate and sample, that are kept: a search goes to and fro between a few."""

Metric = Callable[..., Any]
"""A dspy metric: of (example, prediction), (example, prediction, trace), or GEPA's five arguments. It returns a score from 0 to 1, a bool,
or ``dspy.Prediction(score=, feedback=)``."""


class Scored(NamedTuple):
    """What a metric says: a ``score`` in [0, 1], and ``feedback`` in words ("" where it gives none)."""

    score: float
    feedback: str


def as_prompt(example: dspy.Example, split: Split, number: int) -> Prompt:
    """The prompt that stands for an example: its inputs as the text, what else it holds as the one criterion. ``number`` keeps examples
    with equal texts apart. UsageError where the example does not say what its inputs are."""
    try:
        inputs, wanted = example.inputs(), example.labels()
    except ValueError:
        raise UsageError(
            f"example {number} of the {split} split does not say which of its fields are inputs", hint='example.with_inputs("question", …)'
        ) from None
    statement = in_words(wanted.items()) or "The result is as good as it can be"
    return Prompt(in_words(inputs.items()), (Criterion(f"{split}-{number}", statement, CriterionKind.GLOBAL),), split=split)


def in_words(fields: Iterable[tuple[str, Any]]) -> str:
    """Fields and their values, one a line."""
    return "\n".join(f"{name}: {value}" for name, value in fields)


class ProgramTrials:
    """Runs ``program`` under given instructions on ``examples`` (by prompt id), ``threads`` at once. Close it when done.

    A candidate's text holds the instructions of all predictors (texts.py). Each sample is a rollout of its own in dspy's cache, so that
    measuring again is no look at an old answer, and the same search played again is.
    """

    def __init__(self, program: dspy.Module, metric: Metric, examples: Mapping[str, dspy.Example], threads: int) -> None:
        self._program = program
        self._metric = metric
        self._arguments = _arguments_of(metric)
        self._examples = examples
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="phoropter-program")
        self._ready: OrderedDict[tuple[str, int], dspy.Module] = OrderedDict()
        self._lock = threading.Lock()
        self.names = list(predictors_of(program))
        self.root = SystemPrompt(
            joined({name: predictor.signature.instructions for name, predictor in predictors_of(program).items()}), "original"
        )
        self.pipeline = canonical_json(["dspy", type(program).__qualname__])

    def close(self) -> None:
        """Ends the threads; a program that is running is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def stream(self, requests: Iterable[TrialRequest]) -> AsyncGenerator[Trial, None]:
        """Runs ``requests`` and yields each trial as it is done. Closing the iterator gives up what has not begun."""
        tasks = [asyncio.create_task(self._run(request)) for request in requests]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def under(self, system_prompt: SystemPrompt) -> dspy.Module:
        """A copy of the program with a candidate's instructions; all else as it was."""
        program = self._program.deepcopy()
        if system_prompt.id != self.root.id:
            instructions = parted(system_prompt.text, self.names)
            for name, predictor in predictors_of(program).items():
                predictor.signature = predictor.signature.with_instructions(instructions[name])
        return program

    async def _run(self, request: TrialRequest) -> Trial:
        return await in_thread(self._threads, self._trial, request)

    def _trial(self, request: TrialRequest) -> Trial:
        trial = Trial(request.id(self.pipeline), request)
        example = self._examples[request.prompt.id]
        try:
            prediction, rewrite = self._predicted(request, example)
        except FatalError:
            raise
        except Exception as error:
            return replace(trial, failure=Failure.of(StageName.REWRITE, stage_error(error, "the program")))
        try:
            scored = self._scored(example, prediction)
        except FatalError:
            raise
        except Exception as error:
            return replace(trial, rewrite=rewrite, failure=Failure.of(StageName.JUDGE, stage_error(error, "the metric")))
        return replace(trial, rewrite=rewrite, judgment=_judgment(request.prompt, scored))

    def _predicted(self, request: TrialRequest, example: dspy.Example) -> tuple[Any, Rewrite]:
        program = self._sampling(request.system_prompt, request.sample)
        names = {id(predictor): name for name, predictor in predictors_of(program).items()}
        trace: list[Any] = []
        started = time.perf_counter()
        with dspy.context(lm=_sampled(dspy.settings.lm, request.sample), trace=trace):
            prediction = program(**example.inputs())
        return prediction, Rewrite(_told(names, trace, prediction), latency=time.perf_counter() - started)

    def _sampling(self, system_prompt: SystemPrompt, sample: int) -> dspy.Module:
        key = (system_prompt.id, sample)
        with self._lock:
            program = self._ready.pop(key, None)
            if program is None:
                program = self.under(system_prompt)
                for predictor in predictors_of(program).values():
                    predictor.lm = _sampled(predictor.lm, sample)
            self._ready[key] = program
            if len(self._ready) > KEPT:
                self._ready.popitem(last=False)
        return program

    def _scored(self, example: dspy.Example, prediction: Any) -> Scored:
        said = self._metric(example, prediction, *[None] * (self._arguments - 2))
        score = said.get("score") if isinstance(said, dspy.Prediction) else said
        try:
            value = float(score)  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError):
            value = math.nan
        if math.isnan(value):
            raise StageError(FailureKind.MALFORMED, f"the metric returned {score!r} as a score", hint="return a number from 0 to 1")
        if not 0.0 <= value <= 1.0:
            raise FatalError(f"the metric returned {value:g}; scores go from 0 to 1", hint="divide it by the most that it can be")
        feedback = said.get("feedback") if isinstance(said, dspy.Prediction) else None
        return Scored(value, str(feedback or ""))


def predictors_of(program: dspy.Module) -> dict[str, Any]:
    """The predictors of a program that may be changed, by name: those of finished (compiled) parts are not among them."""
    return dict(program.named_predictors())


def _arguments_of(metric: Metric) -> int:
    """With how many arguments the metric has to be called: two, dspy's three, or GEPA's five. What it has defaults for is left alone."""
    signature = inspect.signature(metric)
    for count in (2, 3, 5):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count
    raise UsageError(
        f"the metric can't be called as metric(example, prediction): it is {signature}", hint="def metric(example, prediction): …"
    )


def _sampled(lm: Any, sample: int) -> Any:
    """``lm`` with a place of its own for this sample in dspy's cache. At temperature 0 there is only one sample."""
    return lm if lm is None or lm.kwargs.get("temperature") == 0 else lm.copy(rollout_id=sample)


def _told(names: Mapping[int, str], trace: Sequence[Any], prediction: Any) -> str:
    """What the program wrote, in words: the steps on its way where it has several, then its result."""
    steps = [f"({names.get(id(predictor), 'a step')}) {in_words(step.items())}" for predictor, _, step in trace] if len(names) > 1 else []
    result = in_words(prediction.items()) if isinstance(prediction, dspy.Example) else str(prediction)
    return "\n".join([*steps, result])


def _judgment(prompt: Prompt, scored: Scored) -> Judgment:
    """The score as the judgment's value. Whatever is short of 1 counts as a criterion that did not hold, so that a proposer reads of it."""
    evidence = f"scored {scored.score:.2f} of 1" + (f": {scored.feedback}" if scored.feedback else "")
    return Judgment(scored.score, (CriterionScore(prompt.checklist[0].id, float(scored.score >= 1.0), evidence),))
