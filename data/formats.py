"""Prompt sets: our own JSON Lines in and out, and what other people's files hold, turned into Prompts.

A file is read as a whole or not at all: everything that is wrong with it is said at once, by line. Which rows make a good set is another
question (data/lint.py), and so is which prompts a search may see (data/splits.py).
"""

import difflib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from data.checklists import scene_checklist
from data.errors import UsageError
from data.lint import Finding, Severity, lint_prompts, written_from_another
from data.promptfiles import PromptFile, open_prompt_file
from data.published import read_dsg, read_geneval, read_partiprompts
from data.records import CriterionKind, Need, Prompt, Split
from data.splits import assign_splits

__all__ = [
    "FORMATS",
    "Finding",
    "Severity",
    "assign_splits",
    "import_prompts",
    "lint_prompts",
    "load_prompts",
    "save_prompts",
    "shipped_sets",
]

SHIPPED = Path(__file__).parent / "promptsets"
_FIELDS = ("text", "category", "language", "split", "tags", "scene", "checklist", "checklist_from")
_OURS = frozenset(("split", "tags", "scene", "checklist", "checklist_from"))
"""A row with one of these is one of ours: an unknown field beside them is a mistake."""
_CRITERION_FIELDS = ("id", "text", "kind", "need", "weight", "check", "parents")
_REWRITES = frozenset((
    "rewrite", "rewritten", "rewritten_prompt", "revised_prompt", "enhanced_prompt", "improved_prompt", "expanded_prompt", "refined_prompt",
    "upsampled_prompt", "long_prompt", "detailed_prompt",
))  # fmt: skip
"""Fields in which others keep what a rewriter made of a text."""
_ALONE = "Criteria are written from the user's text alone: make sure of that"


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
    file = open_prompt_file(Path(path), column)
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
        column = column or file.text_column(list(row), 1)
        if column is None:
            return
        prompt = _loose_prompt(file, line, row, column)
        if prompt is not None:
            yield line, prompt


def _read_jsonl(file: PromptFile) -> Iterator[tuple[int, Prompt]]:
    rows = list(file.objects())
    ours = file.column is None and any(row.keys() & _OURS for _, row in rows)
    for line, row in rows:
        if ours:
            prompt = _our_prompt(file, line, row)
        else:
            column = file.text_column(list(row), line)
            prompt = None if column is None else _loose_prompt(file, line, row, column)
        if prompt is not None:
            yield line, prompt


def _loose_prompt(file: PromptFile, line: int, row: Mapping[str, Any], column: str) -> Prompt | None:
    """A prompt of somebody else's table or object: the text, and what of ours stands beside it."""
    text: object = row[column]
    if not isinstance(text, str) or not text.strip():
        file.problem(line, f"no text in {column!r}")
        return None
    try:
        split = Split(row.get("split") or Split.SEARCH)
    except ValueError:
        file.problem(line, _unknown("split", row["split"], Split))
        return None
    return Prompt(text.strip(), category=str(row.get("category") or ""), language=str(row.get("language") or "en"), split=split)


def _our_prompt(file: PromptFile, line: int, row: Mapping[str, Any]) -> Prompt | None:
    """A prompt of ours, checked field by field."""
    reasons = list(_mistakes(row))
    for reason in reasons:
        file.problem(line, reason)
    if reasons:
        return None
    try:
        prompt = Prompt.from_json(row)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        file.problem(line, f"{'no field ' if isinstance(error, KeyError) else ''}{error}")
        return None
    return replace(prompt, checklist=scene_checklist(prompt.scene)) if prompt.scene is not None and not prompt.checklist else prompt


def _mistakes(row: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(row.get("text"), str) or not row["text"].strip():
        yield "no text"
    for name in row:
        if name in _REWRITES and row.get("checklist"):
            yield f"a rewrite stands beside the checklist, in {name!r}: was the checklist written from that? {_ALONE}, then remove {name!r}"
        elif name not in _FIELDS:
            yield f"unknown field {name!r}; there are: {', '.join(_FIELDS)}"
    texts = ("category", "language", "checklist_from")
    yield from (f"{name} is no text: {row[name]!r}" for name in texts if not isinstance(row.get(name, ""), str))
    source: object = row.get("checklist_from")
    if row.get("checklist") and isinstance(source, str) and source and source != row.get("text"):
        yield written_from_another(source)
    if row.get("split", "search") not in list(Split):
        yield _unknown("split", row["split"], Split)
    tags: object = row.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):  # pyright: ignore[reportUnknownVariableType]
        yield "tags is no list of texts"
    checklist: object = row.get("checklist", [])
    if not isinstance(checklist, list):
        yield "checklist is no list"
        return
    ids: set[object] = set()
    for criterion in checklist:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(criterion, dict):
            yield f"a criterion is a JSON object, not {criterion!r}"
            continue
        yield from _criterion_mistakes(criterion, ids)  # pyright: ignore[reportUnknownArgumentType]


def _criterion_mistakes(criterion: Mapping[str, Any], ids: set[object]) -> Iterator[str]:
    """What is wrong with one criterion; adds its id to those of the checklist."""
    identifier = criterion.get("id")
    name = f"criterion {identifier!r}"
    if not isinstance(identifier, str) or not identifier:
        yield "a criterion has no id"
    elif identifier in ids:
        yield f"{name} is there twice"
    ids.add(identifier if isinstance(identifier, str) else None)
    if not isinstance(criterion.get("text"), str) or not criterion["text"].strip():
        yield f"{name} has no text"
    yield from (
        f"{name}: unknown field {key!r}; there are: {', '.join(_CRITERION_FIELDS)}" for key in criterion if key not in _CRITERION_FIELDS
    )
    if criterion.get("kind") not in list(CriterionKind):
        yield f"{name}: {_unknown('kind', criterion.get('kind'), CriterionKind)}"
    if criterion.get("need", "must") not in list(Need):
        yield f"{name}: {_unknown('need', criterion['need'], Need)}"
    parents: object = criterion.get("parents", [])
    if not isinstance(parents, list) or not all(isinstance(parent, str) for parent in parents):  # pyright: ignore[reportUnknownVariableType]
        yield f"{name}: parents is no list of ids"
    weight: object = criterion.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        yield f"{name}: weight is a number above 0, not {weight!r}"


def _unknown(name: str, value: object, known: type[Enum]) -> str:
    return f"unknown {name} {value!r}; there are: {', '.join(str(member.value) for member in known)}"


FORMATS: Mapping[str, Callable[[PromptFile], Iterator[tuple[int, Prompt]]]] = {
    "text": _read_text,
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "partiprompts": read_partiprompts,
    "geneval": read_geneval,
    "dsg": read_dsg,
}
"""What can be imported: a prompt a line; tables with a named column; JSON Lines, ours or others'; three published sets."""
