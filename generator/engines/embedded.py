"""The embedded generator: paints from words alone, with no weights, and fails the way image models do (generator/embedded/).

Not a stand-in for a model's pictures: it knows 24 kinds of things. What it is for stands in docs/embedded-world.md.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence

from data.records import GeneratedImage
from data.textlimit import TextLimit
from generator import ImageRequest
from generator.embedded.failings import Failings


class EmbeddedGenerator:
    """An ImageGenerator that misreads and paints. Equal requests give equal pixels; none fails."""

    def __init__(self, failings: Failings | None = None) -> None:
        self._failings = failings or Failings()

    @property
    def identity(self) -> str:
        return f"embedded:1?failings={self._failings.digest}"

    @property
    def text_limit(self) -> TextLimit | None:
        return TextLimit("words", self._failings.words_read, lambda text: len(text.split()))

    @property
    def ratios(self) -> tuple[str, ...]:
        return ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return await asyncio.to_thread(self._draw_all, requests)

    def _draw_all(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage | Exception]:
        drawn: list[GeneratedImage | Exception] = []
        for request in requests:
            try:
                drawn.append(self._draw(request))
            except Exception as error:  # Of this request alone; the others of its batch are not to blame.
                drawn.append(error)
        return drawn

    def _draw(self, request: ImageRequest) -> GeneratedImage:
        # The painter brings numpy, pillow and opencv: importing the engine should not.
        from generator.embedded.misreading import misread
        from generator.embedded.painter import paint, to_png

        started = time.perf_counter()
        pixels = paint(misread(request.text, request.seed, self._failings))
        png = to_png(pixels)
        height, width = pixels.shape[:2]
        return GeneratedImage(
            sha256=hashlib.sha256(png).hexdigest(),
            width=int(width),
            height=int(height),
            latency=time.perf_counter() - started,
            content=png,
        )
