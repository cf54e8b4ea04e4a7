"""How fast Lens draws at full size, and what share of the card's matrix rate its denoiser reaches.

``python -m benchmarks.lens_speed [--batches 1,2,4,8,16] [--encoder bf16|none] [--compile] [--runs 3] [--tiny] [--check] [--json]``. All
parts have their published sizes, and random weights in bfloat16: speed does not depend on what weights say. The pipeline's own three steps
are run, each timed for itself: text encoder, denoiser, autoencoder, with one text per image. The matrix rate is measured in the same run.
``--tiny``, and any machine without CUDA, takes the tiny Lens of tests/tiny_models: the same code, and figures that mean nothing. Queues,
and texts that are drawn with several seeds, are another benchmark's (feature_cache.py).
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false

import argparse
import gc
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import torch

from benchmarks.command import finish, options_of
from generator.lens import VARIANTS, Variant
from generator.lens.pipeline import LensPipeline
from generator.lens.transformer import LensTransformer2DModel
from tests.tiny_models.lens import tiny_lens

GOALS = {"Lens": 1.5, "Lens-Turbo": 0.25}
"""Seconds per image at 1024x1024 on a Hopper card, at its best batch; for --check, and on such a card alone. Published for an H100 are
3.15 s and 0.84 s. The denoiser's arithmetic (``operations``) takes 0.95 s and 0.1 s at a dense bfloat16 rate of 0.7 PFLOP/s, and the
autoencoder comes on top: two thirds of the rate leave room for norms, rotations and softmaxes, which multiply no matrices. Ours include
the text encoder's; whether the published ones do is not said."""
HOPPER = (9, 0)
"""Compute capability."""
BATCHES = (1, 2, 4, 8, 16)
SIDE = 1024
"""Pixels."""
TINY_SIDE = 64
TEXT_TOKENS = 163
"""Of WORDS and what of the template Lens sees, where no encoder is there to say so."""
WORDS = (
    "A narrow harbour town at first light seen from the sea wall: three fishing boats, two red and one pale blue, lie on still green"
    " water, their ropes slack. Behind them stand tall plaster houses with shuttered windows, yellow, white and faded pink, and a stone"
    " church with a square tower. A woman in a grey coat carries a basket of bread along the quay; a black dog follows her. Gulls sit in"
    " a row on a rail. Soft mist hangs over the hills, the light is low and warm from the left, long shadows fall across wet cobbles."
    " Painted sign over a door: FISH. Photograph, 35 mm, deep focus, quiet mood, number"
)
"""About as long as a caption that Lens was trained on (109 words)."""
MXFP4_BITS = 4.25
"""Of an expert's weight: 4, and one exponent of 8 bits for each 32 weights."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Speed:
    """One variant at one batch size: seconds per image of each step, the denoiser's ``share`` of the matrix rate, and the peak of allocated
    memory in GiB (0 without CUDA)."""

    variant: str
    steps: int
    guidance: float
    batch: int
    encoder: float
    denoiser: float
    autoencoder: float
    share: float
    peak: float

    @property
    def seconds(self) -> float:
        """Per image, one text each."""
        return self.encoder + self.denoiser + self.autoencoder


@dataclass(frozen=True, slots=True)
class Report:
    """``matrix_rate`` in FLOP/s; ``reasoner`` says what a GPT-OSS of its own would add for a reasoner, in GiB, by how it is stored."""

    device: str
    torch: str
    full_size: bool
    judged: bool
    compiled: bool
    side: int
    text_tokens: int
    matrix_rate: float
    reasoner: Mapping[str, float]
    speeds: tuple[Speed, ...]
    too_large: tuple[str, ...]

    def best(self, variant: str) -> Speed:
        """The batch with the least seconds per image."""
        return min((speed for speed in self.speeds if speed.variant == variant), key=lambda speed: speed.seconds)


def operations(config: Mapping[str, Any], image_tokens: int, text_tokens: int) -> float:
    """Floating-point operations of one pass of the transformer over one image: 2 per weight and token, and those of attention.

    Norms, rotations and activations multiply no matrices and are not counted. The last block's text, which nobody reads, is.
    """
    dim, layers = config["num_attention_heads"] * config["attention_head_dim"], config["num_layers"]
    tokens = image_tokens + text_tokens
    inner = int(dim / 3 * 8)
    block = 2 * tokens * (4 * dim * dim + 3 * dim * inner) + 4 * tokens * tokens * dim + 2 * 12 * dim * dim
    ends = image_tokens * dim * (config["in_channels"] + config["patch_size"] ** 2 * config["out_channels"])
    ends += text_tokens * dim * config["enc_hidden_dim"] * len(config["selected_layer_index"])
    return layers * block + 2 * ends


def drawing(config: Mapping[str, Any], image_tokens: int, text_tokens: int, variant: Variant) -> float:
    """Operations of all the passes that an image needs. The unconditional ones see no text."""
    passes = operations(config, image_tokens, text_tokens)
    if variant.guidance != 1:
        passes += operations(config, image_tokens, 0)
    return variant.steps * passes


@contextmanager
def built_on(device: torch.device, dtype: torch.dtype) -> Generator[None]:
    """Modules are made where they shall be, in the type that they shall have: none passes through main memory, or stands twice."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def full_pipeline(device: torch.device, *, encoder: bool) -> LensPipeline:
    """Lens at its published size, in bfloat16."""
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler

    with built_on(device, torch.bfloat16):
        autoencoder, transformer = AutoencoderKLFlux2().eval(), LensTransformer2DModel().eval()
    text_encoder = tokenizer = None
    if encoder:
        from generator.lens.encoder import LensGptOssEncoder
        from tests.tiny_models.gpt_oss import tokenizer as harmony

        tokenizer = harmony()
        with built_on(device, torch.bfloat16):
            text_encoder = LensGptOssEncoder(gpt_oss_config()).eval().requires_grad_(False)
        for name, weights in text_encoder.named_parameters():
            # Memory as it was found can hold NaN, which would send all tokens to one expert.
            if not name.endswith("norm.weight"):
                weights.normal_(std=0.02)
    return LensPipeline(FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), autoencoder, text_encoder, tokenizer, transformer)


