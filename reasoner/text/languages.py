"""Which language a text is in, where that is clear: by script, and among a few Latin languages by their commonest words.

Says nothing when unsure. Quoted text does not count: a sign may be in any language.
"""

import re

from data.quotes import without_quoted

ENGLISH = "English"
_SCRIPTS = (
    ("Japanese", re.compile("[\u3040-\u30ff\uff66-\uff9d]")),
    ("Korean", re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("Chinese", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f]")),
    ("Cyrillic", re.compile("[\u0400-\u052f]")),
    ("Arabic", re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]")),
    ("Hebrew", re.compile("[\u0590-\u05ff]")),
    ("Greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("Devanagari", re.compile("[\u0900-\u097f]")),
    ("Thai", re.compile("[\u0e00-\u0e7f]")),
)
_CODES = {
    "en": ENGLISH, "ja": "Japanese", "ko": "Korean", "zh": "Chinese", "yue": "Chinese", "ar": "Arabic", "fa": "Arabic", "ur": "Arabic",
    "he": "Hebrew", "el": "Greek", "hi": "Devanagari", "mr": "Devanagari", "ne": "Devanagari", "th": "Thai", "de": "German", "fr": "French",
    "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch",
} | dict.fromkeys(("ru", "uk", "bg", "sr", "be", "mk", "kk", "mn"), "Cyrillic")  # fmt: skip
_COMMON = {
    language: frozenset(words.split())
    for language, words in {
        ENGLISH: "the and of with in is on an at by from under above behind beside its are that this into over between near as their",
        "German": "der die das und mit ein eine einem einen einer auf dem den im ist von vor über unter neben zwischen sind zwei durch aus",
        "French": "le la les et avec un une des du dans sur est aux sous devant derrière dont qui deux par au sont une son ses",
        "Spanish": "el la los las y con un una de en sobre del está bajo junto que dos por se su sus entre hacia al",
        "Italian": "il lo la gli e con un una di in su del della dei delle è sotto sopra che due per nel nella sono",
        "Portuguese": "o a os as e com um uma de em sobre do da dos das é sob ao que dois duas por na no são",
        "Dutch": "de het een en met van op in is onder boven naast tussen zijn twee door uit aan voor die",
    }.items()
}
_WORD = re.compile(r"[^\W\d_]+")
_FOREIGN_SHARE = 0.3
"""Share of letters from which on a script names the language: Chinese texts about cameras have Latin words in them."""
_FEWEST_HAN = 8
_FEWEST = 5
_SHARE = 0.15


def language_of(text: str) -> str | None:
    """The language of ``text``, or its script where several languages share one; None where that is not clear."""
    text = without_quoted(text)
    return _by_script(text) or _by_words(text)


def named(code: str) -> str | None:
    """The language for a code such as "de" or "zh-CN", by the same names; None for one that is not told apart here."""
    return _CODES.get(code.lower().replace("_", "-").partition("-")[0])


def is_latin(language: str) -> bool:
    """Whether ``language`` is one that is told apart by its words."""
    return language in _COMMON


def evidence(text: str, language: str) -> int:
    """How many of the commonest words of ``language`` are in ``text``."""
    common = _COMMON.get(language, frozenset())
    return sum(word in common for word in _WORD.findall(without_quoted(text).lower()))


def _by_script(text: str) -> str | None:
    if text.isascii():
        return None
    letters = sum(map(str.isalpha, text))
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS}
    if counts["Japanese"]:
        # Han characters among kana are Japanese too.
        counts["Japanese"] += counts.pop("Chinese")
    elif counts["Chinese"] < _FEWEST_HAN:
        counts.pop("Chinese")
    name = max(counts, key=lambda name: counts[name])
    return name if counts[name] > _FOREIGN_SHARE * letters else None


def _by_words(text: str) -> str | None:
    words = _WORD.findall(text.lower())
    ranked = sorted(((sum(word in common for word in words), language) for language, common in _COMMON.items()), reverse=True)
    (most, language), (next_most, _) = ranked[:2]
    return language if most >= max(_FEWEST, _SHARE * len(words)) and most >= 1.5 * next_most else None
