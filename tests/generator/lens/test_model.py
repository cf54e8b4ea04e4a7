"""Lens as an engine: what it draws depends on text and seed, and is what the pipeline draws when it is called directly."""

# pyright: reportMissingImports=false

import copy
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from PIL.Image import Image  # noqa: E402
from PIL.Image import open as open_image  # noqa: E402

from data.errors import FailureKind, StageError, UsageError  # noqa: E402
from data.records import GeneratedImage  # noqa: E402
from generator import ImageRequest  # noqa: E402
from generator.lens.encoder import GptOssTextEncoder  # noqa: E402
from generator.lens.model import LensModel, load_lens  # noqa: E402
from generator.lens.pipeline import LensPipeline  # noqa: E402
from generator.local import ImageModel, Size, memory  # noqa: E402
from generator.local.generator import LocalGenerator  # noqa: E402
from tests.tiny_models.lens import HIDDEN, LAYERS  # noqa: E402

SMALL, WIDE = Size(32, 32), Size(64, 32)
SIZES = {"1:1": SMALL, "2:1": WIDE}

ROUNDING = 2
"""By how many of 255 steps a pixel may differ between a batch and a single image: kernels add up in another order."""


@dataclass
class Encoder:
    """A text encoder that makes features up from the text's hash, one token per letter, at most 20."""

    identity: str = "made-up"
    text_limit: Any = None
    texts: list[str] = field(default_factory=list[str])

    def __call__(self, texts: Sequence[str]) -> list[Any]:
        self.texts += texts
        return [self._features(text) for text in texts]

    def _features(self, text: str) -> Any:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        layers = torch.randn(LAYERS, min(len(text), 20), HIDDEN, generator=torch.Generator("cpu").manual_seed(seed))
        return SimpleNamespace(layers=layers, cut=max(0, len(text) - 20))


def lens(pipeline: LensPipeline, encoder: Any = None, **settings: Any) -> LensModel:
    given: dict[str, Any] = {"identity": "lens:tiny", "steps": 2, "size": SMALL, "sizes": SIZES, "batch": 4}
    return LensModel(pipeline, encoder or Encoder(), **{**given, **settings})


def draw(model: ImageModel, texts: Sequence[str], seeds: Sequence[int], size: Size = SMALL) -> list[Any]:
    features = [encoded.features for encoded in model.encode(texts)]
    images = model.decode(model.denoise(features, seeds, size), size)
    return [np.asarray(image, dtype=int) if isinstance(image, Image) else image for image in images]


def test_an_image_is_what_the_pipeline_draws_with_its_seed(pipeline: LensPipeline) -> None:
    encoder = Encoder()
    (drawn,) = draw(lens(pipeline, encoder), ["a harbour"], [7])
    generator = torch.Generator("cpu").manual_seed(7)
    embeds = [encoder(["a harbour"])[0].layers]
    direct: Any = pipeline(prompt_embeds=embeds, height=32, width=32, num_inference_steps=2, generator=generator, output_type="pil")
    assert np.array_equal(drawn, np.asarray(direct.images[0], dtype=int))


def test_text_and_seed_matter_and_batch_mates_do_not(pipeline: LensPipeline) -> None:
    model = lens(pipeline)
    texts, seeds = ["a harbour", "a harbour", "three red balloons", "a"], [1, 2, 1, 2**62]
    together = draw(model, texts, seeds)
    for text, seed, image in zip(texts, seeds, together, strict=True):
        (single,) = draw(model, [text], [seed])
        assert np.abs(single - image).max() <= ROUNDING
    for one in range(4):
        for other in range(one):
            assert np.abs(together[one] - together[other]).max() > 10 * ROUNDING


def test_a_size_is_drawn_as_asked_for(pipeline: LensPipeline) -> None:
    (image,) = draw(lens(pipeline), ["a"], [1], WIDE)
    assert image.shape == (32, 64, 3)


def test_the_negative_text_is_encoded_once_and_changes_the_image(pipeline: LensPipeline) -> None:
    encoder = Encoder()
    model = lens(pipeline, encoder, negative="blurred")
    (against,) = draw(model, ["a harbour"], [1])
    draw(model, ["another"], [1])
    assert encoder.texts == ["blurred", "a harbour", "another"]
    (without,) = draw(lens(pipeline), ["a harbour"], [1])
    assert np.abs(against - without).max() > 10 * ROUNDING


