"""From specs to engines: reasoners, generators, judges, proposers. The only place that knows them all.

Each table maps a spec's kind to a small function that imports its library inside, so that naming an engine costs nothing until it is used.
What must be closed when the work is done, the function leaves with ``building.closing``.
To add an engine, write its file and one line here.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import UsageError
from data.textlimit import TextLimit
from generator import ImageGenerator
from optimizer.judges import Judge
from optimizer.proposers import Proposer
from optimizer.stage import StageLimits
from reasoner import Reasoner
from reasoner.chat import ChatEngine
from ui.settings import EngineSettings, Settings, environment_for, prepare_litellm, secret
from ui.spec import KEY_ENV, Spec, parse_spec, unknown

if TYPE_CHECKING:
    from reasoner.serving.server import VllmServer

T = TypeVar("T")

OPENAI_KEY = "OPENAI_API_KEY"
"""Goes to OpenAI, and to nobody else."""
OWN_KEY = "PHOROPTER_API_KEY"
"""Goes to endpoints of one's own, unless their spec names another variable: ``?key_env=NAME``."""


@dataclass(frozen=True, slots=True)
class Building:
    """What the engines of one command share while they are built: the settings, what is closed when the work is done, and the vLLM servers
    by what they serve, so that reasoner and proposer may use the same."""

    settings: Settings
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    servers: "dict[str, VllmServer]" = field(default_factory=dict[str, "VllmServer"])


