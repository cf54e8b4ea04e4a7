"""What of the user's intent a rewrite lost: quoted text, numbers, negations. Pure functions of two texts.

Quoted text has to stay letter for letter, capitals included, since it is painted; kinds of quotation marks and of spaces don't matter.
A number is kept in digits or in words. A thing that the user does not want is kept out by saying so, and by not naming it.
Negations are read in English; quotes and digits in any language. It sees words, not meaning.
What it reports is worth a look, and is never a score.
"""

import re
from enum import StrEnum

from data.quotes import quoted, without_quoted
from reasoner.text import numbers

_LIKE = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "\u00a0": " ", "–": "-", "—": "-"})
_NOUN = r"(?!(?:or|nor|and|but|no)\b)[a-z][a-z'’-]+"
_PHRASE = rf"((?:{_NOUN}[ \t]+){{0,3}}{_NOUN})"
_SHOW = r"(?:show|include|add|draw|paint|depict|have|use|want|put|feature|contain|need|make|render|display)(?:ing)?(?:[ \t]+me)?"
_NEGATED = re.compile(
    rf"\b(?:no|without|minus|sans|free of|devoid of|avoid(?:ing)?|exclud(?:e|ing)|omit(?:ting)?|leave out|(?:do not|don['’]?t|does not|"
    rf"doesn['’]t|should not|shouldn['’]t|must not|mustn['’]t|never|not)[ \t]+{_SHOW}|not(?:[ \t]+[a-z]+){{0,4}}?[ \t]+any|never any|"
    rf"(?<=[,;(] )not a)[ \t]+(?:(?:a|an|any|the|other)[ \t]+)?{_PHRASE}(?P<more>(?:,[ \t]*(?:(?:and|or|"
    rf"nor)[ \t]+)?(?:no[ \t]+)?[a-z][a-z'’-]+(?=[,.;]|[ \t]+(?:and|or|nor)\b|$)|[ \t]+(?:or|nor)[ \t]+(?:any[ \t]+|"
    rf"no[ \t]+)?[a-z][a-z'’-]+){{0,6}})",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"\b(?:nobody|no one|noone|no humans?|no people|no persons?|without (?:any )?people|unpopulated)\b", re.IGNORECASE)
_PEOPLE = ("people", "person", "man", "woman", "someone", "crowd", "human", "pedestrian", "passer-by", "passersby", "child", "boy", "girl")
_NOT_THINGS = frozenset({
    "longer", "doubt", "matter", "one", "more", "less", "fewer", "wonder", "sooner", "body", "idea", "need", "way", "end", "fail",
    "exception", "limit", "question", "other", "than", "only", "too", "very", "that", "this", "it", "them", "him", "her", "me", "us",
    "there", "here", "such", "be", "is", "are", "was", "were", "being", "much", "many", "even", "ever", "again", "regard", "change",
    "sense",
})  # fmt: skip
"""After a negation, these begin an idiom or a pronoun, and name nothing to draw."""
_CUT = frozenset({
    "in", "on", "at", "of", "around", "visible", "anywhere", "please", "with", "by", "near", "behind", "under", "over", "above", "below",
    "from", "into", "to", "for", "and", "or", "but", "nor", "allowed", "present", "there", "here", "inside", "outside", "between", "the",
    "a", "an", "is", "are", "at-all", "whatsoever", "nearby", "left", "right", "who", "which", "that", "walking", "standing", "sitting",
    "any", "as", "while", "just", "only", "so", "it", "its", "be", "being", "shown", "showing",
})  # fmt: skip
"""Where a negated phrase ends."""
_DENIALS = frozenset({
    "no", "not", "without", "never", "nor", "neither", "none", "free", "devoid", "lacking", "avoid", "avoiding", "exclude", "excluding",
    "excluded", "omit", "omitting", "minus", "sans", "absent", "zero", "nobody", "nothing", "cannot", "instead", "rather", "missing",
    "except", "leave", "leaving",
})  # fmt: skip
_BREAKS = frozenset({
    "but", "with", "while", "yet", "however", "although", "only", "showing", "featuring", "where", "whose",
})  # fmt: skip
_DENIED_AFTER = frozenset({
    "absent", "excluded", "missing", "nowhere", "not", "omitted", "avoided", "free",
})  # fmt: skip
_SCOPE = 8
"""Words. A negation reaches no further."""
_WORD = re.compile(r"[a-z][a-z'-]*|[.;:!?]|,(?=\s+(?:a|an|the|there|one|two|three|its|his|her|their)\b)")
_IRREGULAR = {
    "people": "people", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot", "teeth": "tooth",
    "geese": "goose",
    "leaves": "leaf", "knives": "knife", "wolves": "wolf", "lives": "life", "shelves": "shelf", "loaves": "loaf", "persons": "person",
    "glasses": "glasses", "lens": "lens", "gas": "gas", "bus": "bus", "buses": "bus", "grass": "grass", "glass": "glass",
    "clothes": "clothes",
}  # fmt: skip


