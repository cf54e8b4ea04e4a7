"""The seam to text encoders: what GPT-OSS makes of texts, for Lens to draw from.

The model may be in this process (encoder.py) or behind a server (served.py). Importing this loads no torch.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from data.identity import canonical_json
from data.textlimit import TextLimit

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = (5, 11, 17, 23)
"""The layers, counted from 0, after which Lens reads GPT-OSS's residual stream (official code)."""


def identity_of(name: str, layers: Sequence[int], date: str, max_tokens: int, dtype: str) -> str:
    """The identity of a TextEncoder in this process: the weights' ``name``, and what else determines features."""
    asked = {"layers": list(layers), "date": date, "max_tokens": max_tokens, "dtype": dtype}
    return f"{name}?{canonical_json(asked)}"


class TextFeatures(NamedTuple):
    """``layers``: [layers, tokens, hidden], not normalised, from the first of the user's words to the end of the template. ``cut``: how
    many tokens of the user's words did not fit, and are not in there."""

    layers: "Tensor"
    cut: int


class TextEncoder(Protocol):
    """Reads texts. ``identity`` names the model, the layers and the template's date: whatever determines features besides the text.
    ``text_limit`` is what fits of a text.

    It blocks, and may be called from any thread. What can't be done raises: a StageError, or what torch raises where memory is short.
    """

    @property
    def identity(self) -> str: ...

    @property
    def text_limit(self) -> TextLimit: ...

    def __call__(self, texts: Sequence[str], /) -> list[TextFeatures]:
        """One per text, in order. A text's features do not depend on the others beyond rounding."""
        ...
