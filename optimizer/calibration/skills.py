"""What a judge's answer tries (Skill), and what can be wrong with a painted picture (Plant)."""

from enum import StrEnum

from data.checklists import GLOBAL_CRITERIA, WHOLE
from data.records import Criterion, Need
from data.scene import Test


class Skill(StrEnum):
    """What has to be seen to answer a criterion."""

    ENTITY = "entity"
    """Is such a thing there at all?"""
    COUNT = "count"
    COLOR = "color"
    SIZE = "size"
    RELATION = "relation"
    TEXT = "text"
    """Are the words spelt as asked?"""
    WRITING = "unasked text"
    """Is there writing that nobody asked for?"""
    BACKGROUND = "background"
    ABSENCE = "absence"
    """Is there what was not to be there?"""
    OTHERS = "extra things"
    COLLAGE = "collage"
    STRUCTURE = "structure"
    """Are things whole?"""
    WHOLE = "the whole request"


class Plant(StrEnum):
    """What was done to a picture so that it is not what was asked for."""

    MISSING = "a thing left out"
    COUNT = "one too many or too few"
    COLOR = "another color"
    LEAK = "a neighbor's color"
    SIZE = "large for small, or small for large"
    RELATION = "on the opposite side"
    TEXT = "a misspelt sign"
    WRITING = "a sign that was not asked for"
    BACKGROUND = "another background"
    EXTRA = "another thing"
    PRESENT = "what was not to be there"
    COLLAGE = "a collage"
    BROKEN = "a thing in two pieces"


_BY_TEST = {
    Test.COUNT: Skill.COUNT,
    Test.COLOR: Skill.COLOR,
    Test.SIZE: Skill.SIZE,
    Test.RELATION: Skill.RELATION,
    Test.TEXT: Skill.TEXT,
    Test.NO_TEXT: Skill.WRITING,
    Test.BACKGROUND: Skill.BACKGROUND,
    Test.OTHERS: Skill.OTHERS,
}
STRUCTURE, WRITING, COLLAGE = (criterion.id for criterion in GLOBAL_CRITERIA)
_BY_ID = {STRUCTURE: Skill.STRUCTURE, WRITING: Skill.WRITING, COLLAGE: Skill.COLLAGE, WHOLE.id: Skill.WHOLE}

TRIES: dict[Plant, Skill] = {
    Plant.MISSING: Skill.ENTITY,
    Plant.COUNT: Skill.COUNT,
    Plant.COLOR: Skill.COLOR,
    Plant.LEAK: Skill.COLOR,
    Plant.SIZE: Skill.SIZE,
    Plant.RELATION: Skill.RELATION,
    Plant.TEXT: Skill.TEXT,
    Plant.WRITING: Skill.WRITING,
    Plant.BACKGROUND: Skill.BACKGROUND,
    Plant.EXTRA: Skill.OTHERS,
    Plant.PRESENT: Skill.ABSENCE,
    Plant.COLLAGE: Skill.COLLAGE,
    Plant.BROKEN: Skill.STRUCTURE,
}
"""Which skill sees a plant."""


def skill_of(criterion: Criterion) -> Skill:
    """The skill that ``criterion`` of a calibration prompt, or one asked of every picture, tries."""
    if criterion.id in _BY_ID:
        return _BY_ID[criterion.id]
    assert criterion.check is not None, "calibration prompts ask only for what can be checked"
    if criterion.check.test is Test.COUNT and criterion.need is Need.MUST_NOT:
        return Skill.ABSENCE
    if criterion.check.test is Test.COUNT and (criterion.check.least, criterion.check.most) == (1, None):
        return Skill.ENTITY
    return _BY_TEST[criterion.check.test]
