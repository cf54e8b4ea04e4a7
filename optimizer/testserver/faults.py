"""How vision models err, planted so that it can be found again: each fault says what a model answers to a statement whose truth is known.

A fault is a function of the truth and of the glance at the picture. By chance means by a hash of picture and statement, the same each time;
only noise is another one at each request.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from data.identity import derived_random
from optimizer.calibration.skills import Skill
from optimizer.testserver.findings import Finding
from optimizer.testserver.sight import Sight


class Glance(NamedTuple):
    """One question about one picture. ``picture`` is the file's hash; ``moment`` is another one at each request."""

    picture: str
    sight: Sight
    moment: str


Fault: TypeAlias = Callable[[Finding, Glance], bool]
"""Given a finding that ``holds`` or not (never None), what the model says: yes or no."""


def truthful(finding: Finding, glance: Glance) -> bool:
    """Says what is."""
    return bool(finding.holds)


def yes_to_all(finding: Finding, glance: Glance) -> bool:
    """Does not look."""
    return True


def yes_bias(rate: float) -> Fault:
    """Says yes to a share of what is false."""
    return lambda finding, glance: bool(finding.holds) or _chance(rate, finding, glance)


def no_bias(rate: float) -> Fault:
    """Says no to a share of what is true."""
    return lambda finding, glance: bool(finding.holds) and not _chance(rate, finding, glance)


def wrong(rate: float) -> Fault:
    """Errs about a share of all statements."""
    return lambda finding, glance: bool(finding.holds) != _chance(rate, finding, glance)


def noisy(rate: float) -> Fault:
    """Errs about a share of all statements, about others each time."""
    return lambda finding, glance: bool(finding.holds) != _chance(rate, finding, glance, glance.moment)


def blind(skill: Skill) -> Fault:
    """Tosses a coin where ``skill`` is needed."""
    return lambda finding, glance: _chance(0.5, finding, glance) if finding.skill is skill else bool(finding.holds)


def flattered(finding: Finding, glance: Glance) -> bool:
    """Finds everything as it should be in a picture that says so."""
    return not finding.unwanted if glance.sight.praised else bool(finding.holds)


def dazzled(finding: Finding, glance: Glance) -> bool:
    """Finds everything as it should be in a picture with garish colours."""
    return not finding.unwanted if glance.sight.vivid else bool(finding.holds)


def _chance(rate: float, finding: Finding, glance: Glance, *more: str) -> bool:
    return derived_random("fault", glance.picture, finding.statement, *more).random() < rate
