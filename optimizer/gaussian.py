"""The linear algebra of the posterior: two Cholesky factorizations of the nodes' matrix."""
# scipy's types are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass

import numpy as np

from optimizer.scores import Floats


@dataclass(frozen=True, slots=True)
class Problem:
    """The Gaussian problem: who ``inherits`` what [nodes, changes], how far nodes may be ``apart`` from the sum of that [nodes], and what
    scores say: precision and shift, in scores."""

    inherits: Floats
    apart: Floats
    precision: Floats
    shift: Floats

    def _whitened(self, expected: Floats, spreads: Floats, own: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Where the means start, a root of their prior covariance, a root of what scores make of it, and the whitened way from the
        start."""
        from scipy.linalg import cholesky, solve_triangular

        start = self.inherits @ expected
        covariance = (self.inherits * spreads**2) @ self.inherits.T
        covariance[np.diag_indices_from(covariance)] += (own * self.apart) ** 2
        root = cholesky(covariance, lower=True, check_finite=False)
        inner = root.T @ self.precision @ root
        inner[np.diag_indices_from(inner)] += 1.0
        lower = cholesky(inner, lower=True, check_finite=False)
        away = solve_triangular(lower, root.T @ (self.shift - self.precision @ start), lower=True, check_finite=False)
        return start, root, lower, away

    def solved(self, expected: Floats, spreads: Floats, own: float) -> tuple[Floats, Floats, Floats]:
        """The means, a root of their covariance, and one of what that was a priori."""
        from scipy.linalg.lapack import dtrtri  # pyright: ignore[reportAttributeAccessIssue]

        start, root, lower, away = self._whitened(expected, spreads, own)
        inverse, _ = dtrtri(lower, lower=1)
        half = root @ inverse.T
        return start + half @ away, half, root

    def evidence(self, expected: Floats, spreads: Floats, own: float) -> float:
        """The log-likelihood of the scores, but for what does not depend on the arguments."""
        start, _, lower, away = self._whitened(expected, spreads, own)
        fixed = float(start @ self.shift - 0.5 * start @ self.precision @ start)
        return fixed + 0.5 * float(away @ away) - float(np.log(np.diag(lower)).sum())