def _embedded_reasoner(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    from reasoner.engines.embedded import EmbeddedReasoner

    return EmbeddedReasoner()


def _openai(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    from reasoner.engines.openai import openai_engine

    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint="write for example openai:gpt-5.5, or openai:MODEL@http://localhost:8000/v1")
    return _closed(
        openai_engine(
            spec.model,
            urls=spec.endpoints,
            api_key=api_key(spec),
            parameters=_model_parameters(spec),
            most=settings.at_once,
            timeout=settings.timeout,
        ),
        building,
    )


def api_key(spec: Spec) -> str | None:
    """The key for an openai spec's endpoints; None where they need none. UsageError where one is needed and not set."""
    named = spec.parameters.get(KEY_ENV)
    if named is not None:
        if key := secret(str(named)):
            return key
        raise UsageError(f"{named} is not set, and {spec.text!r} takes its key from there", hint=f"export {named}=…")
    if spec.endpoints:
        return secret(OWN_KEY)
    if key := secret(OPENAI_KEY):
        return key
    raise UsageError(
        f"{OPENAI_KEY} is not set", hint=f"export {OPENAI_KEY}=…, or name your own endpoint: openai:MODEL@http://localhost:8000/v1"
    )


def _litellm(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    prepare_litellm()
    from reasoner.engines.litellm import litellm_engine

    return _closed(
        litellm_engine(
            spec.model,
            urls=spec.endpoints,
            secret=_secret_for(spec),
            parameters=_model_parameters(spec),
            most=settings.at_once,
            timeout=settings.timeout,
        ),
        building,
    )


def _secret_for(spec: Spec) -> Callable[[str], str | None]:
    """How a provider's key is found: where the spec names a variable, it stands in for whatever the provider's is called."""
    named = spec.parameters.get(KEY_ENV)
    return secret if named is None else lambda _: secret(str(named))


def _vllm(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint="write for example vllm:openai/gpt-oss-20b, or vllm:./folder")
    if spec.endpoints:
        raise UsageError(
            f"{spec.text!r}: vllm: starts a server of its own, so it takes no endpoint",
            hint=f"for a server that runs already, write openai:{spec.model}@{spec.endpoints[0]}",
        )
    parameters = _model_parameters(spec)
    if parameters.pop("in_process", False):
        from reasoner.engines.vllm_in_process import VllmInProcess

        options = _server_options(parameters, ("memory_share", "max_model_len"))
        return _closed(VllmInProcess(spec.model, parameters=parameters, **options), building)
    from reasoner.engines.vllm import vllm_engine
    from reasoner.serving.server import VllmServer

    options = _server_options(parameters, ("memory_share", "max_model_len", "port"))
    name = repr((spec.model, sorted(options.items())))
    if name not in building.servers:
        server = VllmServer(
            spec.model,
            command=building.settings.vllm,
            environment=environment_for(building.settings),
            log_folder=building.settings.home / "logs",
            **options,
        )
        building.servers[name] = server
        building.closing.push_async_callback(server.stop)
    return _closed(vllm_engine(building.servers[name], parameters=parameters, most=settings.at_once, timeout=settings.timeout), building)


def _server_options(parameters: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Takes out of ``parameters`` what says how to serve a model, and not what it answers."""
    return {name: parameters.pop(name) for name in names if name in parameters}


def _model_parameters(spec: Spec) -> dict[str, Any]:
    return {name: value for name, value in spec.parameters.items() if name != KEY_ENV}


def _closed(engine: T, building: Building) -> T:
    """``engine``, which is closed when the work is done."""
    closable: Any = engine
    building.closing.push_async_callback(closable.aclose)
    return engine


CHAT_ENGINES: Mapping[str, Callable[[Spec, EngineSettings, Building], ChatEngine]] = {
    "embedded": _embedded_reasoner,
    "openai": _openai,
    "vllm": _vllm,
    "litellm": _litellm,
}


def _dspy(spec: Spec, settings: EngineSettings, building: Building, limit: TextLimit | None) -> Reasoner:
    """A dspy program; ``@endpoint?lm=MODEL`` says which model of an OpenAI-shaped endpoint it speaks to, else it brings its own."""
    prepare_litellm()  # dspy imports it for what its own engine does not speak.
    from reasoner.engines.dspy import DspyReasoner, load_program

    if not spec.model:
        raise UsageError(f"{spec.text!r} names no program", hint="write dspy:package.module:factory, or dspy:./program.json")
    parameters = dict(spec.parameters)
    model = parameters.pop("lm", None)
    lm = None
    if model is not None:
        lm = _openai(replace(spec, kind="openai", model=str(model), parameters=parameters), settings, building)
    elif spec.endpoints or parameters:
        raise UsageError(
            f"{spec.text!r}: an endpoint and parameters are those of a language model, and none is named",
            hint=f"write dspy:{spec.model}@{spec.endpoint or 'http://localhost:8000/v1'}?lm=MODEL",
        )
    program = load_program(spec.model)
    return _closed(DspyReasoner(program, source=spec.model, lm=lm, max_tokens=settings.max_tokens, limit=limit), building)


def _embedded_generator(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    from generator.engines.embedded import EmbeddedGenerator

    return EmbeddedGenerator()


def _scene_judge(spec: Spec, settings: EngineSettings, building: Building) -> Judge:
    from optimizer.judges.scene import SceneJudge

    return SceneJudge()


def _embedded_proposer(spec: Spec, settings: EngineSettings, building: Building) -> Proposer:
    from optimizer.proposers.embedded import EmbeddedProposer

    return EmbeddedProposer()


def _reflect(spec: Spec, settings: EngineSettings, building: Building) -> Proposer:
    from optimizer.proposers.reflect import ReflectProposer

    return ReflectProposer(CHAT_ENGINES[spec.kind](spec, settings, building), settings.max_tokens)


REASONERS = (*CHAT_ENGINES, "dspy")
GENERATORS: Mapping[str, Callable[[Spec, EngineSettings, Building], ImageGenerator]] = {"embedded": _embedded_generator}
JUDGES: Mapping[str, Callable[[Spec, EngineSettings, Building], Judge]] = {"scene": _scene_judge}
PROPOSERS: Mapping[str, Callable[[Spec, EngineSettings, Building], Proposer]] = {
    "embedded": _embedded_proposer,
    **{kind: _reflect for kind in CHAT_ENGINES if kind != "embedded"},
}


def build_reasoner(building: Building, limit: TextLimit | None = None) -> Reasoner:
    """The reasoner: a language model behind the rewriter, or a program that rewrites by itself. ``limit`` is the generator's."""
    from reasoner.rewrite import Rewriter

    settings = building.settings.reasoner
    spec = parse_spec(settings.engine)
    if spec.kind == "dspy":
        return _dspy(spec, settings, building, limit)
    if "." not in spec.kind and spec.kind not in REASONERS:
        raise unknown("reasoner engine", spec.kind, REASONERS)
    engine = _engine("reasoner", CHAT_ENGINES, settings, building)
    return Rewriter(engine, settings.max_tokens, structured=settings.structured, limit=limit)


def build_generator(building: Building) -> ImageGenerator:
    return _engine("generator", GENERATORS, building.settings.generator, building)


def text_limit(generator: ImageGenerator) -> TextLimit | None:
    """How much the generator reads; unknown of a generator of one's own that does not say."""
    return getattr(generator, "text_limit", None)


def build_judge(building: Building) -> Judge:
    return _engine("judge", JUDGES, building.settings.judge, building)


def build_proposer(building: Building) -> Proposer:
    return _engine("proposer", PROPOSERS, building.settings.proposer, building)


def _engine(
    stage: str, kinds: Mapping[str, Callable[[Spec, EngineSettings, Building], T]], settings: EngineSettings, building: Building
) -> T:
    spec = parse_spec(settings.engine)
    if "." in spec.kind:
        return _own_factory(spec)()
    if spec.kind not in kinds:
        raise unknown(f"{stage} engine", spec.kind, kinds)
    if spec.kind in ("embedded", "scene") and (spec.model or spec.endpoints or spec.parameters):
        raise UsageError(f"the {spec.kind} {stage} takes no model, endpoint or parameters: {spec.text!r}", hint=f"write just {spec.kind}")
    return kinds[spec.kind](spec, settings, building)


def stage_limits(settings: EngineSettings, engine: object) -> StageLimits:
    """How hard the stage may drive ``engine``. One that queues and times its calls itself gets them singly, as they come."""
    limits = settings.limits
    if getattr(engine, "times_itself", False):
        return replace(limits, concurrency=settings.at_once, batch=1, timeout=None)
    return limits


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
