"""Quotation marks: which words of a text are quoted, and whether the whole of it is. It knows nothing of prompts."""

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache

_LONGEST = 300
"""Characters. What is longer between two marks is no text to be painted."""
_QUOTED = re.compile(
    # A straight mark after a digit means inches, and one between letters is an apostrophe.
    rf"(?<!\d)\"(?=\S)([^\"\n]{{1,{_LONGEST}}})(?<=\S)\""
    rf"|“([^“”\n]{{1,{_LONGEST}}})”|„([^„“”\n]{{1,{_LONGEST}}})[“”]|«([^«»\n]{{1,{_LONGEST}}})»"
    rf"|「([^「」\n]{{1,{_LONGEST}}})」|『([^『』\n]{{1,{_LONGEST}}})』|《([^《》\n]{{1,{_LONGEST}}})》"
    rf"|(?<!\w)'(?=\S)((?:[^'\n]|(?<=\w)'(?=\w)){{1,{_LONGEST}}})(?<=\S)'(?!\w)"
    rf"|(?<!\w)‘(?=\S)((?:[^‘’\n]|(?<=\w)’(?=\w)){{1,{_LONGEST}}})(?<=\S)’(?!\w)"
)
_PAIRS = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "„": "“", "«": "»", "「": "」", "『": "』"}
_CLOSING = {"“": "”", "«": "»", "「": "」", "『": "』"}
_MARKS = re.compile('["„“”«»「」『』]')
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_MASK = re.compile("\ue000(\\d+)\ue001")


def quoted(text: str) -> list[str]:
    """What stands in quotation marks of any kind, without the marks, in order."""
    if not any(mark in text for mark in _PAIRS) and "《" not in text:
        return []
    found = (next(group for group in match.groups() if group).strip() for match in _QUOTED.finditer(text))
    # The n of rock 'n' roll is no text.
    return [quote for quote in found if quote and quote != "n"]


def without_quoted(text: str) -> str:
    """``text`` with a space in place of each quotation."""
    return _QUOTED.sub(" ", text)


def outside_quotes(change: Callable[[str], str], text: str) -> str:
    """``text`` changed by ``change``, its quotations untouched. ``text`` may have no private-use characters: they are the masks."""
    kept: list[str] = []

    def masked(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"\ue000{len(kept) - 1}\ue001"

    changed = change(_QUOTED.sub(masked, text))
    return _MASK.sub(lambda match: kept[int(match[1])], changed) if kept else changed


def is_within_quotes(text: str, place: int) -> bool:
    """Whether a quotation that began before ``place`` is still open there."""
    marks, are_open = _open_after(text)
    before = bisect_left(marks, place)
    return before > 0 and are_open[before - 1]


@lru_cache(maxsize=4)
def _open_after(text: str) -> tuple[list[int], list[bool]]:
    """The places of the marks in ``text``, and whether a quotation is open after each."""
    depth = dict.fromkeys(_CLOSING.values(), 0)
    straight = low = False
    marks: list[int] = []
    are_open: list[bool] = []
    for match in _MARKS.finditer(text):
        mark = match.group()
        straight ^= mark == '"'
        if mark == "„" or (low and mark in "“”"):
            # German: what opens elsewhere closes here.
            low = mark == "„"
        elif mark in _CLOSING:
            depth[_CLOSING[mark]] += 1
        elif depth.get(mark):
            depth[mark] -= 1
        marks.append(match.start())
        are_open.append(straight or low or any(depth.values()))
    return marks, are_open


def without_outer_quotes(text: str) -> str:
    """``text`` without the marks around all of it, or without a single one that has no partner; quotations inside stay."""
    if len(text) < 2:
        return "" if text in _PAIRS and text != "'" else text
    opening, closing = text[0], _PAIRS.get(text[0], "")
    if closing and (text[-1] == closing or (opening == "„" and text[-1] == "”")):
        return text[1:-1].strip() if _is_wrapped(text, opening, closing) else text
    if opening in '"“' and not any(mark in text[1:] for mark in '"”'):
        return text[1:].strip()
    if text[-1] in '"”' and not text[-2].isdigit() and not any(mark in text[:-1] for mark in '"“„'):
        return text[:-1].strip()
    return text


def _is_wrapped(text: str, opening: str, closing: str) -> bool:
    inner = text[1:-1]
    if opening in "'‘":
        inner = _APOSTROPHE.sub("", inner)
    if opening != closing:
        return inner.find(closing) == -1 or -1 < inner.find(opening) < inner.find(closing)
    first, last = inner.find(opening), inner.rfind(opening)
    # With more of the same marks inside, the first of them opens a quotation where all is wrapped, and closes one where it is not.
    return first == -1 or (first != last and (first == 0 or inner[first - 1] in " (\n") and inner[first + 1 : first + 2].strip() != "")
