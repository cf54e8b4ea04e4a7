"""Every image generator there is fulfils the contract."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from generator import ImageGenerator, ImageRequest
from tests.generator import contract

# SDXL's scheduler hands a tensor to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")

Tiny: TypeAlias = Callable[[str], Path]
Open: TypeAlias = Callable[[Tiny], AbstractAsyncContextManager[ImageGenerator]]

KEY = "sk-very-secret-0123456789"
NO_SUCH_RATIO = ImageRequest("a harbour", 1, "7:1")


@asynccontextmanager
async def embedded(tiny: Tiny) -> AsyncGenerator[ImageGenerator]:
    from generator.engines.embedded import EmbeddedGenerator

    yield EmbeddedGenerator()


def through_diffusers(name: str) -> Open:
    @asynccontextmanager
    async def opened(tiny: Tiny) -> AsyncGenerator[ImageGenerator]:
        folder = tiny(name)
        from generator.engines.diffusers import load_diffusers
        from generator.local.generator import LocalGenerator

        generator = LocalGenerator(load_diffusers(str(folder), steps=2, size="64x64", device="cpu", batch=4))
        yield generator
        await generator.aclose()

    return opened


@asynccontextmanager
async def lens(tiny: Tiny) -> AsyncGenerator[ImageGenerator]:
    folder = tiny("lens")
    from generator.lens.model import load_lens
    from generator.local.generator import LocalGenerator

    generator = LocalGenerator(load_lens(str(folder), steps=2, guidance=1, size="64x64", device="cpu", batch=4))
    yield generator
    await generator.aclose()


@asynccontextmanager
async def images(tiny: Tiny) -> AsyncGenerator[ImageGenerator]:
    from generator.engines.images import images_generator
    from reasoner.testserver import serving

    with serving() as server:
        generator = images_generator("good", urls=(server.url,), api_key=KEY, parameters={}, size=None, most=4, timeout=30.0)
        yield generator
        await generator.aclose()


@asynccontextmanager
async def pool(tiny: Tiny) -> AsyncGenerator[ImageGenerator]:
    pytest.importorskip("ray")
    from generator.engines.embedded import EmbeddedGenerator
    from generator.engines.ray import RayPool

    generator = RayPool.start(EmbeddedGenerator, actors=2, cpus=0.5, gpus=0)
    yield generator
    await generator.aclose()


GENERATORS: dict[str, tuple[Open, ImageRequest | None]] = {
    "embedded": (embedded, None),
    "qwen_image": (through_diffusers("qwen_image"), NO_SUCH_RATIO),
    "qwen_image_21": (through_diffusers("qwen_image_21"), NO_SUCH_RATIO),
    "stable_diffusion_xl": (through_diffusers("stable_diffusion_xl"), NO_SUCH_RATIO),
    "lens": (lens, NO_SUCH_RATIO),
    "images": (images, NO_SUCH_RATIO),
    "ray": (pool, None),
}
"""How to open each, and a request that it fails."""


@pytest.mark.parametrize("name", GENERATORS)
async def test_it_fulfils_the_contract(name: str, tiny: Tiny) -> None:
    opened, bad = GENERATORS[name]
    async with opened(tiny) as generator:
        await contract.check(generator, bad)
        assert KEY not in generator.identity
