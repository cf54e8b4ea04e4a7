"""What the tiny pipelines of diffusers share: tokenizers made here and now, and weights that look at the text."""

# pyright: reportMissingImports=false, reportArgumentType=false, reportCallIssue=false

import json
from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from transformers import Qwen2Tokenizer

MARKERS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
"""Qwen's."""
END = "<|endoftext|>"

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A chat template in the form of Qwen's."""


def qwen_tokenizer(read: str) -> Qwen2Tokenizer:
    """Qwen's, with 400 tokens, nearly all of them learned from the text ``read``."""
    vocabulary, merges = byte_pairs(read, [END, *MARKERS], 400)
    return Qwen2Tokenizer(vocab=vocabulary, merges=merges, additional_special_tokens=MARKERS, chat_template=CHAT)


def byte_pairs(read: str, special: Sequence[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte-level tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False)
    # Pairs have to occur more than once.
    tokenizer.train_from_iterator([read] * 2, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


def lively(module: nn.Module, std: float) -> nn.Module:
    """``module`` ready to be used, with matrices so large that its output depends on its input: as libraries initialise them, it hardly
    does."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=std)
    return module.eval().requires_grad_(False)


def ids(tokenizer: Qwen2Tokenizer) -> dict[str, int]:
    """Where Qwen's vision models find the markers of pictures."""
    names = {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>", "image": "<|image_pad|>", "video": "<|video_pad|>"}
    return {f"{name}_token_id": int(tokenizer.convert_tokens_to_ids(marker)) for name, marker in names.items()}
