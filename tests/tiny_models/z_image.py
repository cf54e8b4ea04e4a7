"""Z-Image with random weights, in the layout of its repository: about 450,000 parameters."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false, reportCallIssue=false

from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from tests.tiny_models.words import CHAT, lively, qwen_tokenizer

DESCRIPTION = "Z-Image: Qwen3, transformer and autoencoder"

WIDTH = 16


def tiny_z_image() -> ZImagePipeline:
    tokenizer = qwen_tokenizer(CHAT)
    tokenizer.pad_token = "<|endoftext|>"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = Qwen3Model(
            Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
            )
        )
        transformer = ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[4, 6, 6],
            axes_lens=[1536, 512, 512],
        )
        vae = AutoencoderKL(
            block_out_channels=(16, 16, 16, 16),
            norm_num_groups=8,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            scaling_factor=0.36,
            shift_factor=0.11,
        )
        return ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=vae.eval(),
            text_encoder=lively(reader, 0.5),
            tokenizer=tokenizer,
            transformer=lively(transformer, 0.2),
        )


def build(folder: Path) -> None:
    tiny_z_image().save_pretrained(folder)
