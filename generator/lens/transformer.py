"""Lens's denoiser as a diffusers model: 48 blocks in which a stream of image tokens and a stream of text tokens attend jointly.

Written from the facts in the Lens report and its released configuration. The names of its tensors are those of the released weights, so
that mirrors load as they are. It knows nothing of schedules, guidance or pixels (pipeline.py), and is not made for training: no gradient
checkpointing. What may not be quantised without harm is named in ``_skip_layerwise_casting_patterns``.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false
# pyright: reportUntypedFunctionDecorator=false

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

ROPE_BASE = 1e4
TIME_CHANNELS = 256
TIME_SCALE = 1000.0
"""The time embedding sees a noise level of 1 as 1000."""
TABLES_KEPT = 16

RotaryTable = tuple[Tensor, Tensor]
"""Cosines and signed sines for ``rotated``: [tokens, 1, channels of a head] each, float32."""


class LensTransformer2DModel(ModelMixin, ConfigMixin):
    """Says in which direction a noisy picture moves (a flow's velocity), given its noise level and the text's features.

    The defaults are the released model's: 4,104,225,152 parameters in 1,264 tensors.

    ``patch_size``: how many of the autoencoder's pixels, in each direction, make up a token.
    ``in_channels``, ``out_channels``: of a token that comes in, and of one of the autoencoder's pixels that come out.
    ``enc_hidden_dim``: of the text encoder; ``selected_layer_index``: after which of its layers (from 0) the features are taken.
    ``axes_dims_rope``: how many channels of a head speak of the frame, the row and the column; together a head's size.
    ``gate_mlp``, ``rms_norm``, ``multi_layer_encoder_feature``: true in all released weights; ValueError where they are not.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ["LensTransformerBlock", "LensLastBlock"]  # noqa: RUF012  (the base class's form)
    _repeated_blocks = ["LensTransformerBlock", "LensLastBlock"]  # noqa: RUF012
    # Modulations stored in few bits draw grids into pictures.
    _skip_layerwise_casting_patterns = ["norm", "img_mod", "txt_mod", "time_text_embed"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        patch_size: int = 2,
        in_channels: int = 128,
        out_channels: int = 32,
        num_layers: int = 48,
        attention_head_dim: int = 64,
        num_attention_heads: int = 24,
        enc_hidden_dim: int = 2880,
        axes_dims_rope: Sequence[int] = (8, 28, 28),
        gate_mlp: bool = True,
        rms_norm: bool = True,
        multi_layer_encoder_feature: bool = True,
        selected_layer_index: Sequence[int] = (5, 11, 17, 23),
    ) -> None:
        super().__init__()
        if not (gate_mlp and rms_norm and multi_layer_encoder_feature):
            raise ValueError("gate_mlp, rms_norm and multi_layer_encoder_feature are true in every released Lens; nothing else is known")
        if sum(axes_dims_rope) != attention_head_dim or any(dim % 2 for dim in axes_dims_rope):
            raise ValueError(f"axes_dims_rope {list(axes_dims_rope)} has to be even, and {attention_head_dim} (attention_head_dim) in all")
        dim = num_attention_heads * attention_head_dim
        self.img_in = nn.Linear(in_channels, dim)
        self.txt_norm = nn.ModuleList(nn.RMSNorm(enc_hidden_dim, eps=1e-5) for _ in selected_layer_index)
        self.txt_in = nn.Linear(enc_hidden_dim * len(selected_layer_index), dim)
        self.time_text_embed = LensTimeEmbedding(dim)
        self.transformer_blocks = nn.ModuleList(
            (LensTransformerBlock if layer < num_layers - 1 else LensLastBlock)(dim, num_attention_heads) for layer in range(num_layers)
        )
        self.norm_out = LensFinalNorm(dim)
        self.proj_out = nn.Linear(dim, patch_size**2 * out_channels)
        self._tables: OrderedDict[tuple[int, int, int, torch.device], RotaryTable] = OrderedDict()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_mask: Tensor | None,
        timestep: Tensor,
        height: int,
        width: int,
        return_dict: bool = True,
    ) -> Transformer2DModelOutput | tuple[Tensor]:
        """The velocity, [B, n, channels of a token], of the noisy tokens.

        ``hidden_states``: [B, n, in_channels] with n = height * width, row after row; both count tokens, 16 pixels each.
        ``encoder_hidden_states``: [B, layers, t, enc_hidden_dim], the text encoder's residuals after the selected layers. t may be 0.
        ``encoder_hidden_states_mask``: [B, t], true where there is text; padding stands to the right, and a row may be all false, which is
        drawn like t = 0. None: no padding. Attention is fastest without a mask.
        ``timestep``: [B], or [1] for all; the noise level from 0 to 1, best in float32 whatever the model's own type.
        """
        image = self.img_in(hidden_states)
        layers = encoder_hidden_states.unbind(1)
        text = self.txt_in(torch.cat([norm(layer) for norm, layer in zip(self.txt_norm, layers, strict=True)], dim=-1))
        time = self.time_text_embed(timestep, image.dtype)
        table = self._table(height, width, text.shape[1], image.device)
        mask = None
        if encoder_hidden_states_mask is not None and text.shape[1]:
            mask = _attention_mask(encoder_hidden_states_mask, image.shape[1])
        # Copies: linear layers give views, which later blocks never get, and torch.compile would compile each block twice to allow for it.
        image, text = image.clone(), text.clone()
        for block in self.transformer_blocks:
            image, text = block(image, text, time, table[0], table[1], mask)
        velocity = self.proj_out(self.norm_out(image, time))
        return Transformer2DModelOutput(sample=velocity) if return_dict else (velocity,)

    def _table(self, height: int, width: int, text: int, device: torch.device) -> "RotaryTable":
        key = (height, width, text, device)
        table = self._tables.get(key)
        if table is None:
            positions = torch.cat([image_positions(height, width), text_positions(height, width, text)])
            cos, sin = rotary_table(positions, self.config["axes_dims_rope"])
            table = self._tables[key] = (cos.to(device), sin.to(device))
            if len(self._tables) > TABLES_KEPT:
                self._tables.popitem(last=False)
        return table


