"""When Lens's denoiser looks: the noise levels of a picture's steps. Pure functions; the steps themselves are the scheduler's.

A noise level (sigma) runs from 1, noise alone, to 0, the picture. Larger pictures are kept noisy for longer: their levels are shifted by μ,
which diffusers calls FLUX.2's empirical formula, and which Lens shares.
"""

import math

MANY_TOKENS = 4300
"""Above it, μ no longer depends on the number of steps."""


def empirical_mu(tokens: int, steps: int) -> float:
    """The shift μ for a picture of ``tokens`` (height/16 times width/16) drawn in ``steps``."""
    at_200_steps = 1.6927e-4 * tokens + 0.45666666
    if tokens > MANY_TOKENS:
        return at_200_steps
    at_10_steps = 8.73809524e-5 * tokens + 1.89833333
    slope = (at_200_steps - at_10_steps) / 190
    return slope * steps + at_200_steps - 200 * slope


def even_sigmas(steps: int) -> list[float]:
    """Noise levels before the shift: ``steps`` of them, evenly from 1 to 1/steps."""
    return [1 - step / steps for step in range(steps)]


def shifted_sigmas(tokens: int, steps: int) -> list[float]:
    """The noise levels that the denoiser sees, ``steps`` of them from 1 downwards, and the final 0."""
    shift = math.exp(empirical_mu(tokens, steps))
    return [shift * sigma / (shift * sigma + (1 - sigma)) for sigma in even_sigmas(steps)] + [0.0]
