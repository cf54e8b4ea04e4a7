"""From settings to working parts: engines, judges, proposers, prompts, ledger. The only place that knows them all.

Each table maps a spec's kind to a small function that imports its library inside, so that naming an engine costs nothing until it is used.
What must be closed when the work is done, the function leaves with ``closing``.
To add an engine, write its file and one line here.
"""

import importlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import FatalError, StageError, UsageError
from data.errors import Stage as StageName
from data.records import Prompt, SystemPrompt
from generator import ImageGenerator
from optimizer.evaluate import Pipeline
from optimizer.judges import Judge
from optimizer.proposers import Proposal, ProposalRequest, Proposer
from optimizer.stage import Stage, StageLimits
from reasoner import Reasoner
from reasoner.chat import ChatEngine
from ui.keeping import ImagesOnDisk, KeptImages
from ui.settings import EngineSettings, Settings, secret
from ui.spec import Spec, parse_spec, unknown

if TYPE_CHECKING:
    from data.blobs import ImageFiles
    from data.store import Store

T = TypeVar("T")


def _embedded_reasoner(spec: Spec, closing: AsyncExitStack) -> ChatEngine:
    from reasoner.engines.embedded import EmbeddedReasoner

    return EmbeddedReasoner()


def _openai(spec: Spec, closing: AsyncExitStack) -> ChatEngine:
    from reasoner.engines.openai import OpenAIEngine

    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint="write for example openai:gpt-5.5, or openai:MODEL@http://localhost:8000/v1")
    api_key = secret("OPENAI_API_KEY")
    if not spec.endpoint and not api_key:
        raise UsageError(
            "OPENAI_API_KEY is not set", hint="export OPENAI_API_KEY=…, or name your own endpoint: openai:MODEL@http://localhost:8000/v1"
        )
    engine = OpenAIEngine(spec.model, base_url=spec.endpoint or None, api_key=api_key, parameters=spec.parameters)
    closing.push_async_callback(engine.aclose)
    return engine


def _embedded_generator(spec: Spec, closing: AsyncExitStack) -> ImageGenerator:
    from generator.engines.embedded import EmbeddedGenerator

    return EmbeddedGenerator()


def _scene_judge(spec: Spec, closing: AsyncExitStack) -> Judge:
    from optimizer.judges.scene import SceneJudge

    return SceneJudge()


def _embedded_proposer(spec: Spec, closing: AsyncExitStack, max_tokens: int) -> Proposer:
    from optimizer.proposers.embedded import EmbeddedProposer

    return EmbeddedProposer()


def _reflect(spec: Spec, closing: AsyncExitStack, max_tokens: int) -> Proposer:
    from optimizer.proposers.reflect import ReflectProposer

    return ReflectProposer(_openai(spec, closing), max_tokens)


REASONERS: Mapping[str, Callable[[Spec, AsyncExitStack], ChatEngine]] = {"embedded": _embedded_reasoner, "openai": _openai}
GENERATORS: Mapping[str, Callable[[Spec, AsyncExitStack], ImageGenerator]] = {"embedded": _embedded_generator}
JUDGES: Mapping[str, Callable[[Spec, AsyncExitStack], Judge]] = {"scene": _scene_judge}
PROPOSERS: Mapping[str, Callable[[Spec, AsyncExitStack, int], Proposer]] = {"embedded": _embedded_proposer, "openai": _reflect}


def build_reasoner(settings: EngineSettings, closing: AsyncExitStack) -> Reasoner:
    """The reasoner of a profile: a language model's engine behind the rewriter."""
    from reasoner.rewrite import Rewriter

    return Rewriter(_engine("reasoner", REASONERS, settings.engine, closing), settings.max_tokens)


def build_generator(settings: EngineSettings, closing: AsyncExitStack) -> ImageGenerator:
    return _engine("generator", GENERATORS, settings.engine, closing)


def build_judge(settings: EngineSettings, closing: AsyncExitStack) -> Judge:
    return _engine("judge", JUDGES, settings.engine, closing)


def build_proposer(settings: EngineSettings, closing: AsyncExitStack) -> Proposer:
    spec = parse_spec(settings.engine)
    if "." in spec.kind:
        return _own_factory(spec)()
    return _factory("proposer", PROPOSERS, spec)(spec, closing, settings.max_tokens)


def _engine(stage: str, kinds: Mapping[str, Callable[[Spec, AsyncExitStack], T]], text: str, closing: AsyncExitStack) -> T:
    spec = parse_spec(text)
    if "." in spec.kind:
        return _own_factory(spec)()
    return _factory(stage, kinds, spec)(spec, closing)


def _factory(stage: str, kinds: Mapping[str, T], spec: Spec) -> T:
    if spec.kind not in kinds:
        raise unknown(f"{stage} engine", spec.kind, kinds)
    if spec.kind in ("embedded", "scene") and (spec.model or spec.endpoint or spec.parameters):
        raise UsageError(f"the {spec.kind} {stage} takes no model, endpoint or parameters: {spec.text!r}", hint=f"write just {spec.kind}")
    return kinds[spec.kind]


def _own_factory(spec: Spec) -> Callable[[], Any]:
    """A user's ``package.module:factory``."""
    try:
        module = importlib.import_module(spec.kind)
    except ImportError as error:
        raise UsageError(f"{spec.text!r}: the module can't be imported: {error}", hint="is its folder on PYTHONPATH?") from None
    factory = getattr(module, spec.model, None)
    if not callable(factory):
        raise UsageError(
            f"{spec.text!r}: {spec.kind} has no callable {spec.model!r}", hint=f"there are: {', '.join(sorted(vars(module)))}"[:300]
        )
    return factory  # pyright: ignore[reportUnknownVariableType]


def load_system_prompt(name: str) -> SystemPrompt:
    """A system prompt by shipped name, or from a text file whose path is given."""
    from pathlib import Path

    from reasoner.library import shipped, shipped_names

    if name in shipped_names():
        return shipped(name)
    path = Path(name)
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


def open_parts(settings: Settings) -> Parts:
    """Opens the ledger and builds the engines. Close ``store`` when done."""
    from data.blobs import ImageFiles
    from data.store import open_store

    closing = AsyncExitStack()
    reasoner = build_reasoner(settings.reasoner, closing)
    generator = build_generator(settings.generator, closing)
    judge = build_judge(settings.judge, closing)
    proposer = build_proposer(settings.proposer, closing)
    store = open_store(settings.ledger_url)
    images = ImageFiles(settings.image_location)
    pipeline = Pipeline(
        reasoner=reasoner,
        generator=KeptImages(generator, images.write),
        judge=ImagesOnDisk(judge, images.read),
        reasoner_limits=settings.reasoner.limits,
        generator_limits=settings.generator.limits,
        judge_limits=settings.judge.limits,
        recall_rewrites=store.find_rewrites,
        recall_images=lambda keys: {key: image for key, image in store.find_images(keys).items() if images.has(image.sha256)},
        recall_judgments=store.find_judgments,
    )
    return Parts(settings, store, images, pipeline, proposer, closing)


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
