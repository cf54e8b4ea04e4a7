"""The figures of a contest, from its games: what is written as JSON, and read again for tables and plots. Goals stand here."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.contenders import DEFAULT, OURS
from benchmarks.search.contest import Game, Played
from benchmarks.search.curves import Curve, Ratio, median, ratio

GOAL_BEST = 0.25
"""Images to what the best opponent reaches with all of its images, as a part of them, in the median regime. Images are what a search
costs; below four times fewer, habit decides between tools."""
GOAL_DEFAULT = 0.10
"""The same against GEPA as it comes: what somebody uses who tunes nothing."""
GOAL_WORST = 1.0
"""The same against the best opponent of each regime: in none is somebody better off with another tool."""


@dataclass(frozen=True, slots=True)
class Line:
    """One contender in one regime: mean true gain with 95% interval at each point of ``grid`` (images); mean ``proposals`` at the end."""

    regime: str
    contender: str
    grid: Sequence[int]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    proposals: float
    worlds: int


@dataclass(frozen=True, slots=True)
class Against:
    """Our images, as a part of the opponent's, to the gain that it reaches with all of its own: estimate and 95% interval. None: never
    within the images that we had, which are ``within`` of the opponent's."""

    regime: str
    opponent: str
    target: float
    ratio: float | None
    low: float | None
    high: float | None
    within: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All of a contest. ``best``: by regime, the opponent that reached most. The medians are over regimes: estimate, low, high.
    ``left_out``: who did not take part, and why."""

    mode: str
    command: str
    versions: Mapping[str, str]
    lines: Sequence[Line]
    against: Sequence[Against]
    best: Mapping[str, str]
    median_best: Sequence[float | None]
    median_default: Sequence[float | None]
    left_out: Mapping[str, str]

    @property
    def regimes(self) -> list[str]:
        return list(dict.fromkeys(line.regime for line in self.lines))

    @property
    def contenders(self) -> list[str]:
        return list(dict.fromkeys(line.contender for line in self.lines))

    def line(self, regime: str, contender: str) -> Line | None:
        return next((line for line in self.lines if (line.regime, line.contender) == (regime, contender)), None)

    def versus(self, regime: str, opponent: str) -> Against | None:
        return next((entry for entry in self.against if (entry.regime, entry.opponent) == (regime, opponent)), None)

    @property
    def against_best(self) -> list[Against]:
        """By regime, what we need against its best opponent."""
        return [entry for entry in self.against if entry.opponent == self.best[entry.regime]]

    @property
    def worst(self) -> Against | None:
        """The regime in which we need most against its best opponent."""
        return max(self.against_best, key=lambda entry: math.inf if entry.ratio is None else entry.ratio, default=None)

    @property
    def undecided(self) -> list[Against]:
        """Where we did not reach the best opponent, but had fewer images: nothing is known of GOAL_WORST there."""
        return [entry for entry in self.against_best if entry.ratio is None and entry.within < GOAL_WORST]

    @property
    def misses(self) -> list[str]:
        """What is not as the goals want it, in words; what is :attr:`undecided` is not among it."""
        missed: list[str] = []
        for name, (value, *_), goal in (
            ("the best-tuned opponent", self.median_best, GOAL_BEST),
            (DEFAULT, self.median_default, GOAL_DEFAULT),
        ):
            if value is None or value > goal:
                missed.append(f"{'not reached' if value is None else f'{value:.2f}'} of the images of {name} in the median regime")
        undecided = self.undecided
        for entry in self.against_best:
            if entry not in undecided and (entry.ratio is None or entry.ratio > GOAL_WORST):
                missed.append(f"{entry.regime}: more images than {entry.opponent}")
        return missed


def figures(
    mode: str, command: str, versions: Mapping[str, str], curves: Mapping[tuple[str, str], Curve], left_out: Mapping[str, str]
) -> Figures:
    """From the curves by regime and contender; ours must be among them in each regime."""
    regimes = list(dict.fromkeys(regime for regime, _ in curves))
    ratios = {
        (regime, name): ratio(curves[regime, OURS], curve)
        for (regime, name), curve in curves.items()
        if name != OURS and (regime, OURS) in curves
    }
    best: dict[str, str] = {}
    for regime, name in ratios:
        if regime not in best or ratios[regime, name].target > ratios[regime, best[regime]].target:
            best[regime] = name
    return Figures(
        mode,
        command,
        versions,
        [_line(regime, name, curve) for (regime, name), curve in curves.items()],
        [_against(regime, name, entry, curves) for (regime, name), entry in ratios.items()],
        best,
        _median([ratios[regime, best[regime]] for regime in regimes if regime in best]),
        _median([ratios[regime, DEFAULT] for regime in regimes if (regime, DEFAULT) in ratios]),
        left_out,
    )


def _line(regime: str, name: str, curve: Curve) -> Line:
    low, high = curve.band()
    return Line(regime, name, curve.grid, _rounded(curve.mean), _rounded(low), _rounded(high), round(curve.proposals, 1), len(curve.gains))


def _against(regime: str, name: str, entry: Ratio, curves: Mapping[tuple[str, str], Curve]) -> Against:
    within = curves[regime, OURS].grid[-1] / curves[regime, name].grid[-1]
    return Against(regime, name, round(entry.target, 4), _finite(entry.value), _finite(entry.low), _finite(entry.high), within)


def _median(ratios: Sequence[Ratio]) -> list[float | None]:
    return [_finite(value) for value in median(ratios)] if ratios else [None, None, None]


def _finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return round(value, 4) if math.isfinite(value) else None


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def curve_of(games: Sequence[Game], played: Mapping[Game, Played], points: Sequence[int]) -> Curve:
    """The curve of one contender in one regime, from all of its games. A game with an answer at each moment gives a whole row; of those
    that answer at their end only, there is a game per point."""
    rows: dict[int, list[float]] = {}
    for game in sorted(games, key=lambda game: game.images):
        gains = played[game].gains
        rows.setdefault(game.seed, []).extend(gains if game.searcher.anytime else gains[-1:])
    longest = max(game.images for game in games)
    proposals = [played[game].proposals for game in games if game.images == longest]
    return Curve(points, np.array([rows[seed] for seed in sorted(rows)]), sum(proposals) / len(proposals))


def write(result: Figures, path: Path) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(result), indent=1) + "\n")


def as_json(result: Figures) -> dict[str, Any]:
    """The figures for machines."""
    return {**asdict(result), "missed": result.misses, "ok": not result.misses}


def newest(results: Path) -> Path:
    """What the README's table is made from: the full contest, where there was none the quick one."""
    full = results / "search-full.json"
    return full if full.exists() else results / "search-quick.json"


def read(path: Path) -> Figures:
    """What :func:`write` wrote."""
    found = json.loads(path.read_text())
    del found["missed"], found["ok"]
    lines = [Line(**line) for line in found.pop("lines")]
    against = [Against(**entry) for entry in found.pop("against")]
    return Figures(lines=lines, against=against, **found)
