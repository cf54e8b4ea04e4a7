"""The scene that a text asks for, as far as data/reading.py understands it, and the checks that pixels can answer for its checklist.

What the text says beside that is passed over: a scene holds of a text what the embedded world can draw, and perhaps not all of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from data.checklists import scene_checklist
from data.mentions import Mention, Reading, Sense
from data.reading import read
from data.records import Criterion, Need
from data.scene import Relation, Scene, Thing


def scene_of(text: str) -> Scene | None:
    """The scene behind ``text``; None where it speaks of nothing that the embedded world knows, or of more than it has room for."""
    reading = read(text)
    wanted = {index: mention for index, mention in enumerate(reading.mentions) if not mention.negated}
    places = {index: place for place, index in enumerate(wanted)}
    words = next((_letters(request.text) for request in reading.texts), None) or None
    try:
        things = tuple(_thing(mention, _relation(index, reading, places)) for index, mention in wanted.items())
        kinds = {kind for thing in things for kind in thing.kinds}
        absent = [kind for mention in reading.unwanted if mention.sense is Sense.KIND for kind in mention.kinds if kind not in kinds]
        theme = any(mention.sense is Sense.THEME for mention in wanted.values())
        scene = Scene(things, tuple(dict.fromkeys(absent)), words, reading.background, only=bool(things) and not theme)
    except ValueError:  # More of a thing than the world has room for.
        return None
    return scene if things or words or scene.background else None


def with_checks(text: str, checklist: Sequence[Criterion]) -> tuple[Criterion, ...]:
    """The checklist, with a check on each criterion that says in the same words what the scene behind ``text`` asks for."""
    scene = scene_of(text)
    if scene is None:
        return tuple(checklist)
    known = {(criterion.text.casefold(), criterion.need is Need.MUST_NOT): criterion.check for criterion in scene_checklist(scene)}
    return tuple(
        replace(criterion, check=criterion.check or known.get((criterion.text.casefold(), criterion.need is Need.MUST_NOT)))
        for criterion in checklist
    )


def _thing(mention: Mention, relation: Relation | None) -> Thing:
    least, most = mention.least, mention.most
    if mention.sense is Sense.THEME:
        least, most = 1, None
    elif least is None:
        least, most = (2 if mention.plural else 1), None
    return Thing(
        kinds=(mention.cue,) if mention.cue else mention.kinds,
        least=least,
        most=most,
        color=mention.colors[0] if len(mention.colors) == 1 else None,
        size=mention.size,
        relation=relation,
    )


def _relation(index: int, reading: Reading, places: dict[int, int]) -> Relation | None:
    for phrase in reading.relations:
        if phrase.subject == index and phrase.object in places and phrase.object != index:
            return Relation(phrase.direction, places[phrase.object])
    return None


def _letters(text: str) -> str:
    """What the world can write: letters, digits and spaces."""
    return " ".join("".join(letter if letter.isalnum() and letter.isascii() else " " for letter in text).split())
