"""Words → what gets drawn, failing the way text-to-image models fail, by seeded chance.

Every failing draws from a random stream of its own, named after the failing and what it befalls. So a seed means the same luck for
different
texts, as noise does for a diffusion model: what a better text changes can be compared. It knows nothing of pixels or places (layout.py,
painter.py), and nothing of who wrote the text.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from data.identity import derived_random
from data.mentions import Mention, Reading, Sense, TextRequest
from data.reading import read
from data.scene import BACKGROUNDS, COLORS, KINDS, Direction, Size
from generator.embedded.failings import Failings
from generator.embedded.picture import LONGEST_TEXT, MOST_ALIKE, Group, Picture

_FAILINGS = Failings()
_STRAY_WORDS = ("NEW", "ART", "HELLO", "SALE", "LOVE", "2024")


@dataclass(slots=True)
class _Figure:
    """Things about to be drawn, and the mention they come from (-1: none)."""

    mention: int
    kind: str
    color: str
    count: int
    size: Size | None = None


@dataclass(slots=True)
class _Misreader:
    """One reading under one seed."""

    reading: Reading
    seed: int
    failings: Failings
    occurrences: dict[str, int] = field(default_factory=dict[str, int])

    def luck(self, failing: str, *names: object) -> random.Random:
        return derived_random("embedded generator", self.seed, failing, *names)

    @property
    def subject(self) -> str:
        """What the streams of the whole picture are named after, so that different pictures of one seed don't all share their luck."""
        return next(("/".join(mention.kinds) for mention in self.reading.wanted), "nothing")

    def befalls(self, chance: float, failing: str, *names: object) -> bool:
        return self.luck(failing, *names).random() < chance

    # -- things

    def figures(self) -> list[_Figure]:
        drawn: list[_Figure] = []
        kinds = 0
        sentences = Counter(mention.sentence for mention in self.reading.wanted)
        before: Counter[int] = Counter()
        for index, mention in enumerate(self.reading.mentions):
            name = self._name(mention)
            if mention.negated:
                if self.befalls(self.failings.negation_ignored, "negation ignored", name):
                    kind = self._kinds(mention, name)[0]
                    drawn.append(
                        _Figure(-1, kind, self._any_color(name), 1 + self.befalls(0.3, "negated count", name), self._any_size(name))
                    )
                continue
            neglected = self.failings.neglect * before[mention.sentence]
            before[mention.sentence] += 1
            if self._left_out(mention, name, kinds, neglected):
                continue
            kinds += 1
            for kind in self._kinds(mention, name):
                drawn.append(
                    _Figure(
                        index,
                        kind,
                        self._color(index, name),
                        self._count(mention, name, kind),
                        self._size(mention, name, sentences[mention.sentence] > 1),
                    )
                )
        return drawn

    def _name(self, mention: Mention) -> str:
        """What the streams of a mention are named after: its noun, and which of its mentions it is. Not its place in the text."""
        key = "/".join(mention.kinds)
        self.occurrences[key] = self.occurrences.get(key, 0) + 1
        return f"{key} {self.occurrences[key]}"

    def _left_out(self, mention: Mention, name: str, kinds: int, neglected: float) -> bool:
        f = self.failings
        faded = f.fade * max(0, mention.position - f.fade_from) / max(1, f.words_read - f.fade_from)
        crowded = f.crowding * max(0, kinds - 2)
        return self.befalls(neglected + faded + crowded, "left out", name)

    def _kinds(self, mention: Mention, name: str) -> list[str]:
        f = self.failings
        if mention.sense is Sense.AMBIGUOUS:
            usual = mention.cue or mention.kinds[0]
            flipped = self.befalls(f.sense_flipped_hinted if mention.cue else f.sense_flipped, "sense", name)
            return [next(kind for kind in mention.kinds if (kind == usual) != flipped)]
        if mention.sense is Sense.THEME:
            luck = self.luck("theme", name)
            if luck.random() < f.theme_missed:
                return [luck.choice([kind for kind in KINDS if kind not in mention.kinds])]
            chosen = [kind for kind in mention.kinds if luck.random() < f.theme_member]
            return chosen or [luck.choice(mention.kinds)]
        return [mention.kinds[0]]

    # -- how many, how large

    def _count(self, mention: Mention, name: str, kind: str) -> int:
        f = self.failings
        luck = self.luck("count", name)
        if mention.sense is Sense.THEME:
            return luck.choice((1, 1, 2))
        exact = mention.exact
        if exact is not None and not mention.count_bound and self.befalls(f.loose_count, "count loose", name):
            return luck.randint(*f.bare_plural)
        if exact is not None:
            placed = len(mention.places) >= exact
            drift = f.count_slip if exact <= 3 else f.count_drift_placed if placed else f.count_drift
            if placed and exact > 1:
                drift = min(drift, f.count_drift_placed)
            if luck.random() < drift:
                step = luck.choice((-2, -1, 1, 2)) if exact > 3 else luck.choice((-1, 1))
                exact = exact + step if exact + step >= 1 else exact + 1
            return min(exact, MOST_ALIKE)
        if mention.least is not None and mention.most is not None:
            return luck.randint(max(1, mention.least - f.vague_slack), min(MOST_ALIKE, mention.most + f.vague_slack))
        return luck.randint(*f.bare_plural) if mention.plural else 1

    def _size(self, mention: Mention, name: str, shared: bool) -> Size | None:
        f = self.failings
        if mention.size is not None and not self.befalls(f.size_ignored if shared else f.size_ignored_alone, "size ignored", name):
            return mention.size
        return self._any_size(name)

    def _any_size(self, name: str) -> Size | None:
        draw = self.luck("size", name).random()
        chance = self.failings.size_random
        return Size.SMALL if draw < chance else Size.LARGE if draw < 2 * chance else None

    # -- colours

    def _any_color(self, name: str) -> str:
        return self.luck("color", name).choice(tuple(COLORS))

    def _color(self, index: int, name: str) -> str:
        f = self.failings
        mention = self.reading.mentions[index]
        color = self._own_color(mention, name)
        if color is None:
            return self._any_color(name)
        if self.befalls(f.color_wrong, "color wrong", name) or (not mention.bound and self.befalls(f.loose_color, "color loose", name)):
            return self._any_color(name)
        chances = [
            (other, self._leak(mention, other)) for other in self.reading.mentions if other is not mention and set(other.colors) - {color}
        ]
        luck = self.luck("leak", name)
        sum_of_chances = sum(chance for _, chance in chances)
        scale = min(1.0, f.leak_most / sum_of_chances) if sum_of_chances else 0.0
        draw = luck.random()
        for other, chance in chances:
            draw -= chance * scale
            if draw < 0:
                return next(theirs for theirs in other.colors if theirs != color)
        return color

    def _own_color(self, mention: Mention, name: str) -> str | None:
        if mention.colors:
            return self.luck("which color", name).choice(mention.colors)
        loose = [color for sentence, color in self.reading.loose if sentence == mention.sentence]
        return self.luck("loose color", name).choice(loose) if loose else None

    def _leak(self, mention: Mention, other: Mention) -> float:
        f = self.failings
        if mention.sentence != other.sentence:
            return f.leak_apart
        return f.leak_in_clause if mention.clause == other.clause else f.leak_in_sentence

    # -- the rest of the picture

    def extra(self, taken: Sequence[_Figure]) -> _Figure | None:
        f = self.failings
        chance = f.extra
        if self.reading.settings:
            chance *= f.extra_with_setting
        if self.reading.exclusive:
            chance *= f.extra_when_only
        if _facts(self.reading) >= f.specific_facts:
            chance *= f.extra_when_specific
        luck = self.luck("extra", self.subject)
        if luck.random() >= chance:
            return None
        order = luck.sample(KINDS, len(KINDS))
        kind = next(kind for kind in order if all(kind != figure.kind for figure in taken))
        return _Figure(-1, kind, self._any_color(f"extra {self.subject}"), luck.choice((1, 1, 2)))

    def background(self) -> str:
        stated = self.reading.background
        if stated is not None and not self.befalls(self.failings.background_ignored, "background ignored", self.subject):
            return stated
        return self.luck("background", self.subject).choice(BACKGROUNDS)

    def text(self) -> str | None:
        if not self.reading.texts:
            stray = self.reading.textless and self.befalls(self.failings.negation_of_text_ignored, "text against wish", self.subject)
            return self.luck("stray text").choice(_STRAY_WORDS) if stray else None
        # Quoted words win over the same words said again without quotes.
        request = next((text for text in self.reading.texts if text.quoted), self.reading.texts[0])
        return self._spelt(request)

    def _spelt(self, request: TextRequest) -> str | None:
        wanted = " ".join(re.sub(r"[^A-Za-z0-9 ]", "", request.text).upper().split())[:LONGEST_TEXT].strip()
        luck = self.luck("spelling", wanted)
        if luck.random() >= (self.failings.misspelt_quoted if request.quoted else self.failings.misspelt_unquoted):
            return wanted or None
        return None if luck.random() < 0.25 or not wanted else _misspelt(wanted, luck)

    def relations(self, groups: Sequence[_Figure]) -> tuple[tuple[int, Direction, int], ...]:
        """The relations that are followed, between groups: those said, and those that stated places amount to."""
        where = {figure.mention: group for group, figure in enumerate(groups) if figure.mention >= 0}
        mentions = self.reading.mentions
        kept: dict[tuple[int, int], Direction] = {}
        for subject, direction, other in [*_placed(mentions), *((s.subject, s.direction, s.object) for s in self.reading.relations)]:
            if subject not in where or other not in where or where[subject] == where[other]:
                continue
            pair = (where[subject], where[other])
            name = (*sorted((mentions[subject].noun, mentions[other].noun)),)
            if pair in kept or pair[::-1] in kept or self.befalls(self._loss(mentions[subject], mentions[other]), "relation", *name):
                continue
            kept[pair] = direction
        return tuple((subject, direction, other) for (subject, other), direction in kept.items())

    def _loss(self, subject: Mention, other: Mention) -> float:
        f = self.failings
        placed = bool(subject.places) + bool(other.places)
        return (f.relation_lost, f.relation_lost_half, f.relation_lost_placed)[placed]


