"""Text → tokens that know their sentence, their clause and their place among the words, and what the lexicon says of them.

Linear in the text's length. It knows words and phrases; how they belong together is data/reading.py's business.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from data import lexicon

_TOKEN = re.compile(
    r"(?P<quote>\"[^\"\n]{1,120}\"|“[^”\n]{1,120}”|«[^»\n]{1,120}»|(?<!\w)[‘'][^'’\n]{1,120}['’](?!\w))"
    r"|(?P<word>[^\W_]+(?:['’][^\W_]+)*)"
    r"|(?P<stop>[.!?;\n]+(?=\s|$)|\n)"
    r"|(?P<comma>[,:()\[\]—–/|]|(?<=\s)-(?=\s))"
)
_LONGEST_PHRASE = 5


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, a quoted string, or the break between clauses (",").

    ``position`` is its index among the words of the whole text (a quoted string counts as its words); ``raw`` its spelling.
    """

    word: str
    raw: str
    position: int
    sentence: int
    clause: int
    quote: bool = False

    @property
    def is_break(self) -> bool:
        return self.word == ","


def tokenize(text: str) -> list[Token]:
    """The tokens of ``text``. Sentences end at ``. ! ? ;`` or a line's end, clauses also at ``, : ( )`` and dashes."""
    tokens: list[Token] = []
    position = sentence = clause = 0
    for match in _TOKEN.finditer(text):
        raw = match.group()
        if match.lastgroup == "quote":
            tokens.append(Token('"', raw[1:-1], position, sentence, clause, quote=True))
            position += max(1, len(raw[1:-1].split()))
        elif match.lastgroup == "word":
            tokens.append(Token(raw.lower().replace("’", "'"), raw, position, sentence, clause))
            position += 1
        elif tokens:
            clause += 1
            sentence += match.lastgroup == "stop"
            if not tokens[-1].is_break:
                tokens.append(Token(",", raw, position, sentence, clause))
    return tokens


def singular(word: str) -> str:
    """The dictionary form of a noun, as far as the lexicon's words need it."""
    if word in lexicon.PLURALS:
        return lexicon.PLURALS[word]
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word


@dataclass(frozen=True, slots=True)
class Match:
    """A word or phrase of the lexicon at a token: ``length`` tokens long, found as ``phrase`` (singular) in ``table``."""

    table: str
    phrase: str
    length: int
    plural: bool


_TABLES: Mapping[str, Mapping[str, object]] = {
    "noun": lexicon.NOUNS,
    "ambiguous": lexicon.AMBIGUOUS,
    "theme": lexicon.THEMES,
    "background": lexicon.BACKGROUND_WORDS,
    "direction": lexicon.DIRECTION_PHRASES,
    "vague": lexicon.VAGUE_NUMBERS,
    "number": lexicon.NUMBER_WORDS,
    "color": lexicon.COLOR_WORDS,
    "size": lexicon.SIZE_WORDS,
}
_PHRASES: dict[str, tuple[str, str]] = {}
for _table, _entries in _TABLES.items():
    for _phrase in _entries:
        # "jet-black" is read as two words, as the tokens are.
        _PHRASES.setdefault(_phrase.replace("-", " "), (_table, _phrase))


def match_at(tokens: list[Token], index: int) -> Match | None:
    """The longest phrase of the lexicon that begins at ``index``; None where the word is unknown. Nouns match in the plural too."""
    words: list[str] = []
    for token in tokens[index : index + _LONGEST_PHRASE]:
        if token.quote or token.is_break:
            break
        words.append(token.word)
    for length in range(len(words), 0, -1):
        phrase = " ".join(words[:length])
        if phrase in _PHRASES:
            table, entry = _PHRASES[phrase]
            return Match(table, entry, length, plural=False)
        bare = " ".join([*words[: length - 1], singular(words[length - 1])])
        if bare != phrase and (found := _PHRASES.get(bare)) and found[0] in ("noun", "ambiguous", "theme", "background"):
            return Match(found[0], found[1], length, plural=True)
    return None
