"""How much text a generator reads."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextLimit:
    """A generator reads at most ``tokens`` of a rewrite, as ``count`` counts them, and cuts the rest. ``name`` says which tokenizer that
    is."""

    name: str
    tokens: int
    count: Callable[[str], int]
