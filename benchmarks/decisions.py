"""Decisions: how long the search thinks over one, late in a long run.

``python -m benchmarks.decisions [--check] [--json]``. A posterior over 500 system prompts and 50,000 trials, of a lineage in which most
texts are composites of others' changes, with scores from the posterior's own model. A decision takes in one score, says what is believed
now, and draws a sample of all means. Whenever the scores have grown by a quarter, it also estimates the standard deviations again; such
decisions are timed by themselves. The processor's time is counted: neighbours on the machine play no part.
"""

import math
import sys
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.command import finish, options_of, save
from data.identity import derived_seed
from data.records import Operation
from optimizer.posterior import GROWTH, LineagePosterior

GOAL_SECONDS = 0.05
"""An image takes a second at least, and a round holds several: a twentieth of a second for each is no wait."""
SYSTEM_PROMPTS = 500
TRIALS = 50_000
COMPOSITES = 0.6
"""The share of the system prompts that put others' changes together."""
PROMPTS = 80
CATEGORIES = 8
PAIRS = 8 * PROMPTS
DECISIONS = 101
ESTIMATES = 5


@dataclass(frozen=True, slots=True)
class Decisions:
    """The median seconds, of one processor, of a decision and of one
    that estimates the standard deviations again, and the slowest of each."""

    system_prompts: int
    trials: int
    median: float
    slowest: float
    estimating: float
    slowest_estimating: float

    @property
    def ok(self) -> bool:
        return self.median < GOAL_SECONDS


Score = tuple[int, int, float]
"""A node, a pair and its score."""


def lineage(posterior: LineagePosterior, size: int, luck: np.random.Generator) -> list[float]:
    """Grows a lineage of ``size`` system prompts, and returns their true means."""
    changes = [0.5]
    kept: list[frozenset[int]] = [frozenset({0})]
    posterior.add()
    for node in range(1, size):
        if node > 4 and luck.random() < COMPOSITES:
            taken = luck.random(node) < 8 / node
            kept.append(frozenset({0, *np.flatnonzero(taken).tolist()}))
            parents = sorted(luck.choice(node, 2, replace=False).tolist())
            posterior.add(parents, Operation.MERGE, kept[node], new=False)
            changes.append(0.0)
        else:
            parent = int(luck.integers(node))
            kept.append(kept[parent] | {node})
            posterior.add([parent], Operation.REFLECT, kept[parent])
            changes.append(float(luck.normal(0.0, 0.05)))
    return [sum(changes[change] for change in sorted(own)) for own in kept]


def scores(means: list[float], count: int, luck: np.random.Generator) -> list[Score]:
    """``count`` scores on different cells of system prompts and pairs: some system prompts have far more than others."""
    scale = LineagePosterior().prior.scale
    of_prompt, of_pair = luck.normal(0.0, scale.prompt, PROMPTS), luck.normal(0.0, scale.pair, PAIRS)
    share = luck.dirichlet(np.full(len(means), 0.7))
    wanted = np.minimum(PAIRS, np.ceil(2.0 * count * share)).astype(int) + count // len(means)
    cells: list[tuple[int, int]] = []
    for node in range(len(means)):
        cells += [(node, int(pair)) for pair in luck.permutation(PAIRS)[: wanted[node]]]
    chosen: list[int] = luck.permutation(len(cells))[:count].tolist()
    return [
        (node, pair, means[node] + of_prompt[pair % PROMPTS] + of_pair[pair] + float(luck.normal(0.0, scale.noise)))
        for node, pair in (cells[at] for at in chosen)
    ]


def decide(posterior: LineagePosterior, score: Score, luck: np.random.Generator) -> float:
    """One decision; how many seconds of the processor it took."""
    node, pair, value = score
    started = time.process_time()
    posterior.observe(node, pair, value, pair % PROMPTS, str(pair % CATEGORIES))
    posterior.beliefs().draw(luck)
    return time.process_time() - started


def measure(
    system_prompts: int = SYSTEM_PROMPTS, trials: int = TRIALS, decisions: int = DECISIONS, estimates: int = ESTIMATES
) -> Decisions:
    """Times the decision on the last of ``trials``, which estimates the standard deviations again, on ``estimates`` copies of the
    posterior; and the ``decisions`` after it, which only take in a score each."""
    luck = np.random.default_rng(derived_seed("decisions"))
    posterior = LineagePosterior()
    taken = scores(lineage(posterior, system_prompts, luck), trials + decisions, luck)
    estimated_at = math.floor(trials / GROWTH)
    for number, (node, pair, value) in enumerate(taken[: trials - 1], 1):
        posterior.observe(node, pair, value, pair % PROMPTS, str(pair % CATEGORIES))
        if number == estimated_at:
            posterior.beliefs()
    copies = [deepcopy(posterior) for _ in range(estimates)]
    estimating = [decide(each, taken[trials - 1], luck) for each in copies]
    plain = [decide(copies[0], score, luck) for score in taken[trials:]]
    return Decisions(system_prompts, trials, float(np.median(plain)), max(plain), float(np.median(estimating)), max(estimating))


def report(result: Decisions) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"{result.system_prompts} system prompts, {result.trials:,} trials, one core\n")
    print("milliseconds per decision                             median  slowest")
    print(f"one score taken in, beliefs, a sample                {result.median * 1e3:>7.1f}  {result.slowest * 1e3:>7.1f}")
    print(f"the same where standard deviations are estimated     {result.estimating * 1e3:>7.1f}  {result.slowest_estimating * 1e3:>7.1f}")
    verdict = "met" if result.ok else "missed"
    print(f"\ndecisions: {result.median * 1e3:.0f} ms in the median (goal: under {GOAL_SECONDS * 1e3:.0f} ms): {verdict}")


def as_json(result: Decisions) -> dict[str, Any]:
    """The figures for machines, in seconds."""
    figures = {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(result).items()}
    return {**figures, "goal_seconds": GOAL_SECONDS, "ok": result.ok}


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    options = options_of("decisions", "Time the search's decisions late in a long run.").parse_args()
    result = measure()
    save("decisions", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
