"""From a judge's answers to the report: what was said about statements whose truth is known, what canaries did, what it took.

Pure functions of exposures and their trials. A score above half is a yes, one below it a no; half, as of a panel at odds, is half a yes.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data.checklists import WHOLE
from data.errors import FailureKind, Stage
from data.records import Judgment, Trial
from data.usage import Usage
from optimizer.calibration import canaries
from optimizer.calibration.exposures import Exposure
from optimizer.calibration.paintings import EVERYWHERE, VERSION, Painting
from optimizer.calibration.rates import Rate, area, combined, rate
from optimizer.calibration.report import CalibrationReport, Canary, Cost, FailureCount, SkillFigures
from optimizer.calibration.skills import TRIES, Skill, skill_of
from optimizer.calibration.verdict import Findings, graded, standing

_IN_TASTE = (Skill.COLLAGE, Skill.STRUCTURE)


class Answer(NamedTuple):
    """What a judge said to a statement about painting ``number``, and whether it is true. ``score`` None: nothing. ``again``: what it said
    at a second look, where there was one and both were answers."""

    number: int
    skill: Skill
    truth: bool
    score: float | None
    again: float | None = None

    @property
    def yes(self) -> float:
        """1 for yes, 0 for no, .5 for what lies in the middle."""
        assert self.score is not None
        return _yes(self.score)


def _yes(score: float) -> float:
    return 0.5 if score == 0.5 else float(score > 0.5)


class Subject(NamedTuple):
    """Which judge was calibrated, how it was asked for, and on what."""

    judge: str
    spec: str
    images: int
    seed: int


def measured(subject: Subject, seen: Sequence[tuple[Exposure, Trial]]) -> CalibrationReport:
    """The report on a judge that was shown everything."""
    first = {exposure.painting.number: trial for exposure, trial in seen if exposure.canary is None}
    again = {exposure.painting.number: trial for exposure, trial in seen if exposure.canary is Canary.IDENTICAL}
    painted = [exposure.painting for exposure, _ in seen if exposure.canary is None]
    answers = [answer for painting in painted for answer in _answers(painting, first[painting.number], again.get(painting.number))]
    skills = _skills([*answers, *_by_plant(painted, first)])
    caught = tuple(canaries.figures(canary, _pairs(canary, seen, first)) for canary in Canary)
    told = [answer for answer in answers if answer.score is not None]
    false_yes, false_no = _false_yes(told), _false_no(told)
    right, bias = balanced(false_yes, false_no), combined([(1, false_yes), (-1, false_no)])
    flips = _flips(answers)
    separation = _separation(painted, first)
    failures, declined = _failures(trial for _, trial in seen)
    failed = sum(entry.count for entry in failures) / len(seen)
    tells = _area(told)
    verdict, reasons, advice = graded(Findings(right, tells, bias, flips, separation, failed, skills, caught))
    return CalibrationReport(
        judge=subject.judge,
        spec=subject.spec,
        pairs=False,
        version=VERSION,
        seed=subject.seed,
        images=subject.images,
        verdict=verdict,
        reasons=reasons,
        advice=advice,
        accuracy=rate([(answer.number, answer.yes if answer.truth else 1 - answer.yes) for answer in told]),
        right=right,
        false_yes=false_yes,
        false_no=false_no,
        yes_bias=bias,
        brier=sum((_score(answer) - answer.truth) ** 2 for answer in told) / len(told) if tells.cases else None,
        area=tells,
        separation=separation,
        answers=len(told),
        unanswered=len(answers) - len(told),
        flips=flips,
        value_sd=_value_sd(first, again),
        ties=Rate.unknown(),
        skills=skills,
        canaries=caught,
        failures=failures,
        declined=declined,
        cost=cost_of(trial.judgment for _, trial in seen),
    )


def _score(answer: Answer) -> float:
    assert answer.score is not None
    return answer.score


# -- answers


def _answers(painting: Painting, trial: Trial, again: Trial | None) -> Iterator[Answer]:
    """What was said to the statements that are scored, of those that this judge asks."""
    said, repeated = _said(trial), _said(again)
    for criterion in (*painting.prompt.checklist, *EVERYWHERE):
        if criterion.id in said and criterion.id in painting.truth:
            truth = painting.truth[criterion.id]
            yield Answer(painting.number, skill_of(criterion), truth, said[criterion.id], repeated.get(criterion.id))


def _said(trial: Trial | None) -> dict[str, float | None]:
    """The scores by criterion id; none of a trial that failed, or was not made."""
    judgment = None if trial is None else trial.judgment
    return {} if judgment is None else {score.id: score.score for score in judgment.scores}


def _by_plant(painted: Sequence[Painting], first: Mapping[int, Trial]) -> Iterator[Answer]:
    """What a judge that answers for the whole request says of pictures with a single error, and of faithful ones, as answers about the
    skill that the error tries: so it is known which errors it does not see."""
    skills = dict.fromkeys(TRIES[painting.plants[0]] for painting in painted if len(painting.plants) == 1)
    for painting in painted:
        said = _said(first[painting.number])
        if WHOLE.id not in said or len(painting.plants) > 1:
            continue
        for skill in [TRIES[plant] for plant in painting.plants] or skills:
            if skill not in _IN_TASTE:  # The request says nothing of these.
                yield Answer(painting.number, skill, not painting.plants, said[WHOLE.id])


# -- figures


def _skills(answers: Sequence[Answer]) -> tuple[SkillFigures, ...]:
    by_skill: dict[Skill, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_skill[answer.skill].append(answer)
    return tuple(_skill(skill, by_skill[skill]) for skill in Skill if by_skill[skill])


def _skill(skill: Skill, answers: Sequence[Answer]) -> SkillFigures:
    told = [answer for answer in answers if answer.score is not None]
    false_yes, false_no = _false_yes(told), _false_no(told)
    right = balanced(false_yes, false_no)
    tells = _area(told)
    stands = standing(tells if tells.cases else right, min(false_yes.cases, false_no.cases))
    return SkillFigures(skill.value, stands, right, false_yes, false_no, len(answers) - len(told), _flips(answers), tells)


def balanced(false_yes: Rate, false_no: Rate) -> Rate:
    """The balanced accuracy that two error rates come to."""
    error = combined([(0.5, false_yes), (0.5, false_no)])
    if error.estimate is None or error.low is None or error.high is None:
        return Rate.unknown()
    return Rate(1 - error.estimate, max(0.0, 1 - error.high), min(1.0, 1 - error.low), error.cases)


def _area(told: Sequence[Answer]) -> Rate:
    """How well degrees tell true from false; unknown where there are only yes and no."""
    if all(answer.score in (0.0, 1.0) for answer in told):
        return Rate.unknown()
    return area(*([_score(answer) for answer in told if answer.truth is side] for side in (True, False)))


def _false_yes(told: Iterable[Answer]) -> Rate:
    return rate([(answer.number, answer.yes) for answer in told if not answer.truth])


def _false_no(told: Iterable[Answer]) -> Rate:
    return rate([(answer.number, 1 - answer.yes) for answer in told if answer.truth])


def _flips(answers: Iterable[Answer]) -> Rate:
    return rate(
        [
            (answer.number, abs(answer.yes - _yes(answer.again)))
            for answer in answers
            if answer.score is not None and answer.again is not None
        ]
    )


def _separation(painted: Sequence[Painting], first: Mapping[int, Trial]) -> Rate:
    """How well values tell faithful pictures from wrong ones. A collage or a broken thing is not held against a picture here."""
    values: dict[bool, list[float]] = {True: [], False: []}
    for painting in painted:
        score = first[painting.number].score
        if score is not None and not _in_taste(painting):
            values[not painting.plants].append(score)
    return area(values[True], values[False])


def _in_taste(painting: Painting) -> bool:
    return any(TRIES[plant] in _IN_TASTE for plant in painting.plants)


def _value_sd(first: Mapping[int, Trial], again: Mapping[int, Trial]) -> float | None:
    """The standard deviation of one look, from the differences between two."""
    differences = [
        one - other for number, trial in again.items() if (other := trial.score) is not None and (one := first[number].score) is not None
    ]
    return math.sqrt(sum(value**2 for value in differences) / len(differences) / 2) if differences else None


def _pairs(canary: Canary, seen: Sequence[tuple[Exposure, Trial]], first: Mapping[int, Trial]) -> list[canaries.Pair]:
    pairs: list[canaries.Pair] = []
    for exposure, trial in seen:
        before = first[exposure.painting.number].score
        if exposure.canary is canary and before is not None and trial.score is not None:
            pairs.append(canaries.Pair(exposure.painting.prompt.text, before, trial.score))
    return pairs


def _failures(trials: Iterable[Trial]) -> tuple[tuple[FailureCount, ...], int]:
    """What was not judged and why, the most frequent first; and how often the judge said that it can't judge such a picture."""
    counts: Counter[tuple[str, str]] = Counter()
    said: dict[tuple[str, str], tuple[str, str]] = {}
    declined = 0
    for trial in trials:
        failure = trial.failure
        if failure is None:
            continue
        if failure.stage is Stage.JUDGE and failure.kind is FailureKind.UNSUPPORTED:
            declined += 1
            continue
        counts[failure.stage.value, failure.kind.value] += 1
        said.setdefault((failure.stage.value, failure.kind.value), (failure.message, failure.hint))
    return tuple(FailureCount(*kind, count, *said[kind]) for kind, count in counts.most_common()), declined


def cost_of(judgments: Iterable[Judgment | None]) -> Cost:
    """What judgments took, on average."""
    made = [judgment for judgment in judgments if judgment is not None]
    usage = sum((judgment.usage for judgment in made), Usage())
    number = max(1, len(made))
    return Cost(
        len(made),
        sum(judgment.latency for judgment in made) / number,
        None if usage.cost is None else usage.cost / number,
        usage.input_tokens / number,
        usage.output_tokens / number,
    )
