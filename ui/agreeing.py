"""Judges held against people: the pictures that people rated are shown to each judge, once, and what it says is kept in the ledger.

One run per judge, whose id is the hash of the judge's identity and of what it is shown: the same command on the same ledger goes on, or
answers at once; judgments that any other run paid for are found by their content. What the figures mean is the optimizer's business
(optimizer/agreement.py).
"""

import asyncio
import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import FailureKind, LedgerError, StageError, UsageError
from data.identity import content_id
from data.ratings import ImageName, Ratings, names_in_ledger, resolved
from data.records import Failure, GeneratedImage, Prompt, TrialRequest
from data.textlimit import TextLimit
from generator import ImageRequest
from optimizer.agreement import Choice, People, Rated, Values
from ui.calibrating import Bench, Progress, judged_trials, open_bench
from ui.eventlog import SITTING
from ui.settings import Settings

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store
    from optimizer.evaluate import Pipeline

KIND = "agreement"
"""The kind of such runs."""
FORMATS = ("PNG", "JPEG", "WEBP")
LISTED = 20
"""Unusable pictures that are listed."""


class Shown(NamedTuple):
    """A picture for a prompt; its ``seed`` stands for the picture's content."""

    prompt: Prompt
    seed: int

    @property
    def request(self) -> TrialRequest:
        from optimizer.calibration.exposures import RAW

        return TrialRequest(RAW, self.prompt, 0, self.seed)


@dataclass(frozen=True, slots=True)
class Planned:
    """What judges are shown, in the order of ``people``'s images, and where each picture is: a file, or a sha256 in the ledger.
    ``unknown``: texts of prompts that are not in the prompt set, and have no checklist for that."""

    ratings: Ratings
    people: People
    shown: Sequence[Shown]
    sources: Mapping[int, Path | str]
    unknown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """One judge's values, None where it gave none, and why not, by number."""

    spec: str
    run_id: str
    values: Values
    failures: Sequence[tuple[Failure, int]]


def plan(ratings: Ratings, prompts: Sequence[Prompt], store: "Store", images: "ImageFiles") -> Planned:
    """Finds the pictures and the prompts that ``ratings`` name. UsageError for digits with which no image on record begins, or several do,
    and for files that are no pictures."""
    names = resolved(ratings, store.image_hashes(names_in_ledger(ratings)))
    return _Plan(ratings, {_flat(prompt.text): prompt for prompt in prompts}, names, images).planned()


class _Plan:
    """A plan in the making: each picture of each prompt once, however many people saw it."""

    def __init__(self, ratings: Ratings, prompts: Mapping[str, Prompt], names: Mapping[str, str], images: "ImageFiles") -> None:
        self._ratings, self._prompts, self._names, self._images = ratings, prompts, names, images
        self._places: dict[tuple[str, int], int] = {}
        self._shown: list[Shown] = []
        self._groups: list[str] = []
        self._said: list[dict[str, list[float]]] = []
        self._seeds: dict[ImageName, int] = {}
        self._sources: dict[int, Path | str] = {}
        self._problems: list[str] = []
        self._unknown: dict[str, None] = {}

    def planned(self) -> Planned:
        for row in self._ratings.ratings:
            self._said[self._place(row.line, row.image, row.prompt, row.group)].setdefault(row.rater, []).append(row.rating)
        chosen: dict[tuple[str, int, int], dict[str, list[float]]] = {}
        for row in self._ratings.choices:
            first, second = (self._place(row.line, image, row.prompt, row.group) for image in (row.first, row.second))
            if first == second:
                self._problems.append(f"{self._ratings.path}:{row.line}: image_a and image_b are files of the same picture")
            turned = first > second
            pair = (row.group, *((second, first) if turned else (first, second)))
            chosen.setdefault(pair, {}).setdefault(row.rater, []).append(1.0 - row.choice if turned else row.choice)
        if self._problems:
            raise UsageError("\n".join(self._problems[:LISTED]), hint=f"pictures are {', '.join(FORMATS)} files")
        people = People(
            [Rated(group, _means(said)) for group, said in zip(self._groups, self._said, strict=True)],
            [Choice(group, first, second, _means(said)) for (group, first, second), said in chosen.items()],
        )
        return Planned(self._ratings, people, self._shown, self._sources, list(self._unknown))

    def _place(self, line: int, image: ImageName, text: str, group: str) -> int:
        """Where a picture for a prompt stands among those that are shown."""
        prompt = self._prompts.get(_flat(text))
        if prompt is None:
            self._unknown[text] = None
            prompt = Prompt(text)
        seed = self._seed(line, image)
        if (_flat(text), seed) not in self._places:
            self._places[_flat(text), seed] = len(self._shown)
            self._shown.append(Shown(prompt, seed))
            self._groups.append(group)
            self._said.append({})
        return self._places[_flat(text), seed]

    def _seed(self, line: int, image: ImageName) -> int:
        """The number that stands for a picture's content, and where that is."""
        if image not in self._seeds:
            sha256 = self._names[image.text] if image.path is None else self._looked_at(line, image.path)
            seed = self._seeds[image] = int(sha256[:15], 16)
            self._sources.setdefault(seed, image.path or sha256)
            if image.path is None and not self._images.has(sha256):
                self._problems.append(f"{self._ratings.path}:{line}: the image {image.text} is on record, and its file is gone")
        return self._seeds[image]

    def _looked_at(self, line: int, path: Path) -> str:
        """The sha256 of a file that has to be a picture."""
        try:
            content = path.read_bytes()
            picture(content)
        except (OSError, StageError) as error:
            self._problems.append(f"{self._ratings.path}:{line}: {path.name}: {error}")
            content = str(path).encode()  # Nothing is shown: what else is wrong is looked for.
        return hashlib.sha256(content).hexdigest()


