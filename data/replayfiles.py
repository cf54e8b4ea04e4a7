"""Replay tables (data/replay.py) as Parquet files that any tool reads: docs/replay-table.md describes them for everybody.

A row is a cell. What the ids in the rows mean stands in the file's metadata, as one JSON object. A file is read as a whole or not at all.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyarrow comes without types.

import json
import os
import secrets
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import FailureKind, Stage, UsageError
from data.records import CriterionScore, Derivation, Operation, Prompt, SystemPrompt
from data.replay import PIPELINE, STAGES, Cell, Place, ReplayTable, Used

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
"""The version of the format; a file of another one is refused."""
HEADING = b"phoropter"
"""The key of the file's metadata under which that object is found."""
PROBLEMS_SHOWN = 3
PROMPT_FIELDS = ("text", "category", "language", "split", "tags", "checklist")
"""What of a prompt is in the metadata, beside its id."""
_HOW = "docs/replay-table.md says what belongs there; `phoropter export RUN --table FILE` writes such a file"


def write_replay(table: ReplayTable, path: str | Path) -> None:
    """Writes a table; the file is there as a whole, or as it was before. Equal tables make equal files, where pyarrow is the same.

    UsageError where it can't be written, or the table can't be.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    _raise_problems(target, table)
    heading = json.dumps(_heading(table), ensure_ascii=False, separators=(",", ":")).encode()
    rows = pa.Table.from_pylist([_row(cell) for cell in table.cells], schema=_schema())
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                # Arrow's own schema, beside Parquet's, would hold the metadata once more.
                with pq.ParquetWriter(file, rows.schema, compression="zstd", compression_level=9, store_schema=False) as writer:
                    writer.write_table(rows)
                    writer.add_key_value_metadata({HEADING: heading})
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror or error}", hint="choose another file") from error


def read_replay(path: str | Path) -> ReplayTable:
    """Reads a table; UsageError says what is wrong with the file. Columns that are not ours are passed over."""
    source = Path(path)
    rows, metadata = _read(source)
    try:
        heading = json.loads(metadata[HEADING])
        version = heading["format"]
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{source} is a Parquet file, but no replay table", hint=_HOW) from None
    if version != FORMAT:
        hint = "`pip install -U phoropter`" if isinstance(version, int) and version > FORMAT else _HOW
        raise UsageError(f"{source} has version {version} of the format; this Phoropter reads version {FORMAT}", hint=hint)
    fitted = _fitted(source, rows)
    try:
        table = ReplayTable(
            {stage: str(heading["pipeline"][stage]) for stage in PIPELINE},
            tuple(map(_derivation, heading["system_prompts"])),
            tuple(map(_prompt, heading["prompts"])),
            tuple(map(_cell, fitted.to_pylist())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{source} can't be read: {what}", hint=_HOW) from None
    _raise_problems(source, table)
    return table


def _raise_problems(path: Path, table: ReplayTable) -> None:
    found = list(islice(table.problems(), PROBLEMS_SHOWN + 1))
    if found:
        more = "; …" if len(found) > PROBLEMS_SHOWN else ""
        raise UsageError(f"{path} is no good replay table: {'; '.join(found[:PROBLEMS_SHOWN])}{more}", hint=_HOW)


def _schema() -> "pa.Schema":
    """The columns, in their order."""
    import pyarrow as pa

    whole, real, word = pa.int64(), pa.float64(), pa.string()
    used = [(f"{stage}_{what}", kind) for stage in STAGES for what, kind in (("tokens", whole), ("cost", real), ("seconds", real))]
    return pa.schema([
        pa.field("system_prompt", word, nullable=False),
        pa.field("prompt", word, nullable=False),
        pa.field("sample", whole, nullable=False),
        pa.field("seed", whole, nullable=False),
        pa.field("look", whole, nullable=False),
        ("score", real),
        ("failed_stage", word),
        ("failure", word),
        pa.field("criteria", pa.list_(pa.struct([("id", word), ("score", real)])), nullable=False),
        ("rewrite_words", whole),
        *used,
    ])  # fmt: skip


def _read(source: Path) -> "tuple[pa.Table, Mapping[bytes, bytes]]":
    """The rows, and the metadata of the file: a schema that other tools put beside it has metadata of its own, or none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with source.open("rb") as file:
            parquet = pq.ParquetFile(file)
            return parquet.read(), parquet.metadata.metadata or {}
    except OSError as error:
        raise UsageError(f"{source} can't be read: {error.strerror or error}", hint="give a file that is there") from None
    except pa.ArrowException:
        raise UsageError(f"{source} is no Parquet file, or a damaged one", hint=_HOW) from None


