"""Lens as an engine: the pipeline, a text encoder, and the settings that stay the same from image to image.

``load_lens`` says what is wrong before it loads anything. The text encoder is the GPT-OSS beside the transformer, or any ``TextEncoder``,
such as a server's (served.py). Which images are drawn together is decided in generator/local/generator.py.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import torch
from torch import Tensor

from data.errors import StageError, UsageError
from data.textlimit import TextLimit
from generator.lens import MULTIPLE, VARIANTS, variant_of
from generator.lens.buckets import BUCKETS
from generator.lens.loading import check_components, explained, find_folder, load_tokenizer, selected_layers
from generator.lens.pipeline import LensPipeline
from generator.lens.template import FROZEN_DATE, MAX_TOKENS
from generator.lens.text import identity_of
from generator.limits import lens_limit
from generator.local import Encoded, Size
from generator.local import device as devices
from generator.local.deferred import Deferred, Facts
from generator.local.memory import check_memory
from generator.local.pixels import to_images
from generator.local.placing import Placing, one_of
from generator.local.quiet import hush
from generator.local.weights import fingerprint
from generator.sizes import checked, parse_size

if TYPE_CHECKING:
    from PIL.Image import Image

    from generator.lens.encoder import GptOssTextEncoder
    from generator.lens.text import TextEncoder, TextFeatures

Number = TypeVar("Number", int, float)

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
        self.identity = _identity(identity, steps, guidance, negative, size, pipeline.transformer.dtype, encoder.identity)
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


def _identity(name: str, steps: int, guidance: float, negative: str, size: Size, dtype: torch.dtype, encoder: str) -> str:
    number = str(dtype).removeprefix("torch.")
    settings = {"steps": steps, "guidance": f"{guidance:g}", "negative": negative, "size": size, "dtype": number}
    return f"{name}?{urlencode(settings)} + {encoder}"


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
) -> Deferred[LensModel]:
    """Lens from a folder in the layout of diffusers, or from a hub repository, at ``revision``. It is loaded when it first reads a text.

    ``steps``, ``guidance``: by default the variant's, which is known by the name of ``source`` (generator.lens.VARIANTS).
    ``base``: 1024 or 1440, whose sizes are drawn by aspect ratio; ``size``, such as "1248x832": that size only.
    ``dtype``: "bf16", "fp16" or "fp32"; by default bf16 on a GPU and fp32 on the CPU. ``device``: as torch names it; by default a GPU if
    there is one. ``offload``: "none"; "model", where one part at a time is on the device; "sequential", one layer.
    ``compile``: the denoiser is compiled when it first meets a size, which takes minutes, and is faster from then on.
    ``encoder``: reads the texts instead of the GPT-OSS in ``source``, which is then not loaded. ``date``: what GPT-OSS is told today is.
    ``encoder_dtype``: "mxfp4" keeps its experts in four bits, "bf16" does not; by default as the card can.

    UsageError says what is wrong, before anything is loaded.
    """
    placing = Placing.of(device, dtype, offload)
    one_of("base", base, BUCKETS)
    one_of("encoder_dtype", encoder_dtype, ENCODER_DTYPES)
    if encoder is not None and (date or encoder_dtype):
        raise UsageError(
            "date and encoder_dtype belong to a text encoder in this process, and this one is elsewhere", hint="leave them out"
        )
    here = os.path.abspath(source) if os.path.isdir(source) else ""
    variant = variant_of(here or source)
    steps = variant.steps if steps is None else _at_least_one("steps", steps, int)
    guidance = variant.guidance if guidance is None else _at_least_one("guidance", guidance, (int, float))
    only = None if size is None else checked(parse_size(size), MULTIPLE)
    hush()
    leave_out = () if encoder is None else ENCODER_PARTS
    folder = find_folder(source, revision, leave_out)
    if encoder is None and not (folder / "text_encoder").is_dir():
        raise UsageError(f"{folder} has no text encoder", hint=f"take {SERVED}")
    check_memory(
        folder,
        dtype=placing.dtype,
        device=placing.device,
        offload=offload,
        leave_out=leave_out,
        unpacked=encoder_dtype == "bf16" or not placing.stays or bool(_why_no_mxfp4(placing.device)),
        elsewhere={"text_encoder": SERVED},
    )
    check_components(folder, leave_out)
    # A folder by its own name alone, since where it lies determines nothing.
    name = f"lens:{os.path.basename(here) or source}#{fingerprint(folder, leave_out=ENCODER_PARTS)}"
    reads = encoder or _Reader.of(folder, date or FROZEN_DATE, placing.precision, ENCODER_DTYPES[encoder_dtype])
    chosen = only or BUCKETS[base]["1:1"]
    facts = Facts(
        identity=_identity(name, steps, guidance, negative, chosen, placing.precision, reads.identity),
        text_limit=reads.text_limit,
        size=chosen,
        sizes={} if only else BUCKETS[base],
        batch=batch,
        one_at_a_time=not placing.stays,
    )

    def load() -> LensModel:
        pipeline, reader = _load(folder, placing, reads)
        if compile:
            # Block by block: the whole would be compiled anew for every size and length of text, up to a limit, and then not at all.
            pipeline.transformer.compile_repeated_blocks(dynamic=True)
        return LensModel(
            pipeline,
            reader,
            identity=name,
            steps=steps,
            guidance=guidance,
            negative=negative,
            size=facts.size,
            sizes=facts.sizes,
            batch=batch,
            one_at_a_time=facts.one_at_a_time,
        )

    return Deferred(facts, load)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The GPT-OSS in a pipeline's folder, before it is loaded. ``layers``: those that the transformer wants to see."""

    folder: Path
    name: str
    layers: tuple[int, ...]
    date: str
    dtype: torch.dtype
    mxfp4: bool | None

    @classmethod
    def of(cls, folder: Path, date: str, dtype: torch.dtype, mxfp4: bool | None) -> "_Reader":
        name = f"gpt-oss#{fingerprint(folder / 'text_encoder')}"
        return cls(folder, name, selected_layers(folder), date, dtype, mxfp4)

    @property
    def identity(self) -> str:
        return identity_of(self.name, self.layers, self.date, MAX_TOKENS, str(self.dtype).removeprefix("torch."))

    @property
    def text_limit(self) -> TextLimit:
        return lens_limit()

    def load(self, pipeline: LensPipeline, place: str | None) -> "GptOssTextEncoder":
        from generator.lens.encoder import GptOssTextEncoder, load_encoder

        model = explained(self.folder / "text_encoder", lambda path: load_encoder(path, dtype=self.dtype, device=place, mxfp4=self.mxfp4))
        tokenizer = explained(self.folder / "tokenizer", load_tokenizer)
        # Offloading moves what the pipeline knows.
        pipeline.register_modules(text_encoder=model, tokenizer=tokenizer)
        return GptOssTextEncoder(model, tokenizer, layers=self.layers, date=self.date, name=self.name)


def _why_no_mxfp4(place: str) -> str:
    if not place.startswith("cuda"):
        return "no CUDA card"
    from generator.lens.encoder import why_no_mxfp4

    return why_no_mxfp4(torch.device(place))


def _load(folder: Path, placing: Placing, encoder: "TextEncoder | _Reader") -> "tuple[LensPipeline, TextEncoder]":
    try:
        # First what is small: where something is wrong with it, nobody has waited for GPT-OSS.
        pipeline = LensPipeline.from_pretrained(folder, dtype=placing.precision, text_encoder=None, tokenizer=None)
        if placing.stays:
            placing.put(pipeline)
        reads = encoder.load(pipeline, placing.device if placing.stays else None) if isinstance(encoder, _Reader) else encoder
        if not placing.stays:
            placing.put(pipeline)
    except torch.OutOfMemoryError as error:
        raise UsageError(f"{folder.name} does not fit on {placing.device}: {error}", hint=f"add offload=model, or take {SERVED}") from None
    return pipeline, reads


def _at_least_one(name: str, value: Number, kind: type | tuple[type, ...]) -> Number:
    if not isinstance(value, kind) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{name}={value}: {name} is a {'whole ' if kind is int else ''}number from 1")
    return value
