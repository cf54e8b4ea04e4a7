"""The English words for what the embedded world can draw. Plain data: the grammar is in data/reading.py.

Each table maps a word or phrase, lower case and singular, to the world's own name for it. Where a word is missing, the embedded world does
not know it: it draws something else, as a real model does with a word it never learned.
"""

from collections.abc import Mapping

NOUNS: Mapping[str, str] = {
    "balloon": "balloon", "party balloon": "balloon",
    "house": "house", "cottage": "house", "cabin": "house", "home": "house", "hut": "house",
    "tree": "tree", "oak": "tree", "oak tree": "tree",
    "car": "car", "automobile": "car", "taxi": "car",
    "boat": "boat", "sailboat": "boat", "sailing boat": "boat", "ship": "boat", "yacht": "boat",
    "fish": "fish", "goldfish": "fish",
    "bird": "bird", "songbird": "bird", "gull": "bird", "seagull": "bird", "parrot": "bird",
    "cat": "cat", "kitten": "cat", "kitty": "cat",
    "flower": "flower", "blossom": "flower", "tulip": "flower", "daisy": "flower",
    "star": "star",
    "heart": "heart",
    "apple": "apple",
    "cup": "cup", "mug": "cup", "teacup": "cup", "coffee cup": "cup",
    "umbrella": "umbrella", "parasol": "umbrella",
    "kite": "kite",
    "mushroom": "mushroom", "toadstool": "mushroom",
    "butterfly": "butterfly",
    "key": "key", "door key": "key",
    "bell": "bell",
    "cake": "cake", "birthday cake": "cake",
    "gift": "gift", "present": "gift", "gift box": "gift", "parcel": "gift",
    "rocket": "rocket", "spaceship": "rocket", "rocket ship": "rocket",
    "flying bat": "bat", "fruit bat": "bat", "winged bat": "bat", "vampire bat": "bat",
    "baseball bat": "club", "wooden bat": "club", "club": "club",
}  # fmt: skip
"""Nouns that mean one kind."""

AMBIGUOUS: Mapping[str, tuple[str, str]] = {"bat": ("bat", "club")}
"""Nouns that mean either of two kinds; a generator flips between them."""

SENSE_CUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bat": {
        "bat": ("animal", "wings", "winged", "flying", "flies", "fly", "flap", "flapping", "cave", "nocturnal", "vampire", "creature",
                "mammal", "moon", "night", "halloween", "hanging", "fluttering", "flutters", "furry"),
        "club": ("baseball", "ball", "wooden", "sport", "sports", "player", "swing", "swinging", "glove", "pitcher", "stadium", "hit",
                 "team", "game"),
    },
}  # fmt: skip
"""Words nearby that tell a reader which of an ambiguous noun's kinds is meant."""

PLURALS: Mapping[str, str] = {
    "fish": "fish",
    "butterflies": "butterfly",
    "kitties": "kitty",
    "blossoms": "blossom",
    "daisies": "daisy",
    "boxes": "box",
}
"""Plurals that a final "s" does not explain."""

COLOR_WORDS: Mapping[str, str] = {
    "red": "red", "crimson": "red", "scarlet": "red",
    "orange": "orange", "tangerine": "orange",
    "yellow": "yellow", "golden": "yellow", "lemon": "yellow",
    "green": "green", "emerald": "green",
    "blue": "blue", "navy": "blue",
    "purple": "purple", "violet": "purple",
    "pink": "pink", "rosy": "pink",
    "brown": "brown", "chestnut": "brown",
    "black": "black", "jet-black": "black",
    "white": "white", "snow-white": "white",
}  # fmt: skip
"""Colour words."""

NUMBER_WORDS: Mapping[str, int] = {
    "a": 1, "an": 1, "one": 1, "another": 1, "single": 1, "lone": 1, "solitary": 1, "two": 2, "pair": 2, "a pair of": 2, "three": 3,
    "four": 4,
    "five": 5, "six": 6, "half a dozen": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "dozen": 12, "a dozen": 12,
    "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": 9, "10": 10,
}  # fmt: skip
"""Numbers that fix a count."""

VAGUE_NUMBERS: Mapping[str, tuple[int, int]] = {
    "some": (2, 6), "a few": (2, 5), "few": (2, 5), "several": (3, 6), "many": (4, 6), "lots of": (4, 6), "a couple of": (2, 2),
    "couple": (2, 2),
    "a bunch of": (3, 6), "a handful of": (3, 6), "a number of": (3, 6), "numerous": (4, 6), "dozens of": (4, 6), "multiple": (2, 6),
    "couple of": (2, 2), "plenty of": (4, 6), "a group of": (3, 6), "countless": (4, 6),
}  # fmt: skip
"""Number words that leave a range open: least and most that a fair reader accepts."""

