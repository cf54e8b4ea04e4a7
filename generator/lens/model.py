"""Lens as an engine: the pipeline, a text encoder, and the settings that stay the same from image to image.

``load_lens`` says what is wrong before it loads anything. The text encoder is the GPT-OSS beside the transformer, or any ``TextEncoder``,
such as a server's (served.py). Which images are drawn together is decided in generator/local/generator.py.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

import os
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import torch
from torch import Tensor

from data.errors import StageError, UsageError
from data.textlimit import TextLimit
from generator.lens import MULTIPLE, VARIANTS, variant_of
from generator.lens.buckets import BUCKETS
from generator.lens.loading import explained, find_folder, load_tokenizer
from generator.lens.pipeline import LensPipeline
from generator.lens.template import FROZEN_DATE
from generator.local import Encoded, Size
from generator.local import device as devices
from generator.local.memory import check_memory
from generator.local.pixels import to_images
from generator.local.quiet import hush
from generator.local.weights import fingerprint
from generator.sizes import checked, parse_size

if TYPE_CHECKING:
    from PIL.Image import Image

    from generator.lens.encoder import GptOssTextEncoder
    from generator.lens.text import TextEncoder, TextFeatures

Number = TypeVar("Number", int, float)

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
OFFLOADS = ("none", "model", "sequential")
ENCODER_DTYPES = {None: None, "mxfp4": True, "bf16": False}
ENCODER_PARTS = ("text_encoder", "tokenizer")
SERVED = "text features from a server: lens:FOLDER@http://HOST:8000/v1"


class LensModel:
    """An ImageModel. ``pipeline`` needs no text encoder of its own: ``encoder`` reads the texts.

    ``identity`` names the weights; what else determines pixels is added to it.
    ``sizes`` may be empty: only ``size`` is drawn then.
    """

    def __init__(
        self,
        pipeline: LensPipeline,
        encoder: "TextEncoder",
        *,
        identity: str,
        steps: int = VARIANTS["Lens"].steps,
        guidance: float = VARIANTS["Lens"].guidance,
        negative: str = "",
        size: Size = BUCKETS[1024]["1:1"],
        sizes: Mapping[str, Size] = BUCKETS[1024],
        batch: int = 1,
        one_at_a_time: bool = False,
    ) -> None:
        self.size = size
        self.sizes = sizes
        self.batch = batch
        self.one_at_a_time = one_at_a_time
        self.text_limit: TextLimit | None = encoder.text_limit
        dtype = str(pipeline.transformer.dtype).removeprefix("torch.")
        settings = {"steps": steps, "guidance": f"{guidance:g}", "negative": negative, "size": size, "dtype": dtype}
        self.identity = f"{identity}?{urlencode(settings)} + {encoder.identity}"
        self._pipeline = pipeline
        self._encoder = encoder
        self._steps = steps
        self._guidance = guidance
        self._negative = negative if guidance != 1 else ""
        self._negative_features: Tensor | None = None

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        with self._on_device():
            if self._negative and self._negative_features is None:
                self._negative_features = self._encoder([self._negative])[0].layers.cpu()
            return [_as_encoded(features) for features in self._encoder(texts)]

    def denoise(self, features: Sequence[Tensor], seeds: Sequence[int], size: Size) -> list[Tensor]:
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        negatives = None if self._negative_features is None else [self._negative_features] * len(features)
        with self._on_device():
            latents = self._pipeline.denoise(
                features,
                self._pipeline.prepare_latents(generators, size.height, size.width),
                size.height,
                size.width,
                num_inference_steps=self._steps,
                guidance_scale=self._guidance,
                negatives=negatives,
            )
        return list(latents)

    def decode(self, latents: Sequence[Tensor], size: Size) -> "list[Image | StageError]":
        images: list[Image | StageError] = []
        with self._on_device():
            # One by one: the decoder needs far more memory than the denoiser, and a single image keeps a device busy.
            for one in latents:
                images += to_images(self._pipeline.decode_latents(one.unsqueeze(0), size.height, size.width))
        return images

    def language_model(self) -> "GptOssTextEncoder":
        """The GPT-OSS that reads for Lens, for a reasoner that shares it; UsageError where it is not in this process, or comes and goes."""
        from generator.lens.encoder import GptOssTextEncoder

        if not isinstance(self._encoder, GptOssTextEncoder):
            raise UsageError(
                "the text encoder is not in this process, so there is no language model to share",
                hint="leave out @ENDPOINT in the generator's spec, or let the reasoner use that server, too: openai:MODEL@ENDPOINT",
            )
        if self.one_at_a_time:
            raise UsageError(
                "the language model is offloaded from the device after each text, and can't write meanwhile",
                hint="leave out offload in the generator's spec, or take another reasoner than shared",
            )
        return self._encoder

    def close(self) -> None:
        """The model can't be used afterwards."""
        del self._pipeline, self._encoder
        devices.free_memory()

    @contextmanager
    def _on_device(self) -> Generator[None]:
        """Where parts are offloaded: what came to the device in here leaves it again, so that the next step finds room."""
        try:
            yield
        finally:
            self._pipeline.maybe_free_model_hooks()


def _as_encoded(features: "TextFeatures") -> Encoded:
    # In the host's memory there is room for hundreds of texts, of up to 10 MB each; the way to the device takes a millisecond.
    flaws = (f"{features.cut} tokens of the text were cut off",) if features.cut else ()
    return Encoded(features.layers.cpu(), flaws)


