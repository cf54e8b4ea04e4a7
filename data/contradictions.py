"""What two criteria of one checklist say against each other, and where they say the same. It reads English sentences by their form.

Only what is said in so many words is found: "exactly two cats" against "exactly three cats", not "a pair of cats" against "a lone cat".
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from data.facts import COLORS, NUMBERS, number, singular
from data.records import Criterion, Need

_STOPWORDS = frozenset(("a", "an", "the", "there", "is", "are", "was", "were", "be", "being", "of", "it", "its", "this", "that",
                        "can", "seen", "visible", "clearly", "shown", "shows", "show", "present"))  # fmt: skip
_COUNT = re.compile(
    r"(?:^|\b(?:there (?:is|are)|shows?|of)\s+)(?P<bound>exactly|at least|at most|no more than|more than|fewer than|less than)?\s*"
    rf"(?P<number>\d+|{'|'.join(NUMBERS)})\s+(?P<thing>[a-z][\w' -]*?)\s*"
    r"(?:$|[,.;]|\b(?:is|are|can|in|on|at|with|that|which|who|visible|shown|standing)\b)",
    re.IGNORECASE,
)
_COLORED = re.compile(r"^(?P<subject>.+?)\s+(?:is|are)\s+(?:entirely\s+|all\s+)?(?P<color>[a-z]+)(?:\s+in colou?r)?[.\s]*$", re.IGNORECASE)
_PLACED = re.compile(
    r"^(?P<subject>.+?)\s+(?:(?:is|are|stands?|sits?|lies?|floats?|hangs?|flies|fly)\s+)?(?P<place>above|below|under|beneath|"
    r"(?:to |on )?the left (?:side )?of|(?:to |on )?the right (?:side )?of|left of|right of)\s+(?P<object>.+?)[.\s]*$",
    re.IGNORECASE,
)
_AXES = {
    "above": (0, 1), "below": (0, -1), "under": (0, -1), "beneath": (0, -1),
    "left": (1, 1), "right": (1, -1),
}  # fmt: skip
"""For each word of a place which way of the picture it speaks of, and which end of it. What is before and behind depends on who looks."""
_FRAMES = (("image",), ("picture",), ("frame",), ("photo",), ("scene",))
_POSTURES = frozenset(("lie", "sit", "stand", "lying", "sitting", "standing", "rest", "resting", "placed", "located", "found"))
"""Words that often say no more than "is"."""
_LONGEST = 300
"""Characters. A longer statement is compared with none: it says several things."""
_ALIKE = 0.85
"""From this share of common words on, a statement that says no more than another is the same as the other."""


class _Count(NamedTuple):
    thing: tuple[str, ...]
    least: int
    most: int | None


class _Placed(NamedTuple):
    subject: tuple[str, ...]
    axis: int
    direction: int
    object: tuple[str, ...]


def contradictions(checklist: Sequence[Criterion]) -> Iterator[tuple[Criterion, Criterion, str]]:
    """The pairs of criteria that can't both be met, and why, in words."""
    for one, other in combinations(_short(checklist), 2):
        if reason := _contradiction(one, other):
            yield one, other, reason


def repetitions(checklist: Sequence[Criterion]) -> Iterator[tuple[Criterion, Criterion]]:
    """The pairs of criteria that say the same in nearly the same words, and are not letter for letter the same."""
    for one, other in combinations(_short(checklist), 2):
        if (one.need is Need.MUST_NOT) is (other.need is Need.MUST_NOT) and same(one.text) != same(other.text):
            mine, others = _said(one.text), _said(other.text)
            if (mine <= others or others <= mine) and (mine & others).total() >= _ALIKE * (mine | others).total():
                yield one, other


def _said(text: str) -> Counter[str]:
    words = content(text)
    bare = [word for word in words if word not in _POSTURES]
    return Counter(bare if len(bare) > 2 else words)


def _short(checklist: Sequence[Criterion]) -> list[Criterion]:
    return [criterion for criterion in checklist if len(criterion.text) <= _LONGEST]


def same(text: str) -> str:
    """A text without what makes no difference: capitals and spaces."""
    return " ".join(text.casefold().split())


def content(text: str) -> tuple[str, ...]:
    """The words of a statement that say something, in order, in the singular."""
    found = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text.lower())
    return tuple(singular(word) for word in found if word not in _STOPWORDS) or tuple(found)


def _contradiction(one: Criterion, other: Criterion) -> str:
    if Need.MUST_NOT in (one.need, other.need):
        both_forbidden = one.need is other.need
        return "" if both_forbidden or content(one.text) != content(other.text) else "one wants what the other forbids"
    counts = _count(one.text), _count(other.text)
    if counts[0] and counts[1] and counts[0].thing == counts[1].thing and _apart(counts[0], counts[1]):
        return "two counts of the same thing"
    colors = _colored(one.text), _colored(other.text)
    if colors[0] and colors[1] and colors[0][0] == colors[1][0] and colors[0][1] != colors[1][1]:
        return "two colors of the same thing"
    places = _placed(one.text), _placed(other.text)
    return "opposite places" if places[0] and places[1] and _opposite(places[0], places[1]) else ""


def _count(text: str) -> _Count | None:
    match = _COUNT.search(text)
    found = number(match["number"].lower()) if match else None
    if match is None or found is None:
        return None
    # "There is one hand" may speak of one of several.
    bound = (match["bound"] or "at least").lower()
    least, most = {
        "exactly": (found, found),
        "at least": (found, None),
        "at most": (0, found),
        "no more than": (0, found),
        "more than": (found + 1, None),
        "fewer than": (0, found - 1),
        "less than": (0, found - 1),
    }[bound]
    return _Count(content(match["thing"]), least, most)


def _apart(one: _Count, other: _Count) -> bool:
    return (one.most is not None and one.most < other.least) or (other.most is not None and other.most < one.least)


def _colored(text: str) -> tuple[tuple[str, ...], str] | None:
    match = _COLORED.match(text)
    return (content(match["subject"]), COLORS[match["color"].lower()]) if match and match["color"].lower() in COLORS else None


def _placed(text: str) -> _Placed | None:
    match = _PLACED.match(text)
    if match is None:
        return None
    axis, direction = next(value for word, value in _AXES.items() if word in match["place"].lower())
    return _Placed(content(match["subject"]), axis, direction, content(match["object"]))


def _opposite(one: _Placed, other: _Placed) -> bool:
    # A border is on both sides of the picture, and one car may be to the left of another and to the right of a third.
    if one.axis != other.axis or one.subject == one.object or one.object[-1:] in _FRAMES:
        return False
    alike = (one.subject, one.object) == (other.subject, other.object)
    turned = (one.subject, one.object) == (other.object, other.subject)
    return (alike and one.direction != other.direction) or (turned and one.direction == other.direction)
