"""How far a judge agrees with people: rank correlation, and how often it prefers what they prefer. Pure functions of numbers and a seed.

Whatever scale anybody uses, only the order counts. Images of one prompt are not independent, so prompts are what is resampled. What people
agree on among themselves, measured in the same way, is the most that can be asked of a judge. This module knows nothing of files or judges.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any, NamedTuple

from data.identity import derived_seed
from optimizer.ranks import Point, spearman
from optimizer.stats import CONFIDENCE, Interval, bootstrap_mean

LEAST_RATED = 10
"""A rater's own correlation counts where so many images were rated by others, too: from fewer it is mostly chance."""
DIGITS = 9
"""Beyond so many decimals, two means are equal: they are sums in different orders."""

Values = Sequence[float | None]
"""A judge's value for each image, None where it gave none."""


class Rated(NamedTuple):
    """What people gave an image: ``ratings`` by rater, higher is better; none where they chose between images instead. ``prompt``: images
    of one prompt are related."""

    prompt: str
    ratings: Mapping[str, float]


class Choice(NamedTuple):
    """What people chose between two images, by their places: 1 for the ``first``, 0 for the ``second``, 0.5 for a tie, by rater."""

    prompt: str
    first: int
    second: int
    choices: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class People:
    """What people say of some images: ratings of each, or choices between two of them."""

    images: Sequence[Rated]
    choices: Sequence[Choice] = ()

    @property
    def raters(self) -> int:
        """How many people are named; who is not ("") is not counted."""
        said = [*(image.ratings for image in self.images), *(choice.choices for choice in self.choices)]
        return len({rater for each in said for rater in each if rater})


@dataclass(frozen=True, slots=True)
class Agreement:
    """``spearman``: the rank correlation with people's mean ratings, over all images; None where there are no ratings, or all are equal.
    ``accuracy``: how often the image is preferred that people prefer, of two of one prompt, the mean over prompts; people's ties are left
    out, others count half. None where there is no such pair. So many ``images``, ``pairs`` and ``prompts`` say this.
    """

    spearman: Interval | None
    accuracy: Interval | None
    images: int
    pairs: int
    prompts: int


@dataclass(frozen=True, slots=True)
class AgreementDifference:
    """By how much one judge agrees more than another, on the images that both scored."""

    spearman: Interval | None
    accuracy: Interval | None
    images: int


def agreement(people: People, values: Values, *, seed: int = 0) -> Agreement:
    """How far a judge's ``values`` agree with ``people``."""
    outcomes = list(_outcomes(_preferences(people), values))
    points = _points(people, values)
    used = {point.prompt for point in points} | {outcome.prompt for outcome in outcomes}
    return Agreement(
        spearman([points], seed),
        _accuracy_interval(outcomes, seed),
        sum(value is not None for value in values),
        len(outcomes),
        len(used),
    )


def ceiling(people: People, *, seed: int = 0) -> Agreement | None:
    """How far a person agrees with the others: each rater against the mean, or the majority, of all others. None where nothing was seen by
    two."""
    raters = sorted(
        {rater for image in people.images for rater in image.ratings} | {rater for each in people.choices for rater in each.choices}
    )
    outcomes: list[_Outcome] = []
    points: list[list[Point]] = []
    for rater in raters:
        others = _without(people, rater)
        own: Values = [image.ratings.get(rater) for image in people.images]
        outcomes += _outcomes(_preferences(others), own)
        outcomes += _own_outcomes(people.choices, others.choices, rater)
        if len(shared := _points(others, own)) >= LEAST_RATED:
            points.append(shared)
    if not outcomes and not points:
        return None
    prompts = {outcome.prompt for outcome in outcomes} | {point.prompt for each in points for point in each}
    rated = sum(len(image.ratings) > 1 for image in people.images)
    return Agreement(spearman(points, seed), _accuracy_interval(outcomes, seed), rated, len(outcomes), len(prompts))


def agreement_difference(people: People, one: Values, other: Values, *, seed: int = 0) -> AgreementDifference:
    """How much more the judge of ``one`` agrees with people than that of ``other``."""
    both = [None not in pair for pair in zip(one, other, strict=True)]
    ours, theirs = ([value if kept else None for value, kept in zip(values, both, strict=True)] for values in (one, other))
    preferences = list(_preferences(people))
    by_prompt = [_by_prompt(_outcomes(preferences, values)) for values in (ours, theirs)]
    gains = [by_prompt[0][prompt] - by_prompt[1][prompt] for prompt in sorted(by_prompt[0])]
    return AgreementDifference(
        spearman([_points(people, ours)], seed, [_points(people, theirs)]),
        bootstrap_mean(gains, seed=derived_seed("accuracy", seed)) if gains else None,
        sum(both),
    )


