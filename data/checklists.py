"""Checklists written from what is known to be asked for: a Scene, or things of any name.

A criterion's words are for eyes (a person's or a vision model's), its check is the same for pixels. Ids depend on the scene alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from data.quotes import quoted
from data.records import Criterion, CriterionKind, Judgment, Need, Prompt
from data.scene import BACKGROUNDS, COLORS, KINDS, Check, Direction, Relation, Scene, Size, Test

OTHERS_WEIGHT = 0.5
"""Something that was not asked for is half as bad as something that was asked not to be there."""

_NAMES = {"bat": "bat (the animal)", "club": "baseball bat", "skis": "pair of skis", "scissors": "pair of scissors"}
"""Kinds whose own word is not what people call them, or means something else as well."""
_PLURALS = {
    "bat (the animal)": "bats (the animals)", "fish": "fish", "sheep": "sheep", "person": "people", "knife": "knives",
    "broccoli": "broccoli", "computer mouse": "computer mice", "pair of skis": "pairs of skis", "bus": "buses",
    "pair of scissors": "pairs of scissors",
}  # fmt: skip
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIRECTIONS = {Direction.LEFT: "to the left of", Direction.RIGHT: "to the right of", Direction.ABOVE: "above", Direction.BELOW: "below"}
_BACKGROUNDS = {
    "meadow": "The background is a meadow",
    "beach": "The background is a beach",
    "night": "The picture plays at night",
    "snow": "The background is a snowy landscape",
    "desert": "The background is a desert",
    "sea": "The background is the sea or a lake",
    "city": "The background is a city",
    "mountains": "The background is mountains",
    "room": "The background is the inside of a room",
    "sunset": "The background is a sunset sky",
}


GLOBAL_CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "global-structure",
        "Bodies, objects and their parts are whole and fit together, with no limb, face or thing broken, melted or doubled",
        CriterionKind.GLOBAL,
        Need.SHOULD,
    ),
    Criterion(
        "global-text",
        "Writing, a logo, a signature or a watermark that the request does not ask for is visible",
        CriterionKind.TEXT,
        Need.MUST_NOT,
    ),
    Criterion(
        "global-collage",
        "The picture is split into panels, frames or several pictures that the request does not ask for",
        CriterionKind.GLOBAL,
        Need.MUST_NOT,
    ),
)
"""Asked of every image by judges with eyes, beside its prompt's own checklist: what makes a picture a bad one, whatever it was to show."""

WHOLE = Criterion("vqa", "The picture shows what is asked for", CriterionKind.GLOBAL)
"""What a judge answers that asks one question about the whole request."""


def quote_criteria(text: str) -> tuple[Criterion, ...]:
    """What ``text`` has in quotation marks, each as a criterion: the least that is known of a prompt that wants words to be written."""
    return tuple(
        Criterion(f"quote-{number}", f"'{quote}' can be read", CriterionKind.TEXT) for number, quote in enumerate(quoted(text), start=1)
    )


def judged_criteria(prompt: Prompt, judgment: Judgment | None) -> tuple[Criterion, ...]:
    """The criteria that ``judgment`` speaks of: the prompt's checklist, and those of :func:`quote_criteria`, :data:`GLOBAL_CRITERIA` and
    :data:`WHOLE` that it scores beyond it. Without a judgment, the checklist."""
    scored = set[str]() if judgment is None else {score.id for score in judgment.scores}
    listed = {criterion.id for criterion in prompt.checklist}
    others = (*quote_criteria(prompt.text), *GLOBAL_CRITERIA, WHOLE)
    return (*prompt.checklist, *(criterion for criterion in others if criterion.id in scored - listed))


class Asked(Protocol):
    """A thing asked for: a scene's Thing, or a NamedThing."""

    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def least(self) -> int: ...
    @property
    def most(self) -> int | None: ...
    @property
    def color(self) -> str | None: ...
    @property
    def size(self) -> Size | None: ...
    @property
    def relation(self) -> Relation | None: ...


