"""Any text-to-image pipeline of diffusers as a model in this process (generator/local/__init__.py).

``load_diffusers`` says what is wrong before it loads anything. A text is read once for all of its seeds where the pipeline lets it, and the
decoder runs apart from the denoiser where it can; what a family of pipelines is sampled with stands in presets.py. Which images are drawn
together is decided in generator/local/generator.py. Lens is not among these: diffusers does not know it (generator/lens/).
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false, reportUntypedBaseClass=false

import copy
import difflib
import inspect
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

import diffusers
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from data.errors import FailureKind, StageError, UsageError
from data.textlimit import TextLimit
from generator.local import Encoded, Size
from generator.local import device as devices
from generator.local.checking import PipelineFacts, check_pipeline, check_tensors, model_classes
from generator.local.deferred import Deferred, Facts
from generator.local.memory import check_memory
from generator.local.pixels import not_finite, to_images
from generator.local.placing import Placing
from generator.local.quiet import hush
from generator.local.weights import fingerprint
from generator.presets import Preset, TextReading, generic, preset_for
from generator.sizes import checked, parse_size

if TYPE_CHECKING:
    from PIL.Image import Image

SPEC_NAMES = {"num_inference_steps": "steps", "negative_prompt": "negative", "height": "size", "width": "size"}
"""What a spec calls what the pipelines call otherwise."""
Features: TypeAlias = Mapping[str, Tensor]
"""What a text became, by the pipeline's argument that takes it; without a dimension for the batch, and without padding."""


