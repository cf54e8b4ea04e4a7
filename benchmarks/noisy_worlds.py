"""Scores whose noise is known by source: simulated ledgers, and the embedded world with a judge that errs on purpose.

For judge_noise.py alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from data.identity import derived_random, derived_seed
from data.records import Criterion, CriterionScore, GeneratedImage, Judgment, Trial, TrialRequest
from generator import ImageGenerator, ImageRequest
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.judges import Judge, JudgeRequest
from optimizer.judges.aggregate import aggregate
from optimizer.moments import Place
from optimizer.noise import Component, Components
from optimizer.stage import StageLimits
from optimizer.stats import Interval

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Numbers of mean 0 and variance 1 in the shape given."""

ITEMS = 5
"""Items of a simulated checklist."""
ITEM_FLIPS = 0.1
"""The chance that the simulated judge answers an item wrong."""
PLANTED = (0.05, 0.15)
"""The chances that the judge of the embedded world answers wrong."""
MOST_ITEMS = 8
"""Of the checklists that this judge is given: all ways to flip them are gone through."""
PROMPTS = 40
"""Of the embedded world, each tried with two system prompts, two samples, two seeds and two looks."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A kind of scores with known variances. ``draw`` simulates an array of them: prompts × system prompts × samples × seeds × looks.
    ``keep``: the chance that a trial is in the ledger."""

    name: str
    truth: Mapping[str, float]
    draw: Callable[[np.random.Generator, tuple[int, int, int, int, int]], Floats]
    system_prompts: int = 2
    keep: float = 1.0

    @property
    def components(self) -> Components:
        """The truth, as if it had been measured."""

        def known(source: str) -> Component:
            return Component(Interval(self.truth[source], None, None), 1, False)

        return Components(
            look=known("look"),
            seed=known("seed"),
            sample=known("sample"),
            prompt=known("prompt"),
            interaction=known("interaction"),
            prompts=1,
            system_prompts=2,
            trials=1,
            unscored=0,
        )

    def ledger(self, generator: np.random.Generator) -> dict[Place, float]:
        """60 prompts, two samples, seeds and looks; some of the trials are missing where not all are kept."""
        scores = self.draw(generator, (60, self.system_prompts, 2, 2, 2))
        kept = generator.random(scores.shape) < self.keep
        return {
            Place(str(arm), str(prompt), sample, seed, look): float(scores[prompt, arm, sample, seed, look])
            for prompt, arm, sample, seed, look in np.argwhere(kept).tolist()
        }

    def differences(self, generator: np.random.Generator, prompts: int, seeds: int) -> Floats:
        """The differences of two system prompts that do equally well, by prompt."""
        means = self.draw(generator, (prompts, 2, 1, seeds, 1)).mean(axis=(2, 3, 4))
        return means[:, 0] - means[:, 1]


SPREADS = {"look": 0.06, "seed": 0.10, "sample": 0.08, "interaction": 0.10, "common": 0.17}
"""Standard deviations of the additive regimes; ``common`` is what a prompt has under all system prompts."""


def _additive(draw: Draw) -> Callable[[np.random.Generator, tuple[int, int, int, int, int]], Floats]:
    """Scores that are sums of independent parts."""

    def scores(generator: np.random.Generator, shape: tuple[int, int, int, int, int]) -> Floats:
        total = np.full(shape, 0.5)
        for depth, source in ((1, "common"), (2, "interaction"), (3, "sample"), (4, "seed"), (5, "look")):
            part = SPREADS[source] * draw(generator, shape[:depth])
            total += part.reshape(*shape[:depth], *(1,) * (5 - depth))
        return total

    return scores


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.normal(size=shape)


