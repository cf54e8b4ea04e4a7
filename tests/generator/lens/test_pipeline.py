"""Lens's pipeline on random weights: what a picture depends on and what it does not, guidance, decoding, sizes, callbacks."""

# pyright: reportMissingImports=false

from collections.abc import Callable
from copy import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler  # noqa: E402

from generator.lens.pipeline import LensPipeline, guide  # noqa: E402
from generator.lens.schedule import shifted_sigmas  # noqa: E402

ROUNDING = 5e-5
"""float32, of values between 0 and 1, after two steps and the autoencoder: sums taken in another order."""
VISIBLE = 0.02
"""Mean difference of two pictures that people would not confuse."""


def generators(*seeds: int) -> list[Any]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture
def calls(pipeline: LensPipeline):
    """The number of rows and of text tokens of each call of the transformer."""
    seen: list[tuple[int, int]] = []
    hook = pipeline.transformer.register_forward_pre_hook(lambda _, inputs: seen.append((len(inputs[0]), inputs[1].shape[2])))
    yield seen
    hook.remove()


def test_pictures_depend_on_text_and_seed(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    one, other = features(5, 5)
    pictures = draw(pipeline, [one, one, other], [0, 1, 0])
    assert (pictures[0] - pictures[1]).abs().mean() > VISIBLE
    assert (pictures[0] - pictures[2]).abs().mean() > VISIBLE
    assert torch.equal(pictures, draw(pipeline, [one, one, other], [0, 1, 0]))


@pytest.mark.parametrize("lengths", [(5, 5, 5, 5), (3, 5, 8, 5)], ids=["equally long texts", "texts of several lengths"])
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_a_batch_of_four_equals_four_singles(
    pipeline: LensPipeline, features: Callable, draw: Callable, lengths: tuple[int, ...], guidance: float
) -> None:
    texts = features(*lengths)
    together = draw(pipeline, texts, range(4), guidance_scale=guidance)
    for row in range(4):
        alone = draw(pipeline, [texts[row]], [row], guidance_scale=guidance)
        assert torch.allclose(together[row : row + 1], alone, rtol=0, atol=ROUNDING)


def test_texts_of_one_length_go_together_and_without_a_mask(
    pipeline: LensPipeline, features: Callable, draw: Callable, calls: list[tuple[int, int]]
) -> None:
    draw(pipeline, features(3, 5, 3), range(3), num_inference_steps=1)
    assert sorted(calls) == [(1, 5), (2, 3), (3, 0)]


def test_without_guidance_there_is_no_unconditional_branch(
    pipeline: LensPipeline, features: Callable, draw: Callable, calls: list[tuple[int, int]]
) -> None:
    texts = features(5, 5)
    drawn = draw(pipeline, texts, [0, 1], guidance_scale=1, output_type="latent", num_inference_steps=1)
    assert calls == [(2, 5)]
    noise = pipeline.prepare_latents(generators(0, 1), 64, 64)
    velocity = pipeline.transformer(noise, torch.stack(texts), None, torch.ones(1), 4, 4).sample
    assert torch.equal(drawn, noise - velocity)


def test_guidance_turns_a_velocity_and_keeps_its_length() -> None:
    conditional, unconditional = (torch.randn(2, 3, 128, generator=generator) for generator in generators(0, 1))
    guided = guide(conditional, unconditional, 5.0)
    assert torch.allclose(guided.norm(dim=-1), conditional.norm(dim=-1))
    wanted = 5 * conditional - 4 * unconditional
    assert torch.allclose(torch.cosine_similarity(guided, wanted, dim=-1), torch.ones(2, 3))
    assert torch.allclose(guide(conditional, unconditional, 1.0), conditional, atol=1e-6)


def test_guidance_of_nothing_is_nothing() -> None:
    assert torch.equal(guide(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), 5.0), torch.zeros(1, 1, 4))


