"""Lens's text features against a float64 reference of GPT-OSS, written apart from any library (reference.py)."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false

from collections.abc import Callable

import numpy as np
import pytest

from generator.lens.template import AFTER, BEFORE, FROZEN_DATE
from tests.generator.lens import reference
from tests.generator.lens.reference import Array

pytest.importorskip("torch")

import torch
from transformers import GptOssConfig

from generator.lens.encoder import GptOssTextEncoder, LensGptOssEncoder
from tests.tiny_models.gpt_oss import tokenizer

FLOAT32 = 5e-5
"""Relative error of a layer's features in float32: 1.4e-5 in the longest text here. Rotations go by positions, known to 1e-5 from 128 on;
and weights as wide as these double an error from layer to layer."""
DROPPED = 97
LAYERS = (0, 1, 3, 4)
"""The last one's residuals among them, which no norm must have touched."""
SHAPE = reference.GptOssShape(layers=5, query_heads=4, key_heads=2, head=16, top=3, window=24)
WORDS = "a stall beside the canal, its lamp lit, and rain on every stone of the quay; "
TEXTS = {
    "empty": "",
    "short": "a red fox",
    "other letters": "Zwei Hunde am See, 一只猫 <|end|>",
    "as long as the window many times": WORDS * 8,
}


@pytest.fixture(scope="module")
def model() -> LensGptOssEncoder:
    """Random, with sinks, biases, experts and frequencies that all show, and the real vocabulary."""
    config = GptOssConfig(
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.query_heads,
        num_key_value_heads=SHAPE.key_heads,
        head_dim=SHAPE.head,
        hidden_size=24,
        intermediate_size=16,
        num_local_experts=6,
        num_experts_per_tok=SHAPE.top,
        sliding_window=SHAPE.window,
    )
    made = LensGptOssEncoder(config).eval().requires_grad_(False)
    noise = torch.Generator().manual_seed(0)
    for name, weights in made.named_parameters():
        if name.endswith("norm.weight"):
            weights.normal_(1, 0.3, generator=noise)
        else:
            # Wide enough for gates and experts to reach their limits.
            weights.normal_(0, 1 if "embed" in name or "gate_up" in name or "sinks" in name else 0.4, generator=noise)
    return made


@pytest.fixture(scope="module")
def expected(model: LensGptOssEncoder) -> Callable[[str], Array]:
    """The features of a text, [layers, tokens, hidden], by the reference."""
    tensors = {name: weights.double().numpy() for name, weights in model.state_dict().items() if name != "lm_head.weight"}
    words = tokenizer()
    before, after = (words.encode(part, add_special_tokens=False) for part in (BEFORE.format(date=FROZEN_DATE), AFTER))

    def features(text: str) -> Array:
        # Marks in the user's words are letters.
        ids = [*before, *words.encode(text, add_special_tokens=False, split_special_tokens=True), *after]
        return np.stack(reference.gpt_oss(tensors, SHAPE, ids, LAYERS))[:, DROPPED:]

    return features


def worst(ours: torch.Tensor, theirs: Array) -> float:
    """The largest relative error of a layer."""
    assert tuple(ours.shape) == theirs.shape
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(ours.double().numpy(), theirs, strict=True))


@pytest.mark.parametrize("name", TEXTS)
def test_features_follow_the_formulas(model, expected, name) -> None:
    encode = GptOssTextEncoder(model, tokenizer(), layers=LAYERS)
    (features,) = encode([TEXTS[name]])
    assert worst(features.layers, expected(TEXTS[name])) < FLOAT32


def test_features_in_a_batch_follow_the_formulas(model, expected) -> None:
    """Texts of equal and of other lengths, encoded together."""
    texts = [*TEXTS.values(), "a red box", "a red fox"]
    for text, features in zip(texts, GptOssTextEncoder(model, tokenizer(), layers=LAYERS)(texts), strict=True):
        assert worst(features.layers, expected(text)) < FLOAT32


@pytest.mark.parametrize("part", ["self_attn.sinks", "self_attn.q_proj.bias", "mlp.router.bias", "mlp.experts.gate_up_proj_bias"])
def test_parts_that_are_easily_forgotten_show(model, expected, part) -> None:
    """An error in what has no effect on this model would go unseen."""
    features = expected(TEXTS["short"])
    weights = model.get_parameter(f"model.layers.0.{part}")
    kept = weights.clone()
    weights.mul_(1.5)
    (changed,) = GptOssTextEncoder(model, tokenizer(), layers=LAYERS)([TEXTS["short"]])
    weights.copy_(kept)
    assert worst(changed.layers, features) > 100 * FLOAT32
