"""The scene judge: holds a painted picture's pixels against the checks of a checklist. No weights, no network, a few milliseconds.

:func:`measure` (pixels.py) says what is seen, :func:`answer` whether that satisfies a check, and why, in words. The judge never sees the
Picture that was painted or the rewrite that led to it. A criterion without a check is for eyes, and it abstains. Its error rate against
known scenes is measured by benchmarks/scene_judge.py.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.checklists import paintable, spoken
from data.errors import FailureKind, StageError
from data.records import Criterion, CriterionScore, Judgment
from data.scene import Check, Direction, Test
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate
from optimizer.judges.pixels import Box, Figure, Measurement, measure

VERSION = 2
"""Part of the judge's identity: raised whenever a picture could be judged differently than before."""

POSITION_MARGIN = 0.1
"""GenEval: centres count as apart only beyond this share of the two boxes' sizes together."""
POSITION_THRESHOLD = 0.5
"""GenEval: a direction holds where the offset along it is more than this share of the distance."""


class Answer(NamedTuple):
    """Whether a check holds (1 or 0), and what was seen."""

    score: float
    evidence: str


class SceneJudge:
    """A Judge that answers checks from pixels. It keeps no state, and several calls may run at once."""

    @property
    def identity(self) -> str:
        return f"scene:{VERSION}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order; a StageError where the image can't be measured or no criterion has a check."""
        return await asyncio.to_thread(lambda: [_judged(request) for request in requests])


def _judged(request: JudgeRequest) -> Judgment | StageError:
    start = time.perf_counter()
    try:
        if request.image.content is None:
            raise StageError(FailureKind.UNSUPPORTED, "the image came without its file", hint="load it from the blobs before judging")
        seen = measure(request.image.content)
        scores = tuple(score(criterion, seen) for criterion in request.prompt.checklist)
        return Judgment(aggregate(request.prompt.checklist, scores), scores, latency=time.perf_counter() - start)
    except StageError as error:
        return error


def score(criterion: Criterion, seen: Measurement) -> CriterionScore:
    """The answer to a criterion, or an abstention where it has no check, or one that asks for what the embedded world does not have."""
    if criterion.check is None:
        return CriterionScore(criterion.id, None, "needs eyes: no pixel check")
    if not paintable(criterion.check):
        return CriterionScore(criterion.id, None, "not one of the kinds that pixels tell")
    found = answer(criterion.check, seen)
    return CriterionScore(criterion.id, found.score, found.evidence)


def answer(check: Check, seen: Measurement) -> Answer:
    """Whether what is seen satisfies ``check``, and the evidence in words."""
    return _ANSWERS[check.test](check, seen)


# -- one function per test


def _count(check: Check, seen: Measurement) -> Answer:
    alike = _of(seen, check.kinds, None)
    wanted = _of(seen, check.kinds, check.color)
    found = f"{_many(len(wanted), check.kinds, check.color)} seen"
    if len(alike) > len(wanted):
        rest = Counter(figure.color for figure in alike if figure.color != check.color)
        found += f" (and {_listed([f'{number} {color}' for color, number in rest.most_common()])})"
    right = len(wanted) >= check.least and (check.most is None or len(wanted) <= check.most)
    # "no cars seen" says all where one is enough, and it is good news where none is wanted.
    told = right or (check.least == 1 and check.most is None)
    return Answer(float(right), found if told else f"{found}, {_range(check.least, check.most)} wanted")


def _color(check: Check, seen: Measurement) -> Answer:
    figures = _of(seen, check.kinds, None)
    if len(figures) < check.least:
        return Answer(0.0, f"{_many(len(figures), check.kinds)} seen, {_range(check.least, None)} wanted")
    off = Counter(figure.color for figure in figures if figure.color != check.color)
    if not off:
        return Answer(1.0, f"{_all(len(figures), check.kinds)} {check.color}")
    listed = _listed([color for color, _ in off.most_common()])
    if len(figures) == 1:
        return Answer(0.0, f"the {_kinds(check.kinds, 1)} is {listed}, not {check.color}")
    number = off.total()
    return Answer(0.0, f"{number} of {_many(len(figures), check.kinds)} {'is' if number == 1 else 'are'} {listed}, not {check.color}")


def _size(check: Check, seen: Measurement) -> Answer:
    figures = _of(seen, check.kinds, check.color)
    if not figures:
        return Answer(0.0, f"no {_kinds(check.kinds, 1, check.color)} seen")
    off = [figure for figure in figures if (figure.size.value if figure.size else None) != check.value]
    if not off:
        return Answer(1.0, f"{_all(len(figures), check.kinds, check.color)} {check.value}")
    called = _listed(sorted({figure.size.value if figure.size else "of ordinary size" for figure in off}))
    if len(figures) == 1:
        return Answer(0.0, f"the {_kinds(check.kinds, 1, check.color)} is {called}, not {check.value}")
    verb = "is" if len(off) == 1 else "are"
    return Answer(0.0, f"{len(off)} of {_many(len(figures), check.kinds, check.color)} {verb} {called}, not {check.value}")


