"""dspy.GEPA: the same evolution as gepa's, over a dspy program, with dspy's own reflection prompt."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from benchmarks.search.meter import Meter
from data.identity import derived_random


@dataclass(frozen=True, slots=True)
class DspyGepa:
    """``val`` of the prompts are for validation, the others for minibatches of ``minibatch``. Everything else is dspy's default."""

    val: int = 40
    minibatch: int = 3
    selector: Literal["pareto", "current_best"] = "pareto"
    libraries: ClassVar[tuple[str, ...]] = ("dspy", "gepa")
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        import dspy

        from benchmarks.search.opponents.dspy_program import Board, Rewriting, dspy_alone, examples, metric

        board = Board(meter)
        prompts = list(range(len(meter.world.categories)))
        derived_random("dspy.GEPA", seed, "split").shuffle(prompts)
        val = min(self.val, len(prompts) * 4 // 5)
        with dspy_alone(board) as lm:
            optimizer = dspy.GEPA(
                metric,
                max_metric_calls=meter.images,
                reflection_lm=lm,
                reflection_minibatch_size=self.minibatch,
                candidate_selection_strategy=self.selector,
                num_threads=1,
                seed=seed,
                gepa_kwargs={"callbacks": [_HandOver(board)], "stop_callbacks": [_Stop(board)]},
            )
            optimizer.compile(Rewriting(board), trainset=examples(prompts[val:]), valset=examples(prompts[:val]))


class _Stop:
    """Where every child is known already, images are no limit."""

    def __init__(self, board: Any) -> None:
        self._board = board

    def __call__(self, gepa_state: Any) -> bool:
        return self._board.meter.proposals >= self._board.meter.images


class _HandOver:
    """Hands over whatever becomes GEPA's best: the highest mean on the validation set."""

    def __init__(self, board: Any) -> None:
        self._board = board

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        if event["is_best_program"]:
            (instructions,) = event["candidate"].values()
            self._board.meter.hand_over(self._board.names.text(instructions))
