"""Pictures on their way to disk and out again: kept whole, with where they come from."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from data.errors import StageError
from data.provenance import Provenance, provenance_of, stamped
from data.records import GeneratedImage, Prompt, SystemPrompt, Trial, TrialRequest
from generator import ImageRequest
from generator.engines.embedded import EmbeddedGenerator
from ui.keeping import KeptImages, with_trial

REQUEST = ImageRequest("a red cat", 7)


class Drawing:
    """Delivers the content it was given."""

    identity, text_limit, ratios = "toy:1", None, ("1:1",)

    def __init__(self, content: bytes | None) -> None:
        self._content = content

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [GeneratedImage("", 1, 1, content=self._content) for _ in requests]


class Folder(dict[str, bytes]):
    """Where files are kept."""

    def write(self, png: bytes) -> str:
        name = f"{len(self)}"
        self[name] = png
        return name


async def drawn() -> bytes:
    (image,) = await EmbeddedGenerator()([REQUEST])
    assert isinstance(image, GeneratedImage)
    assert image.content is not None
    return image.content


async def test_the_stored_file_says_what_determines_it():
    folder = Folder()
    generator = EmbeddedGenerator()
    (kept,) = await KeptImages(generator, folder.write)([REQUEST])
    assert isinstance(kept, GeneratedImage)
    assert kept.content is None
    assert provenance_of(folder[kept.sha256]) == Provenance(rewrite="a red cat", model=generator.identity, seed="7")
    assert stamped(folder[kept.sha256], Provenance()) == await drawn()


async def test_switched_off_the_file_is_as_it_was_drawn():
    folder = Folder()
    (kept,) = await KeptImages(EmbeddedGenerator(), folder.write, provenance=False)([REQUEST])
    assert isinstance(kept, GeneratedImage)
    assert folder[kept.sha256] == await drawn()


@pytest.mark.parametrize(("content", "kind"), [(None, "empty"), (b"GIF89a", "malformed"), (b"", "malformed")])
async def test_what_is_no_png_is_a_failure(content: bytes | None, kind: str):
    (outcome,) = await KeptImages(Drawing(content), Folder().write)([REQUEST])
    assert isinstance(outcome, StageError)
    assert outcome.kind == kind


async def test_a_picture_leaves_with_its_trial():
    trial = Trial("t", TrialRequest(SystemPrompt("Be exact."), Prompt("cat"), 0, 7))
    stored = stamped(await drawn(), Provenance(rewrite="a red cat", model="toy:1", seed="7"))
    known = provenance_of(stored)
    assert provenance_of(with_trial(stored, trial)) == replace(known, prompt="cat", system_prompt=SystemPrompt("Be exact.").id)
    assert with_trial(await drawn(), trial) == await drawn()


def test_what_the_inner_one_says_is_passed_on():
    assert KeptImages(Drawing(None), Folder().write).ratios == ("1:1",)
