"""A user's words and the rules to follow → the rewrite, in English that people read.

Without a rule it writes as a lazy rewriter does: one sentence that merges everything, with numbers rounded, ornaments invented and
negations repeated. Each rule changes one habit. A length limit drops what matters least until the text fits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from data.mentions import Reading
from data.scene import Direction
from reasoner.embedded import english, places
from reasoner.embedded.items import Content, Item, Luck, content_of
from reasoner.embedded.rules import Rule

_INVERSE = {
    Direction.ABOVE: Direction.BELOW,
    Direction.BELOW: Direction.ABOVE,
    Direction.LEFT: Direction.RIGHT,
    Direction.RIGHT: Direction.LEFT,
}
_UNKNOWN_WORDS = 3
"""More unknown words than this, and than two for each thing read, and the text is about something else than the things read."""
_PHRASES = {Direction.ABOVE: "above", Direction.BELOW: "below", Direction.LEFT: "to the left of", Direction.RIGHT: "to the right of"}


@dataclass(frozen=True, slots=True)
class _Options:
    """What may be left out of a rewrite to make it shorter, in the order in which it goes."""

    boosters: bool
    camera: bool
    style: bool
    closing: bool
    opener: bool
    invented: bool
    verbs: bool
    enumerated: bool
    links: bool
    only: bool
    setting: bool


def write(user: str, reading: Reading, rules: frozenset[Rule], limit: int | None, luck: Luck) -> str:
    """The rewrite of the user's text; never empty."""
    readable = bool(reading.wanted or reading.texts)
    if not readable or reading.unknown > _UNKNOWN_WORDS + 2 * len(reading.wanted):
        return _framed(user, rules, limit, luck)
    content = content_of(reading, rules, luck)
    options = _Options(
        boosters=Rule.BOOSTERS in rules,
        camera=Rule.CAMERA in rules,
        style=Rule.STYLE in rules,
        closing=Rule.POETIC in rules,
        opener=Rule.POETIC in rules,
        invented=True,
        verbs=True,
        enumerated=True,
        links=True,
        only=True,
        setting=True,
    )
    return _fitted(lambda chosen: _Writer(content, rules, chosen, luck).text(), options, limit)


def _fitted(compose: Callable[[_Options], str], options: _Options, limit: int | None) -> str:
    """The text with as many options as fit into ``limit`` words, dropped in their order."""
    text = compose(options)
    if limit is None:
        return text
    for name in _Options.__slots__:
        if len(text.split()) <= limit:
            break
        options = replace(options, **{name: False})
        text = compose(options)
    return text


def _framed(user: str, rules: frozenset[Rule], limit: int | None, luck: Luck) -> str:
    """For words that the rule machine can't read: the words themselves, and what the rules add to any picture."""
    wish = " ".join(user.split()).rstrip(".")
    if not any(character.isalnum() for character in wish):
        wish = "a quiet scene"
    # No setting is added: what can't be read may well have one of its own.
    content = Content([], [], [], [], setting=None, only=Rule.ONLY in rules)
    lead = wish[0].upper() + wish[1:] if Rule.FAITHFUL in rules else f"{luck('opener').choice(english.OPENERS)} {wish}"
    options = _Options(
        Rule.BOOSTERS in rules, Rule.CAMERA in rules, Rule.STYLE in rules, Rule.POETIC in rules, Rule.POETIC in rules, *[True] * 6
    )
    return _fitted(lambda chosen: " ".join([english.sentence(lead), *_Writer(content, rules, chosen, luck).frame()]), options, limit)


