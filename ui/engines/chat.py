"""Language models, by the kind of their spec: for reasoners, and for proposers that reflect."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from data.chat import ChatEngine
from data.errors import UsageError
from data.textlimit import TextLimit
from reasoner import Reasoner
from ui.engines.building import Building, api_key, closed, from_parameters, model_parameters, secret_for
from ui.settings import EngineSettings, environment_for, prepare_litellm
from ui.spec import Spec


def _embedded_reasoner(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    from reasoner.engines.embedded import EmbeddedReasoner

    return EmbeddedReasoner()


def _openai(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    from reasoner.engines.openai import openai_engine

    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint="write for example openai:gpt-5.5, or openai:MODEL@http://localhost:8000/v1")
    return closed(
        openai_engine(
            spec.model,
            urls=spec.endpoints,
            api_key=api_key(spec),
            parameters=model_parameters(spec),
            most=settings.at_once,
            timeout=settings.timeout,
            wording=building.wording,
        ),
        building,
    )


def _litellm(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    prepare_litellm()
    from reasoner.engines.litellm import litellm_engine

    return closed(
        litellm_engine(
            spec.model,
            urls=spec.endpoints,
            secret=secret_for(spec),
            parameters=model_parameters(spec),
            most=settings.at_once,
            timeout=settings.timeout,
            wording=building.wording,
        ),
        building,
    )


def _vllm(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint="write for example vllm:openai/gpt-oss-20b, or vllm:./folder")
    if spec.endpoints:
        raise UsageError(
            f"{spec.text!r}: vllm: starts a server of its own, so it takes no endpoint",
            hint=f"for a server that runs already, write openai:{spec.model}@{spec.endpoints[0]}",
        )
    parameters = model_parameters(spec)
    if parameters.pop("in_process", False):
        from reasoner.engines.vllm_in_process import VllmInProcess

        options = _server_options(parameters, ("memory_share", "max_model_len"))
        return closed(VllmInProcess(spec.model, parameters=parameters, **options), building)
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
    server = building.servers[name]
    return closed(
        vllm_engine(server, parameters=parameters, most=settings.at_once, timeout=settings.timeout, wording=building.wording), building
    )


def _server_options(parameters: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Takes out of ``parameters`` what says how to serve a model, and not what it answers."""
    return {name: parameters.pop(name) for name in names if name in parameters}


def _shared(spec: Spec, settings: EngineSettings, building: Building) -> ChatEngine:
    """The GPT-OSS that the generator reads with rewrites, too: one copy in memory."""
    if spec.model or spec.endpoints:
        raise UsageError(f"{spec.text!r}: shared takes no model or endpoint: it uses the generator's", hint="write just shared")
    if not building.language_models:
        raise UsageError(
            "shared: the generator holds no language model in this process",
            hint="shared goes with --generator lens:FOLDER; with lens:FOLDER@http://… the reasoner is openai:MODEL@http://…",
        )
    from reasoner.engines.shared import SharedReasoner

    return from_parameters(SharedReasoner, spec, model=building.language_models[0])


CHAT_ENGINES: Mapping[str, Callable[[Spec, EngineSettings, Building], ChatEngine]] = {
    "embedded": _embedded_reasoner,
    "openai": _openai,
    "vllm": _vllm,
    "litellm": _litellm,
    "shared": _shared,
}


def dspy_program(spec: Spec, settings: EngineSettings, building: Building, limit: TextLimit | None, ratios: Sequence[str]) -> Reasoner:
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
    return closed(DspyReasoner(program, source=spec.model, lm=lm, max_tokens=settings.max_tokens, limit=limit, ratios=ratios), building)
