"""Ways to search for a system prompt, side by side: how many images each needs for a given true gain.

``python -m benchmarks.search --quick | --full [--check] [--json]``. Every contender plays in the same worlds, before the same meter, with
the same reflection model; what it would hand over is held against the truth. ``--tune`` chooses the opponents' settings on worlds of their
own, ``--readme`` prints the README's table from the full contest, where there was none from the quick one. Without any of these,
``--regimes``, ``--contenders`` and ``--seeds`` say what is played, and nothing is written; nor is it where these make a quick or a full
contest smaller.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from benchmarks.command import RESULTS
from benchmarks.search import figures, plots, report
from benchmarks.search.contenders import DEFAULT, GRIDS, NAMED, NAMES, OURS, SUFFIX, missing, searcher
from benchmarks.search.contest import CACHE, PICTURES, WORLDS, Game, Kept, grid, play_all
from benchmarks.search.curves import Curve
from benchmarks.search.tuning import tune

REFERENCE = 2400
"""The images of an opponent, the usual budget of a prompt search: what it reaches with them is the target."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: each of ``contenders`` in each of ``regimes``, on worlds 0 to ``seeds``; ours with ``images``, and where these don't
    bring it to what the best opponent reaches, with ``most``."""

    mode: str
    regimes: Sequence[str]
    contenders: Sequence[str]
    seeds: int
    images: int
    most: int


FAST = tuple(regime for regime in WORLDS if regime != PICTURES)
QUICK = Plan("quick", FAST, (OURS, DEFAULT, "gepa-current-best", "gepa-tuned", "random-tuned", "halving-tuned"), 20, 600, 600)
FULL = Plan(
    "full",
    WORLDS,
    # Of all but gepa only as they were tuned: what they are without it is played on request.
    (OURS, *(name for name in NAMED if name.startswith("gepa")), "halving", *(family + SUFFIX for family in GRIDS)),
    100,
    REFERENCE // 3,
    REFERENCE,
)
PAINTED = (OURS, DEFAULT, "gepa-current-best", "halving")
"""Who plays with pictures."""
PAINTED_SEEDS = 8
"""On so many worlds at most: some minutes for each game."""


def contest(plan: Plan, command: str, processes: int, kept: Kept) -> figures.Figures:
    """Plays it, and counts together."""
    left_out = {name: why for name in plan.contenders if (why := missing(name))}

    def played(ours: Mapping[str, int]) -> figures.Figures:
        places = [(regime, name) for regime in plan.regimes for name in plan.contenders if name not in left_out]
        games = {
            (regime, name): _games(name, regime, plan.seeds, ours[regime])
            for regime, name in places
            if regime != PICTURES or name in PAINTED
        }
        return figures.figures(plan.mode, command, _versions(), _curves(games, processes, kept), left_out)

    ours = dict.fromkeys(plan.regimes, plan.images)
    result = played(ours)
    beyond = {entry.regime: plan.most for entry in result.undecided}
    return played(ours | beyond) if beyond and plan.most > plan.images else result


def _games(name: str, regime: str, seeds: int, images: int) -> list[Game]:
    """All games of one contender in one regime; ours with ``images``."""
    who = searcher(name, regime)
    worlds = min(seeds, PAINTED_SEEDS) if regime == PICTURES else seeds
    return [Game(who, regime, seed, images if name == OURS else REFERENCE) for seed in range(worlds)]


def _curves(games: Mapping[tuple[str, str], Sequence[Game]], processes: int, kept: Kept) -> dict[tuple[str, str], Curve]:
    # World by world: what is there after a while is of all contenders.
    everything = sorted((game for listed in games.values() for game in listed), key=lambda game: game.seed)
    played = play_all(everything, processes, kept)
    return {
        place: figures.curve_of(listed, played, grid(listed[0].images) if listed[0].searcher.anytime else (REFERENCE,))
        for place, listed in games.items()
    }


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in ("phoropter", "gepa", "dspy", "promptolution", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed, 2 for a contender or a world that is not there."""
    options = _options()
    # Each process computes on one core; inherited by those that play.
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.readme:
        print(report.readme(figures.read(figures.newest(RESULTS))))
        return 0
    plan = _plan(options)
    known = list(GRIDS) if options.tune else NAMES
    wrong = [name for name in plan.contenders if name not in known] + [name for name in plan.regimes if name not in WORLDS]
    if wrong:
        print(f"there is no {wrong[0]}; contenders: {', '.join(known)}; worlds: {', '.join(WORLDS)}", file=sys.stderr)
        return 2
    kept = Kept(CACHE)
    if options.tune:
        tune(plan.contenders, plan.regimes, REFERENCE, options.processes, kept)
        return 0
    result = contest(plan, "python -m benchmarks.search " + " ".join(sys.argv[1:]), options.processes, kept)
    # Less than what the name promises is only shown.
    if plan in (QUICK, FULL):
        figures.write(result, RESULTS / f"search-{plan.mode}.json")
        (RESULTS / f"search-{plan.mode}.md").write_text(report.markdown(result))
        _draw(result)
    print(json.dumps(figures.as_json(result)) if options.json else report.text(result))
    return 1 if options.check and result.misses else 0


def _draw(result: figures.Figures) -> None:
    try:
        plots.draw(result, RESULTS)
    except ImportError as error:
        print(f"no pictures were drawn ({error}): pip install 'phoropter[bench]'", file=sys.stderr)


def _plan(options: argparse.Namespace) -> Plan:
    if options.tune:
        base = Plan("tune", FAST, tuple(GRIDS), 0, REFERENCE, REFERENCE)
    else:
        base = QUICK if options.quick else FULL if options.full else Plan("chosen", ("middle",), (OURS, DEFAULT), 10, 600, 600)
    return Plan(
        base.mode,
        tuple(options.regimes.split(",")) if options.regimes else base.regimes,
        tuple(options.contenders.split(",")) if options.contenders else base.contenders,
        options.seeds or base.seeds,
        options.images or base.images,
        options.images or base.most,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description="Hold ways to search side by side.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="at most ten minutes on two cores: fewer worlds and opponents")
    mode.add_argument("--full", action="store_true", help="everything, 100 worlds of each kind; goes on where it was killed")
    mode.add_argument("--tune", action="store_true", help="choose the opponents' settings on worlds of their own")
    mode.add_argument("--readme", action="store_true", help="print the README's table from what the last contest wrote")
    parser.add_argument("--regimes", help=f"only these, with commas between: {', '.join(WORLDS)}")
    parser.add_argument("--contenders", help=f"only these, with commas between: {', '.join(NAMES)}")
    parser.add_argument("--seeds", type=int, help="how many worlds of each regime")
    parser.add_argument("--images", type=int, help="how many images we have")
    parser.add_argument("--processes", type=int, default=2, help="how many games at once (2)")
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--json", action="store_true", help="print one JSON object for machines")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
