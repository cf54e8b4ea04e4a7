"""Which prompt with which seeds: the endless row of (prompt, sample, seed) pairs that system prompts are measured on."""

import math
from collections.abc import Collection, Mapping, Sequence

from data.identity import derived_random, derived_seed
from data.records import Prompt, SystemPrompt, TrialRequest

LEAST_WEIGHT = 0.03
"""A prompt that never told anything is still met at 3% of the usual rate: the next system prompt may be the first to differ on it."""


class Pairs:
    """The endless row of pairs on some prompts: all prompts once in a shuffled order, then all again with new seeds.

    ``purpose`` keeps the seeds of search, selection and confirmation apart.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int, purpose: str) -> None:
        self.prompts = list(prompts)
        derived_random(seed, purpose, "order").shuffle(self.prompts)
        self._seed = seed
        self._purpose = purpose

    def request(self, pair: int, system_prompt: SystemPrompt) -> TrialRequest:
        turn, place = divmod(pair, len(self.prompts))
        # 31 bits: what every generator takes as a seed.
        seed = derived_seed(self._seed, self._purpose, "image", turn, self.prompts[place].id) >> 32
        sample = derived_seed(self._seed, self._purpose, "sample", turn) >> 32
        return TrialRequest(system_prompt, self.prompts[place], sample=sample, seed=seed)

    def prompt_of(self, pair: int) -> int:
        """The number of a pair's prompt."""
        return pair % len(self.prompts)

    def category_of(self, pair: int) -> str:
        """The category of a pair's prompt."""
        return self.prompts[self.prompt_of(pair)].category

    def fresh(self, planned: Collection[int], count: int, spread: Mapping[int, float], *names: object) -> list[int]:
        """``count`` pairs that are not ``planned`` yet, of the earliest turn that has any, in an order of chance that ``names`` derive.

        Prompts on which scores lie far apart (``spread``, 1 for the usual) come first more often, in proportion to the square: that is how
        much a score on them tells about a difference.
        """
        luck = derived_random(self._seed, self._purpose, *names)
        found: list[int] = []
        turn = 0
        while len(found) < count:
            start = turn * len(self.prompts)
            waits = {
                pair: -math.log(1.0 - luck.random()) / max(LEAST_WEIGHT, spread.get(pair - start, 1.0) ** 2)
                for pair in range(start, start + len(self.prompts))
            }
            found += sorted((pair for pair in waits if pair not in planned), key=waits.__getitem__)[: count - len(found)]
            turn += 1
        return found


def select_pair(place: int) -> int:
    """The number of a pair on a select prompt: from -1 downwards, so that the search never meets it."""
    return -1 - place
