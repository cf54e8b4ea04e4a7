"""System prompts in dspy's own JSON format, both ways. Reads and writes the format by itself: dspy is not imported."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from data.errors import UsageError
from data.records import SystemPrompt

log = logging.getLogger(__name__)

OUTPUT = "Rewrite:"
"""How dspy labels the output field ``rewrite``; the field's name itself is not in the file."""


def dspy_state(instructions: str) -> dict[str, Any]:
    """What ``dspy.Predict("prompt -> rewrite").save()`` writes, with these instructions; no versions, so that none are compared."""
    fields = [{"prefix": "Prompt:", "description": "${prompt}"}, {"prefix": OUTPUT, "description": "${rewrite}"}]
    return {
        "traces": [],
        "train": [],
        "demos": [],
        "signature": {"instructions": instructions, "fields": fields},
        "lm": None,
        "metadata": {"dependency_versions": {}},
    }


def system_prompt_of(path: Path) -> SystemPrompt:
    """The system prompt in a program's state that dspy saved: the instructions of its predictor with the output ``rewrite``.

    Examples (demos) that an optimizer added are no part of a system prompt; that they are left out is said. UsageError: the file can't be
    read, or does not say which instructions are meant.
    """
    states = predictor_states(read_state(path))
    writing = {name: state for name, state in states.items() if labels(state)[-1:] == [OUTPUT]} or states
    if len(writing) != 1:
        raise UsageError(
            f"{path} holds {len(writing)} predictors, and it can't be told which of them rewrites: {', '.join(writing)}",
            hint='save the one with the output field "rewrite" alone: program.NAME.save("one.json")',
        )
    state = next(iter(writing.values()))
    if state.get("demos"):
        log.warning("%s holds %d examples beside its instructions; a system prompt has none, they are left out", path, len(state["demos"]))
    return SystemPrompt(str(state["signature"]["instructions"]).strip(), path.stem)


def read_state(path: Path) -> dict[str, Any]:
    """The content of a state file; UsageError where it is none."""
    if path.is_dir() or path.suffix == ".pkl":
        raise UsageError(
            f"{path} is a pickle, which can run any code when it is loaded: it is never read here",
            hint='save the state alone, as JSON: program.save("program.json")',
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint='write one with program.save("program.json")') from None
    except ValueError:
        raise UsageError(f"{path} is no JSON", hint='write one with program.save("program.json")') from None
    if not isinstance(content, dict) or not predictor_states(cast("dict[str, Any]", content)):
        raise UsageError(f"{path} holds no state of a dspy program", hint='write one with program.save("program.json")')
    return cast("dict[str, Any]", content)


def predictor_states(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The states of the predictors in a program's, by name; that of a bare predictor is named "self"."""
    entries = {"self": state} if "signature" in state else state
    return {name: dict(entry) for name, entry in entries.items() if _is_predictor(entry)}


def labels(state: Mapping[str, Any]) -> list[str]:
    """The labels of a predictor's fields, inputs first."""
    return [str(field.get("prefix")) for field in state["signature"].get("fields", [])]


def _is_predictor(entry: object) -> bool:
    match entry:
        case {"signature": {"instructions": str()}}:
            return True
        case _:
            return False
