"""A checklist for a text that somebody just typed, where it speaks of things that pixels can be held against.

Only of what data/reading.py understands; a text that it makes nothing of gets no checklist, and its picture is not judged.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.records import Criterion


def checklist_of(text: str) -> "tuple[Criterion, ...]":
    """The criteria that a good picture for ``text`` meets; empty where it does not read as a scene."""
    from data.checklists import scene_checklist
    from data.scenes import scene_of

    scene = scene_of(text)
    return scene_checklist(scene) if scene is not None else ()
