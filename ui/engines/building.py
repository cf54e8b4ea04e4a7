"""What the small functions that build engines have in common: what they share while they build, keys, parameters, closing."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import UsageError
from data.remote.errors import Wording
from optimizer.judges import Judge
from ui.settings import EngineSettings, Settings, secret
from ui.spec import KEY_ENV, Spec, nearest, parse_spec, unknown

if TYPE_CHECKING:
    from reasoner.engines.shared import LanguageModel
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
    language_models: "list[Callable[[], LanguageModel]]" = field(default_factory=list["Callable[[], LanguageModel]"])
    """Those that a generator holds as its text encoder, for a reasoner that shares them."""
    eyes: "list[tuple[str, Judge]]" = field(default_factory=list["tuple[str, Judge]"])
    """The judges that ask a vision model, by name: whether they see at all is looked into before anything is spent."""
    wording: Wording = Wording()
    """How the messages of a language model name the stage that it is built for."""


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
        f"{OPENAI_KEY} is not set",
        hint=f"export {OPENAI_KEY}=…, or name your own endpoint: {spec.kind}:{spec.model or 'MODEL'}@http://localhost:8000/v1",
    )


def secret_for(spec: Spec) -> Callable[[str], str | None]:
    """How a provider's key is found: where the spec names a variable, it stands in for whatever the provider's is called."""
    named = spec.parameters.get(KEY_ENV)
    return secret if named is None else lambda _: secret(str(named))


def model_parameters(spec: Spec) -> dict[str, Any]:
    return {name: value for name, value in spec.parameters.items() if name != KEY_ENV}


def closed(engine: T, building: Building) -> T:
    """``engine``, which is closed when the work is done."""
    closable: Any = engine
    building.closing.push_async_callback(closable.aclose)
    return engine


def from_parameters(build: Callable[..., T], spec: Spec, **given: Any) -> T:
    """Calls ``build`` with ``given`` and the spec's parameters; UsageError names those that it does not take."""
    parameters = model_parameters(spec)
    takes = inspect.signature(build).parameters
    if not any(entry.kind is inspect.Parameter.VAR_KEYWORD for entry in takes.values()):
        there_are = [name for name, entry in takes.items() if entry.kind is inspect.Parameter.KEYWORD_ONLY and name not in given]
        for name in parameters:
            if name not in there_are:
                raise UsageError(f"{spec.text!r}: there is no parameter {name}", hint=f"there are: {', '.join(nearest(name, there_are))}")
    return build(**{**given, **parameters})


def engine(
    stage: str, kinds: Mapping[str, Callable[[Spec, EngineSettings, Building], T]], settings: EngineSettings, building: Building
) -> T:
    """The engine that ``settings`` name, of the ``kinds`` there are."""
    return of_spec(stage, kinds, parse_spec(settings.engine), settings, building)


def of_spec(
    stage: str,
    kinds: Mapping[str, Callable[[Spec, EngineSettings, Building], T]],
    spec: Spec,
    settings: EngineSettings,
    building: Building,
) -> T:
    """The engine that ``spec`` names."""
    if "." in spec.kind:
        return _own_factory(spec)()
    if spec.kind not in kinds:
        raise unknown(f"{stage} engine", spec.kind, kinds)
    if spec.kind in ("embedded", "scene") and ((spec.model and spec.kind != "scene") or spec.endpoints or spec.parameters):
        raise UsageError(f"the {spec.kind} {stage} takes no model, endpoint or parameters: {spec.text!r}", hint=f"write just {spec.kind}")
    return kinds[spec.kind](spec, settings, building)


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
