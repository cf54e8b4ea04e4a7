"""dspy.MIPROv2 without demonstrations: writes instructions once, then finds the best of them by Bayesian optimization."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.search.meter import Meter
from data.identity import derived_random

FULL_EVERY = 5
"""dspy's own: after so many minibatches the best mean is measured on the whole validation set."""


@dataclass(frozen=True, slots=True)
class Mipro:
    """``candidates`` instructions, measured on minibatches of ``minibatch`` of the ``val`` prompts for validation (0: always on all of
    them). The number of trials is what the images allow, at most ``per_candidate`` for each instruction. dspy's "medium" has 12 candidates.
    Everything else is dspy's default."""

    candidates: int = 12
    minibatch: int = 35
    val: int = 64
    per_candidate: int = 20
    libraries: ClassVar[tuple[str, ...]] = ("dspy", "optuna")
    anytime: ClassVar[bool] = False

    def __call__(self, meter: Meter, seed: int) -> None:
        import dspy

        from benchmarks.search.opponents.dspy_program import Board, Rewriting, dspy_alone, examples, metric

        class Mended(dspy.MIPROv2):
            """Goes on where the means of all minibatches are measured in full: dspy raises ValueError there, and all is lost."""

            def _perform_full_evaluation(self, *given: Any) -> Any:
                try:
                    return super()._perform_full_evaluation(*given)
                except ValueError:
                    calls, _, score, program = given[7:11]
                    return score, program, calls

        board = Board(meter)
        prompts = list(range(len(meter.world.categories)))
        derived_random("dspy.MIPROv2", seed, "split").shuffle(prompts)
        val = min(self.val, len(prompts) * 4 // 5)
        trials = self.trials(meter.images, val)
        if not trials:
            return
        with dspy_alone(board) as lm:
            optimizer = Mended(
                metric,
                prompt_model=lm,
                task_model=lm,
                max_bootstrapped_demos=0,
                max_labeled_demos=0,
                auto=None,
                num_candidates=self.candidates,
                num_threads=1,
                seed=seed,
                verbose=False,
            )
            found = optimizer.compile(
                Rewriting(board),
                trainset=examples(prompts[val:]),
                valset=examples(prompts[:val]),
                num_trials=trials,
                minibatch=self.minibatch > 0,
                minibatch_size=min(self.minibatch, val),
                minibatch_full_eval_steps=FULL_EVERY,
            )
            board.hand_over(found)

    def trials(self, images: int, val: int) -> int:
        """How many trials the images allow, after demonstrations for the proposer and a first look at the root."""
        # Each set of demonstrations takes at most three passes; the first three sets take none.
        left = images - 3 * max(0, self.candidates - 2) - val
        if not self.minibatch:
            return max(0, min(left // val, self.per_candidate * self.candidates))
        # The best mean is measured on all after every few minibatches, and once more at the end.
        each = min(self.minibatch, val) + val / FULL_EVERY
        return max(0, min(int((left - val) / each), self.per_candidate * self.candidates))
