"""Who takes part: our search, every opponent by name, and the settings among which each opponent is tuned.

"NAME-tuned" is an opponent with the settings that did best on separate worlds, chosen for each regime by itself (tuned.json, made by
``python -m benchmarks.search --tune``). The others are the settings that their documentation starts with.
"""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.search import ours
from benchmarks.search.meter import Meter
from benchmarks.search.opponents import Searcher
from benchmarks.search.opponents.capo import Capo
from benchmarks.search.opponents.dspy_gepa import DspyGepa
from benchmarks.search.opponents.gepa import Gepa
from benchmarks.search.opponents.mipro import Mipro
from benchmarks.search.opponents.simba import Simba
from benchmarks.search.opponents.simple import Halving, RandomSearch

OURS = "ours"
DEFAULT = "gepa-default"
TUNED_FILE = Path(__file__).parent / "tuned.json"


@dataclass(frozen=True, slots=True)
class Ours:
    """The search of `phoropter optimize`, with its default policy."""

    libraries: ClassVar[tuple[str, ...]] = ()
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        ours.run(meter, seed)


NAMED: Mapping[str, Searcher] = {
    OURS: Ours(),
    DEFAULT: Gepa(),
    "gepa-current-best": Gepa(selector="current_best"),
    "gepa-parallel": Gepa(parents=2, mutations=4),
    "gepa-val-16": Gepa(val=16),
    "gepa-val-8": Gepa(val=8),
    "dspy-gepa": DspyGepa(),
    "dspy-simba": Simba(),
    "dspy-mipro": Mipro(),
    "capo": Capo(),
    "random": RandomSearch(),
    "halving": Halving(),
}

GRIDS: Mapping[str, Sequence[Searcher]] = {
    "gepa": [
        Gepa(val, minibatch, selector, fixed_seeds=fixed_seeds)
        for val, minibatch, selector, fixed_seeds in product((8, 16, 40), (3, 8), ("pareto", "current_best", "top_k_pareto"), (False, True))
    ],
    "dspy-gepa": [DspyGepa(val, 3, selector) for val, selector in product((8, 16, 40), ("pareto", "current_best"))],
    "dspy-simba": [Simba(batch, candidates, train) for batch, candidates, train in product((4, 8, 16, 32), (4, 6), (32, 80))],
    "dspy-mipro": [
        Mipro(candidates, minibatch, val) for candidates, (minibatch, val) in product((6, 12, 30), ((0, 40), (10, 40), (35, 64)))
    ],
    "capo": [Capo(population, crossovers, block) for population, crossovers, block in product((5, 10), (4, 8), (10, 30))],
    "random": [RandomSearch(prompts, parent) for prompts, parent in product((5, 10, 20, 40, 80), ("any", "best"))],
    "halving": [Halving(*options) for options in product((3, 7, 15), (2, 4, 8, 16), (False, True))],
}
"""By opponent, the settings to choose among."""

SUFFIX = "-tuned"
INSTALL = "pip install 'phoropter[bench]' && pip install --no-deps promptolution==2.3.0"
"""promptolution asks for hydra-core, which it does not use here, and which holds other packages down."""
NAMES = (*NAMED, *(family + SUFFIX for family in GRIDS))


def searcher(name: str, regime: str) -> Searcher:
    """Who plays under this name in this regime. Raises KeyError for a name that is none, or that was never tuned."""
    if name in NAMED:
        return NAMED[name]
    family = name.removesuffix(SUFFIX)
    chosen = tuned()[family]
    wanted = chosen.get(regime) or chosen[OVERALL]
    return next(option for option in GRIDS[family] if asdict(option) == wanted)  # pyright: ignore[reportArgumentType]


OVERALL = "overall"


@cache
def tuned() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """The chosen options by family and regime; ``overall`` is what did best on average over all regimes."""
    return json.loads(TUNED_FILE.read_text())["chosen"] if TUNED_FILE.exists() else {}


def missing(name: str) -> str:
    """Why a contender can't take part here; empty where it can."""
    family = name.removesuffix(SUFFIX)
    if name not in NAMED and family not in GRIDS:
        return f"there is no {name}; there are {', '.join(NAMES)}"
    if name not in NAMED and OVERALL not in tuned().get(family, {}):
        return "not tuned yet: python -m benchmarks.search --tune"
    absent = [library for library in (NAMED.get(name) or GRIDS[family][0]).libraries if importlib.util.find_spec(library) is None]
    return f"{', '.join(absent)} not installed: {INSTALL}" if absent else ""
