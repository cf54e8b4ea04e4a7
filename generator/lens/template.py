"""The conversation that Lens shows to GPT-OSS around the user's words, as token ids: the stock harmony template, byte for byte.

The template always arrives whole: where there are too many tokens, only the user's words are cut. They are letters throughout, so that a
``<|end|>`` among them ends nothing. It is pure: whoever renders passes in a tokenizer; and it knows nothing of models and features.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FROZEN_DATE = "2026-05-26"
"""The official code tells GPT-OSS today's date, and so draws a little differently every day."""
MAX_TOKENS = 512
"""What Lens's text encoder takes in all, the template included (Lens report)."""
DROPPED = 97
"""So many tokens stand before the user's words, whatever the date; Lens does not see their features (official code)."""

BEFORE = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\nCurrent date: {date}\n\nReasoning: medium\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
    "<|start|>developer<|message|># Instructions\n\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background.\n\n<|end|><|start|>user<|message|>"
)
"""What stands before the user's words."""
AFTER = (
    "<|end|><|start|>assistant<|channel|>analysis<|message|>Need to generate one image according to the description.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>"
)
"""What stands after them, where the answer would begin. Its features are Lens's, too."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MARK = re.compile(r"(<\|[a-z]+\|>)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text with the template around it. The features of the first ``dropped`` of ``ids`` are not for Lens; ``cut`` tokens of the user's
    words did not fit."""

    ids: tuple[int, ...]
    dropped: int
    cut: int


class Template:
    """Renders texts. ``plain`` encodes text, special tokens' names as letters; ``special`` gives the id of a special token by its name.

    ``date``: ten characters, YYYY-MM-DD. ``max_tokens``: of one rendered text. ValueError where it leaves no room for any words, and where
    the tokenizer is not GPT-OSS's.
    """

    def __init__(
        self,
        plain: Callable[[str], Sequence[int]],
        special: Callable[[str], int],
        *,
        date: str = FROZEN_DATE,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        if not _DATE.fullmatch(date):
            raise ValueError(f"the date is {date!r}; it is written like {FROZEN_DATE}")
        self._plain = plain
        self._before, self._after = (_encoded(text, plain, special) for text in (BEFORE.format(date=date), AFTER))
        if len(self._before) != DROPPED:
            raise ValueError(f"this is not GPT-OSS's tokenizer: it makes {len(self._before)} tokens of what stands before the user's words")
        self.room = max_tokens - len(self._before) - len(self._after)
        """How many tokens of the user's words fit."""
        if self.room < 1:
            raise ValueError(f"max_tokens is {max_tokens}, and the template alone has {max_tokens - self.room}")

    def __call__(self, text: str) -> Rendered:
        words = tuple(self._plain(text))
        return Rendered(self._before + words[: self.room] + self._after, DROPPED, max(0, len(words) - self.room))


def _encoded(text: str, plain: Callable[[str], Sequence[int]], special: Callable[[str], int]) -> tuple[int, ...]:
    ids: list[int] = []
    for part in filter(None, _MARK.split(text)):
        ids += [special(part)] if _MARK.fullmatch(part) else plain(part)
    return tuple(ids)
