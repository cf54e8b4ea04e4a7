"""Stable Diffusion XL with random weights, in the layout of its repository: about 540,000 parameters."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false, reportCallIssue=false

from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.tiny_models.words import byte_pairs, lively

DESCRIPTION = "Stable Diffusion XL: two CLIPs, UNet and autoencoder"

LONGEST = 77
"""Tokens that CLIP reads, its marks of beginning and end among them."""

WIDTH = 32


def tiny_sdxl() -> StableDiffusionXLPipeline:
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        projection_dim=WIDTH,
        max_position_embeddings=LONGEST,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            block_out_channels=(16, 32),
            layers_per_block=1,
            sample_size=32,
            in_channels=4,
            out_channels=4,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            cross_attention_dim=2 * WIDTH,
        )
        vae = AutoencoderKL(
            block_out_channels=(16, 16, 16, 16),
            norm_num_groups=8,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            sample_size=256,
        )
        return StableDiffusionXLPipeline(
            vae=vae.eval(),
            text_encoder=lively(CLIPTextModel(config), 0.5),
            text_encoder_2=lively(CLIPTextModelWithProjection(config), 0.5),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=lively(unet, 0.1),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
            ),
            add_watermarker=False,
        )


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's, with little more than single letters."""
    start, end = "<|startoftext|>", "<|endoftext|>"
    vocabulary, _ = byte_pairs("a photo of a cat", [], 256)
    words = [*vocabulary, *(f"{letter}</w>" for letter in vocabulary), start, end]
    return CLIPTokenizer(vocab={word: place for place, word in enumerate(words)}, merges=[], model_max_length=LONGEST)


def build(folder: Path) -> None:
    tiny_sdxl().save_pretrained(folder)
