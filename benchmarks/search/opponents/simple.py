"""What anybody would try first: random search, climbing from the best, and successive halving. Written here, there is no library for it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal

from benchmarks.search.meter import Meter, Spent
from benchmarks.search.worlds import Evidence
from data.identity import derived_random


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Measures each new system prompt on the same ``prompts`` prompts; the best mean wins. A new one is derived from ``parent``: any one
    seen so far, or the best. Everybody is measured with the same seeds, and shown to the proposer with all of its scores."""

    prompts: int = 40
    parent: Literal["any", "best"] = "any"
    libraries: ClassVar[tuple[str, ...]] = ()
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        luck = derived_random("random search", seed)
        pairs = _pairs(meter, luck)[: self.prompts]
        known: dict[str, list[float]] = {}
        text = meter.world.root
        try:
            # Where every child is known already, images are no limit.
            while meter.proposals < meter.images:
                if text not in known:
                    known[text] = _scores(meter, text, pairs)
                best = max(known, key=lambda text: statistics.fmean(known[text]))
                meter.hand_over(best)
                parent = best if self.parent == "best" else luck.choice(list(known))
                text = meter.propose([parent], _evidence(pairs, known[parent]))
        except Spent:
            pass


@dataclass(frozen=True, slots=True)
class Halving:
    """Breeds ``width`` system prompts from the champion, measures all on ``first`` pairs, the better half on as many again as they have,
    and so on; the last one standing is the champion of the next bracket, in which it takes part. ``fresh``: each bracket has pairs of its
    own, so that luck does not last; otherwise all have the same ones, and the champion's scores are there already."""

    width: int = 8
    first: int = 8
    fresh: bool = False
    libraries: ClassVar[tuple[str, ...]] = ()
    anytime: ClassVar[bool] = True

    def __call__(self, meter: Meter, seed: int) -> None:
        luck = derived_random("successive halving", seed)
        pairs = _pairs(meter, luck)
        champion = meter.world.root
        try:
            known = _scores(meter, champion, pairs[: self.first])
            while meter.proposals < meter.images:
                evidence = _evidence(pairs, known)
                if self.fresh:
                    pairs = luck.sample(pairs, len(pairs))
                champion, known = self._bracket(meter, pairs, [champion, *(meter.propose([champion], evidence) for _ in range(self.width))])
                meter.hand_over(champion)
        except Spent:
            pass

    def _bracket(self, meter: Meter, pairs: "Sequence[_Pair]", texts: Sequence[str]) -> tuple[str, list[float]]:
        """The last one standing, with its scores."""
        standing, seen = list(dict.fromkeys(texts)), self.first
        while True:
            scores = {text: _scores(meter, text, pairs[:seen]) for text in standing}
            standing.sort(key=lambda text: -statistics.fmean(scores[text]))
            if len(standing) < 3:
                return standing[0], scores[standing[0]]
            standing = standing[: (len(standing) + 1) // 2]
            seen *= 2


_Pair = tuple[int, int]
"""A prompt, and a seed."""

PASSES = 50
"""More than anybody can pay for."""


def _pairs(meter: Meter, luck: Random) -> list[_Pair]:
    """All prompts in a shuffled order, then all again with the next seed, and so on."""
    prompts = list(range(len(meter.world.categories)))
    luck.shuffle(prompts)
    return [(prompt, number) for number in range(PASSES) for prompt in prompts]


def _scores(meter: Meter, text: str, pairs: Sequence[_Pair]) -> list[float]:
    return [meter.score(text, prompt, seed) for prompt, seed in pairs]


def _evidence(pairs: Sequence[_Pair], scores: Sequence[float]) -> Evidence:
    return [(prompt, score) for (prompt, _), score in zip(pairs, scores, strict=False)]
