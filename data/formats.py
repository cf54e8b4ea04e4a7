"""Prompt sets: our own JSON Lines in and out, and what other people's files hold, turned into Prompts.

A file is read as a whole or not at all: everything that is wrong with it is said at once, by line. Which rows make a good set is another
question (data/lint.py), and so is which prompts a search may see (data/splits.py).
"""

import csv
import difflib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from data.checklists import scene_checklist
from data.errors import UsageError
from data.lint import Finding, Severity, lint_prompts
from data.records import CriterionKind, Need, Prompt, Split
from data.splits import assign_splits

__all__ = ["FORMATS", "Finding", "Severity", "assign_splits", "import_prompts", "lint_prompts", "load_prompts", "save_prompts", "shipped_sets"]

SHIPPED = Path(__file__).parent / "promptsets"
TEXT_COLUMNS = ("prompt", "text", "caption")
"""Where a prompt's text is looked for when no column is named, in this order; capitals don't matter."""
LISTED = 20
"""Problems of one file that are listed; the others are counted."""

_FIELDS = ("text", "category", "language", "split", "tags", "scene", "checklist")
_OURS = frozenset(("split", "tags", "scene", "checklist"))
"""A row with one of these is one of ours: an unknown field beside them is a mistake."""
_CRITERION_FIELDS = ("id", "text", "kind", "need", "weight", "check")


def shipped_sets() -> list[str]:
    """The names of the prompt sets that come with Phoropter."""
    return sorted(path.stem for path in SHIPPED.glob("*.jsonl"))


