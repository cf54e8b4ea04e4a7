"""The one choke point: whatever an optimizer asks of a world goes through a meter, which counts, and ends what costs too much.

An image is counted for each score that is asked for and was not scored before by the same optimizer with the same arguments; nobody pays
twice here, whoever forgets. A meter also keeps what the optimizer would have handed over after each image: that is what is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.search.worlds import Evidence, World
from data.identity import derived_seed
from data.records import Operation


class Spent(Exception):
    """The images are spent: the optimizer is to end."""


@dataclass(slots=True)
class Meter:
    """Counts what one optimizer uses of ``world``, at most ``images`` images."""

    world: World
    images: int
    spent: int = 0
    proposals: int = 0
    trace: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """From so many images on, this is the system prompt that the optimizer would hand over."""
    _scores: dict[tuple[str, int, int, int], float] = field(default_factory=dict[tuple[str, int, int, int], float])
    _passes: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def score(self, text: str, prompt: int, seed: int | None = None, look: int = 0) -> float:
        """The score of ``text`` on ``prompt``. Without a ``seed``, each pass of the pair has the next one, from 0: so optimizers that know
        no seeds are paired, too. Raises Spent where no image is left."""
        if seed is None:
            seed = self._passes.get((text, prompt), 0)
            self._passes[text, prompt] = seed + 1
        key = (text, prompt, seed, look)
        known = self._scores.get(key)
        if known is not None:
            return known
        if self.spent >= self.images:
            raise Spent
        self.spent += 1
        self._scores[key] = score = self.world.score(text, prompt, seed, look)
        return score

    def propose(self, parents: Sequence[str], evidence: Evidence, operation: Operation = Operation.REFLECT) -> str:
        """A new system prompt. Each question has luck of its own, derived from how many there were."""
        self.proposals += 1
        return self.world.propose(operation, parents, evidence, derived_seed("question", self.proposals))

    def hand_over(self, text: str) -> None:
        """Says what the optimizer would hand over now."""
        if not self.trace or self.trace[-1][1] != text:
            self.trace.append((self.spent, text))

    def gains(self, grid: Sequence[int]) -> list[float]:
        """The true gain over the root of what would have been handed over after so many images, for each of ``grid``."""
        root = self.world.quality(self.world.root)
        gains: list[float] = []
        for images in grid:
            text = next((text for spent, text in reversed(self.trace) if spent <= images), self.world.root)
            gains.append(self.world.quality(text) - root)
        return gains
