"""Pipelines of diffusers as models in this process: each draws what it draws when it is called directly, whoever its batch mates are."""

# pyright: reportMissingImports=false

import json
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from PIL import Image  # noqa: E402

from data.errors import FailureKind, StageError, UsageError  # noqa: E402
from generator.engines import diffusers as engine  # noqa: E402
from generator.engines.diffusers import DiffusersModel, load_diffusers  # noqa: E402
from generator.local import Size, memory  # noqa: E402
from generator.local.deferred import Deferred  # noqa: E402

# SDXL's scheduler hands a tensor to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")

NAMES = ("qwen_image", "qwen_image_21", "stable_diffusion_xl", "flux2_klein", "z_image")
TEXTS = ("a cat", "a red car at night on the bridge over the wide river")
SIZE = Size(64, 64)

ROUNDING = 2
"""By how many of 255 steps a pixel may differ between a batch and a single image: kernels add up in another order."""

Load = Callable[..., Deferred[DiffusersModel]]


@pytest.fixture(scope="module")
def load(tiny: Callable[[str], Path]) -> Load:
    """Two steps of 64x64 unless told otherwise; each once, since models do not change by drawing."""

    @cache
    def loaded(name: str, **settings: Any) -> Deferred[DiffusersModel]:
        given: dict[str, Any] = {"steps": 2, "size": "64x64", "device": "cpu"}
        return load_diffusers(str(tiny(name)), **given | settings)

    return loaded


def draw(model: Deferred[DiffusersModel], texts: Sequence[str], seeds: Sequence[int], size: Size = SIZE) -> list[Any]:
    features = [encoded.features for encoded in model.encode(texts)]
    images = model.decode(model.denoise(features, seeds, size), size)
    return [np.asarray(image, dtype=int) if isinstance(image, Image.Image) else image for image in images]


def direct(folder: Path, text: str, seed: int, **arguments: Any) -> Any:
    """What the stock pipeline draws, as bytes."""
    processors = {"processor": engine._text_processor(folder / "processor")} if (folder / "processor").is_dir() else {}
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True, **processors)
    pipeline.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": 2, "width": 64, "height": 64, "output_type": "pt"}
    pixels = pipeline(prompt=text, generator=torch.Generator().manual_seed(seed), **settings | arguments).images[0].float()
    if pixels.shape[0] == 4:
        pixels = pixels[:3] * pixels[3:] + (1 - pixels[3:])
    return (pixels * 255).round().permute(1, 2, 0).int().numpy()


DIRECT: dict[str, dict[str, Any]] = {
    "qwen_image": {"true_cfg_scale": 4.0, "negative_prompt": " ", "max_sequence_length": 1024},
    "qwen_image_21": {},
    "stable_diffusion_xl": {"guidance_scale": 5.0},
    "flux2_klein": {"guidance_scale": 1.0},
    "z_image": {"guidance_scale": 4.0},
}


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_what_the_pipeline_draws_when_called_directly(name: str, load: Load, tiny: Callable[[str], Path]) -> None:
    (drawn,) = draw(load(name), TEXTS[:1], [7])
    assert np.array_equal(drawn, direct(tiny(name), TEXTS[0], 7, **DIRECT[name]))


