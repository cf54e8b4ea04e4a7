"""What a dspy program, its language model or its metric raised, as a StageError of ours."""

from dspy.utils import exceptions as theirs

from data.errors import FailureKind, StageError

_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (theirs.LMAuthError, FailureKind.UNAUTHORIZED),
    (theirs.LMNotConfiguredError, FailureKind.UNAUTHORIZED),
    (theirs.LMBillingError, FailureKind.OUT_OF_CREDIT),
    (theirs.LMRateLimitError, FailureKind.RATE_LIMITED),
    (theirs.LMTimeoutError, FailureKind.TIMEOUT),
    (theirs.LMServerError, FailureKind.SERVER_ERROR),
    (theirs.LMTransportError, FailureKind.UNREACHABLE),
    (theirs.ContextWindowExceededError, FailureKind.CONTEXT_TOO_LONG),
    (theirs.LMUnsupportedModelError, FailureKind.UNKNOWN_MODEL),
    (theirs.LMInvalidRequestError, FailureKind.REJECTED),
)
_MOST_SAID = 300


def stage_error(error: Exception, culprit: str) -> StageError:
    """``error`` as a StageError; ``culprit`` is who raised it, for the hint.

    What is no error of a language model is filed as OFF_TASK, since instructions can bring it about: answers that the program can't read.
    CRASHED would count as an outage, and end the search over one bad proposal.
    """
    if isinstance(ours := _cause(error), StageError):
        return ours
    for kind, filed in _KINDS:
        if isinstance(error, kind):
            return StageError(filed, _said(error), hint="is the language model there, and does its key hold? Try lm('hello')")
    if isinstance(error, theirs.AdapterParseError):
        answer = " ".join(str(error.lm_response).split())[:120]
        return StageError(FailureKind.OFF_TASK, f"the answer has not the fields that the program asks for: {answer}")
    return StageError(FailureKind.OFF_TASK, f"{type(error).__name__}: {_said(error)}", hint=f"{culprit} raised it: try it on one example")


def _cause(error: BaseException | None) -> BaseException | None:
    """The StageError below what dspy made of it, or the last of its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen and not isinstance(error, StageError):
        seen.add(id(error))
        error = error.__cause__
    return error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:_MOST_SAID]