@dataclass(frozen=True, slots=True)
class NamedThing:
    """Like a Thing of a Scene, of any name, such as only detectors and eyes know."""

    kinds: tuple[str, ...]
    least: int = 1
    most: int | None = None
    color: str | None = None
    size: Size | None = None
    relation: Relation | None = None


def scene_checklist(scene: Scene) -> tuple[Criterion, ...]:
    """A criterion for each thing that ``scene`` asks for: counts, colours, sizes, relations, absences, text, background, nothing else."""
    criteria = list(things_checklist(scene.things, scene.absent))
    if scene.text is not None:
        words = f"The words '{scene.text}'" if " " in scene.text else f"The word '{scene.text}'"
        criteria.append(Criterion("text", f"{words} can be read", CriterionKind.TEXT, check=Check(Test.TEXT, value=scene.text)))
    if scene.background is not None:
        check = Check(Test.BACKGROUND, value=scene.background)
        criteria.append(Criterion("background", _BACKGROUNDS[scene.background], CriterionKind.GLOBAL, check=check))
    if scene.only:
        wanted = tuple(dict.fromkeys(kind for thing in scene.things for kind in thing.kinds))
        check = Check(Test.OTHERS, kinds=wanted)
        text = "Something is in the picture that was not asked for"
        criteria.append(Criterion("others", text, CriterionKind.NEGATION, Need.MUST_NOT, OTHERS_WEIGHT, check))
    return tuple(criteria)


def things_checklist(things: Sequence[Asked], absent: Sequence[str] = ()) -> tuple[Criterion, ...]:
    """The criteria for ``things``, and against the ``absent`` ones, with a check each: whoever answers it has to know the names."""
    writer = _Writer(things)
    criteria: list[Criterion] = []
    for index, thing in enumerate(things):
        criteria += writer.thing(index, thing)
    criteria += (writer.relation(index, thing.relation) for index, thing in enumerate(things) if thing.relation is not None)
    criteria += (_absence(kind) for kind in absent)
    return tuple(_distinct(criteria))


def paintable(check: Check) -> bool:
    """Whether ``check`` asks only for what the embedded world has, so that pixels can answer it."""
    kinds = (*check.kinds, *check.other_kinds)
    colors = (color for color in (check.color, check.other_color) if color is not None)
    known = all(kind in KINDS for kind in kinds) and all(color in COLORS for color in colors)
    return known and (check.test is not Test.BACKGROUND or check.value in BACKGROUNDS)