class DiffusersModel:
    """An ImageModel over ``pipeline``, which is ready to draw.

    ``preset``: how it is sampled. ``arguments``: for every call of it, besides those in the preset. ``identity``: names the weights; how it
    is sampled is added here. ``sizes`` may be empty: only ``size`` is drawn then.
    """

    def __init__(
        self,
        pipeline: Any,
        preset: Preset,
        *,
        identity: str,
        size: Size | None = None,
        sizes: Mapping[str, Size] | None = None,
        batch: int = 1,
        one_at_a_time: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.size = size or preset.size
        self.sizes = preset.sizes if sizes is None else sizes
        self.batch = batch
        self.one_at_a_time = one_at_a_time
        self._pipeline = pipeline
        self._preset = preset
        self._arguments = _arguments(preset, arguments or {})
        self.identity = _identity(identity, preset, self.size, self._arguments)
        self.text_limit = _text_limit(pipeline, preset.reading)
        self._splits = preset.splits and getattr(pipeline, "watermark", None) is None
        self._decode = pipeline.vae.decode if self._splits else None
        if self._splits:
            pipeline.vae.decode = _hand_over
        self._negative: Features | None = None

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Text by text: padding for batch mates would let the features of one depend on the others."""
        if self._preset.reading is None:
            return [Encoded(text) for text in texts]
        with torch.no_grad():
            if self._negative is None and self._branches():
                self._negative = self._read(self._preset.negative, negative=True)
            encoded = [self._encode_one(text) for text in texts]
        self._pipeline.maybe_free_model_hooks()
        return encoded

    def denoise(self, features: Sequence[Any], seeds: Sequence[int], size: Size) -> list[Any]:
        drawn: dict[int, Any] = {}
        for group in _alike(features, self._preset.reading):
            outcomes = self._draw([features[place] for place in group], [seeds[place] for place in group], size)
            drawn.update(zip(group, outcomes, strict=True))
        self._pipeline.maybe_free_model_hooks()
        return [drawn[place] for place in range(len(features))]

    def decode(self, latents: Sequence[Any], size: Size) -> "list[Image | StageError]":
        images: list[Image | StageError] = []
        # One by one: the decoder needs far more memory than the denoiser, and a single image keeps a device busy.
        for one in latents:
            pixels = one if self._decode is None else self._decoded(one)
            images += [pixels] if isinstance(pixels, StageError) else to_images(_on_white(pixels).unsqueeze(0))
        self._pipeline.maybe_free_model_hooks()
        return images

    def close(self) -> None:
        """The model can't be used afterwards."""
        del self._pipeline, self._decode
        devices.free_memory()

    def _draw(self, features: Sequence[Any], seeds: Sequence[int], size: Size) -> list[Any]:
        """Latents; or what is drawn, where the decoder does not run apart."""
        arguments = {
            **self._arguments,
            **self._words(features),
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            "width": size.width,
            "height": size.height,
            "output_type": "pt",
        }
        try:
            return list(_outcomes(self._pipeline(**arguments)))
        except _Undecoded as reached:
            return list(reached.latents)

    def _branches(self) -> bool:
        guidance = self._preset.guidance
        return guidance is not None and guidance.branches(guidance.value)

    def _encode_one(self, text: str) -> Encoded:
        limit = self.text_limit
        tokens = limit.count(text) if limit else 0
        if limit is None or tokens <= limit.tokens:
            return Encoded(self._read(text))
        # Cut here and not by the pipeline, which would cut off what its template puts behind the text.
        flaw = f"{tokens - limit.tokens} tokens of the text were cut off"
        return Encoded(self._read(_beginning(text, limit)), (flaw,))

    def _read(self, text: str | None, *, negative: bool = False) -> Features:
        """What the pipeline makes of ``text``, on the host, where there is room for that of many texts."""
        reading = self._preset.reading
        assert reading is not None
        both = any(name.startswith("negative_") for name in reading.results)
        offered = {
            **self._arguments,
            "prompt": [text or ""],
            "negative_prompt": None if text is None else [text],
            "do_classifier_free_guidance": negative,
            "device": self._pipeline._execution_device,
            "num_images_per_prompt": 1,
        }
        takes = inspect.signature(self._pipeline.encode_prompt).parameters
        missing = {name: None for name, entry in takes.items() if entry.default is inspect.Parameter.empty}
        results = self._pipeline.encode_prompt(**missing | {name: value for name, value in offered.items() if name in takes})
        # zip: what comes behind the features, such as their positions, the pipeline makes again.
        named = {
            name: result[0].cpu() for name, result in zip(reading.results, results, strict=False) if result is not None and len(result)
        }
        prefix = "negative_" if negative else ""
        if not both:
            return {f"{prefix}{name}": tensor for name, tensor in named.items()}
        return {name: tensor for name, tensor in named.items() if name.startswith("negative_") == negative}

    def _words(self, features: Sequence[Any]) -> dict[str, Any]:
        """The arguments that hold the batch's texts, and the negative one's."""
        reading = self._preset.reading
        if reading is None:
            negative = self._preset.negative
            return {"prompt": list(features), **({} if negative is None else {"negative_prompt": [negative] * len(features)})}
        negatives = [self._negative] * len(features) if self._negative is not None else []
        device = self._pipeline._execution_device
        return {**_batched(features, reading, device), **_batched(negatives, reading, device, "negative_")}

    def _decoded(self, latents: Tensor) -> "Tensor | StageError":
        """[channels, height, width] in [0, 1]."""
        assert self._decode is not None
        with torch.no_grad():
            latents = latents.unsqueeze(0).to(self._pipeline.vae.dtype)
            pixels = self._decode(latents, return_dict=False)[0]
        # Decoders of videos draw one frame.
        pixels = pixels[:, :, 0] if pixels.ndim == 5 else pixels
        if not bool(pixels.isfinite().all()):
            return not_finite()
        return self._pipeline.image_processor.postprocess(pixels, output_type="pt")[0]


class _Undecoded(Exception):
    """Ends a pipeline's call where it would decode ``latents``: all that the pipeline does before is done."""

    def __init__(self, latents: Tensor) -> None:
        super().__init__("latents are handed over")
        self.latents = latents


def _hand_over(latents: Tensor, *_: Any, **__: Any) -> Any:
    """Stands in for the decoder while a pipeline is called."""
    raise _Undecoded(latents)


def load_diffusers(
    source: str,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str | None = None,
    size: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    offload: str = "none",
    compile: bool = False,
    batch: int = 1,
    revision: str | None = None,
    **arguments: Any,
) -> Deferred[DiffusersModel]:
    """A text-to-image pipeline from a folder, or from a hub repository (at ``revision``). It is loaded when it first reads a text.

    ``steps``, ``guidance``, ``negative``: the family's by default (generator/presets.py). ``size``, such as "1248x832": that size only,
    instead of the family's, by aspect ratio.
    ``dtype``: "bf16", "fp16" or "fp32"; by default bf16 on a GPU, fp32 on the CPU. ``device``: as torch names it; by default a GPU if there
    is one. ``offload``: "none"; "model", where one part at a time is on the device; "sequential", one layer. ``compile``: the denoiser is
    compiled when it first meets a size, which takes minutes, and is faster from then on. ``batch``: images at once.
    ``arguments``: any others of the pipeline's call. UsageError says what is wrong, before any weights are loaded.
    """
    hush()
    placing = Placing.of(device, dtype, offload)
    _check_numbers(steps, guidance, batch)
    only = None if size is None else parse_size(size)
    facts = check_pipeline(source, None if revision is None else str(revision))
    defaults = _defaults(facts.pipeline)
    preset = preset_for(facts.pipeline, facts.name, facts.index) or generic(defaults)
    _check_arguments(arguments, defaults, preset, facts.pipeline)
    if only is not None:
        checked(only, preset.multiple)
    if steps is not None and facts.index.get("sample_sigmas"):
        # Where a pipeline has a schedule of its own, it would not look at the number of steps.
        arguments["sigmas"] = [1 - step / steps for step in range(steps)]
    preset = _changed(preset, facts, steps, guidance, negative, arguments)
    check_memory(facts.folder, dtype=placing.dtype, device=placing.device, offload=offload)
    check_tensors(facts)
    name = f"diffusers:{facts.name}#{fingerprint(facts.folder)}?dtype={placing.dtype}"
    chosen = only or preset.size
    known = Facts(
        identity=_identity(name, preset, chosen, _arguments(preset, arguments)),
        text_limit=_text_limit(_without_models(facts), preset.reading),
        size=chosen,
        sizes={} if only else preset.sizes,
        batch=batch,
        one_at_a_time=not placing.stays,
    )

    def load() -> DiffusersModel:
        return DiffusersModel(
            _load(facts, preset, placing, compile),
            preset,
            identity=name,
            size=only,
            sizes=known.sizes,
            batch=batch,
            one_at_a_time=known.one_at_a_time,
            arguments=arguments,
        )

    return Deferred(known, load)


def _identity(name: str, preset: Preset, size: Size, arguments: Mapping[str, Any]) -> str:
    settings = {**arguments, "negative": preset.negative, "size": size}
    return f"{name}&{urlencode({name: value for name, value in settings.items() if value is not None})}"


def _without_models(facts: PipelineFacts) -> Any:
    """The pipeline as far as it is words: tokenizers and templates, and None in place of each model."""
    given = {**_text_processors(facts), **dict.fromkeys(model_classes(facts))}
    try:
        return getattr(diffusers, facts.pipeline).from_pretrained(facts.folder, local_files_only=True, **given)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"{facts.name} can't be loaded: {error}", hint="pip install -U diffusers transformers accelerate") from error


