"""Engines that read the words in a picture. ``Reader`` is their protocol, a file each; page.py brings the lines that they find in order.

They say what is written, and not whether it was wanted (text.py).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""RGB, (height, width, 3)."""


class Line(NamedTuple):
    """A line of writing: the words, the upper left corner, width and height of where they stand in pixels, and in [0, 1] how sure the
    engine is of them."""

    text: str
    left: float
    top: float
    width: float
    height: float
    confidence: float


class Reader(Protocol):
    """Reads letters. ``identity`` names the engine and its version. It blocks, and takes one call at a time.

    A StageError is raised where the engine fails; a picture without words is none.
    """

    @property
    def identity(self) -> str: ...

    def knows(self, text: str) -> bool:
        """Whether the engine has learnt all letters of ``text``. Of others, what it reads says nothing."""
        ...

    def lines(self, image: Pixels) -> Sequence[Line]:
        """The lines of writing that it finds, in no particular order."""
        ...

    def line(self, image: Pixels) -> str:
        """What the one line of writing says that fills ``image``; "" where it can't be read."""
        ...
