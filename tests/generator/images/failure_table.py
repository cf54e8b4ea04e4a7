"""What becomes of each of the test server's behaviors as a drawer, found by running them, and docs/image-failures.md, written from that.

``python -m tests.generator.images.failure_table`` rewrites the page; tests/generator/images/test_failure_table.py says when it is out of
date.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from data.errors import StageError
from data.records import GeneratedImage
from generator import ImageRequest
from generator.engines.images import images_generator
from reasoner.testserver import IMAGES, serving
from tests.reasoner.failure_table import _failed, _table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "image-failures.md"
COMMAND = "python -m tests.generator.images.failure_table"
REQUEST = ImageRequest("three red balloons above a blue house", 1)


async def outcome(url: str, model: str) -> GeneratedImage | StageError:
    """Asks for REQUEST by an engine of its own."""
    engine = images_generator(model, urls=[url], api_key=None, parameters={}, size="256x256", most=4, timeout=30.0)
    try:
        (drawn,) = await engine([REQUEST])
    finally:
        await engine.aclose()
    assert isinstance(drawn, GeneratedImage | StageError), drawn
    return drawn


async def page() -> str:
    """docs/image-failures.md, from what every behavior comes to now."""
    failed: list[Sequence[str]] = []
    drawn: list[Sequence[str]] = []
    with serving() as server:
        for name, behavior in IMAGES.items():
            result = await outcome(server.url, name)
            if isinstance(result, StageError):
                failed.append((f"`{name}`", behavior.description, *_failed(result)))
            else:
                revised = [f"drawn instead: {result.revised_prompt}"] if result.revised_prompt else []
                drawn.append((f"`{name}`", behavior.description, "; ".join([*result.flaws, *revised])))
    text = TEXT.format(
        command=COMMAND,
        failed=_table(("model", "at the far side", "kind", "tried again", "message", "what to do"), failed),
        drawn=_table(("model", "at the far side", "recorded with the image"), drawn),
    )
    return text.replace(server.url, "ENDPOINT")


TEXT = """# Failures of images over HTTP

<!-- Written by `{command}` from what happens when it runs. Edits by hand are lost. -->

What can go wrong with any server stands in [failures.md](failures.md), together with what becomes of a failure. Here is what only a server
that draws can do. Each row was found by asking the test server for an image: `python -m reasoner.testserver` runs it by hand, and the
model's name chooses what it does. ENDPOINT stands for its address.

{failed}

## What ends well

Every image becomes a PNG, 8-bit RGB, whatever file was sent. What may spoil a comparison is recorded with it.

{drawn}
"""


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
    print(f"wrote {PAGE}")
