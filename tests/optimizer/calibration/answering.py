"""Judges that know the truth and err as told, without looking at any pixel: what a report says of them is known beforehand."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from data.checklists import GLOBAL_CRITERIA, WHOLE
from data.errors import FailureKind, Stage
from data.identity import derived_random
from data.records import CriterionScore, Failure, Judgment, Trial, Usage
from optimizer.calibration.exposures import Exposure, exposures
from optimizer.calibration.measuring import Subject, measured
from optimizer.calibration.paintings import Copy, Example, example_at
from optimizer.calibration.report import CalibrationReport, Canary
from optimizer.calibration.skills import COLLAGE, STRUCTURE, WRITING, Skill, skill_of
from optimizer.calibration.truths import holds_in, truths
from optimizer.judges.aggregate import aggregate, with_globals

IMAGES, SEED = 500, 1
Err = Callable[[Exposure, Skill, str, bool], float | None]
"""The score that a judge gives to a statement of this id and truth."""


@cache
def shown(images: int = IMAGES) -> Sequence[Exposure]:
    return exposures(images, SEED)


def right(exposure: Exposure, skill: Skill, statement: str, truth: bool) -> float | None:
    return float(truth)


def coin(name: str, exposure: Exposure, statement: str, chance: float, *, looks: bool = False) -> bool:
    """True in ``chance`` of all cases; always the same for a picture, or anew at each look."""
    return derived_random(name, exposure.seed, exposure.look if looks else 0, statement).random() < chance


def report(err: Err = right, images: int = IMAGES, *, whole: bool = False) -> CalibrationReport:
    """The report on a judge that errs so; ``whole``: one that answers for the whole request alone."""
    return measured(
        Subject("judge:1", "judge", images, SEED), [(exposure, answered(exposure, err, whole=whole)) for exposure in shown(images)]
    )


def answered(exposure: Exposure, err: Err, *, whole: bool = False) -> Trial:
    told = _truth(exposure)
    checklist = exposure.painting.prompt.checklist
    asked = [WHOLE] if whole else [*checklist, *GLOBAL_CRITERIA]
    scores = tuple(
        CriterionScore(criterion.id, err(exposure, skill_of(criterion), criterion.id, told.get(criterion.id, False))) for criterion in asked
    )
    value = scores[0].score or 0.0 if whole else with_globals(aggregate(checklist, scores), GLOBAL_CRITERIA, scores)
    return Trial("", exposure.request, judgment=Judgment(value, scores, Usage(100, 10, 0.001), 0.5))


def failed(exposure: Exposure, kind: FailureKind) -> Trial:
    return Trial("", exposure.request, failure=Failure(Stage.JUDGE, kind, "no", hint="try"))


def _truth(exposure: Exposure) -> Mapping[str, bool]:
    example = example_at(SEED, exposure.painting.number)
    checklist = exposure.painting.prompt.checklist
    if exposure.canary is Canary.GREY:
        return {STRUCTURE: True, WRITING: False, COLLAGE: False}
    if exposure.canary is Canary.WRONG:
        other: Example = example_at(SEED, exposure.seed // len(Copy))
        seen = {criterion.id: bool(criterion.check and holds_in(criterion.check, other.shown)) for criterion in checklist}
        return {**seen, STRUCTURE: True}
    return truths(checklist, example.shown, example.plants)
