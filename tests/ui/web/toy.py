"""A toy world for tests of the pages: real runs with a lineage and small painted pictures, in a second and without the embedded engines.

A picture's truth travels in its PNG's text chunk, where the toy judge reads it.
"""

import asyncio
import io
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from data.blobs import ImageFiles
from data.errors import FailureKind, StageError
from data.identity import content_id, derived_random
from data.records import Criterion, CriterionKind, CriterionScore, GeneratedImage, Judgment, Need, Prompt, Rewrite, Split, SystemPrompt
from data.store import open_store
from generator import ImageGenerator, ImageRequest
from optimizer.budget import Limits
from optimizer.compare import Arm
from optimizer.evaluate import Pipeline
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate
from optimizer.optimize import Problem
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.stage import StageLimits
from reasoner import RewriteRequest
from ui.keeping import ImagesOnDisk, KeptImages
from ui.running import PlannedRun, carry_out
from ui.settings import Settings
from ui.wiring import Parts

COLORS = {"red": "#d64541", "blue": "#3a6ea5", "green": "#3c8d5a", "yellow": "#e8b93e", "purple": "#7d4f9e", "white": "#f4f4f0"}
THINGS = ("balloons", "lanterns", "pebbles", "apples", "buttons", "planets")
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
HELP = {
    "attribute": "Put each colour right beside its noun.",
    "count": "State every number in words, and place each object.",
    "relation": "Say where each thing stands in the frame.",
    "negation": "Describe what is there, and never name what the user ruled out.",
}
USELESS = (
    "Write in a warm tone.",
    "Mention the time of day.",
    "Prefer short sentences.",
    "Use vivid verbs.",
    "Name the lens of the camera.",
)
HARMFUL = ("Add <b>many</b> small extras around the subject.", "Replace plain words with {rare} ones.")


def prompts() -> list[Prompt]:
    """Sixty small scenes: search, select and test."""
    texts = [
        f"{number} {color} {thing} {place}, no clouds"
        for number in NUMBERS
        for color in COLORS
        for thing, place in zip(
            THINGS, ("left of a tree", "on a table", "above a lake", "by a wall", "in a bowl", "under a lamp"), strict=True
        )
    ]
    derived_random("toy prompts").shuffle(texts)
    splits = [Split.SEARCH] * 24 + [Split.SELECT] * 10 + [Split.TEST] * 24
    return [Prompt(text, _checklist(text), "toy", split=split) for text, split in zip(texts, splits, strict=False)]


def _checklist(text: str) -> tuple[Criterion, ...]:
    number, color, thing, *place = text.removesuffix(", no clouds").split()
    return (
        Criterion("a", f"there are {thing}", CriterionKind.ENTITY),
        Criterion("attribute", f"the {thing} are {color}", CriterionKind.ATTRIBUTE),
        Criterion("count", f"there are exactly {number} {thing}", CriterionKind.COUNT),
        Criterion("relation", f"the {thing} are {' '.join(place)}", CriterionKind.RELATION),
        Criterion("negation", "there are clouds", CriterionKind.NEGATION, Need.MUST_NOT),
    )


class ToyReasoner:
    identity = "toy:1"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return [self._rewrite(request) for request in requests]

    def _rewrite(self, request: RewriteRequest) -> Rewrite:
        text = request.system_prompt.text
        followed = [name for name, line in HELP.items() if line in text]
        spoilt = sum(line in text for line in HARMFUL)
        words = " ".join(f"With care for {name}." for name in followed) + " A lot of small extras." * spoilt
        drift = ("the number is gone",) if derived_random("drift", text, request.prompt.text).random() < 0.03 else ()
        return Rewrite(f"{request.prompt.text}. {words}", "I follow:\n" + "\n".join(followed), drift)


class ToyGenerator:
    identity = "toy:1"
    text_limit = None
    ratios = ()

    async def __call__(self, requests: Sequence[ImageRequest]) -> Sequence[GeneratedImage | Exception]:
        return [self._draw(request) for request in requests]

    def _draw(self, request: ImageRequest) -> GeneratedImage | Exception:
        chance = derived_random("toy", request.text.split(".")[0], request.seed)
        if derived_random("fault", request.text, request.seed).random() < 0.012:
            return StageError(FailureKind.REFUSED, "the generator declined <this> prompt", hint="say it differently")
        harm = 0.18 * request.text.count("small extras")
        right = {name for name in HELP if chance.random() < (0.86 if f"care for {name}" in request.text else 0.42) - harm}
        png = paint(request.text, right, request.seed)
        return GeneratedImage("", 256, 256, content=png)


