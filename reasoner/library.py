"""The system prompts that are shipped: files under reasoner/prompts/, and ``none``, the raw arm."""

from importlib.resources import files

from data.errors import UsageError
from data.records import SystemPrompt

RAW = "none"
"""The raw arm: the user's own words go to the generator."""
_SUFFIX = ".md"


def shipped_names() -> tuple[str, ...]:
    """The names of the shipped system prompts: the raw arm first, the others in alphabetical order."""
    folder = files("reasoner").joinpath("prompts")
    return (RAW, *sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)))


def shipped(name: str) -> SystemPrompt:
    """The shipped system prompt called ``name``; UsageError where there is none."""
    if name == RAW:
        return SystemPrompt("", RAW)
    if name not in shipped_names():
        raise UsageError(f"there is no shipped system prompt {name!r}", hint=f"choose one of: {', '.join(shipped_names())}")
    return SystemPrompt(files("reasoner").joinpath("prompts", name + _SUFFIX).read_text(encoding="utf-8").strip(), name)
