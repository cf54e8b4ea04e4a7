"""Worlds to search in: what a score is, what a proposal brings, and the truth that no optimizer sees.

A :class:`World` is all that an optimizer can touch, through the meter (meter.py). The noisy synthetic world comes in several
:data:`REGIMES`. Its system prompts are sets of numbered rules; a rule helps or harms some categories of prompts; a score is a logistic
function of rules and difficulty, with noise per image, part of it common to all system prompts, and noise per look of the judge. Nothing
here knows who searches.
"""

import hashlib
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from data.identity import derived_random, derived_seed
from data.records import Operation

Floats = npt.NDArray[np.float64]

RULES = 60
CATEGORIES = 6
SEARCH_PROMPTS = 80
TEST_PROMPTS = 400
OPENING = "Rewrite the request."
DIFFICULTY = (-0.4, 0.7)
"""Mean and SD of what a prompt adds to a logit."""

Evidence = Sequence[tuple[int, float]]
"""What a reflection reads of its parent: prompts by number, with the score that was seen there."""


class World(Protocol):
    """What is searched. ``root`` is the system prompt to start from, ``categories`` those of the prompts to search on, by number."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> str: ...

    @property
    def categories(self) -> Sequence[int]: ...

    @property
    def closed(self) -> bool:
        """Whether it can score only texts that it has proposed itself."""
        ...

    def score(self, text: str, prompt: int, seed: int, look: int = 0) -> float:
        """One pass: rewrite, image of this ``seed``, judgment; in [0, 1]. Equal arguments, equal score."""
        ...

    def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
        """The reflection model that all optimizers share: a new system prompt from ``parents``."""
        ...

    def quality(self, text: str) -> float:
        """The truth: the mean score over prompts that are not searched on, noise left out."""
        ...


@dataclass(frozen=True, slots=True)
class Regime:
    """How a synthetic world behaves.

    Standard deviations of the noise per ``image`` and per look of the ``judge``; ``shared``: the part of the images' variance that all
    system prompts have in common at a (prompt, seed). ``levels``: a rubric that knows so many steps between 0 and 1, None for any value.
    ``interaction``: the SD of what two rules do together. ``effects`` scales what rules do. ``informed``: the chance that a reflection
    finds a rule that helps where its evidence is bad. ``inherits``: whether a child has its parent's rules; else its rules are drawn anew.
    ``tails``: the degrees of freedom of the noise, Student's t; None for normal. ``easy``: the share of prompts that come out well whatever
    the system prompt says.
    """

    image: float = 0.15
    judge: float = 0.10
    shared: float = 0.3
    levels: int | None = None
    interaction: float = 0.0
    effects: float = 1.0
    informed: float = 0.35
    inherits: bool = True
    tails: float | None = None
    easy: float = 0.0


MIDDLE = Regime()
REGIMES: Mapping[str, Regime] = {
    "middle": MIDDLE,
    "coarse rubric": replace(MIDDLE, levels=4),
    "interactions": replace(MIDDLE, interaction=0.25),
    "weak proposer": replace(MIDDLE, informed=0.1),
    "strong proposer": replace(MIDDLE, informed=0.7),
    "small effects": replace(MIDDLE, effects=0.3),
    "no inheritance": replace(MIDDLE, inherits=False),
    "heavy tails": replace(MIDDLE, tails=2.5),
    "easy prompts": replace(MIDDLE, easy=0.6),
    "loud": replace(MIDDLE, image=0.30, judge=0.20),
    "no noise": replace(MIDDLE, image=0.0, judge=0.0),
}
"""The worlds that are compared in. "middle" is near what real judges show (differences of a pair vary by about .25)."""


@dataclass(slots=True)
class SyntheticWorld:
    """One world of a ``regime``, drawn from ``seed``, with so many ``prompts`` to measure on."""

    regime: Regime
    seed: int
    name: str = "synthetic"
    root: str = OPENING
    closed: bool = False
    prompts: int = SEARCH_PROMPTS
    categories: Sequence[int] = field(init=False)
    effects: Floats = field(init=False)
    _pairs: Floats | None = field(init=False)
    _difficulty: Floats = field(init=False)
    _test_categories: npt.NDArray[np.intp] = field(init=False)
    _test_difficulty: Floats = field(init=False)
    _logits: dict[str, Floats] = field(default_factory=dict[str, Floats])

    def __post_init__(self) -> None:
        generator = np.random.default_rng(derived_seed("synthetic world", self.seed))
        self.effects = _effects(generator) * self.regime.effects
        crossed = generator.normal(0.0, 1.0, (RULES, RULES)) * self.regime.interaction
        self._pairs = (crossed + crossed.T) / 2 if self.regime.interaction else None
        self.categories = [int(category) for category in generator.integers(CATEGORIES, size=self.prompts)]
        self._difficulty = generator.normal(*DIFFICULTY, self.prompts)
        self._test_categories = generator.integers(CATEGORIES, size=TEST_PROMPTS)
        self._test_difficulty = generator.normal(*DIFFICULTY, TEST_PROMPTS)

    def score(self, text: str, prompt: int, seed: int, look: int = 0) -> float:
        regime = self.regime
        if prompt < regime.easy * self.prompts:
            return 1.0
        value = self.expected(text, prompt)
        if regime.image or regime.judge:
            common = self._noise("common", prompt, seed)
            own = self._noise("own", text, prompt, seed)
            value += regime.image * (math.sqrt(regime.shared) * common + math.sqrt(1.0 - regime.shared) * own)
            value += regime.judge * self._noise("judge", text, prompt, seed, look)
        value = min(1.0, max(0.0, value))
        return round(value * regime.levels) / regime.levels if regime.levels else value

    def expected(self, text: str, prompt: int) -> float:
        """The score of a system prompt on one of the prompts to search on, noise left out."""
        if prompt < self.regime.easy * self.prompts:
            return 1.0
        return _logistic(float(self.logits(text)[self.categories[prompt]]) + float(self._difficulty[prompt]))

    def quality(self, text: str) -> float:
        logits = self.logits(text)[self._test_categories] + self._test_difficulty
        return self.regime.easy + (1.0 - self.regime.easy) * float((1.0 / (1.0 + np.exp(-logits))).mean())

    def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
        luck = derived_random("proposal", self.seed, seed)
        if not self.regime.inherits:
            return text_of(self._afresh(evidence, luck))
        rules = set(rules_of(parents[0]))
        match operation:
            case Operation.MERGE if len(parents) > 1:
                return text_of(rules.union(*map(rules_of, parents)))
            case Operation.CONDENSE if rules:
                return text_of(rules - {luck.choice(sorted(rules))})
            case Operation.EXPLORE:
                return text_of(rules | {self._any_rule(rules, luck)})
            case _:
                if rules and luck.random() < 0.15:
                    return text_of(rules - {luck.choice(sorted(rules))})
                return text_of(rules | {self._reflected(rules, evidence, luck)})

    def _afresh(self, evidence: Evidence, luck: random.Random) -> set[int]:
        """About as many rules as a good lineage collects, found one by one."""
        rules: set[int] = set()
        for _ in range(luck.randint(1, 9)):
            rules.add(self._reflected(rules, evidence, luck))
        return rules

    def _reflected(self, rules: set[int], evidence: Evidence, luck: random.Random) -> int:
        """A rule that helps the category of a prompt that came out badly, or any rule."""
        if evidence and luck.random() < self.regime.informed:
            shortfalls = [max(1e-3, 1.0 - score) for _, score in evidence]
            category = self.categories[luck.choices([prompt for prompt, _ in evidence], shortfalls)[0]]
            helpful = [rule for rule in range(RULES) if rule not in rules and self.effects[rule, category] > 0.1 * self.regime.effects]
            if helpful:
                return luck.choice(helpful)
        return self._any_rule(rules, luck)

    def _any_rule(self, rules: set[int], luck: random.Random) -> int:
        return luck.choice([rule for rule in range(RULES) if rule not in rules] or list(range(RULES)))

    def logits(self, text: str) -> Floats:
        """What a system prompt adds to the logit of each category, [categories]."""
        found = self._logits.get(text)
        if found is None:
            rules = rules_of(text)
            found = self.effects[rules].sum(axis=0)
            if self._pairs is not None:
                found = found + self._pairs[np.ix_(rules, rules)][np.triu_indices(len(rules), 1)].sum()
            self._logits[text] = found
        return found

    def _noise(self, *names: object) -> float:
        """A standard deviation's worth of noise that belongs to ``names``."""
        digest = hashlib.blake2b(repr((self.seed, names)).encode(), digest_size=8).digest()
        luck = random.Random(int.from_bytes(digest, "big"))
        normal = luck.gauss(0.0, 1.0)
        tails = self.regime.tails
        if tails is None:
            return normal
        # Student's t, scaled to variance 1.
        return normal / math.sqrt(luck.gammavariate(tails / 2.0, 2.0 / tails)) * math.sqrt((tails - 2.0) / tails)


def _effects(generator: np.random.Generator) -> Floats:
    """[rules, categories]: 30% of the rules help one to three categories, 30% harm as many, the rest does next to nothing."""
    effects = np.zeros((RULES, CATEGORIES))
    for rule in range(RULES):
        kind = generator.random()
        touched = generator.choice(CATEGORIES, size=generator.integers(1, 4), replace=False)
        size = generator.uniform(0.15, 0.6, len(touched))
        if kind < 0.30:
            effects[rule, touched] = size
        elif kind < 0.70:
            effects[rule] = generator.normal(0.0, 0.03, CATEGORIES)
        else:
            effects[rule, touched] = -size
    return effects


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


@cache
def rules_of(text: str) -> list[int]:
    """The rules of a system prompt of the synthetic world: the numbers in its text."""
    return sorted({int(word) for word in re.findall(r"\d+", text)})


def text_of(rules: "set[int] | Sequence[int]") -> str:
    """The system prompt with these rules."""
    return "\n".join([OPENING, *(f"Mind rule {rule}." for rule in sorted(set(rules)))])


def synthetic(regime: str) -> Callable[[int], SyntheticWorld]:
    """Worlds of a regime by seed."""
    return lambda seed: SyntheticWorld(REGIMES[regime], seed, regime)
