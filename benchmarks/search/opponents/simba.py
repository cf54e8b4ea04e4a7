"""dspy.SIMBA: samples passes of a pool of programs, and turns the difference between good and bad ones into advice that is appended."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.search.meter import Meter
from data.identity import derived_random


@dataclass(frozen=True, slots=True)
class Simba:
    """``batch`` prompts per step, ``candidates`` passes of each, and as many new programs and one more. ``train``: so many of the prompts;
    the winners are measured on all of these in the end. No demonstrations: they are no part of a system prompt. The number of steps is what
    the images allow; dspy's own is 8. Everything else is dspy's default."""

    batch: int = 32
    candidates: int = 6
    train: int = 80
    libraries: ClassVar[tuple[str, ...]] = ("dspy",)
    anytime: ClassVar[bool] = False

    def __call__(self, meter: Meter, seed: int) -> None:
        import dspy

        from benchmarks.search.opponents.dspy_program import Board, Rewriting, dspy_alone, examples, metric

        board = Board(meter)
        prompts = list(range(len(meter.world.categories)))
        derived_random("dspy.SIMBA", seed, "split").shuffle(prompts)
        train = prompts[: self.train]
        steps = self.steps(meter.images, len(train))
        if not steps:
            return
        with dspy_alone(board) as lm:
            optimizer = dspy.SIMBA(
                metric=metric,  # pyright: ignore[reportArgumentType]
                bsize=self.batch,
                num_candidates=self.candidates,
                max_steps=steps,
                max_demos=0,
                prompt_model=lm,
                num_threads=1,
            )
            board.hand_over(optimizer.compile(Rewriting(board), trainset=examples(train), seed=seed))

    def steps(self, images: int, train: int) -> int:
        """How many steps leave enough for the last measurement: of the winners of as many steps, the root among them."""
        steps = 0
        while True:
            spent = (steps + 1) * self.batch * (2 * self.candidates + 1) + min(steps + 2, self.candidates + 1) * train
            if spent > images:
                return steps
            steps += 1
