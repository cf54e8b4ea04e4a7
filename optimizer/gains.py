"""What a search itself would say of its winner's gain: as the search trials have it, and as the posterior does.

Both are no claim. The raw figure is what an optimizer without a confirmation reports; it is too high on average, since the winner is the
winner partly by luck. They stand beside the confirmed gain so that everybody can see by how much.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from data.records import Trial
from optimizer.beliefs import Beliefs
from optimizer.stats import CONFIDENCE, Interval


@dataclass(frozen=True, slots=True)
class SearchGain:
    """The winner less the arm ``reference``. ``raw``: the difference of their mean scores in the search, each over its own trials.
    ``shrunk``: that of their posterior means, with its interval.

    None where there is nothing to say: the reference was not part of the search, the winner was put together at its end and has no
    score of the search, or the method has no posterior.
    """

    reference: str
    raw: float | None
    shrunk: Interval | None


@dataclass(slots=True)
class SearchScores:
    """The scores of the search trials, by system prompt."""

    scores: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, trial: Trial) -> None:
        if trial.score is not None:
            self.scores[trial.request.system_prompt.id].append(trial.score)

    def difference(self, ours: str, theirs: str) -> float | None:
        """One system prompt's mean less another's, by id; None where one has no score."""
        if ours not in self.scores or theirs not in self.scores:
            return None
        return _mean(self.scores[ours]) - _mean(self.scores[theirs])


def _mean(scores: Sequence[float]) -> float:
    # Exact whatever the order: trials end in another one each time.
    return math.fsum(scores) / len(scores)


def shrunk_difference(beliefs: Beliefs, ours: int, theirs: int) -> Interval:
    """The posterior difference of two candidates, by number, with its interval."""
    mean, sd = beliefs.difference(ours, theirs)
    reach = NormalDist().inv_cdf((1.0 + CONFIDENCE) / 2.0) * sd
    return Interval(mean, mean - reach, mean + reach)
