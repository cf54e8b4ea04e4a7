"""A model that draws one color per text and seed, and does beforehand whatever a test has planned."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL import Image

from data.errors import FailureKind, StageError
from data.textlimit import TextLimit
from generator.local import Encoded, Size

SQUARE, WIDE = Size(16, 16), Size(32, 16)


class Latents(NamedTuple):
    text: str
    seed: int


@dataclass
class FakeModel:
    """``plan`` is called with a step's name and its items before the step: it may raise, or wait. ``calls`` are all that came so far."""

    plan: Callable[[str, Sequence[object]], None] = lambda step, items: None
    batch: int = 4
    one_at_a_time: bool = False
    identity: str = "fake:1"
    text_limit: TextLimit | None = None
    size: Size = SQUARE
    sizes: Mapping[str, Size] = field(default_factory=lambda: {"1:1": SQUARE, "2:1": WIDE})
    calls: list[tuple[str, list[object]]] = field(default_factory=list[tuple[str, list[object]]])
    closed: int = 0

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        self._called("encode", texts)
        return [Encoded(text, ("long",) if len(text) > 20 else ()) for text in texts]

    def denoise(self, features: Sequence[str], seeds: Sequence[int], size: Size) -> list[Latents]:
        latents = [Latents(text, seed) for text, seed in zip(features, seeds, strict=True)]
        self._called("denoise", latents)
        return latents

    def decode(self, latents: Sequence[Latents], size: Size) -> list[Image.Image | StageError]:
        self._called("decode", latents)
        return [self._image(one, size) for one in latents]

    def close(self) -> None:
        self.closed += 1

    def sizes_of(self, step: str) -> list[int]:
        """How many items each call of ``step`` had."""
        return [len(items) for name, items in self.calls if name == step]

    def items_of(self, step: str) -> list[object]:
        return [item for name, items in self.calls if name == step for item in items]

    def _called(self, step: str, items: Sequence[object]) -> None:
        self.calls.append((step, list(items)))
        self.plan(step, items)

    def _image(self, latents: Latents, size: Size) -> Image.Image | StageError:
        if latents.text == "nan":
            return StageError(FailureKind.MALFORMED, "NaN")
        return Image.new("RGB", size, color(latents.text, latents.seed))


def color(text: str, seed: int) -> tuple[int, int, int]:
    red, green, blue = hashlib.sha256(f"{text} {seed}".encode()).digest()[:3]
    return red, green, blue
