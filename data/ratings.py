"""What people think of pictures, from a CSV file: ratings of single pictures, or choices between two. Reading only: what follows from it
is for optimizer/agreement.py to say.

A file is read as a whole or not at all: everything that is wrong with it is said at once, by line.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data.errors import UsageError
from data.promptfiles import PromptFile, open_prompt_file

RATED = ("image", "prompt", "rating")
"""Columns of a file of ratings; ``rater`` and ``prompt_id`` may be there, too, and any others are not looked at."""
CHOSEN = ("image_a", "image_b", "prompt", "choice")
"""Columns of a file of choices."""
CHOICES: Mapping[str, float] = {"a": 1.0, "b": 0.0, "tie": 0.5}
_DIGITS = re.compile(r"[0-9a-f]{8,64}")
_SEPARATORS = (",", ";", "\t")
_HINT = f"a file of ratings has the columns {', '.join(RATED)}, or {', '.join(CHOSEN)}; docs/formats.md shows both"


class ImageName(NamedTuple):
    """A picture as a file names it: its ``path``, which is there, or None where ``text`` is the first digits of a sha256 in the ledger."""

    text: str
    path: Path | None


class Rating(NamedTuple):
    """``rating``: higher is better, on whatever scale. ``group``: prompts of one are related; the prompt's own text where no id is given.
    ``rater``: "" where the file names none."""

    line: int
    image: ImageName
    prompt: str
    group: str
    rating: float
    rater: str


class Choice(NamedTuple):
    """``choice``: 1 where the ``first`` picture is better, 0 where the ``second`` is, 0.5 for a tie."""

    line: int
    first: ImageName
    second: ImageName
    prompt: str
    group: str
    choice: float
    rater: str


@dataclass(frozen=True, slots=True)
class Ratings:
    """A file's rows: ``ratings`` or ``choices``, the other is empty."""

    path: Path
    ratings: Sequence[Rating] = ()
    choices: Sequence[Choice] = ()


def load_ratings(path: str | Path) -> Ratings:
    """Reads a file of ratings or choices, told by its header: commas, semicolons or tabs, quotes, a byte order mark, any capitals.

    Pictures are named by their path from the file's folder, and have to lie in it or below: a file from elsewhere is not to say what
    else of this machine is read, and shown to a model. UsageError names each line that is wrong, and why.
    """
    file = open_prompt_file(Path(path), of="ratings")
    rows = [(line, {_plain(name): cell for name, cell in row.items()}) for line, row in file.rows(_separator(file.text))]
    ratings: list[Rating] = []
    choices: list[Choice] = []
    if not rows:
        file.problem(1, "there are no ratings in this file")
    elif set(CHOSEN) <= rows[0][1].keys():
        choices = list(_choices(file, rows))
    elif set(RATED) <= rows[0][1].keys():
        ratings = list(_ratings(file, rows))
    else:
        names = list(rows[0][1])
        wanted = CHOSEN if {"image_a", "image_b", "choice"} & set(names) else RATED
        missing = ", ".join(name for name in wanted if name not in names)
        file.problem(1, f"no column {missing}; there are: {', '.join(names)}")
    file.raise_problems(_HINT)
    return Ratings(file.path, ratings, choices)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _separator(text: str) -> str:
    """What stands between the columns: what there is most of in the header, whose names have none of them."""
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


_Rows = Sequence[tuple[int, dict[str, str]]]


def _ratings(file: PromptFile, rows: _Rows) -> Iterator[Rating]:
    for line, row in rows:
        prompt, image = _prompt(file, line, row), _image(file, line, row, "image")
        rating, rater = _number(file, line, row["rating"]), _rater(file, line, row)
        if prompt and image and rating is not None and rater is not None:
            yield Rating(line, image, prompt, row.get("prompt_id") or prompt, rating, rater)


def _choices(file: PromptFile, rows: _Rows) -> Iterator[Choice]:
    for line, row in rows:
        prompt, first, second = _prompt(file, line, row), _image(file, line, row, "image_a"), _image(file, line, row, "image_b")
        choice, rater = CHOICES.get(row["choice"].lower()), _rater(file, line, row)
        if choice is None:
            file.problem(line, f"choice is one of {', '.join(CHOICES)}, not {row['choice']!r}")
        if first and second and (first.path or first.text) == (second.path or second.text):
            file.problem(line, f"image_a and image_b are the same: {first.text!r}")
        if prompt and first and second and choice is not None and rater is not None:
            yield Choice(line, first, second, prompt, row.get("prompt_id") or prompt, choice, rater)


def _prompt(file: PromptFile, line: int, row: Mapping[str, str]) -> str:
    if not row["prompt"]:
        file.problem(line, "no prompt")
    return row["prompt"]


def _rater(file: PromptFile, line: int, row: Mapping[str, str]) -> str | None:
    if row.get("rater", "") or "rater" not in row:
        return row.get("rater", "")
    file.problem(line, "no rater, where others have one")
    return None


def _number(file: PromptFile, line: int, cell: str) -> float | None:
    """A finite number; with a decimal comma, too, which a cell can have where something else separates them."""
    try:
        number = float(cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    file.problem(line, f"rating is a number, not {cell!r}")
    return None


def _image(file: PromptFile, line: int, row: Mapping[str, str], column: str) -> ImageName | None:
    name = row[column]
    folder = file.path.parent.resolve()
    try:
        path = (folder / name).resolve()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # A name that is too long or has a zero byte, links in a circle.
        file.problem(line, f"{column} is no path: {name[:80]!r}")
        return None
    if not name:
        file.problem(line, f"no {column}")
    elif not path.is_relative_to(folder):
        file.problem(line, f"{column} {name!r} lies outside of {file.path.parent}, the folder of this file")
    elif there:
        return ImageName(name, path)
    elif _DIGITS.fullmatch(name.lower()):
        return ImageName(name.lower(), None)
    else:
        file.problem(line, f"{column} {name!r} is no file below {file.path.parent}, nor eight or more digits of a sha256")
    return None


def resolved(ratings: Ratings, found: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """The sha256 behind each name that is digits, from all that begin so; UsageError names those that none or several do."""
    problems: list[str] = []
    names: dict[str, str] = {}
    for line, name in _digits(ratings):
        match list(found.get(name, ())):
            case [sha256]:
                names[name] = sha256
            case []:
                problems.append(f"{ratings.path}:{line}: no image on record begins with {name!r}")
            case several:
                problems.append(f"{ratings.path}:{line}: {len(several)} images on record begin with {name!r}")
    if problems:
        raise UsageError("\n".join(problems[:20]), hint="give more digits, or the ledger that has them: --ledger URL, --home FOLDER")
    return names


def _digits(ratings: Ratings) -> Iterator[tuple[int, str]]:
    named = [(row.line, row.image) for row in ratings.ratings]
    named += [(row.line, image) for row in ratings.choices for image in (row.first, row.second)]
    yield from ((line, image.text) for line, image in named if image.path is None)


def names_in_ledger(ratings: Ratings) -> list[str]:
    """The first digits of the images that are to be found in the ledger."""
    return sorted({name for _, name in _digits(ratings)})
