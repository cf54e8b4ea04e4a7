"""Hard facts that an English sentence states: numbers, colours, quoted words. What a text has, and whether another text may ask for it.

It sees words, not meaning, and knows the numbers up to a hundred that people write. Of other languages it reads digits and quotes.
"""

import re

from data.lexicon import COLOR_WORDS
from data.quotes import quoted, without_quoted

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBERS = {word: number for number, word in enumerate(_UNITS)} | {word: 10 * number for number, word in enumerate(_TENS, start=2)}
"""Number words. Larger ones are written in digits, or are no counts that anybody checks."""
_GROUPS = {
    "both": 2, "pair": 2, "pairs": 2, "couple": 2, "twin": 2, "twins": 2, "duo": 2, "double": 2, "duel": 2, "trio": 3, "triplets": 3,
    "triple": 3, "quartet": 4, "quintet": 5, "dozen": 12, "hundred": 100,
}  # fmt: skip
"""Words that say a number without being one."""
_MORE_COLORS = {
    "gray": "gray", "grey": "gray", "silver": "silver", "gold": "yellow", "beige": "beige", "turquoise": "turquoise", "teal": "turquoise",
    "cyan": "turquoise", "maroon": "red", "magenta": "pink", "lilac": "purple", "lavender": "purple", "ivory": "white", "blond": "blond",
    "blonde": "blond", "reddish": "red", "greenish": "green", "bluish": "blue",
}  # fmt: skip
COLORS = {word: name for word, name in COLOR_WORDS.items() if " " not in word and "-" not in word and word != "lemon"} | _MORE_COLORS
"""Colour words, and which of them are the same."""
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_HYPHENATED = re.compile(r"(?<=\w)-(?=\w)")


_ARTICLES = frozenset(("a", "an", "one"))


def singular(word: str) -> str:
    """The singular of an English noun in lower case, by its ending: enough to compare two words, not to print one."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes")) else word[:-1]


def words(text: str) -> list[str]:
    """The words of a text, lower case, in order; quoted text is no word of it."""
    return _WORD.findall(_HYPHENATED.sub(" ", without_quoted(text)).lower())


def number(word: str) -> int | None:
    """The number that a word in lower case is; None where it is none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 7 else NUMBERS.get(word)


def colors(text: str) -> list[str]:
    """The colours that a text names, each as one of those that mean the same, in order."""
    return [COLORS[word] for word in words(text) if word in COLORS]


def counts_something(text: str) -> bool:
    """Whether a text states a number above one, in words, digits or otherwise ("a pair")."""
    return any((number(word) or _GROUPS.get(word, 0)) > 1 for word in words(text))


def invented_numbers(statement: str, text: str) -> list[int]:
    """The exact counts above one in ``statement`` that ``text`` does not come to: stated, summed up, or listed ("tent, fire, backpack")."""
    listed = words(statement)
    wanted = [
        found
        for place, word in enumerate(listed)
        if (found := number(word)) is not None and found > 1 and not _is_open(listed[:place], listed[place + 1 :])
    ]
    return [] if not wanted else [found for found in dict.fromkeys(wanted) if found not in _numbers_of(text)]


def invented_colors(statement: str, text: str) -> list[str]:
    """The colours that ``statement`` gives to something and ``text`` does not name. "Pink or white" gives none, and neither does what is so
    by nature and not in the text: the green crown of an oak, the red ground of Mars."""
    listed, has = words(statement), {singular(word) for word in words(text)}
    if "or" in listed:
        return []
    named = colors(text)
    found: list[str] = []
    for place, word in enumerate(listed):
        if word not in COLORS or COLORS[word] in (*named, *found):
            continue
        before, after = listed[max(0, place - 2) : place], listed[place + 1 : place + 3]
        given = bool(before) and before[-1] in _ARTICLES and bool(after)
        attributed = any(singular(noun) in has for noun in after)
        predicated = len(before) == 2 and before[1] in ("is", "are") and singular(before[0]) in has
        if given or attributed or predicated:
            found.append(COLORS[word])
    return found


def _is_open(before: list[str], after: list[str]) -> bool:
    """Whether a number among words is the end of a range, or counts the letters of a word."""
    bounds = (["at", "least"], ["at", "most"], ["more", "than"], ["fewer", "than"], ["less", "than"])
    return before[-2:] in bounds or before[-1:] == ["to"] or after[:1] in (["to"], ["or"], ["letters"], ["characters"], ["words"])


def _numbers_of(text: str) -> frozenset[int]:
    """The numbers that a text states in any way, what they come to (a cat and two dogs are three animals), and how many things it lists."""
    listed = words(text)
    stated = [found for word in listed if (found := number(word)) is not None]
    stated += [_GROUPS[word] for word in listed if word in _GROUPS]
    single = sum(word in ("a", "an") for word in listed)
    commas = text.count(",")
    return frozenset({*stated, *(sum(stated) + ones for ones in range(min(single, 12) + 1)), commas + 1, commas + 2})


def unfounded_quotes(statement: str, text: str) -> list[str]:
    """The quotations in ``statement`` that ``text`` has nowhere, in or out of quotation marks; capitals don't matter."""
    has = _alike(text)
    return [quote for quote in quoted(statement) if _alike(quote).strip(".,!?") not in has]


def changed_quotes(statement: str, text: str) -> list[tuple[str, str]]:
    """The quotations of ``text`` that ``statement`` quotes with other capitals or spaces: as they are there, and as they are here."""
    here = quoted(statement)
    return [(there, quote) for there in quoted(text) for quote in here if quote != there and _alike(quote) == _alike(there)]


def _alike(text: str) -> str:
    return " ".join(text.replace("’", "'").split()).casefold()
