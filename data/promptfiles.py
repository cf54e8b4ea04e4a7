"""Files that people keep prompts in: lines, tables, JSON Lines; all that is wrong with one, by line. It does not know what rows mean."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import UsageError

TEXT_COLUMNS = ("prompt", "text", "caption")
"""Where a prompt's text is looked for when no column is named, in this order; capitals don't matter."""
LISTED = 20
"""Problems of one file that are listed; the others are counted."""


@dataclass(slots=True)
class PromptFile:
    """A file that is being read: its text, and what is wrong with it so far."""

    path: Path
    text: str
    column: str | None = None
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def problem(self, line: int, reason: str) -> None:
        self.problems.append((line, reason))

    def raise_problems(self, hint: str = "nothing was imported; docs/formats.md shows what can be") -> None:
        """Raises UsageError with all problems, if there are any."""
        if not self.problems:
            return
        listed = [f"{self.path}:{line}: {reason}" for line, reason in sorted(self.problems)[:LISTED]]
        if len(self.problems) > LISTED:
            listed.append(f"and {len(self.problems) - LISTED} more")
        raise UsageError("\n".join(listed), hint=hint)

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

    def text_column(self, names: Sequence[str], line: int) -> str | None:
        """The one of ``names`` under which the text is; a problem of ``line`` if there is none."""
        if self.column is not None:
            if self.column in names:
                return self.column
            self.problem(line, f"there is no column {self.column!r}; there are: {', '.join(names)}")
            return None
        found = next((name for wanted in TEXT_COLUMNS for name in names if name.lower() == wanted), None)
        if found is None:
            self.problem(line, f"no column {' or '.join(TEXT_COLUMNS)}; there are: {', '.join(names)}. Name the one to read with --column")
        return found


def open_prompt_file(path: Path, column: str | None = None, *, of: str = "prompts") -> PromptFile:
    """Reads all of a UTF-8 file ``of`` prompts, or what else is in it; UsageError where that can't be done."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}", hint=f"give a file of {of}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
        raise UsageError(
            f"{path}:{line}: not UTF-8 (byte 0x{content[error.start]:02x})",
            hint=f"convert it, for example: iconv -f {guess} -t UTF-8 {path} > {path.stem}-utf8{path.suffix}",
        ) from None
    return PromptFile(path, text.replace("\r\n", "\n").replace("\r", "\n"), column)
