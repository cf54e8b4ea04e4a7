"""A checklist for a text that somebody just typed, where it speaks of things that pixels can be held against.

Only of what data/reading.py understands; a text that it makes nothing of gets no checklist, and its picture is not judged.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.mentions import Mention, Reading
    from data.records import Criterion
    from data.scene import Relation, Scene, Thing


def checklist_of(text: str) -> "tuple[Criterion, ...]":
    """The criteria that a good picture for ``text`` meets; empty where it does not read as a scene."""
    from data.checklists import scene_checklist
    from data.reading import read

    scene = _scene(read(text))
    return scene_checklist(scene) if scene is not None else ()


def _scene(reading: "Reading") -> "Scene | None":
    from data.mentions import Sense
    from data.scene import Scene

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


def _thing(mention: "Mention", relation: "Relation | None") -> "Thing":
    from data.mentions import Sense
    from data.scene import Thing

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


def _relation(index: int, reading: "Reading", places: dict[int, int]) -> "Relation | None":
    from data.scene import Relation

    for phrase in reading.relations:
        if phrase.subject == index and phrase.object in places and phrase.object != index:
            return Relation(phrase.direction, places[phrase.object])
    return None


def _letters(text: str) -> str:
    """What the world can write: letters, digits and spaces."""
    return " ".join("".join(letter if letter.isalnum() and letter.isascii() else " " for letter in text).split())
