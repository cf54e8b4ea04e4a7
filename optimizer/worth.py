"""When to stop: what the next image is expected to gain.

Where candidates are raced, the knowledge gradient: by how much the best posterior mean is expected to rise through so many more scores of
one system prompt, or of a child that is yet to be made, per score. Where changes are put together in composites, what the scores of more
composites are expected to add up to over all changes. Neither is a forecast of a whole search: lower bounds, which say when nothing that
is there promises anything.
"""

import math
from collections.abc import Sequence

import numpy as np

from optimizer.beliefs import Beliefs
from optimizer.scores import Floats

LOOKS = (4, 16, 64)
"""So many more scores of one system prompt are considered: a few may be worth nothing where many are worth their price."""
UNMET = 1e-6
"""How many scores a change without any counts for: next to nothing is known of it."""
COMPOSITES_LOOK = 100
"""So many more scores of composites are considered: fewer would seldom turn a change that seems to harm into one that seems to help."""


def composites_worth(beliefs: Beliefs, edits: Sequence[int], scored: Floats) -> float:
    """The expected gain per image of a composite, in scores, at least 0, where nodes have so many scores: ``scored`` [nodes].

    A change is known as well as the scores with it differ from those without it, and a further composite has it or has it not. What is
    gained is that a change in the best set turns out to harm, or one outside to help. Correlations are left out.
    """
    chosen = list(edits)
    noise = beliefs.scale.noise**2
    having = np.maximum(UNMET, (scored @ beliefs.inherits)[chosen])
    lacking = np.maximum(UNMET, scored.sum() - having)
    known = 1.0 / beliefs.spreads[chosen] ** 2 + 1.0 / (noise / having + noise / lacking)
    # Half of the further scores have a change, half have it not.
    spread = np.sqrt(1.0 / known - 1.0 / (known + COMPOSITES_LOOK / (4.0 * noise)))
    changes = np.abs(beliefs.changes(beliefs.mean)[chosen])
    return float(_expected_rise(spread, changes).sum()) / COMPOSITES_LOOK


def images_worth(beliefs: Beliefs) -> float:
    """The expected gain per image in a race, in scores, at least 0."""
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