def _flat(text: str) -> str:
    return " ".join(text.split())


def _means(said: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """One figure for each rater: who was asked twice is taken at the mean."""
    return {rater: sum(values) / len(values) for rater, values in said.items()}


def picture(content: bytes) -> GeneratedImage:
    """A picture as the pipeline takes it: a PNG as it is, others made PNG. StageError: MALFORMED, TOO_LONG (too many pixels)."""
    from PIL import Image, ImageOps

    from generator.local.pixels import to_png
    from generator.received import MOST_PIXELS

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise StageError(FailureKind.TOO_LONG, f"{image.width}x{image.height} pixels are too many")
            image.load()
            png = content if image.format == "PNG" else to_png(ImageOps.exif_transpose(image))
            return GeneratedImage("", image.width, image.height, content=png)
    except StageError:
        raise
    except Exception:  # Pillow's readers let through whatever a broken file makes them raise.
        raise StageError(FailureKind.MALFORMED, "no picture, or not a whole one") from None


class GivenImages:
    """An ImageGenerator that hands out pictures which are there: a request's seed says which; its text says nothing."""

    identity = "given:1"

    def __init__(self, sources: Mapping[int, Path | str], read: Callable[[str], bytes]) -> None:
        self._sources = sources
        self._read = read

    @property
    def text_limit(self) -> TextLimit | None:
        return None

    @property
    def ratios(self) -> tuple[str, ...]:
        return ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return await asyncio.to_thread(lambda: [self._given(self._sources[request.seed]) for request in requests])

    def _given(self, source: Path | str) -> GeneratedImage | StageError:
        try:
            return picture(source.read_bytes() if isinstance(source, Path) else self._read(source))
        except StageError as error:
            return error
        except (OSError, LedgerError) as error:
            return StageError(FailureKind.MALFORMED, str(error), hint="restore it, and type the command again")


def bench_for(settings: Settings, spec: str) -> Bench:
    """The judge that ``spec`` names, and the ledger. UsageError for a judge of pairs, which scores no picture."""
    from ui.engines import judge_specs

    if any(judge.spec.kind == "pairwise" for judge in judge_specs(spec)):
        raise UsageError(f"{spec!r} compares pictures and scores none", hint=f"what it is good for: phoropter judge calibrate {spec}")
    return open_bench(settings.model_copy(update={"judge": settings.judge.model_copy(update={"engine": spec})}))


async def judge_all(planned: Planned, bench: Bench, listen: Callable[[Progress], None]) -> Judged:
    """One sitting: shows the bench's judge what it has not seen yet. Cancelled or failing, it keeps what is paid for and re-raises.
    FatalError where an outage left too much unjudged."""
    from data.runs import RunRecord

    identity, spec, store = bench.judge.identity, bench.settings.judge.engine, bench.store
    run_id = content_id("run", [KIND, identity, sorted([shown.prompt.id, shown.seed] for shown in planned.shown)])
    config = {"text": planned.ratings.path.name, "judge": identity, "spec": spec, "trials": len(planned.shown)}
    store.add_run(RunRecord(run_id, KIND, config, datetime.now(UTC).isoformat(timespec="seconds")))
    sittings = sum(event.kind == SITTING for event in store.events(run_id))
    progress = Progress(run_id, len(planned.shown))
    started = time.monotonic()
    outcome = "stopped"
    try:
        requests = [shown.request for shown in planned.shown]
        # A prompt without a checklist is refused by judges that need one, and says nothing about the next.
        trials = await judged_trials(bench, _pipeline(planned, bench), requests, progress, listen, patient=True)
        outcome = "finished"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
        raise
    finally:
        payload = {"seconds": round(time.monotonic() - started, 3), "drawn": progress.done - progress.reused, "outcome": outcome}
        store.add_event(run_id, -1 - sittings, SITTING, payload)
    failures = Counter(trial.failure for trial in trials if trial.failure is not None)
    return Judged(spec, run_id, [trial.score for trial in trials], _alike(failures))


def _pipeline(planned: Planned, bench: Bench) -> "Pipeline":
    from optimizer.calibration.engines import AsTyped
    from optimizer.evaluate import Pipeline
    from ui.keeping import ImagesOnDisk, KeptImages

    store, images = bench.store, bench.images
    judge: Any = bench.judge
    return Pipeline(
        reasoner=AsTyped(),
        generator=KeptImages(GivenImages(planned.sources, images.read), images.write, provenance=False),
        judge=ImagesOnDisk(judge, images.read),
        judge_limits=bench.limits,
        recall_images=lambda asked: {key: image for key, image in store.find_images(list(asked)).items() if images.has(image.sha256)},
        recall_judgments=lambda asked: store.find_judgments(list(asked)),
    )


def _alike(failures: Mapping[Failure, int]) -> list[tuple[Failure, int]]:
    """One failure of each kind with how many there are, the most frequent first."""
    counts: Counter[FailureKind] = Counter()
    for failure, count in failures.items():
        counts[failure.kind] += count
    first = {failure.kind: failure for failure in reversed(list(failures))}
    return [(first[kind], count) for kind, count in counts.most_common()]
