"""What stands before a judge that is calibrated: a reasoner that passes on what was typed, a generator of the known pictures."""

import asyncio
import hashlib
import time
from collections.abc import Sequence

from data.identity import canonical_json
from data.records import GeneratedImage, Rewrite, TrialRequest
from data.textlimit import TextLimit
from generator import ImageRequest
from generator.embedded.layout import SIDE
from optimizer.calibration.paintings import VERSION, png_of
from reasoner import RewriteRequest


class AsTyped:
    """A Reasoner that changes nothing."""

    identity = "as-typed:1"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [Rewrite(request.prompt.text) for request in requests]


class Painted:
    """An ImageGenerator of the pictures of one calibration set: a request's seed says which; its text says nothing."""

    def __init__(self, set_seed: int) -> None:
        self._set_seed = set_seed

    @property
    def identity(self) -> str:
        return f"painted:{VERSION}?seed={self._set_seed}"

    @property
    def text_limit(self) -> TextLimit | None:
        return None

    @property
    def ratios(self) -> tuple[str, ...]:
        return ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return await asyncio.to_thread(lambda: [self._paint(request.seed) for request in requests])

    def _paint(self, seed: int) -> GeneratedImage:
        started = time.perf_counter()
        png = png_of(self._set_seed, seed)
        return GeneratedImage(hashlib.sha256(png).hexdigest(), SIDE, SIDE, latency=time.perf_counter() - started, content=png)


def trial_id(request: TrialRequest, set_seed: int, judge: str) -> str:
    """The id of a trial in a calibration of the judge with this identity (optimizer/trial.py)."""
    return request.id(canonical_json([AsTyped.identity, Painted(set_seed).identity, judge]))
