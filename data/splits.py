"""Which prompts a search may see, which pick its winner, which confirm it; and which are so alike that they must stay together."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from data.identity import derived_random
from data.records import Prompt, Split

SHARES: Mapping[Split, float] = {Split.SEARCH: 0.45, Split.SELECT: 0.15, Split.TEST: 0.40}
"""How prompts are shared out. The test split decides how small a gain can be confirmed, so it is large."""
ALIKE = 0.5
"""From this share of common three-letter groups on, two texts are near-duplicates."""
COMMONPLACE = 0.2
"""Groups that are in more than this share of a set's texts ("a photo of a …") tell nothing apart and are left out …"""
LARGE = 50
"""… where the set has at least so many texts."""


def assign_splits(prompts: Sequence[Prompt], seed: int) -> list[Prompt]:
    """The same prompts in the same order, each in a split: in each category by SHARES, near-duplicates together, canaries left as they are.

    Depends on the texts, the categories and the seed alone.
    """
    free = [index for index, prompt in enumerate(prompts) if prompt.split is not Split.CANARY]
    groups = _groups([prompts[index].text for index in free])
    by_category: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups:
        members = sorted((free[member] for member in group), key=lambda index: prompts[index].text)
        by_category[prompts[members[0]].category].append(members)
    result = list(prompts)
    overall = _Shares()
    for category, category_groups in sorted(by_category.items()):
        here = _Shares()
        category_groups.sort(key=lambda members: prompts[members[0]].text)
        derived_random("splits", seed, category).shuffle(category_groups)
        for members in sorted(category_groups, key=len, reverse=True):
            split = max(SHARES, key=lambda split: here.lack(split, len(members)) + overall.lack(split, len(members)))
            here.add(split, len(members))
            overall.add(split, len(members))
            for index in members:
                result[index] = replace(prompts[index], split=split)
    return result


class _Shares:
    """How many prompts each split has got so far."""

    def __init__(self) -> None:
        self._counts: Counter[Split] = Counter()

    def lack(self, split: Split, coming: int) -> float:
        """How far ``split`` is behind its share of what is there and what is coming."""
        return SHARES[split] * (self._counts.total() + coming) - self._counts[split]

    def add(self, split: Split, count: int) -> None:
        self._counts[split] += count


def near_duplicates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The pairs (i < j) of texts that share at least ALIKE of their three-letter groups (Jaccard), in the order of j.

    Counts what texts share along an index of the groups, so that 10,000 prompts take seconds.
    """
    import numpy as np

    grams = [_grams(text) for text in texts]
    frequency = Counter(gram for text_grams in grams for gram in text_grams)
    if len(texts) >= LARGE:
        commonplace = {gram for gram, count in frequency.items() if count > COMMONPLACE * len(texts)}
        grams = [text_grams - commonplace or text_grams for text_grams in grams]
    holders: dict[str, list[int]] = defaultdict(list)
    for index, text_grams in enumerate(grams):
        for gram in text_grams:
            holders[gram].append(index)
    index_of = {gram: np.array(indices, np.int64) for gram, indices in holders.items()}
    sizes = np.array([len(text_grams) for text_grams in grams], np.int64)
    for index in range(1, len(texts)):
        met = np.concatenate([index_of[gram] for gram in grams[index]])
        common = np.bincount(met, minlength=len(texts))[:index]
        alike = common >= ALIKE * (sizes[index] + sizes[:index] - common)
        yield from ((int(other), index) for other in np.flatnonzero(alike))


def _grams(text: str) -> set[str]:
    """The three-letter groups of a text, without regard to capitals and spacing."""
    plain = f" {' '.join(text.casefold().split())} "
    return {plain[start : start + 3] for start in range(max(1, len(plain) - 2))}


def _groups(texts: Sequence[str]) -> list[list[int]]:
    """The indices of ``texts``, near-duplicates (and their near-duplicates) together."""
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in near_duplicates(texts):
        parent[root(other)] = root(one)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(texts)):
        groups[root(index)].append(index)
    return list(groups.values())
