"""Which changes a system prompt has: what its parents had and it kept, what it shares with other branches, and what nobody made before.

Texts are compared sentence by sentence, and line by line. So a change that another branch made in the same words is the same change, and
what is known of it holds here, too; a change whose words are gone is gone; and changes made in different branches can be put together in
one text, without asking anybody. Where a model writes everything anew, descent is all that is left. Plain texts and sets: no scores.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

KEPT = 0.5
"""A change that keeps at least this part of its parent's sentences is an edit, and can be put together with others; others are new
texts."""
_MARK = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+", re.MULTILINE)
"""A list's bullet or number: composites put lines of several lists together, in which neither would be right."""


def sentences(text: str) -> dict[str, str]:
    """The sentences and lines of a system prompt, without bullets and numbering, by what makes them the same: their words, without case and
    punctuation."""
    parts = re.split(r"\n+|(?<=[.!?])\s+", _MARK.sub("", text))
    return {" ".join(re.findall(r"\w[\w'-]*", part.casefold())): part.strip() for part in parts if re.search(r"\w", part)}


def wording(text: str) -> str:
    """What makes two system prompts the same for a reader: their words in order, without case, punctuation, bullets, numbering and
    spacing."""
    return " ".join(sentences(text))


@dataclass(frozen=True, slots=True)
class Made:
    """What a system prompt ``added`` to its parents and ``removed`` from them that no earlier change accounts for; ``edit``: it kept most
    of the rest."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    edit: bool = False


class Ancestry:
    """All changes, each by the number of the node that made it first; a root's is the root itself."""

    def __init__(self) -> None:
        self.changes: list[frozenset[int]] = []
        """By node: the changes it has, its own included."""
        self._texts: list[dict[str, str]] = []
        self._made: list[Made] = []
        self._roots: list[int] = []

    def add(self, text: str, parents: Sequence[int]) -> bool:
        """Takes in the next node, which was made from ``parents``; True where it makes a change that nobody made before."""
        if not parents:
            self._roots.append(len(self._texts))
            self._enter(text, Made(), frozenset({len(self._texts)}))
            return True
        own = frozenset(sentences(text))
        first = frozenset(self._texts[parents[0]])
        inherited = frozenset[int]().union(*(self.changes[parent] for parent in parents)) - frozenset(self._roots)
        has = {change for change in inherited if not self._made[change].added or self._made[change].added & own}
        root, edit = self.root_of(parents[0]), len(first & own) >= KEPT * len(first)
        added, removed = self._left_over(own, root, has)
        for change, made in enumerate(self._made):
            # That a text written anew lacks a sentence, too, makes it nobody's edit.
            alike = bool(made.added) or (edit and bool(made.removed))
            if change not in inherited and alike and made.added <= added and made.removed <= removed:
                has.add(change)
                added, removed = added - made.added, removed - made.removed
        added, removed = self._left_over(own, root, has)
        new = {len(self._texts)} if added or removed else set[int]()
        made = Made(added, removed, edit)
        self._enter(text, made, frozenset({root} | has | new))
        return bool(new)

    def _left_over(self, own: frozenset[str], root: int, has: Collection[int]) -> tuple[frozenset[str], frozenset[str]]:
        """What a text of these sentences has beyond ``root`` with the changes that it ``has``, and what it lacks of that."""
        expected = frozenset(self._lines(root, has))
        return own - expected, expected - own

    def put_together(self, text: str, root: int, changes: Collection[int]) -> None:
        """Takes in the next node: ``text`` is ``root`` with ``changes`` (:meth:`composed`), and nothing else."""
        self._enter(text, Made(), frozenset({root, *changes}))

    def _enter(self, text: str, made: Made, changes: frozenset[int]) -> None:
        self._texts.append(sentences(text))
        self._made.append(made)
        self.changes.append(changes)

    def root_of(self, node: int) -> int:
        """The root that a node's changes are added to."""
        return next(root for root in self._roots if root in self.changes[node])

    def edits(self) -> list[int]:
        """The changes that can be put together with others."""
        return [node for node, made in enumerate(self._made) if made.edit and node in self.changes[node]]

    def composed(self, root: int, changes: Collection[int]) -> str:
        """The text of ``root`` with these changes, in the order in which they were made."""
        return "\n".join(self._lines(root, changes).values())

    def _lines(self, root: int, changes: Collection[int]) -> dict[str, str]:
        lines = dict(self._texts[root])
        for change in sorted(changes):
            made = self._made[change]
            for sentence in made.removed:
                lines.pop(sentence, None)
            lines.update((sentence, line) for sentence, line in self._texts[change].items() if sentence in made.added)
        return lines
