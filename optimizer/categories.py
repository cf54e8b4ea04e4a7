"""What a gain is in each category of prompts: partly its own, partly what all of them have in common. Pure functions of numbers.

Few prompts of a category say little about it, and the best of ten categories is mostly the luckiest. So each category's mean is drawn
towards the common one, the more the less its prompts tell and the more alike the categories are. Nothing here is a claim: which categories
differ is not tested.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.stats import CONFIDENCE, Floats, Interval

SPREAD = 0.1
"""By how much gains may be expected to differ from category to category, before any is seen: the middle of a half-Cauchy prior, whose
long tail lets them differ by far more."""


def pooled(groups: Mapping[str, Sequence[float]], confidence: float = CONFIDENCE) -> Mapping[str, Interval]:
    """The mean gain of each group of prompts, partially pooled, with its interval; groups without prompts are left out.

    The model: a group's gain is normal about the common one with a standard deviation that is not known (prior: SPREAD), and its mean over
    n prompts normal about that, with a variance over n that all groups share: of few prompts that mostly gained nothing, a group's own
    variance would say 0. Common gain and standard deviation are integrated out, so that the intervals also know that both are estimated.
    A lone group keeps its own mean.
    """
    values = {name: np.asarray(found, dtype=np.float64) for name, found in groups.items() if len(found)}
    if not values:
        return {}
    means = np.array([found.mean() for found in values.values()])
    sizes = np.array([found.size for found in values.values()])
    variance, freedom = _variance(list(values.values()), means)
    if freedom == 0:
        return {name: Interval(float(mean), None, None) for name, mean in zip(values, means, strict=True)}
    centre, spread = _posterior(means, np.maximum(variance / sizes, 1e-12))
    reach = _quantile(confidence, freedom) * spread
    return {
        name: Interval(float(middle), float(middle - half), float(middle + half))
        for name, middle, half in zip(values, centre, reach, strict=True)
    }


def _variance(values: Sequence[Floats], means: Floats) -> tuple[float, int]:
    """The variance among the prompts of a group, and the degrees of freedom behind it: 0 where there is a single prompt in all."""
    every = np.concatenate(values)
    freedom = every.size - len(values)
    if freedom == 0:  # A prompt each: how far they lie apart is all there is to go by.
        return (float(every.var(ddof=1)) if every.size > 1 else 0.0), every.size - 1
    return sum(float(((found - mean) ** 2).sum()) for found, mean in zip(values, means, strict=True)) / freedom, freedom


def _posterior(means: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each group's gain, over spreads between groups that are equally likely before."""
    spreads = SPREAD * np.tan(np.pi / 2 * (np.arange(128) + 0.5) / 128)[:, None]
    weight = 1.0 / (variances + spreads**2)
    common_variance = 1.0 / weight.sum(axis=1, keepdims=True)
    common = (weight * means).sum(axis=1, keepdims=True) * common_variance
    fit = 0.5 * (np.log(weight) - weight * (means - common) ** 2).sum(axis=1) + 0.5 * np.log(common_variance[:, 0])
    likely = np.exp(fit - fit.max())[:, None]
    likely /= likely.sum()
    own = weight * spreads**2  # How far a group's own mean counts, from 0 to 1.
    centres = own * means + (1.0 - own) * common
    variance_of_each = own * variances + (1.0 - own) ** 2 * common_variance
    centre = (likely * centres).sum(axis=0)
    return centre, np.sqrt((likely * (variance_of_each + (centres - centre) ** 2)).sum(axis=0))


def _quantile(confidence: float, freedom: int) -> float:
    """How many standard deviations an interval reaches to each side."""
    from scipy.special import stdtrit  # As in stats.tail.

    return float(stdtrit(freedom, (1.0 + confidence) / 2.0))
