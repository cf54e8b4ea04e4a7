"""Tiny Lens pipelines, made once per run. They are shared: tests that change one work on a copy."""

# pyright: reportMissingImports=false

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from generator.lens.pipeline import LensPipeline


@pytest.fixture(scope="session")
def pipeline() -> "LensPipeline":
    """Without a text encoder."""
    from tests.tiny_models.lens import tiny_lens

    pipeline = tiny_lens(text_encoder=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def reading_pipeline() -> "LensPipeline":
    """With a tiny GPT-OSS."""
    from tests.tiny_models.lens import tiny_lens

    pipeline = tiny_lens()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def saved(pipeline: "LensPipeline", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pipeline without a text encoder."""
    folder = tmp_path_factory.mktemp("lens") / "Lens-Turbo"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def features() -> "Callable[..., list[Tensor]]":
    """Text features of the given lengths, as large as a real encoder's, the same for the same ``seed``."""
    import torch

    def make(*lengths: int, seed: int = 0) -> "list[Tensor]":
        noise = torch.Generator().manual_seed(seed)
        return [torch.randn(4, length, 64, generator=noise) * 200 for length in lengths]

    return make


@pytest.fixture(scope="session")
def draw() -> Callable[..., Any]:
    """Draws 64x64 in two steps, picture by picture from ``seeds``, unless told otherwise; gives tensors back."""
    import torch

    def drawn(pipeline: Any, prompt_embeds: Any = None, seeds: Sequence[int] = (), **changed: Any) -> Any:
        settings: dict[str, Any] = {
            "height": 64,
            "width": 64,
            "num_inference_steps": 2,
            "output_type": "pt",
            "prompt_embeds": prompt_embeds,
        }
        settings["generator"] = [torch.Generator().manual_seed(seed) for seed in seeds] or None
        return pipeline(**settings | changed).images

    return drawn
