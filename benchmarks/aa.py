"""A/A: how often the whole procedure claims a gain where there is none. Beside it, how often GEPA does.

``python -m benchmarks.aa [--runs 200] [--images 600] [--full] [--pixels] [--check] [--json]``. All system prompts of the world do exactly
the same, so every gain is false. Each of our runs searches, selects and confirms through the code that `phoropter optimize` runs, with
another seed. Beside it gepa.optimize in the same worlds, for as many images, with 40 prompts to validate on and with 8: it has no
confirmation, so what it says of its best system prompt is the validation mean, and what it starts from is what it is compared with. By
default in the noisy synthetic world; with ``--pixels`` ours alone in the embedded one, with real pictures and a reasoner that is deaf to
its system prompt.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks.command import finish, options_of, save
from benchmarks.gepa_beside import Named, optimize_metered
from benchmarks.harness import Outcome, in_processes, run_in_memory
from benchmarks.search.worlds import Regime, SyntheticWorld
from benchmarks.worlds import SyntheticProposer, synthetic_pipeline, synthetic_problem, synthetic_world
from data.records import SystemPrompt
from optimizer.compare import Arm
from optimizer.evaluate import Pipeline
from optimizer.optimize import Problem
from optimizer.placebo import DeafReasoner
from optimizer.stage import StageLimits

GOAL_RATE = 0.05
"""Claims are made at 95% confidence, Holm-adjusted over what is reported: more than 5 false ones in 100 would make that a lie."""

RUNS = 200
FULL_RUNS = 1000
PIXEL_RUNS = 40
VALIDATION = (40, 8)
"""GEPA's validation prompts, of 80: half of them, as its guides advise, and few, which leaves more images for proposals."""
ALIKE = Regime(effects=0.0)


@dataclass(frozen=True, slots=True)
class Run:
    """One of our runs: whether it claimed a gain (Holm-adjusted, over any arm), and best against the reference; None where they are one."""

    claimed: bool
    gain: float | None
    above_zero: bool
    covered: bool


@dataclass(frozen=True, slots=True)
class Ours:
    """Of ``runs`` runs: how many claimed a gain, how many intervals of best against the reference were above 0, how often one covered 0
    (as it should in 95%), and the mean confirmed gain. ``kept``: runs that ended with the reference itself, and had nothing to claim."""

    runs: int
    claimed: int
    above_zero: int
    covered: float
    mean_gain: float
    kept: int


@dataclass(frozen=True, slots=True)
class Theirs:
    """gepa.optimize with ``val`` validation prompts: in how many runs it named another system prompt than the one it started from, and by
    how much its validation mean was above that one's, the mean over those runs."""

    val: int
    runs: int
    named: int
    mean_gain: float


@dataclass(frozen=True, slots=True)
class AA:
    """All that was measured, and in how many seconds."""

    world: str
    images: int
    ours: Ours
    gepa: tuple[Theirs, ...]
    seconds: float

    @property
    def false_claims(self) -> int:
        return max(self.ours.claimed, self.ours.above_zero)

    @property
    def ok(self) -> bool:
        return self.false_claims <= GOAL_RATE * self.ours.runs


def synthetic_run(seed: int, images: int) -> Run:
    """One of our runs in a world without any effect of system prompts."""
    world = synthetic_world(seed, ALIKE)
    return _seen(run_in_memory(synthetic_problem(world, seed), synthetic_pipeline(world), SyntheticProposer(world), images))


def gepa_run(seed: int, images: int, val: int) -> Named:
    """One of GEPA's."""
    return optimize_metered(SyntheticWorld(ALIKE, seed), images, val=val, seed=seed)


def embedded_run(seed: int, images: int) -> Run:
    """One of our runs in the embedded world, pictures and all, with a deaf reasoner."""
    from data.formats import load_prompts
    from generator.engines.embedded import EmbeddedGenerator
    from optimizer.judges.scene import SceneJudge
    from optimizer.proposers.embedded import EmbeddedProposer
    from reasoner.engines.embedded import EmbeddedReasoner
    from reasoner.library import shipped
    from reasoner.rewrite import Rewriter

    general = shipped("general")
    limits = StageLimits(concurrency=2, batch=4)
    pipeline = Pipeline(DeafReasoner(Rewriter(EmbeddedReasoner()), general), EmbeddedGenerator(), SceneJudge(), limits, limits, limits)
    arms = [Arm("none", SystemPrompt("Draw it.")), Arm("plain", shipped("plain")), Arm("general", general)]
    problem = Problem(load_prompts("scenes"), [arm.system_prompt for arm in arms[1:]], arms, "general", seed)
    return _seen(run_in_memory(problem, pipeline, EmbeddedProposer(), images))


