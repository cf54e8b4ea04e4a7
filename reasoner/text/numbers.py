"""Numbers in a text, in digits and in words, as digits. "one" is more often a pronoun than a number, and no number here.

It reads English, and digits in any script. Of other languages it knows the words up to twelve, for what a text *has*, not for what it asks.
"""

import re
import unicodedata

_UNITS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_SMALL = {"a": 1, "an": 1, "one": 1, **_UNITS, **_TENS}
_GROUPS = {
    "both": 2, "pair": 2, "pairs": 2, "couple": 2, "twin": 2, "twins": 2, "duo": 2, "double": 2, "twice": 2, "trio": 3, "triplets": 3,
    "triple": 3, "quartet": 4, "quintet": 5, "dozen": 12, "dozens": 12, "half": 6,
}  # fmt: skip
"""Words that keep a number without being one: a rewrite with twins has two."""
_FOREIGN = {
    word: number
    for words in (
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "deux trois quatre cinq six sept huit neuf dix onze douze",
        "dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "due tre quattro cinque sei sette otto nove dieci undici dodici",
        "dois três quatro cinco seis sete oito nove dez onze doze",
        "twee drie vier vijf zes zeven acht negen tien elf twaalf",
        "два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
        "둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 열하나 열둘",
    )
    for number, word in enumerate(words.split(), start=2)
} | {"zween": 2, "duas": 2, "две": 2, "두": 2, "세": 3, "네": 4}
_HAN = {"两": 2, "兩": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_HAN_NUMBER = re.compile("([两兩二三四五六七八九])?(十)?([一二三四五六七八九])?")

_RATIO = re.compile(r"(?<![\d:])(?:1:1|2:3|3:2|3:4|4:3|4:5|5:4|9:16|16:9|9:21|21:9|16:10)(?![\d:])")
_FLAGS = re.compile(r"\s--[a-z].*$", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)(?P<glued>[^\W\d_]*)|(?P<word>[^\W\d_]+)")
_ORDINAL = frozenset({"st", "nd", "rd", "th", "k", "d"})
"""After digits: a rank, a resolution, or the dimensions of a picture. None of them counts things."""
_WORN = frozenset({
    "glasses", "sunglasses", "eyeglasses", "shoes", "boots", "socks", "pants", "trousers", "jeans", "scissors", "shorts", "gloves",
    "mittens", "headphones", "binoculars", "earrings", "pliers", "tights", "leggings", "goggles", "sneakers", "sandals", "slippers",
    "skis", "skates", "pajamas", "spectacles", "heels", "earphones", "chopsticks", "wings", "eyes", "hands",
})  # fmt: skip
"""A pair of these is one thing."""


def demanded(text: str) -> list[str]:
    """The numbers that ``text`` asks for: above one, no ranks, no aspect ratios, each once, in order."""
    text = _RATIO.sub(" ", _FLAGS.sub(" ", text))
    return [number for number in _read(text, groups=False) if number not in ("0", "1")]


def present(text: str) -> frozenset[str]:
    """The numbers that ``text`` has, in digits or in words."""
    found = set(_read(text, groups=True))
    if not text.isascii():
        found.update(str(_FOREIGN[word]) for word in re.findall(r"[^\W\d_]+", text.lower()) if word in _FOREIGN)
        found.update(_han(text))
    else:
        found.update(str(_FOREIGN[word]) for word in text.lower().split() if word in _FOREIGN)
    return frozenset(found)


def _read(text: str, *, groups: bool) -> list[str]:
    tokens = list(_TOKEN.finditer(text.lower()))
    numbers: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token["digits"]:
            if token["glued"] not in _ORDINAL or groups:
                numbers.append(_plain(token["digits"]))
            place += 1
            continue
        number, length = _words(text, tokens, place, groups=groups)
        if number:
            numbers.append(str(number))
        place += max(1, length)
    return list(dict.fromkeys(numbers))


def _plain(digits: str) -> str:
    whole, _, fraction = unicodedata.normalize("NFKC", digits).replace(",", "").partition(".")
    whole = "".join(str(unicodedata.digit(digit, 0)) for digit in whole).lstrip("0") or "0"
    return f"{whole}.{fraction}" if fraction.strip("0") else whole


def _words(text: str, tokens: list[re.Match[str]], place: int, *, groups: bool) -> tuple[int, int]:
    """The number whose words begin at ``place``, and how many words it has; (0, …) where there is none."""
    words = [_adjacent_word(text, tokens, place + step) if step else tokens[place]["word"] for step in range(5)]
    if words[0] == "half" and words[1:3] in (["a", "dozen"], ["dozen", words[2]]):
        return 6, 3 if words[1] == "a" else 2
    number, length = _small(words)
    following = words[length] if length < len(words) else ""
    if following == "dozen":
        return 12 * number, length + 1
    if following in ("pair", "pairs") and words[0] in ("a", "one"):
        worn = place + 3 < len(tokens) and tokens[place + 3]["word"] in _WORN and words[2:3] == ["of"]
        return (0 if worn and not groups else 2), length + 1
    if following in _SCALES:
        return number * _SCALES[following], length + 1
    if number and words[0] not in ("a", "an", "one"):
        return number, length
    return (_GROUPS.get(words[0] or "", 0), 1) if groups else (12 * (words[0] == "dozen"), 1)


def _small(words: list[str | None]) -> tuple[int, int]:
    """ "twenty five", "seven", "a": the number and its words' count."""
    first, second = words[0] or "", words[1] or ""
    if first in _TENS and second in _UNITS | {"one": 1} and (_UNITS.get(second, 1)) < 10:
        return _TENS[first] + _UNITS.get(second, 1), 2
    return (_SMALL[first], 1) if first in _SMALL else (0, 0)


def _adjacent_word(text: str, tokens: list[re.Match[str]], place: int) -> str | None:
    """The word at ``place``, where only a space or a hyphen parts it from the one before."""
    if place >= len(tokens):
        return None
    between = text[tokens[place - 1].end() : tokens[place].start()]
    return tokens[place]["word"] if between.strip(" \n") in ("", "-", "‑") and len(between) < 3 else None


def _han(text: str) -> set[str]:
    found: set[str] = set()
    for match in _HAN_NUMBER.finditer(text):
        tens, ten, unit = match.groups()
        if ten:
            found.add(str(10 * _HAN.get(tens or "", 1) + (1 if unit == "一" else _HAN.get(unit or "", 0))))
        elif tens:
            found.add(str(_HAN[tens]))
    return found
