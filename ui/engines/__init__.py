"""From specs to engines: reasoners, generators, judges, proposers. The only place that knows them all.

Each table maps a spec's kind to a small function that imports its library inside, so that naming an engine costs nothing until it is used.
What must be closed when the work is done, the function leaves with ``building.closing``.
To add an engine, write its file and one line in the table of its stage: ``chat.py``, ``generators.py``, or here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from data.chat import ChatEngine
from data.errors import UsageError
from data.remote.errors import Wording
from data.textlimit import TextLimit
from generator import ImageGenerator
from optimizer.proposers import Proposer
from optimizer.stage import StageLimits
from reasoner import Reasoner
from ui.engines.building import OPENAI_KEY, OWN_KEY, Building, api_key, engine
from ui.engines.chat import CHAT_ENGINES, dspy_program
from ui.engines.generators import GENERATORS, GUARDS, features_of, guarded
from ui.engines.judges import JUDGES, build_judge, build_pairwise, judge_specs
from ui.settings import EngineSettings
from ui.spec import Spec, parse_spec, unknown

__all__ = [
    "GENERATORS", "GUARDS", "JUDGES", "OPENAI_KEY", "OWN_KEY", "PROPOSERS", "REASONERS", "Building", "api_key", "build_generator",
    "build_judge", "build_pairwise", "build_proposer", "build_reasoner", "build_writer", "features_of", "judge_specs", "stage_limits",
]  # fmt: skip


def _embedded_proposer(spec: Spec, settings: EngineSettings, building: Building) -> Proposer:
    from optimizer.proposers.embedded import EmbeddedProposer

    return EmbeddedProposer()


def _reflect(spec: Spec, settings: EngineSettings, building: Building) -> Proposer:
    """``?sees=true``: a model with vision, which is shown pictures of what failed."""
    from optimizer.proposers.reflect import ReflectProposer

    sees = spec.parameters.get(SEES, False)
    if not isinstance(sees, bool):
        raise UsageError(f"{spec.text!r}: {SEES} is true or false, not {sees!r}", hint=f"write {SEES}=true for a model with vision")
    if sees and spec.kind == "shared":
        raise UsageError(f"{spec.text!r}: shared has no eyes", hint=f"leave out {SEES}, or name a model with vision")
    model = replace(spec, parameters={name: value for name, value in spec.parameters.items() if name != SEES})
    engine = CHAT_ENGINES[spec.kind](model, settings, replace(building, wording=PROPOSING))
    return ReflectProposer(engine, settings.max_tokens, _pictures(building) if sees else None)


def _pictures(building: Building) -> Callable[[str], bytes]:
    """How a picture of the run is read, by its sha256."""
    from data.blobs import ImageFiles

    return ImageFiles(building.settings.image_location).read


SEES = "sees"
"""The parameter in a proposer's spec that says that its model has eyes."""

PROPOSING = Wording(
    section="proposer",
    delivers="a proposal",
    shorten="lower proposer.max_tokens, or serve a longer context",
    smaller="lower proposer.max_tokens",
    shrink="leave sees=true out of the proposer's spec",
)
WRITING = Wording(
    section="writer",
    delivers="prompts or a checklist",
    shorten="lower writer.max_tokens, or serve a longer context",
    smaller="lower writer.max_tokens",
)
REASONERS = (*CHAT_ENGINES, "dspy")
PROPOSERS: Mapping[str, Callable[[Spec, EngineSettings, Building], Proposer]] = {
    "embedded": _embedded_proposer,
    **{kind: _reflect for kind in CHAT_ENGINES if kind != "embedded"},
}


def _embedded_writer(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    from reasoner.embedded.author import EmbeddedAuthor

    return EmbeddedAuthor()


WRITERS: Mapping[str, Callable[[Spec, EngineSettings, Building], ChatEngine]] = {**CHAT_ENGINES, "embedded": _embedded_writer}


def build_generator(building: Building) -> ImageGenerator:
    """The generator, behind the guard where one is set. Build it before the reasoner, which may share its language model."""
    return guarded(engine("generator", GENERATORS, building.settings.generator, building), building)


def build_reasoner(building: Building, generator: ImageGenerator | None = None) -> Reasoner:
    """The reasoner: a language model behind the rewriter, or a program that rewrites by itself. ``generator``: whom it writes for, which
    says how much it reads and which aspect ratios it draws; one's own may say neither."""
    from reasoner.rewrite import Rewriter

    limit: TextLimit | None = getattr(generator, "text_limit", None)
    ratios: tuple[str, ...] = getattr(generator, "ratios", ())
    settings = building.settings.reasoner
    spec = parse_spec(settings.engine)
    if spec.kind == "dspy":
        return dspy_program(spec, settings, building, limit, ratios)
    if "." not in spec.kind and spec.kind not in REASONERS:
        raise unknown("reasoner engine", spec.kind, REASONERS)
    model = engine("reasoner", CHAT_ENGINES, settings, building)
    return Rewriter(model, settings.max_tokens, structured=settings.structured, ratios=ratios, limit=limit)


def build_proposer(building: Building) -> Proposer:
    return engine("proposer", PROPOSERS, building.settings.proposer, building)


def build_writer(building: Building) -> ChatEngine:
    """Who writes prompt sets and checklists."""
    if parse_spec(building.settings.writer.engine).kind == "shared":
        build_generator(building)  # It holds the model.
    return engine("writer", WRITERS, building.settings.writer, replace(building, wording=WRITING))


def stage_limits(settings: EngineSettings, engine: object) -> StageLimits:
    """How hard the stage may drive ``engine``. One that queues and times its calls itself gets them singly, as they come."""
    limits = settings.limits
    if getattr(engine, "times_itself", False):
        return replace(limits, concurrency=settings.at_once, batch=1, timeout=None)
    return limits
