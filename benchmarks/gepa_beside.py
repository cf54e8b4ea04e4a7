"""gepa.optimize beside ours, in the same run of a benchmark: the library as it is, before a world that the benchmark gives it.

Only what aa, coverage, kill and utilisation need: what it names as best, what its own figures say of that, and what it counted. The contest
of searches has an opponent of its own (benchmarks/search/opponents/gepa.py).
"""
# gepa's classes are typed loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.search.meter import Meter
from benchmarks.search.worlds import Evidence, World
from data.identity import derived_random

COMPONENT = "system_prompt"

Score = Callable[[Sequence[tuple[str, Sequence[int]]]], list[list[float]]]
"""Scores of system prompts on prompts by number: one list for each (system prompt, prompts) that is asked for at once."""
Write = Callable[[Sequence[tuple[str, Evidence]]], list[str]]
"""A new system prompt for each (parent, what was seen of it) that is asked for at once."""


@dataclass(frozen=True, slots=True)
class Named:
    """What gepa ends with: its best system prompt, whether it is another than the one it started from, by how much its validation mean is
    above that one's, all candidates in order, and how many scores it counted."""

    best: str
    changed: bool
    gain: float
    candidates: tuple[str, ...]
    counted: int


def optimize(
    root: str,
    prompts: Sequence[int],
    score: Score,
    write: Write,
    *,
    scores: int,
    val: int,
    seed: int,
    at_once: tuple[int, int] = (1, 1),
    run_dir: Path | None = None,
) -> Named:
    """gepa's defaults on ``scores`` scores, or a few more, since it counts between iterations. The first ``val`` of the shuffled
    ``prompts`` validate, the others are reflected on. ``at_once``: parents, and mutations of each, per iteration. With a ``run_dir``, it
    saves there and goes on from there."""
    from gepa.api import optimize as gepa_optimize
    from gepa.strategies.proposal_sampling import PxNSampling

    shuffled = list(prompts)
    derived_random("gepa beside", seed).shuffle(shuffled)
    result = gepa_optimize(
        seed_candidate={COMPONENT: root},
        trainset=shuffled[val:],
        valset=shuffled[:val],
        adapter=_Adapter(score),  # pyright: ignore[reportArgumentType]
        reflection_strategy=_Reflection(write),  # pyright: ignore[reportArgumentType]
        sampling_strategy=PxNSampling(*at_once) if at_once != (1, 1) else None,
        max_metric_calls=scores,
        run_dir=None if run_dir is None else str(run_dir),
        logger=_Silent(),
        seed=seed % 2**32,
    )
    means = result.val_aggregate_scores
    return Named(
        best=result.candidates[result.best_idx][COMPONENT],
        changed=result.best_idx != 0,
        gain=means[result.best_idx] - means[0],
        candidates=tuple(candidate[COMPONENT] for candidate in result.candidates),
        counted=result.total_metric_calls or 0,
    )


def optimize_metered(world: World, images: int, *, val: int, seed: int) -> Named:
    """The same in ``world``, with its reflection; each pass of a pair draws anew."""
    meter = Meter(world, 2 * images)
    prompts = range(len(world.categories))

    def score(asked: Sequence[tuple[str, Sequence[int]]]) -> list[list[float]]:
        return [[meter.score(text, prompt) for prompt in batch] for text, batch in asked]

    def write(asked: Sequence[tuple[str, Evidence]]) -> list[str]:
        return [meter.propose([parent], evidence) for parent, evidence in asked]

    return optimize(world.root, prompts, score, write, scores=images, val=val, seed=seed)


class _Adapter:
    """Scores as gepa's adapter: an example is the number of a prompt."""

    propose_new_texts = None

    def __init__(self, score: Score) -> None:
        self._score = score

    def evaluate(self, batch: Sequence[int], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        return self.batch_evaluate([(candidate, batch)])[0]

    def batch_evaluate(self, items: Sequence[tuple[Mapping[str, str], Sequence[int]]]) -> list[Any]:
        from gepa.core.adapter import EvaluationBatch

        found = self._score([(candidate[COMPONENT], batch) for candidate, batch in items])
        return [
            EvaluationBatch(outputs=list(batch), scores=scores, trajectories=list(batch))
            for (_, batch), scores in zip(items, found, strict=True)
        ]

    def make_reflective_dataset(self, candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]) -> Any:
        seen = [{"prompt": prompt, "score": score} for prompt, score in zip(eval_batch.trajectories, eval_batch.scores, strict=True)]
        return dict.fromkeys(components_to_update, seen)


class _Reflection:
    """The reflection model, which answers all that is asked of it at once: so does gepa's own with a model behind an API."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def reflect(self, candidate: Mapping[str, str], reflective_dataset: Mapping[str, Any], components_to_update: Sequence[str]) -> Any:
        return self.reflect_many([(candidate, reflective_dataset, components_to_update)])[0]

    def reflect_many(self, jobs: Sequence[tuple[Mapping[str, str], Mapping[str, Any], Sequence[str]]]) -> list[Any]:
        from gepa.proposer.reflective_mutation.reflection_lm import ReflectionProposal

        asked = [
            (candidate[COMPONENT], [(entry["prompt"], entry["score"]) for entry in dataset[COMPONENT]]) for candidate, dataset, _ in jobs
        ]
        return [(ReflectionProposal({COMPONENT: text}), self) for text in self._write(asked)]


class _Silent:
    """gepa's logger, printing nothing."""

    def log(self, message: str) -> None:
        pass
