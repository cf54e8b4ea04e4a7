"""What is paid for, written down where no kill can undo it: a generator and a metric that note each request before they serve it.

For kill.py. Both append to :data:`LOG` in the current folder, one line per image or score.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gepa_beside import optimize
from benchmarks.search.worlds import MIDDLE, Evidence, SyntheticWorld
from data.identity import derived_seed
from data.records import GeneratedImage, Operation
from generator import ImageRequest
from generator.engines.embedded import EmbeddedGenerator

LOG = "paid.log"
SCORES = 400
"""Of gepa's run: its seed's validation and some 40 iterations."""
VALIDATION = 40
SECONDS_PER_SCORE = 0.002
"""So that a kill finds gepa measuring, as it would with any real metric, and not only writing its state."""


class CountedGenerator(EmbeddedGenerator):
    """The embedded generator, which notes each image that it is asked for. As a spec: ``benchmarks.counted:CountedGenerator``."""

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        note(len(requests))
        return await super().__call__(requests)


def note(count: int) -> None:
    """Appends ``count`` lines in one write."""
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, b"paid\n" * count)
    finally:
        os.close(log)


def noted(folder: Path) -> int:
    """How many lines a folder's log has."""
    log = folder / LOG
    return log.read_bytes().count(b"\n") if log.exists() else 0


def run_gepa() -> None:
    """gepa.optimize with ``gepa/`` of the current folder as its run_dir, to its end; prints what it ends with.

    A score depends on system prompt and prompt alone, and a reflection on what it reads: nothing but gepa's own state can make a resumed
    run end differently.
    """
    world = SyntheticWorld(MIDDLE, 1)

    def score(asked: Sequence[tuple[str, Sequence[int]]]) -> list[list[float]]:
        return [[_scored(world, text, prompt) for prompt in batch] for text, batch in asked]

    def write(asked: Sequence[tuple[str, Evidence]]) -> list[str]:
        return [world.propose(Operation.REFLECT, [parent], seen, derived_seed(parent, seen)) for parent, seen in asked]

    prompts = range(len(world.categories))
    named = optimize(world.root, prompts, score, write, scores=SCORES, val=VALIDATION, seed=1, run_dir=Path("gepa"))
    print(json.dumps({"best": named.best, "candidates": named.candidates, "counted": named.counted}))


def _scored(world: SyntheticWorld, text: str, prompt: int) -> float:
    note(1)
    time.sleep(SECONDS_PER_SCORE)
    return world.score(text, prompt, seed=0)