class _Writer:
    """Names the things of one list so that they can be told apart: by colour, where two share a kind."""

    def __init__(self, things: Sequence[Asked]) -> None:
        self._things = things
        self._relations = 0

    def thing(self, index: int, thing: Asked) -> Iterable[Criterion]:
        yield self._count(index, thing)
        told_by = self._told_by(index)
        if thing.color is not None and told_by is None:
            check = Check(Test.COLOR, kinds=thing.kinds, color=thing.color, least=thing.least)
            yield Criterion(f"color-{_slug(thing.kinds)}", f"{self._subject(index)} {thing.color}", CriterionKind.ATTRIBUTE, check=check)
        if thing.size is not None:
            check = Check(Test.SIZE, kinds=thing.kinds, color=told_by, value=thing.size.value)
            text = f"{self._subject(index)} noticeably {thing.size.value}"
            yield Criterion(f"size-{_slug(thing.kinds, told_by)}", text, CriterionKind.ATTRIBUTE, check=check)

    def relation(self, index: int, relation: Relation) -> Criterion:
        self._relations += 1
        thing, other = self._things[index], self._things[relation.of]
        check = Check(
            Test.RELATION,
            kinds=thing.kinds,
            color=self._told_by(index),
            value=relation.direction.value,
            other_kinds=other.kinds,
            other_color=self._told_by(relation.of),
        )
        text = f"{self._subject(index)} {_DIRECTIONS[relation.direction]} {self._named(relation.of)}"
        return Criterion(f"{relation.direction.value.split()[0]}-{self._relations}", text, CriterionKind.RELATION, check=check)

    def _count(self, index: int, thing: Asked) -> Criterion:
        told_by = self._told_by(index)
        least, most = thing.least, thing.most
        if told_by is None:  # then its count takes in all that share its kind
            others = [other for place, other in enumerate(self._things) if place != index and set(other.kinds) & set(thing.kinds)]
            least += sum(other.least for other in others)
            most = None if most is None or any(other.most is None for other in others) else most + sum(other.most or 0 for other in others)
        check = Check(Test.COUNT, kinds=thing.kinds, color=told_by, least=least, most=most)
        kind = CriterionKind.ENTITY if (least, most) == (1, None) else CriterionKind.COUNT
        color = f"{told_by} " if told_by else ""
        verb = "is" if (most or least) == 1 else "are"
        noun = _either(thing.kinds, plural=verb == "are")
        return Criterion(f"count-{_slug(thing.kinds, told_by)}", f"There {verb} {_range(least, most)} {color}{noun}", kind, check=check)

    def _told_by(self, index: int) -> str | None:
        """The colour that tells a thing from others of its kind; None where nothing else is of its kind, or it has no colour."""
        kinds = set(self._things[index].kinds)
        shared = any(place != index and kinds & set(other.kinds) for place, other in enumerate(self._things))
        return self._things[index].color if shared else None

    def _named(self, index: int) -> str:
        """ "the balloons", "the house", or "every fish" where there may be one or more."""
        thing, color = self._things[index], self._told_by(index)
        open_ended = thing.least == 1 and thing.most != 1
        noun = _either(thing.kinds, plural=thing.most != 1 and not open_ended)
        return f"{'every' if open_ended else 'the'} {f'{color} ' if color else ''}{noun}"

    def _subject(self, index: int) -> str:
        """The same at the beginning of a sentence, with its verb."""
        name = self._named(index)
        singular = name.startswith("every ") or self._things[index].most == 1
        return f"{name[0].upper()}{name[1:]} {'is' if singular else 'are'}"


def _absence(kind: str) -> Criterion:
    check = Check(Test.COUNT, kinds=(kind,), least=1)
    name = _either((kind,))
    article = "An" if name[0] in "aeiou" else "A"
    return Criterion(f"no-{_slug((kind,))}", f"{article} {name} is visible", CriterionKind.NEGATION, Need.MUST_NOT, check=check)


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {_number(least)}"
    return f"exactly {_number(least)}" if least == most else f"{_number(least)} to {_number(most)}"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def spoken(kind: str, number: int) -> str:
    """What people call ``number`` things of a kind: "wine glass", "wine glasses", "pairs of skis"."""
    name = _NAMES.get(kind, kind)
    return name if number == 1 else _plural(name)


def _either(kinds: Sequence[str], *, plural: bool = False) -> str:
    """ "cake, balloon or gift"."""
    names = [spoken(kind, 2 if plural else 1) for kind in kinds]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _plural(name: str) -> str:
    if name in _PLURALS:
        return _PLURALS[name]
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    return name[:-1] + "ies" if name.endswith("y") and name[-2] not in "aeiou" else name + "s"


def _slug(kinds: Sequence[str], color: str | None = None) -> str:
    return "-".join(part.replace(" ", "-") for part in ((color,) if color else ()) + tuple(kinds))


def _distinct(criteria: Iterable[Criterion]) -> Iterable[Criterion]:
    """Numbers the repetitions of an id, and leaves out those of a statement: "one cat and two cats" counts three, once."""
    ids: dict[str, int] = {}
    texts: set[str] = set()
    for criterion in criteria:
        if criterion.text in texts:
            continue
        texts.add(criterion.text)
        ids[criterion.id] = ids.get(criterion.id, 0) + 1
        yield criterion if ids[criterion.id] == 1 else replace(criterion, id=f"{criterion.id}-{ids[criterion.id]}")
