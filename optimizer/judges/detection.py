"""The scene judge over an object detector: GenEval's rules, for any detector, and for photographs as well as for paintings.

A detector says what is where; this module picks, check by check, the detections that GenEval's thresholds let through, and has scene.py
answer. Checks on words, backgrounds and sizes are not a detector's, and are abstained from; so are kinds that it has no name for. How well
it detects decides all, and is to be measured: GenEval's own, a Mask2Former, agrees with people on 83% of images.
"""

import asyncio
import inspect
import io
import time
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil, isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import FailureKind, StageError
from data.palette import to_lab
from data.records import Criterion, CriterionScore, Judgment, Need
from data.scene import COLORS, Check, Test
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate
from optimizer.judges.pixels import Box, Figure, Measurement
from optimizer.judges.scene import answer
from optimizer.judges.showing import decoded

VERSION = 1
"""Part of the judge's identity: raised whenever detections could be judged differently than before."""

CONFIDENCE = 0.3
"""GenEval: detections above it count."""
COUNTING_CONFIDENCE = 0.9
"""GenEval: the same where a number is asked for, since one thing found twice is one too many."""
MOST_PER_KIND = 16
"""GenEval: of each kind, the most confident so many."""
_ANSWERED = frozenset((Test.COUNT, Test.COLOR, Test.RELATION, Test.OTHERS))


@dataclass(frozen=True, slots=True)
class Detection:
    """A thing that a detector found. ``label`` is its name as prompts have it ("cell phone"), ``confidence`` in [0, 1].

    ``box``: left, top, width and height in pixels. ``mask``: which pixels of the whole picture are its own, (height, width), or None.
    ``color``: one of data.scene.COLORS, where the detector can tell; else it is told from the pixels.
    """

    label: str
    confidence: float
    box: tuple[float, float, float, float]
    mask: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)
    color: str | None = None


class Detector(Protocol):
    """Finds things in pictures. ``identity`` names all that determines what it finds, and holds no secrets.

    One sequence of detections per PNG file, in order; the call may be asynchronous, and one that is not runs in a thread. It may have
    ``labels``, all names that it knows: then what it has no name for is not held to be absent.
    """

    @property
    def identity(self) -> str: ...

    def __call__(self, pngs: Sequence[bytes]) -> Sequence[Sequence[Detection]] | Awaitable[Sequence[Sequence[Detection]]]: ...


class DetectionJudge:
    """A Judge over a Detector. It keeps no state."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def identity(self) -> str:
        return f"scene:detector:{VERSION} {self._detector.identity}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order, or its StageError: UNSUPPORTED (no criterion that a detector can answer; no file), MALFORMED
        (no image; the detector says what can't be), CRASHED (it failed)."""
        opened = await asyncio.to_thread(lambda: [_opened(request) for request in requests])
        seen = [picture for picture in opened if not isinstance(picture, StageError)]
        start = time.perf_counter()
        try:
            found = await self._detect([picture.png for picture in seen]) if seen else ()
        except StageError as error:
            return [picture if isinstance(picture, StageError) else error for picture in opened]
        latency = (time.perf_counter() - start) / max(1, len(seen))
        labels: Collection[str] | None = getattr(self._detector, "labels", None)
        remaining = iter(found)
        return [
            picture if isinstance(picture, StageError) else _judged(request, picture, next(remaining), labels, latency)
            for request, picture in zip(requests, opened, strict=True)
        ]

    async def _detect(self, pngs: Sequence[bytes]) -> Sequence[Sequence[Detection]]:
        try:
            waits = inspect.iscoroutinefunction(self._detector.__call__)
            found = self._detector(pngs) if waits else await asyncio.to_thread(self._detector, pngs)
            if inspect.isawaitable(found):
                found = await found
        except StageError:
            raise
        except Exception as error:
            raise StageError(FailureKind.CRASHED, f"the detector failed: {type(error).__name__}: {error}") from error
        if len(found) != len(pngs):
            raise StageError(FailureKind.MALFORMED, f"the detector gave {len(found)} results for {len(pngs)} images")
        return found


@dataclass(frozen=True, slots=True)
class _Picture:
    """``png``: encoded anew, since a PNG may say in its own text what it was drawn from, and judges never see the rewrite."""

    pixels: NDArray[np.uint8]
    png: bytes


def _opened(request: JudgeRequest) -> _Picture | StageError:
    try:
        picture = decoded(request.image)
    except StageError as error:
        return error
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    return _Picture(np.asarray(picture), encoded.getvalue())


def _judged(
    request: JudgeRequest, picture: _Picture, found: Sequence[Detection], labels: Collection[str] | None, latency: float
) -> Judgment | StageError:
    checklist = request.prompt.checklist
    try:
        _refuse_unsound(found, *picture.pixels.shape[:2])
        things = _things(found, picture.pixels, checklist)
        scores = tuple(_score(criterion, things, labels) for criterion in checklist)
        return Judgment(aggregate(checklist, scores), scores, latency=latency)
    except StageError as error:
        return error


# -- from detections to answers


