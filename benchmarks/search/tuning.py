"""The opponents' settings: for each opponent and regime, those with the greatest mean true gain, on worlds that the contest never uses.

A race: all settings play on a few worlds, the better quarter on more, and so on, so that the many bad ones cost little. Nothing of ours is
tuned here.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.search.contenders import GRIDS, OVERALL, TUNED_FILE
from benchmarks.search.contest import Game, Kept, play_all
from benchmarks.search.opponents import Searcher

FIRST_SEED = 10_000
"""The contest's worlds are numbered from 0."""
HEATS = (4, 10, 30)
"""On so many worlds are those measured that are still in the race; the better quarter goes on."""


def tune(families: Sequence[str], regimes: Sequence[str], images: int, processes: int, kept: Kept) -> None:
    """Races the settings of each family in each regime, and adds the winners to the file of choices."""
    found: dict[str, Any] = json.loads(TUNED_FILE.read_text()) if TUNED_FILE.exists() else {}
    chosen: dict[str, dict[str, Any]] = found.get("chosen", {})
    gains: dict[str, dict[str, float]] = found.get("gains", {})
    for family in families:
        means: dict[str, Mapping[Searcher, float]] = {}
        for regime in regimes:
            print(f"{family}, {regime}", file=sys.stderr)
            means[regime] = race(GRIDS[family], regime, images, processes, kept)
            best = max(means[regime], key=lambda option: means[regime][option])
            chosen.setdefault(family, {})[regime] = asdict(best)  # pyright: ignore[reportArgumentType]
            gains.setdefault(family, {})[regime] = round(means[regime][best], 4)
            _write(TUNED_FILE, images, chosen, gains)
        chosen[family][OVERALL] = asdict(overall(list(means.values())))  # pyright: ignore[reportArgumentType]
        _write(TUNED_FILE, images, chosen, gains)


def race(
    options: Sequence[Searcher], regime: str, images: int, processes: int, kept: Kept, heats: Sequence[int] = HEATS
) -> Mapping[Searcher, float]:
    """The mean gain of each option on the worlds that it came to; those that came furthest count first, so the others' are lowered below
    theirs."""
    standing = list(options)
    means: dict[Searcher, float] = {}
    for heat, worlds in enumerate(heats):
        games = {option: [Game(option, regime, FIRST_SEED + number, images) for number in range(worlds)] for option in standing}
        played = play_all([game for listed in games.values() for game in listed], processes, kept)
        found = {option: statistics.fmean(played[game].gains[-1] for game in listed) for option, listed in games.items()}
        standing.sort(key=lambda option: -found[option])
        # A setting that fell out on few, lucky worlds is behind all that went on.
        means = {option: mean - 1.0 for option, mean in means.items()} | found
        if heat + 1 < len(heats):
            standing = standing[: max(2, len(standing) // 4)]
    return means


def overall(regimes: Sequence[Mapping[Searcher, float]]) -> Searcher:
    """The option with the best mean rank over the regimes."""
    ranks: dict[Searcher, list[int]] = {}
    for means in regimes:
        for rank, option in enumerate(sorted(means, key=lambda option: -means[option])):
            ranks.setdefault(option, []).append(rank)
    return min(ranks, key=lambda option: statistics.fmean(ranks[option]))


def _write(path: Path, images: int, chosen: Mapping[str, Any], gains: Mapping[str, Any]) -> None:
    value = {"images": images, "worlds": HEATS[-1], "first_seed": FIRST_SEED, "chosen": chosen, "gains": gains}
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
