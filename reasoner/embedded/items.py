"""A user's words → the things to write about, as a rewriter under given rules understands them. Decisions here, English in writer.py."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from data import lexicon
from data.identity import derived_random
from data.mentions import Mention, Reading, Sense
from data.scene import COLORS, Direction, Size
from reasoner.embedded.rules import Rule


@dataclass(slots=True)
class Item:
    """Things of one kind to write about.

    ``count`` is an exact number, or None with ``vague`` the words used instead ("several", or "" for a bare plural).
    """

    noun: str
    kind: str
    count: int | None = 1
    vague: str = ""
    colors: list[str] = field(default_factory=list[str])
    size: Size | None = None
    cells: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Places in a three by three grid, (row, column) from -1 to 1; one per copy where copies are placed one by one."""
    enumerated: bool = False
    invented: bool = False
    bare: bool = False
    """Said without an article, as an occasion is: "tea time"."""
    source: int = -1
    """The index of the user's mention that it comes from."""

    @property
    def plural(self) -> bool:
        return self.count != 1


@dataclass(frozen=True, slots=True)
class Link:
    """The item at ``subject`` is ``direction`` the item at ``object``."""

    subject: int
    direction: Direction
    object: int


@dataclass(slots=True)
class Content:
    """What a rewrite is going to say, before it is said."""

    items: list[Item]
    links: list[Link]
    unwanted: list[str]
    texts: list[tuple[str, bool]]
    """Words to be written in the picture, and whether they will stand in quotes."""
    setting: str | None
    setting_word: str = ""
    only: bool = False


Luck = Callable[[str], random.Random]

_VAGUE = ("several", "some", "a few", "a group of")
_DECORATIONS = ("bird", "flower", "tree", "butterfly", "star", "mushroom", "balloon")
_UNUSUAL_COLORS = ("orange", "purple", "pink", "green", "yellow", "brown")


def luck_of(system: str, user: str, seed: int) -> Luck:
    """Random streams by name for one chat."""
    return lambda name: derived_random("embedded reasoner", system, user, seed, name)


def content_of(reading: Reading, rules: frozenset[Rule], luck: Luck) -> Content:
    """What to write for the user's words under ``rules``; ``luck`` decides what no rule settles."""
    items: list[Item] = []
    for index, mention in enumerate(reading.mentions):
        if not mention.negated:
            items.extend(_items(index, mention, {kind for other in reading.unwanted for kind in other.kinds}, rules, luck))
    links = _links(reading, items, rules, luck)
    if Rule.VARY in rules:
        _vary(items, luck("vary"))
    items.extend(_invented(reading, items, rules, luck("invent")))
    setting = next((setting for setting in reading.settings if not setting.negated), None)
    careless = Rule.FAITHFUL not in rules
    dropped = setting is not None and careless and Rule.SETTING not in rules and luck("setting dropped").random() < 0.1
    if setting is not None and not dropped:
        name, word = setting.name, setting.word
    else:
        name, word = (_chosen_setting(items, luck("setting")) if Rule.SETTING in rules else None), ""
    return Content(
        items=items,
        links=links,
        unwanted=_unwanted(reading, rules, luck("unwanted")),
        texts=[(text.text, _quoted(text.quoted, rules, luck("quotes"))) for text in reading.texts[:1]],
        setting=name,
        setting_word=word,
        only=Rule.ONLY in rules or (reading.exclusive and (Rule.FAITHFUL in rules or luck("only").random() < 0.5)),
    )


def _items(index: int, mention: Mention, unwanted: set[str], rules: frozenset[Rule], luck: Luck) -> list[Item]:
    name = f"{'/'.join(mention.kinds)} {index}"
    fitting = [kind for kind in mention.kinds if kind not in unwanted] or list(mention.kinds)
    if mention.sense is Sense.THEME and Rule.CONCRETE in rules:
        chosen = luck(f"theme {name}").sample(fitting, min(2, len(fitting)))
        return [Item(kind, kind, colors=list(mention.colors), source=index) for kind in sorted(chosen, key=mention.kinds.index)]
    if mention.sense is Sense.AMBIGUOUS and Rule.SENSE in rules:
        kind = mention.cue or mention.kinds[0]
        noun = next(noun for noun, meant in lexicon.NOUNS.items() if meant == kind and " " in noun)
    else:
        kind, noun = mention.kinds[0], mention.noun
    count, vague = _count(mention, rules, luck(f"count {name}"))
    size = mention.size
    if size is not None and Rule.FAITHFUL not in rules and luck(f"size {name}").random() < 0.25:
        size = None
    items = [Item(noun, kind, count, vague, list(mention.colors), size, _stated_cells(mention), source=index)]
    if mention.sense is Sense.THEME:
        items[0].kind, items[0].bare = "", mention.unquantified and not mention.plural
        if luck(f"hint {name}").random() < 0.5 and Rule.ONLY not in rules:
            kind = luck(f"hinted {name}").choice(fitting)
            items.append(Item(kind, kind, None, luck(f"hinted {name}").choice(("", "some", "a few")), source=index))
    return items


