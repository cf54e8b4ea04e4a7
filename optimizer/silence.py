"""Which prompts tell nothing: on some, every system prompt scores the same.

A prompt that comes out well whatever is done to it, or never, costs an image whenever it is met and says nothing about which system prompt
is better. Two equal scores may be chance, on a coarse scale they often are: a mixture of silent and telling prompts, fitted by
expectation-maximization, says how many are silent and how often others score alike.
"""

from collections.abc import Hashable

import numpy as np

SHARE = 0.2
"""The share of silent prompts that is expected before any is known."""
ALIKE = 0.25
"""The chance, likewise, that a score on another prompt equals the first there."""
TRUST = 8.0
"""How many prompts, and how many scores, these guesses are worth."""
STEPS = 30
"""Of expectation-maximization: hardly anything moves after these."""


class Silence:
    """Collects scores by prompt, and says how likely it is that a prompt is silent."""

    def __init__(self) -> None:
        self._first: dict[Hashable, float] = {}
        self._further: dict[Hashable, int] = {}
        self._equal: dict[Hashable, int] = {}

    def meet(self, prompt: Hashable, score: float) -> None:
        """Takes in one score on a prompt."""
        first = self._first.setdefault(prompt, score)
        if prompt not in self._further:
            self._further[prompt] = self._equal[prompt] = 0
            return
        self._further[prompt] += 1
        self._equal[prompt] += score == first

    def probabilities(self) -> dict[Hashable, float]:
        """By prompt that was met: the probability that all its scores are equal, those yet to come too."""
        further, equal = (np.array(list(counts.values()), dtype=np.float64) for counts in (self._further, self._equal))
        constant = equal == further
        share, alike, silent = SHARE, ALIKE, np.zeros(further.size)
        for _ in range(STEPS):
            silent = np.where(constant, share / (share + (1.0 - share) * alike**further), 0.0)
            share = (TRUST * SHARE + float(silent.sum())) / (TRUST + further.size)
            alike = (TRUST * ALIKE + float((1.0 - silent) @ equal)) / (TRUST + float((1.0 - silent) @ further))
        return dict(zip(self._further, silent.tolist(), strict=True))
