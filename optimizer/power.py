"""What noise costs: how many prompts a comparison of two system prompts needs, and what images are best spent on. Pure functions.

Two system prompts are tried on the same prompts, with ``samples`` rewrites each, ``seeds`` images of each rewrite and ``looks`` of the
judge at each image; a prompt's difference is that of its two means (compare.py). What a prompt has in common under both cancels. What is
left varies from prompt to prompt by ::

    V = 2 · (interaction + sample / samples + seed / (samples · seeds) + look / (samples · seeds · looks))

squared scores, with the variances of noise.py; the mean difference over n prompts has the standard error √(V / n). A source that was not
measured is part of the next one outwards, so repeating it counts for nothing here, which errs on the safe side. So does leaving out that
images of one seed have something in common under both.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from optimizer.noise import Component, Components

ASSUMED_INTERACTION = 0.5
"""The part of the prompts' variance that is taken to depend on the system prompt, where only one was measured. Between 0, all prompts
gain alike, and 1, how a prompt does under one says nothing about the other; in the embedded world about .3 (benchmarks/judge_noise.py).
Where no image was repeated either, their variance is mostly noise, and all of it is taken."""
MOST_PROMPTS = 1_000_000
SURE = 5.0
"""From so many standard errors on, the chance of finding an effect of the wrong sign is less than one in a million, and left out: scipy
can't tell it. From six times as many on, the effect is found."""
MOST_REPEATS = 8
"""Samples, seeds and looks that are considered, each."""


@dataclass(frozen=True, slots=True)
class Design:
    """How often each prompt is measured under each system prompt."""

    samples: int = 1
    seeds: int = 1
    looks: int = 1

    @property
    def images(self) -> int:
        """Per prompt and system prompt."""
        return self.samples * self.seeds


ONCE = Design()


@dataclass(frozen=True, slots=True)
class Costs:
    """What a rewrite, an image and a look of the judge cost, in any one unit: dollars, seconds, or images."""

    rewrite: float
    image: float
    look: float

    def of(self, design: Design) -> float:
        """Per prompt and system prompt."""
        return design.samples * self.rewrite + design.images * (self.image + design.looks * self.look)


@dataclass(frozen=True, slots=True)
class Purchase:
    """What may be bought for each system prompt: so many ``prompts`` in a ``design``, for ``cost``, and the ``standard_error`` of the mean
    difference, in scores, that comes of it."""

    prompts: int
    design: Design
    cost: float
    standard_error: float


def difference_variance(components: Components, design: Design = ONCE) -> float:
    """V: the variance, in squared scores, of one prompt's difference between two system prompts (see above). ValueError where the noise was
    measured on too few prompts to tell."""
    sample, seed, look = (_variance(part) for part in (components.sample, components.seed, components.look))
    return 2.0 * (interaction(components) + (sample + (seed + look / design.looks) / design.seeds) / design.samples)


def interaction(components: Components) -> float:
    """The variance of what a system prompt does to one prompt and not to others: as measured, else by ASSUMED_INTERACTION."""
    if components.interaction is not None:
        return components.interaction.variance.estimate
    if components.prompt is None:
        raise ValueError("a single prompt was measured: how prompts differ is not known")
    repeated = components.sample is not None or components.seed is not None
    return (ASSUMED_INTERACTION if repeated else 1.0) * components.prompt.variance.estimate


def _variance(component: Component | None) -> float:
    return 0.0 if component is None else component.variance.estimate


def power_of(variance: float, effect: float, prompts: int, *, level: float = 0.05) -> float:
    """The chance, in [0, 1], that the two-sided paired test finds ``effect``, a true mean difference in scores, on so many ``prompts``;
    ``variance`` is that of one prompt's difference (noncentral t)."""
    from scipy.special import nctdtr, stdtrit

    if prompts < 2:
        return 0.0
    if variance <= 0.0:
        return 1.0
    freedom = prompts - 1
    limit = float(stdtrit(freedom, 1.0 - level / 2.0))
    shift = abs(effect) * math.sqrt(prompts / variance)
    if shift > SURE:
        return float(1.0 - nctdtr(freedom, shift, limit)) if shift < 6 * SURE else 1.0
    return float(1.0 - nctdtr(freedom, shift, limit) + nctdtr(freedom, shift, -limit))


def prompts_needed(components: Components, effect: float, design: Design = ONCE, *, power: float = 0.8, level: float = 0.05) -> int:
    """On how many prompts two system prompts have to be compared so that a true mean difference of ``effect`` (in scores, above 0) is found
    with chance ``power`` at two-sided ``level``. ValueError for what can't be, OverflowError beyond a million."""
    if not 0.0 < effect <= 1.0:
        raise ValueError(f"an effect is above 0 and at most 1, not {effect}")
    if not level < power < 1.0:
        raise ValueError(f"power is above the level and below 1, not {power}")
    variance = difference_variance(components, design)
    enough = 2
    while power_of(variance, effect, enough, level=level) < power:
        enough *= 2
        if enough > MOST_PROMPTS:
            raise OverflowError(f"an effect of {effect:g} takes more than a million prompts")
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if power_of(variance, effect, middle, level=level) >= power else (middle, enough)
    return enough


def best_purchase(components: Components, images: int, costs: Costs, *, prompts: int | None = None) -> Purchase | None:
    """The purchase with the smallest standard error that costs no more than so many ``images`` of as many prompts, for each system prompt;
    of equally good ones the cheapest. ``prompts``: how many there are to be had, None for any number. None where not even two can be paid.
    """
    budget = images * costs.of(ONCE)
    bought = _purchases(components, budget, MOST_PROMPTS if prompts is None else prompts, costs)
    return min(bought, key=lambda purchase: (round(purchase.standard_error, 9), purchase.cost, purchase.design.images), default=None)


def _purchases(components: Components, budget: float, most: int, costs: Costs) -> Iterator[Purchase]:
    times = range(1, MOST_REPEATS + 1)
    for design in (Design(*repeats) for repeats in product(times, times, times)):
        each = costs.of(design)
        # A sum of decimal fractions may come out a hair above the budget that it is to fit.
        affordable = most if each <= 0.0 else min(most, math.floor(budget / each + 1e-9))
        if affordable >= 2:
            yield Purchase(affordable, design, affordable * each, math.sqrt(difference_variance(components, design) / affordable))
