"""Alarms beside a claim: what judges reward though nobody asked for it, and what a search may break while the score rises.

How the winner's pictures look beside those of another arm, how alike they are from seed to seed, and what the trials hold anyway: refusals,
other failures, the criteria asked of every image. In pairs on the same prompts and seeds, with intervals. None of it is an objective, and
none says that a picture is worse: an alarm says where to look. Nothing here reads a file.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from data.checklists import GLOBAL_CRITERIA
from data.errors import FailureKind, Stage
from data.identity import derived_seed
from data.records import Criterion, Trial
from optimizer.comparison_json import interval_to_json
from optimizer.judges.aggregate import goodness
from optimizer.looks import Look, distance
from optimizer.stats import Interval, bootstrap_mean

LEAST_PROMPTS = 5
"""Diversity is compared with an arm that has several pictures of at least so many of the same prompts."""
MOST_SEEDS = 4
"""Pictures of one prompt that are compared with each other at most: more would tell little, and each has to be read."""

LookAt = Callable[[Collection[str]], Mapping[str, Look]]
"""Measures the pictures with these sha256; leaves out those that can't be read."""
Place = tuple[str, int, int]
"""A prompt's id, a sample, a seed: what arms have in common."""


class _Relative(NamedTuple):
    """A measure of pictures. It alarms when it is ``factor`` times as high or as low, and the interval excludes that nothing changed."""

    name: str
    """That of Look's field, too."""
    floor: float
    """Added to both sides, so that a picture with next to nothing of it, black and white or blank, does not outweigh all others."""
    factor: float
    more: str
    less: str


PICTURES = (
    # Color turned up by 20% in a photo editor is +15% here, and shows when two pictures lie side by side. Arms of the embedded world, which
    # differ in what they show, stay within 2%.
    _Relative("saturation", 0.05, 1.15, "more saturated", "less saturated"),
    # The same for contrast: +20% in an editor is +17% here; other contents alone make 1%.
    _Relative("contrast", 0.02, 1.15, "richer in contrast", "poorer in contrast"),
    # A variance, so it moves more: an editor's gentlest sharpening is +56%, a blur by one pixel of 256 is -61%, other contents make 15%.
    _Relative("sharpness", 0.001, 1.5, "sharper", "less sharp"),
)
ALIKE = 0.8
"""Pictures of one prompt that differ from seed to seed by less than this part of another arm's: one idea, drawn again and again."""
DISTANCE_FLOOR = 0.01
"""Added to both sides, as above: less than this is the noise of a generator that ignores its seed."""
MORE_FAILURES = 0.02
"""One trial in fifty more that the raw prompt would not have lost: enough to notice in use."""
MORE_FLAWS = 0.05
"""One picture in twenty more: a judge with eyes errs about as often, and the interval has to exclude 0 besides."""
_FLAWS = {"global-structure": "broken structure", "global-text": "unrequested text", "global-collage": "collage"}
_REFUSALS = (FailureKind.REFUSED, FailureKind.BLOCKED)


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is watched. ``means`` by arm; ``change`` is the winner against the arm ``against``, over ``prompts`` of both.

    ``relative``: ``change`` is a part of the other's (0.31: 31% more), else a difference. ``against`` is "" and ``change`` None where no
    arm can be compared. ``alarm``: a sentence; "" where there is none.
    """

    name: str
    means: Mapping[str, float]
    against: str
    change: Interval | None
    relative: bool
    prompts: int
    alarm: str


@dataclass(frozen=True, slots=True)
class Monitors:
    """All that is watched. ``pictures`` were measured; ``missing`` ones could not be read."""

    measures: tuple[Measure, ...]
    pictures: int
    missing: int

    @property
    def alarms(self) -> tuple[str, ...]:
        return tuple(measure.alarm for measure in self.measures if measure.alarm)


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to watch. ``compared``: each arm's trials on the test prompts, the repeated ones of the winner not among them.

    ``every``: all trials of an arm in the run, for its diversity. ``others``: the arms to compare with, the one that is preferred first.
    """

    winner: str
    others: Sequence[str]
    compared: Mapping[str, Sequence[Trial]]
    every: Mapping[str, Sequence[Trial]]