SIZE_WORDS: Mapping[str, str] = {
    "small": "small", "little": "small", "tiny": "small", "mini": "small",
    "large": "large", "big": "large", "huge": "large", "giant": "large", "enormous": "large",
}  # fmt: skip
"""Size words."""

DIRECTION_PHRASES: Mapping[str, str] = {
    "to the left of": "left of", "on the left of": "left of", "left of": "left of",
    "to the right of": "right of", "on the right of": "right of", "right of": "right of",
    "above": "above", "over": "above", "high above": "above", "flying over": "above", "floating above": "above",
    "on top of": "above", "below": "below", "beneath": "below", "under": "below", "underneath": "below",
}  # fmt: skip
"""Phrases that place the noun before them relative to the noun after them."""

BACKGROUND_WORDS: Mapping[str, str] = {
    "meadow": "meadow", "grass": "meadow", "field": "meadow", "lawn": "meadow", "park": "meadow", "countryside": "meadow",
    "beach": "beach", "sand": "beach", "seaside": "beach", "shore": "beach",
    "night": "night", "night sky": "night", "midnight": "night", "moonlight": "night", "in the dark": "night",
    "snow": "snow", "winter": "snow", "snowy": "snow", "ice": "snow",
    "desert": "desert", "dunes": "desert",
    "sea": "sea", "ocean": "sea", "harbour": "sea", "harbor": "sea", "lake": "sea", "waves": "sea",
    "city": "city", "street": "city", "town": "city", "skyline": "city", "downtown": "city",
    "mountains": "mountains", "mountain": "mountains", "alps": "mountains", "peaks": "mountains",
    "room": "room", "indoors": "room", "kitchen": "room", "living room": "room", "inside": "room",
    "sunset": "sunset", "dusk": "sunset", "evening": "sunset", "sundown": "sunset", "dawn": "sunset",
}  # fmt: skip
"""Words for backgrounds."""

THEMES: Mapping[str, tuple[str, ...]] = {
    "birthday": ("cake", "balloon", "gift"), "party": ("balloon", "cake", "gift"), "celebration": ("balloon", "cake"),
    "christmas": ("tree", "star", "bell", "gift"), "valentine": ("heart", "flower", "gift"), "halloween": ("bat", "cat"),
    "wedding": ("bell", "heart", "cake", "flower"), "love": ("heart", "flower"),
    "garden": ("flower", "tree", "butterfly"), "spring": ("flower", "butterfly", "bird"), "autumn": ("tree", "mushroom", "apple"),
    "forest": ("tree", "mushroom", "bird"), "orchard": ("tree", "apple"), "picnic": ("apple", "cake", "cup"),
    "breakfast": ("cup", "apple"), "tea time": ("cup", "cake"), "coffee break": ("cup", "cake"),
    "rain": ("umbrella",), "rainy day": ("umbrella",), "windy day": ("kite", "tree"), "sailing": ("boat", "bird"), "regatta": ("boat",),
    "fishing": ("fish", "boat"), "aquarium": ("fish",), "underwater": ("fish",), "space": ("rocket", "star"),
    "space travel": ("rocket", "star"),
    "road trip": ("car", "tree"), "traffic": ("car",), "village": ("house", "tree"), "neighbourhood": ("house", "tree", "car"),
    "moving in": ("house", "key"), "new home": ("house", "key"), "baseball": ("club",), "pets": ("cat", "bird", "fish"),
    "harbour life": ("boat", "bird", "fish"),
}  # fmt: skip
"""Themes, and the things that a picture of one may be told by: any one of them will do."""

VERTICAL_WORDS: Mapping[str, int] = {
    "top": -1, "upper": -1, "uppermost": -1, "bottom": 1, "lower": 1, "lowest": 1, "foreground": 1, "middle": 0, "center": 0, "centre": 0,
    "central": 0,
}  # fmt: skip
"""Words for a height in the picture: -1 top, 0 middle, 1 bottom."""

HORIZONTAL_WORDS: Mapping[str, int] = {
    "left": -1,
    "leftmost": -1,
    "right": 1,
    "rightmost": 1,
    "middle": 0,
    "center": 0,
    "centre": 0,
    "central": 0,
}
"""Words for a side of the picture: -1 left, 0 middle, 1 right."""

FRAME_WORDS: frozenset[str] = frozenset(
    (
        "picture",
        "image",
        "frame",
        "scene",
        "canvas",
        "composition",
        "view",
        "shot",
        "photo",
        "photograph",
        "illustration",
        "painting",
        "drawing",
    )
)
"""Words for the picture as a whole: "at the left of the frame" is a place, "at the left of the house" a relation."""
