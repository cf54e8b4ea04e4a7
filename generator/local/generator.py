"""Drives a model in this process: many requests in, full batches through its three steps, one outcome each out.

Each step has a thread, and a line before it (line.py), so that the text encoder, the denoiser and the decoder work on successive batches
at the same time, at most two batches apart. A batch holds images of one size; the text of each is encoded once, whatever number of seeds it
is drawn with (features.py). What becomes of a batch that fails stands in batches.py. How a model computes is the model's affair
(generator/local/__init__.py), and which requests come when is the stage's.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from data.errors import FailureKind, StageError
from data.records import GeneratedImage
from data.textlimit import TextLimit
from generator import ImageRequest
from generator.local import Encoded, ImageModel, Size, device
from generator.local.batches import Step, Turns
from generator.local.features import Features
from generator.local.line import Line
from generator.local.pixels import to_pngs

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

AHEAD = 2
"""How many batches may wait between two steps: one to go on with, and one that is being made up."""

PATIENCE = 30.0
"""For how many seconds ``aclose`` waits for a step that is under way."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a generator has done so far. ``texts_encoded`` texts went through the text encoder, ``texts_reused`` images did with features
    that were there; ``images`` were drawn in ``batches`` calls of the denoiser, of at most ``most`` at once, which is less than the model's
    batch where memory was short. ``seconds``: of work, by step; steps overlap."""

    texts_encoded: int
    texts_reused: int
    images: int
    batches: int
    most: int
    seconds: Mapping[str, float]


@dataclass(eq=False, slots=True)
class _Job:
    """An image on its way. ``state``: its features, then its latents."""

    request: ImageRequest
    size: Size
    result: "asyncio.Future[GeneratedImage | Exception]"
    state: Any = None
    flaws: tuple[str, ...] = ()
    batch: int = 0
    seconds: float = 0.0
    abandoned: bool = False

    def settle(self, outcome: GeneratedImage | Exception) -> None:
        """From any thread."""
        self.abandoned = True
        # Where its event loop is closed, nobody can wait in there.
        with suppress(RuntimeError):
            self.result.get_loop().call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: GeneratedImage | Exception) -> None:
        if not self.result.done():
            self.result.set_result(outcome)


class LocalGenerator:
    """An ImageGenerator over an ``ImageModel``. ``texts_kept``: how many texts' features are kept for seeds that come later.

    What several tasks ask for at once is drawn in common batches. An image's ``latency`` is its share of the seconds that its batches took,
    without the time it waited; features that were there cost nothing. ``aclose`` frees the model.
    """

    times_itself = True
    """Requests wait in here, not in the stage, which would make up batches without knowing sizes."""

    def __init__(self, model: ImageModel, *, texts_kept: int = 256) -> None:
        self._model = model
        self._features = Features(texts_kept)
        turns = Turns()
        self._encoding, self._denoising, self._decoding = (
            Step(name, model.batch, turns, alone=model.one_at_a_time) for name in ("encode", "denoise", "decode")
        )
        room = AHEAD * model.batch
        self._arrived, self._encoded, self._denoised = Line[_Job](), Line[_Job](room), Line[_Job](room)
        self._threads: list[Thread] = []
        self._open: set[_Job] = set()
        self._closed = False
        self._texts_encoded = self._texts_reused = self._images = 0

    @property
    def identity(self) -> str:
        return self._model.identity

    @property
    def text_limit(self) -> TextLimit | None:
        return self._model.text_limit

    @property
    def ratios(self) -> tuple[str, ...]:
        return tuple(sorted(self._model.sizes))

    def standing(self) -> Standing:
        steps = (self._encoding, self._denoising, self._decoding)
        return Standing(
            texts_encoded=self._texts_encoded,
            texts_reused=self._texts_reused,
            images=self._images,
            batches=self._denoising.calls,
            most=self._denoising.smallest,
            seconds={step.name: step.seconds for step in steps},
        )

    def in_words(self) -> str:
        """For people who watch."""
        so_far = self.standing()
        steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in so_far.seconds.items())
        return f"{so_far.images} images in {so_far.batches} batches, {so_far.texts_encoded} texts; {steps}" if so_far.batches else "loading"

    async def __call__(self, requests: Sequence[ImageRequest], /) -> Sequence[GeneratedImage | Exception]:
        placed = [self._job(request) for request in requests]
        jobs = [job for job in placed if isinstance(job, _Job)]
        self._open.update(jobs)
        try:
            self._arrived.put(jobs)
            if self._closed:
                _turn_away(jobs)
            else:
                self._start()
            return [await job.result if isinstance(job, _Job) else job for job in placed]
        finally:
            self._open.difference_update(jobs)
            for job in jobs:
                job.abandoned = True

    async def aclose(self, *, patience: float = PATIENCE) -> None:
        """Fails what is still asked for, ends the threads, frees the model. Waits at most ``patience`` seconds for a step under way; where
        that does not suffice, the model is left as it is, since it is in use."""
        if self._closed:
            return
        self._closed = True
        for line in (self._arrived, self._encoded, self._denoised):
            line.close()
        _turn_away(list(self._open))
        await asyncio.to_thread(self._end, patience)

    def _end(self, patience: float) -> None:
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        busy = [thread.name for thread in self._threads if thread.is_alive()]
        if busy:
            log.warning("the model is still at work (%s) after %g s, and its memory is not freed", ", ".join(busy), patience)
            return
        self._features.clear()
        self._model.close()

    def _job(self, request: ImageRequest) -> "_Job | StageError":
        sizes = self._model.sizes
        if request.aspect_ratio and request.aspect_ratio not in sizes:
            there_are = ", ".join(self.ratios) or "none"
            return StageError(
                FailureKind.UNSUPPORTED, f"the model draws no aspect ratio {request.aspect_ratio!r}", hint=f"there are: {there_are}"
            )
        size = sizes[request.aspect_ratio] if request.aspect_ratio else self._model.size
        return _Job(request, size, asyncio.get_running_loop().create_future())

    def _start(self) -> None:
        if self._threads:
            return
        work: tuple[tuple[Line[_Job], Step, Callable[[list[_Job]], None]], ...] = (
            (self._arrived, self._encoding, self._encode),
            (self._encoded, self._denoising, self._denoise),
            (self._denoised, self._decoding, self._decode),
        )
        self._threads = [Thread(target=_work, args=entry, name=entry[1].name, daemon=True) for entry in work]
        for thread in self._threads:
            thread.start()

    def _encode(self, jobs: list[_Job]) -> None:
        found = {job.request.text: self._features.get(job.request.text) for job in jobs}
        new = [text for text, encoded in found.items() if encoded is None]
        done = dict(zip(new, self._encoding(self._model.encode, new, "texts"), strict=True))
        for text, one in done.items():
            if isinstance(one.outcome, Encoded):
                self._features.put(text, one.outcome)
                self._texts_encoded += 1
        paid: set[str] = set()
        for job in jobs:
            text = job.request.text
            encoded = found[text] or done[text].outcome
            if isinstance(encoded, Exception):
                job.settle(encoded)
                continue
            if text in done and text not in paid:
                paid.add(text)
                job.seconds += done[text].seconds
            else:
                self._texts_reused += 1
            job.state, job.flaws = encoded.features, encoded.flaws
        self._encoded.put(jobs)

    def _denoise(self, jobs: list[_Job]) -> None:
        size = jobs[0].size

        def denoise(batch: Sequence[_Job]) -> Sequence[Any]:
            return self._model.denoise([job.state for job in batch], [job.request.seed for job in batch], size)

        for job, one in zip(jobs, self._denoising(denoise, jobs, size), strict=True):
            job.state, job.batch = one.outcome, one.batch
            job.seconds += one.seconds
            if isinstance(one.outcome, Exception):
                job.settle(one.outcome)
        self._denoised.put(jobs)

    def _decode(self, jobs: list[_Job]) -> None:
        size = jobs[0].size

        def decode(batch: Sequence[_Job]) -> Sequence[GeneratedImage | Exception]:
            return _as_files(self._model.decode([job.state for job in batch], size))

        for job, one in zip(jobs, self._decoding(decode, jobs, size), strict=True):
            outcome = one.outcome
            if isinstance(outcome, GeneratedImage):
                self._images += 1
                outcome = replace(outcome, flaws=job.flaws, batch=job.batch, latency=job.seconds + one.seconds)
            job.state = None  # whoever asked for many holds on to the job until the last is drawn
            job.settle(outcome)


def _work(line: Line[_Job], step: Step, do: Callable[[list[_Job]], None]) -> None:
    """A thread's life."""
    device.use_own_stream()
    while jobs := line.take(step.most):
        try:
            do(jobs)
        except Exception as error:
            # A bug of ours: nobody may wait for ever for a thread that died.
            log.exception("the thread that should %s failed", step.name)
            for job in jobs:
                job.settle(error)


def _as_files(images: "Sequence[Image | StageError]") -> list[GeneratedImage | Exception]:
    files = iter(to_pngs([image for image in images if not isinstance(image, StageError)]))
    return [image if isinstance(image, StageError) else _as_record(next(files), *image.size) for image in images]


def _as_record(png: bytes, width: int, height: int) -> GeneratedImage:
    return GeneratedImage(hashlib.sha256(png).hexdigest(), width, height, content=png)


def _turn_away(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle(StageError(FailureKind.CRASHED, "the generator was closed before this image was drawn"))