# -- which of two images is preferred


class _Preference(NamedTuple):
    """People prefer the image at place ``better`` to that at ``worse``."""

    prompt: str
    better: int
    worse: int


class _Outcome(NamedTuple):
    """1 where a preference of people is shared, 0 where it is not, 0.5 for a tie."""

    prompt: str
    value: float


def _preferences(people: People) -> Iterator[_Preference]:
    """Those of all people together: of each two images of a prompt, and of what they chose between."""
    by_prompt: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for place, image in enumerate(people.images):
        if image.ratings:
            by_prompt[image.prompt].append((place, _mean(image.ratings)))
    for prompt, rated in by_prompt.items():
        for (one, ours), (other, theirs) in combinations(rated, 2):
            if ours != theirs:
                yield _Preference(prompt, *((one, other) if ours > theirs else (other, one)))
    for choice in people.choices:
        if choice.choices and (said := _mean(choice.choices)) != 0.5:
            yield _Preference(choice.prompt, *((choice.first, choice.second) if said > 0.5 else (choice.second, choice.first)))


def _outcomes(preferences: "Iterator[_Preference] | Sequence[_Preference]", values: Values) -> Iterator[_Outcome]:
    for prompt, better, worse in preferences:
        high, low = values[better], values[worse]
        if high is not None and low is not None:
            gap = round(high - low, DIGITS)
            yield _Outcome(prompt, 1.0 if gap > 0 else 0.0 if gap < 0 else 0.5)


def _own_outcomes(choices: Sequence[Choice], others: Sequence[Choice], rater: str) -> Iterator[_Outcome]:
    """A rater's choices against the majority of the others'."""
    for choice, rest in zip(choices, others, strict=True):
        if rater in choice.choices and rest.choices and (majority := _mean(rest.choices)) != 0.5:
            own = choice.choices[rater]
            yield _Outcome(choice.prompt, own if majority > 0.5 else 1.0 - own)


def _without(people: People, rater: str) -> People:
    """All others."""
    images = [image._replace(ratings={name: value for name, value in image.ratings.items() if name != rater}) for image in people.images]
    choices = [each._replace(choices={name: value for name, value in each.choices.items() if name != rater}) for each in people.choices]
    return People(images, choices)


def _mean(said: Mapping[str, float]) -> float:
    return round(sum(said.values()) / len(said), DIGITS)


def _by_prompt(outcomes: "Iterator[_Outcome] | Sequence[_Outcome]") -> dict[str, float]:
    """The mean outcome of each prompt: a prompt with many images counts as much as one with two."""
    values: dict[str, list[float]] = defaultdict(list)
    for prompt, value in outcomes:
        values[prompt].append(value)
    return {prompt: sum(each) / len(each) for prompt, each in sorted(values.items())}


def _accuracy_interval(outcomes: Sequence[_Outcome], seed: int) -> Interval | None:
    if not outcomes:
        return None
    shares = list(_by_prompt(outcomes).values())
    interval = bootstrap_mean(shares, seed=derived_seed("accuracy", seed))
    if len(shares) > 1 and interval.estimate in (0.0, 1.0):
        # No miss among so many prompts is not the same as none ever: Wilson's bound, where resampling shows no doubt at all.
        doubt = (square := NormalDist().inv_cdf((1.0 + CONFIDENCE) / 2.0) ** 2) / (len(shares) + square)
        return Interval(1.0, 1.0 - doubt, 1.0) if interval.estimate else Interval(0.0, 0.0, doubt)
    return interval


def _points(people: People, values: Values) -> list[Point]:
    """The images that both people and the judge gave a value."""
    return [
        Point(image.prompt, _mean(image.ratings), round(value, DIGITS))
        for image, value in zip(people.images, values, strict=True)
        if image.ratings and value is not None
    ]


def agreement_to_json(found: Agreement | AgreementDifference) -> dict[str, Any]:
    """The figures, rounded to six decimals."""
    counts = {name: getattr(found, name) for name in ("images", "pairs", "prompts") if hasattr(found, name)}
    return {"spearman": _interval_to_json(found.spearman), "accuracy": _interval_to_json(found.accuracy), **counts}


def _interval_to_json(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {name: None if (value := getattr(interval, name)) is None else round(value, 6) for name in ("estimate", "low", "high")}