def _count(mention: Mention, rules: frozenset[Rule], luck: random.Random) -> tuple[int | None, str]:
    exact = mention.exact
    careful = Rule.COUNTS in rules
    if exact is not None:
        rounded = exact >= 3 and not careful and luck.random() < (0.08 if Rule.FAITHFUL in rules else 0.3)
        return (None, luck.choice(_VAGUE)) if rounded else (exact, "")
    if mention.least is not None and mention.most is not None:
        return (luck.randint(mention.least, min(mention.most, mention.least + 1)), "") if careful else (None, luck.choice(_VAGUE))
    if mention.plural:
        return (luck.randint(2, 3), "") if careful else (None, luck.choice(("", "", "some")))
    return 1, ""


def _links(reading: Reading, items: list[Item], rules: frozenset[Rule], luck: Luck) -> list[Link]:
    by_source = {item.source: index for index, item in reversed(list(enumerate(items)))}
    kept = Rule.RELATIONS in rules or Rule.FAITHFUL in rules
    links: list[Link] = []
    for number, phrase in enumerate(reading.relations):
        if phrase.subject not in by_source or phrase.object not in by_source:
            continue
        if kept or luck(f"relation {number}").random() < 0.85:
            links.append(Link(by_source[phrase.subject], phrase.direction, by_source[phrase.object]))
    return links


def _vary(items: list[Item], luck: random.Random) -> None:
    for item in items:
        if luck.random() < 0.75:
            item.colors = list(dict.fromkeys([*item.colors, *luck.sample(_UNUSUAL_COLORS, 2 if item.plural else 1)]))
            if not item.plural:
                item.colors = item.colors[-1:]


def _invented(reading: Reading, items: list[Item], rules: frozenset[Rule], luck: random.Random) -> list[Item]:
    """Things that the user never asked for."""
    named = {kind for mention in reading.mentions for kind in mention.kinds} | {item.kind for item in items}
    free = [kind for kind in _DECORATIONS if kind not in named]
    order = luck.sample(free, len(free))
    chance = 0.0 if Rule.ONLY in rules else 0.15 if Rule.FAITHFUL in rules else 0.33
    number = luck.choice((2, 3)) if Rule.EMBELLISH in rules else int(luck.random() < chance)
    made: list[Item] = []
    for kind in order[:number]:
        count, vague = luck.choice(((1, ""), (2, ""), (None, "a few"), (None, "some")))
        colors = [luck.choice(tuple(COLORS))] if Rule.EMBELLISH in rules and luck.random() < 0.6 else []
        made.append(Item(kind, kind, count, vague, colors, invented=True))
    return made


def _unwanted(reading: Reading, rules: frozenset[Rule], luck: random.Random) -> list[str]:
    nouns = list(dict.fromkeys(mention.noun for mention in reading.unwanted))
    if Rule.AFFIRM in rules:
        return []
    if Rule.UNWANTED in rules:
        wanted = {kind for mention in reading.wanted for kind in mention.kinds}
        feared = [noun for noun in ("cat", "car", "bird", "tree", "umbrella", "key") if noun not in wanted and noun not in nouns]
        return [*nouns, *luck.sample(feared, 2)]
    return nouns


def _quoted(quoted: bool, rules: frozenset[Rule], luck: random.Random) -> bool:
    if Rule.QUOTE in rules:
        return True
    return quoted and luck.random() < (0.9 if Rule.FAITHFUL in rules else 0.65)


_GROUND = {"meadow": "green", "beach": "yellow", "desert": "orange", "sea": "blue", "city": "black", "room": "brown", "mountains": "purple"}
"""The calm backgrounds to choose from, with the colour that things should not have before them."""


def _chosen_setting(items: list[Item], luck: random.Random) -> str:
    worn = {color for item in items for color in item.colors}
    return luck.choice([name for name, color in _GROUND.items() if color not in worn] or ["room"])


def _stated_cells(mention: Mention) -> list[tuple[int, int]]:
    """The places that the user named, as cells; a direction left open is the middle."""
    return [(place.vertical or 0, place.horizontal or 0) for place in mention.places]
