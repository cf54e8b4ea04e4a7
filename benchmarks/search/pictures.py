"""The embedded world as a World: real pictures, painted and measured by the engines of `phoropter optimize --profile embedded`.

An image takes a few hundredths of a second here, so few worlds of it can be played. Worlds differ in their search prompts and in the luck
of images and proposals; the truth is measured on the same test prompts and seeds for all.
"""

import asyncio
import statistics
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from benchmarks.search.worlds import SEARCH_PROMPTS, Evidence
from data.errors import StageError
from data.formats import load_prompts
from data.identity import derived_random, derived_seed
from data.records import Operation, Prompt, Split, SystemPrompt, Trial, TrialRequest
from generator.engines.embedded import EmbeddedGenerator
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.judges.scene import SceneJudge
from optimizer.plan import Policy
from optimizer.propose import FAILURES_SHOWN, failed_criteria, propose
from optimizer.proposers import ParentHistory, ProposalRequest
from optimizer.proposers.embedded import EmbeddedProposer
from optimizer.stage import StageLimits
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.library import shipped
from reasoner.rewrite import Rewriter

ROOT = "general"
"""The shipped system prompt that everybody starts from, as `phoropter optimize` does."""
TEST_SEEDS = 2
RETRIES = 3
"""A pass that fails is made again with another seed, so often: no failure is a score."""
T = TypeVar("T")


@dataclass(slots=True)
class PictureWorld:
    """One world, with search prompts and luck by ``seed``."""

    seed: int
    name: str = "embedded pictures"
    closed: bool = False
    root: str = field(default_factory=lambda: shipped(ROOT).text)
    prompts: Sequence[Prompt] = field(init=False)
    categories: Sequence[int] = field(init=False)
    _trials: dict[tuple[str, int], list[Trial]] = field(default_factory=dict[tuple[str, int], list[Trial]])

    def __post_init__(self) -> None:
        self.prompts = derived_random("pictures", self.seed).sample(_prompts((Split.SEARCH, Split.SELECT)), SEARCH_PROMPTS)
        names = sorted({prompt.category for prompt in self.prompts})
        self.categories = [names.index(prompt.category) for prompt in self.prompts]

    def score(self, text: str, prompt: int, seed: int, look: int = 0) -> float:
        # The scene judge sees the same in the same picture: another look is no other score.
        trial = None
        for again in range(RETRIES):
            trial = _studio().draw(text, self.prompts[prompt], derived_seed("pictures", self.seed, prompt, seed, again) >> 32)
            if trial.score is not None:
                self._trials.setdefault((text, prompt), []).append(trial)
                return trial.score
        raise RuntimeError(f"{RETRIES} passes of one prompt failed; the last: {trial and trial.failure}")

    def propose(self, operation: Operation, parents: Sequence[str], evidence: Evidence, seed: int) -> str:
        """The embedded proposer's answer to what failed on the evidence's prompts; the parent where it has no usable one."""
        histories = tuple(self._history(parent, evidence, seed) for parent in parents)
        request = ProposalRequest(operation, histories, Policy().max_words, derived_seed("pictures", self.seed, "proposal", seed))
        try:
            return _studio().propose(request, self.prompts)
        except StageError:
            return parents[0]

    def _history(self, parent: str, evidence: Evidence, seed: int) -> ParentHistory:
        trials = [trial for prompt in dict.fromkeys(prompt for prompt, _ in evidence) for trial in self._trials.get((parent, prompt), [])]
        failures = [failure for trial in trials for failure in failed_criteria(trial)]
        shown = derived_random("pictures", self.seed, "failures", seed).sample(failures, min(FAILURES_SHOWN, len(failures)))
        mean = statistics.fmean(score for _, score in evidence) if evidence else 0.0
        return ParentHistory(SystemPrompt(parent), mean, len(trials), tuple(shown), ())

    def quality(self, text: str) -> float:
        return _quality(text)


@cache
def _prompts(splits: tuple[Split, ...]) -> list[Prompt]:
    return [prompt for prompt in load_prompts("scenes") if prompt.split in splits]


@cache
def _quality(text: str) -> float:
    """The mean over the test prompts: of their seeds first, of those that were drawn."""
    prompts = _prompts((Split.TEST,))
    by_prompt = [
        [score for number in range(TEST_SEEDS) if (score := _studio().draw(text, prompt, number).score) is not None] for prompt in prompts
    ]
    return statistics.fmean(statistics.fmean(scores) for scores in by_prompt if scores)


class _Studio:
    """The engines, on a loop in a thread of their own: who searches may have a loop running."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="pictures", daemon=True).start()
        limits = StageLimits(concurrency=1, batch=8)
        self._pipeline = Pipeline(Rewriter(EmbeddedReasoner()), EmbeddedGenerator(), SceneJudge(), limits, limits, limits)
        self._proposer = EmbeddedProposer()

    def draw(self, text: str, prompt: Prompt, seed: int) -> Trial:
        """One pass."""
        return self._wait(self._draw(TrialRequest(SystemPrompt(text), prompt, sample=seed, seed=seed)))

    def propose(self, request: ProposalRequest, prompts: Sequence[Prompt]) -> str:
        known = frozenset(parent.system_prompt.id for parent in request.parents)
        return self._wait(propose(self._proposer, request, prompts, known)).text

    async def _draw(self, request: TrialRequest) -> Trial:
        async with Evaluator(self._pipeline) as evaluator:
            return await evaluator.run(request)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@cache
def _studio() -> _Studio:
    """One for all worlds of a process."""
    return _Studio()