class LensTimeEmbedding(nn.Module):
    """A noise level, from 0 to 1, as a vector: [B] to [B, dim], with the SiLU already applied through which every user of it looks."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.timestep_embedder = nn.ModuleDict({"linear_1": nn.Linear(TIME_CHANNELS, dim), "linear_2": nn.Linear(dim, dim)})

    def forward(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        half = TIME_CHANNELS // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float32, device=timestep.device) * (-math.log(1e4) / half))
        # In float32: bfloat16 can't tell 999 from 1000.
        angles = TIME_SCALE * timestep.float()[:, None] * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype)
        first, second = self.timestep_embedder["linear_1"], self.timestep_embedder["linear_2"]
        return functional.silu(second(functional.silu(first(waves))))


class LensTransformerBlock(nn.Module):
    """Joint attention and a gated MLP per stream, both modulated by the noise level."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        # Released names end in ".1": the SiLU that stands first is the same for all blocks, and LensTimeEmbedding has applied it.
        self.img_mod = nn.Sequential(nn.Identity(), nn.Linear(dim, 6 * dim))
        self.txt_mod = nn.Sequential(nn.Identity(), nn.Linear(dim, 6 * dim))
        self.img_norm1, self.img_norm2 = nn.RMSNorm(dim, eps=1e-6), nn.RMSNorm(dim, eps=1e-6)
        self.txt_norm1, self.txt_norm2 = nn.RMSNorm(dim, eps=1e-6), nn.RMSNorm(dim, eps=1e-6)
        self.attn = LensAttention(dim, heads)
        self.img_mlp, self.txt_mlp = LensMLP(dim), LensMLP(dim)

    def forward(self, image: Tensor, text: Tensor, time: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.img_mod(time)[:, None].chunk(6, dim=-1)
        text_shift1, text_scale1, text_gate1, text_shift2, text_scale2, text_gate2 = self.txt_mod(time)[:, None].chunk(6, dim=-1)
        seen = self.attn(
            modulated(self.img_norm1(image), shift1, scale1), modulated(self.txt_norm1(text), text_shift1, text_scale1), cos, sin, mask
        )
        image_seen, text_seen = seen[:, : image.shape[1]], seen[:, image.shape[1] :]
        image = torch.addcmul(image, gate1, self.attn.to_out[0](image_seen))
        image = torch.addcmul(image, gate2, self.img_mlp(modulated(self.img_norm2(image), shift2, scale2)))
        text = torch.addcmul(text, text_gate1, self.attn.to_add_out(text_seen))
        text = torch.addcmul(text, text_gate2, self.txt_mlp(modulated(self.txt_norm2(text), text_shift2, text_scale2)))
        return image, text


class LensLastBlock(LensTransformerBlock):
    """The last block, whose text nobody reads: only the image looks around. What the text would need is there, as in the released weights,
    and unused.

    A class of its own, since torch.compile counts recompilations, up to a limit, per ``forward``.
    """

    def forward(self, image: Tensor, text: Tensor, time: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.img_mod(time)[:, None].chunk(6, dim=-1)
        text_shift, text_scale = self.txt_mod(time)[:, None].chunk(6, dim=-1)[:2]
        seen = self.attn(
            modulated(self.img_norm1(image), shift1, scale1),
            modulated(self.txt_norm1(text), text_shift, text_scale),
            cos,
            sin,
            mask,
            text_looks=False,
        )
        image = torch.addcmul(image, gate1, self.attn.to_out[0](seen))
        return torch.addcmul(image, gate2, self.img_mlp(modulated(self.img_norm2(image), shift2, scale2))), text


class LensAttention(nn.Module):
    """Attention over image tokens, then text tokens, each stream with projections of its own. The caller applies those of the output."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.img_qkv, self.txt_qkv = nn.Linear(dim, 3 * dim), nn.Linear(dim, 3 * dim)
        self.norm_q, self.norm_k = nn.RMSNorm(dim // heads, eps=1e-5), nn.RMSNorm(dim // heads, eps=1e-5)
        self.norm_added_q, self.norm_added_k = nn.RMSNorm(dim // heads, eps=1e-5), nn.RMSNorm(dim // heads, eps=1e-5)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.to_add_out = nn.Linear(dim, dim)

    def forward(self, image: Tensor, text: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, *, text_looks: bool = True) -> Tensor:
        """What each token saw, [B, n + t, dim], or [B, n, dim] where the text does not look."""
        image_q, image_k, image_v = self.img_qkv(image).unflatten(-1, (3, self.heads, -1)).unbind(2)
        text_q, text_k, text_v = self.txt_qkv(text).unflatten(-1, (3, self.heads, -1)).unbind(2)
        query = self.norm_q(image_q)
        if text_looks:
            query = torch.cat([query, self.norm_added_q(text_q)], dim=1)
        key = torch.cat([self.norm_k(image_k), self.norm_added_k(text_k)], dim=1)
        value = torch.cat([image_v, text_v], dim=1)
        query, key = rotated(query, cos[: query.shape[1]], sin[: query.shape[1]]), rotated(key, cos, sin)
        seen = functional.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask)
        return seen.transpose(1, 2).flatten(2)


class LensMLP(nn.Module):
    """SwiGLU of 8/3 the width, without biases."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = int(dim / 3 * 8)
        self.w1, self.w3 = nn.Linear(dim, inner, bias=False), nn.Linear(dim, inner, bias=False)
        self.w2 = nn.Linear(inner, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.w2(functional.silu(self.w1(tokens)) * self.w3(tokens))


class LensFinalNorm(nn.Module):
    """The last modulation: scale first, then shift, unlike in the blocks."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.linear(time)[:, None].chunk(2, dim=-1)
        return modulated(functional.layer_norm(tokens, tokens.shape[-1:], eps=1e-6), shift, scale)


def modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``tokens * (1 + scale) + shift``."""
    return torch.addcmul(shift, tokens, 1 + scale)


def image_positions(height: int, width: int) -> Tensor:
    """[height * width, 3]: frame, row and column of the image's tokens. The frame is 0; rows run from -(h - h//2) to h//2 - 1, and columns
    likewise."""
    rows = torch.arange(height, dtype=torch.float32) - (height - height // 2)
    columns = torch.arange(width, dtype=torch.float32) - (width - width // 2)
    return torch.cartesian_prod(torch.zeros(1), rows, columns)


def text_positions(height: int, width: int, tokens: int) -> Tensor:
    """[tokens, 3]: the same on all three axes, beginning where the image's longer side ends."""
    return (max(height // 2, width // 2) + torch.arange(tokens, dtype=torch.float32))[:, None].expand(tokens, 3)


def rotary_table(positions: Tensor, axes: Sequence[int]) -> RotaryTable:
    """The table for tokens at ``positions`` [tokens, axes], where ``axes`` share out a head's channels.

    Neighbouring channels, 2i and 2i + 1, turn together; sines carry a minus in the first of the two.
    """
    angles = torch.cat(
        [
            positions[:, axis, None].double() * ROPE_BASE ** (torch.arange(0, dim, 2, dtype=torch.float64) / -dim)
            for axis, dim in enumerate(axes)
        ],
        dim=-1,
    )
    cos = angles.cos().repeat_interleave(2, dim=-1)
    sin = torch.stack([-angles.sin(), angles.sin()], dim=-1).flatten(-2)
    return cos[:, None].float(), sin[:, None].float()


def rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE over [B, tokens, heads, channels]; computed in float32, given back in its own type."""
    # Real arithmetic with the table's signs in place: three passes over memory as it stands, and one when compiled, which complex is not.
    swapped = heads.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(heads * cos, swapped, sin).to(heads.dtype)


def _attention_mask(text: Tensor, image_tokens: int) -> Tensor:
    """[B, 1, 1, n + t], true where a token may be looked at: at all of the image, and at what is text."""
    return functional.pad(text.bool(), (image_tokens, 0), value=True)[:, None, None]