def _fitted(source: Path, rows: "pa.Table") -> "pa.Table":
    """The columns of the format, in its types: others write longer integers or strings of another layout."""
    import pyarrow as pa

    schema = _schema()
    missing = [name for name in schema.names if name not in rows.column_names]
    if missing:
        raise UsageError(f"{source} has no column {', '.join(missing)}", hint=_HOW)
    for field in schema:
        column = rows[field.name]
        if not field.nullable and column.null_count:
            raise UsageError(f"{source}: {column.null_count} rows have no {field.name}", hint=_HOW)
        if not column.type.equals(field.type):
            try:
                rows = rows.set_column(rows.column_names.index(field.name), field.name, column.cast(field.type))
            except pa.ArrowException:
                raise UsageError(f"{source}: column {field.name} has {column.type} in place of {field.type}", hint=_HOW) from None
    return rows.select(schema.names)


# -- rows and metadata


def _row(cell: Cell) -> dict[str, Any]:
    return {
        **cell.place._asdict(),
        "score": cell.score,
        "failed_stage": None if cell.failed is None else cell.failed.value,
        "failure": None if cell.failure is None else cell.failure.value,
        "criteria": [{"id": entry.id, "score": entry.score} for entry in cell.criteria],
        "rewrite_words": cell.rewrite_words,
        **{
            f"{stage}_{what}": getattr(getattr(cell, stage), what) for stage in STAGES for what in ("tokens", "cost", "seconds")
        },
    }  # fmt: skip


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(
        Place(*(row[name] for name in Place._fields)),
        row["score"],
        None if row["failed_stage"] is None else Stage(row["failed_stage"]),
        None if row["failure"] is None else FailureKind(row["failure"]),
        tuple(CriterionScore(entry["id"], entry["score"]) for entry in row["criteria"]),
        row["rewrite_words"],
        *(Used(row[f"{stage}_tokens"], row[f"{stage}_cost"], row[f"{stage}_seconds"]) for stage in STAGES),
    )


def _heading(table: ReplayTable) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "pipeline": {stage: table.pipeline[stage] for stage in PIPELINE},
        "system_prompts": [
            {
                "id": derivation.child.id,
                "name": derivation.child.name,
                "text": derivation.child.text,
                "parents": list(derivation.parents),
                "operation": derivation.operation.value,
                "reason": derivation.reason,
            }
            for derivation in table.lineage
        ],
        "prompts": [{"id": prompt.id, **{name: prompt.to_json()[name] for name in PROMPT_FIELDS}} for prompt in table.prompts],
    }


def _derivation(entry: Mapping[str, Any]) -> Derivation:
    system_prompt = SystemPrompt(entry["text"], entry["name"])
    if system_prompt.id != entry["id"]:
        raise ValueError(f"the text of system prompt {entry['id']} has the id {system_prompt.id}")
    return Derivation(system_prompt, tuple(entry["parents"]), Operation(entry["operation"]), entry["reason"])


def _prompt(entry: Mapping[str, Any]) -> Prompt:
    prompt = Prompt.from_json(entry)
    if prompt.id != entry["id"]:
        raise ValueError(f"the text and the checklist of prompt {entry['id']} have the id {prompt.id}")
    return prompt
