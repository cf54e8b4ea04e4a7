"""Lens's denoiser, schedule and latents against a float64 reference written apart from them (reference.py)."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.lens.schedule import empirical_mu, shifted_sigmas
from tests.generator.lens import reference
from tests.generator.lens.reference import Array

pytest.importorskip("torch")

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler

from generator.lens.pipeline import LensPipeline, guide
from generator.lens.transformer import LensTransformer2DModel

FLOAT32 = 5e-5
"""Relative error of a forward pass in float32. The time embedding's angles go up to 1000, and 32 bits hold them to 6e-5: that alone gives
2e-5 in the worst of 150 random models; everything else gives 1e-6."""
FLOAT64_UNTIMED = 1e-7
"""The same in float64 at noise level 0, where those angles are nought: only the table of rotations is held in 32 bits."""
DRAWN = 5e-4
"""After some steps with guidance 5, which strengthens each error by as much."""
BFLOAT16 = 5e-2
"""Its roundings are 4e-3 each."""
ENCODER_WIDTH = 12
AXES = [(2, 2, 4), (4, 6, 6), (8, 4, 4)]

SIZES = [(1, 1), (4, 4), (3, 3), (5, 2), (2, 7), (6, 3)]
"""Height and width in tokens: even and odd, square, wide and tall."""


def model(seed: int, layers: int = 2, heads: int = 2, axes: tuple[int, int, int] = (4, 6, 6), selected: int = 3) -> LensTransformer2DModel:
    """A small Lens of random weights, large enough that each of its terms shows in the output."""
    made = LensTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=layers,
        attention_head_dim=sum(axes),
        num_attention_heads=heads,
        enc_hidden_dim=ENCODER_WIDTH,
        axes_dims_rope=axes,
        selected_layer_index=tuple(range(selected)),
    )
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            tensor.normal_(0, 1 if "norm" in name else 1.2 / math.sqrt(tensor.shape[-1]), generator=noise)
            if "norm" in name and "linear" not in name:
                tensor.mul_(0.3).add_(1)
    return made.eval()


def tensors(made: LensTransformer2DModel) -> dict[str, Array]:
    return {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}


def shape(made: LensTransformer2DModel) -> reference.Shape:
    return reference.Shape(made.config["num_layers"], made.config["num_attention_heads"], tuple(made.config["axes_dims_rope"]))


def distance(ours: torch.Tensor, theirs: Array) -> float:
    """Relative: the difference's length over the reference's."""
    return float(np.linalg.norm(ours.double().numpy() - theirs) / np.linalg.norm(theirs))


@torch.no_grad()
def velocity(made: LensTransformer2DModel, latents: Array, layers: Array, sigma: float, size: tuple[int, int], mask=None):
    """One image through our model. ``layers``: [selected, t, width]."""
    dtype = made.proj_out.weight.dtype
    (out,) = made(
        torch.tensor(latents, dtype=dtype)[None],
        torch.tensor(layers, dtype=dtype)[None],
        None if mask is None else torch.tensor(mask)[None],
        torch.tensor([sigma], dtype=torch.float32),
        size[0],
        size[1],
        return_dict=False,
    )
    return out[0]


def inputs(seed: int, size: tuple[int, int], t: int, selected: int = 3) -> tuple[Array, Array]:
    """Latents [n, 16] and features [selected, t, width], the latter as large and uneven as GPT-OSS's are."""
    rng = np.random.default_rng(seed)
    features = 200 * rng.normal(size=(selected, t, ENCODER_WIDTH))
    # What float32 holds exactly, so that both sides read the same numbers.
    return rng.normal(size=(size[0] * size[1], 16)).astype(np.float32).astype(float), features.astype(np.float32).astype(float)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    size=st.sampled_from(SIZES),
    t=st.integers(0, 6),
    layers=st.integers(1, 4),
    heads=st.integers(1, 3),
    axes=st.sampled_from(AXES),
    selected=st.integers(1, 4),
    # As float32 has it: the time embedding turns the last digits of a noise level into angles.
    sigma=st.floats(0, 1, width=32),
)
def test_the_transformer_follows_the_formulas(seed, size, t, layers, heads, axes, selected, sigma) -> None:
    made = model(seed, layers, heads, axes, selected)
    latents, features = inputs(seed, size, t, selected)
    expected = reference.transformer(tensors(made), shape(made), latents, list(features), sigma, size)
    assert distance(velocity(made, latents, features, sigma, size), expected) < FLOAT32


@pytest.mark.parametrize("size", SIZES)
def test_the_transformer_follows_the_formulas_to_many_digits(size) -> None:
    made = model(6, layers=3).double()
    latents, features = inputs(6, size, 4)
    expected = reference.transformer(tensors(made), shape(made), latents, list(features), 0.0, size)
    assert distance(velocity(made, latents, features, 0.0, size), expected) < FLOAT64_UNTIMED


@pytest.mark.parametrize("size", SIZES)
def test_padding_is_not_seen(size) -> None:
    made = model(1)
    latents, features = inputs(1, size, 5)
    mask = np.array([True, True, True, False, False])
    ours = velocity(made, latents, features, 0.7, size, mask)
    masked = reference.transformer(tensors(made), shape(made), latents, list(features), 0.7, size, mask)
    cut = reference.transformer(tensors(made), shape(made), latents, list(features[:, :3]), 0.7, size)
    assert distance(ours, masked) < FLOAT32
    assert distance(ours, cut) < FLOAT32


def test_a_mask_that_hides_all_text_is_no_text() -> None:
    made = model(2)
    latents, _ = inputs(2, (4, 3), 0)
    nothing = np.zeros((3, 4, ENCODER_WIDTH))
    expected = reference.transformer(tensors(made), shape(made), latents, list(nothing[:, :0]), 0.4, (4, 3))
    assert distance(velocity(made, latents, nothing, 0.4, (4, 3), np.zeros(4, dtype=bool)), expected) < FLOAT32
    assert distance(velocity(made, latents, nothing[:, :0], 0.4, (4, 3)), expected) < FLOAT32


