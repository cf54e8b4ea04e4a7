"""From per-criterion scores to one value in [0, 1]: the same arithmetic for every judge."""

from collections.abc import Mapping, Sequence

from data.errors import FailureKind, StageError
from data.records import Criterion, CriterionScore, Need

MUST_NOT_PENALTY = 0.5
"""Taken off per fully violated must-not criterion of weight 1: one forbidden thing costs as much as half of the wanted ones."""
GLOBAL_WEIGHT = 0.3
"""The part of a value that the criteria make up which are asked of every image, where they are asked at all; the checklist has the rest."""


def aggregate(checklist: Sequence[Criterion], scores: Sequence[CriterionScore]) -> float:
    """The weighted mean over must and should criteria, less the penalty for must-nots, floored at 0.

    The mean, not all-pass: it separates two systems with a fraction of the prompts. Abstentions drop out of the mean. A criterion whose
    parent fails is scored all the same. A checklist without a scored must or should criterion can't be judged: StageError(UNSUPPORTED).
    """
    by_id: Mapping[str, CriterionScore] = {score.id: score for score in scores}
    total = weight = penalty = 0.0
    for criterion in checklist:
        score = by_id[criterion.id].score
        if score is None:
            continue
        if criterion.need is Need.MUST_NOT:
            penalty += MUST_NOT_PENALTY * criterion.weight * score
        else:
            total += criterion.weight * score
            weight += criterion.weight
    if weight == 0.0:
        raise StageError(FailureKind.UNSUPPORTED, "no must or should criterion of this checklist could be scored")
    return max(0.0, total / weight - penalty)


def with_globals(value: float, criteria: Sequence[Criterion], scores: Sequence[CriterionScore], weight: float = GLOBAL_WEIGHT) -> float:
    """A checklist's ``value`` and the global ``criteria`` as one value: these are averaged, and make up ``weight`` of it. Where none of
    them was scored, the value stays as it is."""
    by_id = {score.id: score.score for score in scores}
    good = [goodness(criterion, score) for criterion in criteria if (score := by_id.get(criterion.id)) is not None]
    return value if not good else (1 - weight) * value + weight * sum(good) / len(good)


def goodness(criterion: Criterion, score: float) -> float:
    """How good a criterion's score is, in [0, 1]: the score, turned around for what may not be there."""
    return 1.0 - score if criterion.need is Need.MUST_NOT else score


def passed(criterion: Criterion, score: float) -> bool:
    """Whether a criterion's score is on the good side: at least half for what must be there, below half for what must not."""
    return (score < 0.5) if criterion.need is Need.MUST_NOT else (score >= 0.5)
