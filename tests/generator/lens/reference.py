"""Lens in float64 numpy, formula by formula: what the torch code is held against.

Written from the published description alone (names of tensors, order of operations), one image at a time, with loops where they are
clearer than broadcasting. ``Tensors`` maps state-dict names to arrays; nothing here knows torch, speed or batches.

Shapes: n image tokens (h rows of w, row-major), t text tokens, d inner width, c latent channels of the packed space (128 in Lens).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Tensors = Mapping[str, Array]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def linear(tensors: Tensors, name: str, x: Array) -> Array:
    """``x`` W^T + b; no bias where there is no such tensor."""
    y = x @ tensors[f"{name}.weight"].T
    bias = tensors.get(f"{name}.bias")
    return y if bias is None else y + bias


def rms_norm(x: Array, weight: Array, eps: float) -> Array:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * weight


def layer_norm(x: Array, eps: float) -> Array:
    """Without learned scale or shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# The transformer.


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tensors do not say by themselves."""

    layers: int
    heads: int
    axes: tuple[int, int, int]
    """Dimensions of a head rotated by frame, row and column; together the head's."""


def time_embedding(tensors: Tensors, sigma: float) -> Array:
    """[d]. 256 sinusoids of 1000 sigma, cosines first, frequencies 10000^(-k/128)."""
    half = 128
    wave = np.zeros(2 * half)
    for k in range(half):
        angle = 1000 * sigma * 10000 ** (-k / half)
        wave[k], wave[half + k] = math.cos(angle), math.sin(angle)
    hidden = silu(linear(tensors, "time_text_embed.timestep_embedder.linear_1", wave))
    return linear(tensors, "time_text_embed.timestep_embedder.linear_2", hidden)