class DriftKind(StrEnum):
    """What of the user's text a rewrite lost."""

    QUOTE = "quote"
    """Words in quotation marks are gone, or spelt otherwise."""
    NUMBER = "number"
    """A number is gone."""
    NEGATION = "negation"
    """Something is named that the user does not want."""
    OTHER = "other"
    """What a reasoner of one's own found."""


_KINDS = (("the quoted text “", DriftKind.QUOTE), ("the number ", DriftKind.NUMBER), ("“", DriftKind.NEGATION))
"""How the notes of :func:`drift` begin."""


def drift_kind(note: str) -> DriftKind:
    """Which kind one of the notes of :func:`drift` is of."""
    return next((kind for beginning, kind in _KINDS if note.startswith(beginning)), DriftKind.OTHER)


def drift(user_text: str, rewrite: str) -> tuple[str, ...]:
    """What of the user's text did not survive, in words. Empty when all did."""
    lost = _lost_quotes(user_text, rewrite)
    wanted = without_quoted(user_text)
    if demanded := numbers.demanded(wanted):
        kept = numbers.present(rewrite)
        lost += [f"the number {number} is gone" for number in demanded if number not in kept]
    if unwanted := _unwanted(wanted):
        words = _words(without_quoted(rewrite))
        lost += [f"“{' '.join(thing)}” is named, though the user wants none" for thing in unwanted if _affirmed(thing, words)]
    return tuple(dict.fromkeys(lost))


# -- quotes


def _lost_quotes(user_text: str, rewrite: str) -> list[str]:
    lost: list[str] = []
    have = ""
    for quote in dict.fromkeys(quoted(user_text)):
        have = have or _alike(rewrite)
        wanted = _alike(quote).rstrip(",")
        if wanted in have:
            continue
        place = have.lower().find(wanted.lower())
        if place < 0 or len(have.lower()) != len(have):
            lost.append(f"the quoted text “{quote}” is gone")
        else:
            lost.append(f"the quoted text “{quote}” became “{have[place : place + len(wanted)]}”")
    return lost


def _alike(text: str) -> str:
    return " ".join(text.translate(_LIKE).split())


# -- negations


def _unwanted(text: str) -> list[tuple[str, ...]]:
    """The things that ``text`` does not want, each as its words in the singular."""
    found: list[tuple[str, ...]] = []
    for match in _NEGATED.finditer(text):
        phrases = [match[1], *re.split(r",|\b(?:and|or|nor|no|any)\b", match["more"], flags=re.IGNORECASE)]
        found += [thing for phrase in phrases if (thing := _thing(phrase))]
    if _NOBODY.search(text):
        affirmed = {singular(word) for word in _WORD.findall(_NOBODY.sub(" ", text).lower())}
        found = [thing for thing in found if thing[0] not in ("people", "human", "person")]
        found += [(word,) for word in _PEOPLE if word not in affirmed]
    return list(dict.fromkeys(found))


def _thing(phrase: str) -> tuple[str, ...]:
    words = phrase.lower().replace("’", "'").split()
    if not words or words[0] in _NOT_THINGS:
        return ()
    end = next((place for place, word in enumerate(words) if word in _CUT), len(words))
    return tuple(singular(word) for word in words[:end] if len(word) > 2)


def _words(text: str) -> list[str]:
    """Words in the singular, and the stops where a negation ends."""
    return [singular(word) for word in _WORD.findall(text.lower().replace("’", "'"))]


def _affirmed(thing: tuple[str, ...], words: list[str]) -> bool:
    """Whether ``thing`` stands somewhere among ``words`` without a negation before or right after it."""
    length = len(thing)
    return any(
        tuple(words[place : place + length]) == thing and not _denied(words, place, length)
        for place in range(len(words) - length + 1)
        if words[place] == thing[0]
    )


def _denied(words: list[str], place: int, length: int) -> bool:
    for word in reversed(words[max(0, place - _SCOPE) : place]):
        if word in _DENIALS or word.endswith("n't"):
            return True
        if word in _BREAKS or not word[0].isalpha():
            break
    for word in words[place + length : place + length + 4]:
        if not word[0].isalpha():
            break
        if word in _DENIED_AFTER or word.endswith("n't"):
            return True
    return False


def singular(word: str) -> str:
    """The singular of an English noun in lower case, by its ending: enough to compare two words, not to print one."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "n's")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")) and not word.endswith("shoes"):
        return word[:-2]
    return word[:-1]