def misread(text: str, seed: int, failings: Failings = _FAILINGS) -> Picture:
    """What the embedded generator draws for ``text`` with the luck of ``seed``. Every text, the empty one too, gives a picture."""
    misreader = _Misreader(read(_first_words(text, failings.words_read)), seed, failings)
    figures = misreader.figures()
    extra = misreader.extra(figures)
    if extra is not None or not figures:
        figures.append(extra or _Figure(-1, misreader.luck("anything").choice(KINDS), misreader.luck("anything").choice(tuple(COLORS)), 1))
    groups = _fitted(_merged(figures), failings)
    return Picture(
        groups=tuple(Group(group.kind, group.color, group.count, group.size) for group in groups),
        background=misreader.background(),
        relations=misreader.relations(groups),
        text=misreader.text(),
        seed=seed,
    )


def _facts(reading: Reading) -> int:
    """How much a text fixes about its picture; words that say nothing about it don't count."""
    of_things = sum(bool(m.colors) + (m.exact is not None) + bool(m.places) + (m.size is not None) for m in reading.wanted)
    return of_things + len(reading.relations) + bool(reading.settings) + bool(reading.texts)


def _first_words(text: str, most: int) -> str:
    """``text`` up to its ``most``-th word, spacing kept."""
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number == most:
            return text[: match.end()]
    return text


