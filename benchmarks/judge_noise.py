"""Where the noise comes from, and how many prompts an effect needs: held against simulated truth, then against a judge with planted noise.

``python -m benchmarks.judge_noise [--ledgers 400] [--save] [--check] [--json]``. (1) Simulated scores whose variance by source is known:
normal, heavy-tailed, those of checklists of five items (few values, noise that depends on the quality), and as unbalanced as a search
leaves them. The estimates have to be right on average, the 95% intervals to hold the truth, and the paired test of `phoropter optimize` to
find an effect with the power that `prompts_needed` promises. (2) The embedded world, through the code that `phoropter optimize` runs: a
judge that flips each answer of the scene judge with a known chance looks at every image twice. Pictures, samples and seeds are real; what
the flips add to the variance is known exactly, and has to be found.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.command import finish, options_of, save
from benchmarks.noisy_worlds import PLANTED, REGIMES, Regime, judged_twice
from data.identity import derived_seed
from optimizer.moments import SOURCES
from optimizer.noise import Component, Components, components_of, variance_components
from optimizer.power import Costs, Design, best_purchase, difference_variance, prompts_needed
from optimizer.stats import Interval, bootstrap_mean, sign_flip_p

GOAL_BIAS = 0.10
"""Mean error of a variance, of its truth. Prompts needed go with the variance, so a tenth of it is a tenth of them, which nobody plans by.
What chance leaves with 400 ledgers is a third of it for most sources."""
GOAL_COVERAGE = (0.93, 0.97)
"""Of intervals that hold the truth, for each regime over all its sources: what 95% may be called."""
LEAST_COVERAGE = 0.90
"""The same for each source of each regime, of which chance alone takes one in fifty below 93%."""
GOAL_POWER = 0.03
"""How far the power found may be from the 80% asked for: about three standard errors of 1,500 comparisons. A mistake of a tenth in the
number of prompts moves it by as much."""
GOAL_PLANTED = 0.25
"""How far the judge's variance may be from the planted one in the embedded world, of the latter. It rests on some 300 second looks, which
know it to a tenth or so; more would be a mistake."""

EFFECTS = (0.02, 0.05, 0.10)
POWER = 0.8
COMPARISONS = 1500
RESAMPLES = 1000
COSTS = Costs(rewrite=0.1, image=1.0, look=0.3)
"""About what they are where a small language model rewrites, a diffusion model draws and a small vision model judges."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """How well one source's variance is found in one regime: the truth, the mean estimate, and how often the interval held the truth."""

    regime: str
    source: str
    truth: float
    mean: float
    covered: float

    @property
    def bias(self) -> float:
        return self.mean / self.truth - 1.0


@dataclass(frozen=True, slots=True)
class Powered:
    """How often an ``effect`` was found on as many ``prompts`` as `prompts_needed` asks for."""

    regime: str
    effect: float
    seeds: int
    prompts: int
    found: float


