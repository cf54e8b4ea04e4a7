"""A small replay table with a bit of everything: two roots, a merge, a lost cell, second looks, three splits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import FailureKind, Stage
from data.identity import derived_random
from data.records import Criterion, CriterionKind, CriterionScore, Derivation, Operation, Prompt, Split, SystemPrompt
from data.replay import Cell, Place, ReplayTable, Used

TEXTS = ("plain", "good", "plain, kind", "plain, kind, short", "plain, good", "plain, loud")
PARENTS: Mapping[str, tuple[str, ...]] = {
    "plain, kind": ("plain",),
    "plain, kind, short": ("plain, kind",),
    "plain, good": ("plain", "good"),
    "plain, loud": ("plain",),
}
OPERATIONS: Mapping[str, Operation] = {
    "plain, kind": Operation.REFLECT,
    "plain, kind, short": Operation.CONDENSE,
    "plain, good": Operation.MERGE,
    "plain, loud": Operation.EXPLORE,
}
PASSES = ((3, 41), (5, 7), (9, 26))
PIPELINE = {"reasoner": "r:1", "generator": "g:1", "judge": "j:1"}


def prompts() -> tuple[Prompt, ...]:
    checklist = (Criterion("c0", "A cat is visible", CriterionKind.ENTITY), Criterion("c1", "It is grey", CriterionKind.ATTRIBUTE))
    return (
        Prompt("a cat", checklist, "animals", split=Split.SEARCH, tags=("short",)),
        Prompt("a birthday, „très chic“", (), "events", "fr", split=Split.SELECT),
        Prompt("two cats", checklist, "animals", split=Split.TEST),
        Prompt("no cats", (), "animals", split=Split.TEST),
        Prompt("a bat", (), "traps", split=Split.CANARY),
    )


def derivation(text: str) -> Derivation:
    parents = tuple(SystemPrompt(parent).id for parent in PARENTS.get(text, ()))
    return Derivation(SystemPrompt(text, text if not parents else ""), parents, OPERATIONS.get(text, Operation.ROOT), f"why “{text}”")


def cell(text: str, prompt: Prompt, sample: int, seed: int, look: int) -> Cell:
    place = Place(SystemPrompt(text).id, prompt.id, sample, seed, look)
    if (text, prompt.text, seed) == ("plain, kind", "a cat", 7):
        return Cell(place, None, Stage.GENERATE, FailureKind.TIMEOUT, rewrite_words=12, rewrite=Used(30, 0.001, 1.5), image=Used(0, None))
    score = derived_random(*place).random()
    criteria = (CriterionScore("c0", 1.0), CriterionScore("c1", None))
    return Cell(place, score, None, None, criteria, 12, Used(30, 0.001, 1.5), Used(0, 0.0, 2.25), Used(5, None, 0.5))


def small_table() -> ReplayTable:
    cells = tuple(
        cell(text, prompt, sample, seed, look) for text in TEXTS for prompt in prompts() for sample, seed in PASSES for look in range(2)
    )
    return ReplayTable(PIPELINE, tuple(map(derivation, TEXTS)), prompts(), cells)


def rewritten(path: Path, rows: pa.Table | None = None, heading: bytes | None = None) -> Path:
    """The file anew with other rows or another heading, as another tool would leave it."""
    old = heading if heading is not None else pq.read_metadata(path).metadata[b"phoropter"]
    bare: Any = (rows if rows is not None else pq.read_table(path)).replace_schema_metadata()
    with pq.ParquetWriter(path, bare.schema) as writer:
        writer.write_table(bare)
        writer.add_key_value_metadata({b"phoropter": old})
    return path
