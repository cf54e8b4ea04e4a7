"""What was asked for, resolved: flags over environment over profile. The only module that reads the environment and TOML files.

``Resolved`` remembers where each value came from, so that `phoropter doctor` and ``--json`` can say so. Secrets are read by name when an
engine needs one, and are never part of the settings.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from data.errors import UsageError
from optimizer.methods import OURS
from optimizer.stage import StageLimits
from ui.spec import nearest, unknown

DEFAULT_PROFILE = "embedded"
PLACES = ("home", "ledger", "images_at", "vllm", "cluster")
"""Settings that say where things are here and now: no part of what a run is."""
PLACEBO_OF = "placebo_of"
"""In a placebo run's configuration, beside the settings: the id of the run that it belongs to."""
ORIGINS = "origins"
"""In a recorded run's configuration, beside the settings: where each of them came from when the run was begun."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSettings(_Section):
    """One stage: which engine, and how hard it may be driven (optimizer/stage.py)."""

    engine: str = "embedded"
    concurrency: int = Field(default=4, ge=1, le=1024)
    batch: int = Field(default=1, ge=1, le=1024)
    timeout: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    backoff: float = Field(default=1.0, ge=0)
    max_tokens: int = Field(default=2048, ge=16)
    structured: bool = True
    """Ask language models for JSON that follows a schema, where they can; else for plain text."""

    @property
    def at_once(self) -> int:
        """How many requests may be under way at once."""
        return self.concurrency * self.batch

    @property
    def limits(self) -> StageLimits:
        return StageLimits(self.concurrency, self.batch, self.timeout, self.attempts, self.backoff)


class WriterSettings(EngineSettings):
    """Who writes prompt sets and checklists. A set's answers are long."""

    max_tokens: int = Field(default=4096, ge=16)


class RunSettings(_Section):
    """What a run is about: prompts, budget, seed, who searches, where the lineage starts, and what gains are measured against."""

    prompts: str = "scenes"
    images: int = Field(default=1500, ge=1)
    dollars: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)
    seed: int = 1
    method: str = OURS
    roots: tuple[str, ...] = Field(default=("plain", "general"), min_length=1)
    reference: str = "general"


class TransferSettings(_Section):
    """Engines that the search does not use, and that its gain is measured again with: specs; empty for none. How hard they may be driven
    is what the run's own are told."""

    judge: str = ""
    generator: str = ""


class Settings(_Section):
    """Everything that can be set, with defaults."""

    description: str = ""
    home: Path = Path("phoropter-data")
    """The folder of the ledger, the images and what else a run leaves."""
    ledger: str = ""
    """The ledger's database URL; empty: SQLite in the home folder."""
    images_at: str = ""
    """Where image files are kept, a folder or a bucket's URL; empty: in the home folder."""
    vllm: str = ""
    """The command that starts vLLM, or the Python that has it; empty: looked for in the usual places."""
    cluster: str = ""
    """The address of the Ray cluster that ``ray:`` generators use; empty: one on this machine, for as long as the command runs."""
    guard: str = ""
    """Who looks at texts and images before they are drawn and kept, a spec; empty: nobody."""
    provenance: bool = True
    """Write into each picture's file where it comes from: prompt, rewrite, system prompt, model and seed."""
    reasoner: EngineSettings = EngineSettings()
    generator: EngineSettings = EngineSettings()
    judge: EngineSettings = EngineSettings(engine="scene")
    proposer: EngineSettings = EngineSettings()
    writer: WriterSettings = WriterSettings()
    run: RunSettings = RunSettings()
    transfer: TransferSettings = TransferSettings()

    @property
    def ledger_url(self) -> str:
        return self.ledger or f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def image_location(self) -> str:
        return self.images_at or str(self.home / "images")