@dataclass(frozen=True, slots=True)
class Planted:
    """A judge with a known ``flip_rate``: the variance it adds, and what the trials say of it. ``components``: in the order of SOURCES."""

    flip_rate: float
    planted: float
    components: Components

    @property
    def look(self) -> Component:
        assert self.components.look is not None, "every image was looked at twice"
        return self.components.look

    @property
    def ok(self) -> bool:
        interval = self.look.variance
        inside = interval.low is not None and interval.high is not None and interval.low <= self.planted <= interval.high
        return inside and abs(interval.estimate - self.planted) <= GOAL_PLANTED * self.planted


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured, and in how many seconds."""

    ledgers: int
    recovered: Sequence[Recovered]
    powered: Sequence[Powered]
    planted: Sequence[Planted]
    seconds: float

    @property
    def coverage(self) -> Mapping[str, float]:
        """By regime, over its sources."""
        regimes = {entry.regime: [other.covered for other in self.recovered if other.regime == entry.regime] for entry in self.recovered}
        return {regime: sum(covered) / len(covered) for regime, covered in regimes.items()}

    @property
    def misses(self) -> list[str]:
        """What is not as the goals want it."""
        low, high = GOAL_COVERAGE
        return [
            *(f"{entry.regime}: {entry.source} {entry.bias:+.1%} off" for entry in self.recovered if abs(entry.bias) > GOAL_BIAS),
            *(f"{regime}: intervals hold {share:.1%}" for regime, share in self.coverage.items() if not low <= share <= high),
            *(f"{entry.regime}: {entry.source} held in {entry.covered:.1%}" for entry in self.recovered if entry.covered < LEAST_COVERAGE),
            *(f"{entry.regime}: power {entry.found:.1%}" for entry in self.powered if abs(entry.found - POWER) > GOAL_POWER),
            *(f"planted {entry.planted:.5f}, found {entry.look.variance.estimate:.5f}" for entry in self.planted if not entry.ok),
        ]


def recover(regime: Regime, ledgers: int) -> list[Recovered]:
    """Draws so many ledgers of a regime, and estimates each one's components."""
    found: dict[str, list[Interval]] = {source: [] for source in regime.truth}
    for number in range(ledgers):
        generator = np.random.default_rng(derived_seed("judge noise", regime.name, number))
        components = components_of(regime.ledger(generator), seed=number, resamples=RESAMPLES)
        for source, intervals in found.items():
            part: Component | None = getattr(components, source)
            assert part is not None, f"{source} is repeated in every ledger of {regime.name}"
            intervals.append(part.variance)
    return [
        Recovered(
            regime.name,
            source,
            regime.truth[source],
            sum(interval.estimate for interval in intervals) / ledgers,
            sum((interval.low or 0.0) <= regime.truth[source] <= (interval.high or math.inf) for interval in intervals) / ledgers,
        )
        for source, intervals in found.items()
    ]


def power(regime: Regime, effect: float, seeds: int) -> Powered:
    """Compares two system prompts that differ by ``effect``, again and again, on as many prompts as are said to be needed."""
    design = Design(seeds=seeds)
    prompts = prompts_needed(regime.components, effect, design, power=POWER)
    generator = np.random.default_rng(derived_seed("judge noise power", regime.name, effect, seeds))
    claimed = 0
    for number in range(COMPARISONS):
        differences: list[float] = (effect + regime.differences(generator, prompts, seeds)).tolist()
        interval = bootstrap_mean(differences, seed=number, resamples=RESAMPLES)
        claimed += interval.excludes_zero and sign_flip_p(differences, seed=number, flips=RESAMPLES) <= 0.05
    return Powered(regime.name, effect, seeds, prompts, claimed / COMPARISONS)


def measure(ledgers: int) -> Result:
    """Runs all of it."""
    started = time.perf_counter()
    recovered: list[Recovered] = []
    powered: list[Powered] = []
    planted: list[Planted] = []
    for regime in REGIMES:
        _say(f"{ledgers} ledgers: {regime.name}")
        recovered += recover(regime, ledgers)
    for regime in REGIMES[:3]:
        _say(f"{COMPARISONS} comparisons: {regime.name}")
        powered += [power(regime, 0.1, 1), power(regime, 0.1, 3)]
    for flip_rate in PLANTED:
        _say(f"embedded world, a judge that flips {flip_rate:.0%} of its answers")
        trials, variance = judged_twice(flip_rate)
        planted.append(Planted(flip_rate, variance, variance_components(trials)))
    print(file=sys.stderr)
    return Result(ledgers, recovered, powered, planted, time.perf_counter() - started)


def _say(what: str) -> None:
    print(f"\r{what:<80}", end="", file=sys.stderr, flush=True)


