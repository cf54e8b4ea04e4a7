"""The arithmetic of variance components: sums over unbalanced nested repetitions, and what follows from them. For noise.py alone.

At each level (looks within an image, images within a rewrite, rewrites within a prompt) the sum of squared distances is expected to be a
known multiple of the variances of its own source and of those within it: three equations, solved from the inside out. The means of prompts
differ by the prompts' own variance and by what of the inner ones is left in a mean; so do the differences of two system prompts' means. All
of it is a sum over prompts, so that a resampled set of prompts is a row of weights.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SOURCES = ("look", "seed", "sample", "prompt", "interaction")
"""From the inside out: the order in which variances are solved for. The first three are *inner*: repeated within a prompt."""
INNER = 3


class Place(NamedTuple):
    """Where a score belongs: ids of system prompt and prompt, and which sample, seed and look."""

    system_prompt: str
    prompt: str
    sample: int
    seed: int
    look: int


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums by prompt (P of them) and by prompt and system prompt (A).

    ``distances`` [3, P]: squared, within images, rewrites and prompts. ``shares`` [3, 3, P]: how many times each inner variance (second
    axis) is expected in them. ``means`` [P, A]: of the scores, NaN where a prompt was not tried. ``left`` [3, P, A]: how many times each
    inner variance is expected in the square of a mean's error.
    """

    distances: Floats
    shares: Floats
    means: Floats
    left: Floats

    def degrees(self) -> list[tuple[int, int]]:
        """For each of SOURCES: on how many repetitions its variance rests, and of how many prompts they are."""
        # Every look beyond the first of its image, rewrite or prompt adds one look's variance to the distances.
        repetitions = self.shares[:, 0]
        columns = [np.isfinite(means) for means, _, _ in _outer(self)]
        return [
            *((int(each.sum()), int((each > 0).sum())) for each in repetitions),
            *((int(there.sum()) - there.shape[1], int(there.any(axis=1).sum())) for there in columns),
        ]