def image_positions(h: int, w: int) -> list[tuple[int, int, int]]:
    """(frame, row, column) of each image token: rows from -(h - h//2) to h//2 - 1, columns likewise."""
    return [(0, row - (h - h // 2), column - (w - w // 2)) for row in range(h) for column in range(w)]


def text_positions(h: int, w: int, t: int) -> list[tuple[int, int, int]]:
    """Text goes on along the diagonal from max(h//2, w//2)."""
    first = max(h // 2, w // 2)
    return [(first + j, first + j, first + j) for j in range(t)]


def rotated(x: Array, positions: Sequence[tuple[int, int, int]], axes: tuple[int, int, int]) -> Array:
    """``x`` [tokens, heads, sum of axes]: each adjacent pair turned as a complex number, by position * 10000^(-2k/axis)."""
    y = np.empty_like(x)
    for token, position in enumerate(positions):
        at = 0
        for axis, along in zip(axes, position, strict=True):
            for k in range(axis // 2):
                angle = along * 10000 ** (-2 * k / axis)
                pair = (x[token, :, at] + 1j * x[token, :, at + 1]) * complex(math.cos(angle), math.sin(angle))
                y[token, :, at], y[token, :, at + 1] = pair.real, pair.imag
                at += 2
    return y


def attention(query: Array, key: Array, value: Array, shown: NDArray[np.bool_]) -> Array:
    """Joint attention, [tokens, heads, head] in, [tokens, heads * head] out. Keys that are not ``shown`` weigh nothing."""
    tokens, heads, head = query.shape
    out = np.empty((tokens, heads, head))
    for i in range(heads):
        scores = query[:, i] @ key[:, i].T / math.sqrt(head)
        out[:, i] = softmax(np.where(shown[None, :], scores, -np.inf)) @ value[:, i]
    return out.reshape(tokens, heads * head)


def _modulation(tensors: Tensors, name: str, embedded: Array) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """(shift, scale, gate) of the attention, and of the MLP."""
    shift1, scale1, gate1, shift2, scale2, gate2 = np.split(linear(tensors, name, silu(embedded)), 6)
    return (shift1, scale1, gate1), (shift2, scale2, gate2)


def _qkv(tensors: Tensors, name: str, x: Array, heads: int) -> tuple[Array, Array, Array]:
    fused = linear(tensors, name, x).reshape(len(x), 3, heads, x.shape[-1] // heads)
    return fused[:, 0], fused[:, 1], fused[:, 2]


def _mlp(tensors: Tensors, name: str, x: Array) -> Array:
    return linear(tensors, f"{name}.w2", silu(linear(tensors, f"{name}.w1", x)) * linear(tensors, f"{name}.w3", x))


def block(
    tensors: Tensors, at: str, shape: Shape, image: Array, text: Array, embedded: Array, size: tuple[int, int], mask: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """One block; ``at`` is its prefix, with the dot. Image and text after it."""
    n, t = len(image), len(text)
    streams: dict[str, Array] = {"img": image, "txt": text}
    places = {"img": image_positions(*size), "txt": text_positions(*size, t)}
    norms = {"img": ("norm_q", "norm_k"), "txt": ("norm_added_q", "norm_added_k")}
    modulation = {s: _modulation(tensors, f"{at}{s}_mod.1", embedded) for s in streams}
    query, key, value = [], [], []
    for s, x in streams.items():
        shift, scale, _ = modulation[s][0]
        modulated = rms_norm(x, tensors[f"{at}{s}_norm1.weight"], 1e-6) * (1 + scale) + shift
        q, k, v = _qkv(tensors, f"{at}attn.{s}_qkv", modulated, shape.heads)
        q_norm, k_norm = norms[s]
        query.append(rotated(rms_norm(q, tensors[f"{at}attn.{q_norm}.weight"], 1e-5), places[s], shape.axes))
        key.append(rotated(rms_norm(k, tensors[f"{at}attn.{k_norm}.weight"], 1e-5), places[s], shape.axes))
        value.append(v)
    shown = np.concatenate([np.ones(n, dtype=bool), mask])
    joint = attention(np.concatenate(query), np.concatenate(key), np.concatenate(value), shown)
    attended = {"img": linear(tensors, f"{at}attn.to_out.0", joint[:n]), "txt": linear(tensors, f"{at}attn.to_add_out", joint[n:])}
    for s, x in streams.items():
        x = x + modulation[s][0][2] * attended[s]
        shift, scale, gate = modulation[s][1]
        streams[s] = x + gate * _mlp(tensors, f"{at}{s}_mlp", rms_norm(x, tensors[f"{at}{s}_norm2.weight"], 1e-6) * (1 + scale) + shift)
    return streams["img"], streams["txt"]


def transformer(
    tensors: Tensors,
    shape: Shape,
    latents: Array,
    layers: Sequence[Array],
    sigma: float,
    size: tuple[int, int],
    mask: NDArray[np.bool_] | None = None,
) -> Array:
    """The velocity [n, c] at ``latents`` [n, c]. ``layers``: each [t, text width], t may be 0; ``mask`` [t]: False where padded."""
    embedded = time_embedding(tensors, sigma)
    image = linear(tensors, "img_in", latents)
    normed = [rms_norm(layer, tensors[f"txt_norm.{i}.weight"], 1e-5) for i, layer in enumerate(layers)]
    text = linear(tensors, "txt_in", np.concatenate(normed, axis=-1))
    shown = np.ones(len(text), dtype=bool) if mask is None else mask
    for i in range(shape.layers):
        image, text = block(tensors, f"transformer_blocks.{i}.", shape, image, text, embedded, size, shown)
    scale, shift = np.split(linear(tensors, "norm_out.linear", silu(embedded)), 2)
    return linear(tensors, "proj_out", layer_norm(image, 1e-6) * (1 + scale) + shift)


# Schedule, guidance, steps.


def mu(n: int, steps: int) -> float:
    """How far the noise levels are shifted, for n image tokens."""
    at_200 = 1.6927e-4 * n + 0.45666666
    if n > 4300:
        return at_200
    at_10 = 8.73809524e-5 * n + 1.89833333
    slope = (at_200 - at_10) / 190
    return slope * steps + at_200 - 200 * slope


def sigmas(n: int, steps: int) -> list[float]:
    """steps + 1 noise levels, from 1 down to 0."""
    shift = math.exp(mu(n, steps))
    evenly = [1 + (1 / steps - 1) * i / max(steps - 1, 1) for i in range(steps)]
    return [*(shift / (shift + 1 / s - 1) for s in evenly), 0.0]


def guided(conditional: Array, unconditional: Array, guidance: float) -> Array:
    """Per token, the guided velocity is given back the length of the conditional one."""
    combined = unconditional + guidance * (conditional - unconditional)
    return combined * np.linalg.norm(conditional, axis=-1, keepdims=True) / np.linalg.norm(combined, axis=-1, keepdims=True)


def denoised(
    tensors: Tensors, shape: Shape, noise: Array, text: Sequence[Array], negative: Sequence[Array], guidance: float, steps: int,
    size: tuple[int, int],
) -> Array:  # fmt: skip
    """Latents [n, c] after ``steps`` Euler steps from ``noise``. ``text`` and ``negative``: the layers' features without padding."""
    levels = sigmas(len(noise), steps)
    latents = noise
    for level, following in pairwise(levels):
        conditional = transformer(tensors, shape, latents, text, level, size)
        unconditional = transformer(tensors, shape, latents, negative, level, size)
        latents = latents + (following - level) * guided(conditional, unconditional, guidance)
    return latents


def unpacked(latents: Array, mean: Array, variance: Array, eps: float, size: tuple[int, int]) -> Array:
    """What the VAE decodes, [c / 4, 2h, 2w]: normalisation undone in the packed space, whose channels are (channel, row, column)."""
    h, w = size
    scaled = latents * np.sqrt(variance + eps) + mean
    channels = scaled.shape[-1] // 4
    out = np.empty((channels, 2 * h, 2 * w))
    for row in range(h):
        for column in range(w):
            for c in range(channels):
                for p1 in range(2):
                    for p2 in range(2):
                        out[c, 2 * row + p1, 2 * column + p2] = scaled[row * w + column, (c * 2 + p1) * 2 + p2]
    return out


# The text encoder.


@dataclass(frozen=True, slots=True)
class GptOssShape:
    """What GPT-OSS's tensors do not say by themselves; the last ones as in gpt-oss-20b."""

    layers: int
    query_heads: int
    key_heads: int
    head: int
    top: int
    window: int
    theta: float = 150000.0
    factor: float = 32.0
    original: int = 4096
    eps: float = 1e-5
    limit: float = 7.0


def yarn(shape: GptOssShape, beta_fast: float = 32.0, beta_slow: float = 1.0) -> tuple[Array, float]:
    """Angle per position of each pair, and what cosines and sines are multiplied by. The ramp's ends are not rounded."""

    def dimension(turns: float) -> float:
        return shape.head * math.log(shape.original / (turns * 2 * math.pi)) / (2 * math.log(shape.theta))

    low, high = max(dimension(beta_fast), 0.0), min(dimension(beta_slow), shape.head - 1.0)
    frequencies = np.zeros(shape.head // 2)
    for k in range(shape.head // 2):
        plain = shape.theta ** (-2 * k / shape.head)
        kept = 1 - min(max((k - low) / (high - low), 0.0), 1.0)
        frequencies[k] = plain * kept + plain / shape.factor * (1 - kept)
    return frequencies, 0.1 * math.log(shape.factor) + 1


def half_rotated(x: Array, frequencies: Array, scale: float) -> Array:
    """``x`` [tokens, heads, head]: pairs are (k, k + head/2)."""
    half = x.shape[-1] // 2
    angles = np.arange(len(x))[:, None, None] * frequencies
    cos, sin = np.cos(angles) * scale, np.sin(angles) * scale
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def sink_attention(query: Array, key: Array, value: Array, sinks: Array, window: int | None) -> Array:
    """Causal, over ``window`` tokens or all; each head's sink takes its share of the softmax and gives nothing."""
    tokens, heads, head = query.shape
    group = heads // key.shape[1]
    out = np.zeros((tokens, heads, head))
    for i in range(tokens):
        start = 0 if window is None else max(0, i - window + 1)
        for j in range(heads):
            scores = key[start : i + 1, j // group] @ query[i, j] / math.sqrt(head)
            weights = softmax(np.append(scores, sinks[j]))[:-1]
            out[i, j] = weights @ value[start : i + 1, j // group]
    return out.reshape(tokens, heads * head)


def experts(tensors: Tensors, at: str, x: Array, top: int, limit: float) -> Array:
    """The ``top`` experts by the router's logit, weighed by a softmax over those alone."""
    out = np.zeros_like(x)
    logits = linear(tensors, f"{at}router", x)
    for i, row in enumerate(x):
        chosen = np.argsort(-logits[i])[:top]
        for expert, weight in zip(chosen, softmax(logits[i][chosen]), strict=True):
            both = row @ tensors[f"{at}experts.gate_up_proj"][expert] + tensors[f"{at}experts.gate_up_proj_bias"][expert]
            gate, up = np.minimum(both[0::2], limit), np.clip(both[1::2], -limit, limit)
            hidden = gate * sigmoid(1.702 * gate) * (up + 1)
            out[i] += weight * (hidden @ tensors[f"{at}experts.down_proj"][expert] + tensors[f"{at}experts.down_proj_bias"][expert])
    return out


def gpt_oss(tensors: Tensors, shape: GptOssShape, tokens: Sequence[int], after: Sequence[int]) -> list[Array]:
    """The residual stream [tokens, hidden] after each of the layers ``after`` (counted from 0), without the final norm."""
    frequencies, scale = yarn(shape)
    x = tensors["model.embed_tokens.weight"][np.asarray(tokens)]
    taken: dict[int, Array] = {}
    for i in range(shape.layers):
        at = f"model.layers.{i}."
        normed = rms_norm(x, tensors[f"{at}input_layernorm.weight"], shape.eps)
        query, key, value = (
            linear(tensors, f"{at}self_attn.{name}_proj", normed).reshape(len(x), heads, shape.head)
            for name, heads in (("q", shape.query_heads), ("k", shape.key_heads), ("v", shape.key_heads))
        )
        query, key = half_rotated(query, frequencies, scale), half_rotated(key, frequencies, scale)
        # The first layer slides, the second sees all, and so on in turn.
        window = shape.window if i % 2 == 0 else None
        attended = sink_attention(query, key, value, tensors[f"{at}self_attn.sinks"], window)
        x = x + linear(tensors, f"{at}self_attn.o_proj", attended)
        normed = rms_norm(x, tensors[f"{at}post_attention_layernorm.weight"], shape.eps)
        x = x + experts(tensors, f"{at}mlp.", normed, shape.top, shape.limit)
        taken[i] = x
    return [taken[i] for i in after]
