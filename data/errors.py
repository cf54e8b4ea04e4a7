"""What can go wrong, and what becomes of it.

::

    PhoropterError            said to the user without a traceback, with a hint: what to type next
    ├── UsageError            wrong spec, file, option, budget: nothing was started
    ├── LedgerError           the ledger can't be opened, or a record in it can't be trusted
    └── StageError            a stage did not deliver; becomes a Failure on record in optimizer/trial.py, and nowhere else
    FatalError                no point in going on (disk full, keys refused, endpoint gone): ends the run, keeps what is paid for

An engine raises, or returns per item, a StageError. It never makes up a result.
"""

from enum import StrEnum

from data.usage import NOTHING, Usage


class Stage(StrEnum):
    """The steps of a trial, in order, and beside them the proposer, and the writer of prompt sets and checklists."""

    REWRITE = "rewrite"
    GENERATE = "generate"
    JUDGE = "judge"
    PROPOSE = "propose"
    WRITE = "write"


class FailureKind(StrEnum):
    """Why a stage did not deliver."""

    UNREACHABLE = "unreachable"
    """No connection: wrong address, server down, network gone."""
    TIMEOUT = "timeout"
    """No answer within the stage's time limit."""
    RATE_LIMITED = "rate_limited"
    """The far side asked to slow down (HTTP 429)."""
    SERVER_ERROR = "server_error"
    """The far side broke (HTTP 5xx)."""
    UNAUTHORIZED = "unauthorized"
    """The key is missing, wrong or not allowed to do this (HTTP 401, 403)."""
    UNKNOWN_MODEL = "unknown_model"
    """The far side has no model of this name (HTTP 404)."""
    OUT_OF_CREDIT = "out_of_credit"
    """The account behind the key can't pay (HTTP 402, or 429 that no waiting heals)."""
    CONTEXT_TOO_LONG = "context_too_long"
    """The request does not fit into the model's context."""
    REJECTED = "rejected"
    """The far side refused this request as malformed or unknown (other HTTP 4xx)."""
    EMPTY = "empty"
    """An answer without content."""
    UNFINISHED = "unfinished"
    """Reasoning that hit the token limit before any answer began."""
    TOO_LONG = "too_long"
    """An answer that hit the length limit, or does not fit the generator."""
    MALFORMED = "malformed"
    """An answer that can't be read as what was asked for."""
    OFF_TASK = "off_task"
    """An answer to something else: a question back, or the instructions over again."""
    REFUSED = "refused"
    """The model declined."""
    BLOCKED = "blocked"
    """A guard of ours, or the far side's moderation, let the text or the image not pass. An outcome, and no fault of any engine."""
    OUT_OF_MEMORY = "out_of_memory"
    """The model's device has no room for even one item."""
    UNSUPPORTED = "unsupported"
    """The engine can't do what this item needs, such as judging a criterion without a check."""
    CRASHED = "crashed"
    """Our own or an extension's code raised something unexpected."""


class PhoropterError(Exception):
    """An error with a ``hint``: the next thing to do, often a command to type."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PhoropterError):
    """Something asked for is wrong or missing; nothing was started."""


class LedgerError(PhoropterError):
    """The ledger or its files can't be opened or trusted."""


class FatalError(PhoropterError):
    """Going on makes no sense; what was paid for is kept, and ``phoropter resume`` continues."""


class StageError(PhoropterError):
    """A stage did not deliver.

    ``retryable`` says whether the same request may succeed later; ``retry_after`` is the far side's wish in seconds, or None.
    ``usage``: what the call used all the same; an answer that can't be used is paid for, too.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        retryable: bool = False,
        hint: str = "",
        retry_after: float | None = None,
        usage: Usage = NOTHING,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.usage = usage

    def __reduce__(self) -> tuple[type["StageError"], tuple[FailureKind, str], dict[str, object]]:
        # Exceptions pickle by their message alone, and this one takes its kind first.
        return type(self), (self.kind, str(self)), vars(self)
