"""Rewrite + seed → GeneratedImage. ``ImageGenerator`` is the stage's protocol; engines lie under generator/engines/."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.identity import content_id
from data.records import GeneratedImage
from data.textlimit import TextLimit


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """Draw ``text`` with the noise of ``seed``. The generator sees the rewrite's words and nothing else.

    ``aspect_ratio``: width to height, such as "16:9", where the reasoner asked for one; "": the generator's own.
    """

    text: str
    seed: int
    aspect_ratio: str = ""

    def key(self, engine: str) -> str:
        """The content key of the image: all that determines it."""
        # Without a ratio, the key is what it was before there were ratios.
        return content_id("image", [engine, self.text, self.seed, *filter(None, [self.aspect_ratio])])


class ImageGenerator(Protocol):
    """Draws images.

    ``identity`` holds everything besides the request that determines pixels (engine, model, steps, size), and no secrets.
    ``text_limit`` is how much of a text it reads; None where that is unknown or without limit.
    ``ratios`` are the aspect ratios that a request may ask for; empty: none.
    One outcome per request, in order: a GeneratedImage with its PNG bytes as ``content``, or the StageError that befell this one.
    """

    @property
    def identity(self) -> str: ...

    @property
    def text_limit(self) -> TextLimit | None: ...

    @property
    def ratios(self) -> tuple[str, ...]: ...

    async def __call__(self, requests: Sequence[ImageRequest], /) -> Sequence[GeneratedImage | Exception]: ...