def _text_processors(facts: PipelineFacts) -> dict[str, Any]:
    return {name: _text_processor(facts.folder / name) for name, (_, kind) in facts.components().items() if kind == "Qwen3VLProcessor"}


def _load(facts: PipelineFacts, preset: Preset, placing: Placing, compiled: bool) -> Any:
    try:
        given: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, **_text_processors(facts)}
        pipeline: Any = getattr(diffusers, facts.pipeline).from_pretrained(facts.folder, dtype=placing.precision, **given)
        if preset.splits and placing.precision == torch.float16 and pipeline.vae.config.get("force_upcast"):
            # Its activations leave the range of fp16. The pipeline would convert it to and fro, while another thread decodes with it.
            pipeline.vae.to(torch.float32)
        placing.put(pipeline)
    except torch.OutOfMemoryError as error:
        raise UsageError(f"{facts.name} does not fit on {placing.device}: {error}", hint="add offload=model") from None
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise UsageError(f"{facts.name} can't be loaded: {error}", hint="pip install -U diffusers transformers accelerate") from error
    if compiled:
        (pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer).compile()
    return pipeline


def _text_processor(folder: Path) -> Any:
    """The processor of Qwen3-VL without its part for videos, which needs torchvision; texts are all that is read here."""
    from transformers import Qwen3VLProcessor

    class TextProcessor(Qwen3VLProcessor):
        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **_: Any) -> None:
            super().__init__(image_processor, tokenizer, chat_template=chat_template)

    return TextProcessor.from_pretrained(folder, local_files_only=True)


def _changed(
    preset: Preset, facts: PipelineFacts, steps: int | None, guidance: float | None, negative: str | None, arguments: Mapping[str, Any]
) -> Preset:
    """``preset`` with what the spec says instead."""
    schedule = facts.index.get("sample_sigmas")
    given = preset.guidance
    if guidance is not None and given is None:
        raise UsageError(f"{facts.pipeline} has no guidance", hint="leave guidance out")
    if given is not None and guidance is not None:
        given = replace(given, value=float(guidance))
    if negative is not None and (given is None or not given.branches(given.value)):
        raise UsageError(f"{facts.pipeline} reads no negative text without guidance", hint="leave negative out, or add guidance=4")
    reading = preset.reading
    if reading is not None and reading.argument in arguments:
        reading = replace(reading, tokens=arguments[reading.argument])
    return replace(
        preset,
        steps=steps or (len(schedule) if schedule else preset.steps),
        guidance=given,
        negative=preset.negative if negative is None else str(negative),
        reading=reading,
    )


def _arguments(preset: Preset, others: Mapping[str, Any]) -> dict[str, Any]:
    """Of the pipeline's call; those that stay the same from image to image."""
    arguments: dict[str, Any] = {"num_inference_steps": preset.steps}
    if preset.guidance is not None:
        arguments[preset.guidance.argument] = preset.guidance.value
    if preset.reading is not None and preset.reading.argument:
        arguments[preset.reading.argument] = preset.reading.tokens
    return {**arguments, **others}


