"""The linear algebra of the posterior: solved from scratch by two Cholesky factorizations of the nodes' matrix, which is cubic in the
nodes, or carried on from the last solution as nodes and readings come, which is quadratic.
"""
# scipy's types are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass

import numpy as np

from optimizer.scores import Floats


@dataclass(frozen=True, slots=True)
class Descent:
    """What the nodes' means are before any score: who ``inherits`` what [nodes, changes], the changes' ``expected`` values and ``spreads``
    [changes], and how far nodes may be ``apart`` from the sum of their changes [nodes]."""

    inherits: Floats
    expected: Floats
    spreads: Floats
    apart: Floats

    def start(self) -> Floats:
        """The means, [nodes]."""
        return self.inherits @ self.expected

    def covariance(self, first: int = 0) -> Floats:
        """The covariance of the nodes from the ``first`` on with all, [nodes - first, nodes]."""
        found = (self.inherits[first:] * self.spreads**2) @ self.inherits.T
        own = np.arange(first, self.apart.size)
        found[own - first, own] += self.apart[first:] ** 2
        return found


@dataclass(frozen=True, slots=True)
class Solution:
    """The means [nodes], a ``root`` of their covariance [nodes, nodes] (root @ root.T), and both before any score: ``start`` and
    ``factor``, lower triangular."""

    mean: Floats
    root: Floats
    start: Floats
    factor: Floats

    def grown(self, descent: Descent) -> "Solution":
        """The same with the nodes that ``descent`` has beyond these: what is known of a new one follows from what it inherits."""
        from scipy.linalg import cholesky, solve_triangular

        size = self.mean.size
        covariance = descent.covariance(size)
        across = solve_triangular(self.factor, covariance[:, :size].T, lower=True, check_finite=False).T
        free = cholesky(covariance[:, size:] - across @ across.T, lower=True, check_finite=False)
        follows = solve_triangular(self.factor, across.T, lower=True, trans=1, check_finite=False).T
        start = descent.start()
        mean = np.append(self.mean, start[size:] + follows @ (self.mean - self.start))
        return Solution(mean, _bordered(self.root, follows @ self.root, free), start, _bordered(self.factor, across, free))

    def told(self, readings: Floats, values: Floats) -> "Solution":
        """The same after ``readings`` [readings, nodes] of the means, with independent errors of variance 1, came out as ``values``.

        A square-root Kalman filter (A. Andrews, AIAA Journal 6(6), 1968): the covariance stays one, whatever is rounded.
        """
        from scipy.linalg import cholesky, solve_triangular

        seen = readings @ self.root
        spread = seen @ seen.T
        spread[np.diag_indices_from(spread)] += 1.0
        lower = cholesky(spread, lower=True, check_finite=False)
        surprise = solve_triangular(lower, values - readings @ self.mean, lower=True, check_finite=False)
        gain = solve_triangular(lower, seen @ self.root.T, lower=True, check_finite=False)
        unit = np.eye(values.size)
        shrink = solve_triangular(unit + lower, seen, lower=True, check_finite=False)
        return Solution(self.mean + gain.T @ surprise, self.root - gain.T @ shrink, self.start, self.factor)


def _bordered(square: Floats, below: Floats, corner: Floats) -> Floats:
    """A matrix with rows ``below`` it, which end in a ``corner`` of their own."""
    size, more = square.shape[0], corner.shape[0]
    made = np.zeros((size + more, size + more))
    made[:size, :size] = square
    made[size:, :size] = below
    made[size:, size:] = corner
    return made


def solved(descent: Descent, precision: Floats, shift: Floats) -> Solution:
    """The solution where scores say ``precision`` [nodes, nodes] and ``shift`` [nodes], both in scores."""
    from scipy.linalg.lapack import dtrtri  # pyright: ignore[reportAttributeAccessIssue]

    start, factor, lower, away = _whitened(descent, precision, shift)
    inverse, _ = dtrtri(lower, lower=1)
    root = factor @ inverse.T
    return Solution(start + root @ away, root, start, factor)


def evidence(descent: Descent, precision: Floats, shift: Floats) -> float:
    """The log-likelihood of the scores, but for what does not depend on the descent."""
    start, _, lower, away = _whitened(descent, precision, shift)
    fixed = float(start @ shift - 0.5 * start @ precision @ start)
    return fixed + 0.5 * float(away @ away) - float(np.log(np.diag(lower)).sum())


def _whitened(descent: Descent, precision: Floats, shift: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Where the means start, a root of their covariance there, a root of what scores make of it, and the whitened way from the start."""
    from scipy.linalg import cholesky, solve_triangular

    start = descent.start()
    root = cholesky(descent.covariance(), lower=True, check_finite=False)
    inner = root.T @ precision @ root
    inner[np.diag_indices_from(inner)] += 1.0
    lower = cholesky(inner, lower=True, check_finite=False)
    away = solve_triangular(lower, root.T @ (shift - precision @ start), lower=True, check_finite=False)
    return start, root, lower, away
