# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""SIMBA of dspy over our pipeline, without examples in the prompt: its one strategy is to add to the instructions.

Its own code samples minibatches and programs, sorts what came out by how much it varied, and validates. What is replaced: its question to
a prompt model about a good and a bad outcome (our proposer reads what failed in the bad ones). Imports dspy; is itself imported where SIMBA
is to run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from data.records import Prompt, SystemPrompt, Trial
from optimizer.methods.bridge import Bridge
from optimizer.methods.program import Measuring, TrialProgram, Unused, examples
from optimizer.methods.quiet import quiet
from optimizer.methods.record import UNKNOWN
from optimizer.methods.task import Task
from optimizer.propose import failed_criteria

THREADS = 32
"""Trials that it may have under way at once."""


@dataclass(frozen=True, slots=True)
class Size:
    """``steps`` minibatches of ``batch`` prompts, ``candidates`` new programs from each, and a validation on ``prompts`` prompts."""

    batch: int
    candidates: int
    steps: int
    prompts: int

    @property
    def searching(self) -> int:
        """Trials of all steps: each samples every prompt once per candidate, and measures the candidates, of which there is one more."""
        return self.steps * self.batch * (2 * self.candidates + 1)

    @property
    def winners(self) -> int:
        """How many programs are validated: the root and the best of each step, or as many of them as there are candidates and one."""
        return min(self.steps, self.candidates) + 1


SIZES = ((32, 6, 8), (24, 6, 8), (16, 6, 8), (16, 6, 4), (12, 4, 4), (8, 4, 4), (8, 3, 3), (6, 3, 2), (4, 2, 2))
"""Batch, candidates and steps: SIMBA's defaults first, then ever smaller ones of about their shape."""


def size_of(images: int, prompts: int) -> Size:
    """The largest of SIZES whose steps take at most three quarters of ``images``. The rest validates, on as many of ``prompts`` prompts as
    there are images for."""
    sizes = [Size(batch, candidates, steps, batch) for batch, candidates, steps in SIZES]
    size = next((size for size in sizes if 4 * size.searching <= 3 * images and size.batch <= prompts), sizes[-1])
    return replace(size, prompts=max(size.batch, min(prompts, (images - size.searching) // size.winners)))


class _Simba:
    """What SIMBA is given in place of its metric and of its strategies."""

    def __init__(self, bridge: Bridge, batch: int) -> None:
        self._bridge = bridge
        self._batch = batch
        self._means: dict[str, float] = {}
        self._overall = UNKNOWN

    def score(self, example: dspy.Example, prediction: Any) -> float:
        """A trial's score. SIMBA would take zero for a failed one; here it is the mean that its system prompt, else everything, had when a
        step's outcomes were last all in: not what came in meanwhile, which depends on who was first."""
        trial: Trial = prediction.trial
        return self._means.get(trial.request.system_prompt.id, self._overall) if trial.score is None else trial.score

    def propose(
        self, bucket: Sequence[Mapping[str, Any]], system: TrialProgram, *, batch_10p_score: float, batch_90p_score: float, **_: Any
    ) -> bool:
        """Changes the instructions of ``system`` by what failed in the worse half of a prompt's outcomes: ``bucket`` has them, best first.
        Like SIMBA's own strategy, it lets prompts be whose best outcome is bad or whose worst is good."""
        self._all_in()
        good, bad = bucket[0], bucket[-1]
        if good["score"] <= batch_10p_score or bad["score"] >= batch_90p_score:
            return False
        trials: list[Trial] = [outcome["prediction"].trial for outcome in bucket[len(bucket) // 2 :]]
        child = self._bridge.propose(system.system_prompt, [failure for trial in trials for failure in failed_criteria(trial)])
        if child is None:
            raise ValueError("no usable proposal")  # SIMBA goes on with its next prompt.
        system.become(child)
        return True

    def _all_in(self) -> None:
        """The favourite is the best of those measured on a minibatch at least."""
        record = self._bridge.record
        self._means = {identifier: mean for identifier in record.system_prompts if (mean := record.mean(identifier)) is not None}
        self._overall = record.overall()
        measured = [identifier for identifier in record.system_prompts if len(record.scores(identifier)) >= self._batch]
        if measured:
            self._bridge.favour(record.system_prompts[record.ranking(measured)[0]])
        self._bridge.seal()


def run_simba(bridge: Bridge, task: Task) -> None:
    """From the root to its own validation. It has no validation prompts apart: all it gets is its trainset."""
    prompts = [*task.validation, *task.train]
    size = size_of(task.images, len(prompts))
    shown = prompts[: size.prompts]

    def look(system_prompt: SystemPrompt, prompt: Prompt, rollout: int | None) -> Trial:
        # As dspy's cache has it: the same call is answered once, and a rollout is another call.
        return bridge.look(system_prompt, prompt, 0 if rollout is None else 1 + rollout)

    ours = _Simba(bridge, size.batch)
    unused: Any = Unused()
    optimizer = dspy.SIMBA(
        metric=ours.score,
        bsize=size.batch,
        num_candidates=size.candidates,
        max_steps=size.steps,
        max_demos=0,
        prompt_model=unused,
        num_threads=THREADS,
    )
    optimizer.strategies = [ours.propose]
    with quiet("dspy"):
        best: Any = optimizer.compile(TrialProgram(task.root, Measuring(look, shown)), trainset=examples(shown), seed=task.seed)
    bridge.favour(best.system_prompt)
