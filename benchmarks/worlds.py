"""Worlds for benchmarks and tests: engines that do nothing, and a noisy synthetic world for the search.

The synthetic world is the classical one: a system prompt is a set of numbered rules, each of which helps or harms some categories of
prompts; a score is a logistic function of the rules and the prompt's difficulty, with noise per image and per judgment. The quality of a
system prompt is known exactly, so that a search's claim can be held against the truth. It has no pixels; the embedded world has.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.identity import derived_random, derived_seed
from data.records import GeneratedImage, Judgment, Prompt, Rewrite, Split, SystemPrompt
from generator import ImageRequest
from optimizer.judges import JudgeRequest
from optimizer.proposers import Proposal, ProposalRequest
from reasoner import RewriteRequest

RULES = 60
CATEGORIES = 6


class IdleReasoner:
    """Answers at once with the user's text and the system prompt's id: distinct, and free."""

    identity = "idle:1"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [Rewrite(f"{request.prompt.text} {request.system_prompt.text} {request.sample}") for request in requests]


class IdleGenerator:
    """Draws nothing: the request's words and seed are hashed in place of pixels."""

    identity = "idle:1"
    text_limit = None
    ratios = ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [GeneratedImage(hashlib.sha256(f"{request.seed} {request.text}".encode()).hexdigest(), 1, 1) for request in requests]


class IdleJudge:
    """Finds everything half good."""

    identity = "idle:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [Judgment(0.5) for _ in requests]


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of a score's noise, per image and per judgment; ``shared``: the images' share common to all system prompts."""

    image: float = 0.15
    judge: float = 0.10
    shared: float = 0.3


@dataclass(slots=True)
class SyntheticWorld:
    """One world, drawn from ``seed``. ``effect_scale`` 0 makes all system prompts do the same: the A/A world."""

    seed: int
    noise: Noise = Noise()
    effect_scale: float = 1.0
    effects: "np.ndarray[tuple[int, int], np.dtype[np.float64]]" = field(init=False)

    def __post_init__(self) -> None:
        generator = np.random.default_rng(derived_seed("world", self.seed))
        self.effects = np.zeros((RULES, CATEGORIES))
        for rule in range(RULES):
            kind = generator.random()
            touched = generator.choice(CATEGORIES, size=generator.integers(1, 4), replace=False)
            size = generator.uniform(0.15, 0.6, len(touched))
            if kind < 0.30:
                self.effects[rule, touched] = size
            elif kind < 0.70:
                self.effects[rule] = generator.normal(0.0, 0.03, CATEGORIES)
            else:
                self.effects[rule, touched] = -size
        self.effects *= self.effect_scale

    def prompts(self, search: int = 60, select: int = 20, test: int = 100) -> list[Prompt]:
        """Prompts with a category and a difficulty, both readable from the text by this world alone."""
        generator = np.random.default_rng(derived_seed("prompts", self.seed))
        splits = [Split.SEARCH] * search + [Split.SELECT] * select + [Split.TEST] * test
        return [
            Prompt(f"{number} {generator.integers(CATEGORIES)} {generator.normal(-0.4, 0.7):.6f}", split=split)
            for number, split in enumerate(splits)
        ]

    def quality(self, system_prompt: SystemPrompt, prompt: Prompt) -> float:
        """The true mean score of a system prompt on a prompt."""
        _, category, difficulty = prompt.text.split()
        rules = rules_of(system_prompt.text)
        return 1.0 / (1.0 + math.exp(-float(difficulty) - sum(self.effects[rule, int(category)] for rule in rules)))

    def true_mean(self, system_prompt: SystemPrompt, prompts: Sequence[Prompt]) -> float:
        """The truth about a system prompt."""
        return sum(self.quality(system_prompt, prompt) for prompt in prompts) / len(prompts)


def rules_of(text: str) -> list[int]:
    """The rules of a system prompt of this world: the numbers in its text."""
    return sorted({int(word) for word in text.split() if word.isdecimal()})


def system_prompt_of(rules: Sequence[int], name: str = "") -> SystemPrompt:
    return SystemPrompt(" ".join(["rules", *map(str, sorted(set(rules)))]), name)


class SyntheticReasoner:
    """Passes on the system prompt's rules and the prompt: this world's generator needs both."""

    identity = "synthetic:1"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [Rewrite(f"{request.system_prompt.text} | {request.prompt.text} | {request.sample}") for request in requests]


class SyntheticGenerator:
    """Draws a number instead of a picture: the quality with the image's noise, carried in the place of the file's hash."""

    def __init__(self, world: SyntheticWorld) -> None:
        self._world = world
        self.identity = f"synthetic:{world.seed}"
        self.text_limit = None
        self.ratios = ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [GeneratedImage(f"{self._draw(request)!r}", 1, 1) for request in requests]

    def _draw(self, request: ImageRequest) -> float:
        rules, prompt, _ = request.text.split(" | ")
        noise = self._world.noise
        common = _normal("common", self._world.seed, prompt, request.seed)
        own = _normal("own", self._world.seed, request.text, request.seed)
        quality = self._world.quality(SystemPrompt(rules), Prompt(prompt))
        return quality + noise.image * (math.sqrt(noise.shared) * common + math.sqrt(1.0 - noise.shared) * own)


class SyntheticJudge:
    """Reads the number, and errs."""

    def __init__(self, world: SyntheticWorld) -> None:
        self._world = world
        self.identity = f"synthetic:{world.seed}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [Judgment(self._value(request)) for request in requests]

    def _value(self, request: JudgeRequest) -> float:
        error = self._world.noise.judge * _normal("judge", self._world.seed, request.image.sha256, request.prompt.text)
        return min(1.0, max(0.0, float(request.image.sha256) + error))


class SyntheticProposer:
    """A mock reflection: with chance ``informed`` it adds a rule that truly helps some category, else any rule; at times it drops one."""

    def __init__(self, world: SyntheticWorld, informed: float = 0.35) -> None:
        self._world = world
        self._informed = informed
        self.identity = f"synthetic:{world.seed}"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        random = derived_random("proposal", self._world.seed, request.seed)
        rules = {rule for parent in request.parents for rule in rules_of(parent.system_prompt.text)}
        if rules and random.random() < 0.15:
            rules.remove(random.choice(sorted(rules)))
            return Proposal(system_prompt_of(sorted(rules)).text, "a rule less")
        left = [rule for rule in range(RULES) if rule not in rules]
        category = random.randrange(CATEGORIES)
        helpful = [rule for rule in left if self._world.effects[rule, category] > 0.1 * self._world.effect_scale]
        pool = helpful if helpful and random.random() < self._informed else left
        return Proposal(system_prompt_of([*rules, random.choice(pool)]).text, f"for category {category}")


def _normal(*names: object) -> float:
    return derived_random(*names).gauss(0.0, 1.0)
