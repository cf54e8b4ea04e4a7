"""Image generators and guards, by the kind of their spec."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from data.errors import UsageError
from generator import ImageGenerator
from ui.engines.building import Building, api_key, closed, from_parameters, model_parameters, of_spec, secret_for
from ui.settings import EngineSettings, Settings, prepare_litellm, prepare_models
from ui.spec import Spec, parse_spec, unknown

if TYPE_CHECKING:
    from generator.guard import Guard
    from generator.lens.served import ServedEncoder

READER = "reader"
"""Parameter of a ``lens:`` spec with an endpoint: the language model's name there, which stands for it in the identity, as its address else
would."""
POOL_PARAMETERS = ("actors", "gpus", "cpus", "memory")
"""Parameters of a ``ray:`` spec that speak of the pool; the others are the inner generator's."""


def _embedded(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    from generator.engines.embedded import EmbeddedGenerator

    return EmbeddedGenerator()


def _diffusers(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    _needs_model(spec, "diffusers:Qwen/Qwen-Image, or diffusers:./folder")
    _prepare_local(spec)
    from generator.engines.diffusers import load_diffusers
    from generator.local.generator import LocalGenerator

    model = from_parameters(load_diffusers, spec, source=spec.model, batch=settings.batch)
    return closed(LocalGenerator(model), building)


def _lens(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    """``@endpoint``: a vLLM server that hands out text features (``phoropter reasoner serve MODEL --features``), which ``reader`` names."""
    _needs_model(spec, "lens:YuCollection/Lens-Diffusers, or lens:./folder")
    _prepare_local(spec)
    from generator.lens.model import load_lens
    from generator.local.generator import LocalGenerator

    encoder = features_of(spec, settings) if spec.endpoints else None
    spec = replace(spec, parameters={name: value for name, value in spec.parameters.items() if name != READER})
    model = from_parameters(load_lens, spec, source=spec.model, batch=settings.batch, encoder=encoder)
    if not spec.endpoints:
        building.language_models.append(lambda: model.loaded().language_model())
    return closed(LocalGenerator(model), building)


def features_of(spec: Spec, settings: EngineSettings) -> "ServedEncoder":
    """Where a lens spec with an endpoint gets its text features."""
    from generator.lens.loading import find_folder, selected_layers
    from generator.lens.model import ENCODER_PARTS
    from generator.lens.served import ServedEncoder

    named = {name: str(value) for name, value in spec.parameters.items() if name in (READER, "revision")}
    layers = selected_layers(find_folder(spec.model, named.get("revision"), ENCODER_PARTS))
    return ServedEncoder(spec.endpoint, model=named.get(READER), api_key=api_key(spec), layers=layers, timeout=settings.timeout)


def _images(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    _needs_model(spec, "images:gpt-image-1, or images:MODEL@http://localhost:8000/v1")
    from generator.engines.images import images_generator

    parameters = model_parameters(spec)
    size = parameters.pop("size", None)
    return closed(
        images_generator(
            spec.model,
            urls=spec.endpoints,
            api_key=api_key(spec),
            parameters=parameters,
            size=None if size is None else str(size),
            most=settings.at_once,
            timeout=settings.timeout,
        ),
        building,
    )


def _litellm_images(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    _needs_model(spec, "litellm:PROVIDER/MODEL")
    prepare_litellm()
    from generator.engines.litellm_images import litellm_images

    parameters = model_parameters(spec)
    size = parameters.pop("size", None)
    return closed(
        litellm_images(
            spec.model,
            urls=spec.endpoints,
            secret=secret_for(spec),
            parameters=parameters,
            size=None if size is None else str(size),
            most=settings.at_once,
            timeout=settings.timeout,
        ),
        building,
    )


def _ray(spec: Spec, settings: EngineSettings, building: Building) -> ImageGenerator:
    """A pool of what stands behind ``ray:``, each in a process of its own."""
    prepare_models()
    from generator.engines.ray import RayPool

    inner = parse_spec(spec.text.partition(":")[2])
    if inner.kind == "ray":
        raise UsageError(f"{spec.text!r}: a pool of pools", hint="write ray: once")
    of_pool = dict[str, Any](cluster=building.settings.cluster, at_once=max(2, 2 * settings.batch), timeout=settings.timeout)
    of_pool.update((name, value) for name, value in inner.parameters.items() if name in POOL_PARAMETERS)
    of_inner = {name: value for name, value in inner.parameters.items() if name not in POOL_PARAMETERS}
    make = partial(_member, replace(inner, parameters=of_inner), settings, building.settings)
    return closed(RayPool.start(make, **of_pool), building)


def _member(spec: Spec, settings: EngineSettings, all_settings: Settings) -> ImageGenerator:
    """One of a pool's generators, built in its own process; it lives as long as that."""
    return of_spec("generator", GENERATORS, spec, settings, Building(all_settings))


def _prepare_local(spec: Spec) -> None:
    """Before anything is imported that holds models in this process; UsageError where it is not installed."""
    missing = [package for package in ("torch", "diffusers", "transformers") if find_spec(package) is None]
    if missing:
        raise UsageError(f"{spec.text!r} needs {', '.join(missing)}, not installed here", hint="pip install 'phoropter[local]'")
    prepare_models()
    from generator.local.quiet import hush

    hush()


def _needs_model(spec: Spec, example: str) -> None:
    if not spec.model:
        raise UsageError(f"{spec.text!r} names no model", hint=f"write for example {example}")


GENERATORS: Mapping[str, Callable[[Spec, EngineSettings, Building], ImageGenerator]] = {
    "embedded": _embedded,
    "diffusers": _diffusers,
    "lens": _lens,
    "images": _images,
    "litellm": _litellm_images,
    "ray": _ray,
}


def _moderation(spec: Spec, settings: EngineSettings) -> "Guard":
    """OpenAI's moderation endpoint, or one of that shape."""
    from generator.guards.moderation import moderation_guard

    return _guard(moderation_guard, spec, settings)


def _chat_guard(spec: Spec, settings: EngineSettings) -> "Guard":
    """A model behind a chat endpoint that is told what may not pass."""
    _needs_model(spec, "chat:openai/gpt-oss-safeguard-20b@http://localhost:8000/v1?images=false")
    from generator.guards.chat import chat_guard

    return _guard(chat_guard, spec, settings)


def _guard(build: "Callable[..., Guard]", spec: Spec, settings: EngineSettings) -> "Guard":
    given = {"model": spec.model, "urls": spec.endpoints, "api_key": api_key(spec)}
    return from_parameters(build, spec, **given, most=settings.at_once, timeout=settings.timeout)


GUARDS: Mapping[str, Callable[[Spec, EngineSettings], "Guard"]] = {"moderation": _moderation, "chat": _chat_guard}


def guarded(generator: ImageGenerator, building: Building) -> ImageGenerator:
    """``generator`` behind the guard of the settings, if there is one."""
    if not building.settings.guard:
        return generator
    from generator.guard import Guarded

    spec = parse_spec(building.settings.guard)
    if spec.kind not in GUARDS:
        raise unknown("guard", spec.kind, GUARDS)
    return Guarded(generator, closed(GUARDS[spec.kind](spec, building.settings.generator), building))