def _heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Student's t with 5 degrees of freedom: its fourth moment is three times the normal one's."""
    return generator.standard_t(5, size=shape) / np.sqrt(5 / 3)


CHANCES = {"common": 0.2, "interaction": 0.1, "sample": 0.08}
"""How far the chance that an item is in the picture moves up or down, by source, around 0.55: two values each."""


def _checklists(generator: np.random.Generator, shape: tuple[int, int, int, int, int]) -> Floats:
    """Shares of five items that a judge says yes to: each is in the picture by a chance that depends on prompt and rewrite, and the judge
    errs about each by chance. Few values in [0, 1], and noise that depends on the quality."""
    chance = np.full(shape[:3], 0.55)
    for depth, source in ((1, "common"), (2, "interaction"), (3, "sample")):
        signs = generator.choice([-1.0, 1.0], size=shape[:depth])
        chance += CHANCES[source] * signs.reshape(*shape[:depth], *(1,) * (3 - depth))
    there = generator.random((*shape[:4], ITEMS)) < chance[..., None, None]
    wrong = generator.random((*shape, ITEMS)) < ITEM_FLIPS
    return (there[..., None, :] != wrong).mean(axis=-1)


def _checklist_truth() -> dict[str, float]:
    squares = {source: step**2 for source, step in CHANCES.items()}
    heard = (1.0 - 2.0 * ITEM_FLIPS) ** 2
    item = 0.55 * 0.45 - sum(squares.values())
    return {
        "look": ITEM_FLIPS * (1.0 - ITEM_FLIPS) / ITEMS,
        "seed": heard * item / ITEMS,
        "sample": heard * squares["sample"],
        "prompt": heard * (squares["common"] + squares["interaction"]),
        "interaction": heard * squares["interaction"],
    }


_ADDED = {source: spread**2 for source, spread in SPREADS.items() if source != "common"}
_SUMS = {**_ADDED, "prompt": SPREADS["common"] ** 2 + SPREADS["interaction"] ** 2}
REGIMES = (
    Regime("normal", _SUMS, _additive(_normal)),
    Regime("heavy tails", _SUMS, _additive(_heavy)),
    Regime("checklists of five", _checklist_truth(), _checklists),
    Regime("unbalanced, half lost", _SUMS, _additive(_normal), 3, 0.5),
)


# -- the embedded world


class FlippingJudge:
    """A Judge that flips each answer of the inner one with a known chance, anew at every look."""

    def __init__(self, inner: Judge, flip_rate: float) -> None:
        self._inner = inner
        self._flip_rate = flip_rate
        self.identity = f"flipping {flip_rate} {inner.identity}"
        self.unflipped: dict[tuple[str, str], Judgment] = {}
        """What the inner judge said, by image and prompt."""

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        outcomes = await self._inner(requests)
        return [
            outcome if isinstance(outcome, Exception) else self._flipped(request, outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    def _flipped(self, request: JudgeRequest, judgment: Judgment) -> Judgment:
        self.unflipped[request.image.sha256, request.prompt.id] = judgment
        luck = derived_random("flips", request.image.sha256, request.prompt.id, request.look)
        scores = tuple(
            score if score.score is None or luck.random() >= self._flip_rate else replace(score, score=1.0 - score.score)
            for score in judgment.scores
        )
        return Judgment(aggregate(request.prompt.checklist, scores), scores)


class Remembering:
    """An ImageGenerator that draws each picture once."""

    def __init__(self, inner: ImageGenerator) -> None:
        self._inner = inner
        self._drawn: dict[str, GeneratedImage | Exception] = {}

    @property
    def identity(self) -> str:
        return self._inner.identity

    @property
    def text_limit(self) -> None:
        return None

    @property
    def ratios(self) -> tuple[str, ...]:
        return ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        missing = [request for request in requests if request.key("") not in self._drawn]
        drawn = await self._inner(missing) if missing else ()
        self._drawn.update((request.key(""), image) for request, image in zip(missing, drawn, strict=True))
        return [self._drawn[request.key("")] for request in requests]


def judged_twice(flip_rate: float) -> tuple[list[Trial], float]:
    """Trials of the embedded world with second looks of a judge that errs with ``flip_rate``, and the variance that it adds by that."""
    return asyncio.run(_judged_twice(flip_rate))


async def _judged_twice(flip_rate: float) -> tuple[list[Trial], float]:
    from data.formats import load_prompts
    from generator.engines.embedded import EmbeddedGenerator
    from optimizer.judges.scene import SceneJudge
    from reasoner.engines.embedded import EmbeddedReasoner
    from reasoner.library import shipped
    from reasoner.rewrite import Rewriter

    judge = FlippingJudge(SceneJudge(), flip_rate)
    limits = StageLimits(concurrency=2, batch=8)
    pipeline = Pipeline(Rewriter(EmbeddedReasoner()), Remembering(EmbeddedGenerator()), judge, limits, limits, limits)
    short = [prompt for prompt in load_prompts("scenes") if len(prompt.checklist) <= MOST_ITEMS]
    prompts = derived_random("judge noise prompts").sample(short, PROMPTS)
    requests = [
        TrialRequest(system_prompt, prompt, sample, derived_seed("judge noise", prompt.id, sample, number) >> 32, look)
        for prompt in prompts
        for system_prompt in (shipped("plain"), shipped("general"))
        for sample, number, look in product(range(2), range(2), range(2))
    ]
    async with Evaluator(pipeline) as evaluator:
        trials = [trial async for trial in evaluator.stream(requests)]
    return trials, planted_variance(trials, judge, flip_rate)


def planted_variance(trials: Sequence[Trial], judge: FlippingJudge, flip_rate: float) -> float:
    """What flips add to the variance of a look, the mean over images: by going through all ways to flip each one's answers."""
    images = {
        (trial.image.sha256, trial.request.prompt.id): trial.request.prompt for trial in trials if trial.image and trial.score is not None
    }
    return float(np.mean([_flip_variance(prompt.checklist, judge.unflipped[place].scores, flip_rate) for place, prompt in images.items()]))


def _flip_variance(checklist: Sequence[Criterion], scores: Sequence[CriterionScore], flip_rate: float) -> float:
    asked = [score for score in scores if score.score is not None]
    rest = [score for score in scores if score.score is None]
    first = second = 0.0
    for flips in product((False, True), repeat=len(asked)):
        chance = float(np.prod([flip_rate if flip else 1.0 - flip_rate for flip in flips]))
        said = [
            replace(score, score=1.0 - score.score) if flip and score.score is not None else score
            for score, flip in zip(asked, flips, strict=True)
        ]
        value = aggregate(checklist, [*said, *rest])
        first += chance * value
        second += chance * value**2
    return second - first**2
