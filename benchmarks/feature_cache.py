"""How often the text encoder runs per image when a rewrite is drawn with several seeds, and what that is worth.

``python -m benchmarks.feature_cache [--check] [--json]``. A tiny Lens with random weights, made by ``tests.tiny_models`` in a temporary
folder, draws every text with every seed, seed by seed, so that no batch holds a text twice. In the same run, on the same model, the same
images are drawn without keeping features. The ratio of calls holds for any model; the images per second are the tiny one's, whose
encoder and denoiser are both a few layers deep.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.command import finish, options_of
from data.records import GeneratedImage
from generator import ImageRequest
from generator.local import ImageModel
from generator.local.generator import LocalGenerator

ROOT = Path(__file__).resolve().parent.parent

SEEDS = 4
"""Per rewrite."""
GOAL_CALLS = 1 / SEEDS
"""Text-encoder calls per image: a text is encoded once, whatever the number of its seeds."""
TEXTS = 16
BATCH = 8
"""Divides TEXTS, so that a batch holds texts of one seed only."""
KEPT = 256
ROUNDS = 5
"""Odd, so that the median is a round that took place; the sides take turns, so that both meet the same disturbances."""


@dataclass(frozen=True, slots=True)
class Side:
    """Texts encoded per image, images per second (median of the rounds), and seconds of all rounds by step."""

    calls_per_image: float
    images_per_second: float
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """With features kept, and without."""

    kept: Side
    unkept: Side

    @property
    def ok(self) -> bool:
        return self.kept.calls_per_image <= GOAL_CALLS


def measure() -> Figures:
    """Makes the model and runs both sides; about a minute, most of which is GPT-OSS's tokenizer when it is made for the first time."""
    from generator.lens.model import load_lens

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "tests.tiny_models", folder, "lens"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        model = load_lens(f"{folder}/lens", steps=2, size="64x64", batch=BATCH)
        return asyncio.run(_compare(model))


async def _compare(model: ImageModel) -> Figures:
    # No generator is closed: that would free the model, which the next one drives.
    await _draw(LocalGenerator(model), _requests(-1))  # to warm up
    rates: dict[int, list[float]] = {KEPT: [], 0: []}
    encoded: dict[int, int] = {KEPT: 0, 0: 0}
    seconds: dict[int, dict[str, float]] = {KEPT: {}, 0: {}}
    for number in range(ROUNDS):
        for kept in (KEPT, 0):
            generator = LocalGenerator(model, texts_kept=kept)
            rates[kept].append(await _draw(generator, _requests(number)))
            standing = generator.standing()
            encoded[kept] += standing.texts_encoded
            for step, spent in standing.seconds.items():
                seconds[kept][step] = seconds[kept].get(step, 0.0) + spent
    drawn = ROUNDS * TEXTS * SEEDS
    kept, unkept = (Side(encoded[kept] / drawn, statistics.median(rates[kept]), seconds[kept]) for kept in (KEPT, 0))
    return Figures(kept, unkept)


def _requests(number: int) -> list[ImageRequest]:
    texts = [f"round {number}: a quiet harbour with {boats} boats at dawn, in soft light" for boats in range(TEXTS)]
    return [ImageRequest(text, seed) for seed in range(SEEDS) for text in texts]


async def _draw(generator: LocalGenerator, requests: Sequence[ImageRequest]) -> float:
    """Images per second. RuntimeError where one is not drawn."""
    started = time.perf_counter()
    outcomes = await generator(requests)
    rate = len(requests) / (time.perf_counter() - started)
    failures = [outcome for outcome in outcomes if not isinstance(outcome, GeneratedImage)]
    if failures:
        raise RuntimeError(f"{len(failures)} images were not drawn; the first: {failures[0]}")
    return rate


def report(figures: Figures) -> None:
    """What was run, a table, and the figure on the last line."""
    print(f"tiny Lens, 64x64, 2 steps: {ROUNDS} rounds of {TEXTS} texts with {SEEDS} seeds, batches of {BATCH}\n")
    print(f"{'features':<12}{'calls/image':>12}{'images/s':>10}{'encode s':>10}{'denoise s':>11}{'decode s':>10}")
    for name, side in (("kept", figures.kept), ("not kept", figures.unkept)):
        spent = side.seconds
        print(
            f"{name:<12}{side.calls_per_image:>12.2f}{side.images_per_second:>10.1f}"
            f"{spent['encode']:>10.2f}{spent['denoise']:>11.2f}{spent['decode']:>10.2f}"
        )
    gain = figures.kept.images_per_second / figures.unkept.images_per_second
    print(
        f"\nfeature cache: {figures.kept.calls_per_image:.2f} text-encoder calls per image with {SEEDS} seeds per rewrite"
        f" (goal: {GOAL_CALLS:g}), {gain:.2f} times the images per second: {'met' if figures.ok else 'missed'}"
    )


def main() -> int:
    """The exit status: 1 where ``--check`` is given and the goal is missed."""
    options = options_of("feature_cache", "Count text-encoder calls per image.").parse_args()
    figures = measure()
    found = {**asdict(figures), "goal_calls": GOAL_CALLS, "ok": figures.ok}
    return finish(options, found, lambda: report(figures))


if __name__ == "__main__":
    sys.exit(main())
