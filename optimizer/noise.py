"""Where a score's noise comes from: the variance of trials by source, with intervals. Pure functions of trials and a seed.

A score is taken as ::

    score = mean of its system prompt + prompt + rewrite (sample) + image (seed) + look of the judge

each within the one before, drawn at random. Ledgers are never balanced: samples, seeds and looks may be missing anywhere. The estimates are
moments: squared distances at each level, set equal to what they are expected to be (nested analysis of variance with the coefficients of
unbalanced designs; moments.py). So they are unbiased whatever the distributions are, bounded scores included. Intervals resample whole
prompts, since nothing within one is independent. What such noise costs a comparison is for power.py to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.identity import derived_seed
from data.records import Trial
from optimizer.moments import SOURCES, Floats, Moments, Place, moments, solved
from optimizer.stats import Interval, tail

RESAMPLES = 2_000
LEAST_PROMPTS = 6
"""With fewer prompts that were measured again at a level, its variance gets no interval: resampling so few says nothing."""
BLOCK = 500
"""Resamples that are solved at once, which bounds the memory where many system prompts are compared."""


@dataclass(frozen=True, slots=True)
class Component:
    """One source's variance, in squared scores, at least 0; its interval is open (None) where too few prompts say something about it.

    ``degrees`` of freedom: on how many repetitions it rests. ``floored``: it came out below 0 and is given as 0; so it happens every other
    time where a source adds nothing.
    """

    variance: Interval
    degrees: int
    floored: bool


@dataclass(frozen=True, slots=True)
class Components:
    """A score's variance by source. None: not measured, since nothing was repeated there.

    What is not measured is not lost: it lies in the next source outwards that is. Without second looks, ``seed`` holds the judge's noise,
    too; with one seed per rewrite, ``sample`` holds that of the images; with one trial per prompt, ``prompt`` holds it all.

    ``prompt``: between prompts, under one system prompt. ``interaction``: the part of it that depends on the system prompt, known where
    two or more were measured on the same prompts; the rest cancels when these are compared. Where both drew with the same seeds, what their
    images have in common for that makes it come out too small.
    ``prompts``, ``system_prompts``, ``trials`` were measured; ``unscored`` trials were left out.
    """

    look: Component | None
    seed: Component | None
    sample: Component | None
    prompt: Component | None
    interaction: Component | None
    prompts: int
    system_prompts: int
    trials: int
    unscored: int


def variance_components(trials: Sequence[Trial], *, seed: int = 0, resamples: int = RESAMPLES) -> Components:
    """The variance of the scores of ``trials`` by source, with 95% intervals.

    The trials are of one pipeline; each system prompt is centred on its own mean. Samples are best tried with seeds of their own: where the
    samples of a prompt share seeds, the images of rewrites that are alike are alike, and ``sample`` comes out too small. ValueError where
    no trial is scored.
    """
    scores = {_place(trial): trial.score for trial in trials if trial.score is not None}
    return components_of(scores, unscored=sum(trial.score is None for trial in trials), seed=seed, resamples=resamples)


def components_of(scores: Mapping[Place, float], *, unscored: int = 0, seed: int = 0, resamples: int = RESAMPLES) -> Components:
    """The same, for scores by the place where they belong."""
    if not scores:
        raise ValueError("no trial is scored")
    sums = moments(scores)
    prompts, system_prompts = sums.means.shape
    estimates, errors = (rows[0] for rows in solved(sums, np.ones((1, prompts))))
    low, high = _intervals(sums, estimates, errors, seed, resamples)
    found = {
        source: _component(estimates[at], low[at], high[at], degrees, repeated)
        for at, (source, (degrees, repeated)) in enumerate(zip(SOURCES, sums.degrees(), strict=True))
    }
    return Components(**found, prompts=prompts, system_prompts=system_prompts, trials=len(scores), unscored=unscored)


def _place(trial: Trial) -> Place:
    request = trial.request
    return Place(request.system_prompt.id, request.prompt.id, request.sample, request.seed, request.look)


def _intervals(sums: Moments, estimates: Floats, errors: Floats, seed: int, resamples: int) -> tuple[Floats, Floats]:
    """Bootstrap-t: how far resampled variances lie from the estimate, in their own standard errors, turned around. Percentiles of the
    variances themselves would be too low: variances are skewed. NaN where too few resamples could be solved."""
    prompts = len(sums.means)
    generator = np.random.default_rng(derived_seed("components", seed))
    low, high = np.full(len(estimates), np.nan), np.full(len(estimates), np.nan)
    if prompts < 2:
        return low, high
    distances: list[Floats] = []
    for start in range(0, resamples, BLOCK):
        weights = generator.multinomial(prompts, np.full(prompts, 1 / prompts), size=min(BLOCK, resamples - start)).astype(np.float64)
        values, own_errors = solved(sums, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            distances.append((values - estimates) / own_errors)
    cut = tail(prompts)
    for at, column in enumerate(np.concatenate(distances).T):
        usable = column[np.isfinite(column)]
        if errors[at] == 0.0:
            low[at] = high[at] = estimates[at]
        elif usable.size > 0.9 * resamples:
            far, near = np.quantile(usable, (1.0 - cut, cut))
            low[at], high[at] = estimates[at] - far * errors[at], estimates[at] - near * errors[at]
    return low, high


def _component(estimate: float, low: float, high: float, degrees: int, repeated: int) -> Component | None:
    if degrees < 1:
        return None
    known = repeated >= LEAST_PROMPTS and bool(np.isfinite(low) and np.isfinite(high))
    floored = max(0.0, float(estimate))
    interval = Interval(floored, max(0.0, float(low)), max(floored, float(high))) if known else Interval(floored, None, None)
    return Component(interval, degrees, bool(estimate < 0.0))


def components_to_json(components: Components) -> dict[str, Any]:
    """The variances by source, None where not measured, rounded to eight decimals."""
    return {
        **{source: _component_to_json(getattr(components, source)) for source in SOURCES},
        "prompts": components.prompts,
        "system_prompts": components.system_prompts,
        "trials": components.trials,
        "unscored": components.unscored,
    }


def _component_to_json(component: Component | None) -> dict[str, Any] | None:
    if component is None:
        return None
    low, high = component.variance.low, component.variance.high
    return {
        "variance": round(component.variance.estimate, 8),
        "low": None if low is None else round(low, 8),
        "high": None if high is None else round(high, 8),
        "degrees": component.degrees,
        "floored": component.floored,
    }
