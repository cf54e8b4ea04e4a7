"""Whether a folder, or a repository of the hub, holds a text-to-image pipeline that can be loaded, said before anything is.

Configuration files are read, and the headers of weights, but no weights. Pickles are never opened, since they can hold code, and no code
that comes with weights is run. Whether it fits into memory is memory.py's affair.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateImportUsage=false

import inspect
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UsageError
from generator.local.weights import LARGEST_HEADER

log = logging.getLogger(__name__)

INDEX = "model_index.json"
PICKLES = frozenset((".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"))
SHOWN = 3
"""How many names of tensors an error repeats."""

NEEDS_IMAGE = (
    "Img2Img",
    "Inpaint",
    "ControlNet",
    "Control",
    "Edit",
    "Upscale",
    "Pix2Pix",
    "Adapter",
    "Depth",
    "Variation",
    "Fill",
    "Redux",
)
"""In the names of pipelines that start from an image."""
PART = ("Prior", "Decoder")
"""In the names of those that do half of the work."""


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """A pipeline on disk. ``name``: its repository's, or its folder's. ``pipeline``: its class in diffusers. ``index``: its
    model_index.json."""

    folder: Path
    name: str
    pipeline: str
    index: Mapping[str, Any]

    def components(self) -> dict[str, tuple[str, str]]:
        """Library and class by component, without those that the pipeline goes without."""
        named = {name: value for name, value in self.index.items() if isinstance(value, list) and len(value) == 2}
        return {name: (str(library), str(kind)) for name, (library, kind) in named.items() if library and kind}


def check_pipeline(source: str, revision: str | None = None) -> PipelineFacts:
    """What ``source`` is: a folder, or the name of a hub repository (at ``revision``), which is downloaded unless it is in the cache.

    UsageError where it is no text-to-image pipeline of diffusers, brings code, or lacks files; where one is not whole or is no safetensors
    file. Whether the tensors are those that the classes need says ``check_tensors``.
    """
    folder = Path(source)
    if folder.is_file():
        raise UsageError(
            f"{source} is a single file", hint="take the folder of a pipeline, with a model_index.json and a folder per component"
        )
    if folder.is_dir():
        if revision is not None:
            raise UsageError(f"{source} is a folder, which has no revisions", hint="leave revision out")
        # The last part that is a name: "." has none.
        name = folder.resolve().name
    else:
        folder, name = _from_hub(source, revision), source
    index = _index(folder, source)
    facts = PipelineFacts(folder, name, _class_name(index, source), index)
    _check_class(facts, source)
    models = model_classes(facts)
    for component in facts.components():
        if not (folder / component).is_dir():
            raise UsageError(f"there is no folder {folder / component}, and {INDEX} names it", hint="is the download complete?")
        if component in models:
            check_files(folder / component)
    return facts


def check_files(folder: Path) -> None:
    """UsageError where a model's ``folder`` has no weights in safetensors, or some of them are missing or not whole."""
    files = _weight_files(folder)
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
    if not files:
        if pickles:
            raise UsageError(
                f"{folder / pickles[0]} is a pickle, which can hold code, and is not opened; there are no weights in safetensors beside it",
                hint="take a repository, or a revision of it, with .safetensors files",
            )
        there_are = sorted(file.name for file in folder.glob("*.safetensors"))
        raise UsageError(
            f"{folder} has no weights{f' without a variant in their name: {there_are[0]}' if there_are else ''}",
            hint="is the download complete?",
        )
    if pickles:
        log.info("%s is not used: the weights beside it are in safetensors", folder / pickles[0])
    for file in files:
        check_file(file)


def check_file(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """The header of a safetensors file: by tensor, ``dtype``, ``shape`` and ``data_offsets``. UsageError where it is none, or not whole."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header: dict[str, Any] = json.loads(opened.read(length)) if 0 < length <= LARGEST_HEADER else {}
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        expected = 8 + length + max(int(entry["data_offsets"][1]) for entry in tensors.values())
    except FileNotFoundError:
        raise UsageError(f"there is no {file}", hint="is the download complete?") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise UsageError(f"{file} is no safetensors file, or a broken one", hint="download it again") from None
    size = file.stat().st_size
    if size != expected:
        raise UsageError(f"{file} has {size:,} bytes, and its header speaks of {expected:,}", hint="download it again")
    return tensors


def check_tensors(facts: PipelineFacts, leave_out: Collection[str] = ()) -> None:
    """UsageError that names tensors which the pipeline's models need and the files lack, or have in another shape, or hold beyond that.

    Each library compares them itself, as it would when loading, on torch's meta device: no weights are read.
    """
    for component, kind in model_classes(facts).items():
        if component not in leave_out:
            _check_model(facts.folder / component, kind)


def model_classes(facts: PipelineFacts) -> dict[str, Any]:
    """The classes of those components that have weights. UsageError where one is neither in diffusers nor in transformers."""
    from torch.nn import Module

    classes = {component: _class(library, kind, facts) for component, (library, kind) in facts.components().items()}
    return {component: kind for component, kind in classes.items() if inspect.isclass(kind) and issubclass(kind, Module)}


def _check_model(folder: Path, kind: Any) -> None:
    from diffusers import ModelMixin

    try:
        _, info = kind.from_pretrained(
            folder, device_map="meta", output_loading_info=True, use_safetensors=True, local_files_only=True, ignore_mismatched_sizes=True
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise UsageError(f"{folder} does not load as {kind.__name__}: {_first_line(error)}", hint="download it again") from error
    shapes = sorted(f"{name} {list(found)} instead of {list(wanted)}" for name, found, wanted in info["mismatched_keys"])
    complaints = {"lacks": sorted(info["missing_keys"]), "has, in another shape,": shapes}
    extra = sorted(info["unexpected_keys"])
    if issubclass(kind, ModelMixin):
        complaints["has, beyond what is needed,"] = extra
    elif extra:
        # Text encoders are cut out of larger models, and what was cut off is often still in their files.
        log.info("%s has tensors that are not used: %s", folder, _shortened(extra))
    said = [f"{how} {_shortened(names)}" for how, names in complaints.items() if names]
    if said:
        raise UsageError(
            f"{folder} does not fit {kind.__name__}: it {'; it '.join(said)}",
            hint="does its config.json belong to these weights? download both again",
        )


def _from_hub(source: str, revision: str | None) -> Path:
    """The repository's folder in the cache."""
    from diffusers import DiffusionPipeline
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    try:
        # First the one small file that says whether the many large ones are wanted.
        index = _index(Path(hf_hub_download(source, INDEX, revision=revision)).parent, source)
        _check_class(PipelineFacts(Path(), source, _class_name(index, source), index), source)
        return Path(str(DiffusionPipeline.download(source, revision=revision, use_safetensors=True)))
    except HFValidationError as error:
        raise UsageError(f"there is no folder {source}, and it is no name of a repository", hint="write diffusers:OWNER/NAME") from error
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"there is no folder {source}, it is not in the hub's cache, and the hub can't be reached",
            hint=f"where there is a network: hf download {source}",
        ) from error
    except EntryNotFoundError as error:
        raise UsageError(f"{source} has no {INDEX}: it is no pipeline of diffusers", hint="take one with that file") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} can't be had from the hub: {_first_line(error)}", hint=f"try: hf download {source}") from error


