"""What a search over a dspy program found, and what of it may be claimed. Plain values: they travel on the program that was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.identity import derived_seed
from data.records import Operation, Trial
from optimizer.compare import CLAIM_LEVEL, prompt_scores
from optimizer.stats import Interval, bootstrap_mean, sign_flip_p


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate of the search: its ``instructions`` by predictor, where it comes from, and what is believed of it.

    ``parents`` are places among the results' candidates. ``mean`` and ``sd``: of its score, given all that was measured; ``p_best``: the
    chance that no other candidate is better. ``evaluations``: those that gave it a score.
    """

    instructions: Mapping[str, str]
    parents: tuple[int, ...]
    operation: Operation
    reason: str
    mean: float
    sd: float
    p_best: float
    evaluations: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The best candidate against the original on examples that the search never saw, paired by example.

    ``gain``: the mean difference with its 95% interval. ``p_value``: of no difference, by sign flips. ``examples`` had a score on both
    sides; ``dropped`` had not, and count on neither.
    """

    gain: Interval
    p_value: float
    best: float
    original: float
    examples: int
    dropped: int

    @property
    def claimed(self) -> bool:
        """Whether the gain may be claimed: its interval lies above 0, and chance alone would hardly bring it about."""
        return self.gain.low is not None and self.gain.low > 0.0 and self.p_value <= CLAIM_LEVEL


@dataclass(frozen=True, slots=True)
class SearchResults:
    """All of a search. ``candidates`` in order of birth, the original program first; ``best`` is the place of the one that was returned.

    ``held_out``: None without a valset, where the original stayed the best, or where no example had a score on both sides.
    ``evaluations`` were made in all, failed ones included; ``trials`` are their records, those of the held-out examples last.
    """

    candidates: tuple[Tried, ...]
    best: int
    held_out: HeldOut | None
    evaluations: int
    trials: tuple[Trial, ...]

    @property
    def claimed(self) -> bool:
        """Whether it may be said that the returned program is better than the original."""
        return self.held_out is not None and self.held_out.claimed

    def __str__(self) -> str:
        best, original = self.candidates[self.best], self.candidates[0]
        failed = sum(trial.score is None for trial in self.trials)
        lines = [
            f"{self.evaluations} evaluations ({failed} failed), {len(self.candidates)} candidates; best is {self.best}: "
            f"believed {best.mean:.3f} (original {original.mean:.3f})"
        ]
        if self.held_out is not None:
            lines.append(_held_out_in_words(self.held_out))
        elif self.best:
            lines.append("not measured on held-out examples: no gain can be claimed")
        else:
            lines.append("nothing better than the original was found")
        return "\n".join(lines)


def _held_out_in_words(held_out: HeldOut) -> str:
    low, high = held_out.gain.low, held_out.gain.high
    interval = "" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]"
    dropped = f", {held_out.dropped} dropped" if held_out.dropped else ""
    p_value = f"{held_out.p_value:.3f}" if held_out.p_value >= 0.001 else "<.001"
    verdict = "may be claimed" if held_out.claimed else "may not be claimed"
    return f"held out: {held_out.gain.estimate:+.3f}{interval}, p {p_value}, {held_out.examples} examples{dropped}; {verdict}"


def hold_out(best: Sequence[Trial], original: Sequence[Trial], seed: int) -> HeldOut | None:
    """The paired comparison of two programs' trials on the same examples; None where no example was scored on both sides."""
    ours, theirs = prompt_scores(best), prompt_scores(original)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    gains = [ours[prompt] - theirs[prompt] for prompt in common]
    return HeldOut(
        gain=bootstrap_mean(gains, seed=derived_seed(seed, "held out")),
        p_value=sign_flip_p(gains, seed=derived_seed(seed, "held out")),
        best=sum(ours[prompt] for prompt in common) / len(common),
        original=sum(theirs[prompt] for prompt in common) / len(common),
        examples=len(common),
        dropped=len({trial.request.prompt.id for trial in (*best, *original)}) - len(common),
    )
