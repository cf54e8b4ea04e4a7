"""The walk over a text's words that data/reading.py speaks of. Use :func:`data.reading.read`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from data import lexicon
from data.reading import Mention, Place, Reading, Sense, Setting, SpatialPhrase, TextRequest
from data.scene import Direction, Size
from data.tokens import Match, Token, match_at, tokenize

_NEGATORS = frozenset(("no", "without", "not", "never", "neither", "nor", "zero", "lacking", "excluding", "except", "minus"))
_NEGATED_PHRASES = frozenset((
    ("free", "of"), ("devoid", "of"), ("instead", "of"), ("rather", "than"), ("leave", "out"), ("leaving", "out"), ("skip", "the"), ("omit", "the"),
    ("exclude", "the"), ("drop", "the"), ("get", "rid"),
))  # fmt: skip
_NOT_NEGATING = frozenset(("only", "just", "else", "more", "other", "others", "merely", "later", "longer"))
"""After a negator: "not only", "no other objects", "nothing more"."""
_AFFIRMERS = frozenset(("but", "only", "just", "showing", "shows", "is", "are", "with", "and", "there", "in", "on", "at"))
"""Words that end what a negator governs, where no noun follows them at once."""
_DEFINITE = frozenset(("the", "these", "those", "this", "that", "each", "every", "both", "all", "its", "their"))
_PRONOUNS = frozenset(("it", "them", "they", "these", "those", "him", "her"))
_ORDINALS = frozenset(("one", "another", "other", "first", "second", "third", "fourth", "fifth", "sixth", "last", "each"))
_SHAPED = frozenset(("shaped", "like", "themed", "patterned", "print", "printed", "style", "covered", "filled", "lit", "design"))
_COPULAS = frozenset(("is", "are", "be", "colored", "coloured", "painted", "was", "were"))
_FILLERS = frozenset(("ones", "to", "be", "exact", "exactly", "please", "bright", "dark", "light", "deep", "pale", "really", "should", "oh", "plus", "which"))
"""Words that may stand in a clause of attributes alone: "pink ones", "four to be exact"."""
_RESET = frozenset((
    "is", "are", "in", "on", "at", "with", "to", "for", "from", "by", "into", "near", "next", "beside", "behind", "between", "around", "through",
    "of", "as", "while", "against", "under", "that", "which", "who", "has", "have", "stands", "sits", "floats", "float", "stand", "sit", "reading",
))  # fmt: skip
_ASKING = frozenset(("says", "say", "saying", "reads", "read", "reading", "spells", "spelling", "lettering", "labelled", "labeled", "inscribed"))
_NAMING = frozenset(("word", "words", "text", "letters", "caption", "slogan", "title", "message", "label"))
_TEXT_WORDS = frozenset(("text", "words", "writing", "letters", "lettering", "captions", "caption", "watermark", "watermarks", "typography", "logos"))
_TEXT_ENDS = frozenset((
    "above", "over", "below", "under", "on", "in", "at", "and", "with", "beside", "next", "near", "hangs", "stands", "is", "are", "to", "across",
    "appears", "written", "painted", "for", "by", "from", "beneath", "the", "of", "that",
))  # fmt: skip
_PLACE_LEADS = frozenset(("the", "at", "on", "in", "to", "far", "very", "across", "along", "near", "and", "towards", "toward", "its"))
_PLACE_FILLERS = frozenset(("far", "very", "hand", "extreme", "exact", "half", "third", "corner", "side", "edge", "part", "portion", "area", "row", "section"))
_MOST_TEXT_WORDS = 4
_SIGNS = frozenset(("sign", "signs", "banner", "written", "painted", "printed", "label", "poster", "board", "plate", "flag", "lettering"))


@dataclass(slots=True)
class _Pending:
    """What stands before a noun, until the noun comes."""

    least: int | None = None
    most: int | None = None
    colors: list[str] = field(default_factory=list[str])
    size: Size | None = None
    definite: bool = False
    quantified: bool = False
    trigger: str = ""
    ordinal: bool = False
    inverted: bool = False
    """A colour said before "the" and its noun: "pink the hearts"."""
    after_noun: bool = False
    """The colour came right after a noun: "the star red"."""
    spoilt: bool = False
    """An unknown word came after the attributes: they may be about that."""
    several: bool = False
    """ "ones" came: about a plural."""


class Reader:
    """Reads one text; use once."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        self.mentions: list[Mention] = []
        self.settings: list[Setting] = []
        self.texts: list[TextRequest] = []
        self.relations: dict[tuple[int, int], SpatialPhrase] = {}
        self.loose: list[tuple[int, str]] = []
        self.latest: dict[str, list[int]] = {}
        self.exclusive = self.textless = False
        self.pending = _Pending()
        self.negating = False
        self.waiting: tuple[Direction, int | None] | None = None
        """A direction whose object has not come yet, and its subject (None: it comes after the object)."""
        self.fronted: tuple[Direction, int] | None = None
        """A direction and its object, said before their subject: "above the house, …"."""
        self.place_ahead: Place | None = None
        self.sentence = 0
        self.here: list[int] = []
        """The mentions of this sentence."""
        self.previous = ""
        self.noun_before = " "
        """The last word of the noun phrase just read."""
        self.topic: int | None = None
        """The mention that a clause of attributes last said something about."""

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
            words,
        )

    # -- one step

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
        self._flush()
        if self.negating and not self._noun_at(index + 1):
            self.negating = False

    def _noun_at(self, index: int) -> bool:
        """Whether a bare noun, or "or"/"nor"/"and" and a noun, stands at ``index``: a list that a negator still governs."""
        if index < len(self.tokens) and self.tokens[index].word in ("or", "nor", "and", "no"):
            index += 1
        match = match_at(self.tokens, index)
        return match is not None and match.table in ("noun", "ambiguous", "theme", "background")

    # -- negation, places, writing

    def _word(self, index: int) -> str:
        return self.tokens[index].word if 0 <= index < len(self.tokens) else ""

    def _negation(self, index: int) -> int:
        word, after = self.tokens[index].word, self._word(index + 1)
        if word == "nothing" or (word in _NEGATORS and after in _NOT_NEGATING):
            self.exclusive |= after in ("else", "but", "other", "more", "others", "only") or word == "nothing"
            return 2
        if word in _NEGATORS or word.endswith("n't") or (word, after) in _NEGATED_PHRASES:
            self._flush()
            self.negating = True
            return 1
        if word in ("only", "just", "exclusively", "solely"):
            self.exclusive = True
        if self.negating and word in _AFFIRMERS and not self._noun_at(index + 1) and not (word == "and" and self._noun_at(index)):
            self.negating = False
        if self.negating and word in _TEXT_WORDS:
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
        while (word := self._word(end)) in lexicon.VERTICAL_WORDS or word in lexicon.HORIZONTAL_WORDS or word in _PLACE_FILLERS:
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
        return self.previous in _PLACE_LEADS or self.previous in (",", "") or (ends and self.previous == self.noun_before)

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
        named = word in _NAMING and self.previous in ("the", "with", "word", "letters", ",", "a") and not self.negating
        if _is_shouted(self.tokens[index]) and self._on_sign(index):
            return self._shouted(index)
        if not named and (word not in _ASKING or self.previous in ("", ",")):
            return 0
        start = index + 1
        if start < len(self.tokens) and self.tokens[start].raw == ":":
            start += 1
        while self._word(start) in ("the", "word", "words", "text", "out", "simply", "only", "just", "saying", "says", "reading", "is") and start < index + 4:
            start += 1
        end = start
        shouted = start < len(self.tokens) and _is_shouted(self.tokens[start])
        most = 1 if named and word in ("word", "text") else _MOST_TEXT_WORDS
        while end < len(self.tokens) and end - start < (_MOST_TEXT_WORDS if shouted else most):
            token = self.tokens[end]
            if token.quote or token.is_break or token.word in _TEXT_ENDS or (shouted and not _is_shouted(token)):
                break
            end += 1
        if end == start:
            return 0
        self.texts.append(TextRequest(" ".join(token.raw for token in self.tokens[start:end]), False, self.tokens[start].position))
        return end - index

    def _on_sign(self, index: int) -> bool:
        """Whether the capitals at ``index`` stand on something: "a WELCOME sign", "CAFE on a sign", "LUNA written on it"."""
        end = index
        while end < len(self.tokens) and end < index + _MOST_TEXT_WORDS and _is_shouted(self.tokens[end]):
            end += 1
        after = [self._word(end + step) for step in range(3)]
        return after[0] in _SIGNS or (after[0] == "on" and after[2] in _SIGNS)

    def _shouted(self, index: int) -> int:
        end = index
        while end < len(self.tokens) and end < index + _MOST_TEXT_WORDS and _is_shouted(self.tokens[end]):
            end += 1
        self.texts.append(TextRequest(" ".join(token.raw for token in self.tokens[index:end]), False, self.tokens[index].position))
        return end - index

    # -- words of the lexicon

    def _known(self, index: int, match: Match) -> None:
        if match.table in ("noun", "ambiguous", "theme"):
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
        if self._word(after) in _SHAPED:
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
        self.pending.ordinal = match.phrase in _ORDINALS
        self.pending.trigger = "one" if self.pending.ordinal else ""

    def _unknown(self, token: Token) -> None:
        word = token.word
        if word in _ORDINALS:
            self._flush()
            self.pending.ordinal = True
        elif word in _DEFINITE:
            if self.pending.ordinal and not self.pending.colors:
                return
            if self.pending.colors and not self.pending.trigger and not self.pending.quantified and not self.pending.after_noun and word == "the":
                self.pending.inverted = self.pending.definite = True
                return
            if word in _PRONOUNS:
                self._pronoun()
            self._flush()
            self.pending.definite = True
        elif word in _PRONOUNS:
            self._pronoun()
        elif word in _COPULAS and (self.pending.colors or self.pending.least is not None) and not self.pending.trigger:
            return
        elif word in _RESET or word in _COPULAS:
            if (self.pending.ordinal and word != "of") or (word == "of" and self.pending.least is not None and not self.pending.colors):
                return
            self._flush()
            self.pending.trigger = word if word in _COPULAS or word == "in" else ""
        elif word == "and" and not self.pending.colors:
            self._flush()
        elif word == "ones":
            self.pending.several = True
        elif word not in _FILLERS and word != "and":
            self.pending.spoilt = True

    def _pronoun(self) -> None:
        """ "above it": the thing last spoken of before the subject. "It is …": the thing last spoken of."""
        if self.waiting is None:
            if self.pending.least is not None:
                return
            if not self.here and self.mentions and not self.mentions[-1].negated:
                self.here.append(len(self.mentions) - 1)
            return
        direction, subject = self.waiting
        earlier = [known for known in range(max(0, len(self.mentions) - 4), len(self.mentions)) if known != subject and not self.mentions[known].negated]
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
        if opens and self._word(index + match.length) in _PRONOUNS:
            subject = None
        if subject is not None or opens:
            self.waiting = (direction, subject)

    # -- nouns

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

    def _relate(self, subject: int, direction: Direction, other: int) -> None:
        if subject != other and (other, subject) not in self.relations:
            self.relations.setdefault((subject, other), SpatialPhrase(subject, direction, other))

    # -- colours without a noun

    def _flush(self) -> None:
        """Finds an owner for attributes that no noun followed: "the balloons are red", "stars, two of them", "a house in blue"."""
        pending = self.pending
        self._clear()
        if not self.here or self.negating or pending.spoilt or not (pending.colors or pending.least is not None or pending.size):
            if pending.colors and pending.trigger and self.here and not self.negating:
                self.loose.extend((self.sentence, color) for color in pending.colors)
            return
        if pending.trigger == "in" and not pending.ordinal:
            self._color_in(pending.colors)
        elif pending.colors and pending.least == pending.most and pending.least is not None:
            self._part(pending.least, pending.colors)
        elif pending.colors and pending.ordinal:
            self._part(1, pending.colors)
        elif self._says_something(pending):
            self._attribute(pending)

    def _says_something(self, pending: _Pending) -> bool:
        """Whether attributes without a number may be about an earlier noun: a bare article is not."""
        return bool(pending.colors or pending.size) or (pending.least is not None and not (pending.least == pending.most == 1))

    def _owner(self, *, plural: bool, lacks: Callable[[Mention], bool]) -> Mention | None:
        """The mention of this sentence that an attribute is likely about: the topic, else the last one that has none yet."""
        candidates = ([self.topic] if self.topic is not None else []) + self.here[:-5:-1]
        for known in candidates:
            mention = self.mentions[known]
            if not mention.negated and lacks(mention) and (mention.plural or mention.least != 1 or not plural):
                self.topic = known
                return mention
        return None

    def _part(self, count: int, colors: list[str]) -> None:
        owner = self._owner(plural=count > 1, lacks=lambda mention: not mention.colors)
        if owner is not None:
            owner.parts.append((count, colors[0]))

    def _attribute(self, pending: _Pending) -> None:
        if pending.least is not None and (owner := self._owner(plural=True, lacks=lambda mention: mention.exact is None)):
            owner.least, owner.most, owner.count_bound = pending.least, pending.most, False
        if pending.size is not None and (owner := self._owner(plural=False, lacks=lambda mention: mention.size is None)):
            owner.size = pending.size
        if pending.colors:
            owner = self._owner(plural=pending.several, lacks=lambda mention: not mention.colors)
            if owner is None:
                self.loose.extend((self.sentence, color) for color in pending.colors)
            else:
                owner.colors, owner.bound = list(dict.fromkeys(pending.colors)), False

    def _color_in(self, colors: list[str]) -> None:
        """ "a cat and a bird, in red and blue": whose they are is plain only where there is one thing and one colour."""
        bare = [known for known in self.here[-4:] if not self.mentions[known].colors and not self.mentions[known].negated]
        last = self.mentions[self.here[-1]]
        if len(colors) == 1 and bare and (len(bare) == 1 or self.mentions[bare[-1]] is last):
            self.mentions[bare[-1]].colors, self.mentions[bare[-1]].bound = list(colors), False
        else:
            self.loose.extend((self.sentence, color) for color in colors)

    def _clear(self) -> None:
        self.pending = _Pending()

    def _split_parts(self) -> None:
        """Makes mentions of their own of "one red, two blue"."""
        for known, mention in enumerate(list(self.mentions)):
            parts, mention.parts = mention.parts, []
            if not parts:
                continue
            for count, color in parts[1:]:
                self._copy_relations(known, len(self.mentions))
                self.mentions.append(
                    replace(mention, least=count, most=count, colors=[color], bound=False, count_bound=False, places=[], parts=[])
                )
            if len(parts) > 1 or mention.exact is None:
                mention.least = mention.most = parts[0][0]
                mention.count_bound = False
            mention.colors, mention.bound = [parts[0][1]], False

    def _copy_relations(self, known: int, copy: int) -> None:
        for phrase in list(self.relations.values()):
            if phrase.subject == known:
                self._relate(copy, phrase.direction, phrase.object)
            elif phrase.object == known:
                self._relate(phrase.subject, phrase.direction, copy)

    def _bind_cues(self) -> None:
        words = {token.word for token in self.tokens}
        for mention in self.mentions:
            if mention.sense is Sense.AMBIGUOUS:
                cues = lexicon.SENSE_CUES.get(mention.noun, {})
                found = {kind: sum(cue in words for cue in cues.get(kind, ())) for kind in mention.kinds}
                best = max(mention.kinds, key=lambda kind: found[kind])
                mention.cue = best if found[best] > min(found.values()) else None


def _meaning(match: Match) -> tuple[Sense, tuple[str, ...]]:
    if match.table == "noun":
        return Sense.KIND, (lexicon.NOUNS[match.phrase],)
    if match.table == "ambiguous":
        return Sense.AMBIGUOUS, lexicon.AMBIGUOUS[match.phrase]
    return Sense.THEME, lexicon.THEMES[match.phrase]


def _is_shouted(token: Token) -> bool:
    return not token.is_break and bool(re.fullmatch(r"[A-Z0-9][A-Z0-9']*", token.raw))

