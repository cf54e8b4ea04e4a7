"""Lens's transformer: names and sizes of its tensors, positions, masks, and what it may not depend on."""

# pyright: reportMissingImports=false

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from generator.lens.transformer import (  # noqa: E402
    LensTransformer2DModel,
    image_positions,
    rotary_table,
    rotated,
    text_positions,
)
from tests.tiny_models.lens import tiny_transformer  # noqa: E402

ROUNDING = 2e-5
"""float32, of outputs around 1: sums taken in another order."""


@pytest.fixture(scope="module")
def model() -> LensTransformer2DModel:
    return tiny_transformer(layers=3)


def velocity(model, noisy, text, mask=None, sigma=0.7, height=4, width=4):
    return model(noisy, text, mask, torch.tensor([sigma]), height, width).sample


def noise(*shape: int, seed: int = 0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def full() -> LensTransformer2DModel:
    with torch.device("meta"):
        return LensTransformer2DModel()


def test_the_full_model_has_the_published_tensors(full: LensTransformer2DModel) -> None:
    state = full.state_dict()
    assert len(state) == 1_264
    assert sum(tensor.numel() for tensor in state.values()) == 4_104_225_152


def test_tensors_have_the_published_names_and_shapes(full: LensTransformer2DModel) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in full.state_dict().items()}
    dim = 1536
    outside = {
        **both("img_in", dim, 128),
        **{f"txt_norm.{layer}.weight": (2880,) for layer in range(4)},
        **both("txt_in", dim, 11520),
        **both("time_text_embed.timestep_embedder.linear_1", dim, 256),
        **both("time_text_embed.timestep_embedder.linear_2", dim, dim),
        **both("norm_out.linear", 2 * dim, dim),
        **both("proj_out", 128, dim),
    }
    block = {
        name.removeprefix("transformer_blocks.47."): shape for name, shape in shapes.items() if name.startswith("transformer_blocks.47.")
    }
    assert {name: shape for name, shape in shapes.items() if not name.startswith("transformer_blocks.")} == outside
    assert block == {
        **both("img_mod.1", 6 * dim, dim),
        **both("txt_mod.1", 6 * dim, dim),
        **{f"{stream}_norm{which}.weight": (dim,) for stream in ("img", "txt") for which in (1, 2)},
        **both("attn.img_qkv", 3 * dim, dim),
        **both("attn.txt_qkv", 3 * dim, dim),
        **{f"attn.norm_{which}.weight": (64,) for which in ("q", "k", "added_q", "added_k")},
        **both("attn.to_out.0", dim, dim),
        **both("attn.to_add_out", dim, dim),
        **{f"{stream}_mlp.{which}.weight": (4096, dim) for stream in ("img", "txt") for which in ("w1", "w3")},
        **{f"{stream}_mlp.w2.weight": (dim, 4096) for stream in ("img", "txt")},
    }


def both(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns", "text"),
    [
        (4, 4, [-2, -1, 0, 1], [-2, -1, 0, 1], 2),
        (5, 3, [-3, -2, -1, 0, 1], [-2, -1, 0], 2),
        (2, 7, [-1, 0], [-4, -3, -2, -1, 0, 1, 2], 3),
        (1, 1, [-1], [-1], 0),
    ],
)
def test_positions(height: int, width: int, rows: list[int], columns: list[int], text: int) -> None:
    assert image_positions(height, width).tolist() == [[0, row, column] for row in rows for column in columns]
    assert text_positions(height, width, 3).tolist() == [[text + token] * 3 for token in range(3)]


def test_neighbouring_channels_turn_by_the_angle_of_their_axis() -> None:
    positions = torch.tensor([[2.0, -3.0, 5.0]])
    cos, sin = rotary_table(positions, (2, 4, 4))
    angles = [2.0, -3.0, -3.0 / 100, 5.0, 5.0 / 100]
    turned = rotated(torch.tensor([1.0, 0.0] * 5)[None, None, None], cos, sin).flatten().tolist()
    assert turned == pytest.approx([part for angle in angles for part in (math.cos(angle), math.sin(angle))], abs=1e-6)


def test_attention_sees_differences_of_positions_alone() -> None:
    axes = (4, 6, 6)
    query, key = noise(1, 1, 2, 16, seed=1), noise(1, 1, 2, 16, seed=2)

    def score(at: list[float], towards: list[float]):
        turned = [rotated(heads, *rotary_table(torch.tensor([where]), axes)).flatten() for heads, where in ((query, at), (key, towards))]
        return torch.dot(*turned).item()

    assert score([0, -3, 7], [1, 2, 3]) == pytest.approx(score([2, 40, 7], [3, 45, 3]), abs=1e-4)
    assert score([0, -3, 7], [1, 2, 3]) != pytest.approx(score([0, -3, 7], [1, 2, 4]), abs=1e-2)


