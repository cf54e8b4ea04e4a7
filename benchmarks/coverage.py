"""Is a reported gain true, and does its interval hold the truth? Whole runs in worlds where system prompts do differ, GEPA's beside them.

``python -m benchmarks.coverage [--runs 100] [--images 500] [--full] [--check] [--json]``. So many runs in each of several regimes of the
noisy synthetic world, through the code that `phoropter optimize` runs: the gain of best over the reference as it is reported, held against
the true one of these two system prompts. The truth is that of the population which the world's prompts are drawn from: the interval is one
over prompts, and makes a promise about prompts that nobody has typed yet. Beside the confirmed gain stand what the search's own scores say
of it, and what its posterior says (the figures of an optimizer that does not measure again), and what gepa.optimize says of its best system
prompt against the one it started from, for as many images, with 40 and with 8 prompts to validate on.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

from benchmarks.command import finish, options_of, save
from benchmarks.gepa_beside import optimize_metered
from benchmarks.harness import in_processes, run_in_memory
from benchmarks.search.worlds import REGIMES, SyntheticWorld
from benchmarks.worlds import SyntheticProposer, population_mean, synthetic_pipeline, synthetic_problem, synthetic_world
from data.identity import derived_seed
from optimizer.stats import Interval

GOAL_BIAS = 0.01
"""Of the confirmed gain, on average over the runs of all regimes: a fifth of the smallest gain that a run of 1,500 images can show."""
GOAL_COVERAGE = (0.94, 0.96)
"""What an interval may be called 95% for. How often it holds is itself only known from the runs: missed where the interval of that share
(Wilson's, 95%) lies wholly outside, so that chance alone seldom breaks the goal, and more runs make it sharper."""

RUNS = 100
FULL_RUNS = 800
IMAGES = 500
WORLDS = ("middle", "coarse rubric", "interactions", "strong proposer", "small effects", "no inheritance", "heavy tails", "loud")
VALIDATION = (40, 8)


@dataclass(frozen=True, slots=True)
class Claim:
    """One of our runs: the true difference of best and reference, and what is said of it: confirmed, as the search's scores have it, and
    as its posterior does."""

    truth: float
    confirmed: Interval
    raw: float | None
    shrunk: Interval | None


def holds(interval: Interval, truth: float) -> bool:
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


@dataclass(frozen=True, slots=True)
class Shifted:
    """How far a kind of figure is from the truth: the mean of reported minus true over ``runs``, and its standard error."""

    runs: int
    bias: float
    error: float


@dataclass(frozen=True, slots=True)
class Regime:
    """One regime: runs whose best is not the reference, their mean true gain, how many confirmed intervals hold it, their mean width, how
    many of the posterior's do, and how far off each kind of figure is: confirmed, from the search's scores (raw), from the posterior
    (shrunk); GEPA's by its validation prompts."""

    name: str
    runs: int
    truth: float
    covered: int
    width: float
    covered_by_posterior: int
    confirmed: Shifted
    raw: Shifted
    shrunk: Shifted
    gepa: tuple[Shifted, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured, and in how many seconds. ``together``: all regimes as one."""

    images: int
    regimes: tuple[Regime, ...]
    together: Regime
    seconds: float

    @property
    def covered(self) -> tuple[float, float, float]:
        """The share of intervals that held the truth, with its own interval."""
        return (self.together.covered / self.together.runs, *wilson(self.together.covered, self.together.runs))

    @property
    def misses(self) -> list[str]:
        """What is not as the goals want it."""
        share, low, high = self.covered
        bias = self.together.confirmed.bias
        return [
            *([f"confirmed gains are {bias:+.4f} off"] if abs(bias) > GOAL_BIAS else []),
            *([f"intervals hold in {share:.1%} [{low:.1%}, {high:.1%}]"] if high < GOAL_COVERAGE[0] or low > GOAL_COVERAGE[1] else []),
        ]


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    z = 1.96
    share, shrink = hits / runs, 1.0 + z**2 / runs
    centre = (share + z**2 / (2 * runs)) / shrink
    half = z * math.sqrt(share * (1.0 - share) / runs + z**2 / (4 * runs**2)) / shrink
    return centre - half, centre + half


def claim(place: tuple[str, int], images: int) -> Claim | None:
    """One of our runs in a (regime, number of the run); None where the best is the reference itself, and nothing is compared."""
    regime, number = place
    seed = derived_seed("coverage", regime, number)
    world = synthetic_world(seed, REGIMES[regime])
    problem = synthetic_problem(world, seed)
    outcome = run_in_memory(problem, synthetic_pipeline(world), SyntheticProposer(world), images)
    reference = next(arm.system_prompt for arm in problem.baselines if arm.name == problem.reference)
    if outcome.gain is None or outcome.winner.id == reference.id:
        return None
    truth = population_mean(world, outcome.winner.text) - population_mean(world, reference.text)
    return Claim(truth, outcome.gain.interval, outcome.searched.raw, outcome.searched.shrunk)


def gepa_error(place: tuple[str, int], images: int, val: int) -> float | None:
    """Reported minus true of one of GEPA's runs; None where it ends with what it started from."""
    regime, number = place
    seed = derived_seed("coverage", regime, number)
    world = SyntheticWorld(REGIMES[regime], seed)
    named = optimize_metered(world, images, val=val, seed=seed)
    return named.gain - (population_mean(world, named.best) - population_mean(world, world.root)) if named.changed else None


def shifted(errors: Sequence[float]) -> Shifted:
    """The mean of ``errors``, with its standard error."""
    mean = sum(errors) / max(1, len(errors))
    spread = math.sqrt(sum((error - mean) ** 2 for error in errors) / max(1, len(errors) - 1))
    return Shifted(len(errors), mean, spread / math.sqrt(max(1, len(errors))))


def regime_of(name: str, claims: Sequence[Claim], gepa: Sequence[Sequence[float]]) -> Regime:
    """The figures of some runs."""
    runs = max(1, len(claims))
    return Regime(
        name=name,
        runs=len(claims),
        truth=sum(one.truth for one in claims) / runs,
        covered=sum(holds(one.confirmed, one.truth) for one in claims),
        width=sum((one.confirmed.high or 0.0) - (one.confirmed.low or 0.0) for one in claims) / runs,
        covered_by_posterior=sum(one.shrunk is not None and holds(one.shrunk, one.truth) for one in claims),
        confirmed=shifted([one.confirmed.estimate - one.truth for one in claims]),
        raw=shifted([one.raw - one.truth for one in claims if one.raw is not None]),
        shrunk=shifted([one.shrunk.estimate - one.truth for one in claims if one.shrunk is not None]),
        gepa=tuple(shifted(errors) for errors in gepa),
    )


def measure(runs: int, images: int) -> Result:
    """So many runs of each regime, and as many of GEPA's by each number of validation prompts."""
    started = time.perf_counter()
    places = list(product(WORLDS, range(runs)))
    ours = in_processes(partial(claim, images=images), places)
    theirs = [in_processes(partial(gepa_error, images=images, val=val), places, f"gepa, {val} to validate on, run") for val in VALIDATION]

    def of(name: str, start: int, end: int) -> Regime:
        return regime_of(
            name,
            [one for one in ours[start:end] if one is not None],
            [[error for error in errors[start:end] if error is not None] for errors in theirs],
        )

    regimes = tuple(of(name, number * runs, (number + 1) * runs) for number, name in enumerate(WORLDS))
    return Result(images, regimes, of("all", 0, len(places)), time.perf_counter() - started)


def report(result: Result) -> None:
    """What was run, a table, and the figure on the last line."""
    total = result.together
    print(f"{total.runs} whole runs of {result.images} images whose best is not the reference; {result.seconds:.0f} s\n")
    print(f"{'':<34}{'intervals hold the truth':<28}reported minus true gain")
    columns = ("confirmed", "search", "shrunk", *(f"gepa, {val}" for val in VALIDATION))
    head = f"{'world':<17}{'runs':>6}{'true gain':>11}{'confirmed':>11}{'width':>7}{'shrunk':>8}"
    print(f"{head}  {''.join(f'{column:>11}' for column in columns)}")
    for entry in (*result.regimes, total):
        held, believed = (count / max(1, entry.runs) for count in (entry.covered, entry.covered_by_posterior))
        row = f"{entry.name:<17}{entry.runs:>6}{entry.truth:>+11.3f}{held:>11.1%}{entry.width:>7.3f}{believed:>8.1%}"
        print(f"{row}  {''.join(f'{one.bias:>+11.4f}' for one in _columns(entry))}")
    print(f"{'standard error':<62}{''.join(f'{one.error:>11.4f}' for one in _columns(total))}")
    share, low, high = result.covered
    goal = f"{GOAL_COVERAGE[0]:.0%} to {GOAL_COVERAGE[1]:.0%} of confirmed intervals hold"
    print(f"\ngoals: {goal}, confirmed gains are off by at most {GOAL_BIAS}")
    for miss in result.misses:
        print(f"  missed: {miss}")
    print(
        f"coverage: {share:.1%} [{low:.1%}, {high:.1%}] of intervals hold the truth, confirmed gains are {total.confirmed.bias:+.4f} off,"
        f" gepa's {' and '.join(f'{one.bias:+.3f}' for one in total.gepa)}: {'missed' if result.misses else 'met'}"
    )


def _columns(entry: Regime) -> tuple[Shifted, ...]:
    return entry.confirmed, entry.raw, entry.shrunk, *entry.gepa


def as_json(result: Result) -> dict[str, Any]:
    """The figures for machines."""
    share, low, high = result.covered
    return {
        **asdict(result),
        "seconds": round(result.seconds, 1),
        "coverage": {"estimate": share, "low": low, "high": high},
        "validation": VALIDATION,
        "goals": {"bias": GOAL_BIAS, "coverage": GOAL_COVERAGE},
        "missed": result.misses,
        "ok": not result.misses,
    }


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("coverage", "Hold reported gains against the truth.")
    parser.add_argument("--runs", type=int, help=f"in each regime ({RUNS}; with --full {FULL_RUNS})")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"images per run ({IMAGES})")
    parser.add_argument("--full", action="store_true", help=f"{FULL_RUNS} runs in each regime")
    options = parser.parse_args()
    result = measure(options.runs or (FULL_RUNS if options.full else RUNS), options.images)
    save("coverage", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
