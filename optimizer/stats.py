"""The statistics of a claim: paired differences over prompts, with intervals and tests. Pure functions of numbers and a seed.

The unit is the prompt: images of one prompt are not independent, so one number per prompt goes in (the mean over its seeds and samples),
and prompts are what is resampled. These functions know nothing of trials or arms; compare.py feeds them.
"""
# scipy.special has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.identity import derived_seed

RESAMPLES = 10_000
CONFIDENCE = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """``estimate`` with its confidence interval from ``low`` to ``high``; both None where one prompt or none is too few to tell."""

    estimate: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


def bootstrap_mean(values: Sequence[float], *, seed: int, confidence: float = CONFIDENCE, resamples: int = RESAMPLES) -> Interval:
    """The mean of ``values`` (one per prompt) with its bootstrap interval: percentiles of resampled means, widened for few prompts.

    Resampling n values underestimates their spread by (n - 1) / n and takes it for known; Student's t mends both (the *expanded percentile*
    interval, Hesterberg 2015). Equal values give an interval of width 0. ValueError when empty. Why not BCa:
    docs/decisions/0005-the-claim.md.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        raise ValueError("no values to take the mean of")
    mean = float(data.mean())
    if data.size < 2:
        return Interval(mean, None, None)
    if np.ptp(data) == 0.0:
        return Interval(mean, mean, mean)
    means = _resampled_means(data, seed, resamples)
    cut = tail(data.size, confidence)
    low, high = np.quantile(means, (cut, 1.0 - cut))
    return Interval(mean, float(low), float(high))


def _resampled_means(data: Floats, seed: int, resamples: int) -> Floats:
    """Means of resamples with replacement, in blocks that keep memory small whatever the number of prompts."""
    generator = np.random.default_rng(derived_seed("bootstrap", seed))
    block = max(1, 2_000_000 // data.size)
    parts = [
        data[generator.integers(0, data.size, size=(min(block, resamples - start), data.size))].mean(axis=1)
        for start in range(0, resamples, block)
    ]
    return np.concatenate(parts)


def tail(size: int, confidence: float = CONFIDENCE) -> float:
    """What is cut off at each end of figures from resamples of ``size`` prompts, at least two: less than (1 - confidence) / 2, since
    resamples of few prompts vary too little."""
    from scipy.special import ndtr, stdtrit  # A quarter of a second that commands which only read figures need not spend.

    return float(ndtr(math.sqrt(size / (size - 1)) * stdtrit(size - 1, (1.0 - confidence) / 2.0)))


def sign_flip_p(differences: Sequence[float], *, seed: int, flips: int = RESAMPLES) -> float:
    """The two-sided p-value that the mean paired difference is zero: how often random signs give a mean at least as far from zero.

    Exact under a symmetric null whatever the distribution; never 0, since the observed signs are one of the possibilities. 1.0 when all
    differences are zero. ValueError when empty.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.size == 0:
        raise ValueError("no differences to test")
    observed = abs(float(data.sum()))
    if observed == 0.0:
        return 1.0
    generator = np.random.default_rng(derived_seed("sign-flip", seed))
    block = max(1, 2_000_000 // data.size)
    reached = 0
    for start in range(0, flips, block):
        signs = generator.integers(0, 2, size=(min(block, flips - start), data.size), dtype=np.int8) * 2.0 - 1.0
        reached += int(np.count_nonzero(np.abs(signs @ data) >= observed * (1.0 - 1e-12)))
    return (reached + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being reported together (Holm 1979): reject those at most 0.05, and the chance of any false claim is at most
    5%."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
