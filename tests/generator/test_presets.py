"""The table of presets: what it says of the models that people run, and that each row fits the pipeline that it is for."""

import inspect
from typing import Any

import pytest

from generator.local import Size
from generator.presets import TABLE, Preset, Row, generic, preset_for
from generator.sizes import checked

GOLDEN: dict[tuple[str, str], tuple[int, float, Size, int | None]] = {
    ("QwenImagePipeline", "Qwen/Qwen-Image"): (50, 4.0, Size(1328, 1328), 1024),
    ("QwenImage21Pipeline", "Qwen/Qwen-Image-2.1"): (40, 1.0, Size(1024, 1024), None),
    ("ZImagePipeline", "Tongyi-MAI/Z-Image-Turbo"): (9, 0.0, Size(1024, 1024), 512),
    ("ZImagePipeline", "Tongyi-MAI/Z-Image"): (50, 4.0, Size(1024, 1024), 512),
    ("Flux2Pipeline", "black-forest-labs/FLUX.2-dev"): (50, 4.0, Size(1024, 1024), 512),
    ("FluxPipeline", "black-forest-labs/FLUX.1-schnell"): (4, 0.0, Size(1024, 1024), 256),
    ("FluxPipeline", "black-forest-labs/FLUX.1-dev"): (50, 3.5, Size(1024, 1024), 512),
    ("StableDiffusionXLPipeline", "stabilityai/stable-diffusion-xl-base-1.0"): (50, 5.0, Size(1024, 1024), 77),
    ("StableDiffusionXLPipeline", "stabilityai/sdxl-turbo"): (1, 0.0, Size(512, 512), 77),
    ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-large-turbo"): (4, 0.0, Size(1024, 1024), 256),
    ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-large"): (28, 3.5, Size(1024, 1024), 256),
    ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-medium"): (40, 4.5, Size(1024, 1024), 256),
    ("StableDiffusionPipeline", "stable-diffusion-v1-5/stable-diffusion-v1-5"): (50, 7.5, Size(512, 512), 77),
}


def of(pipeline: str, name: str, **index: Any) -> Preset:
    found = preset_for(pipeline, name, index)
    assert found is not None
    return found


@pytest.mark.parametrize(("pipeline", "name"), GOLDEN)
def test_a_model_is_sampled_as_its_card_says(pipeline: str, name: str) -> None:
    preset = of(pipeline, name)
    assert preset.guidance is not None
    assert preset.reading is not None
    assert (preset.steps, preset.guidance.value, preset.size, preset.reading.tokens) == GOLDEN[pipeline, name]


def test_klein_is_told_from_its_base_by_what_its_index_says() -> None:
    distilled, base = of("Flux2KleinPipeline", "any", is_distilled=True), of("Flux2KleinPipeline", "any", is_distilled=False)
    assert (distilled.steps, base.steps) == (4, 50)
    assert distilled.guidance is not None
    assert base.guidance is not None
    assert not distilled.guidance.branches(distilled.guidance.value)
    assert base.guidance.branches(base.guidance.value)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.pipeline}-{row.word}")
def test_every_size_of_a_row_is_one_that_it_takes(row: Row) -> None:
    for ratio, size in {**row.preset.sizes, "default": row.preset.size}.items():
        assert checked(size, row.preset.multiple) == size
        if ratio != "default":
            wide, high = (int(part) for part in ratio.split(":"))
            assert size.width / size.height == pytest.approx(wide / high, rel=0.1)
    assert row.preset.size == row.preset.sizes["1:1"]


def test_guidance_where_a_model_takes_it_as_a_number_has_no_branch() -> None:
    flux = of("FluxPipeline", "FLUX.1-dev").guidance
    assert flux is not None
    assert not flux.branches(100.0)


def test_an_unknown_pipeline_draws_as_its_own_defaults_say() -> None:
    assert preset_for("SanaPipeline", "any", {}) is None
    preset = generic({"prompt": None, "num_inference_steps": 20, "guidance_scale": 4.5})
    assert preset.steps == 20
    assert preset.guidance is not None
    assert (preset.guidance.argument, preset.guidance.value) == ("guidance_scale", 4.5)
    assert preset.reading is None
    assert generic({"prompt": None}).guidance is None


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.pipeline}-{row.word}")
def test_a_row_speaks_of_arguments_that_the_pipeline_has(row: Row) -> None:
    diffusers = pytest.importorskip("diffusers")
    kind = getattr(diffusers, row.pipeline)
    takes = inspect.signature(kind.__call__).parameters
    preset, reading = row.preset, row.preset.reading
    assert preset.guidance is not None
    assert preset.guidance.argument in takes
    assert reading is not None
    assert {*reading.results, *filter(None, (reading.mask, reading.argument))} <= set(takes)
    if reading.tokens is not None:
        assert reading.tokenizer in inspect.signature(kind.__init__).parameters
    if preset.guidance.branches(1000.0):
        assert "negative_prompt_embeds" in takes
    if reading.argument:
        assert reading.argument in inspect.signature(kind.encode_prompt).parameters
