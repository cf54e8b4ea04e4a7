"""What a run says while it goes: everything the ledger keeps and a live view shows, as frozen values in the order of happening.

The order in which trials are reported depends on which finished first; nothing else does, and no decision is taken from that order.
"""

from dataclasses import dataclass
from enum import StrEnum

from data.records import Derivation, Failure, Trial
from optimizer.compare import Comparison
from optimizer.gains import SearchGain
from optimizer.proposers import Proposal


class Phase(StrEnum):
    """The three parts of a run, on three splits of the prompts; then what is measured again with another engine, in runs of its own."""

    SEARCH = "search"
    SELECT = "select"
    CONFIRM = "confirm"
    OTHER_JUDGE = "other judge"
    OTHER_GENERATOR = "other generator"


@dataclass(frozen=True, slots=True)
class Born:
    """A system prompt entered the lineage; ``ordinal`` counts them from 0."""

    ordinal: int
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class TrialDone:
    """A trial ended, with a judgment or a failure."""

    phase: Phase
    trial: Trial


@dataclass(frozen=True, slots=True)
class ProposalDone:
    """The proposer answered the request with this ``key``: with a proposal, or a failure that is on record."""

    key: str
    outcome: Proposal | Failure


@dataclass(frozen=True, slots=True)
class Standing:
    """What is believed of one system prompt: posterior ``mean`` and ``sd`` of its score, chance to be the best, scored trials so far."""

    system_prompt_id: str
    mean: float
    sd: float
    p_best: float
    trials: int


@dataclass(frozen=True, slots=True)
class RoundSealed:
    """All trials of a round are in, and decisions may rest on them.

    ``images`` counts the run's so far. ``failed`` are the ids of its unscored trials: they stand, also when the run is resumed, while
    failures of a round that was never sealed are tried again.
    """

    number: int
    phase: Phase
    images: int
    noise_sd: float
    standings: tuple[Standing, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    """The search is over: ``winner`` is what will be confirmed, the first of the ``shortlist`` (system prompt ids, best first).

    ``gain``: what the search would say of it, in runs that were asked.
    """

    winner: str
    shortlist: tuple[str, ...]
    reason: str
    gain: SearchGain | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The claim, measured on prompts and seeds that the search never saw."""

    comparison: Comparison


Event = Born | TrialDone | ProposalDone | RoundSealed | Selected | Confirmed