def test_a_mixed_batch_is_its_images() -> None:
    """Texts of several lengths, one of them empty, and noise levels of their own."""
    made = model(3, layers=3)
    size, lengths, levels = (3, 4), (6, 2, 0), (1.0, 0.5, 0.03125)
    rows = [inputs(seed, size, t) for seed, t in enumerate(lengths)]
    features = torch.zeros(3, 3, max(lengths), ENCODER_WIDTH)
    mask = torch.zeros(3, max(lengths), dtype=torch.bool)
    for row, ((_, layers), t) in enumerate(zip(rows, lengths, strict=True)):
        features[row, :, :t], mask[row, :t] = torch.tensor(layers, dtype=torch.float32), True
    with torch.no_grad():
        latents = torch.tensor(np.stack([latents for latents, _ in rows]), dtype=torch.float32)
        out = made(latents, features, mask, torch.tensor(levels), *size).sample
    for row, (latents, layers) in enumerate(rows):
        expected = reference.transformer(tensors(made), shape(made), latents, list(layers), levels[row], size)
        assert distance(out[row], expected) < FLOAT32


def test_bfloat16_follows_within_its_rounding() -> None:
    made = model(4).bfloat16()
    latents, features = inputs(4, (4, 4), 5)
    latents, features = (torch.tensor(x).bfloat16().double().numpy() for x in (latents, features))
    expected = reference.transformer(tensors(made), shape(made), latents, list(features), 0.96875, (4, 4))
    assert distance(velocity(made, latents, features, 0.96875, (4, 4)), expected) < BFLOAT16


def test_every_tensor_but_the_last_text_ones_matters() -> None:
    """A term left out on both sides would agree, too."""
    made = model(5)
    latents, features = inputs(5, (3, 2), 4)
    before = velocity(made, latents, features, 0.6, (3, 2))
    idle = set()
    for name, tensor in made.named_parameters():
        kept = tensor.detach().clone()
        tensor.data.mul_(1.5)
        if torch.equal(velocity(made, latents, features, 0.6, (3, 2)), before):
            idle.add(name.removeprefix("transformer_blocks.1."))
        tensor.data.copy_(kept)
    text = {f"txt_mlp.w{i}.weight" for i in (1, 2, 3)} | {"txt_norm2.weight", "attn.to_add_out.weight", "attn.to_add_out.bias"}
    assert idle == text | {"attn.norm_added_q.weight"}


@given(st.integers(1, 10000), st.integers(1, 200))
def test_the_schedule_follows_the_formulas(tokens: int, steps: int) -> None:
    ours = shifted_sigmas(tokens, steps)
    assert empirical_mu(tokens, steps) == pytest.approx(reference.mu(tokens, steps), rel=1e-12)
    assert ours == pytest.approx(reference.sigmas(tokens, steps), rel=1e-9)
    assert ours[0] == pytest.approx(1, abs=1e-15)
    assert all(earlier > later for earlier, later in itertools.pairwise(ours))


@given(st.integers(0, 2**16), st.floats(1, 10))
def test_guidance_follows_the_formulas(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    conditional, unconditional = rng.normal(size=(2, 6, 16))
    ours = guide(torch.tensor(conditional), torch.tensor(unconditional), scale)
    assert ours.numpy() == pytest.approx(reference.guided(conditional, unconditional, scale), rel=1e-9)
    assert reference.guided(conditional, unconditional, 1) == pytest.approx(conditional)


@pytest.fixture(scope="module")
def uneven_pipeline() -> LensPipeline:
    """Without a text encoder; its autoencoder's batch norm is as uneven as a trained one's."""
    noise = torch.Generator().manual_seed(0)
    autoencoder = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        block_out_channels=(8,),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    autoencoder.get_buffer("bn.running_mean").normal_(0, 1, generator=noise)
    autoencoder.get_buffer("bn.running_var").uniform_(0.5, 3, generator=noise)
    made = LensPipeline(FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), autoencoder.eval(), None, None, model(7))
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize(("steps", "guidance", "negative"), [(3, 5.0, 0), (3, 5.0, 2), (2, 1.0, 0)])
@pytest.mark.parametrize("size", [(4, 3), (3, 5)])
def test_a_picture_is_drawn_by_the_formulas(uneven_pipeline, size, steps, guidance, negative) -> None:
    noise, text = inputs(8, size, 5)
    _, without = inputs(9, size, negative)
    pipeline = uneven_pipeline
    made = pipeline.transformer
    height, width = 16 * size[0], 16 * size[1]
    latents = pipeline.denoise(
        [torch.tensor(text, dtype=torch.float32)],
        torch.tensor(noise, dtype=torch.float32)[None],
        height,
        width,
        num_inference_steps=steps,
        guidance_scale=guidance,
        negatives=[torch.tensor(without, dtype=torch.float32)],
    )
    expected = reference.denoised(tensors(made), shape(made), noise, list(text), list(without), guidance, steps, size)
    assert distance(latents[0], expected) < DRAWN

    decoded: list[torch.Tensor] = []
    hook = pipeline.vae.post_quant_conv.register_forward_pre_hook(lambda _, given: decoded.append(given[0]))
    pipeline.decode_latents(latents, height, width)
    hook.remove()
    mean, variance = (pipeline.vae.get_buffer(f"bn.running_{name}").double().numpy() for name in ("mean", "var"))
    unpacked = reference.unpacked(expected, mean, variance, 1e-4, size)
    assert distance(decoded[0][0], unpacked) < DRAWN
