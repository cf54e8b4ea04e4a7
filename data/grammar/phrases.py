"""Negations, places in the picture, and words to be written in it."""

import re

from data import lexicon
from data.grammar.attributes import Attributes
from data.grammar.words import (
    AFFIRMERS,
    ASKING,
    MOST_TEXT_WORDS,
    NAMING,
    NEGATED_PHRASES,
    NEGATORS,
    NOT_NEGATING,
    PLACE_FILLERS,
    PLACE_LEADS,
    SIGNS,
    TEXT_ENDS,
    TEXT_WORDS,
)
from data.mentions import Place, TextRequest
from data.tokens import Token


class Phrases(Attributes):
    """Adds to a reader: phrases that are no noun phrases. Each method says how many tokens it took, 0 where it found nothing."""

    def _negation(self, index: int) -> int:
        word, after = self.tokens[index].word, self._word(index + 1)
        if word == "nothing" or (word in NEGATORS and after in NOT_NEGATING):
            self.exclusive |= after in ("else", "but", "other", "more", "others", "only") or word == "nothing"
            return min(2, len(self.tokens) - index)
        if word in NEGATORS or word.endswith("n't") or (word, after) in NEGATED_PHRASES:
            self._flush()
            self.negating = True
            return 1
        if word in ("only", "just", "exclusively", "solely"):
            self.exclusive = True
        if self.negating and word in AFFIRMERS and not self._noun_at(index + 1) and not (word == "and" and self._noun_at(index)):
            self.negating = False
        if self.negating and word in TEXT_WORDS:
            self.textless = True
        return 0

    def _place(self, index: int) -> int:
        """A place in the picture at ``index``: how many tokens it takes, 0 for none."""
        word = self.tokens[index].word
        if (word not in lexicon.VERTICAL_WORDS and word not in lexicon.HORIZONTAL_WORDS) or not self._leads(index):
            return 0
        vertical: int | None = None
        horizontal: int | None = None
        middle = False
        end = index
        while (word := self._word(end)) in lexicon.VERTICAL_WORDS or word in lexicon.HORIZONTAL_WORDS or word in PLACE_FILLERS:
            side, height = lexicon.HORIZONTAL_WORDS.get(word), lexicon.VERTICAL_WORDS.get(word)
            if side is not None and height is not None:  # "centre": of whichever direction the other words leave open
                middle = True
            else:
                vertical, horizontal = (height if height is not None else vertical), (side if side is not None else horizontal)
            end += 1
        if middle:
            vertical, horizontal = vertical or 0, horizontal or 0
        if self._word(end) == "of" and not self._frame_at(end + 1):
            return 0
        if self.previous in (",", "", "and") and end - index < 2:
            return 0
        self._put(Place(vertical, horizontal), index)
        return end - index

    def _leads(self, index: int) -> bool:
        """Whether a place may begin here: after "at the", at a clause's start, or as a clause's last word ("house left, tree right")."""
        ends = index + 1 >= len(self.tokens) or self.tokens[index + 1].is_break
        return self.previous in PLACE_LEADS or self.previous in (",", "") or (ends and self.previous == self.noun_before)

    def _frame_at(self, index: int) -> bool:
        return self._word(index) in lexicon.FRAME_WORDS or self._word(index + 1) in lexicon.FRAME_WORDS

    def _put(self, place: Place, index: int) -> None:
        """Hangs a place on the mention it belongs to: the one before it, or the one to come where the clause begins with it."""
        target = self.here[-1] if self.here else len(self.mentions) - 1 if self.pending.ordinal else -1
        if target >= 0:
            mention = self.mentions[target]
            if self.pending.ordinal or not mention.places or mention.clause == self.tokens[index].clause:
                mention.places.append(place)
                self._clear()
                return
        self.place_ahead = place

    def _text(self, index: int) -> int:
        """Unquoted words to be written, at ``index``: "says OPEN", "the word open"."""
        word = self.tokens[index].word
        named = word in NAMING and self.previous in ("the", "with", "word", "letters", ",", "a") and not self.negating
        if _is_shouted(self.tokens[index]) and self._on_sign(index):
            return self._shouted(index)
        if not named and (word not in ASKING or self.previous in ("", ",")):
            return 0
        start = index + 1
        if start < len(self.tokens) and self.tokens[start].raw == ":":
            start += 1
        while (
            self._word(start) in ("the", "word", "words", "text", "out", "simply", "only", "just", "saying", "says", "reading", "is")
            and start < index + 4
        ):
            start += 1
        end = start
        shouted = start < len(self.tokens) and _is_shouted(self.tokens[start])
        most = 1 if named and word in ("word", "text") else MOST_TEXT_WORDS
        while end < len(self.tokens) and end - start < (MOST_TEXT_WORDS if shouted else most):
            token = self.tokens[end]
            if token.quote or token.is_break or token.word in TEXT_ENDS or (shouted and not _is_shouted(token)):
                break
            end += 1
        if end == start:
            return 0
        self.texts.append(TextRequest(" ".join(token.raw for token in self.tokens[start:end]), False, self.tokens[start].position))
        return end - index

    def _on_sign(self, index: int) -> bool:
        """Whether the capitals at ``index`` stand on something: "a WELCOME sign", "CAFE on a sign", "LUNA written on it"."""
        end = index
        while end < len(self.tokens) and end < index + MOST_TEXT_WORDS and _is_shouted(self.tokens[end]):
            end += 1
        after = [self._word(end + step) for step in range(3)]
        return after[0] in SIGNS or (after[0] == "on" and after[2] in SIGNS)

    def _shouted(self, index: int) -> int:
        end = index
        while end < len(self.tokens) and end < index + MOST_TEXT_WORDS and _is_shouted(self.tokens[end]):
            end += 1
        self.texts.append(TextRequest(" ".join(token.raw for token in self.tokens[index:end]), False, self.tokens[index].position))
        return end - index


def _is_shouted(token: Token) -> bool:
    return not token.is_break and bool(re.fullmatch(r"[A-Z0-9][A-Z0-9']*", token.raw))