def test_without_guidance_no_negative_text_is_read(pipeline: LensPipeline) -> None:
    encoder = Encoder()
    draw(lens(pipeline, encoder, negative="blurred", guidance=1.0), ["a harbour"], [1])
    assert encoder.texts == ["a harbour"]


def test_a_text_that_was_cut_says_by_how_much(pipeline: LensPipeline) -> None:
    short, long = lens(pipeline).encode(["short", "a text of more than twenty letters"])
    assert short.flaws == ()
    assert long.flaws == ("14 tokens of the text were cut off",)


def test_numbers_that_are_none_fail_their_own_image(pipeline: LensPipeline) -> None:
    model = lens(pipeline)
    good, bad = (encoded.features for encoded in model.encode(["good", "bad"]))
    images = model.decode(model.denoise([good, bad * float("nan")], [1, 1], SMALL), SMALL)
    assert isinstance(images[0], Image)
    assert isinstance(images[1], StageError)
    assert images[1].kind is FailureKind.MALFORMED


@pytest.mark.parametrize("setting", [{"steps": 3}, {"guidance": 4.0}, {"negative": "blurred"}, {"size": WIDE}, {"identity": "lens:other"}])
def test_whatever_determines_pixels_is_in_the_identity(pipeline: LensPipeline, setting: dict[str, Any]) -> None:
    assert lens(pipeline, **setting).identity != lens(pipeline).identity
    assert lens(pipeline, batch=2).identity == lens(pipeline).identity


@pytest.fixture
async def generator(pipeline: LensPipeline) -> AsyncIterator[LocalGenerator]:
    made = LocalGenerator(lens(pipeline))
    yield made
    await made.aclose()


def pixels(image: GeneratedImage | Exception) -> np.ndarray:
    assert isinstance(image, GeneratedImage), image
    assert image.content is not None
    return np.asarray(open_image(io.BytesIO(image.content)), np.int16)


async def test_through_the_generator_texts_are_encoded_once_and_images_are_the_same(
    pipeline: LensPipeline, generator: LocalGenerator
) -> None:
    asked = [ImageRequest(text, seed, ratio) for text in ("a harbour", "a quiet harbour") for seed in (1, 2) for ratio in ("", "2:1")]
    drawn = await generator(asked)
    again = await generator(list(reversed(asked)))
    # Batches are made up otherwise the second time, and on some processors kernels then round otherwise: by one of 255 at most.
    for one, other in zip(drawn, reversed(again), strict=True):
        assert np.abs(pixels(one) - pixels(other)).max() <= 1
    assert [(image.width, image.height) for image in drawn if isinstance(image, GeneratedImage)] == [SMALL, WIDE] * 4
    standing = generator.standing()
    assert (standing.texts_encoded, standing.images) == (2, 16)


# --- loading ---------------------------------------------------------------------------------------------------------------------------


def test_loading_takes_the_variant_s_steps_and_sizes(saved: Path) -> None:
    model = load_lens(str(saved), encoder=Encoder(), device="cpu", batch=3)
    assert model.identity.startswith("lens:Lens-Turbo#")
    assert "steps=4&guidance=1&" in model.identity
    assert "dtype=float32" in model.identity
    assert model.identity.endswith("made-up")
    assert str(saved.parent) not in model.identity
    assert (model.batch, model.size, model.sizes["16:9"]) == (3, Size(1024, 1024), Size(1376, 768))
    assert not model.one_at_a_time


def test_what_was_saved_draws_what_it_drew_before(pipeline: LensPipeline, saved: Path) -> None:
    loaded = load_lens(str(saved), steps=2, guidance=5, size="32x32", encoder=Encoder(), device="cpu")
    assert loaded.sizes == {}
    assert np.array_equal(draw(loaded, ["a"], [1])[0], draw(lens(pipeline), ["a"], [1])[0])


