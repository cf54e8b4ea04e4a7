"""Models in this process: the seam between a loaded model and the generator that drives it (generator/local/generator.py).

A model draws in three steps, text encoder, denoiser and decoder, so that the steps of successive batches can overlap and a text that is
drawn with several seeds is encoded once. Importing this loads neither torch nor diffusers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from data.errors import StageError
from data.textlimit import TextLimit

if TYPE_CHECKING:
    from PIL.Image import Image


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a text became: ``features`` in the model's own form, to be handed back to it; ``flaws`` in words, such as how much was cut."""

    features: Any
    flaws: tuple[str, ...] = ()


class ImageModel(Protocol):
    """A loaded model. Its methods block; each is called from one thread at a time, though different ones may run at once
    unless ``one_at_a_time``.

    ``identity``: model, revision, steps, guidance and whatever else determines pixels besides text, seed and size.
    ``sizes``: by aspect ratio ("16:9", width to height) what it draws well; ``size`` is what it draws where none is asked for.
    ``batch``: how many images it draws at once at most, unless memory allows fewer.
    ``one_at_a_time``: its steps may not run at once, since its parts take turns on the device (CPU offload).

    What can't be done raises: a StageError, or what torch raises where memory is short. The caller then tries fewer items, or single ones.
    """

    @property
    def identity(self) -> str: ...

    @property
    def text_limit(self) -> TextLimit | None: ...

    @property
    def size(self) -> Size: ...

    @property
    def sizes(self) -> Mapping[str, Size]: ...

    @property
    def batch(self) -> int: ...

    @property
    def one_at_a_time(self) -> bool: ...

    def encode(self, texts: Sequence[str]) -> Sequence[Encoded]:
        """One per text, in order."""
        ...

    def denoise(self, features: Sequence[Any], seeds: Sequence[int], size: Size) -> Sequence[Any]:
        """The latents of a batch, one entry per image, in order, so that they can be decoded fewer at a time. Each image's noise comes
        from its own seed, on the CPU."""
        ...

    def decode(self, latents: Sequence[Any], size: Size) -> "Sequence[Image | StageError]":
        """The images of these latents, RGB, in order; in place of one that is not finite, a StageError (generator/local/pixels.py)."""
        ...

    def close(self) -> None:
        """Gives the device's memory back."""
        ...