@dataclass(frozen=True, slots=True)
class _Things:
    """What was found in one picture, as figures by falling confidence, and how many of what its checklist wants."""

    figures: tuple[Figure, ...]
    counts: Mapping[tuple[tuple[str, ...], str | None], int]

    def for_check(self, check: Check) -> Measurement:
        """Those that GenEval would look at: sure ones where a number is asked for; for colours and places, as many as are wanted."""
        figures = self.figures
        if check.test is Test.COUNT and (check.least, check.most) != (1, None):
            figures = tuple(figure for figure in figures if figure.likeness > COUNTING_CONFIDENCE)
        elif check.test is Test.COLOR:
            figures = self._first(check.kinds, None, check.least)
        elif check.test is Test.RELATION:
            sides = ((check.kinds, check.color), (check.other_kinds, check.other_color))
            chosen = [figure for kinds, color in sides for figure in self._first(kinds, color, self.counts.get((kinds, color), 1))]
            figures = tuple(dict.fromkeys(chosen))
        return Measurement(figures, None, None)

    def _first(self, kinds: Sequence[str], color: str | None, number: int) -> tuple[Figure, ...]:
        alike = (figure for figure in self.figures if figure.kind in kinds and color in (None, figure.color))
        return tuple(islice(alike, number))


def _things(found: Sequence[Detection], pixels: NDArray[np.uint8], checklist: Sequence[Criterion]) -> _Things:
    kept: list[Detection] = []
    numbers: Counter[str] = Counter()
    for thing in sorted(found, key=lambda thing: -thing.confidence):
        numbers[thing.label] += 1
        if thing.confidence > CONFIDENCE and numbers[thing.label] <= MOST_PER_KIND:
            kept.append(thing)
    checks = [criterion.check for criterion in checklist if criterion.check is not None and criterion.need is not Need.MUST_NOT]
    counts = {(check.kinds, check.color): check.least for check in checks if check.test is Test.COUNT}
    return _Things(tuple(_figure(thing, pixels) for thing in kept), counts)


def _figure(thing: Detection, pixels: NDArray[np.uint8]) -> Figure:
    box = Box(*(round(number) for number in thing.box))
    return Figure(thing.label, thing.color or _color(thing, pixels), box, None, 0.0, thing.confidence)


def _color(thing: Detection, pixels: NDArray[np.uint8]) -> str:
    """The colour that most of a thing's pixels come closest to in Lab: those of its mask, or else of the middle of its box."""
    left, top, width, height = thing.box
    if thing.mask is None:
        left, top, width, height = left + width / 4, top + height / 4, width / 2, height / 2
    rows = slice(max(0, int(top)), max(1, ceil(top + height)))
    columns = slice(max(0, int(left)), max(1, ceil(left + width)))
    part = pixels[rows, columns]
    own = part[thing.mask[rows, columns]] if thing.mask is not None else part.reshape(-1, 3)
    if own.size == 0:
        raise StageError(FailureKind.MALFORMED, f"the detector's {thing.label} has no pixels: {thing.box}")
    lab = to_lab(own.reshape(1, -1, 3))[0]
    known = to_lab(np.array([list(COLORS.values())], np.uint8))[0]
    nearest = np.stack([((lab - color) ** 2).sum(axis=-1) for color in known]).argmin(axis=0)
    return tuple(COLORS)[int(np.bincount(nearest, minlength=len(COLORS)).argmax())]


def _score(criterion: Criterion, things: _Things, labels: Collection[str] | None) -> CriterionScore:
    check = criterion.check
    if check is None or check.test not in _ANSWERED:
        return CriterionScore(criterion.id, None, "not for a detector")
    unknown = [kind for kind in (*check.kinds, *check.other_kinds) if labels is not None and kind not in labels]
    if unknown and check.test is not Test.OTHERS:
        return CriterionScore(criterion.id, None, f"the detector does not know {unknown[0]!r}")
    found = answer(check, things.for_check(check))
    return CriterionScore(criterion.id, found.score, found.evidence)


def _refuse_unsound(found: Sequence[Detection], height: int, width: int) -> None:
    """StageError(MALFORMED) where a detection can't be."""
    for thing in found:
        left, top, extent, rise = thing.box
        sound = isfinite(thing.confidence) and 0 <= thing.confidence <= 1 and all(map(isfinite, thing.box)) and extent > 0 and rise > 0
        if not sound or left >= width or top >= height or left + extent <= 0 or top + rise <= 0:
            raise StageError(FailureKind.MALFORMED, f"the detector found what can't be in a picture of {width} x {height} pixels: {thing}")
        if thing.mask is not None and thing.mask.shape != (height, width):
            message = f"a mask has the shape {thing.mask.shape}, and the picture {(height, width)}"
            raise StageError(FailureKind.MALFORMED, message, hint="a mask covers the whole picture, not only its box")
        if thing.color is not None and thing.color not in COLORS:
            raise StageError(FailureKind.MALFORMED, f"the detector knows the color {thing.color!r}", hint=f"there are: {', '.join(COLORS)}")
