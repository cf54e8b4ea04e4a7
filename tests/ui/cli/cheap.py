"""Engines that cost nothing, for tests of what happens around engines: named in specs, as users name their own.

A picture is one colour, drawn by chance from the rewrite's words; the judge likes some colours more. Both are pure functions.
"""

import asyncio
import io
from collections.abc import Sequence

from PIL import Image

from data.identity import derived_random
from data.records import CriterionScore, GeneratedImage, Judgment
from generator import ImageRequest
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate

GENERATOR = "tests.ui.cli.cheap:Generator"
SLOW_GENERATOR = "tests.ui.cli.cheap:SlowGenerator"
JUDGE = "tests.ui.cli.cheap:Judge"


class Generator:
    """Paints in one colour."""

    identity = "cheap:1"
    pause = 0.0

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        await asyncio.sleep(self.pause)
        return [self._draw(request) for request in requests]

    def _draw(self, request: ImageRequest) -> GeneratedImage:
        random = derived_random("cheap", request.text, request.seed)
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (random.randrange(256), random.randrange(256), random.randrange(256))).save(file, "PNG")
        return GeneratedImage("", 8, 8, content=file.getvalue())


class SlowGenerator(Generator):
    """As slow as a small model on a fast machine."""

    pause = 0.1


class Judge:
    """Holds each criterion to be met by half of all colours."""

    identity = "cheap:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [self._judge(request) for request in requests]

    def _judge(self, request: JudgeRequest) -> Judgment:
        checklist = request.prompt.checklist
        scores = tuple(
            CriterionScore(entry.id, float(derived_random(request.image.sha256, entry.id).random() < 0.5), "seen") for entry in checklist
        )
        return Judgment(aggregate(checklist, scores), scores)
