"""Lens's transformer as one file with prefixed names, as mirrors for other programs ship it, beside the folders of the rest."""

# pyright: reportMissingImports=false, reportOptionalMemberAccess=false

from pathlib import Path

from safetensors.torch import save_file

from tests.tiny_models.lens import tiny_lens

DESCRIPTION = "Lens: the transformer in one file, autoencoder and GPT-OSS in folders"

PREFIX = "model.diffusion_model."


def build(folder: Path) -> None:
    """``lens.safetensors`` and its ``config.json``, and the folders ``vae`` and ``text_encoder``, the latter with the tokenizer."""
    pipeline = tiny_lens()
    folder.mkdir(parents=True, exist_ok=True)
    save_file({PREFIX + name: tensor for name, tensor in pipeline.transformer.state_dict().items()}, folder / "lens.safetensors")
    pipeline.transformer.save_config(folder)
    pipeline.vae.save_pretrained(folder / "vae")
    pipeline.text_encoder.save_pretrained(folder / "text_encoder")
    pipeline.tokenizer.save_pretrained(folder / "text_encoder")
