"""Colours, numbers and sizes that stand apart from their noun, and whose they are."""

from collections.abc import Callable
from dataclasses import replace

from data import lexicon
from data.grammar.state import Pending, State
from data.mentions import Mention, Sense


class Attributes(State):
    """Adds to a reader: attributes without a noun."""

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

    def _says_something(self, pending: Pending) -> bool:
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

    def _attribute(self, pending: Pending) -> None:
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
        if bare and (len(bare) == 1 or (len(colors) == 1 and self.mentions[bare[-1]] is last)):
            self.mentions[bare[-1]].colors, self.mentions[bare[-1]].bound = list(colors), False
        else:
            self.loose.extend((self.sentence, color) for color in colors)

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
