"""A model that is loaded when it is needed: once, whoever asks first; and what fails then ends the run with its reason."""

from collections.abc import Sequence
from threading import Thread
from typing import Any

import pytest

from data.errors import FatalError, UsageError
from data.records import GeneratedImage
from generator import ImageRequest
from generator.local import Encoded, Size
from generator.local.deferred import Deferred, Facts
from generator.local.generator import LocalGenerator

FACTS = Facts("toy:1?steps=2", None, Size(8, 8), {"1:1": Size(8, 8)}, 2, False)


class Model:
    """Draws grey."""

    identity, text_limit, size, sizes, batch, one_at_a_time = FACTS.identity, None, FACTS.size, FACTS.sizes, 2, False
    closed = False

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return [Encoded(text) for text in texts]

    def denoise(self, features: Sequence[Any], seeds: Sequence[int], size: Size) -> list[Any]:
        return list(seeds)

    def decode(self, latents: Sequence[Any], size: Size) -> list[Any]:
        from PIL import Image

        return [Image.new("RGB", size) for _ in latents]

    def close(self) -> None:
        self.closed = True


class Loading:
    def __init__(self, error: Exception | None = None, model: Model | None = None) -> None:
        self.calls = 0
        self.model = model or Model()
        self._error = error

    def __call__(self) -> Model:
        self.calls += 1
        if self._error is not None:
            raise self._error
        return self.model


async def test_it_is_loaded_with_the_first_image() -> None:
    loading = Loading()
    generator = LocalGenerator(Deferred(FACTS, loading))
    assert (generator.identity, generator.ratios, loading.calls) == ("toy:1?steps=2", ("1:1",), 0)
    (image,) = await generator([ImageRequest("a", 1)])
    assert isinstance(image, GeneratedImage)
    await generator([ImageRequest("b", 2)])
    await generator.aclose()
    assert (loading.calls, loading.model.closed) == (1, True)


async def test_what_was_never_needed_is_never_loaded() -> None:
    loading = Loading()
    await LocalGenerator(Deferred(FACTS, loading)).aclose()
    assert loading.calls == 0


def test_several_who_ask_at_once_load_it_once() -> None:
    loading = Loading()
    model = Deferred(FACTS, loading)
    threads = [Thread(target=model.loaded) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loading.calls == 1


@pytest.mark.parametrize("error", [UsageError("no such tensor", hint="download it again"), RuntimeError("no such tensor")])
async def test_what_fails_when_loading_ends_the_run(error: Exception) -> None:
    loading = Loading(error)
    generator = LocalGenerator(Deferred(FACTS, loading))
    outcomes = await generator([ImageRequest("a", 1), ImageRequest("b", 1)])
    assert all(isinstance(outcome, FatalError) and "no such tensor" in str(outcome) for outcome in outcomes)
    assert loading.calls == 1
    await generator.aclose()


def test_files_that_change_meanwhile_are_noticed() -> None:
    other = Model()
    other.identity = "toy:1?steps=3"
    with pytest.raises(FatalError, match="changed while it was loaded"):
        Deferred(FACTS, Loading(model=other)).loaded()
