"""A sheet of a judge's worst errors in a calibration: the picture, what was asked, what it said, and how it is. It measures nothing."""
# Pillow leaves the types of fonts and sizes open.
# pyright: reportUnknownMemberType=false

import io
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, ImageDraw

from data.errors import PhoropterError
from data.identity import short
from data.records import Criterion, Trial
from ui.contact_sheet import BAD, GAP, INK, LINE, MARGIN, PAPER, PICTURE, SOFT, font, save_sheet, wrapped

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from ui.calibrating import Bench, Planned

COLUMNS, ROWS = 4, 3
CAPTION = 140
HEAD = 96


class Wrong(NamedTuple):
    """An answer that is wrong: what the judge said with which ``score``, and the ``truth``."""

    trial: Trial
    criterion: Criterion
    score: float
    truth: bool
    evidence: str


def place(run_id: str) -> str:
    """Where a calibration's sheet is, below the home folder."""
    return f"runs/{short(run_id)}/worst-errors.png"


def draw(planned: "Planned", bench: "Bench", path: Path) -> bool:
    """Draws the sheet of a finished calibration to ``path``, a PNG; False where the judge made no errors."""
    from ui.calibrating import in_order

    trials = {trial.id: trial for trial in bench.store.trials(planned.id)}
    if planned.of_pairs or not trials:
        return False
    seen = in_order(planned, trials)
    wrong = worst([(exposure.painting.truth, trial) for exposure, trial in seen if exposure.canary is None])
    if not wrong:
        return False
    save_sheet(_drawn(wrong, bench.images, planned.subject.spec), path)
    return True


def worst(seen: "Sequence[tuple[Any, Trial]]") -> list[Wrong]:
    """The gravest errors, of every skill in turn."""
    from optimizer.calibration.paintings import EVERYWHERE
    from optimizer.calibration.skills import Skill, skill_of

    by_skill: dict[Skill, list[Wrong]] = defaultdict(list)
    for truth, trial in seen:
        scores = {score.id: score for score in trial.judgment.scores} if trial.judgment is not None else {}
        for criterion in (*trial.request.prompt.checklist, *EVERYWHERE):
            score = scores.get(criterion.id)
            if score is None or score.score is None or criterion.id not in truth:
                continue
            if (score.score >= 0.5) != truth[criterion.id]:
                by_skill[skill_of(criterion)].append(Wrong(trial, criterion, score.score, truth[criterion.id], score.evidence))
    for errors in by_skill.values():
        errors.sort(key=lambda wrong: -abs(wrong.score - wrong.truth))
    turns = zip_longest(*(by_skill[skill] for skill in Skill if skill in by_skill))
    return [wrong for wrong in chain.from_iterable(turns) if wrong is not None][: COLUMNS * ROWS]


def _drawn(wrong: Sequence[Wrong], images: "ImageFiles", spec: str) -> Image.Image:
    rows = -(-len(wrong) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * (PICTURE + GAP) - GAP
    sheet = Image.new("RGB", (width, HEAD + rows * (PICTURE + CAPTION + GAP) + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, 28), "A judge's worst errors, of every skill in turn", font=font(24), fill=INK)
    pen.text((MARGIN, 62), wrapped(spec, width - 2 * MARGIN, 15, 1)[0], font=font(15), fill=SOFT)
    for number, one in enumerate(wrong):
        left = MARGIN + number % COLUMNS * (PICTURE + GAP)
        top = HEAD + number // COLUMNS * (PICTURE + CAPTION + GAP)
        picture = _picture(one.trial, images)
        if picture is not None:
            sheet.paste(picture, (left, top))
        pen.rectangle((left, top, left + PICTURE - 1, top + PICTURE - 1), outline=LINE)
        _caption(pen, left, top + PICTURE + 6, one)
    return sheet


def _caption(pen: ImageDraw.ImageDraw, left: int, top: int, wrong: Wrong) -> None:
    for line in wrapped(wrong.criterion.text, PICTURE, 16, 3):
        pen.text((left, top), line, font=font(16), fill=INK)
        top += 20
    said = f"said {'yes' if wrong.score >= 0.5 else 'no'} ({wrong.score:.2f}), it is {'true' if wrong.truth else 'false'}"
    pen.text((left, top + 2), said, font=font(15), fill=BAD)
    for number, line in enumerate(wrapped(wrong.evidence, PICTURE, 13, 3) if wrong.evidence else []):
        pen.text((left, top + 24 + 17 * number), line, font=font(13), fill=SOFT)


def _picture(trial: Trial, images: "ImageFiles") -> Image.Image | None:
    if trial.image is None:
        return None
    try:
        with Image.open(io.BytesIO(images.read(trial.image.sha256))) as opened:
            return opened.convert("RGB").resize((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    except (PhoropterError, OSError):
        return None
