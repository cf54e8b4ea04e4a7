"""What is believed at one moment: the means of all system prompts, what changes do, and how sure that is.

A :class:`Prior` is what is believed before any score, :class:`Heredity` what scores have made of its guesses, :class:`Beliefs` the
posterior, as posterior.py makes it of scores.
"""
# scipy's types are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import Operation
from optimizer.scores import Floats, Scale


@dataclass(frozen=True, slots=True)
class Prior:
    """Beliefs before any score, in scores.

    ``root_mean`` and ``root_sd``: the mean of a system prompt nobody has measured. ``change``: by how much an operation typically moves a
    mean, up or down, and ``merge``: by how much a merge misses the sum of what it merges. ``own``: what a child does not pass on.
    ``doubt``: how far the right spread may lie from these guesses, as the SD of its logarithm. ``drift``: the SD of an operation's typical
    change. ``lean``: by how much a change does more for one category of prompts than for all; 0 where that is not asked. ``scale``: the
    noise, a guess worth ``trust`` scores.
    """

    root_mean: float = 0.5
    root_sd: float = 0.3
    change: float = 0.05
    merge: float = 0.02
    own: float = 0.01
    doubt: float = 0.7
    drift: float = 0.01
    lean: float = 0.03
    scale: Scale = Scale()
    trust: float = 30.0

    def change_of(self, operation: Operation) -> float:
        """The first guess at an operation's spread."""
        return self.merge if operation is Operation.MERGE else self.change


@dataclass(frozen=True, slots=True)
class Heredity:
    """What is passed on: ``stretch`` times the prior's spreads for changes, ``own`` for what is not passed on, and the ``typical`` change
    by operation."""

    stretch: float
    own: float
    typical: dict[Operation, float]


@dataclass(frozen=True, slots=True)
class Beliefs:
    """The posterior at one moment.

    ``mean`` [nodes], a ``root`` of the covariance [nodes, nodes] (root @ root.T), the ``scale`` of the noise and the ``heredity``.
    ``inherits`` [nodes, nodes]: 1 where a node (row) has a change (column); a root's change is its mean, and ``roots`` [nodes] says which
    are roots.
    ``expected`` and ``spreads`` [changes]: their means and standard deviations a priori; ``factor`` [nodes, nodes]: the means' covariance a
    priori, as a lower Cholesky factor.
    ``typical`` and ``spread``: by how much a reflection is expected to change a mean, and the standard deviation of that.
    """

    mean: Floats
    root: Floats
    scale: Scale
    heredity: Heredity
    inherits: Floats
    factor: Floats
    expected: Floats
    spreads: Floats
    roots: "np.ndarray[Any, np.dtype[np.bool_]]"
    typical: float
    spread: float

    @property
    def noise_sd(self) -> float:
        return self.scale.noise

    @property
    def sd(self) -> Floats:
        """The posterior standard deviation of each node's mean, [nodes]."""
        return np.sqrt((self.root**2).sum(axis=1))

    def difference(self, node: int, other: int) -> tuple[float, float]:
        """The posterior mean and standard deviation of ``node`` minus ``other``: what both inherited cancels."""
        return float(self.mean[node] - self.mean[other]), float(np.linalg.norm(self.root[node] - self.root[other]))

    def draw(self, generator: np.random.Generator, count: int = 1) -> Floats:
        """Joint samples of all nodes' means, [count, nodes]."""
        return self.mean + generator.standard_normal((count, self.mean.size)) @ self.root.T

    def changes(self, means: Floats) -> Floats:
        """What the changes come to, where the nodes' means are ``means``: [nodes]."""
        return self.expected + self._put_down(means - self.inherits @ self.expected)

    def draw_changes(self, generator: np.random.Generator, means: Floats) -> Floats:
        """A sample of the changes where the nodes' means are ``means``, [nodes]."""
        prior = self.expected + self.spreads * generator.standard_normal(self.expected.size)
        own = self.heredity.own * missed(self.inherits, self.roots) * generator.standard_normal(self.expected.size)
        return prior + self._put_down(means - self.inherits @ prior - own)

    def _put_down(self, away: Floats) -> Floats:
        """Which changes [nodes] it is put down to that the means are ``away`` [nodes] from what was expected."""
        from scipy.linalg import cho_solve

        return self.spreads**2 * (self.inherits.T @ cho_solve((self.factor, True), away, check_finite=False))

    def p_best(self, generator: np.random.Generator, count: int = 512) -> Floats:
        """The chance of each node to have the highest mean, [nodes], from ``count`` joint samples."""
        winners = self.draw(generator, count).argmax(axis=1)
        return np.bincount(winners, minlength=self.mean.size) / count


def missed(inherits: Floats, roots: "np.ndarray[Any, np.dtype[np.bool_]]") -> Floats:
    """By how much a node may miss the sum of its changes, in units of ``own``: the root of their number, 0 for ``roots``; [nodes]."""
    return np.where(roots, 0.0, np.sqrt(np.maximum(1.0, inherits.sum(axis=1) - 1.0)))
