"""Lists in a writer's answer: JSON as it was asked for, or inside a fence or talk, under another name, or without one. Mends nothing."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

MOST_READ = 60_000
"""Characters of an answer, its last ones, in which the list is looked for."""


class Unreadable(Exception):
    """An answer that is not what was asked for; what it says may be told to the writer."""


def listed(answer: str, names: Sequence[str]) -> list[Any]:
    """The list in an answer, under one of ``names``, bare, or all that an object has. Unreadable where there is none, or it is empty."""
    empty = False
    for value in reversed(list(_values(answer[-MOST_READ:]))):
        found = _list_in(value, names)
        if found:
            return found
        empty = empty or found is not None
    raise Unreadable(f"the list of {names[0]} is empty" if empty else f"no JSON object with a list of {names[0]}: {answer.strip()[:80]!r}")


def text_of(entry: object, names: Sequence[str]) -> str:
    """A text in one line: ``entry`` itself, or what it has under one of ``names``; "" where it has none."""
    if isinstance(entry, str):
        return " ".join(entry.split())
    if isinstance(entry, dict):
        fields = cast(dict[str, Any], entry)
        return next((" ".join(fields[name].split()) for name in names if isinstance(fields.get(name), str)), "")
    return ""


def _list_in(value: object, names: Sequence[str]) -> list[Any] | None:
    if isinstance(value, list):
        return cast(list[Any], value)
    fields = {name.strip().lower(): entry for name, entry in cast(dict[str, Any], value).items()}
    for name in names:
        if isinstance(fields.get(name), list):
            return fields[name]
    # Under a name of its own, if it is all there is: some models repeat the question, which holds lists, too.
    alone = next(iter(fields.values())) if len(fields) == 1 else None
    return cast(list[Any], alone) if isinstance(alone, list) else None


def _values(text: str) -> Iterator[dict[str, Any] | list[Any]]:
    """The JSON objects and lists in a text, outermost only."""
    decoder = json.JSONDecoder(strict=False)
    place = 0
    while place < len(text):
        starts = [start for mark in "{[" if (start := text.find(mark, place)) >= 0]
        if not starts:
            return
        place = min(starts) + 1
        try:
            value, place = decoder.raw_decode(text, place - 1)
        except (ValueError, RecursionError):
            continue
        yield value
