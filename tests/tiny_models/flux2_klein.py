"""FLUX.2 klein with random weights, in the layout of its repository: about 170,000 parameters."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportOptionalMemberAccess=false, reportArgumentType=false, reportCallIssue=false

from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.tiny_models.lens import tiny_vae
from tests.tiny_models.words import CHAT, lively, qwen_tokenizer

DESCRIPTION = "FLUX.2 klein: Qwen3, transformer and FLUX.2 autoencoder"

WIDTH = 16
LAYERS = 28
"""The pipeline takes what comes after 9, 18 and 27 of them."""


def tiny_klein(*, distilled: bool = True) -> Flux2KleinPipeline:
    tokenizer = qwen_tokenizer(CHAT)
    tokenizer.pad_token = "<|endoftext|>"
    vae: AutoencoderKLFlux2 = tiny_vae()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=16,
                num_hidden_layers=LAYERS,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
            )
        )
        transformer = Flux2Transformer2DModel(
            in_channels=4 * vae.config["latent_channels"],
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * WIDTH,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        )
        return Flux2KleinPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=vae,
            text_encoder=lively(reader, 0.5),
            tokenizer=tokenizer,
            transformer=lively(transformer, 0.2),
            is_distilled=distilled,
        )


def build(folder: Path) -> None:
    tiny_klein().save_pretrained(folder)