def test_an_empty_negative_is_no_text(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    [text], anything = features(5), torch.stack(features(7, seed=3))
    empty = draw(pipeline, [text], [0], negative_prompt="")
    masked = draw(pipeline, [text], [0], negative_prompt_embeds=anything, negative_prompt_mask=torch.zeros(1, 7, dtype=torch.bool))
    assert torch.equal(empty, masked)
    assert (empty - draw(pipeline, [text], [0], negative_prompt_embeds=anything)).abs().mean() > VISIBLE / 10


def test_padded_features_with_a_mask(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    texts = features(4, 6)
    padded = torch.stack([torch.nn.functional.pad(text, (0, 0, 0, 6 - text.shape[1]), value=9.0) for text in texts])
    mask = torch.arange(6)[None] < torch.tensor([[4], [6]])
    assert torch.equal(draw(pipeline, padded, [0, 1], prompt_mask=mask), draw(pipeline, texts, [0, 1]))


def test_noise_is_drawn_per_picture_on_the_processor(pipeline: LensPipeline) -> None:
    noise = pipeline.prepare_latents(generators(7, 8), 48, 80)
    assert noise.shape == (2, 15, 128)
    assert torch.equal(noise[1], torch.randn(15, 128, generator=generators(8)[0]))


def test_one_generator_for_all_is_drawn_from_in_turn(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    [one] = generators(3)
    noise = torch.stack([torch.randn(16, 128, generator=one) for _ in range(2)])
    texts = features(5, 5)
    assert torch.equal(draw(pipeline, texts, generator=generators(3)[0]), draw(pipeline, texts, latents=noise))


def test_without_a_generator_pictures_differ_and_the_global_one_is_left_alone(
    pipeline: LensPipeline, features: Callable, draw: Callable
) -> None:
    before = torch.get_rng_state()
    assert not torch.equal(draw(pipeline, features(5)), draw(pipeline, features(5)))
    assert torch.equal(torch.get_rng_state(), before)


def test_several_pictures_per_prompt_stand_together(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    one, other = features(5, 5)
    drawn = draw(pipeline, [one, other], [0, 1, 2, 3], num_images_per_prompt=2)
    assert torch.equal(drawn, draw(pipeline, [one, one, other, other], [0, 1, 2, 3]))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 80), (80, 16)])
def test_output_types(pipeline: LensPipeline, features: Callable, draw: Callable, height: int, width: int) -> None:
    drawn = {
        kind: draw(pipeline, features(5, 5), [0, 1], height=height, width=width, output_type=kind) for kind in ("pt", "np", "pil", "latent")
    }
    assert drawn["pt"].shape == (2, 3, height, width)
    assert drawn["pt"].dtype == torch.float32
    assert 0 <= drawn["pt"].min() < drawn["pt"].max() <= 1
    assert (drawn["np"] == drawn["pt"].permute(0, 2, 3, 1).numpy()).all()
    assert [(picture.mode, picture.size) for picture in drawn["pil"]] == [("RGB", (width, height))] * 2
    assert drawn["pil"][1].tobytes() == (drawn["np"][1] * 255).round().astype("uint8").tobytes()
    assert drawn["latent"].shape == (2, height * width // 256, 128)
    assert torch.equal(pipeline.decode_latents(drawn["latent"], height, width), drawn["pt"])


def test_a_plain_tuple(pipeline: LensPipeline, features: Callable) -> None:
    drawn = pipeline(prompt_embeds=features(5), height=32, width=32, num_inference_steps=1, output_type="pt", return_dict=False)
    assert isinstance(drawn, tuple)
    assert drawn[0].shape == (1, 3, 32, 32)


def test_sizes_come_from_the_buckets(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    shape = {"height": None, "width": None, "num_inference_steps": 1, "guidance_scale": 1, "output_type": "latent"}
    assert draw(pipeline, features(1), **shape).shape[1] == 64 * 64
    assert draw(pipeline, features(1), **shape, aspect_ratio="1:2").shape[1] == 92 * 46


def test_decoding_undoes_the_normalisation_and_the_packing(pipeline: LensPipeline) -> None:
    vae, height, width = pipeline.vae, 32, 48
    latents = torch.randn(2, 32, height // 8, width // 8, generator=generators(0)[0])
    packed = torch.empty(2, height // 16 * width // 16, 128)
    for row in range(height // 16):
        for column in range(width // 16):
            for channel in range(32):
                for down in range(2):
                    for right in range(2):
                        pixel = latents[:, channel, 2 * row + down, 2 * column + right]
                        packed[:, row * (width // 16) + column, channel * 4 + down * 2 + right] = pixel
    normalised = (packed - vae.bn.running_mean) / torch.sqrt(vae.bn.running_var + 1e-4)
    wanted = (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(pipeline.decode_latents(normalised, height, width), wanted, atol=ROUNDING)


def test_callbacks_see_each_step_and_change_the_picture(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    steps: list[tuple[int, float, list[str]]] = []

    def look(seen: LensPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        assert seen is pipeline
        steps.append((step, float(timestep), sorted(tensors)))
        return {}

    def blank(_: LensPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"latents": tensors["latents"] * 0}

    names = ["latents", "prompt_embeds", "negative_prompt_embeds", "noise_pred"]
    looked = draw(pipeline, features(5), [0], num_inference_steps=3, callback_on_step_end=look, callback_on_step_end_tensor_inputs=names)
    assert torch.equal(looked, draw(pipeline, features(5), [0], num_inference_steps=3))
    assert [(step, names) for step, _, names in steps] == [(step, sorted(names)) for step in range(3)]
    assert [timestep / 1000 for _, timestep, _ in steps] == pytest.approx(shifted_sigmas(16, 3)[:3], abs=1e-6)
    blanked = draw(pipeline, features(5), [0], callback_on_step_end=blank, output_type="latent")
    assert torch.equal(blanked, torch.zeros(1, 16, 128))


def test_a_callback_changes_the_text_on_the_way(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    one, other = features(5, 8)

    def switch(_: LensPipeline, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"prompt_embeds": [other]} if step == 0 else {}

    switched = draw(pipeline, [one], [0], callback_on_step_end=switch)
    assert (switched - draw(pipeline, [one], [0])).abs().mean() > VISIBLE / 10
    assert (switched - draw(pipeline, [other], [0])).abs().mean() > VISIBLE / 10


def with_scheduler(pipeline: LensPipeline, **config: Any) -> LensPipeline:
    other = copy(pipeline)
    other.__dict__["scheduler"] = FlowMatchEulerDiscreteScheduler(**config)
    return other


def test_a_scheduler_without_a_shift_of_its_own_gives_the_same_levels(pipeline: LensPipeline, features: Callable, draw: Callable) -> None:
    plain = with_scheduler(pipeline)
    # The last bit of a noise level counts a thousandfold in its embedding.
    assert torch.allclose(draw(plain, features(5), [0]), draw(pipeline, features(5), [0]), rtol=0, atol=20 * ROUNDING)


@pytest.mark.parametrize("config", [{"shift": 3.0}, {"use_dynamic_shifting": True, "shift_terminal": 0.1}])
def test_a_scheduler_that_would_change_the_levels_is_not_followed(
    pipeline: LensPipeline, features: Callable, draw: Callable, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    drawn = draw(with_scheduler(pipeline, **config), features(5), [0])
    assert torch.allclose(drawn, draw(pipeline, features(5), [0]), rtol=0, atol=20 * ROUNDING)
    assert "would change Lens's noise levels" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"height": 1000, "width": 1024}, "height is 1000, which is no multiple of 16; nearest: 992 and 1008"),
        ({"height": 64, "width": 7}, "width is 7, which is no multiple of 16; nearest: 16"),
        ({"height": 64, "width": -16}, "width is -16"),
        ({"height": 64, "width": None}, "go together"),
        ({"height": None, "width": None, "aspect_ratio": "5:4"}, "there are 1:2, 9:16"),
        ({"height": None, "width": None, "base_resolution": 512}, "there are 1024, 1440"),
        ({"guidance_scale": 0.0}, "counts from 1"),
        ({"output_type": "jpeg"}, "pil, np, pt and latent"),
        ({"generator": generators(1, 2, 3)}, "3 generators for 2 pictures"),
        ({"latents": torch.zeros(2, 9, 128)}, r"latents of shape \[2, 9, 128\]"),
        ({"prompt_embeds": [torch.zeros(3, 5, 64)]}, r"Lens reads \[4, tokens, 64\]"),
        ({"prompt_embeds": []}, "no texts"),
        ({"prompt_embeds": None}, "pass a prompt, or prompt_embeds"),
        ({"prompt_embeds": None, "prompt": "a lighthouse"}, "without a text encoder"),
        ({"negative_prompt": "blurry"}, "without a text encoder"),
        ({"negative_prompt": ["", "", ""]}, "3 negative texts for 2 pictures"),
        ({"callback_on_step_end": lambda *_: {}, "callback_on_step_end_tensor_inputs": ["image"]}, "can't see image"),
    ],
)
def test_what_can_not_be_drawn(pipeline: LensPipeline, features: Callable, draw: Callable, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw(pipeline, **{"prompt_embeds": features(5, 5), **settings})
