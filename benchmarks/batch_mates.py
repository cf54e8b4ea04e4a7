"""How much an image changes with its batch mates: drawn alone, against drawn among others.

``python -m benchmarks.batch_mates [--check] [--json]``. An image depends on its prompt and its seed: each one's noise is its own. What is
left is rounding, since kernels add in another order for another shape of batch. Measured on the tiny Lens and Qwen-Image of
tests/tiny_models, through the engines' own steps (generator/local/__init__.py), text encoder included: largest difference over all images
of a batch, of latents and of 8-bit pixels, with mates whose texts have as many tokens, and with mates of other lengths. It says nothing
about how large the rounding of a real model's weights is on a real card.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import finish, options_of
from data.errors import StageError
from generator.engines.diffusers import load_diffusers
from generator.lens.model import load_lens
from generator.local import ImageModel, Size
from tests.tiny_models import lens, qwen_image

GOAL = 1
"""Levels of 255 between an image alone and among mates of equal length, in float32. Rounding of 1e-6 can carry a value over the border
between two levels, and no further. bfloat16, whose roundings are 65,000 times as large, is measured and has no goal."""
BATCHES = (2, 4, 8)
DTYPES = ("fp32", "bf16")
THREADS = (1, 2)
SIZE = Size(64, 64)
STEPS = 4
MATES: Mapping[str, Sequence[str]] = {
    "equal": [f"a quiet harbour at dawn, number {i}" for i in range(1, 9)],
    "mixed": [f"a quiet harbour {'with red and blue boats ' * (i % 4)}at dawn, number {i}" for i in range(1, 9)],
}
"""The texts of the batches, by whether they have as many tokens. Each image's seed is its place."""
MODELS: Mapping[str, Callable[[Path, str], ImageModel]] = {
    "lens": lambda folder, dtype: load_lens(str(folder), steps=STEPS, size=str(SIZE), dtype=dtype),
    "qwen_image": lambda folder, dtype: load_diffusers(str(folder), steps=STEPS, size=str(SIZE), dtype=dtype),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest between an image alone and in a ``batch``: of its ``latents``, in standard deviations, and of its 8-bit ``pixels``."""

    model: str
    dtype: str
    threads: int
    mates: str
    batch: int
    latents: float
    pixels: int

    @property
    def judged(self) -> bool:
        """Whether the goal is for it."""
        return self.dtype == "fp32" and self.mates == "equal"


def drawn(model: ImageModel, texts: Sequence[str], seeds: Sequence[int]) -> list[tuple[torch.Tensor, Any]]:
    """Latents and pixels of each image of one batch. Raises StageError where one could not be drawn."""
    features = [encoded.features for encoded in model.encode(texts)]
    latents = model.denoise(features, seeds, SIZE)
    pairs: list[tuple[torch.Tensor, Any]] = []
    for latent, image in zip(latents, model.decode(latents, SIZE), strict=True):
        if isinstance(image, StageError):
            raise image
        pairs.append((latent.detach().float().cpu(), np.asarray(image, dtype=np.int16)))
    return pairs


def differences(name: str, model: ImageModel, dtype: str, threads: int) -> Iterator[Difference]:
    """Of all batches of one model."""
    for mates, texts in MATES.items():
        alone = [drawn(model, [text], [seed])[0] for seed, text in enumerate(texts)]
        for batch in BATCHES:
            together = drawn(model, texts[:batch], range(batch))
            compared = list(zip(islice(alone, batch), together, strict=True))
            latents = max(float((one[0] - other[0]).abs().max() / one[0].std()) for one, other in compared)
            pixels = max(int(np.abs(one[1] - other[1]).max()) for one, other in compared)
            yield Difference(name, dtype, threads, mates, batch, latents, pixels)


def measure() -> list[Difference]:
    """All models, types and thread counts; one to three minutes."""
    builders = {"lens": lens.build, "qwen_image": qwen_image.build}
    found: list[Difference] = []
    before = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as made:
        for name, load in MODELS.items():
            folder = Path(made) / name
            builders[name](folder)
            for dtype in DTYPES:
                model = load(folder, dtype)
                for threads in THREADS:
                    torch.set_num_threads(threads)
                    found += differences(name, model, dtype, threads)
                model.close()
    torch.set_num_threads(before)
    return found


def report(found: Sequence[Difference]) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"tiny models, {SIZE}, {STEPS} steps, torch {torch.__version__}: each image alone, against in a batch")
    print("the largest difference of latents (in their standard deviation), and of pixels (levels of 255)\n")
    print(f"{'model':<12}{'dtype':<7}{'threads':>7}  {'mates':<7}{'batch':>5}{'latents':>11}{'pixels':>8}")
    for one in found:
        print(f"{one.model:<12}{one.dtype:<7}{one.threads:>7}  {one.mates:<7}{one.batch:>5}{one.latents:>11.1e}{one.pixels:>8}")
    figure, verdict = worst(found), "met" if worst(found) <= GOAL else "missed"
    print(f"\nbatch_mates: in float32, at equal lengths, pixels differ by {figure} of 255 at most (goal: at most {GOAL}): {verdict}")


def worst(found: Sequence[Difference]) -> int:
    """The figure: the largest difference of pixels that the goal is for."""
    return max(difference.pixels for difference in found if difference.judged)


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    options = options_of("batch_mates", "What batch mates change in an image.").parse_args()
    found = measure()
    figures = {"differences": [asdict(d) for d in found], "worst": worst(found), "goal": GOAL, "ok": worst(found) <= GOAL}
    return finish(options, figures, lambda: report(found))


if __name__ == "__main__":
    sys.exit(main())