class _Environment(Settings, BaseSettings):
    """How the environment spells the settings: PHOROPTER_HOME, PHOROPTER_RUN__IMAGES."""

    model_config = SettingsConfigDict(env_prefix="PHOROPTER_", env_nested_delimiter="__", extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Settings, the profile they rest on, and the origin of every value by its dotted name."""

    settings: Settings
    profile: str
    origins: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """For people and machines: each value with where it came from."""
        values = dict(_flat(self.settings.model_dump(mode="json")))
        return {name: {"value": value, "from": self.origins.get(name, "default")} for name, value in values.items()}


def resolve(profile: str | None = None, flags: Mapping[str, Any] | None = None) -> Resolved:
    """Settings from ``flags`` (dotted names; None: not given), the environment, and a profile by name or path. UsageError for bad ones."""
    profile = profile or os.environ.get("PHOROPTER_PROFILE") or DEFAULT_PROFILE
    layers = [
        (f"profile {profile}", dict(_flat(_read_profile(profile)))),
        ("environment", dict(_flat(_environment()))),
        ("command line", {name: value for name, value in (flags or {}).items() if value is not None}),
    ]
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        for name, value in layer.items():
            merged[name] = value
            origins[name] = origin
    return Resolved(_validated(merged, origins), profile, origins)


def settings_from(config: Mapping[str, Any], here: Settings) -> Settings:
    """The settings of a recorded run, with the PLACES of ``here`` and now."""
    values = {name: value for name, value in config.items() if name not in (ORIGINS, PLACEBO_OF)}
    return Settings.model_validate({**values, **{place: getattr(here, place) for place in PLACES}})


def profiles() -> dict[str, str]:
    """The shipped profiles with their descriptions."""
    folder = resources.files("ui") / "profiles"
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name: str(_read_profile(name).get("description", "")) for name in names}


def secret(name: str) -> str | None:
    """A secret from the environment, or from the system's keyring where one is installed; None when it is set in neither."""
    if value := os.environ.get(name):
        return value
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password("phoropter", name)
    except KeyringError:
        return None


def prepare_litellm() -> None:
    """To be called before litellm is imported, which reads these and takes no arguments: prices come from its own file instead of the
    network, and no ``.env`` file that happens to lie around becomes part of the environment."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")


def prepare_models() -> None:
    """To be called before the libraries that hold models or pools are imported, which read these: nothing is told to anybody about what is
    used, and Ray prints nothing of its own between our lines."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
    for name, value in {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", **quiet}.items():
        os.environ.setdefault(name, value)


def environment_for(settings: Settings) -> dict[str, str]:
    """The environment of a child process that is to work at the same places."""
    return {
        **os.environ,
        "PHOROPTER_HOME": str(settings.home.absolute()),
        "PHOROPTER_LEDGER": settings.ledger,
        "PHOROPTER_IMAGES_AT": settings.images_at,
    }


def _environment() -> dict[str, Any]:
    return EnvSettingsSource(_Environment)()


def _read_profile(profile: str) -> dict[str, Any]:
    path = Path(profile)
    if profile.endswith(".toml") or path.parent != Path("."):
        if not path.is_file():
            raise UsageError(f"there is no profile file {profile}", hint=f"shipped profiles: {', '.join(profiles())}")
        text = path.read_bytes()
    else:
        entry = resources.files("ui") / "profiles" / f"{profile}.toml"
        if not entry.is_file():
            raise unknown("profile", profile, profiles())
        text = entry.read_bytes()
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"profile {profile} is not valid TOML: {error}", hint="compare it with ui/profiles/embedded.toml") from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield prefix + name, value


def _validated(merged: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    nested: dict[str, Any] = {}
    for name, value in merged.items():
        *sections, last = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        hint = f"given was {problem['input']!r}; docs/commands.md lists what can be set"
        if problem["type"] == "extra_forbidden":
            known = [known for known, _ in _flat(Settings().model_dump())]
            hint = f"nearest: {', '.join(nearest(name, known)[:3])}"
        raise UsageError(f"{name} (from {origins.get(name, 'default')}): {problem['msg']}", hint=hint) from None