def gpt_oss_config() -> Any:
    """gpt-oss-20b's."""
    from transformers import GptOssConfig

    return GptOssConfig(num_hidden_layers=24, num_local_experts=32)


def reasoner_gib() -> Mapping[str, float]:
    """What the weights of a second gpt-oss-20b take, as bfloat16 and with its experts as MXFP4. Counted, not loaded."""
    from transformers import GptOssForCausalLM

    with torch.device("meta"):
        model = GptOssForCausalLM(gpt_oss_config())
    experts = sum(tensor.numel() for name, tensor in model.named_parameters() if "experts" in name and not name.endswith("bias"))
    others = sum(tensor.numel() for tensor in model.parameters()) - experts
    return {"bf16": 2 * (experts + others) / GIB, "mxfp4": (experts * MXFP4_BITS / 8 + 2 * others) / GIB}


def waited(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(device: torch.device, work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median seconds over ``runs``, after one to warm up, and the last result."""
    seconds: list[float] = []
    result = work()
    for _ in range(runs):
        waited(device)
        start = time.perf_counter()
        result = work()
        waited(device)
        seconds.append(time.perf_counter() - start)
    return median(seconds or [0.0]), result


def matrix_rate(device: torch.device) -> float:
    """FLOP/s of a large product in bfloat16, or, without CUDA, of a small one in float32."""
    side, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (512, torch.float32)
    noise = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(side, side, device=device, dtype=dtype, generator=noise) for _ in range(2))
    repeats = 10

    def products() -> None:
        for _ in range(repeats):
            torch.mm(left, right)

    seconds, _ = timed(device, products, 5)
    return repeats * 2 * side**3 / seconds


def measure(pipeline: LensPipeline, device: torch.device, options: argparse.Namespace) -> Report:
    """All variants at all batch sizes."""
    cuda, side = device.type == "cuda", TINY_SIDE if options.tiny else SIDE
    rate = matrix_rate(device)
    speeds: list[Speed] = []
    too_large: list[str] = []
    for variant in (VARIANTS["Lens"], VARIANTS["Lens-Turbo"]):
        for batch in options.batches:
            if options.compile:
                # Each shape is compiled for itself, which is faster than one kernel for all.
                torch.compiler.reset()
            try:
                speeds.append(measure_one(pipeline, device, variant, batch, side, options.runs, rate))
            except torch.OutOfMemoryError:
                if batch == min(options.batches):
                    raise
                too_large.append(f"{variant.name} at batch {batch}")
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()
    return Report(
        device=torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads",
        torch=torch.__version__,
        full_size=not options.tiny,
        judged=cuda and not options.tiny and torch.cuda.get_device_capability(device) == HOPPER,
        compiled=options.compile,
        side=side,
        text_tokens=_features(pipeline, device, 1, 0)[1][0].shape[1],
        matrix_rate=rate,
        reasoner={} if options.tiny else reasoner_gib(),
        speeds=tuple(speeds),
        too_large=tuple(too_large),
    )


def measure_one(pipeline: LensPipeline, device: torch.device, variant: Variant, batch: int, side: int, runs: int, rate: float) -> Speed:
    """One variant at one batch size. Raises torch.OutOfMemoryError where that is too large."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    encoding, features = _features(pipeline, device, batch, runs)
    noise = pipeline.prepare_latents([torch.Generator("cpu").manual_seed(seed) for seed in range(batch)], side, side)
    manner = {"num_inference_steps": variant.steps, "guidance_scale": variant.guidance}
    denoising, latents = timed(device, partial(pipeline.denoise, features, noise, side, side, **manner), runs)
    decoding, _ = timed(device, partial(decode, pipeline, latents, side), runs)
    needed = batch * drawing(pipeline.transformer.config, noise.shape[1], features[0].shape[1], variant)
    return Speed(
        variant=variant.name,
        steps=variant.steps,
        guidance=variant.guidance,
        batch=batch,
        encoder=encoding / batch,
        denoiser=denoising / batch,
        autoencoder=decoding / batch,
        share=needed / denoising / rate,
        peak=torch.cuda.max_memory_allocated(device) / GIB if device.type == "cuda" else 0.0,
    )


def decode(pipeline: LensPipeline, latents: torch.Tensor, side: int) -> None:
    """One by one, as the engine does it: decoding takes far more memory than denoising, and a single image keeps a device busy."""
    for one in latents:
        pipeline.decode_latents(one[None], side, side)


def _features(pipeline: LensPipeline, device: torch.device, batch: int, runs: int) -> tuple[float, list[torch.Tensor]]:
    """Seconds that encoding ``batch`` texts of one length takes, and their features; without an encoder, random ones."""
    if pipeline.text_encoder is None:
        config = pipeline.transformer.config
        shape = (len(config.selected_layer_index), TEXT_TOKENS, config.enc_hidden_dim)
        dtype = pipeline.transformer.dtype
        return 0.0, [torch.randn(shape, device=device, dtype=dtype) for _ in range(batch)]
    # Numbers of up to three digits are one token each.
    texts = [f"{WORDS} {number}" for number in range(batch)]
    seconds, encoded = timed(device, partial(pipeline.encode_prompt, texts), runs)
    return seconds, [text.layers for text in encoded]


def show(report: Report) -> None:
    """What was run, a table, and the figure on the last line."""
    size = "full size, random weights, bfloat16" if report.full_size else "TINY: the figures mean nothing"
    compiled = "compiled" if report.compiled else "not compiled"
    print(f"Lens, {size}, {report.side}x{report.side}, {report.text_tokens} text tokens, {compiled}; {report.device}, torch {report.torch}")
    print(f"matrix rate: {report.matrix_rate / 1e12:.3g} TFLOP/s\n")
    print(
        f"{'':<11}{'steps':>6}{'guidance':>10}{'batch':>7}{'encoder':>10}{'denoiser':>10}{'decoder':>9}{'s/image':>9}{'share':>8}{'GiB':>7}"
    )
    for speed in report.speeds:
        print(
            f"{speed.variant:<11}{speed.steps:>6}{speed.guidance:>10g}{speed.batch:>7}{speed.encoder:>10.4f}{speed.denoiser:>10.4f}"
            f"{speed.autoencoder:>9.4f}{speed.seconds:>9.4f}{speed.share:>8.1%}{speed.peak:>7.1f}"
        )
    if report.too_large:
        print(f"\ndid not fit in memory: {', '.join(report.too_large)}")
    if report.reasoner:
        peak = max(speed.peak for speed in report.speeds)
        separate = ", ".join(f"{peak + gib:.1f} GiB with one of its own in {name}" for name, gib in report.reasoner.items())
        print(f"\npeak memory: {peak:.1f} GiB where the reasoner shares the text encoder, {separate} (its weights counted, not loaded)")
    figures = ", ".join(
        f"{name} {best.seconds:.3f} s per image at batch {best.batch} (goal: under {goal:g} s)"
        for name, goal in GOALS.items()
        for best in (report.best(name),)
    )
    verdict = {None: "no verdict: not full size on a Hopper card", True: "met", False: "missed"}[met(report)]
    print(f"\nlens_speed: {figures}: {verdict}")


def met(report: Report) -> bool | None:
    """Whether both goals are; None where they are not set for this device or size."""
    if not report.judged:
        return None
    return all(report.best(name).seconds < goal for name, goal in GOALS.items())


def _read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = options_of("lens_speed", "Seconds per image of Lens, by step; the goal is for full size on a Hopper card.")
    parser.add_argument("--batches", type=_batches, help="how many images at once, separated by commas (1,2,4,8,16; tiny: 1,2)")
    parser.add_argument("--encoder", choices=("bf16", "none"), default="bf16", help="none: random text features (bf16)")
    parser.add_argument("--compile", action="store_true", help="compile the transformer's blocks")
    parser.add_argument("--runs", type=int, help="of each step; the median counts (3; tiny: 1)")
    parser.add_argument("--tiny", action="store_true", help="a tiny Lens, to try the benchmark out; always so without CUDA")
    options = parser.parse_args(arguments)
    options.tiny = options.tiny or not torch.cuda.is_available()
    options.batches = options.batches or ((1, 2) if options.tiny else BATCHES)
    options.runs = options.runs or (1 if options.tiny else 3)
    return options


def _batches(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def main() -> int:
    """The exit status: 1 where ``--check`` is given and a goal is missed."""
    options = _read_options()
    # Random weights, the same each time.
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = options.encoder != "none"
    pipeline = tiny_lens(text_encoder=encoder).to(device) if options.tiny else full_pipeline(device, encoder=encoder)
    pipeline.set_progress_bar_config(disable=True)
    if options.compile:
        pipeline.transformer.compile_repeated_blocks(fullgraph=True)
    report = measure(pipeline, device, options)
    best = {name: report.best(name).seconds for name in GOALS}
    return finish(options, {**asdict(report), "best": best, "goals": GOALS, "ok": met(report)}, lambda: show(report))


if __name__ == "__main__":
    sys.exit(main())