@pytest.mark.parametrize("name", NAMES)
def test_text_and_seed_decide_and_batch_mates_do_not(name: str, load: Load) -> None:
    model = load(name)
    together = draw(model, [TEXTS[0], TEXTS[1], TEXTS[0]], [1, 1, 2])
    alone = [draw(model, [text], [seed])[0] for text, seed in ((TEXTS[0], 1), (TEXTS[1], 1), (TEXTS[0], 2))]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one - other).max() <= ROUNDING
    assert np.abs(alone[0] - alone[1]).max() > ROUNDING
    assert np.abs(alone[0] - alone[2]).max() > ROUNDING


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_that_is_saved_again_draws_the_same_bits(name: str, load: Load, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(tiny(name), folder)
    model = load(name)
    for component in ("transformer", "unet", "vae"):
        if (folder / component).is_dir():
            getattr(model.loaded()._pipeline, component).save_pretrained(folder / component)
    again = load_diffusers(str(folder), steps=2, size="64x64", device="cpu")
    assert np.array_equal(draw(again, TEXTS[:1], [3])[0], draw(model, TEXTS[:1], [3])[0])


@pytest.mark.parametrize("name", ["qwen_image", "stable_diffusion_xl", "z_image"])
def test_a_negative_text_changes_the_image_and_the_identity(name: str, load: Load, tiny: Callable[[str], Path]) -> None:
    plain, kept_away = load(name), load(name, negative="a dog on the beach")
    (with_negative,) = draw(kept_away, TEXTS[:1], [7])
    assert not np.array_equal(with_negative, draw(plain, TEXTS[:1], [7])[0])
    assert plain.identity != kept_away.identity
    expected = direct(tiny(name), TEXTS[0], 7, **DIRECT[name] | {"negative_prompt": "a dog on the beach"})
    assert np.array_equal(with_negative, expected)


@pytest.mark.parametrize("name", ["qwen_image", "z_image"])
def test_without_guidance_no_negative_text_is_read(name: str, load: Load) -> None:
    read: list[str] = []
    model = load(name, guidance=0 if name == "z_image" else 1)
    pipeline: Any = model.loaded()._pipeline
    own = pipeline.text_encoder.forward
    pipeline.text_encoder.forward = lambda *args, **kwargs: read.append("text") or own(*args, **kwargs)
    draw(model, TEXTS, [1, 2])
    assert len(read) == len(TEXTS)


@pytest.mark.parametrize("name", ["qwen_image", "stable_diffusion_xl", "flux2_klein", "z_image"])
def test_a_long_text_is_cut_behind_and_the_number_of_tokens_is_said(name: str, load: Load) -> None:
    model = load(name)
    limit = model.text_limit
    assert limit is not None
    word = "harbour "
    fitting = word * (limit.tokens // limit.count(word) - 1)
    long = word * (3 * limit.tokens)
    whole, cut = model.encode([fitting, long])
    assert whole.flaws == ()
    assert cut.flaws == (f"{limit.count(long) - limit.tokens} tokens of the text were cut off",)
    # What the pipeline puts behind the text is still there.
    reading = model.loaded()._preset.reading
    assert reading is not None
    assert len(cut.features["prompt_embeds"]) == reading.tokens


def test_a_text_limit_can_be_set_where_the_pipeline_has_one(load: Load) -> None:
    short = load("qwen_image", max_sequence_length=64).text_limit
    assert short is not None
    assert short.tokens == 64 - 5  # those that end the turn of the user and begin the assistant's


def test_a_schedule_of_the_pipelines_own_counts_unless_steps_are_given(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny("qwen_image_21"), tmp_path / "2.1"))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"sample_sigmas": [1.0, 0.7, 0.2]}))
    own = load_diffusers(str(folder), size="64x64", device="cpu")
    given = load_diffusers(str(folder), size="64x64", device="cpu", steps=2)
    assert "num_inference_steps=3" in own.identity
    assert np.array_equal(draw(own, TEXTS[:1], [7])[0], direct(folder, TEXTS[0], 7))
    assert np.array_equal(draw(given, TEXTS[:1], [7])[0], direct(tiny("qwen_image_21"), TEXTS[0], 7))


def test_an_image_that_a_safety_checker_blackened_is_no_result() -> None:
    output = SimpleNamespace(images=torch.zeros(2, 3, 8, 8), nsfw_content_detected=[True, False])
    blocked, passed = engine._outcomes(output)
    assert isinstance(blocked, StageError)
    assert blocked.kind is FailureKind.BLOCKED
    assert isinstance(passed, torch.Tensor)


def test_rgba_is_put_in_front_of_white() -> None:
    pixels = torch.tensor([0.2, 0.4, 0.6, 0.5]).reshape(4, 1, 1)
    assert engine._on_white(pixels).flatten().tolist() == pytest.approx([0.6, 0.7, 0.8])


