"""What a reader of a text remembers on its way, and the steps that all its parts use."""

from dataclasses import dataclass, field

from data.mentions import Mention, Place, Setting, SpatialPhrase, TextRequest
from data.scene import Direction, Size
from data.tokens import match_at, tokenize


@dataclass(slots=True)
class Pending:
    """What stands before a noun, until the noun comes."""

    least: int | None = None
    most: int | None = None
    colors: list[str] = field(default_factory=list[str])
    size: Size | None = None
    definite: bool = False
    quantified: bool = False
    trigger: str = ""
    ordinal: bool = False
    inverted: bool = False
    """A colour said before "the" and its noun: "pink the hearts"."""
    after_noun: bool = False
    """The colour came right after a noun: "the star red"."""
    spoilt: bool = False
    """An unknown word came after the attributes: they may be about that."""
    several: bool = False
    """ "ones" came: about a plural."""


class State:
    """One text under way."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        self.mentions: list[Mention] = []
        self.settings: list[Setting] = []
        self.texts: list[TextRequest] = []
        self.relations: dict[tuple[int, int], SpatialPhrase] = {}
        self.loose: list[tuple[int, str]] = []
        self.latest: dict[str, list[int]] = {}
        self.exclusive = self.textless = False
        self.unknown: int = 0
        self.pending = Pending()
        self.negating = False
        self.waiting: tuple[Direction, int | None] | None = None
        """A direction whose object has not come yet, and its subject (None: it comes after the object)."""
        self.fronted: tuple[Direction, int] | None = None
        """A direction and its object, said before their subject: "above the house, …"."""
        self.place_ahead: Place | None = None
        self.sentence = 0
        self.here: list[int] = []
        """The mentions of this sentence."""
        self.previous = ""
        self.noun_before = " "
        """The last word of the noun phrase just read."""
        self.topic: int | None = None
        """The mention that a clause of attributes last said something about."""

    def _word(self, index: int) -> str:
        return self.tokens[index].word if 0 <= index < len(self.tokens) else ""

    def _noun_at(self, index: int) -> bool:
        """Whether a bare noun, or "or"/"nor"/"and" and a noun, stands at ``index``: a list that a negator still governs."""
        if index < len(self.tokens) and self.tokens[index].word in ("or", "nor", "and", "no"):
            index += 1
        match = match_at(self.tokens, index)
        return match is not None and match.table in ("noun", "ambiguous", "theme", "background")

    def _relate(self, subject: int, direction: Direction, other: int) -> None:
        if subject != other and (other, subject) not in self.relations:
            self.relations.setdefault((subject, other), SpatialPhrase(subject, direction, other))

    def _clear(self) -> None:
        self.pending = Pending()