def _relation(check: Check, seen: Measurement) -> Answer:
    figures = _of(seen, check.kinds, check.color)
    others = [figure for figure in _of(seen, check.other_kinds, check.other_color) if figure not in figures]
    for missing, kinds, color in ((not figures, check.kinds, check.color), (not others, check.other_kinds, check.other_color)):
        if missing:
            return Answer(0.0, f"no {_kinds(kinds, 1, color)} seen")
    subject = _kinds(check.kinds, len(figures), check.color)
    reference = _kinds(check.other_kinds, len(others), check.other_color)
    verb = "is" if len(figures) == 1 else "are"
    wrong = [(figure, other) for figure in figures for other in others if check.value not in directions(figure.box, other.box)]
    if not wrong:
        return Answer(1.0, f"the {subject} {verb} {check.value} the {reference}")
    instead = directions(wrong[0][0].box, wrong[0][1].box)
    where = " and ".join(direction.value for direction in instead) if instead else "too near, or askew"
    if len(figures) == len(others) == 1:
        return Answer(
            0.0,
            f"the {subject} is {where}{' the ' + reference if instead else ''}, not {check.value}{'' if instead else ' the ' + reference}",
        )
    pairs = len(figures) * len(others)
    return Answer(0.0, f"the {subject} {verb} not all {check.value} the {reference}: {len(wrong)} of {pairs} pairs are otherwise ({where})")


def directions(box: Box, other: Box) -> tuple[Direction, ...]:
    """Where ``box`` is, seen from ``other``, by GenEval's rule: none, one, or on a diagonal two directions."""
    offset = np.subtract(box.center, other.center)
    allowed = POSITION_MARGIN * np.array([box.width + other.width, box.height + other.height])
    shrunk = np.sign(offset) * np.maximum(np.abs(offset) - allowed, 0)
    distance = float(np.linalg.norm(offset))
    if not shrunk.any() or distance == 0:
        return ()
    x, y = shrunk / distance
    told = (
        (Direction.LEFT, x < -POSITION_THRESHOLD),
        (Direction.RIGHT, x > POSITION_THRESHOLD),
        (Direction.ABOVE, y < -POSITION_THRESHOLD),
        (Direction.BELOW, y > POSITION_THRESHOLD),
    )
    return tuple(direction for direction, holds in told if holds)


def _text(check: Check, seen: Measurement) -> Answer:
    if seen.text is None:
        return Answer(0.0, f"no sign seen, {check.value!r} wanted")
    same = _letters(seen.text) == _letters(check.value or "")
    return Answer(float(same), f"the sign reads {seen.text!r}" + ("" if same else f", not {check.value!r}"))


def _letters(text: str) -> str:
    """Words as they are compared: capitals, single spaces, letters and digits only."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.upper()).split())


def _no_text(check: Check, seen: Measurement) -> Answer:
    return Answer(0.0, "no words seen") if seen.text is None else Answer(1.0, f"a sign reads {seen.text!r}")


def _background(check: Check, seen: Measurement) -> Answer:
    if seen.background == check.value:
        return Answer(1.0, f"the background is {check.value}")
    return Answer(0.0, f"the background is {seen.background or 'unknown'}, not {check.value}")


def _others(check: Check, seen: Measurement) -> Answer:
    rest = Counter((figure.kind, figure.color) for figure in seen.figures if figure.kind not in check.kinds)
    if not rest:
        return Answer(0.0, "nothing else seen")
    listed = _listed([_many(number, (kind,) if kind else (), color) for (kind, color), number in rest.items()])
    return Answer(1.0, f"also seen: {listed}")


_ANSWERS: Mapping[Test, Callable[[Check, Measurement], Answer]] = {
    Test.COUNT: _count,
    Test.COLOR: _color,
    Test.SIZE: _size,
    Test.RELATION: _relation,
    Test.TEXT: _text,
    Test.NO_TEXT: _no_text,
    Test.BACKGROUND: _background,
    Test.OTHERS: _others,
}


# -- words for the evidence


def _of(seen: Measurement, kinds: Sequence[str], color: str | None) -> list[Figure]:
    return [figure for figure in seen.figures if figure.kind in kinds and (color is None or figure.color == color)]


def _kinds(kinds: Sequence[str], number: int, color: str | None = None) -> str:
    """ "red balloon", "balloons or cakes"; no kinds: a thing that has no name."""
    # A bat that was seen is the animal: the other one is called a baseball bat.
    names = [spoken(kind, number) if kind != "bat" else "bat" if number == 1 else "bats" for kind in kinds]
    name = " or ".join(names) if names else "unknown thing" + ("" if number == 1 else "s")
    return f"{color} {name}" if color else name


def _many(number: int, kinds: Sequence[str], color: str | None = None) -> str:
    return f"{number or 'no'} {_kinds(kinds, number, color)}"


def _all(number: int, kinds: Sequence[str], color: str | None = None) -> str:
    what = _kinds(kinds, number, color)
    return f"the {what} is" if number == 1 else f"both {what} are" if number == 2 else f"all {number} {what} are"


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"exactly {least}" if least == most else f"{least} to {most}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