def _seen(outcome: Outcome) -> Run:
    gain = outcome.gain
    same = outcome.winner.id == next(arm.system_prompt_id for arm in outcome.comparison.arms if arm.name == outcome.comparison.reference)
    if gain is None or same:
        return Run(bool(outcome.comparison.claims), None, above_zero=False, covered=True)
    low = gain.interval.low or 0.0
    return Run(bool(outcome.comparison.claims), gain.interval.estimate, low > 0.0, not gain.interval.excludes_zero)


def ours_of(runs: Sequence[Run]) -> Ours:
    """The figures of our runs."""
    compared = [run for run in runs if run.gain is not None]
    return Ours(
        runs=len(runs),
        claimed=sum(run.claimed for run in runs),
        above_zero=sum(run.above_zero for run in runs),
        covered=sum(run.covered for run in compared) / max(1, len(compared)),
        mean_gain=sum(run.gain or 0.0 for run in compared) / max(1, len(compared)),
        kept=len(runs) - len(compared),
    )


def theirs_of(val: int, runs: Sequence[Named]) -> Theirs:
    """The figures of GEPA's runs."""
    gains = [run.gain for run in runs if run.changed]
    return Theirs(val, len(runs), len(gains), sum(gains) / max(1, len(gains)))


def measure(runs: int, images: int, pixels: bool) -> AA:
    """Runs them all, with seeds 0, 1, 2 …"""
    started = time.perf_counter()
    seeds = range(runs)
    ours = ours_of(in_processes(partial(embedded_run if pixels else synthetic_run, images=images), seeds))
    gepa: list[Theirs] = []
    for val in () if pixels else VALIDATION:
        gepa.append(theirs_of(val, in_processes(partial(gepa_run, images=images, val=val), seeds, f"gepa, {val} to validate on, run")))
    world = "embedded world, with pictures" if pixels else "synthetic world"
    return AA(world, images, ours, tuple(gepa), time.perf_counter() - started)


def report(result: AA) -> None:
    """What was run, a table, and the figure on the last line."""
    ours = result.ours
    print(f"{ours.runs} whole runs of {result.images} images in the {result.world}, all system prompts alike; {result.seconds:.0f} s\n")
    print(f"ours: runs that claim a gain (any arm, Holm-adjusted)       {ours.claimed:>5}")
    print(f"      interval of best against the reference above 0        {ours.above_zero:>5}")
    print(f"      intervals that cover 0                                {ours.covered:>5.0%}")
    print(f"      mean confirmed gain (truth: 0)                      {ours.mean_gain:>+7.4f}")
    print(f"      runs that keep the reference, and compare nothing     {ours.kept:>5}")
    for theirs in result.gepa:
        print(f"gepa, {theirs.val:>2} to validate on: runs that name a better one     {theirs.named:>5}")
        print(f"      mean gain that it reports for those (truth: 0)      {theirs.mean_gain:>+7.4f}")
    verdict = "met" if result.ok else "missed"
    named = ", ".join(f"{theirs.named} with {theirs.val} to validate on" for theirs in result.gepa)
    beside = f"; gepa names a better one in {named}" if named else ""
    print(f"\naa: {result.false_claims} of {ours.runs} runs claim a gain (goal: at most {GOAL_RATE:.0%}){beside}: {verdict}")


def as_json(result: AA) -> dict[str, Any]:
    """The figures for machines."""
    return {**asdict(result), "seconds": round(result.seconds, 1), "goal_rate": GOAL_RATE, "ok": result.ok}


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    parser = options_of("aa", "Count false claims where all system prompts do the same.")
    parser.add_argument("--runs", type=int, help=f"how many ({RUNS}; with --full {FULL_RUNS}, with --pixels {PIXEL_RUNS})")
    parser.add_argument("--images", type=int, default=600, help="images per run (600)")
    parser.add_argument("--full", action="store_true", help=f"{FULL_RUNS} runs")
    parser.add_argument("--pixels", action="store_true", help="in the embedded world, with real pictures: half a minute per run")
    options = parser.parse_args()
    runs = options.runs or (PIXEL_RUNS if options.pixels else FULL_RUNS if options.full else RUNS)
    result = measure(runs, options.images, options.pixels)
    save("aa-pixels" if options.pixels else "aa", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