class _Writer:
    """Writes one content under one choice of options."""

    def __init__(self, content: Content, rules: frozenset[Rule], options: _Options, luck: Luck) -> None:
        self.rules, self.options, self.luck = rules, options, luck
        self.content = content
        keep_invented = options.invented
        self.items = [replace(item, cells=list(item.cells)) for item in content.items if keep_invented or not item.invented]
        self.links = list(content.links)
        self._arrange()

    def _arrange(self) -> None:
        linked = {index for link in self.links for index in (link.subject, link.object)}
        everything = Rule.PLACES in self.rules
        copies = Rule.ENUMERATE in self.rules and self.options.enumerated
        many = [copies and (item.count or 0) > 1 and not item.cells for item in self.items]
        placed = [everything or (Rule.RELATIONS in self.rules and index in linked) or many[index] for index in range(len(self.items))]
        if any(many) or everything:
            # One placed thing alone says little: those it is related to are placed with it.
            placed = [here or index in linked for index, here in enumerate(placed)]
        places.arrange(self.items, self.links, placed, many)

    def text(self) -> str:
        rules = self.rules
        if Rule.TAGS in rules:
            return self._tags()
        flowing = Rule.ONE_SENTENCE in rules or Rule.SEPARATE not in rules
        parts = self._flowing() if flowing else self._separate()
        if self.options.opener:
            opener = self.luck("poetry").choice(english.POETIC_OPENERS)
            parts = [*parts, english.sentence(opener.rstrip(":"))] if Rule.FAITHFUL in rules else [opener, *parts]
        return " ".join(parts)

    def frame(self, *, with_setting: bool = True) -> list[str]:
        """The sentences around the things: setting, style, what else there is not."""
        parts: list[str] = []
        if with_setting and self.options.setting and self.content.setting:
            phrase = english.setting_phrase(self.content.setting, self.content.setting_word, adverbial=False)
            parts.append(f"The setting is {phrase}.")
        if self.options.only and self.content.only:
            parts.append("Nothing else is in the picture.")
        if self.options.style:
            parts.append(self.luck("style").choice(english.STYLES))
        if self.options.closing:
            parts.append(self.luck("poetry").choice(english.POETIC_CLOSINGS))
        if self.options.camera:
            parts.append(f"{english.CAMERA}.")
        if self.options.boosters:
            parts.append(f"{english.BOOSTERS}.")
        if Rule.UNWANTED in self.rules and self.content.unwanted:
            parts.append(f"Avoid the following: {', '.join(f'no {english.plural_of(noun)}' for noun in self.content.unwanted)}.")
        return parts

    # -- a sentence for each

    def _separate(self) -> list[str]:
        parts = [self._sentence(index, item) for index, item in enumerate(self.items)]
        parts.extend(self._written(text, quoted) for text, quoted in self.content.texts)
        if Rule.UNWANTED not in self.rules and self.content.unwanted:
            parts.append(f"There are no {english.listed([english.plural_of(noun) for noun in self.content.unwanted], 'or')}.")
        return parts + self.frame()

    def _sentence(self, index: int, item: Item) -> str:
        bound = Rule.BIND in self.rules or not item.colors or self.luck(f"apart {index}").random() < 0.6
        phrase = english.noun_phrase(item, colored=bound)
        relation = self._relation_to_earlier(index)
        color = "" if bound else f" in {english.listed(item.colors)}"
        where = self._where(index, item)
        if not where and not relation:
            return f"There {'are' if item.plural else 'is'} {phrase}{color}."
        verb = f" {english.verb(item)}" if self.options.verbs else ""
        if item.enumerated:
            lead = f"{relation}, {phrase}{color}{verb}" if relation else f"{phrase}{color}{verb}"
            return english.sentence(f"{lead}: {where}")
        return english.sentence(
            " ".join(f"{phrase}{color}{verb} {where}{',' if where and relation else ''} {relation}".split()).replace(" ,", ",")
        )

    def _where(self, index: int, item: Item) -> str:
        if not item.cells:
            return ""
        if item.enumerated or len(item.cells) > 1:
            return english.listed([f"one {places.CELL_NAMES[cell]}" for cell in item.cells], "and")
        return places.row_or_column(item, self.links, index) if item.plural else places.CELL_NAMES[item.cells[0]]

    def _relation_to_earlier(self, index: int) -> str:
        """How this item stands to one that was named before it."""
        if not self.options.links:
            return ""
        for link in self.links:
            if link.subject == index and link.object < index:
                return f"{_PHRASES[link.direction]} {english.again(self.items[link.object], self.items)}"
            if link.object == index and link.subject < index:
                return f"{_PHRASES[_INVERSE[link.direction]]} {english.again(self.items[link.subject], self.items)}"
        return ""

    def _written(self, text: str, quoted: bool) -> str:
        return (
            f'The word{"s" if " " in text else ""} "{text}" {"are" if " " in text else "is"} written on a sign in clear letters.'
            if quoted
            else f"A sign says {text}."
        )

    # -- one sentence for all

    def _flowing(self) -> list[str]:
        colored = [item for item in self.items if item.colors and not item.invented]
        merge = len(colored) > 1 and Rule.BIND not in self.rules and self.luck("merge").random() < 0.6
        named = self._clauses(merge=merge)
        body = english.listed(named)
        if merge:
            body += f", in {english.listed(list(dict.fromkeys(color for item in colored for color in item.colors)))}"
        setting = self.options.setting and self.content.setting and Rule.SETTING not in self.rules
        if setting and self.content.setting:
            body += f" {english.setting_phrase(self.content.setting, self.content.setting_word, adverbial=True)}"
        for text, quoted in self.content.texts:
            body += f', with a sign that says "{text}"' if quoted else f", with a sign that says {text}"
        if Rule.UNWANTED not in self.rules and self.content.unwanted:
            body += f", with no {english.listed([english.plural_of(noun) for noun in self.content.unwanted], 'or')}"
        plain = Rule.FAITHFUL in self.rules or Rule.POETIC in self.rules
        opener = "" if plain else self.luck("opener").choice(english.OPENERS)
        return [english.sentence(f"{opener} {body}"), *self.frame(with_setting=not setting)]

    def _clauses(self, *, merge: bool) -> list[str]:
        """The things as noun phrases, those in a relation joined by it."""
        phrases: dict[int, str] = {}
        for index, item in enumerate(self.items):
            where = self._where(index, item)
            loose = item.colors and not merge and Rule.BIND not in self.rules and self.luck(f"apart {index}").random() < 0.3
            phrase = english.noun_phrase(item, colored=(not merge and not loose) or item.invented)
            if loose and not item.invented:
                phrase += f" in {english.listed(item.colors)}"
            phrases[index] = f"{phrase} ({where})" if item.enumerated else f"{phrase} {where}".strip()
        joined: set[int] = set()
        named: list[str] = []
        for index, phrase in phrases.items():
            if index in joined:
                continue
            link = next((link for link in self.links if link.subject == index and link.object not in joined and link.object > index), None)
            if link is None or not self.options.links:
                earlier = self._relation_to_earlier(index)
                named.append(f"{phrase} {earlier}".strip())
            else:
                joined.add(link.object)
                named.append(f"{phrase} {_PHRASES[link.direction]} {phrases[link.object]}")
            joined.add(index)
        return named

    def _tags(self) -> str:
        tags: list[str] = []
        for item in self.items:
            tags.append(english.noun_phrase(item, colored=Rule.BIND in self.rules))
            if Rule.BIND not in self.rules:
                tags.extend(item.colors)
        tags.extend(f'"{text}"' if quoted else f"sign saying {text}" for text, quoted in self.content.texts)
        if self.content.setting and self.options.setting:
            tags.append(english.setting_phrase(self.content.setting, self.content.setting_word, adverbial=False))
        tags.extend(f"no {english.plural_of(noun)}" for noun in self.content.unwanted)
        if self.options.boosters:
            tags.append(english.BOOSTERS)
        if self.options.camera:
            tags.append(english.CAMERA.lower())
        if self.options.only and self.content.only:
            tags.append("nothing else")
        return ", ".join(tags)
