"""From settings to working parts: engines, ledger, image files, prompts, put together."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from data.errors import FatalError, StageError, UsageError
from data.errors import Stage as StageName
from data.records import Prompt, Rewrite, SystemPrompt
from optimizer.compare import Exchanged
from optimizer.evaluate import Pipeline
from optimizer.judges import Judge
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.stage import Stage, StageLimits
from reasoner import Reasoner, RewriteRequest
from ui.engines import Building, build_generator, build_judge, build_proposer, build_reasoner, stage_limits
from ui.keeping import ImagesOnDisk, KeptImages
from ui.settings import Settings
from ui.spec import unknown
from ui.transferring import exchanges

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store


def load_system_prompt(name: str) -> SystemPrompt:
    """A system prompt by shipped name, or from a file whose path is given: its text, or what a dspy program saved (.json)."""
    from pathlib import Path

    from reasoner.library import shipped, shipped_names

    if name in shipped_names():
        return shipped(name)
    path = Path(name)
    if path.suffix == ".json":
        from reasoner.dspy_state import system_prompt_of

        return system_prompt_of(path)
    if path.suffix or path.parent != Path("."):
        try:
            return SystemPrompt(path.read_text(encoding="utf-8").strip(), path.stem)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the system prompt {name} can't be read: {error}", hint="give a UTF-8 text file") from None
    raise unknown("system prompt", name, shipped_names())


def load_prompt_set(source: str) -> list[Prompt]:
    """The prompts of a shipped set or of a file of any format that can be told by its name or first lines."""
    from data.formats import load_prompts

    return load_prompts(source)


@dataclass(frozen=True, slots=True)
class Parts:
    """All that a door works with, built from one Settings. Work inside ``async with parts.closing``, which ends the engines'
    connections."""

    settings: Settings
    store: "Store"
    images: "ImageFiles"
    pipeline: Pipeline
    proposer: Proposer
    closing: AsyncExitStack
    eyes: Sequence[tuple[str, Judge]] = ()
    """The judges that ask a vision model, by name."""
    others: Mapping[Exchanged, Pipeline] = field(default_factory=dict[Exchanged, Pipeline])
    """The pipeline with one engine exchanged, as the settings' ``transfer`` asks for."""


def open_parts(settings: Settings) -> Parts:
    """Opens the ledger and builds the engines. Close ``store`` when done."""
    from data.blobs import ImageFiles
    from data.store import open_store

    building = Building(settings)
    generator = build_generator(building)
    reasoner = build_reasoner(building, generator)
    judge = build_judge(building)
    proposer = build_proposer(building)
    store = open_store(settings.ledger_url)
    images = ImageFiles(settings.image_location)
    pipeline = Pipeline(
        reasoner=reasoner,
        generator=KeptImages(generator, images.write, provenance=settings.provenance),
        judge=ImagesOnDisk(judge, images.read),
        reasoner_limits=stage_limits(settings.reasoner, reasoner),
        generator_limits=stage_limits(settings.generator, generator),
        judge_limits=stage_limits(settings.judge, judge),
        recall_rewrites=lambda asked: _checked(reasoner, asked, store.find_rewrites(list(asked))),
        recall_images=lambda asked: {key: image for key, image in store.find_images(list(asked)).items() if images.has(image.sha256)},
        recall_judgments=lambda asked: store.find_judgments(list(asked)),
    )
    others = {exchanged: _exchanged(pipeline, exchanged, other, building, images) for exchanged, other in exchanges(settings).items()}
    return Parts(settings, store, images, pipeline, proposer, building.closing, tuple(building.eyes), others)


def _exchanged(pipeline: Pipeline, exchanged: Exchanged, settings: Settings, building: Building, images: "ImageFiles") -> Pipeline:
    """``pipeline`` with the one engine in which ``settings`` differ."""
    building = replace(building, settings=settings)
    if exchanged is Exchanged.JUDGE:
        judge = build_judge(building)
        return replace(pipeline, judge=ImagesOnDisk(judge, images.read), judge_limits=stage_limits(settings.judge, judge))
    generator = build_generator(building)
    kept = KeptImages(generator, images.write, provenance=settings.provenance)
    return replace(pipeline, generator=kept, generator_limits=stage_limits(settings.generator, generator))


def _checked(reasoner: Reasoner, asked: Mapping[str, RewriteRequest], found: Mapping[str, Rewrite]) -> Mapping[str, Rewrite]:
    """Rewrites from the ledger, held against the rules of here and now: they may have been written for another generator."""
    check: Callable[[Prompt, Rewrite], Rewrite] | None = getattr(reasoner, "checked", None)
    return found if check is None else {key: check(asked[key].prompt, rewrite) for key, rewrite in found.items()}


@asynccontextmanager
async def proposer_stage(proposer: Proposer, limits: StageLimits) -> "AsyncGenerator[Stage[ProposalRequest, Proposal]]":
    """The proposer behind a stage: time limits, retries and shared work, as for every other engine."""

    async def ask(requests: Sequence[ProposalRequest]) -> Sequence[Proposal | Exception]:
        outcomes: list[Proposal | Exception] = []
        for request in requests:
            try:
                outcomes.append(await proposer(request))
            except (StageError, FatalError) as error:
                outcomes.append(error)
        return outcomes

    async with Stage(StageName.PROPOSE, ask, limits) as stage:
        yield stage
