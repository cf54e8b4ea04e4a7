"""The replay world: a recorded table (data/replay.py) in place of reasoner, generator and judge. Every score in it was once measured.

Its candidates are the system prompts of the table, and nothing else can be tried. A proposal is one of the recorded children. Optimizers
see the prompts of the splits search and select; the truth is the mean over those of the split test, all seeds together.

A table has an end: of each prompt there are as many seeds as were recorded, and then they come around again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import fmean

from benchmarks.search.worlds import Evidence
from data.errors import UsageError
from data.identity import derived_random
from data.records import Derivation, Operation, Prompt, Split
from data.replay import ReplayTable
from data.replayfiles import read_replay

EMBEDDED = Path(__file__).parent.parent / "assets" / "embedded.replay.parquet"
"""The table that is shipped, as benchmarks/record_replay.py makes it."""

Pass = tuple[int, int]
"""A sample and a seed: what one system prompt has in common with another at a prompt."""
Looks = Mapping[tuple[str, str], Mapping[Pass, Sequence[float]]]
"""Scores by ids of system prompt and prompt, by pass, in the order of the judge's looks."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A table as worlds use it, by the texts of its system prompts, in the order of their birth. All worlds of a table share it.

    ``scores``: by text and number of the prompt. ``passes``: by number of the prompt, what any system prompt was measured with.
    ``qualities``: the truth. ``parents``: of what each was made; ``operations``: how.
    """

    root: str
    categories: tuple[int, ...]
    passes: tuple[tuple[Pass, ...], ...]
    scores: Mapping[tuple[str, int], Mapping[Pass, Sequence[float]]]
    qualities: Mapping[str, float]
    parents: Mapping[str, frozenset[str]]
    operations: Mapping[str, Operation]

    def mean(self, text: str) -> float:
        """The mean of all that was measured of a system prompt on the prompts to search on: no truth, but the most that can be seen."""
        return fmean(_mean(self.scores[text, prompt]) for prompt in range(len(self.categories)))


def recorded(table: ReplayTable) -> Recorded:
    """The table without its failures, and without system prompts that lack a score on some prompt: their children become their parents'.

    UsageError where no two system prompts are left, or there is no prompt to search on or to test on.
    """
    looks = _looks(table)
    searched = [prompt for prompt in table.prompts if prompt.split in (Split.SEARCH, Split.SELECT)]
    tested = [prompt for prompt in table.prompts if prompt.split is Split.TEST]
    asked = [prompt.id for prompt in (*searched, *tested)]
    complete = [derivation for derivation in table.lineage if all((derivation.child.id, prompt) in looks for prompt in asked)]
    if not searched or not tested or len(complete) < 2:
        raise UsageError(
            f"there is nothing to search in: {len(complete)} of {len(table.lineage)} system prompts have a score on each of "
            f"{len(searched)} search prompts and {len(tested)} test prompts",
            hint="measure all on all before the table is written, as `python -m benchmarks.record_replay` does",
        )
    texts = {derivation.child.id: derivation.child.text for derivation in complete}
    parents = _parents(table.lineage, texts)
    return Recorded(
        root=next((text for text in texts.values() if not parents[text]), complete[0].child.text),
        categories=_numbered([prompt.category for prompt in searched]),
        passes=tuple(_passes(looks, texts, prompt) for prompt in searched),
        scores={(text, at): looks[node, prompt.id] for node, text in texts.items() for at, prompt in enumerate(searched)},
        qualities={text: fmean(_mean(looks[node, prompt.id]) for prompt in tested) for node, text in texts.items()},
        parents=parents,
        operations={derivation.child.text: derivation.operation for derivation in complete},
    )


def _looks(table: ReplayTable) -> Looks:
    looks: dict[tuple[str, str], dict[Pass, list[float]]] = {}
    for cell in sorted(table.cells, key=lambda cell: cell.place):
        if cell.score is not None:
            at = cell.place
            looks.setdefault((at.system_prompt, at.prompt), {}).setdefault((at.sample, at.seed), []).append(cell.score)
    return looks


def _mean(passes: Mapping[Pass, Sequence[float]]) -> float:
    return fmean(map(fmean, passes.values()))


def _numbered(names: Sequence[str]) -> tuple[int, ...]:
    order = sorted(set(names))
    return tuple(map(order.index, names))


def _passes(looks: Looks, system_prompts: Mapping[str, str], prompt: Prompt) -> tuple[Pass, ...]:
    return tuple(sorted(set[Pass]().union(*(looks[node, prompt.id] for node in system_prompts))))


def _parents(lineage: Sequence[Derivation], texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Of each text that is left, the nearest ancestors that are."""
    parents = {derivation.child.id: derivation.parents for derivation in lineage}
    found: dict[str, frozenset[str]] = {}
    stands_for: dict[str, frozenset[str]] = {}
    for node in TopologicalSorter(parents).static_order():
        above = frozenset[str]().union(*(stands_for[parent] for parent in parents[node]))
        stands_for[node] = frozenset({texts[node]}) if node in texts else above
        if node in texts:
            found[texts[node]] = above
    return {text: found[text] for text in texts.values()}


