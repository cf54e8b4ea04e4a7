"""What a vision model answered when it was shown two images: first, second or tie, with its evidence, in whatever form it came. Pure.

Good servers hold a model to a schema. The others' answers are read here: JSON in a fence or amid chatter, broken off, under other names;
"Image A", "left", "both are equal"; a last line. A preference that is not there is never made up.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from data.usage import NOTHING
from optimizer.judges.answer_words import tidied
from optimizer.judges.answers import no_answer
from optimizer.judges.loose_json import Fields, Items, Value, Word, documents

_WORDS = {
    **dict.fromkeys(("first", "1", "1st", "a", "left"), 1.0),
    **dict.fromkeys(("second", "2", "2nd", "b", "right"), 0.0),
    **dict.fromkeys(("tie", "tied", "draw", "equal", "equally", "same", "both", "neither", "none"), 0.5),
}
_NUMBERED = re.compile(r"(?:image|picture|photo|option)(1|2|a|b)$")
_EMPTY = frozenset(
    ("the", "image", "picture", "photo", "option", "number", "one", "is", "are", "it", "s", "an", "i", "choose", "prefer", "answer",
     "preference", "winner", "wins", "better", "best", "more", "follows", "request", "good")
)  # fmt: skip
"""Words around a preference that change nothing about it."""
_ANSWERS = ("answer", "finalanswer", "preference", "preferred", "winner", "better", "best", "choice", "verdict", "result", "decision")
_LABEL = re.compile(rf"(?:^|\W)(?:final )?(?:{'|'.join(_ANSWERS)})\b[\s*_`\"']*(?:[:=]|\bis\b)(?P<rest>[^\n]*)", re.IGNORECASE)
_MOST_WORDS = 12
"""A line with more of them is an argument and no answer."""


class Said(NamedTuple):
    """1: the image shown first is better; 0: the second is; 0.5: neither. And what was seen in the one and in the other."""

    value: float
    first: str = ""
    second: str = ""


def read_preference(text: str) -> Said:
    """What ``text`` says. StageError where it says nothing that can be read: REFUSED where the model declined, else MALFORMED."""
    said = _in_documents(text)
    if said is None:
        value = _in_lines(text)
        said = None if value is None else Said(value)
    if said is None:
        raise no_answer(text, NOTHING)
    return said


def _in_documents(text: str) -> Said | None:
    """The last object that states a preference: models draft before they answer."""
    found: Said | None = None
    for document in documents(text):
        for fields in _objects(document):
            value = _field(fields, _ANSWERS)
            preferred = _named(value.text) if isinstance(value, Word) else None
            if preferred is not None:
                found = Said(preferred, _evidence(fields, 1.0), _evidence(fields, 0.0))
    return found


def _objects(value: Value) -> Iterator[Fields]:
    """``value`` and what lies in it, as far as it is objects; the outermost last."""
    if isinstance(value, Word):
        return
    for entry in value.entries:
        yield from _objects(entry[1] if isinstance(entry, tuple) else entry)
    if isinstance(value, Fields):
        yield value


def _field(fields: Fields, names: tuple[str, ...]) -> Value | None:
    by_name = {re.sub(r"[\W_]", "", name.lower()): value for name, value in fields.entries}
    return next((by_name[name] for name in names if name in by_name), None)


def _evidence(fields: Fields, which: float) -> str:
    return tidied("; ".join(_told(value) for name, value in fields.entries if _named(name) == which))


def _told(value: Value) -> str:
    """A value in words: "satisfied: a cat; missing: a dog"."""
    match value:
        case Word(text):
            return text
        case Items(entries):
            return ", ".join(map(_told, entries)) or "nothing"
        case Fields(entries):
            return "; ".join(f"{name}: {_told(entry)}" for name, entry in entries)


def _in_lines(text: str) -> float | None:
    """After a label ("Answer: A"), the last time; or on the last line, or the first, where nothing else stands on it."""
    labels = [value for match in _LABEL.finditer(text) if (value := _named(match["rest"])) is not None]
    if labels:
        return labels[-1]
    lines = [line for line in text.splitlines() if any(character.isalnum() for character in line)]
    return next((value for line in lines[-1:] + lines[:1] if (value := _named(line)) is not None), None)


def _named(text: str) -> float | None:
    """Which image a few words name, or that they name neither; None where they say something else, or both."""
    words = re.findall(r"[^\W_]+", text.lower())
    if len(words) > _MOST_WORDS:
        return None
    words = [match[1] if (match := _NUMBERED.match(word)) else word for word in words]
    told = {_WORDS[word] for word in words if word in _WORDS}
    if (without := {_WORDS[word] for word in words if word in _WORDS and word != "a"}) == {0.5}:
        told = without  # "A tie" names no image.
    rest = [word for word in words if word not in _WORDS and word not in _EMPTY]
    return told.pop() if len(told) == 1 and not rest else None
