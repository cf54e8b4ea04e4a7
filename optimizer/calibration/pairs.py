"""Judges of pairs: a faithful picture beside one with a planted error, which one do they prefer? And the canaries, for pairs.

Pure, like the rest: what is shown, and what the preferences come to. Which of the two stands first is drawn by chance; that a judge asks in
both orders is its own business, and how often its preference turns with the order is reported.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data.identity import derived_random
from data.records import Prompt
from data.usage import Usage
from optimizer.calibration import canaries
from optimizer.calibration.alterations import room_for_flattery
from optimizer.calibration.exposures import RETESTED
from optimizer.calibration.measuring import Subject
from optimizer.calibration.paintings import FIRST_PAIR, VERSION, Copy, Example, example_at, pair_prompt, seed_of
from optimizer.calibration.rates import Rate, rate
from optimizer.calibration.report import CalibrationReport, Canary, Cost, FailureCount, SkillFigures
from optimizer.calibration.skills import TRIES, Plant, Skill
from optimizer.calibration.verdict import Findings, graded, standing

CANARIES = 24
"""Looks for each canary: a few more than it takes to say anything (canaries.py)."""


@dataclass(frozen=True, slots=True)
class PairExposure:
    """One look at two pictures for ``prompt``: the better one (``right``) and the worse one, by the seeds that name them, with the better
    one first or second. ``canary``: what the look is for, if not for the pair itself; in an identical pair neither is better."""

    number: int
    prompt: Prompt
    plant: Plant
    right: int
    wrong: int
    right_first: bool
    look: int = 0
    canary: Canary | None = None


class Preferred(NamedTuple):
    """What a judge said to a pair: ``value`` 1 for the better picture, 0 for the worse, .5 for neither; whether its preference turned with
    the order; what that took."""

    value: float
    flipped: bool
    usage: Usage = Usage()
    latency: float = 0.0


def pair_exposures(pairs: int, seed: int) -> list[PairExposure]:
    """Everything that a judge of pairs is shown in a calibration."""
    examples = [example_at(seed, FIRST_PAIR + number) for number in range(pairs)]
    luck = derived_random("pairs", seed)
    faithful = [seed_of(example.number, Copy.TWIN) for example in examples]
    shown = [_pair(example, right, luck.random() < 0.5) for example, right in zip(examples, faithful, strict=True)]
    return [*shown, *_retests(shown), *_canaries(shown, examples)]


def _pair(example: Example, right: int, right_first: bool) -> PairExposure:
    plain = seed_of(example.number, Copy.PLAIN)
    return PairExposure(example.number, pair_prompt(example), example.plants[0], right, plain, right_first)


def _retests(shown: Sequence[PairExposure]) -> Iterator[PairExposure]:
    """The first pairs again: the same two pictures, a new look."""
    for pair in shown[: RETESTED // 2]:
        yield PairExposure(pair.number, pair.prompt, pair.plant, pair.right, pair.wrong, pair.right_first, look=1)


def _canaries(shown: Sequence[PairExposure], examples: Sequence[Example]) -> Iterator[PairExposure]:
    for index, pair in enumerate(shown[:CANARIES]):
        stranger = shown[(index + CANARIES) % len(shown)].right
        for canary, right, wrong in (
            (Canary.WRONG, pair.right, stranger),
            (Canary.GREY, pair.right, seed_of(pair.number, Copy.GREY)),
            (Canary.IDENTICAL, pair.right, pair.right),
        ):
            yield PairExposure(pair.number, pair.prompt, pair.plant, right, wrong, pair.right_first, canary=canary)
    altered = [(pair, example) for pair, example in zip(shown, examples, strict=True) if pair.plant not in (Plant.COLLAGE, Plant.BROKEN)]
    roomy = [pair for pair, example in altered if room_for_flattery(example.shown.layout) is not None]
    for canary, copy, pairs in ((Canary.FLATTERED, Copy.FLATTERED, roomy), (Canary.VIVID, Copy.VIVID, [pair for pair, _ in altered])):
        for pair in pairs[:CANARIES]:
            wrong = seed_of(pair.number, copy)
            yield PairExposure(pair.number, pair.prompt, pair.plant, pair.right, wrong, pair.right_first, canary=canary)


# -- what the preferences come to

Seen = Sequence[tuple[PairExposure, Preferred | None]]
"""Each exposure with what was said; None where the judge failed."""


def measured_pairs(subject: Subject, seen: Seen, failures: Sequence[FailureCount]) -> CalibrationReport:
    """The report on a judge of pairs."""
    plain = [(pair, said) for pair, said in seen if pair.canary is None and pair.look == 0 and said is not None]
    first = {pair.number: said for pair, said in plain}
    again = [(first[pair.number], said) for pair, said in seen if pair.look and said is not None and pair.number in first]
    skills = _skills(plain)
    caught = tuple(canaries.figures(canary, _canary_pairs(canary, seen, first)) for canary in Canary)
    right, unknown = credit(plain), Rate.unknown()
    flips = rate([(pair.number, said.flipped) for pair, said in plain])
    failed = sum(failure.count for failure in failures) / len(seen)
    verdict, reasons, advice = graded(Findings(right, unknown, unknown, flips, unknown, failed, skills, caught, pairs=True))
    told = [said for _, said in seen if said is not None]
    return CalibrationReport(
        judge=subject.judge,
        spec=subject.spec,
        pairs=True,
        version=VERSION,
        seed=subject.seed,
        images=subject.images,
        verdict=verdict,
        reasons=reasons,
        advice=advice,
        accuracy=rate([(pair.number, said.value == 1) for pair, said in plain]),
        right=right,
        false_yes=unknown,
        false_no=unknown,
        yes_bias=unknown,
        brier=None,
        area=unknown,
        separation=unknown,
        answers=len(plain),
        unanswered=0,
        flips=flips,
        value_sd=math.sqrt(sum((one.value - other.value) ** 2 for one, other in again) / len(again) / 2) if again else None,
        ties=rate([(pair.number, said.value == 0.5) for pair, said in plain]),
        skills=skills,
        canaries=caught,
        failures=tuple(failures),
        declined=0,
        cost=_cost(told),
    )


def credit(said: Sequence[tuple[PairExposure, Preferred]]) -> Rate:
    """How often the better picture was preferred, ties half."""
    return rate([(pair.number, preferred.value) for pair, preferred in said])


def _skills(plain: Sequence[tuple[PairExposure, Preferred]]) -> tuple[SkillFigures, ...]:
    by_skill: dict[Skill, list[tuple[PairExposure, Preferred]]] = defaultdict(list)
    for pair, said in plain:
        by_skill[TRIES[pair.plant]].append((pair, said))
    return tuple(_skill(skill, by_skill[skill]) for skill in Skill if skill in by_skill)


def _skill(skill: Skill, said: Sequence[tuple[PairExposure, Preferred]]) -> SkillFigures:
    right = credit(said)
    flips = rate([(pair.number, preferred.flipped) for pair, preferred in said])
    return SkillFigures(skill.value, standing(right, right.cases), right, Rate.unknown(), Rate.unknown(), 0, flips)


def _canary_pairs(canary: Canary, seen: Seen, first: Mapping[int, Preferred]) -> list[canaries.Pair]:
    """Preferences as the values of two pictures: of the better and the worse one; of one before and after what was done to it; or, where
    they are identical, of what a tie would be and what was said."""
    pairs: list[canaries.Pair] = []
    for pair, said in seen:
        if pair.canary is not canary or said is None:
            continue
        if canary in (Canary.WRONG, Canary.GREY):
            pairs.append(canaries.Pair(pair.prompt.text, said.value, 1 - said.value))
        elif canary is Canary.IDENTICAL:
            pairs.append(canaries.Pair(pair.prompt.text, 0.5, said.value))
        elif pair.number in first:
            pairs.append(canaries.Pair(pair.prompt.text, 1 - first[pair.number].value, 1 - said.value))
    return pairs


def _cost(told: Sequence[Preferred]) -> Cost:
    usage = sum((said.usage for said in told), Usage())
    number = max(1, len(told))
    dollars = None if usage.cost is None else usage.cost / number
    return Cost(len(told), sum(said.latency for said in told) / number, dollars, usage.input_tokens / number, usage.output_tokens / number)
