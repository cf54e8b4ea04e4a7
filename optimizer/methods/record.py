"""What another optimizer's trials say of its system prompts: plain means, as that optimizer sees them. No posterior, no concurrency."""

import math
from collections.abc import Iterable
from statistics import fmean

from data.records import SystemPrompt, Trial
from optimizer.events import Standing
from optimizer.propose import failed_criteria
from optimizer.proposers import FailedCriterion

UNKNOWN = 0.5
"""The middle of the scale: what is expected where nothing at all was scored yet."""


class Record:
    """System prompts in the order of their birth, with their trials."""

    def __init__(self) -> None:
        self.system_prompts: dict[str, SystemPrompt] = {}
        self._trials: dict[str, list[Trial]] = {}

    def born(self, system_prompt: SystemPrompt) -> int:
        """Takes in a system prompt; its number, from 0."""
        self.system_prompts[system_prompt.id] = system_prompt
        self._trials[system_prompt.id] = []
        return len(self.system_prompts) - 1

    def take(self, trial: Trial) -> None:
        self._trials[trial.request.system_prompt.id].append(trial)

    @property
    def failed(self) -> int:
        """How many trials have no score."""
        return sum(trial.score is None for trials in self._trials.values() for trial in trials)

    def scores(self, identifier: str) -> list[float]:
        return [trial.score for trial in self._trials[identifier] if trial.score is not None]

    def mean(self, identifier: str) -> float | None:
        """Of all scored trials; None where there are none."""
        scores = self.scores(identifier)
        return fmean(scores) if scores else None

    def overall(self) -> float:
        """The mean of everything; :data:`UNKNOWN` where nothing was scored yet."""
        everything = [score for identifier in self.system_prompts for score in self.scores(identifier)]
        return fmean(everything) if everything else UNKNOWN

    def expected(self, identifier: str) -> float:
        """What may be expected of a system prompt: its mean, else that of everything."""
        mean = self.mean(identifier)
        return self.overall() if mean is None else mean

    def failures(self, identifier: str) -> list[FailedCriterion]:
        """What did not hold in the pictures of a system prompt."""
        return [failure for trial in self._trials[identifier] for failure in failed_criteria(trial)]

    @property
    def noise_sd(self) -> float:
        """The standard deviation of scores about the mean of their system prompt; 0 where no system prompt has two."""
        groups = [scores for identifier in self.system_prompts if len(scores := self.scores(identifier)) > 1]
        freedom = sum(len(scores) - 1 for scores in groups)
        squares = math.fsum((score - mean) ** 2 for scores in groups for mean in [fmean(scores)] for score in scores)
        return math.sqrt(squares / freedom) if freedom else 0.0

    def standings(self, favourite: str) -> tuple[Standing, ...]:
        """The measured system prompts, in order of birth: ``sd`` is that of the mean, by the scores' common noise; ``p_best`` is 1 for the
        optimizer's ``favourite`` and 0 for all others, since it knows no chances. Empty until the first one, the root, was scored."""
        if self.mean(next(iter(self.system_prompts))) is None:
            return ()
        noise = self.noise_sd
        return tuple(
            Standing(identifier, fmean(scores), noise / math.sqrt(len(scores)), float(identifier == favourite), len(scores))
            for identifier in self.system_prompts
            if (scores := self.scores(identifier))
        )

    def ranking(self, among: Iterable[str]) -> list[str]:
        """The measured ones of ``among`` by mean, best first; ties go to the older one."""
        measured = [(mean, identifier) for identifier in among if (mean := self.mean(identifier)) is not None]
        return [identifier for _, identifier in sorted(measured, key=lambda entry: -entry[0])]
