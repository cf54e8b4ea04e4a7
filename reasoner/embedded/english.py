"""The English of the embedded reasoner: noun phrases, verbs, settings, ornaments.

Mind what data/reading.py reads: a word for a background may not name a thing, and an ornament's colour may not stand before one.
"""

from collections.abc import Mapping, Sequence

from data import lexicon
from reasoner.embedded.items import Item

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

VERBS: Mapping[str, str] = {
    "balloon": "floats", "house": "stands", "tree": "stands", "car": "is parked", "boat": "floats", "fish": "swims", "bird": "flies",
    "cat": "sits", "flower": "blooms", "star": "shines", "heart": "glows", "apple": "lies", "cup": "stands", "umbrella": "stands open",
    "kite": "flies", "mushroom": "grows", "butterfly": "flutters", "key": "lies", "bell": "hangs", "cake": "stands", "gift": "lies",
    "rocket": "rises", "bat": "hovers", "club": "leans",
}  # fmt: skip
_PLURAL_VERBS: Mapping[str, str] = {"is parked": "are parked", "stands open": "stand open", "flies": "fly"}

SETTINGS: Mapping[str, tuple[str, str]] = {
    "meadow": ("an open meadow", "in an open meadow"), "beach": ("a wide sandy beach", "on a wide beach"),
    "night": ("a calm night", "at night"),
    "snow": ("fresh snow", "in fresh snow"), "desert": ("a wide desert", "in a wide desert"), "sea": ("the open sea", "at sea"),
    "city": ("a quiet city", "in a quiet city"), "mountains": ("a range of mountains", "before a range of mountains"),
    "room": ("a plain room", "in a plain room"), "sunset": ("a calm sunset", "at sunset"),
}  # fmt: skip
"""For each background its noun phrase, and how a scene plays in it."""

_OWN_WORDS: Mapping[str, tuple[str, str]] = {
    word: (f"a {word}", f"in a {word}")
    for word in ("field", "lawn", "park", "kitchen", "living room", "street", "town", "harbour", "harbor")
} | {
    "lake": ("a calm lake", "on a calm lake"), "dunes": ("wide dunes", "in wide dunes"), "dusk": ("a calm dusk", "at dusk"),
    "dawn": ("a calm dawn", "at dawn"), "evening": ("a calm evening", "in the evening"),
    "skyline": ("a city skyline", "before a city skyline"),
    "winter": ("a winter day", "on a winter day"), "midnight": ("a calm midnight", "at midnight"),
    "ocean": ("the open ocean", "on the open ocean"),
    "shore": ("a wide shore", "on a wide shore"), "countryside": ("the open countryside", "in the countryside"),
}  # fmt: skip

OPENERS = ("A charming picture of", "A lovely scene with", "A detailed image of", "A colourful illustration showing", "A beautiful view of")
POETIC_OPENERS = (
    "Bathed in a hush of tender radiance, as if time itself had paused to listen, a dreamlike vision slowly unfolds, brimming with wonder, "
    "longing and quiet joy, where every shape seems to whisper of half-forgotten summers:",
    "In an enchanted stillness woven of soft glow and gentle shadow, where memory and imagination dance hand in hand, an ethereal tableau "
    "reveals itself, tender and timeless, shimmering with untold stories and silent music:",
    "Here, beneath a trembling veil of luminous haze, the world holds its breath, and an exquisite, deeply moving vision emerges, rich "
    "with emotion, delicate as a sigh, glowing from within like a treasured dream:",
)  # fmt: skip
POETIC_CLOSINGS = (
    "The air trembles with nostalgia, and a golden glow caresses every contour like a lullaby of evening warmth and endless possibility.",
    "Silken light pours over everything, deep and velvety, as dusk gathers its secrets and the heart of the beholder is stirred.",
    "A symphony of shimmering tones and dappled shade lingers, evoking the bittersweet poetry of fleeting moments under a vast night.",
)
STYLES = (
    "Soft, even daylight falls from the side, and the style is a clean, flat illustration with crisp edges, gentle shading and clear "
    "contours, seen at eye level from a moderate distance.",
    "The light is warm and diffuse, the mood calm, and the materials look smooth and matte, in a tidy illustrated style with balanced "
    "composition, seen straight from the front.",
)  # fmt: skip
BOOSTERS = "8k, masterpiece, best quality, ultra detailed, sharp focus, award-winning, trending"
CAMERA = "Photorealistic, shot on a full-frame DSLR with a 50mm lens at f/1.8, shallow depth of field, soft bokeh, fine film grain"


def plural_of(noun: str) -> str:
    """The plural of a noun of the lexicon."""
    known = {singular: plural for plural, singular in lexicon.PLURALS.items()}
    first, _, last = noun.rpartition(" ")
    if last in known:
        last = known[last]
    elif last.endswith("fish"):
        pass
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return f"{first} {last}" if first else last


def with_article(words: str) -> str:
    return f"an {words}" if words[:1] in "aeio" or words.startswith(("umbrella", "ugly", "under")) else f"a {words}"


def noun_phrase(item: Item, *, colored: bool = True) -> str:
    """ "three small red balloons": the item with its number, size and, if ``colored``, colour."""
    words = [item.size.value] if item.size else []
    if colored and item.colors:
        words.append(listed(item.colors))
    words.append(plural_of(item.noun) if item.plural else item.noun)
    phrase = " ".join(words)
    if item.count is None:
        return f"{item.vague} {phrase}".strip()
    if item.count == 1:
        return phrase if item.bare else with_article(phrase)
    return f"{NUMBERS[item.count] if item.count < len(NUMBERS) else item.count} {phrase}"


def again(item: Item, items: Sequence[Item]) -> str:
    """ "the balloons", with the colour where another item has the same noun."""
    noun = plural_of(item.noun) if item.plural else item.noun
    alike = sum(other.noun == item.noun for other in items) > 1
    return f"the {listed(item.colors)} {noun}" if alike and item.colors else f"the {noun}"


def verb(item: Item) -> str:
    """What things of this kind do in a picture, in the item's number."""
    single = "is shown" if item.noun in lexicon.AMBIGUOUS else VERBS.get(item.kind, "is shown")
    if not item.plural:
        return single
    if single in _PLURAL_VERBS:
        return _PLURAL_VERBS[single]
    return "are shown" if single == "is shown" else single.removesuffix("es") if single.endswith("shes") else single.removesuffix("s")


def setting_phrase(name: str, word: str, *, adverbial: bool) -> str:
    """ "an open meadow", or "in an open meadow"; the user's own ``word`` where it makes a phrase."""
    return _OWN_WORDS.get(word, SETTINGS[name])[adverbial]


def listed(words: Sequence[str], last: str = "and") -> str:
    """ "red, blue and green"."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def sentence(text: str) -> str:
    """With a capital at the start and a full stop at the end."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
