"""Rank correlation of two sides' values, with its interval over resampled prompts. Pure functions of numbers and a seed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.identity import derived_seed
from optimizer.stats import Interval, tail

RESAMPLES = 2_000
BLOCK = 100
"""Resamples that are worked on at once, which bounds the memory."""

Floats = npt.NDArray[np.float64]


class Point(NamedTuple):
    """What people and a judge say of one thing. Points of one ``prompt`` are resampled together."""

    prompt: str
    people: float
    judge: float


def spearman(groups: Sequence[Sequence[Point]], seed: int, minus: Sequence[Sequence[Point]] = ()) -> Interval | None:
    """The mean rank correlation of ``groups`` of points, less that of ``minus``, with its interval over resampled prompts: percentiles,
    widened as in stats.bootstrap_mean. None where it is not defined."""
    prompts = sorted({point.prompt for group in (*groups, *minus) for point in group})
    if not prompts:
        return None
    place = {prompt: index for index, prompt in enumerate(prompts)}
    ours, theirs = ([_Ranked.of(group, place) for group in each if group] for each in (groups, minus))

    def figure(weights: Floats) -> Floats:
        plus = _mean_correlation(ours, weights)
        return plus - _mean_correlation(theirs, weights) if theirs else plus

    estimate = float(figure(np.ones((1, len(prompts))))[0])
    if not np.isfinite(estimate):
        return None
    if len(prompts) < 2:
        return Interval(estimate, None, None)
    generator = np.random.default_rng(derived_seed("spearman", seed))
    even = np.full(len(prompts), 1 / len(prompts))
    parts = [
        figure(generator.multinomial(len(prompts), even, size=min(BLOCK, RESAMPLES - start)).astype(np.float64))
        for start in range(0, RESAMPLES, BLOCK)
    ]
    found = np.concatenate(parts)
    found = found[np.isfinite(found)]
    if found.size < 0.9 * RESAMPLES:
        return Interval(estimate, None, None)
    cut = tail(len(prompts))
    low, high = np.quantile(found, (cut, 1.0 - cut))
    return Interval(estimate, float(low), float(high))


def _mean_correlation(groups: "Sequence[_Ranked]", weights: Floats) -> Floats:
    """For each row of weights [B, prompts]; NaN where it is not defined for one of the groups."""
    return np.mean([group.correlation(weights) for group in groups], axis=0) if groups else np.full(len(weights), np.nan)


class _Ranked(NamedTuple):
    """Points made ready: the place of each one's prompt, and on both sides the place of its value among the distinct ones, low to high."""

    prompts: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64]
    judge: npt.NDArray[np.int64]

    @classmethod
    def of(cls, points: Sequence[Point], place: Mapping[str, int]) -> "_Ranked":
        people, judge = (np.unique(side, return_inverse=True)[1] for side in np.array([(point.people, point.judge) for point in points]).T)
        return cls(np.array([place[point.prompt] for point in points]), people, judge)

    def correlation(self, weights: Floats) -> Floats:
        """Spearman's, ties at their mean rank, each point as often as its prompt's weight says."""
        each = weights[:, self.prompts]
        total = each.sum(axis=1, keepdims=True)
        ours, theirs = (_ranks(side, each) for side in (self.people, self.judge))
        with np.errstate(divide="ignore", invalid="ignore"):
            ours, theirs = (ranks - (each * ranks).sum(axis=1, keepdims=True) / total for ranks in (ours, theirs))
            spread = np.sqrt((each * ours**2).sum(axis=1) * (each * theirs**2).sum(axis=1))
            return np.where(spread > 1e-9, (each * ours * theirs).sum(axis=1) / spread, np.nan)


def _ranks(places: npt.NDArray[np.int64], weights: Floats) -> Floats:
    """The mean rank of each point, up to a constant: how much weight lies below its value, and half of what shares it."""
    size = int(places.max()) + 1
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(size))
    held = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(held, axis=1) - held / 2.0)[:, places]
