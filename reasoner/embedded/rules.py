"""English instructions → the rules that the embedded reasoner knows, by keyword patterns with an eye on negation. No language model.

A sentence counts for every rule that one of its patterns fits. A pattern is a verb or keyword that must stand affirmed (or negated), and
words that must stand in the same sentence. "Do not merge objects" and "merge the objects" so mean different rules. Where a prompt asks for
something in one sentence and forbids it in another, it is forbidden.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from reasoner.embedded.phrasings import FORBIDS, PATTERNS, Pattern

DEFAULT_WORDS = 60
"""The length that "keep it short" is taken to mean."""


class Rule(StrEnum):
    """What an instruction may ask for. The value says it in words."""

    BIND = "put each colour right before its noun"
    SEPARATE = "give each object a sentence of its own"
    COUNTS = "state exact counts"
    PLACES = "give every object a place in the picture"
    ENUMERATE = "place each copy on its own"
    RELATIONS = "say relations as places in the picture too"
    QUOTE = "quote text exactly"
    AFFIRM = "never name what is unwanted"
    CONCISE = "stay short"
    CONCRETE = "name visible things for an abstract theme"
    SENSE = "settle ambiguous words"
    SETTING = "state one setting"
    ONLY = "say what is there and nothing else"
    FAITHFUL = "keep what the user said, most important first"
    STYLE = "describe light and style"
    POETIC = "write richly and poetically"
    EMBELLISH = "add details and objects"
    UNWANTED = "list what to avoid"
    ONE_SENTENCE = "write one flowing sentence"
    TAGS = "write a list of tags"
    VARY = "vary the colours"
    BOOSTERS = "add quality boosters"
    CAMERA = "add camera jargon"


USEFUL: frozenset[Rule] = frozenset(list(Rule)[: list(Rule).index(Rule.STYLE)])
"""The rules that can help somewhere in the embedded world; the others are useless there or do harm."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The rules found in a system prompt, in the order of :class:`Rule`, the length it asks for (or None), and its own length in words."""

    rules: tuple[Rule, ...]
    limit: int | None
    words: int


_NEGATOR = re.compile(
    r"\b(?:do not|don't|does not|never|not|no|avoid(?:ing)?|without|instead of|rather than|refrain from|resist|omit|leave out|skip|drop|"
    r"cannot|can't|must not|mustn't|nor|neither|stay away from|keep away from|steer clear of|forgo|cut)\b"
)
_NEGATED_AFTER = re.compile(r"\s+(?:no|nothing|none|neither)\b")
_TURN = re.compile(
    r"[;:]|\bbut\b|\binstead\b(?! of)|"
    r", (?:and )?(?:then|so|use|write|give|state|say|keep|put|describe|only|just|choose|pick|add|invent|name|make|leave|place|always)\b"
)
_REACH = 60
"""How many characters a negator governs, if the sentence does not turn before."""
_NUMBERS: Mapping[str, int] = {
    "twenty": 20, "twenty-five": 25, "thirty": 30, "thirty-five": 35, "forty": 40, "forty-five": 45, "fifty": 50, "fifty-five": 55,
    "sixty": 60, "seventy": 70, "seventy-five": 75, "eighty": 80, "ninety": 90, "hundred": 100, "a hundred": 100, "one hundred": 100,
}  # fmt: skip
_LIMIT = re.compile(rf"\b(\d+|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})(?:[ -]\w+)?[ -]words?\b")
_AT_LEAST = re.compile(r"\b(?:at least|more than|no fewer than|minimum of|no less than)\s+(?:\d+|[a-z-]+)[ -]words")


def recognise(system: str) -> Recognised:
    """The rules that ``system`` asks for."""
    asked: set[Rule] = set()
    forbidden: set[Rule] = set()
    limit: int | None = None
    for sentence in sentences(system):
        asked.update(rule for rule in Rule if any(_fits(pattern, sentence) for pattern in PATTERNS[rule.name]))
        forbidden.update(rule for rule in Rule if any(_fits(pattern, sentence) for pattern in FORBIDS.get(rule.name, ())))
        stated = _limit(sentence)
        if stated is not None:
            asked.add(Rule.CONCISE)
            limit = stated if limit is None else min(limit, stated)
    rules = tuple(rule for rule in Rule if rule in asked - forbidden)
    return Recognised(rules, (limit or DEFAULT_WORDS) if Rule.CONCISE in rules else None, len(system.split()))


def sentences(text: str) -> list[str]:
    """The sentences and bullets of ``text``, lower case, without the bullets' marks."""
    plain = text.lower().replace("’", "'").replace("e.g.", "such as").replace("i.e.", "that is").replace("color", "colour")
    parts = re.split(r"(?<=[.!?])[\"”']?\s+|\n+|;", plain)
    return [re.sub(r"^\s*(?:[-*•#>]+|\d+[.)])\s*", "", part).strip() for part in parts if part.strip()]


def _limit(sentence: str) -> int | None:
    if _AT_LEAST.search(sentence):
        return None
    for match in _LIMIT.finditer(sentence):
        word = match[1].strip()
        number = int(word) if word.isdecimal() and len(word) < 5 else _NUMBERS.get(word)
        if number is not None and number >= 10:
            return number
    return None


def _fits(pattern: Pattern, sentence: str) -> bool:
    """Whether a pattern fits: its first part affirmed ("+"), negated ("-") or either ("~"), each other part somewhere ("!": nowhere)."""
    sign, anchor = pattern[0][0], pattern[0][1:]
    for rest in pattern[1:]:
        absent = rest.startswith("!")
        if bool(_compiled(rest.removeprefix("!")).search(sentence)) is absent:
            return False
    return any(sign == "~" or negated == (sign == "-") for negated in _occurrences(anchor, sentence))


@cache
def _compiled(part: str) -> re.Pattern[str]:
    """Alternatives of whole words; a part that says itself where its words end (with ``\\b``) is taken as it is."""
    return re.compile(part if r"\b" in part else rf"\b(?:{part})\b")


def _occurrences(anchor: str, sentence: str) -> Iterator[bool]:
    """For each place where ``anchor`` stands, whether it is negated there."""
    for match in _compiled(anchor).finditer(sentence):
        before = sentence[max(0, match.start() - _REACH) : match.start()]
        turns = list(_TURN.finditer(before))
        after = sentence[match.end() : match.end() + 12]
        yield _NEGATOR.search(before, turns[-1].end() if turns else 0) is not None or _NEGATED_AFTER.match(after) is not None
