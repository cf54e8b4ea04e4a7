"""What is true of a picture: a statement held against what is seen in it, by its check. How a model errs about it is for faults.py."""

from typing import NamedTuple

from data.checklists import GLOBAL_CRITERIA
from data.records import Criterion, Need
from optimizer.calibration.skills import Skill, skill_of
from optimizer.judges.scene import answer
from optimizer.testserver.sight import Sight

STRUCTURE, WRITING, COLLAGE = (criterion.id for criterion in GLOBAL_CRITERIA)


class Finding(NamedTuple):
    """Whether ``statement`` holds, None where that can't be told, and what was seen. ``unwanted``: it would be bad if it held."""

    statement: str
    holds: bool | None
    evidence: str
    skill: Skill | None = None
    unwanted: bool = False

    @property
    def good(self) -> bool | None:
        """Whether the picture is as it should be in this respect."""
        return None if self.holds is None else self.holds != self.unwanted


def found(statement: str, criterion: Criterion | None, sight: Sight, *, asks_for_words: bool) -> Finding:
    """The truth about ``statement``, which ``criterion`` is; None where nobody knows what to look for. ``asks_for_words``: the request
    wants some writing in the picture."""
    if criterion is None:
        return Finding(statement, None, "nothing that these eyes can tell")
    holds, evidence = _seen(criterion, sight, asks_for_words)
    skill = None if holds is None else skill_of(criterion)
    return Finding(statement, holds, evidence, skill, criterion.need is Need.MUST_NOT)


def _seen(criterion: Criterion, sight: Sight, asks_for_words: bool) -> tuple[bool | None, str]:
    sign = sight.seen.text
    match criterion.id:
        case "global-structure":
            return sight.whole, "every thing is whole" if sight.whole else "a thing is like nothing that there is"
        case "global-text":
            return sign is not None and not asks_for_words, "no words seen" if sign is None else f"a sign reads {sign!r}"
        case "global-collage":
            return sight.collage, "the same picture four times" if sight.collage else "one picture"
        case _:
            if criterion.check is None:
                return None, "nothing that these eyes can tell"
            seen = answer(criterion.check, sight.seen)
            return seen.score >= 0.5, seen.evidence
