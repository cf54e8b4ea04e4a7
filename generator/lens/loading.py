"""Lens's weights, from folders in the layout of diffusers, from the hub's cache, and from single files of the transformer.

Before anything is loaded, the headers of the files are compared with what the model needs: names, shapes, and whether a file is whole.
Safetensors only; pickles are never opened, and no code that comes with weights is run. What is wrong is a UsageError that names the file.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler
from diffusers.models.modeling_utils import ModelMixin
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedTokenizerFast

from data.errors import UsageError
from generator.lens.encoder import load_encoder
from generator.lens.text import LAYERS
from generator.lens.transformer import LensTransformer2DModel
from generator.local.checking import check_file, check_files
from generator.local.weights import weight_files

log = logging.getLogger(__name__)

COMPONENTS = ("scheduler", "vae", "text_encoder", "tokenizer", "transformer")
WANTED_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt"]
PLAIN_TYPES = frozenset({"F64", "F32", "F16", "BF16"})
NAMES_SHOWN = 3
ALIGNMENT = 64
"""Bytes; what torch's own allocations are aligned to, on a CPU."""

Model = TypeVar("Model", bound=ModelMixin)


class TensorInfo(NamedTuple):
    """What a safetensors header says of a tensor; ``dtype`` as it spells it, such as "BF16"."""

    dtype: str
    shape: tuple[int, ...]


def find_folder(source: str | Path, revision: str | None = None, leave_out: Iterable[str] = ()) -> Path:
    """The folder of a pipeline: ``source`` itself, or the hub repository of this name, downloaded unless it is in the cache, without the
    components in ``leave_out``."""
    folder = Path(source)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UsageError(f"{folder} is a file", hint="a single file of the transformer is loaded with LensPipeline.from_single_file")
    try:
        ignored = [f"{component}/*" for component in leave_out]
        return Path(snapshot_download(str(source), revision=revision, allow_patterns=WANTED_FILES, ignore_patterns=ignored))
    except HFValidationError as error:
        raise UsageError(f"{source} is neither a folder nor the name of a repository") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UsageError(
            f"{source} is no folder here and is not in the hub's cache, and the hub gave nothing: {error}",
            hint=f"hf download {source}, where there is a network",
        ) from error


def load_components(folder: Path, given: Mapping[str, Any], dtype: torch.dtype | None) -> dict[str, Any]:
    """All components of the pipeline in ``folder``; those that are ``given``, None included, are not read.

    ``dtype`` None: float32, and the text encoder as it was saved.
    """
    named = read_json(folder / "model_index.json")
    loaders: dict[str, Callable[[Path], Any]] = {
        "scheduler": lambda path: FlowMatchEulerDiscreteScheduler.from_pretrained(path, local_files_only=True),
        "vae": lambda path: load_vae(path, dtype=dtype),
        "text_encoder": lambda path: load_encoder(path, dtype=dtype),
        "tokenizer": load_tokenizer,
        "transformer": lambda path: load_transformer(path, dtype=dtype),
    }
    components = dict(given)
    # A pipeline saved without its text encoder names none.
    for name in COMPONENTS:
        if name in components:
            continue
        absent = not (named.get(name) or [None])[0]
        components[name] = None if absent and name in ("text_encoder", "tokenizer") else explained(folder / name, loaders[name])
    return components


def selected_layers(folder: Path) -> tuple[int, ...]:
    """After which of GPT-OSS's layers, from 0, the transformer in ``folder`` wants the residual stream."""
    return tuple(read_json(folder / "transformer" / "config.json").get("selected_layer_index", LAYERS))


def check_components(folder: Path, leave_out: Iterable[str] = ()) -> None:
    """UsageError where a component's files are missing, not whole, or not those of its model; no weights are read."""
    for name, kind in (("transformer", LensTransformer2DModel), ("vae", AutoencoderKLFlux2)):
        explained(folder / name, lambda path, kind=kind: _check_model(kind, path))
    if "text_encoder" not in leave_out:
        explained(folder / "text_encoder", check_files)
    read_json(folder / "model_index.json")


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(path, local_files_only=True)


def load_vae(path: Path, *, dtype: torch.dtype | None = None) -> AutoencoderKLFlux2:
    """FLUX.2's autoencoder from a folder with its configuration and weights."""
    return _load_model(AutoencoderKLFlux2, path, dtype)


