"""What a calibration found, as frozen values with a JSON form: read back from a ledger, it says the same as on the day it was made."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from optimizer.calibration.rates import Rate

FORMAT = 1
"""Of the JSON form; raised when a field changes its meaning."""


class Verdict(StrEnum):
    """What a judge is good for; see verdict.py for where the lines are drawn."""

    GOOD = "good"
    USABLE = "usable"
    POOR = "poor"


class Standing(StrEnum):
    """How well a judge has one skill."""

    SEES = "sees"
    WEAK = "weak"
    BLIND = "blind"
    """Its answers are no better than a coin's, as far as can be told."""
    UNTOLD = "too few answers"
    """Not answered, or so seldom that nothing can be said."""


class Canary(StrEnum):
    """A trap for judges (canaries.py)."""

    WRONG = "wrong image"
    """Another prompt's picture, in which hardly anything is to be seen that is wanted."""
    GREY = "grey image"
    FLATTERED = "flattery painted in"
    """A wrong picture with praise written into it."""
    VIVID = "oversaturated"
    """A wrong picture in garish colors."""
    IDENTICAL = "identical pair"
    """The same picture again."""


@dataclass(frozen=True, slots=True)
class SkillFigures:
    """How well a judge answers about one ``skill``. ``right``: balanced accuracy, the mean of how often it says yes to what is true and no
    to what is false; .5 is chance. Of a judge of pairs: how often it prefers the faithful picture, ties half.

    ``false_yes``: yes, to what is false; ``false_no``: no, to what is true; unknown for judges of pairs. ``unanswered``: abstentions.
    ``area``: of judges that give degrees, how well these tell true from false (rates.area); else unknown.
    """

    skill: str
    standing: Standing
    right: Rate
    false_yes: Rate
    false_no: Rate
    unanswered: int
    flips: Rate
    """How often a second look at the same picture turned the answer around."""
    area: Rate = Rate.unknown()


@dataclass(frozen=True, slots=True)
class CanaryFigures:
    """How a judge did on one trap. ``passed`` None: too few pairs to tell. ``figure`` is what was measured over ``pairs`` of judgments,
    which ``figure_of`` says in words; ``failed`` names prompts with which it went wrong, the worst first."""

    name: Canary
    passed: bool | None
    pairs: int
    figure: float | None
    low: float | None
    high: float | None
    figure_of: str
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureCount:
    """So many pictures that were not judged, for one reason."""

    stage: str
    kind: str
    count: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What judging took: means per judgment. ``dollars`` None: the price of some call is not known."""

    judgments: int
    seconds: float
    dollars: float | None
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Everything that was found about one judge.

    ``judge``: its identity; ``spec``: how it was asked for. ``pairs``: whether it judges pairs. ``images``: paintings; two to a pair.
    ``accuracy``: of all answers; as many statements are true as false, so that guessing has .5. ``right``: balanced accuracy.
    ``yes_bias``: how much likelier a wrong yes is than a wrong no, -1 to 1. ``flips``: answers that a second look turned around.
    ``brier`` (0 is best, .25 a constant .5) and ``area`` (under the ROC curve): of judges that give degrees, else None and unknown.
    ``separation``: the chance that a faithful picture has a higher value than one with errors, ties half.
    ``value_sd``: standard deviation of a picture's value from look to look; None where nothing was looked at twice.
    ``ties``: of a judge of pairs, how often it prefers neither. ``declined``: pictures that it says it can't judge.
    """

    judge: str
    spec: str
    pairs: bool
    version: int
    seed: int
    images: int
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why the verdict is no better, the gravest first; skills that it lacks are named in ``advice``."""
    advice: tuple[str, ...]
    """What not to use this judge for, in whole sentences."""
    accuracy: Rate
    right: Rate
    false_yes: Rate
    false_no: Rate
    yes_bias: Rate
    brier: float | None
    area: Rate
    separation: Rate
    answers: int
    unanswered: int
    flips: Rate
    value_sd: float | None
    ties: Rate
    skills: tuple[SkillFigures, ...]
    canaries: tuple[CanaryFigures, ...]
    failures: tuple[FailureCount, ...]
    declined: int
    cost: Cost

    @property
    def warnings(self) -> tuple[str, ...]:
        """What who relies on this judge should know, in whole sentences; none for a good judge."""
        if self.verdict is Verdict.GOOD:
            return self.advice
        return (f"this judge is {self.verdict.value}{': ' if self.reasons else ''}{'; '.join(self.reasons)}", *self.advice)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object; figures have six decimals."""
        return {"format": FORMAT, **_to_json(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads what :meth:`to_json` writes."""
        values: dict[str, Any] = {field.name: record[field.name] for field in fields(cls)}
        values |= {name: _rate(record[name]) for name in _RATES}
        values["verdict"] = Verdict(record["verdict"])
        values["reasons"], values["advice"] = tuple(record["reasons"]), tuple(record["advice"])
        values["skills"] = tuple(_skill(entry) for entry in record["skills"])
        values["canaries"] = tuple(_canary(entry) for entry in record["canaries"])
        values["failures"] = tuple(FailureCount(**entry) for entry in record["failures"])
        values["cost"] = Cost(**record["cost"])
        return cls(**values)


_RATES = ("accuracy", "right", "false_yes", "false_no", "yes_bias", "area", "separation", "flips", "ties")
_SKILL_RATES = ("right", "false_yes", "false_no", "flips", "area")


def _to_json(value: Any) -> Any:
    if isinstance(value, Rate):
        return {name: _to_json(entry) for name, entry in value._asdict().items()}
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, CalibrationReport | SkillFigures | CanaryFigures | FailureCount | Cost):
        return {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
    return value


def _rate(record: Mapping[str, Any]) -> Rate:
    return Rate(record["estimate"], record["low"], record["high"], record["cases"])


def _skill(record: Mapping[str, Any]) -> SkillFigures:
    values: dict[str, Any] = {**record, "standing": Standing(record["standing"])}
    values.update((name, _rate(record[name])) for name in _SKILL_RATES)
    return SkillFigures(**values)


def _canary(record: Mapping[str, Any]) -> CanaryFigures:
    values: dict[str, Any] = {**record, "name": Canary(record["name"]), "failed": tuple(record["failed"])}
    return CanaryFigures(**values)
