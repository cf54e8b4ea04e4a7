"""Games: one contender, one world, so many images. Played on several cores, and kept, so that nothing is played twice.

A game is found again by the hash of all that determines it: the contender's options, the regime, the seed, the library's version and the
source that plays. A benchmark that was killed goes on where it was.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from benchmarks.search.meter import Meter
from benchmarks.search.opponents import Searcher
from benchmarks.search.pictures import PictureWorld
from benchmarks.search.replay import EMBEDDED, replayed
from benchmarks.search.worlds import REGIMES, World, synthetic
from data.identity import content_id, derived_seed

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "search-games.jsonl"
GRID = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400)
"""After so many images it is looked at what would be handed over."""


@dataclass(frozen=True, slots=True)
class Game:
    """One search: who, where, with how many images."""

    searcher: Searcher
    regime: str
    seed: int
    images: int


@dataclass(frozen=True, slots=True)
class Played:
    """How a game went: the true gain over the root at each point of GRID up to its images, the proposals and the images used. A searcher
    that answers at its end has its gain in the last place, and 0 before."""

    gains: tuple[float, ...]
    proposals: int
    spent: int


REPLAY = "replay: embedded"
"""The recorded table of the embedded world."""
PICTURES = "embedded pictures"
"""The embedded world itself, which takes a thousand times as long."""
WORLDS = (*REGIMES, *((REPLAY,) if EMBEDDED.exists() else ()), PICTURES)
"""All that can be played in."""


def world(regime: str, seed: int) -> World:
    """The world of a game."""
    if regime == REPLAY:
        return replayed()(seed)
    return PictureWorld(seed) if regime == PICTURES else synthetic(regime)(seed)


def play(game: Game) -> Played:
    """Plays it."""
    meter = Meter(world(game.regime, game.seed), game.images)
    game.searcher(meter, derived_seed("game", game.seed) >> 32)
    return Played(tuple(round(gain, 6) for gain in meter.gains(grid(game.images))), meter.proposals, meter.spent)


def grid(images: int) -> tuple[int, ...]:
    """The points of GRID within ``images``."""
    return tuple(point for point in GRID if point <= images)


def key(game: Game) -> str:
    """What determines a game, hashed."""
    searcher = type(game.searcher)
    return content_id(
        "game",
        {
            "searcher": [searcher.__name__, asdict(game.searcher)],  # pyright: ignore[reportArgumentType]
            "regime": [game.regime, _regime(game.regime)],
            "seed": game.seed,
            "images": game.images,
            "versions": [version(library) for library in searcher.libraries],
            "source": [_source(name) for name in _sources(searcher)],
        },
    )


def _regime(regime: str) -> object:
    if regime == REPLAY:
        return [_source(name) for name in ("benchmarks/search/replay.py", EMBEDDED.relative_to(ROOT).as_posix())]
    if regime == PICTURES:
        painted = ("benchmarks/search/pictures.py", "reasoner/embedded", "generator/embedded", "optimizer/proposers")
        return [_source(name) for name in painted]
    return asdict(REGIMES[regime])


def _sources(searcher: type[Searcher]) -> Sequence[str]:
    """The files and folders whose text decides how this searcher plays."""
    shared = ("benchmarks/search/meter.py", "benchmarks/search/worlds.py")
    if searcher.__name__ == "Ours":
        return (*shared, "benchmarks/search/ours.py", "optimizer")
    program = ("benchmarks/search/opponents/dspy_program.py",) if "dspy" in searcher.libraries else ()
    return (*shared, *program, searcher.__module__.replace(".", "/") + ".py")


@cache
def _source(name: str) -> str:
    """The code of a file, or of all files of a folder, hashed: comments, docstrings and line breaks play no part."""
    path = ROOT / name
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        digest.update(file.read_bytes() if file.suffix != ".py" else code_of(file).encode())
    return digest.hexdigest()


def code_of(file: Path) -> str:
    """What a Python file does, as text: equal for files that differ in comments, docstrings and layout only."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            said = [line for line in body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]  # pyright: ignore
            node.body = said  # pyright: ignore
    return ast.dump(tree)


class Kept:
    """Games that were played before: a file with one JSON object per line, which is only ever appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Played] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = _entry(line)
                if entry is not None:
                    self._known[entry[0]] = entry[1]

    def get(self, game: Game) -> Played | None:
        return self._known.get(key(game))

    def add(self, game: Game, played: Played) -> None:
        self._known[key(game)] = played
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key(game), "game": repr(game), **asdict(played)}) + "\n")


def _entry(line: str) -> tuple[str, Played] | None:
    """A line of the file; None for one that was cut off by a kill."""
    try:
        entry = json.loads(line)
        return entry["key"], Played(tuple(entry["gains"]), entry["proposals"], entry["spent"])
    except (ValueError, KeyError, TypeError):
        return None


def play_all(games: Iterable[Game], processes: int, kept: Kept) -> Mapping[Game, Played]:
    """Plays what is not known yet, and says on stderr how far it is."""
    wanted = list(dict.fromkeys(games))
    known = {game: played for game in wanted if (played := kept.get(game)) is not None}
    fresh = [game for game in wanted if game not in known]
    step = max(1, len(fresh) // 100)
    for number, (game, played) in enumerate(zip(fresh, _played(fresh, processes), strict=True), 1):
        kept.add(game, played)
        known[game] = played
        if number % step == 0 or number == len(fresh):
            print(f"\rgames: {number} of {len(fresh)}, {len(wanted) - len(fresh)} known before", end="", file=sys.stderr, flush=True)
    if fresh:
        print(file=sys.stderr)
    return known


def _played(games: Sequence[Game], processes: int) -> Iterator[Played]:
    if processes == 1 or not games:
        yield from map(play, games)
        return
    # Processes of their own, not forks: libraries may have started threads here.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(play, games, chunksize=2)
