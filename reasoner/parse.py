"""From a model's raw answer to the rewrite in it, and what of the user's intent it lost. Pure functions of text.

An answer is cleaned of what models wrap around a prompt (a greeting line, a code fence, quotes around the whole) and refused when nothing
usable is left: StageError, never the user's own text in its place.
"""

import re

from data.errors import FailureKind, StageError

MAX_WORDS = 600
"""Longer than any generator reads; an answer beyond it has run away."""

_FENCE = re.compile(r"^```[\w-]*\n(.*?)\n?```$", re.DOTALL)
_PREAMBLE = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok|absolutely)[,.!]?\s*)?"
    r"(?:here(?:'s| is| are)\b[^\n:]{0,80}:|(?:the\s+)?(?:(?:rewritten|improved|enhanced|detailed|final|new)\s+)+prompt\s*:|prompt\s*:)\s*",
    re.IGNORECASE,
)
_BOLD = re.compile(r"^\*\*(.+)\*\*$", re.DOTALL)
_REFUSAL = re.compile(
    r"^(?:i'?m sorry|i am sorry|sorry|i can(?:'|no)t|i cannot|i'm unable|i am unable|i won't|as an ai)\b.*"
    r"\b(?:can(?:'|no)t|cannot|unable|won't|help|assist|comply|create|generate|provide)\b",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "「": "」"}
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|「([^」\n]+)」|(?<!\w)'([^'\n]+)'(?!\w)")
_NUMBER_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12,
}  # fmt: skip
_NEGATED = re.compile(r"\b(?:no|without|not any|never any)\s+(?:(?:a|an|any|the)\s+)?([a-z]{3,})", re.IGNORECASE)


def clean(answer: str) -> str:
    """The rewrite in ``answer``: one paragraph of plain text. StageError EMPTY, REFUSED or TOO_LONG where there is none."""
    # NUL and lone surrogates are no text: models do send them, and neither generators nor ledgers take them.
    text = answer.replace("\0", "").encode("utf-8", "ignore").decode("utf-8").strip()
    if match := _FENCE.match(text):
        text = match[1].strip()
    text = _PREAMBLE.sub("", text, count=1).strip()
    if match := _BOLD.match(text):
        text = match[1].strip()
    text = _unquoted(text)
    text = " ".join(text.split())
    if not text:
        raise StageError(FailureKind.EMPTY, "the reasoner answered without a rewrite", retryable=True)
    if len(text) < 400 and _REFUSAL.match(text):
        raise StageError(FailureKind.REFUSED, f"the reasoner declined: {text[:120]}")
    if len(text.split()) > MAX_WORDS:
        raise StageError(
            FailureKind.TOO_LONG,
            f"the rewrite has {len(text.split())} words, more than the {MAX_WORDS} that a generator may read",
            hint="state a length in the system prompt",
        )
    return text


def _unquoted(text: str) -> str:
    """``text`` without the quotes around all of it; quotes inside stay."""
    if len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]:
        inner = text[1:-1]
        if text[0] not in inner and text[-1] not in inner:
            return inner.strip()
    return text


def drift(user_text: str, rewrite: str) -> tuple[str, ...]:
    """What of the user's text did not survive, in words: quoted strings, numbers, negations. Empty when all did.

    Numbers count as kept in digits or in words. A negated thing has drifted when the rewrite names it without a negation; a rewrite
    that leaves it out has kept the intent.
    """
    lost = [f"the quoted text “{quote}” is gone" for quote in _quotes(user_text) if quote.lower() not in rewrite.lower()]
    kept = set(_numbers(rewrite))
    unquoted = _QUOTED.sub(" ", user_text)
    lost += [f"the number {number} is gone" for number in dict.fromkeys(_numbers(unquoted)) if number not in kept]
    lost += [f"“{noun}” is named, though the user wants none" for noun in _negations(unquoted) if _affirmed(noun, rewrite)]
    return tuple(lost)


def _quotes(text: str) -> list[str]:
    return [next(group for group in match.groups() if group) for match in _QUOTED.finditer(text)]


def _numbers(text: str) -> list[str]:
    words = re.findall(r"\d+|[a-z]+", text.lower())
    return [str(int(word)) if word.isdecimal() else str(_NUMBER_WORDS[word]) for word in words if word.isdecimal() or _counts(word)]


def _counts(word: str) -> bool:
    # "one" is more often a pronoun than a count, and "zero" a negation: neither is demanded.
    return word in _NUMBER_WORDS and _NUMBER_WORDS[word] > 1


def _negations(text: str) -> list[str]:
    return [match[1].lower().removesuffix("s") for match in _NEGATED.finditer(text)]


def _affirmed(noun: str, rewrite: str) -> bool:
    """Whether ``noun`` stands somewhere in ``rewrite`` without a negation among the four words before it."""
    words = re.findall(r"[\w'-]+", rewrite.lower())
    negations = {"no", "not", "without", "never", "free"}
    return any(
        word.removesuffix("s") == noun and not negations.intersection(words[max(0, place - 4) : place]) for place, word in enumerate(words)
    )