def monitors(watched: Watched, look_at: LookAt, *, seed: int) -> Monitors:
    """Measures everything that the trials and their pictures allow."""
    other = watched.others[0]
    pairs = list(_pairs(watched.compared[watched.winner], watched.compared[other]))
    spread, beside = _spread(watched)
    shown = {trial.image.sha256 for pair in pairs for trial in pair if trial.image is not None}
    shown.update(sha256 for by_prompt in spread.values() for group in by_prompt.values() for sha256 in group)
    looks = look_at(shown)
    found = [
        *(_relative(kind, watched.winner, other, pairs, looks, seed) for kind in PICTURES),
        _diversity(watched.winner, beside, spread, looks, seed),
        *_failures(watched, other, seed),
        *(_flaw(criterion, watched, other, seed) for criterion in GLOBAL_CRITERIA),
    ]
    measures = tuple(measure for measure in found if measure is not None)
    return Monitors(measures, len(looks), len(shown) - len(looks))


def _pairs(ours: Sequence[Trial], theirs: Sequence[Trial]) -> Iterator[tuple[Trial, Trial]]:
    """The trials of two arms on the same prompt, sample and seed."""
    there = {_place(trial): trial for trial in theirs}
    for trial in sorted(ours, key=_place):
        if (same := there.get(_place(trial))) is not None:
            yield trial, same


def _place(trial: Trial) -> Place:
    return trial.request.prompt.id, trial.request.sample, trial.request.seed


def _by_prompt(values: Sequence[tuple[str, float]]) -> list[float]:
    """One figure per prompt: the mean over its samples and seeds."""
    groups: dict[str, list[float]] = defaultdict(list)
    for prompt, value in values:
        groups[prompt].append(value)
    return [sum(group) / len(group) for _, group in sorted(groups.items())]


# -- pictures


def _relative(
    kind: _Relative, winner: str, other: str, pairs: Sequence[tuple[Trial, Trial]], looks: Mapping[str, Look], seed: int
) -> Measure | None:
    values: Mapping[str, float] = {sha256: getattr(look, kind.name) for sha256, look in looks.items()}
    seen = [
        (ours.request.prompt.id, values[ours.image.sha256], values[theirs.image.sha256])
        for ours, theirs in pairs
        if ours.image is not None and theirs.image is not None and ours.image.sha256 in values and theirs.image.sha256 in values
    ]
    if not seen:
        return None
    logs = _by_prompt([(prompt, math.log((one + kind.floor) / (two + kind.floor))) for prompt, one, two in seen])
    change = _part(bootstrap_mean(logs, seed=derived_seed(seed, kind.name)))
    means = {winner: _mean([one for _, one, _ in seen]), other: _mean([two for _, _, two in seen])}
    alarm = ""
    if change.excludes_zero and not 1 / kind.factor < 1 + change.estimate < kind.factor:
        said = kind.more if change.estimate > 0 else kind.less
        why = "judges often reward that" if change.estimate > 0 else "look whether they became dull or empty"
        alarm = f"the winner's pictures are {abs(change.estimate):.0%} {said} than {_whose(other)} {_bounds(change)}: {why}"
    return Measure(kind.name, means, other, change, True, len(logs), alarm)


def _part(logs: Interval) -> Interval:
    """The mean of logarithms of a ratio as a part: 0.31 is 31% more."""
    return Interval(
        math.expm1(logs.estimate),
        None if logs.low is None else math.expm1(logs.low),
        None if logs.high is None else math.expm1(logs.high),
    )


Spread = Mapping[str, Sequence[str]]
"""By prompt id, the sha256 of several pictures of it."""


def _spread(watched: Watched) -> tuple[Mapping[str, Spread], str]:
    """The pictures whose diversity is measured, by arm, and the arm to compare with: the first that has enough of them on the winner's own
    prompts, samples and seeds. Where none has, all of the winner's, and ""."""
    ours = _pictures(watched.every[watched.winner])
    for other in watched.others:
        theirs = _pictures(watched.every[other])
        shared = sorted(ours.keys() & theirs.keys())
        grouped = {
            watched.winner: _several([(place, ours[place]) for place in shared]),
            other: _several([(place, theirs[place]) for place in shared]),
        }
        if len(grouped[other]) >= LEAST_PROMPTS:
            return grouped, other
    return {watched.winner: _several(sorted(ours.items()))}, ""


def _pictures(trials: Sequence[Trial]) -> Mapping[Place, str]:
    return {_place(trial): trial.image.sha256 for trial in trials if trial.image is not None}


def _several(pictures: Sequence[tuple[Place, str]]) -> Spread:
    groups: dict[str, list[str]] = defaultdict(list)
    for (prompt, _, _), sha256 in pictures:
        groups[prompt].append(sha256)
    return {prompt: group[:MOST_SEEDS] for prompt, group in groups.items() if len(group) > 1}


