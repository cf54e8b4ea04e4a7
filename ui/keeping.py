"""Engines around engines that move image bytes to and from their files, so that pixels never pile up in memory.

The pipeline sees an image's hash; the generator's bytes are on disk before the hash is passed on, and the judge's are read just before it
looks. Neither the generator, nor the judge, nor the pipeline knows.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from data.errors import FailureKind, LedgerError, StageError
from data.provenance import Provenance, provenance_of, stamped
from data.records import GeneratedImage, Judgment, Trial
from data.textlimit import TextLimit
from generator import ImageGenerator, ImageRequest
from optimizer.judges import Judge, JudgeRequest


class KeptImages:
    """An ImageGenerator that writes what the inner one draws, and passes on the images without their bytes.

    ``provenance``: write into each file what determines its picture. What belongs to a trial is added where a picture leaves through a
    door: the file is shared by all trials that draw the same, and must not depend on which of them came first.
    """

    def __init__(self, inner: ImageGenerator, write: Callable[[bytes], str], *, provenance: bool = True) -> None:
        self._inner = inner
        self._write = write
        self._provenance = provenance

    @property
    def identity(self) -> str:
        return self._inner.identity

    @property
    def text_limit(self) -> TextLimit | None:
        return getattr(self._inner, "text_limit", None)

    @property
    def ratios(self) -> tuple[str, ...]:
        return getattr(self._inner, "ratios", ())

    def in_words(self) -> str:
        """How the inner one is doing; "" where it does not say."""
        return getattr(self._inner, "in_words", str)()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        outcomes = await self._inner(requests)
        return await asyncio.to_thread(lambda: [self._kept(*pair) for pair in zip(requests, outcomes, strict=True)])

    def _kept(self, request: ImageRequest, outcome: GeneratedImage | Exception) -> GeneratedImage | Exception:
        if isinstance(outcome, Exception):
            return outcome
        if outcome.content is None:
            return StageError(FailureKind.EMPTY, "the generator delivered an image without content")
        png = outcome.content
        if self._provenance:
            try:
                png = stamped(png, Provenance(rewrite=request.text, model=self.identity, seed=str(request.seed)))
            except ValueError as error:
                return StageError(FailureKind.MALFORMED, f"the generator delivered {error}", hint="its images have to be PNG files")
        return replace(outcome.without_content(), sha256=self._write(png))


def with_trial(png: bytes, trial: Trial) -> bytes:
    """A stored picture as it is handed out: with the prompt and the system prompt of ``trial``, where its file says where it comes from."""
    known = provenance_of(png)
    if known == Provenance():
        return png
    return stamped(png, replace(known, prompt=trial.request.prompt.text, system_prompt=trial.request.system_prompt.id))


class ImagesOnDisk:
    """A Judge that reads the images' files for the inner one."""

    def __init__(self, inner: Judge, read: Callable[[str], bytes]) -> None:
        self._inner = inner
        self._read = read

    @property
    def identity(self) -> str:
        return self._inner.identity

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        loaded = await asyncio.to_thread(lambda: [self._loaded(request) for request in requests])
        judged = iter(await self._inner([request for request in loaded if isinstance(request, JudgeRequest)]))
        return [next(judged) if isinstance(request, JudgeRequest) else request for request in loaded]

    def _loaded(self, request: JudgeRequest) -> JudgeRequest | StageError:
        if request.image.content is not None:
            return request
        try:
            content = self._read(request.image.sha256)
        except LedgerError as error:
            return StageError(FailureKind.MALFORMED, str(error), hint=error.hint)
        return replace(request, image=replace(request.image, content=content))
