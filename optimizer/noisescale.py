"""How noisy scores are, estimated while a search goes: what is left of them once the means of their system prompts are taken away.

Nested analysis of variance, unbalanced, with a first guess that is worth some scores; and weights for scores that lie too far out, where
the noise has heavy tails. noise.py estimates the same for whole ledgers, with intervals and without a guess.
"""

import math

import numpy as np

from optimizer.scores import Floats, Ints, Rows, Scale

LEAST_SD = 1e-3
TAILS = (2.5, 4.0, 8.0)
"""Degrees of freedom that are considered, besides none."""
LEAST_FOR_TAILS = 100
"""With fewer scores, tails can't be told from chance."""
PLAUSIBLE = 3.0
"""By how much heavy tails must raise the log-likelihood to be believed: one more parameter has to earn it."""
PROMPT_TRUST = 2.0
"""How many scores the common spread is worth in the spread of one prompt."""


def estimated_scale(rows: Rows, mean: Floats, effective: float, guess: Scale, trust: float) -> Scale:
    """The scale of the scores, given the nodes' posterior ``mean`` [nodes], of which ``effective`` many are estimated rather than given.
    ``guess`` is worth ``trust`` scores."""
    rest = rows.values - mean[rows.nodes]
    pairs = _means(rest, rows.weights, rows.pairs)
    prompt_of = np.zeros(pairs[0].size, dtype=np.intp)
    prompt_of[rows.pairs] = rows.prompts
    prompts = _means(pairs[1], pairs[0], prompt_of)
    total = float(pairs[0].sum())
    grand = float((prompts[0] * prompts[1]).sum() / total)
    within = float((rows.weights * (rest - pairs[1][rows.pairs]) ** 2).sum())
    between_pairs = float((pairs[0] * (pairs[1] - prompts[1][prompt_of]) ** 2).sum())
    between_prompts = float((prompts[0] * (prompts[1] - grand) ** 2).sum())
    free = max(1.0, rest.size - pairs[0].size - effective)
    noise = (trust * guess.noise**2 + within) / (trust + free)
    # How often a pair's variance is expected in the distances of pairs, and of prompts; and a prompt's in the latter.
    share = np.bincount(prompt_of, pairs[0] ** 2) / prompts[0]
    in_pairs = total - float(share.sum())
    pair = _guarded(between_pairs - (pairs[0].size - prompts[0].size) * noise, in_pairs, guess.pair, trust)
    leaked = float(share.sum() - (pairs[0] ** 2).sum() / total)
    in_prompts = total - float((prompts[0] ** 2).sum() / total)
    prompt = _guarded(between_prompts - (prompts[0].size - 1) * noise - leaked * pair, in_prompts, guess.prompt, trust)
    return Scale(*(max(LEAST_SD, math.sqrt(value)) for value in (noise, pair, prompt)))


def _means(values: Floats, weights: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """The mass and the weighted mean of each group."""
    masses = np.bincount(groups, weights).astype(np.float64)
    return masses, np.bincount(groups, weights * values) / masses


def _guarded(distance: float, expected: float, guess: float, trust: float) -> float:
    return (trust * guess**2 + max(0.0, distance)) / (trust + expected)


def with_tails(rows: Rows, mean: Floats, scale: Scale) -> tuple[Scale, Floats]:
    """The scale with tails where the scores have them, and the scores' weights: 1 under normal noise, small far out under heavy tails."""
    rest = _left_over(rows, mean, scale)
    normal = np.ones(rest.size)
    if rest.size < LEAST_FOR_TAILS:
        return scale, normal
    best, chosen = _log_likelihood(rest, float(np.sqrt((rest**2).mean())), None) + PLAUSIBLE, (scale, normal)
    for degrees in TAILS:
        spread, weights = scale.noise, normal
        for _ in range(8):
            weights = (degrees + 1.0) / (degrees + (rest / spread) ** 2)
            spread = max(LEAST_SD, float(np.sqrt((weights * rest**2).mean())))
        likelihood = _log_likelihood(rest, spread, degrees)
        if likelihood > best:
            # The scale of the noise was estimated with the means' degrees of freedom taken off; what tails change of it is a factor.
            shrunk = Scale(scale.noise * spread / float(np.sqrt((rest**2).mean())), scale.pair, scale.prompt, degrees)
            best, chosen = likelihood, (shrunk, np.minimum(1.0, weights))
    return chosen


def _left_over(rows: Rows, mean: Floats, scale: Scale) -> Floats:
    """The scores without their nodes' means and without what is believed of their pairs' and prompts' effects."""
    rest = rows.values - mean[rows.nodes]
    prompt = np.bincount(rows.prompts, rest) / (np.bincount(rows.prompts) + scale.prompt_ratio)
    rest = rest - prompt[rows.prompts]
    pair = np.bincount(rows.pairs, rest) / (np.bincount(rows.pairs) + scale.pair_ratio)
    return rest - pair[rows.pairs]


def _log_likelihood(rest: Floats, spread: float, degrees: float | None) -> float:
    scaled = (rest / max(spread, LEAST_SD)) ** 2
    if degrees is None:
        each = -0.5 * scaled - 0.5 * math.log(2.0 * math.pi)
    else:
        norm = math.lgamma((degrees + 1.0) / 2.0) - math.lgamma(degrees / 2.0) - 0.5 * math.log(degrees * math.pi)
        each = norm - (degrees + 1.0) / 2.0 * np.log1p(scaled / degrees)
    return float(each.sum()) - rest.size * math.log(max(spread, LEAST_SD))


def spread_by_prompt(rows: Rows, mean: Floats) -> Floats:
    """How far scores of a prompt lie apart, its level and the system prompts' means taken off, relative to all prompts (1: as far as
    usual), [prompts].

    A prompt on which every system prompt scores the same tells nothing about their differences: its value is near 0.
    """
    rest = rows.values - mean[rows.nodes]
    counts = np.bincount(rows.prompts)
    level = np.bincount(rows.prompts, rest) / counts
    squares = np.bincount(rows.prompts, (rest - level[rows.prompts]) ** 2)
    usual = max(LEAST_SD**2, float(squares.sum()) / max(1.0, float((counts - 1).sum())))
    return np.sqrt((PROMPT_TRUST * usual + squares) / (PROMPT_TRUST + np.maximum(0, counts - 1)) / usual)