def load_transformer(
    path: str | Path, *, dtype: torch.dtype | None = None, config: Mapping[str, Any] | None = None
) -> LensTransformer2DModel:
    """The denoiser, from a folder in the layout of diffusers, or from a single safetensors file.

    In a file, tensors may have a prefix in common, such as "model.diffusion_model."; ``config`` are the arguments of
    LensTransformer2DModel, by default those in a config.json beside the file, else the released model's.
    ``dtype``: float32 where it is not given.
    """
    path = Path(path)
    if path.is_dir():
        return _load_model(LensTransformer2DModel, path, dtype)
    if config is None:
        beside = path.with_name("config.json")
        config = read_json(beside) if beside.exists() else {}
    skeleton: LensTransformer2DModel = _on_meta(LensTransformer2DModel, config, path)
    header = read_header(path)
    anchor = "img_in.weight"
    prefix = next((name.removesuffix(anchor) for name in header if name.endswith(anchor)), "")
    check_tensors({name.removeprefix(prefix): info for name, info in header.items()}, skeleton, path)
    # One by one, so that a file in float32 and a model in bfloat16 never stand beside each other in full.
    with safe_open(path, framework="pt") as file:
        state = {name.removeprefix(prefix): file.get_tensor(name).to(dtype or torch.float32) for name in header}
    skeleton.load_state_dict(state, assign=True)
    return settled(skeleton).eval().requires_grad_(False)


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no {path}", hint="a pipeline's folder holds a model_index.json and a folder per component") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no JSON object")
    return content


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file by name, without reading any; UsageError where the file is no such file, or not whole."""
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is no safetensors file; other formats can hold code, and are not opened", hint="take a .safetensors file")
    return {name: TensorInfo(entry["dtype"], tuple(entry["shape"])) for name, entry in check_file(path).items()}


def check_tensors(found: Mapping[str, TensorInfo], wanted: torch.nn.Module, path: Path) -> None:
    """UsageError where the tensors of ``path`` are not exactly those of ``wanted``, or are quantised."""
    shapes = {name: tuple(tensor.shape) for name, tensor in wanted.state_dict().items()}
    # The batch norm's counter means nothing to inference, and some savers leave it out.
    missing = [name for name in shapes if name not in found and not name.endswith(".num_batches_tracked")]
    quantised = sorted({info.dtype for name, info in found.items() if name in shapes and name.endswith(".weight")} - PLAIN_TYPES)
    if quantised:
        raise UsageError(f"{path} is quantised ({', '.join(quantised)}), which is not supported", hint="take a file in bfloat16 or float32")
    complaints = {
        "lacks": missing,
        "has, beyond what is needed,": [name for name in found if name not in shapes],
        "has, in other shapes,": [
            f"{name} {list(info.shape)} instead of {list(shapes[name])}"
            for name, info in found.items()
            if name in shapes and info.shape != shapes[name]
        ],
    }
    said = [f"{how} {_shortened(names)}" for how, names in complaints.items() if names]
    if said:
        raise UsageError(
            f"{path} does not fit {type(wanted).__name__}: it {'; it '.join(said)}",
            hint="is the config.json beside it the one it was made with?",
        )


def explained(path: Path, load: Callable[[Path], Any]) -> Any:
    """What ``load`` makes of ``path``; what the libraries raise about bad files, as a UsageError that names it."""
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}", hint="a pipeline's folder holds a model_index.json and a folder per component")
    try:
        return load(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} can't be loaded: {error}") from error


def _load_model(kind: type[Model], path: Path, dtype: torch.dtype | None) -> Model:
    _check_model(kind, path)
    model: Model = kind.from_pretrained(path, dtype=dtype or torch.float32, use_safetensors=True, local_files_only=True)
    return settled(model).requires_grad_(False)


def _check_model(kind: type[Model], path: Path) -> None:
    skeleton = _on_meta(kind, read_json(path / "config.json"), path / "config.json")
    check_files(path)
    found = {name: info for file in weight_files(path) for name, info in read_header(file).items()}
    check_tensors(found, skeleton, path)


def settled(model: Model) -> Model:
    """``model``, with weights that lie in a file's memory map moved to memory of their own.

    In the map they begin anywhere, and kernels then sum up in another order: pictures would differ in their last bits from those of the
    model that was saved.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.data_ptr() % ALIGNMENT:
            tensor.data = tensor.data.clone()
    return model


def _on_meta(kind: Any, config: Mapping[str, Any], path: Path) -> Any:
    """The model without memory for its weights."""
    try:
        with torch.device("meta"):
            return kind.from_config(dict(config))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
