"""What a vision judge asks: the JSON object at the end of a question's text, whichever judge it comes from, and the images."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from reasoner.testserver.shapes import Json, Question


class Form(Enum):
    """What is asked for."""

    CHECKLIST = auto()
    """A verdict on each of several statements."""
    STATEMENT = auto()
    """A verdict on one."""
    WHOLE = auto()
    """One word: does the picture show what is asked for?"""
    PAIR = auto()
    """Which of two pictures follows the request better?"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. ``statements`` by the id under which they came; "" or numbers where they came without."""

    form: Form
    request: str
    statements: Mapping[str, str]


def asked(question: Question) -> Asked | None:
    """What a judge asks; None where it is no question of a judge's."""
    material = _material(question.user)
    request: object = material.get("request")
    if not isinstance(request, str):
        return None
    if "statement" in material:
        return Asked(Form.STATEMENT, request, {"": str(material["statement"])})
    entries: list[Any] = [*(material.get("criteria") or ()), *(material.get("unwanted") or ())]
    if entries and isinstance(entries[0], dict):
        return Asked(Form.CHECKLIST, request, {str(entry["id"]): str(entry["statement"]) for entry in entries})
    form = Form.PAIR if "criteria" in material else Form.WHOLE
    return Asked(form, request, {str(number): str(entry) for number, entry in enumerate(entries)})


def images(question: Question) -> list[bytes]:
    """The files that a question shows; b"" in place of what is no base64."""
    return [_decoded(uri.partition(",")[2]) for uri in question.images]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _material(text: str) -> Json:
    """The JSON object in the last line of ``text``; {} where there is none."""
    line = text.rstrip().rpartition("\n")[2]
    try:
        value = json.loads(line[line.index("{") :])
    except ValueError:
        return {}
    return value