def paint(text: str, right: set[str], seed: int) -> bytes:
    """Coloured shapes on a ground: as many and as coloured as the text says where that came out right."""
    random = derived_random("paint", text, seed)
    words = text.split()
    ground = random.choice(["#dfe9ee", "#efe6d8", "#e3ece0", "#2d3a4d"])
    picture = Image.new("RGB", (256, 256), ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 180, 256, 256), fill=random.choice(["#9db68c", "#c9b18f", "#8fa3b5"]))
    if "negation" not in right:
        for x in (40, 150):
            draw.ellipse((x, 22, x + 70, 52), fill="#ffffff")
    count = NUMBERS[words[0]] + (0 if "count" in right else random.choice([-1, 1]))
    color = COLORS[words[1]] if "attribute" in right else random.choice([value for name, value in COLORS.items() if name != words[1]])
    left = 30 if "relation" in right else 100
    for place in range(count):
        x, y = left + 36 * (place % 4), 90 + 48 * (place // 4) + random.randint(-14, 14)
        shape = draw.ellipse if THINGS.index(words[2]) % 2 else draw.rectangle
        shape((x, y, x + 30, y + 34), fill=color, outline="#3b3b3b")
    truth = PngInfo()
    truth.add_text("right", " ".join(sorted(right)))
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=truth)
    return file.getvalue()


class ToyJudge:
    identity = "toy:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [self._judge(request) for request in requests]

    def _judge(self, request: JudgeRequest) -> Judgment:
        assert request.image.content is not None
        with Image.open(io.BytesIO(request.image.content)) as picture:
            right = set(str(picture.info["right"]).split()) | {"a"}
        scores = tuple(
            CriterionScore(entry.id, float((entry.id in right) is not (entry.need is Need.MUST_NOT)), _evidence(entry, entry.id in right))
            for entry in request.prompt.checklist
        )
        return Judgment(aggregate(request.prompt.checklist, scores), scores)


def _evidence(criterion: Criterion, right: bool) -> str:
    if criterion.need is Need.MUST_NOT:
        return "the sky is clear" if right else "two white clouds <at the top>"
    return "as asked" if right else f"seen otherwise & measured: {criterion.kind.value}"


class ToyProposer:
    identity = "toy:1"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        random = derived_random("propose", request.seed)
        lines = list(dict.fromkeys(line for parent in request.parents for line in parent.system_prompt.text.splitlines()))
        left = [line for line in (*HELP.values(), *USELESS, *HARMFUL) if line not in lines]
        if len(lines) > 2 and random.random() < 0.25:
            gone = lines.pop(random.randrange(1, len(lines)))
            return Proposal("\n".join(lines), f"“{gone}” did not help")
        line = random.choice(left or ["Be brief."])
        return Proposal("\n".join([*lines, line]), f"the last failures call for: {line}")


PLAIN = SystemPrompt("Describe the picture in more detail.", "plain")
GENERAL = SystemPrompt("Describe the picture in more detail.\nKeep every wish of the user.\n" + HELP["attribute"], "general")


def make_run(
    home: Path, *, images: int = 420, seed: int = 1, stop_after: int | None = None, generator: ImageGenerator | None = None
) -> str:
    """Carries out a run in ``home``, or its first ``stop_after`` events; its id."""
    settings = Settings.model_validate({"home": home, "run": {"images": images, "seed": seed, "prompts": "toy"}})
    limits = StageLimits(concurrency=2, batch=8, backoff=0.001, attempts=1)
    files = ImageFiles(settings.image_location)
    arms = [Arm("none", SystemPrompt("", "none")), Arm("plain", PLAIN), Arm("general", GENERAL)]
    problem = Problem(prompts(), [PLAIN, GENERAL], arms, "general", seed)
    with open_store(settings.ledger_url) as store:
        pipeline = Pipeline(
            ToyReasoner(),
            KeptImages(generator or ToyGenerator(), files.write),
            ImagesOnDisk(ToyJudge(), files.read),
            limits,
            limits,
            limits,
        )
        config = settings.model_dump(mode="json", exclude={"home", "ledger", "images_at", "description"})
        planned = PlannedRun(content_id("run", [images, seed]), config, problem, Limits(images), problem.shares(images))
        count = 0

        def listen(*_: object) -> None:
            nonlocal count
            count += 1
            if count == stop_after:
                raise StoppedError("the test stops here")

        try:
            asyncio.run(carry_out(planned, Parts(settings, store, files, pipeline, ToyProposer(), AsyncExitStack()), listen))
        except StoppedError:
            assert stop_after is not None
    return planned.id


class StoppedError(Exception):
    """What ends a run early."""
