"""What games amount to: mean gain over images with 95% intervals, and how many images reach a given gain. Plain arithmetic on arrays.

The unit is the world: intervals are bootstrapped over worlds, and both sides of a ratio are resampled together, since they played the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.identity import derived_seed

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Curve:
    """The gains of one contender in one regime: [worlds, points], a column per entry of ``grid`` (images)."""

    grid: Sequence[int]
    gains: Floats
    proposals: float
    """On average, at the end."""

    @property
    def mean(self) -> Floats:
        return self.gains.mean(axis=0)

    @property
    def last(self) -> Floats:
        """The gains at the end, by world."""
        return self.gains[:, -1]

    def band(self) -> tuple[Floats, Floats]:
        """The lower and upper ends of the mean's 95% interval, by point."""
        draws = self.gains[_indices(len(self.gains))].mean(axis=1)
        low, high = np.percentile(draws, (2.5, 97.5), axis=0)
        return low, high


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many images one contender needs for what an opponent reaches with all of its images, as a part of the latter. ``math.inf`` where
    it never gets there. ``draws``: the same for each resample of the worlds."""

    target: float
    value: float
    draws: Floats

    @property
    def low(self) -> float:
        return _percentile(self.draws, 2.5)

    @property
    def high(self) -> float:
        return _percentile(self.draws, 97.5)


def ratio(ours: Curve, theirs: Curve) -> Ratio:
    """Ours against theirs at the end of their grid, on the worlds that both played (the first ones of both)."""
    worlds = min(len(ours.gains), len(theirs.gains))
    mine, target = ours.gains[:worlds], theirs.last[:worlds]
    images = theirs.grid[-1]
    indices = _indices(worlds)
    means, targets = mine[indices].mean(axis=1), target[indices].mean(axis=1)
    draws = [images_to(mean, ours.grid, float(wanted)) / images for mean, wanted in zip(means, targets, strict=True)]
    value = images_to(mine.mean(axis=0), ours.grid, float(target.mean())) / images
    return Ratio(float(target.mean()), value, np.array(draws))


def images_to(mean: Floats, grid: Sequence[int], target: float) -> float:
    """The images at which a mean curve first reaches ``target``: straight lines between the points, over the logarithm of the images. The
    first point of the grid where it is reached before that, infinity where it never is."""
    for place, value in enumerate(mean):
        if value >= target:
            if place == 0:
                return float(grid[0])
            before = float(mean[place - 1])
            part = (target - before) / (float(value) - before)
            images = math.exp(math.log(grid[place - 1]) * (1.0 - part) + math.log(grid[place]) * part)
            return min(max(images, grid[place - 1]), grid[place])
    return math.inf


def median(ratios: Sequence[Ratio]) -> tuple[float, float, float]:
    """The median over regimes, with its 95% interval."""
    draws = _median(np.stack([entry.draws for entry in ratios]))
    return float(_median(np.array([entry.value for entry in ratios]))), _percentile(draws, 2.5), _percentile(draws, 97.5)


def _median(values: Floats) -> Floats:
    """Over the first axis; of an even number the upper one, since the mean of a figure and infinity says nothing."""
    return np.sort(values, axis=0)[len(values) // 2]


def _percentile(values: Floats, percent: float) -> float:
    """A percentile that is one of the values: infinity may be among them."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def _indices(worlds: int) -> npt.NDArray[np.intp]:
    """[RESAMPLES, worlds], the same for all who played equally many: what is compared is resampled together."""
    return np.random.default_rng(derived_seed("worlds", worlds)).integers(worlds, size=(RESAMPLES, worlds))
