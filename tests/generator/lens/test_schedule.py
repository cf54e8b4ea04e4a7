"""Noise levels against the figures of the released code; variants and buckets."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.lens import MULTIPLE, VARIANTS, variant_of
from generator.lens.buckets import BUCKETS
from generator.lens.schedule import empirical_mu, even_sigmas, shifted_sigmas


@pytest.mark.parametrize(
    ("side", "steps", "mu"),
    [(1024, 20, 2.198), (1024, 4, 2.291), (1024, 50, 2.023), (1440, 4, 1.828), (1440, 20, 1.828), (1440, 50, 1.828), (768, 20, 2.034)],
)
def test_mu(side: int, steps: int, mu: float) -> None:
    assert empirical_mu((side // 16) ** 2, steps) == pytest.approx(mu, abs=5e-4)


def test_noise_levels_of_lens_turbo() -> None:
    assert shifted_sigmas(64 * 64, 4) == pytest.approx([1, 0.9674, 0.9081, 0.7672, 0], abs=5e-5)


def test_even_levels() -> None:
    assert even_sigmas(4) == pytest.approx([1, 0.75, 0.5, 0.25])


@given(tokens=st.integers(1, 20_000), steps=st.integers(1, 100))
def test_levels_fall_from_one_to_zero_and_are_shifted_upwards(tokens: int, steps: int) -> None:
    levels = shifted_sigmas(tokens, steps)
    assert (levels[0], levels[-1], len(levels)) == (1, 0, steps + 1)
    assert all(higher > lower for higher, lower in pairwise(levels))
    assert all(shifted >= even for shifted, even in zip(levels, even_sigmas(steps), strict=False))


@pytest.mark.parametrize("base", [1024, 1440])
def test_buckets_have_the_area_and_the_ratio_that_they_are_named_after(base: int) -> None:
    for ratio, (width, height) in BUCKETS[base].items():
        across, down = map(int, ratio.split(":"))
        assert width % MULTIPLE == height % MULTIPLE == 0
        assert width / height == pytest.approx(across / down, rel=0.02)
        assert math.sqrt(width * height) == pytest.approx(base, rel=0.03)


@pytest.mark.parametrize(("base", "ratio", "size"), [(1024, "1:2", "736x1472"), (1024, "16:9", "1376x768"), (1440, "3:2", "1760x1168")])
def test_buckets_are_named_width_to_height(base: int, ratio: str, size: str) -> None:
    assert str(BUCKETS[base][ratio]) == size


def test_both_bases_have_the_same_ratios() -> None:
    assert list(BUCKETS[1024]) == list(BUCKETS[1440])


@pytest.mark.parametrize(
    ("name", "variant", "steps", "guidance"),
    [
        ("Jinstudio/Lens", "Lens", 20, 5),
        ("YuCollection/Lens-Turbo-Diffusers", "Lens-Turbo", 4, 1),
        ("/models/Lens-Base/", "Lens-Base", 50, 5),
        (r"C:\models\lens_turbo_bf16.safetensors", "Lens-Turbo", 4, 1),
        ("/cache/models--Jinstudio--Lens-Turbo/snapshots/0a1b2c", "Lens-Turbo", 4, 1),
        ("/lens-turbo-tests/Lens", "Lens", 20, 5),
        ("/models/pictures", "Lens", 20, 5),
    ],
)
def test_variants_are_told_by_name(name: str, variant: str, steps: int, guidance: float) -> None:
    found = variant_of(name)
    assert found is VARIANTS[variant]
    assert (found.steps, found.guidance) == (steps, guidance)
