"""Answers that are no rewrite, and say so: empty, a refusal, a question to the user, the instructions again, far too long.

They become failures. It judges no rewrite: what one lacks is a flaw (reasoner/checks.py) or drift (reasoner/intent.py).
"""

import re
from functools import lru_cache

from data.errors import FailureKind, StageError
from data.remote.errors import REWORD
from reasoner.text import phrases

MAX_WORDS = 600
"""Longer than any generator reads; an answer beyond it has run away."""
MAX_CHARACTERS = 6000
"""The same for scripts that have no spaces between words."""
ASK_FOR_ONE = "say in the system prompt that the answer is the prompt and nothing else"
_REFUSAL_CHARACTERS = 1500
_QUESTION_CHARACTERS = 800
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
_RUN = 5
"""So many words in a row make a run; one of them that two texts share is rarely chance."""
_FEWEST_RUNS = 8
_ECHO = 0.5


def refuse_unusable(text: str) -> None:
    """StageError where ``text``, cleaned, is no rewrite."""
    if not any(character.isalnum() for character in text):
        raise StageError(FailureKind.EMPTY, "the reasoner answered without a rewrite", retryable=True)
    if len(text) < _REFUSAL_CHARACTERS and phrases.REFUSAL.match(text):
        raise StageError(FailureKind.REFUSED, f"the reasoner declined: {_short(text)}", hint=REWORD)
    if len(text) < _QUESTION_CHARACTERS and phrases.QUESTION.match(text):
        raise StageError(
            FailureKind.OFF_TASK, f"the reasoner asked back instead of rewriting: {_short(text)}", retryable=True, hint=ASK_FOR_ONE
        )
    words = len(text.split())
    if words > MAX_WORDS or len(text) > MAX_CHARACTERS:
        size = (
            f"{words} words, more than the {MAX_WORDS}" if words > MAX_WORDS else f"{len(text)} characters, more than the {MAX_CHARACTERS}"
        )
        raise StageError(
            FailureKind.TOO_LONG, f"the rewrite has {size} that a generator may read", hint="state a length in the system prompt"
        )


def refuse_echo(text: str, system: str, user: str) -> None:
    """StageError OFF_TASK where most of ``text`` repeats ``system``. The user's own words are everybody's to use."""
    instructions = _runs(system)
    if not instructions:
        return
    runs = _runs_of(text)
    repeated = len(runs & instructions - _runs_of(user)) if not runs.isdisjoint(instructions) else 0
    if repeated >= _FEWEST_RUNS and repeated > _ECHO * len(runs):
        raise StageError(FailureKind.OFF_TASK, "the model repeated its instructions instead of rewriting", retryable=True, hint=ASK_FOR_ONE)


@lru_cache(maxsize=256)
def _runs(system: str) -> frozenset[tuple[str, ...]]:
    return _runs_of(system)


def _runs_of(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return frozenset(zip(*(words[start:] for start in range(_RUN)), strict=False))


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:119].rstrip() + "…"