def test_other_weights_of_the_same_name_are_another_identity(pipeline: LensPipeline, saved: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"encoder": Encoder(), "device": "cpu"}
    pipeline.save_pretrained(tmp_path / "Lens-Turbo")
    assert load_lens(str(tmp_path / "Lens-Turbo"), **settings).identity == load_lens(str(saved), **settings).identity
    half = load_lens(str(saved), dtype="bf16", **settings)
    assert half.identity != load_lens(str(saved), **settings).identity
    copy.deepcopy(pipeline.vae).to(torch.bfloat16).save_pretrained(tmp_path / "Lens-Turbo" / "vae")
    assert load_lens(str(tmp_path / "Lens-Turbo"), **settings).identity != load_lens(str(saved), **settings).identity


def test_with_its_own_text_encoder_it_draws_what_the_pipeline_draws(reading_pipeline: LensPipeline, tmp_path: Path) -> None:
    reading_pipeline.save_pretrained(tmp_path / "Lens")
    model = load_lens(str(tmp_path / "Lens"), steps=2, size="32x32", device="cpu")
    assert "steps=2&guidance=5" in model.identity
    assert "2026-05-26" in model.identity
    assert model.text_limit is not None
    generator = torch.Generator("cpu").manual_seed(7)
    direct: Any = reading_pipeline("a harbour", height=32, width=32, num_inference_steps=2, generator=generator)
    (drawn,) = draw(model, ["a harbour"], [7])
    assert np.abs(drawn - np.asarray(direct.images[0], dtype=int)).max() <= ROUNDING
    assert model.loaded().language_model().model.config.num_hidden_layers == LAYERS


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"dtype": "fp8"}, "dtype=fp8", "bf16, fp16, fp32"),
        ({"base": 512}, "base=512", "1024, 1440"),
        ({"offload": "disk"}, "offload=disk", "model, sequential"),
        ({"offload": "model"}, "the device is the CPU", "leave it out"),
        ({"encoder_dtype": "int4"}, "encoder_dtype=int4", "mxfp4"),
        ({"date": "2026-01-01"}, "elsewhere", "leave them out"),
        ({"steps": 0}, "steps=0", ""),
        ({"steps": 2.5}, "steps=2.5: steps is a whole number", ""),
        ({"guidance": 0.5}, "guidance=0.5", ""),
        ({"guidance": True}, "guidance=True", ""),
        ({"size": "100x100"}, "100", "96"),
        ({"encoder": None}, "no text encoder", "lens:FOLDER@http"),
    ],
)
def test_what_can_not_be_is_said_before_anything_loads(saved: Path, settings: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_lens(str(saved), **dict[str, Any](encoder=Encoder(), device="cpu") | settings)
    assert message in str(raised.value)
    assert hint in raised.value.hint


def test_a_model_that_does_not_fit_is_not_loaded(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_on", lambda device: memory.Free(1000, 1000))
    with pytest.raises(UsageError, match="Lens-Turbo needs"):
        load_lens(str(saved), encoder=Encoder(), device="cpu")


def test_a_language_model_elsewhere_can_not_be_shared(pipeline: LensPipeline) -> None:
    with pytest.raises(UsageError) as raised:
        lens(pipeline).language_model()
    assert "openai:MODEL@ENDPOINT" in raised.value.hint


def test_a_language_model_that_comes_and_goes_can_not_be_shared(reading_pipeline: LensPipeline) -> None:
    encoder = GptOssTextEncoder(reading_pipeline.text_encoder, reading_pipeline.tokenizer, layers=range(LAYERS))
    assert lens(reading_pipeline, encoder).language_model() is encoder
    with pytest.raises(UsageError) as raised:
        lens(reading_pipeline, encoder, one_at_a_time=True).language_model()
    assert "offload" in raised.value.hint


def test_parts_that_take_turns_draw_the_same(saved: Path) -> None:
    """The hooks that move a part to the device and back, with the CPU as the device."""
    encoder = Encoder()
    moving = LensPipeline.from_pretrained(saved)
    moving.set_progress_bar_config(disable=True)
    (before,) = draw(lens(moving, encoder), ["a"], [1])
    moving.enable_model_cpu_offload(device="cpu")
    model = lens(moving, encoder, one_at_a_time=True)
    for _ in range(2):
        assert np.array_equal(draw(model, ["a"], [1])[0], before)
