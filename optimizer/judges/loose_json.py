"""JSON as models write it, and where in the text each of its values stands.

It reads what a strict parser reads, and besides: other quotation marks, bare quotes within a text, words without any, a bracket or a comma
too few or too many, an answer that breaks off. It makes nothing of the values; answers.py does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

_MOST_DEPTH = 12
"""Brackets within brackets. No answer is deeper, and a text of nothing but brackets shall not exhaust the stack."""
_MOST_OPEN = 8
"""Brackets that never close are tried this many times in one text; each try reads the rest of it."""
_CLOSING = {'"': '"', "'": "'", "“": '”"', "‘": "’'"}
"""Which marks may close a text, by the one that opens it."""
_MARKS = {mark: re.compile(rf"\\.|[{closing}]", re.DOTALL) for mark, closing in _CLOSING.items()}
# A name has no such mark within, and is not long: one that ran on would take another entry's values for this one's.
_NAMES = {mark: re.compile(rf"{mark}((?:\\.|[^\\{closing}]){{0,80}})[{closing}]\s*:\s*", re.DOTALL) for mark, closing in _CLOSING.items()}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*")
_BARE_NAME = re.compile(r"([^:,{}\[\]\n]{1,80}):\s*")
_BARE_VALUE = re.compile(r"[^,{}\[\]\n]+")
_VALUE_END = re.compile(r"\s*(?:[}\]]|,\s*(?:[\"'“‘{\[}\]\d-]|true\b|false\b|null\b|None\b|True\b|False\b|\w{1,30}\s*:|\Z)|\Z)")
"""What follows the mark that ends a text; within a text, a mark is followed by something else."""


@dataclass(frozen=True, slots=True)
class Word:
    """A text, a number, true or null, as it is written but for marks and escapes. ``start``: where its first character stands."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    entries: "tuple[Value, ...]"


@dataclass(frozen=True, slots=True)
class Fields:
    """An object: its names and values in order, a name perhaps more than once."""

    entries: "tuple[tuple[str, Value], ...]"


Value: TypeAlias = Word | Items | Fields


def documents(text: str) -> Iterator[Value]:
    """The objects and lists in ``text``, outermost only and in order; of one that breaks off, what is there, and what lies within it."""
    at = open_ended = 0
    while open_ended < _MOST_OPEN and (start := _next_opening(text, at)) >= 0:
        reader = _Reader(text, start)
        yield reader.value(0)
        at = start + 1 if reader.broke_off else reader.at
        open_ended += reader.broke_off


def _next_opening(text: str, at: int) -> int:
    return min((place for mark in "{[" if (place := text.find(mark, at)) >= 0), default=-1)


class _Reader:
    """Reads one value from ``at`` on. ``broke_off``: the text ended, or went too deep, before the value did."""

    def __init__(self, text: str, at: int) -> None:
        self.at: int = at
        self.broke_off: bool = False
        self._text = text

    def value(self, depth: int) -> Value:
        mark = self._text[self.at : self.at + 1]
        if mark in ("{", "[") and depth >= _MOST_DEPTH:
            self.broke_off = True
            self.at = len(self._text)
            return Items(())
        if mark == "{":
            return self._fields(depth)
        if mark == "[":
            return self._items(depth)
        return self._word() if mark in _MARKS else self._bare()

    def _items(self, depth: int) -> Items:
        entries: list[Value] = []
        self.at += 1
        while self._goes_on("]"):
            entries.append(self.value(depth + 1))
            if self.broke_off and isinstance(entries[-1], Word):
                entries.pop()
        return Items(tuple(entries))

    def _fields(self, depth: int) -> Fields:
        entries: list[tuple[str, Value]] = []
        self.at += 1
        while self._goes_on("}"):
            name = self._name()
            if name is None:
                continue
            value = self.value(depth + 1)
            # Half a word may be another word: "no" of "not sure".
            if not (self.broke_off and isinstance(value, Word)):
                entries.append((name, value))
        return Fields(tuple(entries))

    def _name(self) -> str | None:
        """The name before a value; "" where a bracket stands in its place, and None where there is no name: a sign is passed over then."""
        mark = self._text[self.at]
        if mark in "{[":
            return ""
        found = _NAMES.get(mark, _BARE_NAME).match(self._text, self.at)
        self.at = found.end() if found else self.at + 1
        return _ESCAPE.sub(_unescaped, found[1]) if found else None

    def _goes_on(self, closing: str) -> bool:
        """Whether another entry follows. The other kind of bracket ends a list, too, and is left for whom it belongs to."""
        between = _BETWEEN.match(self._text, self.at)
        self.at = between.end() if between else self.at
        if self.at >= len(self._text):
            self.broke_off = True
            return False
        if self._text[self.at] in "]}":
            self.at += self._text[self.at] == closing
            return False
        return True

    def _word(self) -> Word:
        start = self.at + 1
        for mark in _MARKS[self._text[self.at]].finditer(self._text, start):
            if len(mark.group()) == 1 and _VALUE_END.match(self._text, mark.end()):
                self.at = mark.end()
                return Word(_ESCAPE.sub(_unescaped, self._text[start : mark.start()]), start)
        self.broke_off = True
        self.at = len(self._text)
        return Word(self._text[start:], start)

    def _bare(self) -> Word:
        start = self.at
        found = _BARE_VALUE.match(self._text, start)
        self.at = found.end() if found else start
        self.broke_off |= found is not None and self.at == len(self._text)
        return Word(found.group().rstrip() if found else "", start)


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return _ESCAPES.get(escape, escape)
