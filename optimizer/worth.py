"""When to stop: what the next image is expected to gain, whether it measures what is there or a child that is yet to be made.

The knowledge gradient: by how much the best posterior mean is expected to rise through so many more scores of one system prompt, per score.
It counts each possibility by itself, so it is no forecast of a whole search: a lower bound that says when nothing promises anything.
"""

import math

import numpy as np

from optimizer.beliefs import Beliefs
from optimizer.scores import Floats

LOOKS = (4, 16, 64)
"""So many more scores of one system prompt are considered: a few may be worth nothing where many are worth their price."""


def images_worth(beliefs: Beliefs) -> float:
    """The expected gain per image, in scores, at least 0."""
    best = int(beliefs.mean.argmax())
    away = beliefs.root - beliefs.root[best]
    together = (beliefs.root * away).sum(axis=1)
    variance = (beliefs.root**2).sum(axis=1)
    lead = beliefs.mean[best] - beliefs.mean
    noise = beliefs.scale.noise**2
    most = 0.0
    for look in LOOKS:
        known = np.abs(together) / np.sqrt(variance + noise / look)
        child = beliefs.spread**2 / math.sqrt(beliefs.spread**2 + noise / look)
        gains = _expected_rise(np.append(known, child), np.append(lead, -beliefs.typical))
        most = max(most, float(gains.max()) / look)
    return most


def _expected_rise(spread: Floats, lead: Floats) -> Floats:
    """The mean of max(0, x) for x ~ N(-lead, spread²)."""
    from scipy.special import ndtr

    safe = np.maximum(spread, 1e-12)
    away = lead / safe
    return safe * (np.exp(-0.5 * away**2) / math.sqrt(2.0 * math.pi) - away * ndtr(-away))
