"""gepa.optimize: an evolution on a Pareto front, which accepts a child on a minibatch and then measures it on the whole validation set."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from benchmarks.search.meter import Meter, Spent
from data.identity import derived_random

COMPONENT = "system_prompt"


@dataclass(frozen=True, slots=True)
class Gepa:
    """``val`` of the prompts are for validation, the others for minibatches of ``minibatch``. ``parents`` × ``mutations`` proposals are
    made per iteration. ``fixed_seeds``: each prompt is always drawn with the same seed, so that what is known is never measured, nor paid,
    again; otherwise each pass draws anew. Everything else is gepa's default."""

    val: int = 40
    minibatch: int = 3
    selector: Literal["pareto", "current_best", "top_k_pareto"] = "pareto"
    accept: Literal["strict_improvement", "improvement_or_equal"] = "strict_improvement"
    parents: int = 1
    mutations: int = 1
    fixed_seeds: bool = False
    libraries: ClassVar[tuple[str, ...]] = ("gepa",)
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        from gepa.api import optimize
        from gepa.strategies.proposal_sampling import PxNSampling

        prompts = list(range(len(meter.world.categories)))
        derived_random("gepa", seed, "split").shuffle(prompts)
        val = min(self.val, len(prompts) * 4 // 5)
        with suppress(Spent):
            optimize(
                seed_candidate={COMPONENT: meter.world.root},
                trainset=prompts[val:],
                valset=prompts[:val],
                adapter=Adapter(meter, self.fixed_seeds),  # pyright: ignore[reportArgumentType]
                candidate_selection_strategy=self.selector,
                acceptance_criterion=self.accept,
                reflection_minibatch_size=self.minibatch,
                sampling_strategy=PxNSampling(self.parents, self.mutations) if self.parents * self.mutations > 1 else None,
                stop_callbacks=_Stop(meter),
                callbacks=[_HandOver(meter)],  # pyright: ignore[reportArgumentType]
                logger=_Silent(),
                seed=seed % 2**32,
            )


class Adapter:
    """The meter as gepa's adapter: an example is the number of a prompt."""

    def __init__(self, meter: Meter, fixed_seeds: bool) -> None:
        self._meter = meter
        self._seed = 0 if fixed_seeds else None

    def evaluate(self, batch: Sequence[int], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        from gepa.core.adapter import EvaluationBatch

        scores = [self._meter.score(candidate[COMPONENT], prompt, self._seed) for prompt in batch]
        return EvaluationBatch(outputs=list(batch), scores=scores, trajectories=list(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]) -> Any:
        seen = [{"prompt": prompt, "score": score} for prompt, score in zip(eval_batch.trajectories, eval_batch.scores, strict=True)]
        return dict.fromkeys(components_to_update, seen)

    def propose_new_texts(self, candidate: Mapping[str, str], reflective_dataset: Mapping[str, Any], components_to_update: Any) -> Any:
        evidence = [(entry["prompt"], entry["score"]) for entry in reflective_dataset[COMPONENT]]
        return {COMPONENT: self._meter.propose([candidate[COMPONENT]], evidence)}


class _Stop:
    """The end of a run. Where every child is known already, images are no limit."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __call__(self, gepa_state: Any) -> bool:
        return self._meter.spent >= self._meter.images or self._meter.proposals >= self._meter.images


class _HandOver:
    """Hands over whatever becomes gepa's best: the highest mean on the validation set."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        if event["is_best_program"]:
            self._meter.hand_over(event["candidate"][COMPONENT])


class _Silent:
    """gepa's logger, printing nothing."""

    def log(self, message: str) -> None:
        pass
