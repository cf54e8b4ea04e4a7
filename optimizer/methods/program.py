# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Our evaluation for dspy: a program whose instructions are the system prompt and whose answer is a trial, and the metric that reads it.

Any dspy optimizer that changes instructions can work on it. No language model of dspy's is asked: the run's own reasoner rewrites. Imports
dspy; is itself imported where a dspy optimizer is to run.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, cast

import dspy
from dspy.signatures.signature import ensure_signature

from data.records import Prompt, SystemPrompt, Trial
from optimizer.propose import failed_criteria

Look: TypeAlias = Callable[[SystemPrompt, Prompt, int | None], Trial]
"""One trial, waited for: of a system prompt on a prompt, at a look that dspy numbers by its rollouts, None for its plain call."""

SIGNATURE = "prompt -> rewrite"


class Unused(dspy.BaseLM):
    """The language model of a program that asks none: it carries the number of a rollout, and that is all."""

    def __init__(self) -> None:
        super().__init__(model="phoropter/unused", cache=False)

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("the pipeline's own reasoner rewrites, and its proposer proposes: this model is never asked")


class Measuring:
    """What all copies of a program have in common: how a trial is run, the prompts by id, and the system prompts as they were written."""

    def __init__(self, look: Look, prompts: Sequence[Prompt]) -> None:
        self.look = look
        self.prompts = {prompt.id: prompt for prompt in prompts}
        self._written: dict[str, SystemPrompt] = {}

    def __deepcopy__(self, _: object) -> "Measuring":
        return self

    def take(self, system_prompt: SystemPrompt) -> str:
        """The text as dspy will give it back: it removes indentation that a paragraph's lines share."""
        text = inspect.cleandoc(system_prompt.text)
        self._written.setdefault(text, system_prompt)
        return text

    def written(self, instructions: str) -> SystemPrompt:
        """The system prompt that instructions were, before dspy had them."""
        return self._written.get(instructions) or SystemPrompt(instructions)


class TrialProgram(dspy.Module):
    """``prompt_id, prompt -> rewrite, trial``: runs a trial of its instructions. The prediction of a failed trial has an empty rewrite."""

    def __init__(self, system_prompt: SystemPrompt, measuring: Measuring) -> None:
        super().__init__()
        signature: Any = ensure_signature(SIGNATURE)
        signature.instructions = measuring.take(system_prompt)
        self.rewriter: Any = dspy.Predict(signature)
        self.rewriter.lm = Unused()
        self.measuring = measuring

    @property
    def system_prompt(self) -> SystemPrompt:
        """The instructions as they are now, after whatever an optimizer did to them."""
        return self.measuring.written(self.rewriter.signature.instructions)

    def become(self, system_prompt: SystemPrompt) -> None:
        """Takes other instructions."""
        self.rewriter.signature = self.rewriter.signature.with_instructions(self.measuring.take(system_prompt))

    def forward(self, prompt_id: str, prompt: str) -> dspy.Prediction:
        rollout: int | None = self.rewriter.lm.kwargs.get("rollout_id") if self.rewriter.lm is not None else None
        trial = self.measuring.look(self.system_prompt, self.measuring.prompts[prompt_id], rollout)
        rewrite = trial.rewrite.text if trial.rewrite is not None and trial.failure is None else ""
        trace: Any = dspy.settings.trace
        if trace is not None:
            # As a predictor that had been called would have left it.
            trace.append((self.rewriter, {"prompt": prompt}, dspy.Prediction(rewrite=rewrite)))
        return dspy.Prediction(rewrite=rewrite, trial=trial)


def examples(prompts: Sequence[Prompt]) -> list[dspy.Example]:
    """Prompts as a dspy trainset or valset for :class:`TrialProgram`."""
    return [dspy.Example(prompt_id=prompt.id, prompt=prompt.text).with_inputs("prompt_id", "prompt") for prompt in prompts]


def trial_metric(
    example: dspy.Example, prediction: dspy.Prediction, trace: object = None, pred_name: str | None = None, pred_trace: object = None
) -> Any:
    """Our evaluation as a dspy metric: the score of the prediction's trial; with ``pred_name``, as dspy.GEPA asks, with feedback in words.

    ValueError for a failed trial, which has no score: dspy counts that among an evaluation's errors, and goes on up to its ``max_errors``.
    """
    trial = cast("Trial", prediction.trial)
    if trial.score is None:
        raise ValueError(f"not measured: {trial.failure.message if trial.failure is not None else 'no judgment'}")
    return trial.score if pred_name is None else dspy.Prediction(score=trial.score, feedback=feedback(trial))


def feedback(trial: Trial) -> str:
    """Which criteria failed in a trial's picture, and what was seen instead."""
    failed = [f"- wanted: {failure.criterion}; seen: {failure.evidence}" for failure in failed_criteria(trial)]
    return "\n".join(["These did not hold in the picture:", *failed]) if failed else "All criteria held in the picture."