def load_lens(
    source: str,
    *,
    steps: int | None = None,
    guidance: float | None = None,
    negative: str = "",
    base: int = 1024,
    size: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    offload: str = "none",
    compile: bool = False,
    date: str | None = None,
    batch: int = 1,
    revision: str | None = None,
    encoder: "TextEncoder | None" = None,
    encoder_dtype: str | None = None,
) -> LensModel:
    """Loads Lens from a folder in the layout of diffusers, or from a hub repository, at ``revision``.

    ``steps``, ``guidance``: by default the variant's, which is known by the name of ``source`` (generator.lens.VARIANTS).
    ``base``: 1024 or 1440, whose sizes are drawn by aspect ratio; ``size``, such as "1248x832": that size only.
    ``dtype``: "bf16", "fp16" or "fp32"; by default bf16 on a GPU and fp32 on the CPU. ``device``: as torch names it; by default a GPU if
    there is one. ``offload``: "none"; "model", where one part at a time is on the device; "sequential", one layer.
    ``compile``: the denoiser is compiled when it first meets a size, which takes minutes, and is faster from then on.
    ``encoder``: reads the texts instead of the GPT-OSS in ``source``, which is then not loaded. ``date``: what GPT-OSS is told today is.
    ``encoder_dtype``: "mxfp4" keeps its experts in four bits, "bf16" does not; by default as the card can.

    UsageError says what is wrong, most of it before anything is loaded.
    """
    place = devices.choose(device)
    dtype = dtype or ("fp32" if place == "cpu" else "bf16")
    for name, value, there_are in (("base", base, BUCKETS), ("dtype", dtype, DTYPES), ("offload", offload, OFFLOADS)):
        _one_of(name, value, there_are)
    _one_of("encoder_dtype", encoder_dtype, ENCODER_DTYPES)
    if encoder is not None and (date or encoder_dtype):
        raise UsageError(
            "date and encoder_dtype belong to a text encoder in this process, and this one is elsewhere", hint="leave them out"
        )
    if offload != "none" and place == "cpu":
        raise UsageError(f"offload={offload} moves parts between a device and the CPU, and the device is the CPU", hint="leave it out")
    here = os.path.abspath(source) if os.path.isdir(source) else ""
    variant = variant_of(here or source)
    steps = variant.steps if steps is None else _at_least_one("steps", steps, int)
    guidance = variant.guidance if guidance is None else _at_least_one("guidance", guidance, (int, float))
    only = None if size is None else checked(parse_size(size), MULTIPLE)
    hush()
    folder = find_folder(source, revision)
    check_memory(
        folder,
        dtype=dtype,
        device=place,
        offload=offload,
        leave_out=() if encoder is None else ENCODER_PARTS,
        unpacked=encoder_dtype == "bf16" or offload != "none" or not place.startswith("cuda"),
        elsewhere={"text_encoder": SERVED},
    )
    pipeline, encoder = _load(folder, DTYPES[dtype], place, offload, encoder, date or FROZEN_DATE, ENCODER_DTYPES[encoder_dtype])
    if compile:
        pipeline.transformer.compile()
    # A folder by its own name alone, since where it lies determines nothing.
    name = os.path.basename(here) or source
    return LensModel(
        pipeline,
        encoder,
        identity=f"lens:{name}#{fingerprint(folder, leave_out=ENCODER_PARTS)}",
        steps=steps,
        guidance=guidance,
        negative=negative,
        size=only or BUCKETS[base]["1:1"],
        sizes={} if only else BUCKETS[base],
        batch=batch,
        one_at_a_time=offload != "none",
    )


def _load(
    folder: Path, dtype: torch.dtype, place: str, offload: str, encoder: "TextEncoder | None", date: str, mxfp4: bool | None
) -> "tuple[LensPipeline, TextEncoder]":
    try:
        # First what is small: where something is wrong with it, nobody has waited for GPT-OSS.
        pipeline = LensPipeline.from_pretrained(folder, dtype=dtype, text_encoder=None, tokenizer=None)
        if offload == "none":
            pipeline.to(place)
        if encoder is None:
            encoder = _load_encoder(folder, pipeline, dtype, place if offload == "none" else None, date, mxfp4)
    except torch.OutOfMemoryError as error:
        raise UsageError(f"{folder.name} does not fit on {place}: {error}", hint=f"add offload=model, or take {SERVED}") from None
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=place)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=place)
    pipeline.set_progress_bar_config(disable=True)
    devices.wait()
    return pipeline, encoder


def _load_encoder(
    folder: Path, pipeline: LensPipeline, dtype: torch.dtype, place: str | None, date: str, mxfp4: bool | None
) -> "GptOssTextEncoder":
    from generator.lens.encoder import GptOssTextEncoder, load_encoder

    if not (folder / "text_encoder").is_dir():
        raise UsageError(f"{folder} has no text encoder", hint=f"take {SERVED}")
    model = explained(folder / "text_encoder", lambda path: load_encoder(path, dtype=dtype, device=place, mxfp4=mxfp4))
    tokenizer = explained(folder / "tokenizer", load_tokenizer)
    # Offloading moves what the pipeline knows.
    pipeline.register_modules(text_encoder=model, tokenizer=tokenizer)
    layers = tuple(pipeline.transformer.config.selected_layer_index)
    return GptOssTextEncoder(model, tokenizer, layers=layers, date=date, name=f"gpt-oss#{fingerprint(folder / 'text_encoder')}")


def _one_of(name: str, value: object, there_are: Collection[Any]) -> None:
    if value not in there_are:
        raise UsageError(f"{name}={value}: there is no such {name}", hint=f"there are: {', '.join(str(one) for one in there_are if one)}")


def _at_least_one(name: str, value: Number, kind: type | tuple[type, ...]) -> Number:
    if not isinstance(value, kind) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{name}={value}: {name} is a {'whole ' if kind is int else ''}number from 1")
    return value
