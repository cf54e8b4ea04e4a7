"""gepa.optimize beside ours: what is handed on of its result is what it says of itself, and every score that it counts was asked for."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gepa_beside import Named, optimize, optimize_metered
from benchmarks.search.worlds import REGIMES, Evidence, Regime, SyntheticWorld
from data.identity import derived_seed
from data.records import Operation


class Metric:
    """Scores of a world, counted."""

    def __init__(self, world: SyntheticWorld, stop_at: int | None = None) -> None:
        self.world = world
        self.scored = 0
        self._stop_at = stop_at

    def score(self, asked: Sequence[tuple[str, Sequence[int]]]) -> list[list[float]]:
        return [[self._one(text, prompt) for prompt in batch] for text, batch in asked]

    def _one(self, text: str, prompt: int) -> float:
        if self.scored == self._stop_at:
            raise KeyboardInterrupt
        self.scored += 1
        return self.world.score(text, prompt, 0)

    def write(self, asked: Sequence[tuple[str, Evidence]]) -> list[str]:
        return [self.world.propose(Operation.REFLECT, [parent], seen, derived_seed(parent, seen)) for parent, seen in asked]

    def run(self, folder: Path | None = None, at_once: tuple[int, int] = (1, 1)) -> Named:
        return optimize(self.world.root, range(40), self.score, self.write, scores=120, val=10, seed=1, at_once=at_once, run_dir=folder)


def test_where_nothing_is_noise_its_gain_is_real():
    world = SyntheticWorld(REGIMES["no noise"], 1)
    named = optimize_metered(world, 800, val=40, seed=1)
    assert named.changed
    assert named.gain > 0
    assert world.quality(named.best) > world.quality(world.root)
    assert named.candidates[0] == world.root
    assert named.best in named.candidates


def test_counts_what_was_scored_one_by_one_and_in_parallel():
    for at_once in ((1, 1), (3, 2)):
        metric = Metric(SyntheticWorld(REGIMES["middle"], 2))
        named = metric.run(at_once=at_once)
        assert named.counted == metric.scored >= 120


def test_where_nothing_differs_its_figures_say_otherwise():
    world = SyntheticWorld(Regime(effects=0.0), 3)
    named = optimize_metered(world, 600, val=8, seed=3)
    assert named.changed
    assert named.gain > 0


def test_resumes_from_its_run_dir(tmp_path: Path):
    world = SyntheticWorld(REGIMES["middle"], 2)
    stopped = Metric(world, stop_at=60)
    with contextlib.suppress(KeyboardInterrupt):
        stopped.run(tmp_path)
    resumed = Metric(world)
    named = resumed.run(tmp_path)
    assert resumed.scored < 120
    assert named.counted < stopped.scored + resumed.scored, "the seed's validation, and what was under way, are in no count"
