"""The files of a CLIP model: found, checked and told from others, before anything of it is loaded.

A folder, or a repository of the hub, which is downloaded unless it is in the cache. Weights are read from safetensors only, since a pickle
can hold code, and no code that comes with weights is run.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from data.errors import UsageError
from data.identity import HASH_TAG

LIBRARIES = ("torch", "transformers", "safetensors", "huggingface_hub")
INSTALL = "pip install 'phoropter[local]'"
INDEX = "model.safetensors.index.json"
WANTED = ("*.json", "*.txt", "model.safetensors", "model-*.safetensors")
"""What is downloaded of a repository: texts, and the weights that are loaded by default."""
EDGE = 64 * 1024
"""Bytes read at either end of a file of weights for the digest: what training changes, it changes everywhere."""


class ClipFiles(NamedTuple):
    """``name``: the repository's, or the folder's. ``digest``: the same wherever the files lie, another for other weights."""

    folder: Path
    name: str
    digest: str


def clip_files(source: str, revision: str | None = None) -> ClipFiles:
    """The files of the folder or repository ``source`` (at ``revision``). UsageError where it is no CLIP model that can be loaded."""
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UsageError(f"a preference judge needs {missing[0]}, which is not installed", hint=INSTALL)
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise UsageError(f"{source} is a folder, which has no revisions", hint="leave revision out")
        folder, name = folder.resolve(), folder.resolve().name
        _check_kind(folder / "config.json", source)
    else:
        folder, name = _from_hub(source, revision), source
    weights = _weights(folder, source)
    _check_beside(folder, source)
    return ClipFiles(folder, name, _digest(folder, weights))


def _from_hub(source: str, revision: str | None) -> Path:
    """The repository's folder in the cache."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    try:
        # First the one small file that says whether the large ones are wanted.
        _check_kind(Path(hf_hub_download(source, "config.json", revision=revision)), source)
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(WANTED)))
    except HFValidationError as error:
        message = f"there is no folder {source}, and it is no name of a repository"
        raise UsageError(message, hint="write preference:OWNER/NAME, or preference:./FOLDER") from error
    except LocalEntryNotFoundError as error:
        message = f"there is no folder {source}, it is not in the hub's cache, and the hub can't be reached"
        raise UsageError(message, hint=f"where there is a network: hf download {source}") from error
    except EntryNotFoundError as error:
        raise UsageError(f"{source} has no config.json: it is no model of transformers", hint="take one with that file") from error
    except (OSError, ValueError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{source} can't be had from the hub: {said}", hint=f"try: hf download {source}") from error


def _check_kind(config: Path, source: str) -> None:
    """UsageError where it is no CLIP model."""
    try:
        kind = json.loads(config.read_text("utf-8")).get("model_type")
    except FileNotFoundError:
        raise UsageError(f"{source} holds no model: it has no config.json", hint="name the folder that the weights lie in") from None
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{config} can't be read: {error}", hint="download it again") from None
    if kind != "clip":
        message = f"{source} is a model of type {kind}, and a preference judge takes a CLIP that was trained on what people prefer"
        raise UsageError(message, hint="take for example preference:yuvalkirstain/PickScore_v1")


def _weights(folder: Path, source: str) -> list[Path]:
    """The files of weights. UsageError where there are none in safetensors, or one of them is missing or not whole."""
    from safetensors import SafetensorError, safe_open

    files = [folder / "model.safetensors"]
    try:
        if (folder / INDEX).is_file():
            # By the last part of their names: an index can't point out of its folder.
            names = json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()
            files = [folder / Path(name).name for name in sorted(set(names))]
        for file in files:
            with safe_open(file, "pt"):
                pass
    except FileNotFoundError as error:
        hint = "take a repository, or a revision of it, with .safetensors files: pickles can hold code, and are not opened"
        raise UsageError(f"{source} lacks weights in safetensors: {error.filename or files[0].name}", hint=hint) from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"the weights of {source} are not whole: {error}", hint="download them again") from None
    return files


def _check_beside(folder: Path, source: str) -> None:
    """UsageError where what reads texts and images is missing."""
    for names in (("preprocessor_config.json", "processor_config.json"), ("tokenizer.json", "vocab.json")):
        if not any((folder / name).is_file() for name in names):
            hint = "CLIP models come with a processor and a tokenizer: copy those of the model that it was trained from beside it"
            raise UsageError(f"{source} has no {names[0]}", hint=hint)


def _digest(folder: Path, weights: list[Path]) -> str:
    """A hash of the texts as they are, and of the size and both ends of each file of weights."""
    hashed = hashlib.blake2b(digest_size=8)
    for file in sorted({*folder.glob("*.json"), *folder.glob("*.txt")}):
        hashed.update(f"{file.name}\n".encode() + file.read_bytes())
    for file in weights:
        size = file.stat().st_size
        hashed.update(f"{file.name}\n{size}\n".encode())
        with file.open("rb") as opened:
            hashed.update(opened.read(EDGE))
            opened.seek(max(0, size - EDGE))
            hashed.update(opened.read(EDGE))
    return HASH_TAG + hashed.hexdigest()
