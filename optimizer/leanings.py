"""What a change does to prompts of one category beyond what it does to all: its leanings.

An instruction about lettering helps where there is something to read, and nowhere else. Left alone, that is noise: two texts that differ in
twenty changes seem to differ by chance, depending on whose prompts they met. So leanings are estimated from the scores of each category,
drawn towards 0 as far as categories turn out to be alike, and taken off the scores that the posterior reads (partial pooling). They cancel
over all prompts: a system prompt's mean stays its mean over prompts.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from optimizer.scores import Floats, Rows, ScoreSums

LEAST_SCORES = 8
"""Of a category with fewer scores nothing is estimated."""
MOST_CATEGORIES = 12
"""The categories with the most scores: of more, each would have few, and each costs a solution."""
TRUST = 100.0
"""How many changes the first guess at the leanings' spread is worth."""


class Leanings:
    """By category of prompts and change. ``guess``: the leanings' standard deviation, in scores, before any is seen."""

    def __init__(self, guess: float) -> None:
        self._guess = guess
        self._spread = guess
        self._category_of: dict[Hashable, Hashable] = {}
        self._by_change: Mapping[Hashable, Floats] = {}

    def meet(self, prompt: Hashable, category: Hashable) -> None:
        """Says which category a prompt is of."""
        self._category_of[prompt] = category

    def offset(self, prompt: Hashable, has: Floats) -> float:
        """By how much a system prompt that ``has`` changes [changes, 0 or 1] does better on a prompt's category than on all prompts."""
        known = self._by_change.get(self._category_of[prompt])
        return 0.0 if known is None else float(has[: known.size] @ known)

    def offsets(self, rows: Rows, prompts: Sequence[Hashable], inherits: Floats) -> Floats:
        """:meth:`offset` of all scores, [scores], where a node ``inherits`` [nodes, changes] and the rows' prompts are ``prompts``."""
        places = {category: place for place, category in enumerate(self._by_change)}
        of_prompt = np.array([places.get(self._category_of[prompt], -1) for prompt in prompts], dtype=np.intp)
        by_node = np.vstack([*(inherits[:, : known.size] @ known for known in self._by_change.values()), np.zeros(inherits.shape[0])])
        return by_node[of_prompt[rows.prompts], rows.nodes]

    def estimate(self, scores: ScoreSums, inherits: Floats, mean: Floats) -> float:
        """Estimates all leanings anew from the scores as they came, where the nodes' means are ``mean``, and returns how many free numbers
        that is worth.

        A ridge regression for each category, on the changes that several nodes share, the effects of prompts and pairs integrated out. The
        spread is one step of expectation-maximization from the last.
        """
        shared = np.flatnonzero((inherits.sum(axis=0) >= 2.0) & (inherits.sum(axis=0) < inherits.shape[0]))
        categories = [self._category_of[prompt] for prompt in scores.prompts]
        met: list[int] = scores.rows().prompts.tolist()
        counts = Counter(categories[prompt] for prompt in met)
        chosen = [category for category, count in counts.most_common(MOST_CATEGORIES) if count >= LEAST_SCORES]
        if len(counts) < 2 or not chosen or not shared.size:
            return 0.0
        features = inherits[:, shared]
        ratio = (scores.scale.noise / self._spread) ** 2
        found: dict[Hashable, Floats] = {}
        free = squares = 0.0
        for category in chosen:
            precision, shift = scores.of_prompts(np.array([other == category for other in categories]))
            told = features.T @ precision @ features
            inverse = np.linalg.inv(told + ratio * np.eye(shared.size))
            found[category] = inverse @ (features.T @ (shift - precision @ mean))
            doubt = ratio * float(np.trace(inverse))
            free += shared.size - doubt
            squares += float(found[category] @ found[category]) + self._spread**2 * doubt
        self._spread = math.sqrt((TRUST * self._guess**2 + squares) / (TRUST + shared.size * len(chosen)))
        self._settle(found, Counter(categories), shared, inherits.shape[1])
        return free

    def _settle(
        self, found: Mapping[Hashable, Floats], prompts: Counter[Hashable], shared: "np.ndarray[tuple[int], np.dtype[np.intp]]", size: int
    ) -> None:
        """Keeps what was found, less what it comes to over all prompts: that is part of the changes' means already."""
        common = sum((prompts[category] * each for category, each in found.items()), np.zeros(shared.size)) / prompts.total()
        by_change: dict[Hashable, Floats] = {}
        for category in prompts:
            by_change[category] = np.zeros(size)
            by_change[category][shared] = found.get(category, 0.0) - common
        self._by_change = by_change
