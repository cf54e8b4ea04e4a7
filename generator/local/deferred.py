"""A model that is loaded when it first reads a text. What it says of itself is known before, from its files' headers and its settings.

So a command that draws nothing loads nothing, and a run loads its model while the first rewrites are written.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from data.errors import FatalError, PhoropterError, StageError
from data.textlimit import TextLimit
from generator.local import Encoded, ImageModel, Size

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

M = TypeVar("M", bound=ImageModel)


@dataclass(frozen=True, slots=True)
class Facts:
    """What an ImageModel says of itself."""

    identity: str
    text_limit: TextLimit | None
    size: Size
    sizes: Mapping[str, Size]
    batch: int
    one_at_a_time: bool


class Deferred(Generic[M]):
    """An ImageModel. ``load`` is called once, by whoever needs the model first; where it fails, the run can't go on: FatalError says why,
    to everybody who asks."""

    def __init__(self, facts: Facts, load: Callable[[], M]) -> None:
        self.identity = facts.identity
        self.text_limit = facts.text_limit
        self.size = facts.size
        self.sizes = facts.sizes
        self.batch = facts.batch
        self.one_at_a_time = facts.one_at_a_time
        self._load = load
        self._lock = Lock()
        self._model: M | None = None
        self._error: FatalError | None = None

    def loaded(self) -> M:
        """The model, loaded if it is not yet. It blocks meanwhile."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._model is None:
                self._model = self._attempt()
            return self._model

    def _attempt(self) -> M:
        name = self.identity.partition("?")[0]
        log.info("loading %s", name)
        started = time.perf_counter()
        try:
            model = self._load()
        except PhoropterError as error:
            self._error = FatalError(str(error), hint=error.hint)
            raise self._error from error
        except Exception as error:
            self._error = FatalError(
                f"{name} can't be loaded: {type(error).__name__}: {error}", hint="`phoropter doctor` looks at its files"
            )
            raise self._error from error
        if model.identity != self.identity:
            self._error = FatalError(f"the files of {name} changed while it was loaded", hint="start the run again")
            raise self._error
        log.info("%s is loaded, in %.0f s", name, time.perf_counter() - started)
        return model

    def encode(self, texts: Sequence[str]) -> Sequence[Encoded]:
        return self.loaded().encode(texts)

    def denoise(self, features: Sequence[Any], seeds: Sequence[int], size: Size) -> Sequence[Any]:
        return self.loaded().denoise(features, seeds, size)

    def decode(self, latents: Sequence[Any], size: Size) -> "Sequence[Image | StageError]":
        return self.loaded().decode(latents, size)

    def close(self) -> None:
        with self._lock:
            if self._model is not None:
                self._model.close()
