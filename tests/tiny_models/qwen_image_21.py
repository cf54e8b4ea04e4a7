"""Qwen-Image 2.1 with random weights, in the layout of its repository: about 150,000 parameters.

Its processor is written part by part: transformers makes it only where torchvision is installed, for the sake of videos.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false, reportCallIssue=false

import json
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKLQwenImage21, FlowMatchEulerDiscreteScheduler, QwenImage21Transformer2DModel
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tests.tiny_models.words import ids, lively, qwen_tokenizer

DESCRIPTION = "Qwen-Image 2.1: Qwen3-VL, transformer and autoencoder; draws RGBA"

TEMPLATE = (
    "<|im_start|>system\nComprehend and analyze the provided prompt.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
"""The pipeline's own."""

WIDTH = 32
CHANNELS = 8


def build(folder: Path) -> None:
    tokenizer = qwen_tokenizer(TEMPLATE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(
                text_config={
                    "vocab_size": len(tokenizer),
                    "hidden_size": WIDTH,
                    "intermediate_size": 64,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 2,
                    "num_key_value_heads": 1,
                    "head_dim": 16,
                    "rope_parameters": {
                        "rope_type": "default",
                        "rope_theta": 5e5,
                        "mrope_section": [4, 2, 2],
                        "mrope_interleaved": True,
                    },
                },
                vision_config={
                    "depth": 2,
                    "hidden_size": 16,
                    "intermediate_size": 16,
                    "num_heads": 2,
                    "out_hidden_size": WIDTH,
                    "num_position_embeddings": 16,
                    "deepstack_visual_indexes": [0],
                },
                **ids(tokenizer),
            )
        )
        transformer = QwenImage21Transformer2DModel(
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            context_in_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
        )
        vae = AutoencoderKLQwenImage21(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=CHANNELS,
            dim_mult=[1, 1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True, True],
            latents_mean=[0.1] * CHANNELS,
            latents_std=[0.9] * CHANNELS,
        )
    lively(reader, 0.5).save_pretrained(folder / "text_encoder")
    lively(transformer, 0.2).save_pretrained(folder / "transformer")
    vae.save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    tokenizer.save_pretrained(folder / "processor")
    patches = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2, "processor_class": "Qwen3VLProcessor"}
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    _write(folder / "processor/preprocessor_config.json", {**patches, "size": size, "image_processor_type": "Qwen2VLImageProcessor"})
    _write(folder / "processor/video_preprocessor_config.json", {**patches, "size": size, "video_processor_type": "Qwen3VLVideoProcessor"})
    _write(
        folder / "model_index.json",
        {
            "_class_name": "QwenImage21Pipeline",
            "_diffusers_version": diffusers.__version__,
            "processor": ["transformers", "Qwen3VLProcessor"],
            "sample_sigmas": None,
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "Qwen3VLForConditionalGeneration"],
            "transformer": ["diffusers", "QwenImage21Transformer2DModel"],
            "vae": ["diffusers", "AutoencoderKLQwenImage21"],
        },
    )


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2), "utf-8")
