"""What all scores so far say about all system prompts at once: one joint Gaussian posterior over the lineage.

The model::

    score = mean[node] + effect[pair] + noise          noise  ~ N(0, s2)
    mean[child] = average of its parents' means + N(0, tau2)
    effect[pair] ~ N(0, s2 / ratio)                    a pair is a (prompt, sample, seed)

A child inherits from its parents until its own scores say otherwise, and a hard pair does not count against the node that happened to meet
it. The pairs' effects are integrated out. What the scores add to the precision matrix does not depend on s2, so it is kept up to date one
score at a time (a score touches only the nodes measured on its pair), and a fit is one Cholesky factorization of the nodes' matrix.

It knows nothing of budgets, prompts or proposals, and holds no randomness of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """Beliefs before any score.

    ``root_mean`` and ``root_sd``: the mean score of a system prompt nobody has measured. ``tau``: by how much a child's mean typically
    differs from its parents'. ``ratio``: noise variance over the variance between pairs. ``noise_sd`` and ``noise_weight``: a first guess
    at the noise, and how many scores that guess is worth.
    """

    root_mean: float = 0.5
    root_sd: float = 0.3
    tau: float = 0.08
    ratio: float = 1.0
    noise_sd: float = 0.18
    noise_weight: float = 20.0


@dataclass(frozen=True, slots=True)
class Beliefs:
    """The posterior at one moment: ``mean`` [nodes], the covariance's Cholesky factor ``root`` [nodes, nodes] (lower), and the noise's
    SD."""

    mean: Floats
    root: Floats
    noise_sd: float

    @property
    def sd(self) -> Floats:
        """The posterior standard deviation of each node's mean, [nodes]."""
        return np.sqrt((self.root**2).sum(axis=1))

    def draw(self, generator: np.random.Generator, count: int = 1) -> Floats:
        """Joint samples of all nodes' means, [count, nodes]."""
        return self.mean + generator.standard_normal((count, self.mean.size)) @ self.root.T

    def p_best(self, generator: np.random.Generator, count: int = 512) -> Floats:
        """The chance of each node to have the highest mean, [nodes], from ``count`` joint samples."""
        winners = self.draw(generator, count).argmax(axis=1)
        return np.bincount(winners, minlength=self.mean.size) / count


class LineagePosterior:
    """Collects nodes and scores, and answers with :class:`Beliefs`. Nodes and pairs are numbers from 0, in order of appearance."""

    def __init__(self, prior: Prior = Prior()) -> None:
        self.prior = prior
        self._parents: list[tuple[int, ...]] = []
        self._precision: Floats = np.zeros((0, 0))
        self._shift: Floats = np.zeros(0)
        self._pairs: dict[int, dict[int, float]] = {}
        self._nodes_of_score: list[int] = []
        self._pairs_of_score: list[int] = []
        self._scores: list[float] = []

    def __len__(self) -> int:
        return len(self._parents)

    def add(self, parents: Sequence[int] = ()) -> int:
        """A new node below ``parents`` (none: a root); returns its number."""
        size = len(self._parents)
        if any(not 0 <= parent < size for parent in parents):
            raise ValueError(f"node {size} can't descend from {list(parents)}: there are {size} nodes")
        self._parents.append(tuple(parents))
        self._precision = np.pad(self._precision, (0, 1))
        self._shift = np.pad(self._shift, (0, 1))
        return size

    def observe(self, node: int, pair: int, score: float) -> None:
        """Takes in one score of ``node`` on ``pair``. ValueError for a score twice, or outside the finite numbers."""
        if not np.isfinite(score):
            raise ValueError(f"a score must be a finite number, not {score}")
        scores = self._pairs.setdefault(pair, {})
        if node in scores:
            raise ValueError(f"node {node} already has a score on pair {pair}")
        self._apply(scores, -1.0)
        scores[node] = score
        self._apply(scores, 1.0)
        self._nodes_of_score.append(node)
        self._pairs_of_score.append(pair)
        self._scores.append(score)

    def _apply(self, scores: dict[int, float], sign: float) -> None:
        """Adds (or takes back) what a pair's scores say about the nodes, its effect integrated out; in units of 1 / s2."""
        if not scores:
            return
        nodes = np.fromiter(scores.keys(), dtype=np.intp)
        values = np.fromiter(scores.values(), dtype=np.float64)
        weight = 1.0 / (nodes.size + self.prior.ratio)
        self._precision[np.ix_(nodes, nodes)] += sign * (np.eye(nodes.size) - weight)
        self._shift[nodes] += sign * (values - weight * values.sum())

    def beliefs(self) -> Beliefs:
        """The posterior given everything observed. Cubic in the number of nodes: a few milliseconds for 300 of them."""
        if not self._parents:
            raise ValueError("no node to believe anything about")
        noise = self.prior.noise_sd**2
        for _ in range(3):  # The noise and the means depend on each other; three rounds settle both.
            precision, shift = self._terms(noise)
            noise = self._noise(np.asarray(np.linalg.solve(precision, shift), dtype=np.float64))
        precision, shift = self._terms(noise)
        # The covariance is s2 times the inverse of (L L^T), so inv(L)^T times s is a root of it.
        inverse = np.linalg.solve(np.linalg.cholesky(precision), np.eye(shift.size))
        return Beliefs(inverse.T @ (inverse @ shift), inverse.T * np.sqrt(noise), float(np.sqrt(noise)))

    def _terms(self, noise: float) -> tuple[Floats, Floats]:
        """The posterior's precision and shift, in units of 1 / ``noise``."""
        precision, shift = self._prior_terms(noise)
        return precision + self._precision, shift + self._shift

    def _prior_terms(self, noise: float) -> tuple[Floats, Floats]:
        size = len(self._parents)
        precision = np.zeros((size, size))
        shift = np.zeros(size)
        edge = noise / self.prior.tau**2
        root = noise / self.prior.root_sd**2
        for node, parents in enumerate(self._parents):
            if not parents:
                precision[node, node] += root
                shift[node] += root * self.prior.root_mean
                continue
            # mean[node] - average(mean[parents]) is a contrast with variance tau2.
            involved = np.array([node, *parents], dtype=np.intp)
            contrast = np.array([1.0, *[-1.0 / len(parents)] * len(parents)])
            precision[np.ix_(involved, involved)] += edge * np.outer(contrast, contrast)
        return precision, shift

    def _noise(self, mean: Floats) -> float:
        """The noise variance: the first guess, corrected by what is left after nodes and pairs are accounted for."""
        guess = self.prior.noise_sd**2 * self.prior.noise_weight
        if not self._scores:
            return guess / self.prior.noise_weight
        nodes = np.asarray(self._nodes_of_score, dtype=np.intp)
        pairs = np.asarray(self._pairs_of_score, dtype=np.intp)
        rest = np.asarray(self._scores) - mean[nodes]
        _, pairs = np.unique(pairs, return_inverse=True)
        counts = np.bincount(pairs)
        # Marginal quadratic form: sum of squares less what the pairs' effects explain. Its expectation is s2 per score.
        explained = np.bincount(pairs, weights=rest) ** 2 / (counts + self.prior.ratio)
        squares = float((rest**2).sum() - explained.sum())
        return max(1e-6, (guess + squares) / (self.prior.noise_weight + len(self._scores)))