def test_what_is_not_finite_is_a_failure_of_that_image_alone(load: Load) -> None:
    model = load("qwen_image")
    latents = list(model.denoise([encoded.features for encoded in model.encode(TEXTS)], [1, 2], SIZE))
    latents[0] = torch.full_like(latents[0], float("nan"))
    spoiled, good = model.decode(latents, SIZE)
    assert isinstance(spoiled, StageError)
    assert spoiled.kind is FailureKind.MALFORMED
    assert isinstance(good, Image.Image)


def test_a_ratio_is_drawn_in_the_presets_size(load: Load) -> None:
    model = load("qwen_image", size=None)
    assert model.sizes["16:9"] == Size(1664, 928)
    assert model.size == Size(1328, 1328)
    (drawn,) = draw(model, TEXTS[:1], [1], Size(96, 64))
    assert drawn.shape == (64, 96, 3)


@pytest.fixture
def pag(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """A pipeline without a row in the table; it has the same parts as SDXL."""
    folder = Path(shutil.copytree(tiny("stable_diffusion_xl"), tmp_path / "pag"))
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionXLPAGPipeline"}))
    return folder


def test_a_pipeline_without_a_preset_draws_by_its_own_defaults(pag: Path) -> None:
    model = load_diffusers(str(pag), steps=2, size="64x64", device="cpu", negative="a dog", pag_scale=2.0)
    assert model.text_limit is None
    first, second = draw(model, TEXTS, [1, 2])
    assert first.shape == second.shape == (64, 64, 3)
    assert "pag_scale=2.0" in model.identity
    assert np.abs(first - direct(pag, TEXTS[0], 1, negative_prompt="a dog", pag_scale=2.0)).max() <= ROUNDING


def test_the_identity_says_what_decides_pixels_and_no_path(load: Load, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    one = load("z_image").identity
    elsewhere = Path(shutil.copytree(tiny("z_image"), tmp_path / "z_image"))
    assert load_diffusers(str(elsewhere), steps=2, size="64x64", device="cpu").identity == one
    assert str(tmp_path) not in one
    others = [{"steps": 3}, {"guidance": 2}, {"dtype": "bf16"}, {"size": "64x96"}, {"max_sequence_length": 100}]
    assert len({one, *(load("z_image", **other).identity for other in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"size": "1000x1024"}, "multiples of 16", "size=1008x1024"),
        ({"size": "large"}, "no size", "size=1024x1024"),
        ({"steps": 0}, "whole number from 1", "steps=4"),
        ({"steps": "many"}, "whole number from 1", "steps=4"),
        ({"guidance": "much"}, "number from 0", "guidance=4"),
        ({"dtype": "int8"}, "no such dtype", "bf16"),
        ({"offload": "model"}, "the device is the CPU", "leave it out"),
        ({"offload": "disk"}, "no such offload", "sequential"),
        ({"true_cfg_scale": 3.0}, "called guidance here", "guidance="),
        ({"num_inference_steps": 3}, "called steps here", "steps="),
        ({"stepz": 3}, "takes no parameter stepz", "max_sequence_length"),
        ({"prompt_embeds": 3}, "takes no parameter prompt_embeds", "max_sequence_length"),
        ({"guidance": 1, "negative": "a dog"}, "without guidance", "guidance=4"),
        ({"revision": "main"}, "has no revisions", "leave revision out"),
    ],
)
def test_what_a_spec_can_not_mean_is_said_before_anything_loads(
    settings: dict[str, Any], said: str, hint: str, tiny: Callable[[str], Path]
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        load_diffusers(str(tiny("qwen_image")), device="cpu", **settings)
    assert hint in raised.value.hint


def test_too_little_memory_is_said_before_anything_loads(tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_on", lambda device: memory.Free(10**6, 10**6))
    with pytest.raises(UsageError, match="of memory in fp32"):
        load_diffusers(str(tiny("qwen_image")), device="cpu")


def test_a_decoder_that_would_overflow_in_fp16_stays_in_fp32_where_it_runs_apart(load: Load, pag: Path) -> None:
    assert load("stable_diffusion_xl", dtype="fp16").loaded()._pipeline.vae.dtype == torch.float32
    assert load_diffusers(str(pag), device="cpu", dtype="fp16").loaded()._pipeline.vae.dtype == torch.float16