def load_prompts(source: str | Path) -> list[Prompt]:
    """The prompts of a shipped set, by name, or of a file in any format that can be told by looking at it."""
    if str(source) in shipped_sets():
        return import_prompts(SHIPPED / f"{source}.jsonl", "jsonl")
    if not Path(source).exists():
        near = difflib.get_close_matches(str(source), shipped_sets(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no prompt set {str(source)!r}", hint=f"{hint}shipped are: {', '.join(shipped_sets())}; or give a file")
    return import_prompts(source)


def import_prompts(path: str | Path, format: str | None = None, column: str | None = None) -> list[Prompt]:
    """The prompts of a file. ``format``: one of FORMATS, None to tell by the file; ``column``: where the text is, in tables and objects.

    UsageError names each line that can't be read, and why; rows that are there twice are among them.
    """
    file = PromptFile(Path(path), _text_of(Path(path)), column)
    name = format or detected_format(file)
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}", hint=f"there are: {', '.join(FORMATS)}")
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for line, prompt in FORMATS[name](file):
        if prompt.text in lines:
            file.problem(line, f"the same text as in line {lines[prompt.text]}: {prompt.text[:60]!r}")
        lines.setdefault(prompt.text, line)
        prompts.append(prompt)
    if not prompts and not file.problems:
        file.problem(1, "there are no prompts in this file")
    file.raise_problems()
    return prompts


def save_prompts(prompts: Sequence[Prompt], path: str | Path) -> None:
    """Writes a prompt set in our JSON Lines; the file is there as a whole, or as it was before."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(json.dumps(prompt.to_json(), ensure_ascii=False) + "\n" for prompt in prompts)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror or error}", hint="choose another file") from error


@dataclass(slots=True)
class PromptFile:
    """A file that is being read: its text, and what is wrong with it so far."""

    path: Path
    text: str
    column: str | None = None
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def problem(self, line: int, reason: str) -> None:
        self.problems.append((line, reason))

    def raise_problems(self) -> None:
        """Raises UsageError with all problems, if there are any."""
        if not self.problems:
            return
        listed = [f"{self.path}:{line}: {reason}" for line, reason in sorted(self.problems)[:LISTED]]
        if len(self.problems) > LISTED:
            listed.append(f"and {len(self.problems) - LISTED} more")
        raise UsageError("\n".join(listed), hint="nothing was imported; docs/formats.md shows what can be")

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines that are not blank, numbered from 1. A line ends at a line feed, as editors count, and nowhere else."""
        for number, line in enumerate(self.text.split("\n"), start=1):
            if line.strip():
                yield number, line.strip()

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The JSON objects, one a line."""
        for number, line in self.lines():
            try:
                row: object = json.loads(line)
            except ValueError as error:
                self.problem(number, f"no JSON: {error}")
                continue
            if isinstance(row, dict):
                yield number, row  # pyright: ignore[reportUnknownVariableType]
            else:
                self.problem(number, "one JSON object a line is wanted, as in JSON Lines")

    def rows(self, delimiter: str, *, quoted: bool = True) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows of a table with a header, by column name; a row's line is its first."""
        quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        reader = csv.reader(self.text.splitlines(keepends=True), delimiter=delimiter, quoting=quoting, strict=quoted)
        header: list[str] | None = None
        before = 0
        try:
            for cells in reader:
                line, before = before + 1, reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if header is None:
                    header = [cell.strip() for cell in cells]
                elif len(cells) != len(header):
                    self.problem(line, f"{len(cells)} cells under {len(header)} columns")
                else:
                    yield line, dict(zip(header, (cell.strip() for cell in cells), strict=True))
        except csv.Error as error:
            self.problem(before + 1, f"no table: {error}")

    def text_column(self, names: Sequence[str]) -> str | None:
        """The one of ``names`` under which the text is; a problem if there is none."""
        if self.column is not None:
            if self.column in names:
                return self.column
            self.problem(1, f"there is no column {self.column!r}; there are: {', '.join(names)}")
            return None
        for wanted in TEXT_COLUMNS:
            for name in names:
                if name.lower() == wanted:
                    return name
        self.problem(1, f"none of the columns {', '.join(TEXT_COLUMNS)}; there are: {', '.join(names)}. Name one with --column")
        return None


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}", hint="give a file of prompts") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
        raise UsageError(
            f"{path}:{line}: not UTF-8 (byte 0x{content[error.start]:02x})",
            hint=f"convert it, for example: iconv -f {guess} -t UTF-8 {path} > {path.stem}-utf8{path.suffix}",
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def detected_format(file: PromptFile) -> str:
    """What a file is, by its suffix and first line."""
    first = file.text.lstrip().split("\n", 1)[0]
    suffix = file.path.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".json") or (first.startswith("{") and suffix not in (".csv", ".tsv")):
        return "geneval" if all(f'"{key}"' in first for key in ("tag", "include", "prompt")) else "jsonl"
    if suffix == ".tsv":
        return "partiprompts" if first.split("\t")[:3] == ["Prompt", "Category", "Challenge"] else "tsv"
    if suffix == ".csv":
        return "dsg" if {"item_id", "proposition_id", "question_natural_language"} <= set(first.split(",")) else "csv"
    return "text"


# -- the formats


def _read_text(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    for number, line in file.lines():
        yield number, Prompt(line)


def _read_csv(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    return _read_table(file, file.rows(","))


def _read_tsv(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    return _read_table(file, ((line, {name: _unquoted(cell) for name, cell in row.items()}) for line, row in file.rows("\t", quoted=False)))


def _unquoted(cell: str) -> str:
    """A cell as spreadsheets quote it; quotes within a text are kept."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def _read_table(file: PromptFile, rows: Iterator[tuple[int, Mapping[str, str]]]) -> Iterator[tuple[int, Prompt]]:
    column: str | None = None
    for line, row in rows:
        column = column or file.text_column(list(row))
        if column is None:
            return
        prompt = _loose_prompt(file, line, row, column)
        if prompt is not None:
            yield line, prompt


def _read_jsonl(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    rows = list(file.objects())
    ours = file.column is None and any(row.keys() & _OURS for _, row in rows)
    for line, row in rows:
        column = None if ours else file.text_column(list(row)) if not file.problems else _column_again(file, row)
        prompt = _our_prompt(file, line, row) if ours else _loose_prompt(file, line, row, column or "")
        if prompt is not None:
            yield line, prompt


def _column_again(file: PromptFile, row: Mapping[str, Any]) -> str | None:
    wanted = (file.column,) if file.column else TEXT_COLUMNS
    return next((name for name in row if name in wanted or name.lower() in wanted), None)
