"""What is known of some system prompts → a new one. ``Proposer`` is the protocol; engines lie beside this file.

A proposer sees failed criteria with the judge's evidence, what was tried on its parents and how that went, and a length to keep to. It
never sees the prompts of another split. Of what held, it sees the weakest, where too little failed to learn from.
"""

from dataclasses import asdict, dataclass
from typing import Protocol

from data.identity import content_id
from data.records import CriterionKind, Need, Operation, SystemPrompt, Usage


@dataclass(frozen=True, slots=True)
class FailedCriterion:
    """One statement that did not hold in one picture, or held where it may not: what the user asked for, the statement, what the judge saw,
    what the reasoner had written. ``image``: the picture's sha256, "" where there is none to be looked at."""

    prompt_text: str
    criterion: str
    kind: CriterionKind
    evidence: str
    rewrite: str
    need: Need = Need.MUST
    image: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A child already made from this parent. ``gain`` is its posterior mean minus the parent's, None where unmeasured; ``trials`` its
    scored trials."""

    operation: Operation
    text: str
    gain: float | None
    trials: int


@dataclass(frozen=True, slots=True)
class ParentHistory:
    """What is known of a parent: its posterior ``mean`` score in [0, 1], its scored ``trials``, a sample of failed criteria, its children.

    ``weakest``: criteria that passed, but least clearly, where fewer failed than a proposer can read."""

    system_prompt: SystemPrompt
    mean: float
    trials: int
    failures: tuple[FailedCriterion, ...]
    attempts: tuple[Attempt, ...]
    weakest: tuple[FailedCriterion, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """Make a system prompt of at most ``max_words`` words from ``parents`` (several for a merge, one for all else) by ``operation``."""

    operation: Operation
    parents: tuple[ParentHistory, ...]
    max_words: int
    seed: int

    def key(self, proposer: str) -> str:
        """The content key of the answer: all that determines it. Means and gains are rounded, so that the last bit of a sum is no new
        question."""
        return content_id(
            "proposal", [proposer, self.operation.value, [_parent_key(parent) for parent in self.parents], self.max_words, self.seed]
        )


def _parent_key(parent: ParentHistory) -> list[object]:
    failures, weakest = ([asdict(one) for one in shown] for shown in (parent.failures, parent.weakest))
    attempts = [
        [attempt.operation.value, attempt.text, None if attempt.gain is None else round(attempt.gain, 6), attempt.trials]
        for attempt in parent.attempts
    ]
    return [parent.system_prompt.id, round(parent.mean, 6), parent.trials, failures, weakest, attempts]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposer's answer: the new system prompt's text, and why, in words for the lineage."""

    text: str
    reason: str
    usage: Usage = Usage()
    latency: float = 0.0


class Proposer(Protocol):
    """Writes system prompts. ``identity`` holds everything besides the request that determines an answer. Raises StageError."""

    @property
    def identity(self) -> str: ...

    async def __call__(self, request: ProposalRequest) -> Proposal: ...