def report(result: Result) -> None:
    """What was run, tables, and the figure on the last line."""
    print(f"{result.ledgers} simulated ledgers of each kind, {COMPARISONS} comparisons of each kind; {result.seconds:.0f} s\n")
    print(f"{'scores':<24}{'source':<13}{'truth':>9}{'mean':>9}{'bias':>8}{'held':>8}")
    for entry in result.recovered:
        print(f"{entry.regime:<24}{entry.source:<13}{entry.truth:>9.5f}{entry.mean:>9.5f}{entry.bias:>+8.1%}{entry.covered:>8.1%}")
    print(f"\n{'comparisons':<24}{'effect':>7}{'seeds':>7}{'prompts':>9}{'found':>8}   asked for {POWER:.0%}")
    for entry in result.powered:
        print(f"{entry.regime:<24}{entry.effect:>7.2f}{entry.seeds:>7}{entry.prompts:>9}{entry.found:>8.1%}")
    for entry in result.planted:
        _report_planted(entry)
    low, high = GOAL_COVERAGE
    worst = max(abs(entry.bias) for entry in result.recovered)
    shares = result.coverage.values()
    print(
        f"\ngoals: bias at most {GOAL_BIAS:.0%}; {low:.0%} to {high:.0%} of a kind's intervals hold, {LEAST_COVERAGE:.0%} of a source's;"
        f" power {POWER:.0%} ± {GOAL_POWER:.0%}; planted variance in its interval and within {GOAL_PLANTED:.0%}"
    )
    for miss in result.misses:
        print(f"  missed: {miss}")
    verdict = "missed" if result.misses else "met"
    print(f"judge_noise: bias at most {worst:.1%}, intervals hold {min(shares):.1%} to {max(shares):.1%}, planted noise found: {verdict}")


def _report_planted(entry: Planted) -> None:
    print(f"\nembedded world, {entry.components.trials} trials; the judge flips {entry.flip_rate:.0%} of its answers")
    for source in SOURCES:
        part: Component | None = getattr(entry.components, source)
        if part is not None:
            low, high = part.variance.low, part.variance.high
            note = f"   planted {entry.planted:.5f}" if source == "look" else "   came out below 0" if part.floored else ""
            span = "" if low is None or high is None else f"[{low:.5f}, {high:.5f}]"
            print(f"  {source:<13}{part.variance.estimate:>9.5f} {span}{note}")
    for seeds in (1, 2, 3):
        needed = [f"{effect:.2f}: {prompts_needed(entry.components, effect, Design(seeds=seeds)):>6,}" for effect in EFFECTS]
        print(f"  prompts for 80% power with {seeds} seeds   {'   '.join(needed)}")
    for prompts in (None, 50):
        best = best_purchase(entry.components, 300, COSTS, prompts=prompts)
        assert best is not None
        there = "any number of prompts" if prompts is None else f"{prompts} prompts"
        what = f"{best.prompts} prompts, {best.design.samples} samples, {best.design.seeds} seeds, {best.design.looks} looks"
        print(f"  the price of 300 images, {there}: best spent on {what}: standard error {best.standard_error:.4f}")


def as_json(result: Result) -> dict[str, Any]:
    """The figures for machines."""
    return {
        "ledgers": result.ledgers,
        "recovered": [{**asdict(entry), "bias": round(entry.bias, 4)} for entry in result.recovered],
        "power": [asdict(entry) for entry in result.powered],
        "planted": [
            {
                "flip_rate": entry.flip_rate,
                "planted": entry.planted,
                "found": asdict(entry.look.variance),
                "difference_variance": difference_variance(entry.components),
                "prompts_needed": {
                    f"{effect:.2f}": [prompts_needed(entry.components, effect, Design(seeds=seeds)) for seeds in (1, 2, 3)]
                    for effect in EFFECTS
                },
            }
            for entry in result.planted
        ],
        "coverage": result.coverage,
        "seconds": round(result.seconds, 1),
        "missed": result.misses,
        "ok": not result.misses,
    }


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    parser = options_of("judge_noise", "Hold variance components against known ones.")
    parser.add_argument("--ledgers", type=int, default=400, help="how many simulated ledgers of each kind (400)")
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results/judge_noise.json")
    options = parser.parse_args()
    result = measure(options.ledgers)
    if options.save:
        save("judge_noise", as_json(result))
    return finish(options, as_json(result), lambda: report(result))


if __name__ == "__main__":
    sys.exit(main())
