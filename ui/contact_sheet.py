"""A contact sheet: the same test prompts and seeds under the raw prompt, the shipped instructions and the winner, side by side.

Which prompts are shown depends on no score: see :data:`RULE`. It shows what the confirmation measured, and measures nothing.
"""
# Pillow leaves the types of fonts and sizes open.
# pyright: reportUnknownMemberType=false

import io
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

from data.errors import LedgerError, PhoropterError, UsageError
from data.identity import short
from data.records import Prompt, Split, Trial
from ui.views import run_view

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store

ARMS = ("none", "general", "best")
"""The columns, from left to right; those of them that the run confirmed."""
TITLES = {"none": "the raw prompt", "general": "shipped instructions", "best": "instructions found"}
ROWS = 8
RULE = "from each category the test prompt with the smallest id, then the next ones; of its seeds the smallest; no score is looked at"
"""How the rows are chosen, printed below them."""

PICTURE = 256
GAP = 16
MARGIN = 40
TEXT_WIDTH = 300
HEAD = 132
CAPTION = 34
FOOT = 84
PAPER = "#faf9f6"
INK = "#22252a"
SOFT = "#6d7278"
LINE = "#e2dfd8"
GOOD, BAD = (47, 125, 92), (196, 78, 60)


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt, and by arm its trial."""

    prompt: Prompt
    trials: Mapping[str, Trial]


def contact_sheet(store: "Store", images: "ImageFiles", run_id: str, path: Path) -> None:
    """Draws the sheet of a confirmed run to ``path``, a PNG. A picture that failed or whose file is gone is a grey field that says so."""
    view = run_view(store, run_id)
    if view.comparison is None:
        raise UsageError(f"run {short(run_id)} has not confirmed anything yet", hint=f"`phoropter resume {short(run_id)}`")
    arms = {arm["name"]: arm for arm in view.comparison["arms"] if arm["name"] in ARMS}
    columns = [name for name in ARMS if name in arms]
    rows = chosen_rows({name: _test_trials(store, view.id, arms[name]["system_prompt"]) for name in columns})
    sheet = _draw(rows, [arms[name] for name in columns], images, f"run {short(view.id)}")
    save_sheet(sheet, path)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Writes a sheet to ``path``, a PNG, as a whole; LedgerError where that can't be done."""
    # Two processes may be drawing the same sheet.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            sheet.save(part, "PNG", optimize=True)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(
            f"the contact sheet can't be written to {path}: {error.strerror or error}", hint="choose another --home"
        ) from error


def _test_trials(store: "Store", run_id: str, system_prompt_id: str) -> list[Trial]:
    trials = store.trials(run_id, system_prompt_id=system_prompt_id)
    return [trial for trial in trials if trial.request.prompt.split is Split.TEST]


def chosen_rows(trials: Mapping[str, Sequence[Trial]]) -> list[Row]:
    """Up to ROWS rows by RULE. A seed that only one arm has belongs to its repetition, and is not shown."""
    by_arm = {name: {_place(trial): trial for trial in of_arm} for name, of_arm in trials.items()}
    prompts = {_place(trial): trial.request.prompt for of_arm in trials.values() for trial in of_arm}
    shared = sorted(place for place in prompts if all(place in of_arm for of_arm in by_arm.values()))
    first: dict[str, Place] = {}
    for place in shared:
        first.setdefault(place[0], place)
    categories: dict[str, list[Place]] = defaultdict(list)
    for place in first.values():
        categories[prompts[place].category].append(place)
    turns = zip_longest(*(categories[name] for name in sorted(categories)))
    chosen = [place for turn in turns for place in turn if place is not None][:ROWS]
    chosen.sort(key=lambda place: (prompts[place].category, place))
    return [Row(prompts[place], {name: of_arm[place] for name, of_arm in by_arm.items()}) for place in chosen]


Place = tuple[str, int, int]
"""A prompt's id, a seed, a sample: what arms have in common."""


def _place(trial: Trial) -> Place:
    return trial.request.prompt.id, trial.request.seed, trial.request.sample


# -- drawing


def font(size: int) -> Any:
    """The font of all sheets, ``size`` in pixels."""
    return ImageFont.load_default(size)