def moments(scores: Mapping[Place, float]) -> Moments:
    """The sums over ``scores``."""
    cells: dict[tuple[str, str], dict[int, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for place, score in sorted(scores.items()):
        cells[place.system_prompt, place.prompt][place.sample][place.seed].append(score)
    arms = {arm: index for index, arm in enumerate(sorted({arm for arm, _ in cells}))}
    prompts = {prompt: index for index, prompt in enumerate(sorted({prompt for _, prompt in cells}))}
    size = (len(prompts), len(arms))
    sums = Moments(np.zeros((INNER, size[0])), np.zeros((INNER, INNER, size[0])), np.full(size, np.nan), np.zeros((INNER, *size)))
    for (arm, prompt), by_sample in cells.items():
        _add(sums, prompts[prompt], arms[arm], [list(images.values()) for images in by_sample.values()])
    return sums


def _add(sums: Moments, prompt: int, arm: int, cell: Sequence[Sequence[Sequence[float]]]) -> None:
    """Takes in a prompt's scores under one system prompt: rewrites of images of looks. In plain Python: arrays so small are slower."""
    images = [[_Group.of(looks) for looks in rewrite] for rewrite in cell]
    rewrites = [_Group.around(rewrite) for rewrite in images]
    whole = _Group.around(rewrites)
    count, within = sum(map(len, images)), [image for rewrite in images for image in rewrite]
    seeds_in_rewrites = sum(sum(image.size**2 for image in rewrite) / all_.size for rewrite, all_ in zip(images, rewrites, strict=True))
    seeds = sum(image.size**2 for image in within) / whole.size
    samples = sum(rewrite.size**2 for rewrite in rewrites) / whole.size
    sums.distances[:, prompt] += (sum(image.distance for image in within), sum(rewrite.distance for rewrite in rewrites), whole.distance)
    sums.shares[:, :, prompt] += (
        (whole.size - count, 0.0, 0.0),
        (count - len(rewrites), whole.size - seeds_in_rewrites, 0.0),
        (len(rewrites) - 1, seeds_in_rewrites - seeds, whole.size - samples),
    )
    sums.means[prompt, arm] = whole.mean
    sums.left[:, prompt, arm] = (1 / whole.size, seeds / whole.size, samples / whole.size)


class _Group(NamedTuple):
    """So many scores, their mean, and the squared distances of what they are made of from it: of scores, or of the means of groups."""

    size: int
    mean: float
    distance: float

    @classmethod
    def of(cls, scores: Sequence[float]) -> Self:
        return cls.around([_Group(1, score, 0.0) for score in scores])

    @classmethod
    def around(cls, groups: "Sequence[_Group]") -> Self:
        size = sum(group.size for group in groups)
        mean = sum(group.size * group.mean for group in groups) / size
        return cls(size, mean, sum(group.size * (group.mean - mean) ** 2 for group in groups))


def _outer(sums: Moments) -> Iterator[tuple[Floats, Floats, float]]:
    """What differs between prompts: means under each system prompt, then the differences of each two system prompts that share two prompts
    or more. As columns, with what inner noise is left in them, and how many times the variance to be known is in their own."""
    yield sums.means, sums.left, 1.0
    there = np.isfinite(sums.means).astype(np.float64)
    one, other = np.argwhere(np.triu(there.T @ there, k=1) >= 2).T
    yield sums.means[:, one] - sums.means[:, other], sums.left[:, :, one] + sums.left[:, :, other], 2.0


def solved(sums: Moments, weights: Floats) -> tuple[Floats, Floats]:
    """The variances of SOURCES and their standard errors, for each row of ``weights`` [B, P] on the prompts: two arrays [B, 5].

    NaN where nothing is repeated. A variance may come out below 0. Standard errors are the delta method's: how far each prompt moves a
    variance, squared and added up.
    """
    rows = len(weights)
    values, errors = np.full((rows, len(SOURCES)), np.nan), np.full((rows, len(SOURCES)), np.nan)
    inner = np.zeros((INNER, rows))
    pulls = np.zeros((INNER, *weights.shape))
    for level in range(INNER):
        equation = _Equation(sums.distances[level], sums.shares[level, level], sums.shares[level, :level])
        values[:, level], pull = equation.solve(weights, inner[:level], pulls[:level])
        errors[:, level] = _length(pull, weights)
        # What is not measured counts nothing further out: it is part of what comes next.
        inner[level], pulls[level] = np.nan_to_num(values[:, level]), np.nan_to_num(pull)
    for level, (means, left, times) in enumerate(_outer(sums), start=INNER):
        values[:, level], pull = _between(means, left, times, weights).solve(weights, inner, pulls)
        errors[:, level] = _length(pull, weights)
    return values, errors


def _length(pull: Floats, weights: Floats) -> Floats:
    return np.sqrt((weights * pull**2).sum(axis=1))


class _Equation(NamedTuple):
    """``distance = own · variance + inner · inner variances``, summed over weighted prompts; arrays end in [P] or [B, P]."""

    distance: Floats
    own: Floats
    inner: Floats

    def solve(self, weights: Floats, variances: Floats, pulls: Floats) -> tuple[Floats, Floats]:
        """The variance [B], and each prompt's pull on it [B, P]; NaN where ``own`` is 0."""
        residual = self.distance - np.zeros_like(weights)
        indirect = np.zeros_like(weights)
        for share, variance, pull in zip(self.inner, variances, pulls, strict=True):
            residual = residual - share * variance[:, None]
            indirect += pull * (weights * share).sum(axis=1, keepdims=True)
        own = (weights * self.own).sum(axis=1)
        own = np.where(own > 0.5, own, np.nan)
        variance = (weights * residual).sum(axis=1) / own
        return variance, (residual - self.own * variance[:, None] - indirect) / own[:, None]


def _between(means: Floats, left: Floats, times: float, weights: Floats) -> _Equation:
    """The equation of what differs between prompts: ``means`` [P, K] about the mean of each column, which differ by ``times`` the variance.

    A column's weighted number of prompts less one is its degrees of freedom.
    """
    there = np.isfinite(means).astype(np.float64)
    filled = np.nan_to_num(means)
    count = weights @ there
    used = (count > 1.5).astype(np.float64)
    centre = used * (weights @ filled) / np.maximum(count, 1.0)
    shrunk = used * (1.0 - 1.0 / np.maximum(count, 1.0))
    distance = used @ (filled**2).T - 2.0 * centre @ filled.T + centre**2 @ there.T
    return _Equation(distance, times * (shrunk @ there.T), np.stack([shrunk @ share.T for share in left]))
