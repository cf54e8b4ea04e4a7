"""A/A: how often the whole procedure claims a gain where there is none.

``python -m benchmarks.aa [--runs 100] [--images 600] [--pixels] [--check] [--json]``. All system prompts of the world do exactly the same,
so
every claimed gain is false. Each run searches, selects and confirms through the code that `phoropter optimize` runs, with another seed. By
default in the noisy synthetic world; with ``--pixels`` in the embedded one, with real pictures and a reasoner that is deaf to its
system prompt.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.harness import Outcome, run_in_memory
from benchmarks.worlds import SyntheticGenerator, SyntheticJudge, SyntheticProposer, SyntheticReasoner, SyntheticWorld, system_prompt_of
from data.records import Rewrite, SystemPrompt
from optimizer.compare import Arm, Difference
from optimizer.evaluate import Pipeline
from optimizer.optimize import Problem
from optimizer.stage import StageLimits
from reasoner import Reasoner, RewriteRequest

GOAL_RATE = 0.05
"""Claims are made at 95% confidence, Holm-adjusted over what is reported: more than 5 false ones in 100 would make that a lie."""

LIMITS = StageLimits(concurrency=2, batch=32)


@dataclass(frozen=True, slots=True)
class AA:
    """Of ``runs`` runs: how many claimed a gain (Holm-adjusted, over any arm), how many intervals of best against the reference were above
    0,
    how often an interval covered 0 (as it should in 95%), and the mean gain reported before and after confirmation."""

    world: str
    runs: int
    claimed: int
    above_zero: int
    covered: float
    mean_gain: float
    seconds: float

    @property
    def ok(self) -> bool:
        return max(self.claimed, self.above_zero) <= GOAL_RATE * self.runs


def synthetic_run(seed: int, images: int) -> Outcome:
    """One run in a synthetic world without any effect of system prompts."""
    world = SyntheticWorld(seed, effect_scale=0.0)
    pipeline = Pipeline(SyntheticReasoner(), SyntheticGenerator(world), SyntheticJudge(world), LIMITS, LIMITS, LIMITS)
    arms = [Arm("none", system_prompt_of([1])), Arm("plain", system_prompt_of([])), Arm("general", system_prompt_of([0]))]
    roots = [replace(arm.system_prompt, name=arm.name) for arm in arms[1:]]
    problem = Problem(world.prompts(), roots, arms, "general", seed)
    return run_in_memory(problem, pipeline, SyntheticProposer(world), images)


class DeafReasoner:
    """A Reasoner that follows the shipped careful system prompt whatever it is given: all system prompts do the same.

    Samples still differ by system prompt, as those of a language model would.
    """

    def __init__(self, inner: Reasoner, text: SystemPrompt) -> None:
        self._inner = inner
        self._text = text
        self.identity = f"deaf {inner.identity}"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        from data.identity import derived_seed

        samples = [derived_seed(request.system_prompt.id, request.sample) >> 32 for request in requests]
        return await self._inner(
            [RewriteRequest(self._text, request.prompt, sample) for request, sample in zip(requests, samples, strict=True)]
        )


def embedded_run(seed: int, images: int) -> Outcome:
    """One run in the embedded world, pictures and all, with a deaf reasoner."""
    from data.formats import load_prompts
    from generator.engines.embedded import EmbeddedGenerator
    from optimizer.judges.scene import SceneJudge
    from optimizer.proposers.embedded import EmbeddedProposer
    from reasoner.engines.embedded import EmbeddedReasoner
    from reasoner.library import shipped
    from reasoner.rewrite import Rewriter

    general = shipped("general")
    limits = StageLimits(concurrency=2, batch=4)
    pipeline = Pipeline(DeafReasoner(Rewriter(EmbeddedReasoner()), general), EmbeddedGenerator(), SceneJudge(), LIMITS, limits, limits)
    arms = [Arm("none", SystemPrompt("Draw it.")), Arm("plain", shipped("plain")), Arm("general", general)]
    problem = Problem(load_prompts("scenes"), [arm.system_prompt for arm in arms[1:]], arms, "general", seed)
    return run_in_memory(problem, pipeline, EmbeddedProposer(), images)


def measure(runs: int, images: int, pixels: bool) -> AA:
    """Runs them all, with seeds 0, 1, 2 …"""
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    for seed in range(runs):
        outcomes.append((embedded_run if pixels else synthetic_run)(seed, images))
        print(f"\rrun {seed + 1} of {runs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    gains = [gain for outcome in outcomes if (gain := gain_of(outcome)) is not None]
    return AA(
        world="embedded, with pictures" if pixels else "synthetic",
        runs=runs,
        claimed=sum(bool(outcome.comparison.claims) for outcome in outcomes),
        above_zero=sum((gain.interval.low or 0.0) > 0.0 for gain in gains),
        covered=sum(not gain.interval.excludes_zero for gain in gains) / len(gains),
        mean_gain=sum(gain.interval.estimate for gain in gains) / len(gains),
        seconds=time.perf_counter() - started,
    )


def gain_of(outcome: Outcome) -> Difference | None:
    """Best against the reference; None where nothing could be compared."""
    return next((entry for entry in outcome.comparison.to_best if entry.reference == outcome.comparison.reference), None)


def report(result: AA, images: int) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"{result.runs} whole runs of {images} images in the {result.world} world, all system prompts alike; {result.seconds:.0f} s\n")
    print(f"runs that claim a gain (any arm, Holm-adjusted)      {result.claimed:>6}")
    print(f"interval of best against the reference above 0       {result.above_zero:>6}")
    print(f"intervals that cover 0                                {result.covered:>6.0%}")
    print(f"mean confirmed gain (truth: 0)                        {result.mean_gain:>+7.4f}")
    verdict = "met" if result.ok else "missed"
    print(f"\naa: {max(result.claimed, result.above_zero)} of {result.runs} runs claim a gain (goal: at most {GOAL_RATE:.0%}): {verdict}")


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aa", description="Count false claims where all system prompts do the same.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--images", type=int, default=600, help="images per run")
    parser.add_argument("--pixels", action="store_true", help="in the embedded world, with real pictures: a minute per run")
    parser.add_argument("--check", action="store_true", help="exit 1 where the goal is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")
    options = parser.parse_args()
    result = measure(options.runs, options.images, options.pixels)
    if options.json:
        figures = {name: getattr(result, name) for name in AA.__slots__}
        print(json.dumps({**figures, "images": options.images, "goal_rate": GOAL_RATE, "ok": result.ok}))
    else:
        report(result, options.images)
    return 1 if options.check and not result.ok else 0


if __name__ == "__main__":
    sys.exit(main())
