"""The lines in one picture, and what of them agrees with words that were wanted.

The first reader finds the lines, the others read the same places again: engines differ more in what they find than in how they read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from optimizer.judges.lettering import closest, distance, letters, words
from optimizer.judges.ocr import Line, Pixels, Reader
from optimizer.judges.ocr.order import sequences

NOT_A_MATCH = 0.5
"""Where more than this share of a target's letters is wrong, the words that come closest are other words."""
SURE = 0.8
"""Lines that the engine is less sure of are no writing that nobody asked for: they are windows, leaves and fences mostly."""
LEAST_LETTERS = 4
"""Nor are lines with fewer letters."""


class Reading(NamedTuple):
    """What a reader made of a target: ``text`` as it is read, "" where nothing comes near it; ``errors`` is the share of its letters that
    are wrong, in [0, 1]."""

    reader: str
    text: str
    errors: float


@dataclass(slots=True)
class Page:
    """The lines in one picture. ``again``: by reader and line, what the further readers make of it; ``spent``: the words, by line and place
    in it, that make up a target."""

    image: Pixels
    readers: Sequence[Reader]
    lines: Sequence[Line] = field(init=False)
    again: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    spent: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def __post_init__(self) -> None:
        self.lines = self.readers[0].lines(self.image)

    @property
    def finder(self) -> str:
        """The name of the first reader."""
        return _name(self.readers[0])

    def worst(self, target: str) -> Reading | None:
        """The worst of what the readers made of ``target``, of those that know its letters; None where none does."""
        finder, *others = self.readers
        if not finder.knows(target):
            return None
        reading, used = self._found(target)
        for number, reader in enumerate(others):
            if used and reader.knows(target):
                text, errors = _nearest(target, [self._reread(number, index) for index in used])
                reading = max(reading, Reading(_name(reader), text, errors), key=lambda one: one.errors)
        return reading

    def _found(self, target: str) -> tuple[Reading, list[int]]:
        """What the first reader made of ``target``, and the lines that it stands in, in the order of reading."""
        best, places = Reading(self.finder, "", 1.0), list[tuple[int, int]]()
        for order in sequences(self.lines):
            read = [(index, place, word) for index in order for place, word in enumerate(words(self.lines[index].text))]
            span = closest(letters(target), [word for _, _, word in read])
            errors = span.errors / len(letters(target))
            if errors < best.errors and errors <= NOT_A_MATCH:
                places = [(index, place) for index, place, _ in read[span.start : span.end]]
                best = Reading(self.finder, self._written(places), errors)
        self.spent.update(places)
        return best, list(dict.fromkeys(index for index, _ in places))

    def _written(self, places: Sequence[tuple[int, int]]) -> str:
        """The words at ``places`` as they are written."""
        parts: list[str] = []
        for index in dict.fromkeys(index for index, _ in places):
            raw = self.lines[index].text.split()
            wanted = [place for line, place in places if line == index]
            # Chinese words are no words by their spaces, and words of punctuation alone don't count.
            whole = len(raw) != len(words(self.lines[index].text))
            parts.append(self.lines[index].text if whole else " ".join(raw[place] for place in wanted))
        return " ".join(parts)

    def _reread(self, number: int, index: int) -> str:
        """What the ``number``-th further reader makes of a line."""
        key = (number, index)
        if key not in self.again:
            self.again[key] = self.readers[1 + number].line(_cut(self.image, self.lines[index]))
        return self.again[key]

    def writing(self) -> list[Line]:
        """The lines that are writing for sure."""
        return [line for index, line in enumerate(self.lines) if self._is_writing(index)]

    def extra(self, named: frozenset[str]) -> tuple[float, list[str]]:
        """The share of the written words that nobody named, in [0, 1], and the lines that they stand in. Call it when all targets are
        found."""
        unwanted = total = 0
        stand_in: list[str] = []
        for index, line in enumerate(self.lines):
            read = words(line.text)
            others = [word for place, word in enumerate(read) if (index, place) not in self.spent and word not in named]
            if len(others) < len(read) or self._is_writing(index):
                total += len(read)
                if sum(map(len, others)) >= LEAST_LETTERS and self._is_writing(index):
                    unwanted += len(others)
                    stand_in.append(line.text)
        return unwanted / max(1, total), stand_in

    def _is_writing(self, index: int) -> bool:
        """Whether every reader is sure that a line is writing."""
        line = self.lines[index]
        read = letters(line.text)
        if line.confidence < SURE or len(read) < LEAST_LETTERS:
            return False
        others = (letters(self._reread(number, index)) for number, reader in enumerate(self.readers[1:]) if reader.knows(line.text))
        return all(distance(read, other) <= NOT_A_MATCH * len(read) for other in others)


def _nearest(target: str, lines: Sequence[str]) -> tuple[str, float]:
    """What of ``lines`` comes closest to ``target``, and its errors."""
    span = closest(letters(target), [word for line in lines for word in words(line)])
    errors = span.errors / len(letters(target))
    return " ".join(lines), min(1.0, errors)


def _cut(image: Pixels, line: Line) -> Pixels:
    left, top = max(0, int(line.left)), max(0, int(line.top))
    return image[top : max(top + 1, int(np.ceil(line.top + line.height))), left : max(left + 1, int(np.ceil(line.left + line.width)))]


def _name(reader: Reader) -> str:
    return reader.identity.partition(":")[0]
