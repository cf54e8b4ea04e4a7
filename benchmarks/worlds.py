"""Worlds for benchmarks and tests of whole runs: engines that do nothing, and the noisy synthetic world with all that a run needs.

The synthetic world itself, its regimes and its reflection are those of the contest of searches (benchmarks/search/worlds.py). Here it gets
prompts for all three parts of a run, the stages of a pipeline, and the truth that a claim is held against. It has no pixels; the embedded
world has.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from benchmarks.search.worlds import CATEGORIES, DIFFICULTY, MIDDLE, SEARCH_PROMPTS, Floats, Regime, SyntheticWorld, text_of
from data.identity import derived_seed
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    GeneratedImage,
    Judgment,
    Prompt,
    Rewrite,
    Split,
    SystemPrompt,
)
from generator import ImageRequest
from optimizer.compare import Arm
from optimizer.evaluate import Pipeline
from optimizer.judges import JudgeRequest
from optimizer.optimize import Problem
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.stage import StageLimits
from reasoner import RewriteRequest

SELECT_PROMPTS = 20
TEST_PROMPTS = 100
REFERENCE = "general"
SEPARATOR = " | "


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


def synthetic_world(seed: int, regime: Regime = MIDDLE) -> SyntheticWorld:
    """A world with prompts for a whole run; ``Regime(effects=0.0)`` makes all system prompts do the same."""
    return SyntheticWorld(regime, seed, prompts=SEARCH_PROMPTS + SELECT_PROMPTS + TEST_PROMPTS)


def prompts_of(world: SyntheticWorld) -> list[Prompt]:
    """The world's prompts, each named by its number. All are drawn from one population, so those to test on are like those to search on."""
    splits = [Split.SEARCH] * SEARCH_PROMPTS + [Split.SELECT] * SELECT_PROMPTS + [Split.TEST] * TEST_PROMPTS
    checklist = (Criterion("whole", "The picture is good.", CriterionKind.ENTITY),)
    return [Prompt(str(number), checklist, str(world.categories[number]), split=split) for number, split in enumerate(splits)]


def system_prompt_of(rules: Sequence[int], name: str = "") -> SystemPrompt:
    """The system prompt with these rules."""
    return SystemPrompt(text_of(rules), name)


def synthetic_problem(world: SyntheticWorld, seed: int) -> Problem:
    """A whole run in ``world``: it starts from the empty system prompt and from one rule, as `phoropter optimize` does from ``plain`` and
    ``general``."""
    arms = [
        Arm("none", system_prompt_of([1])),
        Arm("plain", system_prompt_of([], "plain")),
        Arm(REFERENCE, system_prompt_of([0], REFERENCE)),
    ]
    return Problem(prompts_of(world), [arm.system_prompt for arm in arms[1:]], arms, REFERENCE, seed)


def synthetic_pipeline(world: SyntheticWorld) -> Pipeline:
    """The world's three stages."""
    limits = StageLimits(concurrency=2, batch=32)
    return Pipeline(SyntheticReasoner(), SyntheticGenerator(world), SyntheticJudge(world), limits, limits, limits)


class SyntheticReasoner:
    """Passes on the system prompt's rules and the prompt: this world's judge needs both."""

    identity = "synthetic:1"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [Rewrite(f"{request.system_prompt.text}{SEPARATOR}{request.prompt.text}") for request in requests]


class SyntheticGenerator:
    """Draws words instead of a picture: rules, prompt and seed, carried in the place of the file's hash."""

    def __init__(self, world: SyntheticWorld) -> None:
        self.identity = f"synthetic:{world.seed}"
        self.text_limit = None
        self.ratios = ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [GeneratedImage(f"{request.text}{SEPARATOR}{request.seed}", 1, 1) for request in requests]


class SyntheticJudge:
    """Says what the world's score is, its noise included."""

    def __init__(self, world: SyntheticWorld) -> None:
        self._world = world
        self.identity = f"synthetic:{world.seed}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [self._judged(request) for request in requests]

    def _judged(self, request: JudgeRequest) -> Judgment:
        text, prompt, seed = request.image.sha256.split(SEPARATOR)
        value = self._world.score(text, int(prompt), int(seed), request.look)
        return Judgment(value, (CriterionScore("whole", value, f"{value:.4f}"),))


class SyntheticProposer:
    """The world's reflection. What it reads are the failed criteria of a request: a prompt's number, and its score as the evidence."""

    def __init__(self, world: SyntheticWorld) -> None:
        self._world = world
        self.identity = f"synthetic:{world.seed}"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        evidence = [(int(failure.prompt_text), float(failure.evidence)) for parent in request.parents for failure in parent.failures]
        parents = [parent.system_prompt.text for parent in request.parents]
        return Proposal(self._world.propose(request.operation, parents, evidence, request.seed), request.operation.value)


DRAWS = 100_000
"""Of the noise, to know its effect on a score by: the same for all scores, so that what they leave open cancels in a difference."""


def population_mean(world: SyntheticWorld, text: str) -> float:
    """The truth about a system prompt: its expected score over all prompts that the world could have drawn, and all noise.

    That is what an endless measurement would say. It is not the quality without noise: a scale that ends at 0 and 1, or knows few
    steps, moves means, too.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(48)
    mean, sd = DIFFICULTY
    chances = 1.0 / (1.0 + np.exp(-(world.logits(text)[:, None] + mean + sd * nodes)))
    grid, expected = _expected_scores(world.regime)
    return float((np.interp(chances, grid, expected) @ weights).sum() / weights.sum() / CATEGORIES)


@cache
def _expected_scores(regime: Regime) -> tuple[Floats, Floats]:
    """The expected score for each of a grid of qualities."""
    generator = np.random.default_rng(derived_seed("expected scores"))
    draws = [_noise(generator, regime) for _ in range(3)]
    shared = math.sqrt(regime.shared) * draws[0] + math.sqrt(1.0 - regime.shared) * draws[1]
    noise = regime.image * shared + regime.judge * draws[2]
    grid = np.linspace(0.0, 1.0, 401)
    return grid, np.array([_on_scale(quality + noise, regime).mean() for quality in grid])


def _on_scale(values: Floats, regime: Regime) -> Floats:
    values = values.clip(0.0, 1.0)
    return np.round(values * regime.levels) / regime.levels if regime.levels else values


def _noise(generator: np.random.Generator, regime: Regime) -> Floats:
    """Draws of mean 0 and variance 1, each with its opposite."""
    if regime.tails is None:
        half = generator.standard_normal(DRAWS // 2)
    else:
        half = generator.standard_t(regime.tails, DRAWS // 2) * math.sqrt((regime.tails - 2.0) / regime.tails)
    return np.concatenate([half, -half])
