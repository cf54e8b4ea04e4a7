# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingImports=false
"""MIPROv2 of dspy over our pipeline, without examples in the prompt: the instructions are what is searched.

Its own code bootstraps traces, chooses by optuna's TPE what to try, and picks the winner. What is replaced: its question to a prompt model
(our proposer reads what failed in the bootstrapped pictures), and its evaluation, example by example (ours runs a whole pass at once).
Imports dspy; is itself imported where MIPROv2 is to run.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import dspy

from data.errors import FatalError
from data.records import Prompt, SystemPrompt, Trial
from optimizer.methods.bridge import Bridge
from optimizer.methods.program import Measuring, TrialProgram, Unused, examples
from optimizer.methods.quiet import quiet
from optimizer.methods.task import Task
from optimizer.search import hopeless

SIZES = (18, 12, 6)
"""How many instructions its settings "heavy", "medium" and "light" try."""
ENOUGH = 20
"""A larger size is taken where a pass has so many prompts at least."""
MOST = 50
"""So many validation prompts at most: beyond these, MIPROv2 would look at samples of them."""
DEMOS = 3
"""Traces that it bootstraps for each set of them."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many ``instructions`` are tried in how many ``passes`` over how many validation ``prompts``."""

    instructions: int
    passes: int
    prompts: int


def size_of(images: int, validation: int) -> Size:
    """What ``images`` allow: the largest of SIZES that leaves a pass ENOUGH prompts, and then as many passes as there are images for, no
    fewer than dspy recommends. One more pass, over the root, comes first."""

    def recommended(instructions: int) -> int:
        return int(max(2 * math.log2(instructions), 1.5 * instructions))

    def prompts(instructions: int) -> int:
        return min(validation, MOST, _left(images, instructions) // (recommended(instructions) + 1))

    instructions = next((size for size in SIZES if prompts(size) >= min(ENOUGH, validation)), SIZES[-1])
    each = max(1, prompts(instructions))
    return Size(instructions, max(recommended(instructions), _left(images, instructions) // each - 1), each)


def _left(images: int, instructions: int) -> int:
    return images - DEMOS * (instructions - 1)


class _Passes:
    """In place of dspy's Evaluate: a pass over the validation prompts, whose score is the mean of the trials that have one.

    A system prompt none of whose trials has a score gets the lowest mean so far: it can't win, and no zero is made up for it.
    """

    def __init__(self, bridge: Bridge, prompts: Sequence[Prompt]) -> None:
        self._bridge = bridge
        self._prompts = {prompt.id: prompt for prompt in prompts}
        self._means: list[float] = []

    def __call__(self, program: TrialProgram, devset: Sequence[dspy.Example], **_: object) -> dspy.Prediction:
        trials = self._bridge.measure(program.system_prompt, [self._prompts[example["prompt_id"]] for example in devset])
        scores = [trial.score for trial in trials if trial.score is not None]
        if not scores and not self._means:
            raise hopeless(f"none of the first {len(trials)} trials has a score", trials)
        mean = fmean(scores) if scores else min(self._means)
        if not self._means or mean > max(self._means):
            self._bridge.favour(program.system_prompt)
        self._means.append(mean)
        return dspy.Prediction(score=100.0 * mean, results=[])


class _Mipro(dspy.MIPROv2):
    """MIPROv2 with our proposer, and passes in place of single calls."""

    def __init__(self, bridge: Bridge, passes: _Passes, size: Size, seed: int) -> None:
        unused = Unused()
        super().__init__(
            metric=_bootstrapped,
            prompt_model=unused,
            task_model=unused,
            max_bootstrapped_demos=0,
            max_labeled_demos=0,
            auto=None,
            num_candidates=size.instructions,
            num_threads=1,
            # A trial that failed is on record already, and ends a run by itself where nothing else comes.
            max_errors=10**9,
            seed=seed,
            track_stats=False,
        )
        self._bridge = bridge
        self._passes = passes

    def _propose_instructions(self, program: Any, *_: Any, num_instruct_candidates: int, **__: Any) -> dict[int, list[str]]:
        root: SystemPrompt = program.system_prompt
        failures = self._bridge.record.failures(root.id)
        children = [self._bridge.propose(root, failures) for _ in range(num_instruct_candidates - 1)]
        found = [program.measuring.take(child) for child in children if child is not None]
        if not found:
            raise FatalError("none of the proposals could be used: MIPROv2 has nothing to choose from", hint="look at the proposer's model")
        return {0: [program.rewriter.signature.instructions, *found]}

    def _optimize_prompt_parameters(self, *arguments: Any, **more: Any) -> Any:
        import optuna

        program, instructions, demos, _, *rest = arguments
        passes: Any = self._passes
        with warnings.catch_warnings():
            # For TPE over several parameters at once, which MIPROv2 asks for.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return super()._optimize_prompt_parameters(program, instructions, demos, passes, *rest, **more)


def _bootstrapped(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
    """The metric of the bootstrapping, to which a trace is worth showing or not: one of a failed trial is not."""
    return prediction.trial.score or 0.0


def run_mipro(bridge: Bridge, task: Task) -> None:
    """From the root until its passes are done or the images are spent."""
    size = size_of(task.images, len(task.validation))
    validation = list(task.validation[: size.prompts])

    def look(system_prompt: SystemPrompt, prompt: Prompt, rollout: int | None) -> Trial:
        return bridge.measure(system_prompt, [prompt])[0]

    program = TrialProgram(task.root, Measuring(look, [*task.train, *validation]))
    with quiet("dspy"):
        _Mipro(bridge, _Passes(bridge, validation), size, task.seed).compile(
            program, trainset=examples(task.train), valset=examples(validation), num_trials=size.passes, minibatch=False
        )