def test_padding_behind_a_mask_changes_nothing(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, [text] = noise(1, 16, 128), features(6)
    padded = torch.cat([text, features(3, seed=1)[0]], dim=1)[None]
    mask = torch.arange(9)[None] < 6
    assert torch.allclose(velocity(model, noisy, padded, mask), velocity(model, noisy, text[None]), atol=ROUNDING)
    assert not torch.allclose(velocity(model, noisy, padded), velocity(model, noisy, text[None]), atol=1e-2)


def test_a_row_without_text_among_others(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(2, 16, 128), torch.stack(features(6, 6))
    mask = torch.tensor([[True] * 6, [False] * 6])
    mixed = velocity(model, noisy, text, mask)
    assert torch.allclose(mixed[:1], velocity(model, noisy[:1], text[:1]), atol=ROUNDING)
    assert torch.allclose(mixed[1:], velocity(model, noisy[1:], text[1:, :, :0]), atol=ROUNDING)


def test_a_mask_over_no_text(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(1, 16, 128), features(0)[0][None]
    assert torch.equal(velocity(model, noisy, text, torch.ones(1, 0, dtype=torch.bool)), velocity(model, noisy, text))


@pytest.mark.parametrize(("height", "width"), [(4, 4), (3, 5), (1, 2)])
def test_rows_of_a_batch_do_not_see_each_other(model: LensTransformer2DModel, features: Callable, height: int, width: int) -> None:
    noisy, text = noise(4, height * width, 128), torch.stack(features(5, 5, 5, 5))
    together = velocity(model, noisy, text, height=height, width=width)
    for row in range(4):
        alone = velocity(model, noisy[row : row + 1], text[row : row + 1], height=height, width=width)
        assert torch.allclose(together[row : row + 1], alone, atol=ROUNDING)


def test_one_noise_level_for_all_or_one_each(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(2, 16, 128), torch.stack(features(5, 5))
    apart = model(noisy, text, None, torch.tensor([0.7, 0.2]), 4, 4, return_dict=False)[0]
    assert torch.allclose(apart[:1], velocity(model, noisy[:1], text[:1], sigma=0.7), atol=ROUNDING)
    assert torch.allclose(apart[1:], velocity(model, noisy[1:], text[1:], sigma=0.2), atol=ROUNDING)


def test_the_shape_of_a_picture_matters(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(1, 16, 128), features(5)[0][None]
    wide, tall = (velocity(model, noisy, text, height=height, width=16 // height) for height in (2, 8))
    assert not torch.allclose(wide, tall, atol=1e-2)


def test_the_last_text_stream_ends_unread(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(1, 16, 128), features(5)[0][None]
    reference = velocity(model, noisy, text)
    for layer, read in ((-1, False), (-2, True)):
        changed = deepcopy(model)
        block: Any = changed.transformer_blocks[layer]
        block.attn.to_add_out.weight.zero_()
        block.txt_mlp.w2.weight.zero_()
        assert torch.equal(velocity(changed, noisy, text), reference) is not read


def test_in_bfloat16_close_noise_levels_stay_apart(model: LensTransformer2DModel, features: Callable) -> None:
    small, noisy, text = deepcopy(model).to(torch.bfloat16), noise(1, 16, 128), features(5)[0][None]
    drawn = [velocity(small, noisy.bfloat16(), text.bfloat16(), sigma=sigma) for sigma in (0.999, 0.997)]
    assert drawn[0].dtype == torch.bfloat16
    assert not torch.equal(*drawn)
    error = (drawn[0].float() - velocity(model, noisy, text, sigma=0.999)).norm() / drawn[0].float().norm()
    assert error < 0.1


def test_it_compiles_into_one_graph(model: LensTransformer2DModel, features: Callable) -> None:
    noisy, text = noise(1, 16, 128), features(5)[0][None]
    compiled = torch.compile(deepcopy(model), backend="eager", fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(velocity(compiled, noisy, text), velocity(model, noisy, text), atol=ROUNDING)


@pytest.mark.parametrize("unknown", [{"gate_mlp": False}, {"rms_norm": False}, {"multi_layer_encoder_feature": False}])
def test_what_no_released_model_is(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="every released Lens"):
        LensTransformer2DModel(num_layers=1, **unknown)


def test_axes_share_out_a_head() -> None:
    with pytest.raises(ValueError, match="64"):
        LensTransformer2DModel(num_layers=1, axes_dims_rope=(8, 28, 24))