@dataclass(slots=True)
class ReplayWorld:
    """A World for one optimizer, which is not given the same system prompt twice. ``seed`` is the luck of its proposals, and puts the
    recorded seeds in an order of their own."""

    recorded: Recorded
    seed: int
    name: str = "replay"
    closed: bool = True
    _drawn: set[str] = field(default_factory=set[str])
    _order: dict[int, Sequence[Pass]] = field(default_factory=dict[int, Sequence[Pass]])

    @property
    def root(self) -> str:
        return self.recorded.root

    @property
    def categories(self) -> Sequence[int]:
        return self.recorded.categories

    def score(self, text: str, prompt: int, seed: int, look: int = 0) -> float:
        """The recorded score. Where this pass failed, the next one that did not answers; seeds and looks beyond the last begin anew."""
        found = self.recorded.scores.get((text, prompt))
        if found is None:
            raise UsageError(f"nothing is recorded of the system prompt {text[:60]!r} on prompt {prompt}", hint="try what was proposed")
        order = self._passes(prompt)
        turned = (order[(seed + step) % len(order)] for step in range(len(order)))
        looks = found[next(each for each in turned if each in found)]
        return looks[look % len(looks)]

    def _passes(self, prompt: int) -> Sequence[Pass]:
        """The same for all system prompts, so that equal seeds are pairs."""
        if prompt not in self._order:
            passes = list(self.recorded.passes[prompt])
            derived_random("replay passes", self.seed, prompt).shuffle(passes)
            self._order[prompt] = passes
        return self._order[prompt]

    def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
        """One of the recorded children of ``parents`` that was not drawn yet, of all parents and by this operation where there are such.

        Where no child is left: the nearest relative of theirs that was not drawn, by whatever operation; where nothing is left at all, the
        first parent once more. ``evidence`` does not matter: what was written for it then is what there is.
        """
        choices = self._left(operation, parents)
        if not choices:
            return parents[0]
        luck = derived_random("replay proposal", self.seed, seed, operation.value, *parents)
        chosen = luck.choice(choices)
        self._drawn.add(chosen)
        return chosen

    def _left(self, operation: Operation, parents: Sequence[str]) -> list[str]:
        """What may be drawn, in the order of birth; roots are nobody's proposal."""
        known = self.recorded.parents
        left = [text for text, above in known.items() if above and text not in self._drawn and text not in parents]
        children = [text for text in left if not known[text].isdisjoint(parents)]
        if not children:
            distances = self._distances(parents)
            nearest = min((distances[text] for text in left), default=0)
            return [text for text in left if distances[text] == nearest]
        of_all = [text for text in children if known[text].issuperset(parents)] or children
        return [text for text in of_all if self.recorded.operations[text] is operation] or of_all

    def _distances(self, parents: Sequence[str]) -> dict[str, int]:
        """How many derivations, up or down, lie between each system prompt and the nearest of ``parents``."""
        known = self.recorded.parents
        distances = {text: 0 if text in parents else len(known) for text in known}
        frontier = set(parents) & known.keys()
        steps = 0
        while frontier:
            steps += 1
            near = {text for text in known if not known[text].isdisjoint(frontier)}.union(*(known[text] for text in frontier))
            frontier = {text for text in near if distances[text] > steps}
            distances.update(dict.fromkeys(frontier, steps))
        return distances

    def quality(self, text: str) -> float:
        return self.recorded.qualities[text]


@cache
def recorded_at(path: Path) -> Recorded:
    """The table in a file, read once."""
    return recorded(read_replay(path))


def replayed(path: Path = EMBEDDED) -> Callable[[int], ReplayWorld]:
    """Worlds of a table by seed."""
    return lambda seed: ReplayWorld(recorded_at(path), seed)
