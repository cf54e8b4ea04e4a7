"""Rates with intervals: how often something happens, differences and means of two rates, and how well scores tell yes from no.

Answers about one picture are not independent. So a rate's interval rests on an *effective* number of answers: what is left of them when the
variance between pictures is taken into account (Rao and Scott 1992). Two rates are combined from their intervals (Newcombe 1998). Pure
functions of numbers; 95% intervals.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple, Self

Z = NormalDist().inv_cdf(0.975)


class Rate(NamedTuple):
    """``estimate`` with its interval from ``low`` to ``high``, of so many ``cases``. All three None where there are none."""

    estimate: float | None
    low: float | None
    high: float | None
    cases: int

    @classmethod
    def unknown(cls) -> Self:
        return cls(None, None, None, 0)


def rate(outcomes: Sequence[tuple[object, float]]) -> Rate:
    """How often the outcome is 1 (True) and not 0; what is undecided is .5. Each comes with what it belongs to: outcomes of one picture are
    taken as related."""
    if not outcomes:
        return Rate.unknown()
    clusters: dict[object, list[float]] = defaultdict(list)
    for key, outcome in outcomes:
        clusters[key].append(outcome)
    number = len(outcomes)
    share = sum(outcome for _, outcome in outcomes) / number
    return _wilson(share, number, number / _design_effect(list(clusters.values()), share))


def _design_effect(clusters: Sequence[Sequence[float]], share: float) -> float:
    """By how much the variance of ``share`` is larger than that of as many independent outcomes; at least 1."""
    number, groups = sum(map(len, clusters)), len(clusters)
    alone = share * (1 - share) / max(1, number - 1)
    if groups < 2 or not alone:
        return 1.0
    between = sum((sum(cluster) - share * len(cluster)) ** 2 for cluster in clusters)
    return max(1.0, groups / (groups - 1) * between / number**2 / alone)


def _wilson(share: float, cases: int, effective: float) -> Rate:
    """Wilson's score interval: right near 0 and 1, too, where judges should be."""
    scale = 1 + Z**2 / effective
    middle = (share + Z**2 / (2 * effective)) / scale
    half = Z * math.sqrt(share * (1 - share) / effective + Z**2 / (4 * effective**2)) / scale
    return Rate(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), cases)


def combined(parts: Sequence[tuple[float, Rate]]) -> Rate:
    """A weighted sum of independent rates: weights (0.5, 0.5) are a mean, (1, -1) a difference. Unknown where one of them is."""
    estimate = below = above = 0.0
    for weight, part in parts:
        if part.estimate is None or part.low is None or part.high is None:
            return Rate.unknown()
        low, high = (part.low, part.high) if weight >= 0 else (part.high, part.low)
        estimate += weight * part.estimate
        below += (weight * (part.estimate - low)) ** 2
        above += (weight * (part.estimate - high)) ** 2
    return Rate(estimate, estimate - math.sqrt(below), estimate + math.sqrt(above), sum(part.cases for _, part in parts))


def area(yes: Sequence[float], no: Sequence[float]) -> Rate:
    """The chance that one of ``yes`` lies above one of ``no``, ties half (the area under the ROC curve), with DeLong's interval on the
    logit scale."""
    if not yes or not no:
        return Rate.unknown()
    low_first, high_first = sorted(no), sorted(yes)
    above = [_share_below(value, low_first) for value in yes]
    below = [1 - _share_below(value, high_first) for value in no]
    estimate = sum(above) / len(above)
    variance = _variance(above) / len(above) + _variance(below) / len(below)
    if not 0 < estimate < 1:
        # As with a rate: no miss among so many is not the same as none ever.
        return _wilson(estimate, len(yes) + len(no), min(len(yes), len(no)))
    logit = math.log(estimate / (1 - estimate))
    half = Z * math.sqrt(variance) / (estimate * (1 - estimate))
    low, high = (1 / (1 + math.exp(-(logit + side * half))) for side in (-1, 1))
    return Rate(estimate, low, high, len(yes) + len(no))


def _share_below(value: float, others: Sequence[float]) -> float:
    return (bisect_left(others, value) + bisect_right(others, value)) / 2 / len(others)


def _variance(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
