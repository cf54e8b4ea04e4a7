"""What the figures mean: good, usable or poor, why, and what not to use a judge for. The lines that are drawn, and the reasons for them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from optimizer.calibration.rates import Rate
from optimizer.calibration.report import Canary, CanaryFigures, SkillFigures, Standing, Verdict
from optimizer.calibration.skills import Skill

GOOD_RIGHT = 0.9
"""Balanced accuracy; of judges that give degrees the area under the curve; of those that answer no statement, how often a faithful picture
has a higher value than one with errors. A judge that is right at rate b shows 2b - 1 of a true difference: from here on, four fifths."""
USABLE_RIGHT = 0.75
"""Below, less than half of a true difference is to be seen, and four times as many prompts are needed to see it."""
GOOD_BIAS, USABLE_BIAS = 0.1, 0.3
"""How much likelier a wrong yes may be than a wrong no. A rewrite that crowds the picture wins with a judge that says yes too readily."""
GOOD_FLIPS = 0.05
"""Answers that a second look turns around: at 5%, one answer in forty is chance. More of it evens out over prompts, and takes more of them;
where it does not, the judge is not right often enough either."""
GOOD_FAILURES, USABLE_FAILURES = 0.02, 0.1
"""Pictures that were not judged for want of an answer. Each takes its prompt out of both sides of a comparison."""
FEW = 8
"""With fewer answers on either side, nothing is said about a skill."""
NAMED = 4
"""A judge that is blind to more skills is not described by naming what it is still good for."""

SUBJECTS = {
    Skill.ENTITY: "what is in a picture at all",
    Skill.COUNT: "how many things there are",
    Skill.COLOR: "colors",
    Skill.SIZE: "sizes",
    Skill.RELATION: "where things are",
    Skill.TEXT: "words to be written",
    Skill.WRITING: "pictures without writing",
    Skill.BACKGROUND: "places and backgrounds",
    Skill.ABSENCE: "what must not be there",
    Skill.OTHERS: "things that nobody asked for",
    Skill.COLLAGE: "pictures in one piece",
    Skill.STRUCTURE: "things that are whole",
    Skill.WHOLE: "anything",
}
"""What prompts are about that need a skill."""


def standing(right: Rate, least: int) -> Standing:
    """How well a skill is mastered, by its balanced accuracy or the area under the curve. ``least``: answers on the side that has fewer."""
    if right.estimate is None or right.low is None or least < FEW:
        return Standing.UNTOLD
    if right.low <= 0.5:
        return Standing.BLIND
    return Standing.WEAK if right.estimate < USABLE_RIGHT else Standing.SEES


class Findings(NamedTuple):
    """What a verdict rests on; see report.CalibrationReport. ``failed``: the share of pictures for which no answer came."""

    right: Rate
    area: Rate
    yes_bias: Rate
    flips: Rate
    separation: Rate
    failed: float
    skills: Sequence[SkillFigures]
    canaries: Sequence[CanaryFigures]
    pairs: bool = False


def graded(found: Findings) -> tuple[Verdict, tuple[str, ...], tuple[str, ...]]:
    """The verdict, why it is no better, and what not to use the judge for."""
    noted = [(level, words) for level, words in _reasons(found) if level is not Verdict.GOOD]
    reasons = tuple(words for verdict in (Verdict.POOR, Verdict.USABLE) for level, words in noted if level is verdict)
    levels = {level for level, _ in noted}
    if any(figures.standing is Standing.BLIND for figures in found.skills):  # Which, the advice says.
        levels.add(Verdict.USABLE)
    verdict = next((verdict for verdict in (Verdict.POOR, Verdict.USABLE) if verdict in levels), Verdict.GOOD)
    return verdict, reasons, tuple(_advice(found))


def _reasons(found: Findings) -> Iterator[tuple[Verdict, str]]:
    """All that there is to say, each with the best verdict that it allows."""
    yield _rightness(found)
    if (bias := found.yes_bias.estimate) is not None:
        # Degrees may lean, and still tell.
        usable = USABLE_BIAS if found.area.estimate is None else 1.0
        leaning = "yes" if bias > 0 else "no"
        yield _level(-abs(bias), -GOOD_BIAS, -usable), f"leans to {leaning}: a wrong {leaning} is {abs(bias):.0%} likelier than the other"
    if (flips := found.flips.estimate) is not None:
        turned = "preferences turn with the order of the pictures" if found.pairs else "answers are turned around by a second look"
        yield _level(-flips, -GOOD_FLIPS, -1.0), f"{flips:.0%} of its {turned}"
    yield _level(-found.failed, -GOOD_FAILURES, -USABLE_FAILURES), f"{found.failed:.0%} of the pictures got no judgment"
    if missed := _missed(found):
        yield Verdict.POOR if _GRAVE & set(missed) else Verdict.USABLE, f"fails the canary: {_listed(missed)}"


def _rightness(found: Findings) -> tuple[Verdict, str]:
    if (area := found.area.estimate) is not None:
        return _level(area, GOOD_RIGHT, USABLE_RIGHT), f"its scores put what is true above what is false in {area:.0%} (chance is 50%)"
    if (right := found.right.estimate) is not None:
        what = "prefers the right one of two pictures in" if found.pairs else "right about"
        return _level(right, GOOD_RIGHT, USABLE_RIGHT), f"{what} {right:.0%} of cases (balanced; chance is 50%)"
    if (separation := found.separation.estimate) is not None:
        words = f"of a faithful and a wrong picture it likes the faithful one better in {separation:.0%} (chance is 50%)"
        return _level(separation, GOOD_RIGHT, USABLE_RIGHT), words
    return Verdict.POOR, "it answered nothing"


def _level(value: float, good: float, usable: float) -> Verdict:
    return Verdict.GOOD if value >= good else Verdict.USABLE if value >= usable else Verdict.POOR


def _missed(found: Findings) -> list[Canary]:
    return [canary.name for canary in found.canaries if canary.passed is False]


def _advice(found: Findings) -> Iterator[str]:
    skills = found.skills
    silent = [figures.skill for figures in skills if figures.standing is Standing.UNTOLD and figures.unanswered > figures.right.cases]
    if silent:
        yield f"says nothing about {_listed(silent)}"
    blind = [figures.skill for figures in skills if figures.standing is Standing.BLIND]
    if len(blind) > NAMED:
        yield f"blind to {_listed(blind)}: do not optimize with it"
    for figures in skills:
        subject = SUBJECTS[Skill(figures.skill)]
        if figures.standing is Standing.BLIND and len(blind) <= NAMED:
            yield f"blind to {figures.skill}: do not optimize on prompts about {subject}"
        elif figures.standing is Standing.WEAK:
            yield f"weak on {figures.skill}: gains on prompts about {subject} will look smaller than they are"
    yield from (_MEANING[name] for name in _missed(found))


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


_GRAVE = frozenset({Canary.WRONG, Canary.GREY})
"""A judge that fails one of these does not look at the picture."""
_MEANING = {
    Canary.WRONG: "another prompt's picture pleases it nearly as well: it hardly looks",
    Canary.GREY: "a grey picture pleases it: it hardly looks",
    Canary.FLATTERED: "praise written into a picture raises its score: look at winners for writing before you trust them",
    Canary.VIVID: "garish colors raise its score: look at the saturation of a winner's pictures before you trust it",
    Canary.IDENTICAL: "the same picture gets different values: use more prompts, or lower the model's temperature",
}
