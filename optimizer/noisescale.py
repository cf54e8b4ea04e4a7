"""How noisy scores are, estimated while a search goes: what is left of them once the means of their system prompts are taken away.

Nested analysis of variance, unbalanced, with a first guess that is worth some scores. noise.py estimates the same for whole ledgers, with
intervals and without a guess. Scores far out count as much as others: what lies between 0 and 1 can't lie far, and a change that helps on
a few prompts, much, is worth as much as one that helps on all, a little (docs/decisions/0030-what-the-posterior-estimates.md).
"""

import math

import numpy as np

from optimizer.scores import Floats, Ints, Rows, Scale

LEAST_SD = 1e-3
PROMPT_TRUST = 2.0
"""How many scores the common spread is worth in the spread of one prompt."""


def estimated_scale(rows: Rows, mean: Floats, effective: float, guess: Scale, trust: float) -> Scale:
    """The scale of the scores, given the nodes' posterior ``mean`` [nodes], of which ``effective`` many are estimated rather than given.
    ``guess`` is worth ``trust`` scores."""
    rest = rows.values - mean[rows.nodes]
    pairs = _means(rest, np.ones(rest.size), rows.pairs)
    prompt_of = np.zeros(pairs[0].size, dtype=np.intp)
    prompt_of[rows.pairs] = rows.prompts
    prompts = _means(pairs[1], pairs[0], prompt_of)
    total = float(pairs[0].sum())
    grand = float((prompts[0] * prompts[1]).sum() / total)
    within = float(((rest - pairs[1][rows.pairs]) ** 2).sum())
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


def spread_by_prompt(rows: Rows, mean: Floats, telling: Floats) -> Floats:
    """How far scores of a prompt lie apart, its level and the system prompts' means taken off, relative to prompts that tell anything (1:
    as far as usual), [prompts]. ``telling`` [prompts]: how likely a prompt is one of these."""
    rest = rows.values - mean[rows.nodes]
    counts = np.bincount(rows.prompts)
    level = np.bincount(rows.prompts, rest) / counts
    squares = np.bincount(rows.prompts, (rest - level[rows.prompts]) ** 2)
    further = np.maximum(0, counts - 1)
    usual = max(LEAST_SD**2, float(telling @ squares) / max(1.0, float(telling @ further)))
    return np.sqrt((PROMPT_TRUST * usual + squares) / (PROMPT_TRUST + further) / usual)