def _diversity(winner: str, other: str, spread: Mapping[str, Spread], looks: Mapping[str, Look], seed: int) -> Measure | None:
    distances = {arm: _distances(by_prompt, looks) for arm, by_prompt in spread.items()}
    common = sorted(prompt for prompt in distances[winner] if all(prompt in found for found in distances.values()))
    if not common:
        return None
    means = {arm: _mean([found[prompt] for prompt in common]) for arm, found in distances.items()}
    if not other:
        return Measure("diversity", means, "", None, True, len(common), "")
    logs = [math.log((distances[winner][prompt] + DISTANCE_FLOOR) / (distances[other][prompt] + DISTANCE_FLOOR)) for prompt in common]
    change = _part(bootstrap_mean(logs, seed=derived_seed(seed, "diversity")))
    alarm = ""
    if change.excludes_zero and 1 + change.estimate < ALIKE:
        alarm = (
            f"the winner's pictures of one prompt differ {-change.estimate:.0%} less from seed to seed than {_whose(other)} "
            f"{_bounds(change)}: one idea for every prompt?"
        )
    return Measure("diversity", means, other, change, True, len(common), alarm)


def _distances(spread: Spread, looks: Mapping[str, Look]) -> Mapping[str, float]:
    seen = {prompt: [looks[sha256] for sha256 in group if sha256 in looks] for prompt, group in spread.items()}
    return {prompt: _mean([distance(*pair) for pair in combinations(group, 2)]) for prompt, group in seen.items() if len(group) > 1}


# -- rates


def _failures(watched: Watched, other: str, seed: int) -> Iterator[Measure | None]:
    for name, of, said in (("refusals", _is_refused, "refused"), ("other failures", _is_lost, "lost otherwise")):
        yield _rate(name, of, watched, other, MORE_FAILURES, f"of the winner's trials are {said}", seed)


def _is_refused(trial: Trial) -> float:
    """A judge that declines says nothing of the prompt: only the stages before it count."""
    return float(trial.failure is not None and trial.failure.kind in _REFUSALS and trial.failure.stage is not Stage.JUDGE)


def _is_lost(trial: Trial) -> float:
    return float(trial.failure is not None and not _is_refused(trial))


def _flaw(criterion: Criterion, watched: Watched, other: str, seed: int) -> Measure | None:
    def of(trial: Trial) -> float | None:
        scores = () if trial.judgment is None else trial.judgment.scores
        score = next((entry.score for entry in scores if entry.id == criterion.id), None)
        return None if score is None else 1.0 - goodness(criterion, score)

    name = _FLAWS[criterion.id]
    return _rate(name, of, watched, other, MORE_FLAWS, f"of the winner's pictures show {name}", seed)


def _rate(
    name: str, of: Callable[[Trial], float | None], watched: Watched, other: str, threshold: float, said: str, seed: int
) -> Measure | None:
    """How often something befalls the trials of each arm; None where the winner and ``other`` have no pair for which that is known."""
    differences = [
        (ours.request.prompt.id, one - two)
        for ours, theirs in _pairs(watched.compared[watched.winner], watched.compared[other])
        if (one := of(ours)) is not None and (two := of(theirs)) is not None
    ]
    if not differences:
        return None
    values = {arm: [value for trial in trials if (value := of(trial)) is not None] for arm, trials in watched.compared.items()}
    means = {arm: _mean(found) for arm, found in values.items() if found}
    by_prompt = _by_prompt(differences)
    change = bootstrap_mean(by_prompt, seed=derived_seed(seed, name))
    alarm = ""
    if change.excludes_zero and change.estimate > threshold:
        alarm = f"{means[watched.winner]:.1%} {said}, {change.estimate:+.1%} against {_whose(other)} {_bounds(change, digits=1)}"
    return Measure(name, means, other, change, False, len(by_prompt), alarm)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _whose(arm: str) -> str:
    return "the raw prompt's" if arm == "none" else f"{arm}'s"


def _bounds(change: Interval, digits: int = 0) -> str:
    return f"[{change.low:+.{digits}%}, {change.high:+.{digits}%}]"


def monitors_to_json(found: Monitors) -> dict[str, Any]:
    """The record that the ledger keeps and the doors show (docs/json.md)."""
    return {
        "alarms": list(found.alarms),
        "measures": [
            {
                "name": measure.name,
                "means": {arm: round(mean, 6) for arm, mean in measure.means.items()},
                "against": measure.against or None,
                "change": None if measure.change is None else interval_to_json(measure.change),
                "relative": measure.relative,
                "prompts": measure.prompts,
                "alarm": bool(measure.alarm),
            }
            for measure in found.measures
        ],
        "pictures": found.pictures,
        "missing": found.missing,
    }
