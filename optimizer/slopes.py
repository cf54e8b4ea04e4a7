"""The slope of one figure on another across prompts, with its interval. Pure functions of numbers and a seed, as in stats.py."""

from collections.abc import Sequence

import numpy as np

from data.identity import derived_seed
from optimizer.stats import CONFIDENCE, RESAMPLES, Floats, Interval, tail


def bootstrap_slope(
    xs: Sequence[float], ys: Sequence[float], *, seed: int, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Interval | None:
    """By how much ``ys`` rise where ``xs`` (both one per prompt, in one order) are larger by 1: the least-squares slope, with its interval
    from resampled prompts as for the mean (stats.bootstrap_mean). None where there are fewer than three prompts, or all ``xs`` are alike.
    """
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"{x.size} x for {y.size} y")
    if x.size < 3 or np.ptp(x) == 0.0:
        return None
    generator = np.random.default_rng(derived_seed("bootstrap slope", seed))
    block = max(1, 1_000_000 // x.size)
    parts: list[Floats] = []
    for start in range(0, resamples, block):
        chosen = generator.integers(0, x.size, size=(min(block, resamples - start), x.size))
        parts.append(_slopes(x[chosen], y[chosen]))
    slopes = np.concatenate(parts)
    cut = tail(x.size, confidence)
    low, high = np.quantile(slopes[np.isfinite(slopes)], (cut, 1.0 - cut))
    return Interval(float(_slopes(x, y)), float(low), float(high))


def _slopes(x: Floats, y: Floats) -> Floats:
    """The least-squares slopes along the last axis; nan where all x of a row are alike, as few prompts drawn often enough come to be."""
    differ = np.ptp(x, axis=-1) > 0.0
    # About their means first: of large numbers that hardly differ, sums of squares would lose the digits that matter.
    x = x - x.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(differ, (x * y).sum(axis=-1) / (x * x).sum(axis=-1), np.nan)
