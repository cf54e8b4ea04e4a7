"""The other rules for a rewrite: what the generator reads, the language, one prompt, no marks. Pure functions.

A flaw is recorded in words. It is no failure and no score: a flawed rewrite is drawn all the same.
"""

import re
from collections.abc import Sequence

from data.quotes import without_quoted
from data.records import Prompt
from data.textlimit import TextLimit
from reasoner.text.languages import ENGLISH, evidence, is_latin, language_of, named
from reasoner.text.wrapping import ALTERNATIVES

_LAST_LATIN = "\u024f"
_MARKS = {
    "list marks": re.compile(r"(?:^|[\s:;.])(?:[•●▪‣]|[2-9][.)])\s+\w"),
    "Markdown": re.compile(r"\*\*|(?:^|\s)#{1,6}\s+\w|```|\]\(https?:"),
    "HTML": re.compile(r"</?[a-z][a-z0-9]{0,15}(?:\s[^<>]{0,200})?/?>", re.IGNORECASE),
}


def flaws(prompt: Prompt, text: str, removed: Sequence[str], tokens: int | None, limit: TextLimit | None) -> tuple[str, ...]:
    """Which rules the rewrite ``text`` breaks, in words; ``removed`` is what was cut off around it, ``tokens`` its length."""
    found = [_over(tokens, limit), _several(removed), _language(prompt, text), *_marks(prompt.text, text)]
    return tuple(flaw for flaw in found if flaw)


def _over(tokens: int | None, limit: TextLimit | None) -> str:
    if tokens is None or limit is None or tokens <= limit.tokens:
        return ""
    return f"{tokens} tokens of {limit.name}, the generator reads {limit.tokens}"


def _several(removed: Sequence[str]) -> str:
    return "several prompts given, the first one taken" if any(entry.endswith(ALTERNATIVES) for entry in removed) else ""


def _language(prompt: Prompt, text: str) -> str:
    """A rewrite may be in the user's language or in English. Nothing is said where either is not clear."""
    written, stated = language_of(text), named(prompt.language)
    if written in (None, ENGLISH, stated):
        return ""
    asked = language_of(prompt.text)
    if asked is None and not _is_other(prompt.text, written, stated):
        return ""
    return "" if asked == written else f"written in {written}, asked in {asked or stated or prompt.language}"


def _is_other(user_text: str, written: str, stated: str | None) -> bool:
    """Whether a text too short for its language to be told is surely not in ``written``. That a set calls it English is no proof."""
    if not is_latin(written):
        return all(character <= _LAST_LATIN for character in user_text if character.isalpha())
    if stated is None:
        return False
    return stated != ENGLISH or evidence(user_text, stated) > evidence(user_text, written)


def _marks(user_text: str, text: str) -> list[str]:
    """Marks that the user's own text does not have."""
    if text == user_text:
        return []
    bare = without_quoted(text)
    return [f"{name} left in it" for name, pattern in _MARKS.items() if pattern.search(bare) and not pattern.search(user_text)]