def _index(folder: Path, source: str) -> dict[str, Any]:
    file = folder / INDEX
    if file.is_file():
        return _read_json(file)
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    config = _read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    architecture = next(iter(config.get("architectures") or [config.get("_class_name")]), None)
    what = f"a {architecture}" if architecture else f"{pickles[0]}, a pickle," if pickles else "something else"
    raise UsageError(
        f"{source} is no pipeline of diffusers: it has no {INDEX}, and holds {what}",
        hint="take a folder or repository with a model_index.json and a folder per component",
    )


def _class_name(index: Mapping[str, Any], source: str) -> str:
    name = index.get("_class_name")
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(f"{source} brings code of its own ({name}), which is not run", hint="take a pipeline that diffusers knows")
    return name


def _check_class(facts: PipelineFacts, source: str) -> None:
    """UsageError where the class is not one of diffusers that makes an image of a text alone."""
    import diffusers

    name = facts.pipeline
    if name == "LensPipeline":
        raise UsageError(f"{source} is Lens, which diffusers does not know", hint=f"write lens:{source}")
    kind = getattr(diffusers, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise UsageError(
            f"diffusers {diffusers.__version__} has no pipeline {name}", hint="pip install -U diffusers, or take another model"
        )
    if wrong := _other_purpose(name, inspect.signature(kind.__call__).parameters):
        raise UsageError(f"{source} is no text-to-image model: {name} {wrong}", hint="take one that draws from a text alone")
    model_classes(facts)


def _other_purpose(name: str, arguments: Mapping[str, inspect.Parameter]) -> str:
    """What a pipeline does that does not make an image of a text alone, in words; "" where it does."""
    if "num_frames" in arguments or "Video" in name:
        return "makes videos"
    if "Audio" in name or any(argument.startswith("audio") for argument in arguments):
        return "makes sound"
    if "prompt" not in arguments:
        return "reads no prompt"
    needed = [argument for argument, entry in arguments.items() if entry.default is inspect.Parameter.empty and "image" in argument]
    if needed or any(word in name for word in NEEDS_IMAGE):
        return "starts from an image"
    if any(word in name for word in PART) or not {"height", "width"} <= arguments.keys():
        return "does not draw images of a given size"
    return ""


def _class(library: str, kind: str, facts: PipelineFacts) -> Any:
    """A component's class; UsageError where it is neither in diffusers nor in transformers: such code would come with the weights."""
    import diffusers
    import transformers

    places = {"diffusers": diffusers, "transformers": transformers}
    # Some pipelines of diffusers have parts that only they use, such as a safety checker.
    place = places.get(library) or getattr(diffusers.pipelines, library, None)
    found = getattr(place, kind, None) if place else None
    if found is None:
        where = f"{library} has no {kind}" if library in places else f"{library}.{kind} is code of its own, which is not run"
        raise UsageError(f"{facts.name}: {where}", hint="pip install -U diffusers transformers, or take another model")
    return found


def _weight_files(folder: Path) -> list[Path]:
    """Those that the libraries load by default; where there is an index, all that it names, whether they are there or not."""
    for stem in ("diffusion_pytorch_model", "model"):
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            names = sorted({str(name) for name in dict(_read_json(index).get("weight_map", {})).values()})
            if outside := [name for name in names if Path(name).name != name]:
                raise UsageError(f"{index} names {outside[0]!r}, which is not a file beside it", hint="take the repository's own files")
            return [folder / name for name in names]
        if (folder / f"{stem}.safetensors").is_file():
            return [folder / f"{stem}.safetensors"]
    return []


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} can't be read: {error}", hint="download it again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} holds no JSON object", hint="download it again")
    return content


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
