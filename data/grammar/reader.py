"""The walk itself: nouns with what stands before them, and relations between them."""

from data import lexicon
from data.grammar.phrases import Phrases
from data.grammar.words import COPULAS, DEFINITE, FILLERS, ORDINALS, PRONOUNS, RESET, SHAPED
from data.mentions import Mention, Place, Reading, Sense, Setting, TextRequest
from data.scene import Direction, Size
from data.tokens import Match, Token, match_at

_SHORT_WORD = 3
"""Unknown words up to this length are seldom nouns or verbs that matter."""


class Reader(Phrases):
    """Reads one text; use once."""

    def reading(self) -> Reading:
        index = 0
        while index < len(self.tokens):
            index += self._step(index)
        self._flush()
        last = self.tokens[-1] if self.tokens else None
        words = 0 if last is None else last.position + (max(1, len(last.raw.split())) if last.quote else 0 if last.is_break else 1)
        self._bind_cues()
        self._split_parts()
        return Reading(
            tuple(self.mentions),
            tuple(self.relations.values()),
            tuple(self.settings),
            tuple(self.texts),
            tuple(self.loose),
            self.exclusive,
            self.textless,
            self.unknown,
            words,
        )

    def _step(self, index: int) -> int:
        """Reads at ``index``; how many tokens that took."""
        token = self.tokens[index]
        if token.sentence != self.sentence:
            self._end_sentence(token.sentence)
        if token.quote:
            self.texts.append(TextRequest(token.raw.strip(), True, token.position))
            return self._moved('"', 1)
        if token.is_break:
            self._break(index)
            return self._moved(",", 1)
        for part in (self._negation, self._place, self._text):
            if taken := part(index):
                return self._moved(self.tokens[index + taken - 1].word, taken)
        match = match_at(self.tokens, index)
        if match is not None:
            self._known(index, match)
            if match.table == "noun":
                self.noun_before = self.tokens[index + match.length - 1].word
            return self._moved(self.tokens[index + match.length - 1].word, match.length)
        self._unknown(token)
        return self._moved(token.word, 1)

    def _moved(self, word: str, taken: int) -> int:
        self.previous = word
        return taken

    def _end_sentence(self, sentence: int) -> None:
        self._flush()
        self.sentence, self.here, self.negating = sentence, [], False
        self.waiting = self.fronted = self.place_ahead = self.topic = None

    def _break(self, index: int) -> None:
        following = match_at(self.tokens, index + 1)
        if self.pending.colors and self.pending.trigger in ("", "in") and following is not None and following.table in ("color", "size"):
            return  # "red, yellow and pink kites"
        self._flush()
        if self.negating and not self._noun_at(index + 1):
            self.negating = False

    def _known(self, index: int, match: Match) -> None:
        if match.table in ("noun", "ambiguous", "theme"):
            first = self.tokens[index].word
            if match.length > 1 and first in lexicon.BACKGROUND_WORDS:  # "harbour life" is a theme and a place
                self.settings.append(Setting(lexicon.BACKGROUND_WORDS[first], first, self.tokens[index].position, self.negating))
            if not self._modifies(index + match.length, match):
                self._noun(index, match)
        elif match.table == "background":
            token = self.tokens[index]
            self.settings.append(Setting(lexicon.BACKGROUND_WORDS[match.phrase], match.phrase, token.position, self.negating))
            self._clear()
        elif match.table == "direction":
            self._direction(index, match)
        elif match.table == "color":
            self.pending.after_noun |= self.previous == self.noun_before
            self.pending.colors.append(lexicon.COLOR_WORDS[match.phrase])
        elif match.table == "size":
            self.pending.size = Size(lexicon.SIZE_WORDS[match.phrase])
        else:
            self._number(index, match)

    def _modifies(self, after: int, match: Match) -> bool:
        """Whether the noun only says more about the next one ("Christmas tree", "heart-shaped balloon", "apple tree")."""
        if self._word(after) in SHAPED:
            return True
        following = None if match.plural else match_at(self.tokens, after)
        return following is not None and following.table in ("noun", "ambiguous", "theme")

    def _number(self, index: int, match: Match) -> None:
        if self.pending.colors or not (self.pending.definite and match.table == "number"):
            definite = self.pending.definite and not self.pending.colors
            self._flush()
            self.pending.definite = definite
        least, most = lexicon.VAGUE_NUMBERS[match.phrase] if match.table == "vague" else (lexicon.NUMBER_WORDS[match.phrase],) * 2
        self.pending.least, self.pending.most, self.pending.quantified = least, most, True
        self.pending.ordinal = match.phrase in ORDINALS
        self.pending.trigger = "one" if self.pending.ordinal else ""

    def _unknown(self, token: Token) -> None:
        word = token.word
        if word in ORDINALS:
            self._flush()
            self.pending.ordinal = True
        elif word in DEFINITE:
            if self.pending.ordinal and not self.pending.colors:
                return
            if (
                self.pending.colors
                and not self.pending.trigger
                and not self.pending.quantified
                and not self.pending.after_noun
                and word == "the"
            ):
                self.pending.inverted = self.pending.definite = True
                return
            if word in PRONOUNS:
                self._pronoun()
            self._flush()
            self.pending.definite = True
        elif word in PRONOUNS:
            self._pronoun()
        elif word in COPULAS and (self.pending.colors or self.pending.least is not None) and not self.pending.trigger:
            return
        elif word in RESET or word in COPULAS:
            if (self.pending.ordinal and word != "of") or (word == "of" and self.pending.least is not None and not self.pending.colors):
                return
            self._flush()
            self.pending.trigger = word if word in COPULAS or word == "in" else ""
        elif word == "and" and not self.pending.colors:
            self._flush()
        elif word == "ones":
            self.pending.several = True
        elif word not in FILLERS and word != "and":
            self.pending.spoilt = True
            self.unknown += len(word) > _SHORT_WORD

    def _pronoun(self) -> None:
        """ "above it": the thing last spoken of before the subject. "It is …": the thing last spoken of."""
        if self.waiting is None:
            if self.pending.least is not None:
                return
            if not self.here and self.mentions and not self.mentions[-1].negated:
                self.here.append(len(self.mentions) - 1)
            return
        direction, subject = self.waiting
        earlier = [
            known
            for known in range(max(0, len(self.mentions) - 4), len(self.mentions))
            if known != subject and not self.mentions[known].negated
        ]
        self.waiting = None
        if not earlier:
            return
        if subject is None:
            self.fronted = (direction, earlier[-1])
        else:
            self._relate(subject, direction, earlier[-1])

    def _direction(self, index: int, match: Match) -> None:
        direction = Direction(lexicon.DIRECTION_PHRASES[match.phrase])
        if match.phrase.endswith("of") and self._frame_at(index + match.length):
            self._put(Place(horizontal=-1 if direction is Direction.LEFT else 1), index)
            return
        opens = self.previous in (",", "", "and") or self.tokens[index - 1].clause != self.tokens[index].clause
        self._flush()
        subject = next((known for known in reversed(self.here) if not self.mentions[known].negated), None)
        if opens and self._word(index + match.length) in PRONOUNS:
            subject = None
        if subject is not None or opens:
            self.waiting = (direction, subject)

    def _noun(self, index: int, match: Match) -> None:
        token, pending = self.tokens[index], self.pending
        sense, kinds = _meaning(match)
        mention = Mention(
            noun=match.phrase,
            kinds=kinds,
            sense=sense,
            sentence=token.sentence,
            clause=token.clause,
            position=token.position,
            plural=match.plural or (not pending.quantified and not pending.definite and match.phrase.endswith("fish")),
            least=pending.least,
            most=pending.most,
            unquantified=not pending.quantified and not pending.definite,
            colors=list(dict.fromkeys(pending.colors)),
            bound=not pending.inverted,
            size=pending.size,
            negated=self.negating,
        )
        self._connect(self._again(mention, pending.definite) or self._new(mention))
        self._clear()

    def _again(self, mention: Mention, definite: bool) -> int | None:
        """The index of the earlier mention that this one speaks of once more ("the house"), brought up to date; None for a new thing."""
        # Zero is an index too, so indices are handed on plus one.
        if mention.negated or mention.sense is Sense.THEME or not (definite or mention.unquantified):
            return None
        for known in reversed(self.latest.get(mention.kinds[0], ())):
            earlier = self.mentions[known]
            if earlier.negated or (mention.colors and earlier.colors and set(mention.colors) != set(earlier.colors)):
                continue
            if mention.colors and not earlier.colors:
                earlier.colors, earlier.bound = mention.colors, mention.bound
            earlier.size = earlier.size or mention.size
            if earlier.least is None:
                earlier.least, earlier.most = mention.least, mention.most
            return known + 1
        return None

    def _new(self, mention: Mention) -> int:
        self.mentions.append(mention)
        known = len(self.mentions) - 1
        recent = self.latest.setdefault(mention.kinds[0], [])
        recent.append(known)
        del recent[:-6]
        return known + 1

    def _connect(self, handle: int) -> None:
        """Gives the mention the place and the relations that were waiting for it."""
        known = handle - 1
        mention = self.mentions[known]
        if self.place_ahead is not None and not mention.negated:
            mention.places.append(self.place_ahead)
            self.place_ahead = None
        if self.waiting is not None and not mention.negated:
            direction, subject = self.waiting
            self.waiting = None
            if subject is None:
                self.fronted = (direction, known)
            else:
                self._relate(subject, direction, known)
        elif self.fronted is not None and not mention.negated:
            direction, other = self.fronted
            self.fronted = None
            self._relate(known, direction, other)
        if not self.here or self.here[-1] != known:
            self.here.append(known)


def _meaning(match: Match) -> tuple[Sense, tuple[str, ...]]:
    if match.table == "noun":
        return Sense.KIND, (lexicon.NOUNS[match.phrase],)
    if match.table == "ambiguous":
        return Sense.AMBIGUOUS, lexicon.AMBIGUOUS[match.phrase]
    return Sense.THEME, lexicon.THEMES[match.phrase]
