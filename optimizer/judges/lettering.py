"""How well words that were read agree with words that were wanted: counted by letters and by words. It knows nothing of pictures.

Texts are compared as people read signs: capitals and small letters are the same, so are kinds of quotation marks, and punctuation at the
ends of a word, which engines lose and add, does not count. Spaces are no letters: how wide a gap is on a sign says little. O and 0 are the
same, since in most typefaces only the words around them tell.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_PLAIN = str.maketrans({"‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "0": "o"})
_MEANT = frozenset("#%&@")
"""Punctuation that is a part of a word at its end as well: #1, 50%."""
# Han, kana: written without spaces, so that every sign is a word.
_UNSPACED = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def words(text: str) -> list[str]:
    """The words of ``text`` as they are compared; every sign of Chinese and Japanese is one. Empty only where ``text`` is but space."""
    # Twice, since folding case can undo what the first made canonical.
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(_PLAIN)).casefold()).translate(_PLAIN)
    raw = [word for part in plain.split() for word in _split(part)]
    return [bare for word in raw if (bare := _bare(word))] or raw


def letters(text: str) -> str:
    """The letters of ``text`` as they are compared."""
    return "".join(words(text))


def _split(part: str) -> list[str]:
    spaced = "".join(f" {sign} " if any(low <= ord(sign) <= high for low, high in _UNSPACED) else sign for sign in part)
    return spaced.split()


def _bare(word: str) -> str:
    def dropped(sign: str) -> bool:
        return unicodedata.category(sign)[0] == "P" and sign not in _MEANT

    start, end = 0, len(word)
    while start < end and dropped(word[start]):
        start += 1
    while end > start and dropped(word[end - 1]):
        end -= 1
    return word[start:end]


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """The fewest insertions, deletions and replacements that turn one into the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, item in enumerate(one, start=1):
        corner, row[0] = row[0], number
        for column, there in enumerate(other, start=1):
            corner, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, corner + (item != there))
    return row[-1]


def character_errors(read: str, wanted: str) -> float:
    """The share of the wanted letters that are wrong: 0 is letter for letter, above 1 where more is wrong than was wanted."""
    return _rate(letters(read), letters(wanted))


def word_errors(read: str, wanted: str) -> float:
    """The same by words: the share of the wanted words that are wrong, missing or too many."""
    return _rate(words(read), words(wanted))


def _rate(read: Sequence[str], wanted: Sequence[str]) -> float:
    return distance(read, wanted) / max(1, len(wanted))


def right_words(read: str, wanted: str) -> int:
    """How many of the wanted words are among those read, each as often as it is there, in any order."""
    return (Counter(words(read)) & Counter(words(wanted))).total()


class Span(NamedTuple):
    """The words ``start`` to ``end`` (exclusive) of a text, and how many letters are wrong in them."""

    start: int
    end: int
    errors: int


def closest(wanted: str, read: Sequence[str]) -> Span:
    """The words in a row of ``read`` that come closest to the letters ``wanted``; none of them where that is closest. Both as they are
    compared.

    Whole words only: REOPENED does not read OPEN. The shorter one of two that are as close.
    """
    best = Span(0, 0, len(wanted))
    # By the letters of ``wanted``: the fewest errors so far, and at which word (counted backwards, so that later is less) they begin.
    column = [(number, 0) for number in range(len(wanted) + 1)]
    for index, word in enumerate(read):
        # A match may begin before any word, at no cost.
        column[0] = (0, -index)
        for place in range(1, len(wanted) + 1):
            column[place] = min(column[place], (column[place - 1][0] + 1, column[place - 1][1]))
        for sign in word:
            corner, column[0] = column[0], (column[0][0] + 1, column[0][1])
            for place, letter in enumerate(wanted, start=1):
                left, above = column[place], column[place - 1]
                corner, column[place] = (
                    left,
                    min((left[0] + 1, left[1]), (above[0] + 1, above[1]), (corner[0] + (sign != letter), corner[1])),
                )
        errors, start = column[-1]
        best = min(best, Span(-start, index + 1, errors), key=_order)
    return best


def _order(span: Span) -> tuple[int, int]:
    return span.errors, span.end - span.start
