"""How sure a model was of a yes or no: from the log-probabilities of the tokens in the place where its answer stands.

Tokens begin and end where they like: within a word, before the quotation mark, with the reasoning in front. So the two texts, the tokens'
and the answer's, are laid over each other by their visible ASCII characters, which no server spells in a way of its own.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from data.chat import Token
from optimizer.judges.answers import Answer

_INVISIBLE = re.compile(r"(?:bytes:)?(?:\\x[0-9a-fA-F]{2})+|[^\x21-\x7e]+")
"""Blanks and what is not ASCII: half of such a letter comes as a replacement character, or as bytes in words."""
_LEADING = re.compile(r"[^A-Za-z0-9]*([A-Za-z0-9]*)")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


class Certainty:
    """Tells of the answers in a model's ``text`` how probable a yes was in their place: P(yes) / (P(yes) + P(no))."""

    def __init__(self, tokens: Sequence[Token], text: str) -> None:
        self._tokens = tokens
        self._text = text
        visible = [_visible(token.text) for token in tokens]
        self._ends = list(accumulate(map(len, visible)))
        # The answer comes last: what stands before is reasoning.
        self._offset = "".join(visible).rfind(_visible(text)) if tokens else -1

    def scored(self, answer: Answer) -> Answer:
        """``answer`` with P(yes) as its score, in [0, 1]; as it is where it is neither yes nor no, or the tokens do not tell."""
        if answer.place is None or answer.score is None:
            return answer
        probability = self._at(answer.place, yes=answer.score >= 0.5)
        return answer if probability is None else answer._replace(score=probability)

    def _at(self, place: int, *, yes: bool) -> float | None:
        if self._offset < 0 or not "!" <= self._text[place : place + 1] <= "~":
            return None
        at = self._offset + len(_visible(self._text[:place]))
        index = bisect_right(self._ends, at)
        token = self._tokens[index]
        within = at - (self._ends[index - 1] if index else 0)
        return _share(token.alternatives, _visible(token.text)[:within], yes=yes)


def _visible(text: str) -> str:
    return _INVISIBLE.sub("", text)


def _share(alternatives: Mapping[str, float], before: str, *, yes: bool) -> float | None:
    """The share of yes among the alternatives that say yes or no behind ``before``, what the token holds before its answer."""
    mass = {True: 0.0, False: 0.0}
    for text, logprob in alternatives.items():
        side = _side(_visible(text), before)
        if side is not None and not math.isnan(logprob):
            # Nothing is likelier than certain, whatever a server rounds to.
            mass[side] += math.exp(min(logprob, 0.0))
    # Where what was answered has no probability, these are not the tokens of the answer.
    return mass[True] / (mass[True] + mass[False]) if mass[yes] > 0 else None


def _side(text: str, before: str) -> bool | None:
    """Whether a token begins a yes or a no; None where it begins another word, or says nothing yet."""
    if any(character.isalnum() for character in before):
        if not text.startswith(before):
            return None
        text = text[len(before) :]
    match = _LEADING.match(text)
    word = match[1].lower() if match else ""
    if not word:
        return None
    return True if any(known.startswith(word) for known in _YES) else False if any(known.startswith(word) for known in _NO) else None
