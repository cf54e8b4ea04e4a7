"""What a folder of model files says of itself: its kind, its longest context, and a digest. Reads files, loads no model.

A model that is named rather than a folder (``openai/gpt-oss-20b``) is known by its name alone.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from data.errors import UsageError
from data.identity import HASH_TAG

EDGE = 64 * 1024
"""Bytes read at either end of a weight file: what training changes, it changes everywhere."""

_FAMILIES = (
    ("gpt-oss", "openai_gptoss"),
    ("gpt_oss", "openai_gptoss"),
    ("deepseek-r1", "deepseek_r1"),
    ("deepseek_r1", "deepseek_r1"),
    ("qwq", "deepseek_r1"),
    ("qwen3", "qwen3"),
)
"""Parts of names, and vLLM's reasoning parser for them. GPT-OSS has one whatever it is called: its folder tells."""


def model_folder(model: str) -> Path | None:
    """The folder that ``model`` names; None where it is a name. UsageError for a path at which there is no model."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"the folder {model} holds no model: it has no config.json", hint="name the folder that the weights lie in")
        return path.resolve()
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UsageError(f"there is no folder {model}", hint="name a model as OWNER/NAME, or the folder that its weights lie in")
    return None


def model_name(model: str) -> str:
    """What a server calls the model: its name, or its folder's."""
    folder = model_folder(model)
    return model if folder is None else folder.name


def model_identity(model: str) -> str:
    """What tells this model from others: its name; of a folder also the digest, since other weights may come to lie there."""
    folder = model_folder(model)
    return model if folder is None else f"{folder.name}#{digest(folder)}"


def digest(folder: Path) -> str:
    """A hash of a model's folder: JSON files as they are, of all other files the name, the size, and both ends."""
    hashed = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder))):
        size = path.stat().st_size
        hashed.update(f"{path.relative_to(folder).as_posix()}\n{size}\n".encode())
        with path.open("rb") as file:
            if path.suffix == ".json":
                hashed.update(file.read())
                continue
            hashed.update(file.read(EDGE))
            file.seek(max(0, size - EDGE))
            hashed.update(file.read(EDGE))
    return HASH_TAG + hashed.hexdigest()


def _hidden(path: Path) -> bool:
    """Download tools keep notes in hidden folders."""
    return any(part.startswith(".") for part in path.parts)


def reasoning_parser(model: str) -> str | None:
    """vLLM's name for the way this model shows its reasoning; None where it is not known to show any."""
    folder = model_folder(model)
    if folder is not None and _config(folder).get("model_type") == "gpt_oss":
        return "openai_gptoss"
    name = model_name(model).lower()
    return next((parser for part, parser in _FAMILIES if part in name), None)


def longest_context(model: str) -> int | None:
    """The tokens that the model can take, its answer included; None where only vLLM will know."""
    return _number(model, "max_position_embeddings")


def layer_count(model: str) -> int | None:
    """How many layers the model has; None where only vLLM will know."""
    return _number(model, "num_hidden_layers")


def _number(model: str, name: str) -> int | None:
    """What the configuration of the model, or of the language model in it, says of ``name``."""
    folder = model_folder(model)
    if folder is None:
        return None
    config = _config(folder)
    inner: Any = config.get("text_config")
    for place in (config, inner):
        number = cast(Mapping[str, Any], place).get(name) if isinstance(place, Mapping) else None
        if isinstance(number, int):
            return number
    return None


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / 'config.json'} can't be read: {error}", hint="download the model again") from None
    return cast(Mapping[str, Any], config) if isinstance(config, dict) else {}
