"""What the files of weights in a folder say of themselves: which are loaded, what their headers hold, and a fingerprint of it all.

No weight is read. Whether the files are whole and the right ones is checking.py's affair: what can't be read is empty here.
"""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

LARGEST_HEADER = 100_000_000
"""Bytes; safetensors itself allows no more."""

SAMPLE = 64
"""Bytes of each tensor that go into a fingerprint."""


def components(folder: Path) -> list[tuple[str, Path]]:
    """The components that model_index.json names, with their folders; where there is none, ``folder`` is a single model."""
    index = folder / "model_index.json"
    if not index.is_file():
        return [(folder.name, folder)]
    named = _read_json(index).items()
    return [(name, folder / name) for name, value in named if isinstance(value, list) and any(value) and (folder / name).is_dir()]


def weight_files(folder: Path) -> list[Path]:
    """Those that are loaded by default: what the index names; else those without a variant, such as fp16, in their names."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        if index.name.count(".") == 3:
            return [folder / Path(name).name for name in sorted(set(_read_json(index).get("weight_map", {}).values()))]
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if file.name.count(".") == 1] or files


def header(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """A safetensors file's tensors by name: their ``dtype``, ``shape`` and ``data_offsets``."""
    try:
        with file.open("rb") as opened:
            tensors = json.loads(opened.read(min(int.from_bytes(opened.read(8), "little"), LARGEST_HEADER)))
        return {name: entry for name, entry in tensors.items() if name != "__metadata__" and len(entry["data_offsets"]) == 2}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def fingerprint(folder: Path, leave_out: Collection[str] = ()) -> str:
    """A short name for the weights in a pipeline's ``folder`` and their configuration, without the components in ``leave_out``.

    It follows from config.json, the names, shapes and types of all tensors, and a few numbers from the middle of each: cheap, the same
    wherever the folder lies, and another for another checkpoint of the same model.
    """
    digest = hashlib.sha256(json.dumps(_read_json(folder / "model_index.json"), sort_keys=True).encode())
    for name, path in sorted(components(folder)):
        if name in leave_out:
            continue
        settings = [_read_json(file) for file in sorted(path.glob("*config.json"))]
        digest.update(json.dumps([name, settings], sort_keys=True).encode())
        for file in weight_files(path):
            tensors = header(file)
            digest.update(json.dumps([file.name, tensors], sort_keys=True).encode())
            for sample in _samples(file, tensors):
                digest.update(sample)
    return digest.hexdigest()[:16]


def _samples(file: Path, tensors: Mapping[str, Mapping[str, Any]]) -> Iterator[bytes]:
    if not tensors:
        return
    with file.open("rb") as opened:
        begin = 8 + int.from_bytes(opened.read(8), "little")
        for entry in tensors.values():
            start, end = entry["data_offsets"]
            opened.seek(begin + start + max(0, (end - start) // 2 - SAMPLE // 2))
            yield opened.read(min(SAMPLE, end - start))


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