def _defaults(pipeline: str) -> dict[str, Any]:
    """The arguments of a pipeline's call, with their default values."""
    kind = getattr(diffusers, pipeline)
    entries = inspect.signature(kind.__call__).parameters.values()
    return {entry.name: entry.default for entry in entries if entry.name != "self" and entry.kind is not inspect.Parameter.VAR_KEYWORD}


def _check_arguments(arguments: Mapping[str, Any], defaults: Mapping[str, Any], preset: Preset, pipeline: str) -> None:
    """UsageError where one of ``arguments`` is not for the pipeline's call, or not for a spec."""
    named = {**SPEC_NAMES, **({preset.guidance.argument: "guidance"} if preset.guidance else {})}
    there_are = [name for name in defaults if name not in named and not _is_ours(name)]
    for name in arguments:
        if name in named:
            raise UsageError(f"{name} is called {named[name]} here", hint=f"write {named[name]}=…")
        if name not in there_are:
            close = difflib.get_close_matches(name, there_are, n=3, cutoff=0.4)
            names = [*close, *(other for other in there_are if other not in close)]
            raise UsageError(
                f"{pipeline} takes no parameter {name}",
                hint=f"there are: steps, guidance, negative, size, dtype, device, offload, compile, revision; and {', '.join(names)}",
            )


def _is_ours(name: str) -> bool:
    """Whether an argument changes from image to image, or takes what no spec can hold."""
    words = ("prompt", "image", "embeds", "callback", "latents")
    return name in ("generator", "output_type", "return_dict", "num_images_per_prompt") or any(word in name for word in words)


def _check_numbers(steps: object, guidance: object, batch: object) -> None:
    for name, value in (("steps", steps), ("batch", batch)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UsageError(f"{name}={value}: {name} is a whole number from 1", hint=f"write for example {name}=4")
    if guidance is not None and (not isinstance(guidance, int | float) or isinstance(guidance, bool) or guidance < 0):
        raise UsageError(f"guidance={guidance}: guidance is a number from 0", hint="write for example guidance=4")


def _text_limit(pipeline: Any, reading: TextReading | None) -> TextLimit | None:
    """How much of a text ``pipeline`` reads, in tokens of the text itself."""
    if reading is None or reading.tokens is None:
        return None
    component = getattr(pipeline, reading.tokenizer)
    # A processor holds one. Copied, since the pipeline's own is used by another thread, which tells it each time how much to cut.
    tokenizer = copy.deepcopy(getattr(component, "tokenizer", component))

    def count(text: str, **settings: Any) -> int:
        return len(tokenizer(text, verbose=False, **settings).input_ids)

    around = count(reading.around(pipeline))
    return TextLimit(type(tokenizer).__name__, reading.tokens - around, partial(count, add_special_tokens=False))


def _beginning(text: str, limit: TextLimit) -> str:
    """As much of ``text`` as fits into ``limit``."""
    return text[: bisect_right(range(len(text) + 1), limit.tokens, key=lambda end: limit.count(text[:end])) - 1]


def _alike(texts: Sequence[Any], reading: TextReading | None) -> list[list[int]]:
    """The places of ``texts`` in groups that can be drawn in one call."""
    if reading is None or reading.listed or reading.mask:
        return [list(range(len(texts)))]
    groups: dict[int, list[int]] = {}
    for place, features in enumerate(texts):
        groups.setdefault(len(features[reading.results[0]]), []).append(place)
    return list(groups.values())


def _batched(texts: Sequence[Features], reading: TextReading, device: Any, prefix: str = "") -> dict[str, Any]:
    """The pipeline's arguments for the features of ``texts``; ``prefix``: of their names, "negative_" or none."""
    arguments: dict[str, Any] = {}
    for name in texts[0] if texts else ():
        tensors = [features[name].to(device) for features in texts]
        if reading.listed:
            arguments[name] = tensors
        elif reading.mask and name == f"{prefix}{reading.results[0]}":
            arguments[name] = pad_sequence(tensors, batch_first=True)
            ones = [torch.ones(len(tensor), dtype=torch.long, device=device) for tensor in tensors]
            arguments[f"{prefix}{reading.mask}"] = pad_sequence(ones, batch_first=True)
        else:
            arguments[name] = torch.stack(tensors)
    return arguments


def _outcomes(output: Any) -> "list[Tensor | StageError]":
    """A pipeline's images; a StageError in place of those that its own safety checker has blackened."""
    flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(output.images)
    blocked = StageError(FailureKind.BLOCKED, "the pipeline's safety checker did not let the image pass")
    return [blocked if flag else image for image, flag in zip(output.images, flagged, strict=True)]


def _on_white(pixels: Tensor) -> Tensor:
    """[3, height, width] of as many channels, or of RGBA in front of white."""
    if pixels.shape[0] != 4:
        return pixels
    color, alpha = pixels[:3], pixels[3:]
    return color * alpha + (1 - alpha)