def _draw(rows: Sequence[Row], arms: Sequence[Any], images: "ImageFiles", run: str) -> Image.Image:
    width = 2 * MARGIN + TEXT_WIDTH + len(arms) * (PICTURE + GAP)
    row_height = PICTURE + CAPTION + GAP
    height = HEAD + len(rows) * row_height + FOOT
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 34), "Phoropter", font=font(30), fill=INK)
    draw.text((MARGIN, 74), "the same prompts and seeds,\nunder three instructions", font=font(15), fill=SOFT, spacing=5)
    for column, arm in enumerate(arms):
        _head(draw, _left(column), arm)
    for number, row in enumerate(rows):
        top = HEAD + number * row_height
        _prompt(draw, top, row.prompt)
        for column, arm in enumerate(arms):
            _cell(sheet, draw, (_left(column), top), row.trials[arm["name"]], images)
    bottom = height - FOOT + 14
    draw.line((MARGIN, bottom, width - MARGIN, bottom), fill=LINE, width=1)
    draw.text((MARGIN, bottom + 12), f"{run}. Means are over all test prompts, not over these rows.", font=font(13), fill=SOFT)
    draw.text((MARGIN, bottom + 32), f"Rows: {RULE}.", font=font(13), fill=SOFT)
    return sheet


def _left(column: int) -> int:
    return MARGIN + TEXT_WIDTH + column * (PICTURE + GAP) + GAP


def _head(draw: ImageDraw.ImageDraw, left: int, arm: Any) -> None:
    name, mean = arm["name"], arm["mean"]
    draw.text((left, 34), name, font=font(24), fill=INK)
    draw.text((left, 66), TITLES[name], font=font(15), fill=SOFT)
    if mean is None:
        said = "not scored"
    elif mean["low"] is None:
        said = f"mean {mean['estimate']:.2f}"
    else:
        said = f"mean {mean['estimate']:.2f}  [{mean['low']:.2f}, {mean['high']:.2f}]"
    draw.text((left, 90), said, font=font(16), fill=INK)


def _prompt(draw: ImageDraw.ImageDraw, top: int, prompt: Prompt) -> None:
    draw.text((MARGIN, top + 6), prompt.category, font=font(14), fill=SOFT)
    for number, line in enumerate(wrapped(prompt.text, TEXT_WIDTH - 2 * GAP, 20, 8)):
        draw.text((MARGIN, top + 32 + 27 * number), line, font=font(20), fill=INK)


def wrapped(text: str, width: int, size: int, most: int) -> list[str]:
    """``text`` in at most ``most`` lines of ``width`` pixels; what does not fit ends in an ellipsis. Long words are broken."""
    face = font(size)
    lines: list[str] = []
    line = ""
    for word in text.split():
        while face.getlength(word) > width:
            cut = next(place for place in range(len(word), 0, -1) if face.getlength(word[:place]) <= width)
            lines += [line, word[:cut]] if line else [word[:cut]]
            line, word = "", word[cut:]
        longer = f"{line} {word}".strip()
        if face.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1].rsplit(" ", 1)[0] + " …"]
    return lines


def _cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], trial: Trial, images: "ImageFiles") -> None:
    left, top = place
    picture = _picture(trial, images)
    if isinstance(picture, str):
        draw.rectangle((left, top, left + PICTURE - 1, top + PICTURE - 1), fill="#eceae4")
        for number, line in enumerate(wrapped(picture, PICTURE - 40, 15, 6)):
            draw.text((left + 20, top + 20 + 21 * number), line, font=font(15), fill=SOFT)
    else:
        sheet.paste(picture, (left + (PICTURE - picture.width) // 2, top + (PICTURE - picture.height) // 2))
        draw.rectangle((left, top, left + PICTURE - 1, top + PICTURE - 1), outline=LINE)
    score = trial.score
    if score is None:
        draw.text((left, top + PICTURE + 7), "no score", font=font(15), fill=SOFT)
        return
    color = tuple(round(bad + (good - bad) * score) for good, bad in zip(GOOD, BAD, strict=True))
    draw.text((left, top + PICTURE + 7), f"{score:.2f}", font=font(16), fill=color)
    track = left + 44
    middle = top + PICTURE + 16
    draw.rounded_rectangle((track, middle - 3, left + PICTURE - 1, middle + 3), radius=3, fill=LINE)
    if score > 0:
        draw.rounded_rectangle(
            (track, middle - 3, track + max(6, round((left + PICTURE - 1 - track) * score)), middle + 3), radius=3, fill=color
        )


def _picture(trial: Trial, images: "ImageFiles") -> Image.Image | str:
    """The trial's picture at its size on the sheet; in words why there is none."""
    if trial.image is None:
        return f"failed: {trial.failure.message}" if trial.failure is not None else "no picture"
    try:
        with Image.open(io.BytesIO(images.read(trial.image.sha256))) as opened:
            picture = opened.convert("RGB")
    except (PhoropterError, OSError):
        return "the image file is missing or damaged"
    picture.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    return picture
