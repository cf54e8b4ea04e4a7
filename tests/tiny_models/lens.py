"""Lens with random weights, in the layout of the released mirrors: about 26 million parameters, nearly all of them GPT-OSS's vocabulary."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportOptionalMemberAccess=false

from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler

from generator.lens.pipeline import LensPipeline
from generator.lens.transformer import LensTransformer2DModel

DESCRIPTION = "Lens: GPT-OSS, transformer and FLUX.2 autoencoder, in the layout of diffusers"

HIDDEN = 64
LAYERS = 4


def tiny_transformer(*, layers: int = 2, seed: int = 0) -> LensTransformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LensTransformer2DModel(
            num_layers=layers,
            num_attention_heads=2,
            attention_head_dim=16,
            axes_dims_rope=(4, 6, 6),
            enc_hidden_dim=HIDDEN,
            selected_layer_index=tuple(range(LAYERS)),
        )
        for name, tensor in model.named_parameters():
            # As a library initialises them, small matrices hardly look at the text, and norms all weigh one.
            if tensor.ndim > 1:
                torch.nn.init.normal_(tensor, std=0.2)
            else:
                torch.nn.init.normal_(tensor, mean=1.0 if "norm" in name and "linear" not in name else 0.0, std=0.1)
    return model.eval().requires_grad_(False)


def tiny_vae(seed: int = 0) -> AutoencoderKLFlux2:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoencoderKLFlux2(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, sample_size=64)
        model.bn.running_mean.normal_(std=0.5)
        model.bn.running_var.uniform_(0.5, 2.0)
    return model.eval().requires_grad_(False)


def tiny_lens(*, text_encoder: bool = True) -> LensPipeline:
    """The pipeline; without its text encoder it takes a fraction of a second."""
    model, tokenizer = None, None
    if text_encoder:
        from tests.tiny_models.gpt_oss import tiny_gpt_oss

        model, tokenizer = tiny_gpt_oss(layers=LAYERS, hidden=HIDDEN)
    return LensPipeline(FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), tiny_vae(), model, tokenizer, tiny_transformer())


def build(folder: Path) -> None:
    tiny_lens().save_pretrained(folder)
