"""What a text says, as values: the things it mentions, their places and relations, the background, the words to be written.

data/grammar/ fills them, data/reading.py hands them out. They know no English.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from data.scene import Direction, Size


class Sense(StrEnum):
    """How a noun means a kind of thing."""

    KIND = "kind"
    """It names one kind."""
    AMBIGUOUS = "ambiguous"
    """It names either of two kinds."""
    THEME = "theme"
    """It names an occasion or a place that several kinds belong to."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stated place in the picture. ``vertical`` -1 top, 0 middle, 1 bottom; ``horizontal`` -1 left, 0 centre, 1 right; None: unsaid."""

    vertical: int | None = None
    horizontal: int | None = None


@dataclass(slots=True)
class Mention:
    """Things that a text speaks of: one noun phrase, and what later phrases add to it.

    ``least``/``most`` is the stated count, both None where none is stated (``plural`` tells "balloons" from "balloon"); ``unquantified`` is
    a noun with no article either. ``colors`` are in the world's names. ``position`` counts words from the text's start.
    """

    noun: str
    kinds: tuple[str, ...]
    sense: Sense
    sentence: int
    clause: int
    position: int
    plural: bool = False
    least: int | None = None
    most: int | None = None
    unquantified: bool = False
    colors: list[str] = field(default_factory=list[str])
    bound: bool = True
    """False where the colour was not said right before the noun ("a house in red")."""
    count_bound: bool = True
    """False where the count was not said right before the noun ("stars, two of them")."""
    size: Size | None = None
    negated: bool = False
    cue: str | None = None
    """For an ambiguous noun, the kind that words nearby speak for."""
    places: list[Place] = field(default_factory=list[Place])
    parts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """While reading: (count, colour) of parts of the things, "one red, two blue"; in a Reading they are mentions of their own."""

    @property
    def exact(self) -> int | None:
        """The stated count if it is one number; "a house" is 1."""
        return self.least if self.least == self.most else None


@dataclass(frozen=True, slots=True)
class SpatialPhrase:
    """The mention at index ``subject`` is ``direction`` the mention at index ``object``."""

    subject: int
    direction: Direction
    object: int


@dataclass(frozen=True, slots=True)
class TextRequest:
    """Words to be written in the picture. ``quoted`` if they stand in quotes."""

    text: str
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class Setting:
    """A background that a text speaks of, in the world's name, and the word used."""

    name: str
    word: str
    position: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, in its order.

    ``loose`` are colours that belong to no noun, as (sentence, colour). ``exclusive``: it says that there is nothing else. ``words`` is its
    length, ``unknown`` how many of them look like content that the lexicon lacks; ``textless`` if it asks for no writing.
    """

    mentions: tuple[Mention, ...] = ()
    relations: tuple[SpatialPhrase, ...] = ()
    settings: tuple[Setting, ...] = ()
    texts: tuple[TextRequest, ...] = ()
    loose: tuple[tuple[int, str], ...] = ()
    exclusive: bool = False
    textless: bool = False
    unknown: int = 0
    words: int = 0

    @property
    def wanted(self) -> tuple[Mention, ...]:
        """The mentions that are not negated."""
        return tuple(mention for mention in self.mentions if not mention.negated)

    @property
    def unwanted(self) -> tuple[Mention, ...]:
        """The negated mentions."""
        return tuple(mention for mention in self.mentions if mention.negated)

    @property
    def background(self) -> str | None:
        """The first background asked for."""
        return next((setting.name for setting in self.settings if not setting.negated), None)


def total(mentions: Sequence[Mention]) -> int:
    """How many things the mentions stand for at least."""
    return sum(mention.least or (2 if mention.plural else 1) for mention in mentions)
