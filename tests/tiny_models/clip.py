"""A CLIP with random weights, in the layout of PickScore's repository: about 50,000 parameters."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false, reportCallIssue=false

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPVisionConfig

from tests.tiny_models.stable_diffusion_xl import LONGEST, clip_tokenizer
from tests.tiny_models.words import lively

DESCRIPTION = "CLIP as a preference model: text and image encoders, processor"

WIDTH = 32
SIDE = 32
"""Pixels along either side of what the image encoder looks at."""


def tiny_clip() -> tuple[CLIPModel, CLIPProcessor]:
    tokenizer = clip_tokenizer()
    shared = {"hidden_size": WIDTH, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2, "projection_dim": WIDTH}
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=LONGEST,
        **shared,
    )
    vision = CLIPVisionConfig(image_size=SIDE, patch_size=8, **shared)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH))
        scale = model.logit_scale.clone()
        lively(model, 0.2)
    assert torch.equal(scale, model.logit_scale)
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return model, CLIPProcessor(images, tokenizer)


def build(folder: Path) -> None:
    model, processor = tiny_clip()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
