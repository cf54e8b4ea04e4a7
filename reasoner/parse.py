"""From a model's raw answer to the one prompt in it. Pure functions of text.

An answer is peeled of what models wrap around a prompt (reasoner/text/wrapping.py), layer by layer, and refused where no prompt is left
(reasoner/unusable.py): StageError, never the user's own text in its place. What it kept of the user's intent is reasoner/intent.py's
business, and whether it is any good is nobody's here.
"""

from typing import NamedTuple

from data.errors import FailureKind, StageError
from reasoner.text import wrapping
from reasoner.unusable import refuse_unusable

LAYERS = 40
"""More layers than any honest answer has; it bounds the work on a hostile one."""
_RULES = (
    wrapping.invisible,
    wrapping.reasoning,
    wrapping.structured,
    wrapping.fence,
    wrapping.wrapper,
    wrapping.markup,
    wrapping.label,
    wrapping.alternatives,
    wrapping.introduction,
    wrapping.ratio_line,
    wrapping.chatter,
    wrapping.flags,
    wrapping.lists,
    wrapping.quotes,
    wrapping.emphasis,
    wrapping.spaces,
)
"""From the outermost layer to the innermost."""


class Cleaned(NamedTuple):
    """One paragraph of plain text, the aspect ratio that the answer named beside it ("16:9", or ""), and what was removed, in words."""

    text: str
    aspect_ratio: str = ""
    removed: tuple[str, ...] = ()


def clean(answer: str) -> Cleaned:
    """The prompt in ``answer``. StageError EMPTY, REFUSED, MALFORMED or TOO_LONG where there is none.

    Cleaning twice changes nothing more.
    """
    text, ratio = answer, ""
    removed: list[str] = []
    for _ in range(LAYERS):
        step = next((step for rule in _RULES if (step := rule(text)) is not None), None)
        if step is None:
            refuse_unusable(text)
            return Cleaned(text, ratio, tuple(dict.fromkeys(removed)))
        text, ratio = step.text, step.ratio or ratio
        removed += [step.removed] if step.removed else []
    raise StageError(FailureKind.MALFORMED, "the answer is wrapped in more layers than can be a prompt", retryable=True)
