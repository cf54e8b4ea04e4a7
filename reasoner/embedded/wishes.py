"""How the embedded writer types a wish: from a bare word to a few sentences, in lower case as a rule, now and then with a slip.

It speaks of what the embedded world can draw, in words that data/reading.py reads back. No style changes what is drawn there; texts ask for
one all the same, as people do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from data import lexicon
from data.mentions import Mention, Sense
from data.scene import COLORS
from reasoner.embedded.english import NUMBERS, plural_of, with_article

_COMPANIONS = (
    "tree",
    "house",
    "flower",
    "bird",
    "balloon",
    "star",
    "cup",
    "kite",
    "apple",
    "umbrella",
    "mushroom",
    "butterfly",
    "boat",
    "bell",
    "gift",
)
_UNWANTED = ("bird", "tree", "car", "flower", "cat", "balloon", "house", "boat")
_DIRECTIONS = ("above", "below", "to the left of", "to the right of", "under", "over")
_SETTINGS = (
    "on the beach", "in the snow", "at night", "in the city", "in the mountains", "in a meadow", "at sunset", "in the desert", "by the sea",
    "in a room", "on a lake", "in the street", "at dusk", "in a park",
)  # fmt: skip
_WORDS = (
    "OPEN",
    "HELLO",
    "SALE",
    "THANK YOU",
    "GOOD LUCK",
    "FRESH",
    "WELCOME",
    "NEW",
    "FREE",
    "GO",
    "Jubilee 50",
    "HOORAY",
    "Top 3",
    "YES",
)
_STYLES = (
    "as a watercolour",
    "in pixel art",
    "as a woodcut",
    "as a simple drawing",
    "in a comic style",
    "as a linocut",
    "in clean flat shapes",
)
_ACTIONS: Mapping[str, str] = {
    "balloon": "floating", "car": "parked", "boat": "drifting", "fish": "swimming", "bird": "flying", "cat": "sleeping", "bat": "hovering",
    "flower": "blooming", "star": "shining", "kite": "fluttering", "butterfly": "fluttering", "bell": "ringing", "rocket": "rising",
    "cake": "waiting to be cut", "key": "lying there", "umbrella": "standing open", "heart": "glowing",
}  # fmt: skip
_OPENINGS = (
    "", "", "", "", "", "can you draw ", "pls make ", "i want ", "i need ", "a pic of ", "could you make ", "draw me ", "id like ", "show ",
    "make me ", "just ", "maybe ",
)  # fmt: skip
_CLOSINGS = ("", "", "", "", "", " pls", " please", "!", "!!", ", thanks", ", nothing fancy", " or so")
_WISHES = (
    "it's for the wall of my kid's class so keep it simple.", "i'll print it large, so it has to be clear from far away.",
    "the rest is up to you, surprise me.", "i had something like that in mind for a while now, but could never find one.",
    "please keep it calm, not too busy.", "it would go on the first page of a leaflet, so simple shapes please.",
    "a friend asked me for it and i can't draw at all.", "we want to put it up next week, so something cheerful.",
    "keep it plain and airy.", "i tried twice already and it always came out wrong.",
    "my grandmother used to have one like it, that's why.", "no need to hurry, but i want it to look friendly.",
    "it has to work on a t-shirt as well as on paper.", "my sister will frame it, so don't put important bits at the edge.",
    "think of an old school book.", "it must not look scary, the little ones are afraid easily.",
    "for our newsletter, last page.", "i want to try it as a stencil later.", "like something you would find on an old tin.",
    "our team can't agree, so you decide what the rest looks like.", "that's all, thank you so much in advance.",
)  # fmt: skip


@dataclass(slots=True)
class _Thing:
    """What is asked for: ``count`` None is the bare noun, or the bare plural."""

    noun: str
    theme: bool = False
    plural: bool = False
    count: int | None = None
    color: str = ""
    size: str = ""
    action: str = ""

    def phrase(self, random: Random, *, article: bool) -> str:
        plural = self.plural or (self.count or 1) > 1
        words = [word for word in (self.size, self.color, plural_of(self.noun) if plural else self.noun) if word]
        if self.count and self.count > 1:
            words.insert(0, str(self.count) if random.random() < 0.4 else NUMBERS[self.count])
        text = " ".join(words)
        if article and not plural and not self.theme:
            text = with_article(text)
        return f"{text} {self.action}".strip()


@dataclass(slots=True)
class _Wish:
    """A wish before it is typed. ``theme``: the occasion that ``main`` belongs to, or ""."""

    main: _Thing
    theme: str = ""
    other: _Thing | None = None
    direction: str = ""
    setting: str = ""
    words: str = ""
    unwanted: str = ""
    style: str = ""


def wish(item: str, subject: Mention, level: str, skills: frozenset[str], random: Random) -> str:
    """A text about ``item``, which reads as ``subject``, of a level and with the skills of optimizer/authoring/taxonomy.py."""
    main = _Thing(item, theme=subject.sense is Sense.THEME)
    if level == "word":
        return _typed(_bare(main, random), random, chatty=False)
    asked = _asked(main, subject, level, skills, random)
    if level == "phrase":
        return _typed(_phrase(asked, random), random, chatty=False)
    text = _sentence(asked, random)
    if level == "sentence":
        return _typed(text, random, chatty=True)
    return _typed(f"{text}. {_rest(asked, random)} {random.choice(_WISHES)}", random, chatty=True)


def _bare(main: _Thing, random: Random) -> str:
    forms = [main.noun, main.noun] if main.theme else [main.noun, plural_of(main.noun), with_article(main.noun)]
    return random.choice(forms)


def _asked(main: _Thing, subject: Mention, level: str, skills: frozenset[str], random: Random) -> _Wish:
    """What is asked for in the end: what the skills want, and on the longer levels a little more."""
    asked = _Wish(main)
    kinds = set(subject.kinds)
    if main.theme and skills & {"binding", "counting", "relation", "action"}:
        # An occasion has no colour, number or place; one of the things at it has.
        asked.theme, asked.main = main.noun, _Thing(random.choice([kind for kind in _COMPANIONS if kind not in kinds]))
        kinds.add(asked.main.noun)
    colors = random.sample(list(COLORS), 2)
    if not asked.main.theme:
        _attributed(asked.main, colors[0], skills, random)
    if skills & {"binding", "relation"} or (level == "wish" and not main.theme):
        asked.other = _Thing(random.choice([kind for kind in _COMPANIONS if kind not in kinds]))
        asked.other.color = colors[1] if "binding" in skills else ""
        asked.direction = random.choice(_DIRECTIONS) if "relation" in skills else ""
        kinds.add(asked.other.noun)
    asked.setting = random.choice(_SETTINGS) if random.random() < (0.35 if level == "phrase" else 0.6) else ""
    asked.words = random.choice(_WORDS) if "text" in skills else ""
    if "negation" in skills:
        asked.unwanted = plural_of(random.choice([kind for kind in _UNWANTED if kind not in kinds]))
    asked.style = random.choice(_STYLES) if "style" in skills else ""
    return asked


def _attributed(main: _Thing, color: str, skills: frozenset[str], random: Random) -> None:
    main.plural = random.random() < 0.3
    main.color = color if "binding" in skills or random.random() < 0.4 else ""
    main.size = random.choice(("small", "big", "tiny", "huge")) if random.random() < 0.15 else ""
    main.count = random.randint(2, 6) if "counting" in skills else None
    if "action" in skills:
        main.action = _ACTIONS.get(lexicon.NOUNS.get(main.noun, main.noun), "standing there")


def _phrase(asked: _Wish, random: Random) -> str:
    """At most nine words: one thing, and what is asked of it."""
    parts = [f"{asked.theme} with"] if asked.theme else []
    parts.append(asked.main.phrase(random, article=random.random() < 0.3))
    if asked.words:
        parts.append(f'with the word{"s" if " " in asked.words else ""} "{asked.words}"')
    elif asked.other is not None:
        parts.append(f"{asked.direction or 'and'} {asked.other.phrase(random, article=True)}")
    elif asked.unwanted:
        parts.append(random.choice((f"without {asked.unwanted}", f"but no {asked.unwanted}")))
    elif asked.style:
        parts.append(asked.style)
    elif asked.setting and not asked.main.action:
        parts.append(asked.setting)
    return " ".join(parts)


def _sentence(asked: _Wish, random: Random) -> str:
    opening = random.choice(_OPENINGS)
    text = opening + _things(asked, random)
    if asked.setting:
        text += f" {asked.setting}"
    if asked.words:
        text += random.choice((f' with the words "{asked.words}"', f' and a sign that says "{asked.words}"'))
    if asked.style:
        text += f", {asked.style}"
    if asked.unwanted:
        text += random.choice((f", no {asked.unwanted}", f", without any {asked.unwanted}", f" but please no {asked.unwanted}"))
    # The shortest sentence is longer than a phrase.
    return text if len(text.split()) >= 5 else f"{text}, something nice and simple"


def _things(asked: _Wish, random: Random) -> str:
    text = asked.main.phrase(random, article=True)
    if asked.other is not None:
        text += f" {asked.direction or 'and'} {asked.other.phrase(random, article=True)}"
    theme = asked.theme or (asked.main.noun if asked.main.theme else "")
    if not theme:
        return text
    about = random.choice((f"something for {theme}", f"a scene about {theme}", f"something about {theme}"))
    return f"{about} with {text}" if asked.theme else about


def _rest(asked: _Wish, random: Random) -> str:
    """A second sentence, which asks for nothing that the first one did not."""
    name = plural_of(asked.main.noun) if asked.main.plural or (asked.main.count or 1) > 1 else asked.main.noun
    kept: Sequence[str] = (
        f"the {name} should be what you see first." if not asked.main.theme else "whatever fits, you know better than me.",
        "i don't mind how exactly it looks as long as all of that is in it.",
        "everything i said should be easy to make out.",
        f"and nothing may cover the {name}." if not asked.main.theme else "people should get at once what it is about.",
        "otherwise do as you like.",
    )
    return random.choice(kept)


def _typed(text: str, random: Random, *, chatty: bool) -> str:
    """As it comes from a keyboard: a closing here and there, capitals now and then, and a slip in a word that carries no meaning."""
    if not chatty and random.random() < 0.7:
        return text
    if not text.endswith((".", "!")):
        text += random.choice(_CLOSINGS)
    if random.random() < 0.2:
        text = text[0].upper() + text[1:]
    slip = random.choice(
        (("please", "plese"), ("something", "somthing"), ("simple", "simpel"), ("should", "shoud"), ("without any", "witout any"))
    )
    return text.replace(*slip, 1) if random.random() < 0.15 else text
