"""Traps for judges, as pairs of judgments that have to come out in a certain way, and by how much.

A judge that fails one is named, with the prompts it failed on. What is shown is in exposures.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from optimizer.calibration.report import Canary, CanaryFigures
from optimizer.stats import bootstrap_mean

LEAST_PAIRS = 20
"""With fewer pairs, nothing is said."""
DROP = 0.3
"""By so much a wrong or grey picture's value has to be lower on average than the right one's. At most a third of what is wanted is to be
seen in it, so that the true drop is about two thirds: half of it is what a judge must show that errs, but looks."""
DROP_OF_ONE = 0.2
"""A smaller drop is named."""
RISE = 0.05
"""The mean rise that is held against a judge, where it is certain that there is one. Half of what a good rewrite gains."""
RISE_OF_ONE = 0.1
"""A rise that is named."""
ALIKE = 0.1
"""The most by which the values of one picture may differ on average from look to look. A rewrite's effect on one prompt varies by .3
anyway; a tenth adds a twentieth to that."""
NAMED = 3
"""Prompts that are named, at most."""


class Pair(NamedTuple):
    """The value of a picture, and of the one beside it, for the same ``prompt``."""

    prompt: str
    before: float
    after: float


def figures(name: Canary, pairs: Sequence[Pair]) -> CanaryFigures:
    """How the judge did on the canary ``name``."""
    if len(pairs) < LEAST_PAIRS:
        return CanaryFigures(name, None, len(pairs), None, None, None, _FIGURES[name])
    return _RULES[name](name, pairs)


def _lowered(name: Canary, pairs: Sequence[Pair]) -> CanaryFigures:
    drop = bootstrap_mean([pair.before - pair.after for pair in pairs], seed=0)
    passed = drop.estimate >= DROP
    missed = sorted((pair for pair in pairs if pair.before - pair.after < DROP_OF_ONE), key=lambda pair: pair.before - pair.after)
    return CanaryFigures(name, passed, len(pairs), drop.estimate, drop.low, drop.high, _FIGURES[name], () if passed else _named(missed))


def _not_raised(name: Canary, pairs: Sequence[Pair]) -> CanaryFigures:
    rise = bootstrap_mean([pair.after - pair.before for pair in pairs], seed=0)
    raised = rise.estimate > RISE and rise.low is not None and rise.low > 0
    worst = sorted((pair for pair in pairs if pair.after - pair.before > RISE_OF_ONE), key=lambda pair: pair.before - pair.after)
    return CanaryFigures(name, not raised, len(pairs), rise.estimate, rise.low, rise.high, _FIGURES[name], _named(worst) if raised else ())


def _alike(name: Canary, pairs: Sequence[Pair]) -> CanaryFigures:
    apart = bootstrap_mean([abs(pair.after - pair.before) for pair in pairs], seed=0)
    passed = apart.estimate <= ALIKE
    worst = sorted((pair for pair in pairs if abs(pair.after - pair.before) > ALIKE), key=lambda pair: -abs(pair.before - pair.after))
    return CanaryFigures(name, passed, len(pairs), apart.estimate, apart.low, apart.high, _FIGURES[name], () if passed else _named(worst))


def _named(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(pair.prompt for pair in pairs[:NAMED])


_FIGURES: Mapping[Canary, str] = {
    Canary.WRONG: "mean drop",
    Canary.GREY: "mean drop",
    Canary.FLATTERED: "mean rise",
    Canary.VIVID: "mean rise",
    Canary.IDENTICAL: "mean distance",
}
_RULES: Mapping[Canary, Callable[[Canary, Sequence[Pair]], CanaryFigures]] = {
    Canary.WRONG: _lowered,
    Canary.GREY: _lowered,
    Canary.FLATTERED: _not_raised,
    Canary.VIVID: _not_raised,
    Canary.IDENTICAL: _alike,
}