def _merged(figures: Sequence[_Figure]) -> list[_Figure]:
    """Things of one kind and colour are one group."""
    merged: dict[tuple[str, str], _Figure] = {}
    for figure in figures:
        known = merged.get((figure.kind, figure.color))
        if known is None:
            merged[figure.kind, figure.color] = figure
        else:
            known.count += figure.count
            known.size = known.size or figure.size
    return list(merged.values())


def _fitted(groups: list[_Figure], failings: Failings) -> list[_Figure]:
    """As many of ``groups`` as the picture has room for, the first ones first; each keeps at least one."""
    groups = groups[: failings.most_groups]
    room = failings.most_figures
    for place, group in enumerate(groups):
        group.count = max(1, min(group.count, MOST_ALIKE, room - (len(groups) - place - 1)))
        room -= group.count
    return groups


def _placed(mentions: Sequence[Mention]) -> list[tuple[int, Direction, int]]:
    """Which mention is where relative to which, by their stated places alone."""
    placed = [(index, mention) for index, mention in enumerate(mentions) if mention.places and not mention.negated][:8]
    found: list[tuple[int, Direction, int]] = []
    for order, (index, mention) in enumerate(placed):
        for other_index, other in placed[order + 1 :]:
            direction = _between(mention, other)
            if direction is not None:
                found.append((index, direction, other_index))
    return found


def _between(mention: Mention, other: Mention) -> Direction | None:
    rows = [place.vertical for place in mention.places if place.vertical is not None]
    other_rows = [place.vertical for place in other.places if place.vertical is not None]
    columns = [place.horizontal for place in mention.places if place.horizontal is not None]
    other_columns = [place.horizontal for place in other.places if place.horizontal is not None]
    if rows and other_rows and max(rows) < min(other_rows):
        return Direction.ABOVE
    if rows and other_rows and min(rows) > max(other_rows):
        return Direction.BELOW
    if columns and other_columns and max(columns) < min(other_columns):
        return Direction.LEFT
    if columns and other_columns and min(columns) > max(other_columns):
        return Direction.RIGHT
    return None


def _misspelt(word: str, luck: random.Random) -> str:
    """``word`` with one mistake of the kind that image models make: a letter lost, doubled, swapped or replaced."""
    place = luck.randrange(len(word))
    letter = luck.choice([letter for letter in "AEIORNSTLC" if letter != word[place]])
    mistakes = (
        word[:place] + word[place + 1 :],
        word[: place + 1] + word[place:],
        word[:place] + letter + word[place + 1 :],
        word[:place] + word[place + 1 : place + 2] + word[place] + word[place + 2 :],
    )
    made = luck.choice(mistakes).strip()
    return made if made and made != word else word[:place] + letter + word[place + 1 :]
