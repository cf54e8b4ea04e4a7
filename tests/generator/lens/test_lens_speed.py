"""benchmarks/lens_speed.py: that it runs, and that what it counts is so."""

# pyright: reportMissingImports=false

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import lens_speed
from generator.lens import VARIANTS
from tests.tiny_models.lens import tiny_transformer

ROOT = Path(__file__).resolve().parents[3]


def counted(layers: int, tokens: int, text: int) -> int:
    """Operations of a pass of the tiny transformer, counted by torch while it runs."""
    model = tiny_transformer(layers=layers)
    latents = torch.zeros(1, tokens, model.config["in_channels"])
    features = torch.zeros(1, len(model.config["selected_layer_index"]), text, model.config["enc_hidden_dim"])
    # The fused kernels of the CPU are none that torch counts.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(latents, features, None, torch.ones(1), tokens // 2, 2)
    return counter.get_total_flops()


@pytest.mark.parametrize(("tokens", "text"), [(16, 0), (16, 5), (24, 40)])
def test_a_block_takes_the_operations_that_the_formula_says(tokens: int, text: int) -> None:
    three, four = (tiny_transformer(layers=layers).config for layers in (3, 4))
    said = lens_speed.operations(four, tokens, text) - lens_speed.operations(three, tokens, text)
    assert counted(4, tokens, text) - counted(3, tokens, text) == said


def test_without_text_all_operations_are_counted() -> None:
    # Apart from three matrices that see the noise level alone, once per image.
    config = tiny_transformer(layers=3).config
    level = 2 * (256 * 32 + 32 * 32 + 32 * 64)
    assert counted(3, 16, 0) == lens_speed.operations(config, 16, 0) + level


def test_the_published_arithmetic() -> None:
    """What an image of 1024x1024 takes at full size: 0.95 s and 0.1 s at 0.7 PFLOP/s, which the goals are reasoned from."""
    with torch.device("meta"):
        config = lens_speed.LensTransformer2DModel().config
    assert lens_speed.drawing(config, 4096, 160, VARIANTS["Lens"]) / 0.7e15 == pytest.approx(0.95, rel=0.03)
    assert lens_speed.drawing(config, 4096, 160, VARIANTS["Lens-Turbo"]) / 0.7e15 == pytest.approx(0.1, rel=0.05)


def test_a_separate_reasoner_is_counted_by_its_published_size() -> None:
    sizes = lens_speed.reasoner_gib()
    # 20.9 billion parameters; the released checkpoint, which is in MXFP4, has 12.8 GiB.
    assert sizes["bf16"] == pytest.approx(2 * 20.91e9 / 2**30, rel=0.01)
    assert sizes["mxfp4"] == pytest.approx(12.8, rel=0.02)


def test_the_full_pipeline_is_lens() -> None:
    pipeline = lens_speed.full_pipeline(torch.device("meta"), encoder=False)
    assert sum(tensor.numel() for tensor in pipeline.transformer.parameters()) == 4_104_225_152
    assert {tensor.dtype for part in (pipeline.transformer, pipeline.vae) for tensor in part.parameters()} == {torch.bfloat16}


def test_it_runs_tiny() -> None:
    command = [sys.executable, "-m", "benchmarks.lens_speed", "--tiny", "--batches", "2", "--check", "--json"]
    answer = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=100).stdout)
    assert [(speed["variant"], speed["steps"], speed["batch"]) for speed in answer["speeds"]] == [("Lens", 20, 2), ("Lens-Turbo", 4, 2)]
    assert all(speed["denoiser"] > 0 and speed["autoencoder"] > 0 and speed["share"] > 0 for speed in answer["speeds"])
    # Goals are for full size on a Hopper card, and --check says nothing elsewhere.
    assert answer["ok"] is None
