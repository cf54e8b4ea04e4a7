"""What each family of diffusers pipelines is meant to be sampled with, in one table: steps, guidance, sizes, how much text it reads.

Plain facts: nothing here loads torch or diffusers. Sources: the pipelines' own signatures and examples in diffusers 0.42, and the model
cards where they say something else (named in the row). Everything can be set in the spec. A pipeline that is not in the table draws
as its own defaults say, and is handed the texts as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from generator.local import Size
from generator.sizes import buckets

SQUARE = Size(1024, 1024)


@dataclass(frozen=True, slots=True)
class Guidance:
    """How far an image is pushed towards its text: the argument's name, and its value where none is given.

    At ``off`` and below there is no unconditional branch, and no negative text is read; None: there is never one, since the model takes the
    number as an input.
    """

    argument: str
    value: float
    off: float | None = 1.0

    def branches(self, value: float) -> bool:
        """Whether every step is computed twice at ``value``."""
        return self.off is not None and value > self.off


@dataclass(frozen=True, slots=True)
class TextReading:
    """How a pipeline reads a text, where it can be read apart from drawing, and used again for other seeds.

    ``results``: what its encode_prompt returns, in order, by the names of the arguments that take them; "": not needed. Where negatives are
    among them, both are made in one call.
    ``mask``: the argument for a mask over ``results[0]``, without which only texts that are equally long are drawn in one call.
    ``listed``: the features are a list of tensors instead, one per text.
    ``tokens``: how many tokens it reads of a text and what it puts around it, None where it reads all; what it reads beyond is cut.
    ``argument``: sets ``tokens``, where there is one. ``tokenizer``: the component that counts; ``around``: the words that the pipeline
    puts around a text, as far as they count.
    """

    results: tuple[str, ...]
    mask: str = ""
    listed: bool = False
    tokens: int | None = None
    argument: str = ""
    tokenizer: str = "tokenizer"
    around: Callable[[Any], str] = lambda pipeline: ""


@dataclass(frozen=True, slots=True)
class Preset:
    """``guidance`` None: the pipeline has none. ``negative``: the text to keep away from; None: none, as the pipeline has it.

    ``sizes``: by aspect ratio, width to height. ``multiple``: of pixels, which both sides have to be.
    ``reading``: None where the pipeline takes texts only. ``splits``: its decoder can run apart from its denoiser.
    """

    steps: int
    guidance: Guidance | None = None
    negative: str | None = None
    size: Size = SQUARE
    sizes: Mapping[str, Size] = field(default_factory=lambda: buckets(SQUARE.width * SQUARE.height, 16))
    multiple: int = 16
    reading: TextReading | None = None
    splits: bool = False


def _tail(template: str) -> Callable[[Any], str]:
    """What stands behind the text in the template of this name; what stands before it does not count."""
    return lambda pipeline: getattr(pipeline, template).split("{}")[1]


def _chat(**settings: bool) -> Callable[[Any], str]:
    return lambda pipeline: pipeline.tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}], tokenize=False, add_generation_prompt=True, **settings
    )


def _mistral_chat(pipeline: Any) -> str:
    messages = [("system", pipeline.system_message), ("user", "")]
    content = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in messages]
    return pipeline.tokenizer.apply_chat_template(content, tokenize=False)


_QWEN_IMAGE_SIZES = MappingProxyType(
    {
        "9:16": Size(928, 1664),
        "2:3": Size(1056, 1584),
        "3:4": Size(1104, 1472),
        "1:1": Size(1328, 1328),
        "4:3": Size(1472, 1104),
        "3:2": Size(1584, 1056),
        "16:9": Size(1664, 928),
    }
)
"""Qwen-Image's model card."""

_SDXL_SIZES = MappingProxyType(
    {
        "9:16": Size(768, 1344),
        "2:3": Size(832, 1216),
        "3:4": Size(896, 1152),
        "1:1": SQUARE,
        "4:3": Size(1152, 896),
        "3:2": Size(1216, 832),
        "16:9": Size(1344, 768),
    }
)
"""Those that SDXL was trained on (its report, appendix I), by the common ratio next to theirs."""

_SMALL = Size(512, 512)
_SMALL_SIZES = buckets(512 * 512, 64, ("2:3", "3:4", "1:1", "4:3", "3:2"))

_BOTH = ("prompt_embeds", "negative_prompt_embeds")
_BOTH_POOLED = (*_BOTH, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

_QWEN_IMAGE = Preset(
    steps=50,
    guidance=Guidance("true_cfg_scale", 4.0),
    negative=" ",
    size=Size(1328, 1328),
    sizes=_QWEN_IMAGE_SIZES,
    reading=TextReading(
        ("prompt_embeds",),
        mask="prompt_embeds_mask",
        # Unless told otherwise, the pipeline reads the first half.
        tokens=1024,
        argument="max_sequence_length",
        around=_tail("prompt_template_encode"),
    ),
    splits=True,
)
_QWEN_IMAGE_21 = Preset(
    steps=40,
    guidance=Guidance("true_cfg_scale", 1.0),
    negative=" ",
    sizes=buckets(1024 * 1024, 32),
    multiple=32,
    # It takes a mask, too, but places the image behind the longest text of a batch, so that batch mates would change it.
    reading=TextReading(("prompt_embeds",)),
    splits=True,
)
_Z_IMAGE = Preset(
    steps=50,
    guidance=Guidance("guidance_scale", 4.0, off=0.0),
    reading=TextReading(_BOTH, listed=True, tokens=512, argument="max_sequence_length", around=_chat(enable_thinking=True)),
    splits=True,
)
_KLEIN = Preset(
    steps=4,
    guidance=Guidance("guidance_scale", 1.0),
    reading=TextReading(("prompt_embeds",), tokens=512, argument="max_sequence_length", around=_chat(enable_thinking=False)),
    splits=True,
)
_FLUX_2 = Preset(
    steps=50,
    guidance=Guidance("guidance_scale", 4.0, off=None),
    reading=TextReading(("prompt_embeds",), tokens=512, argument="max_sequence_length", around=_mistral_chat),
    splits=True,
)
_FLUX_1_READING = TextReading(
    # What counts is T5's; CLIP reads 77 tokens, and only for the gist.
    ("prompt_embeds", "pooled_prompt_embeds"),
    tokens=512,
    argument="max_sequence_length",
    tokenizer="tokenizer_2",
)
_FLUX_1 = Preset(
    steps=50,
    guidance=Guidance("guidance_scale", 3.5, off=None),
    reading=_FLUX_1_READING,
    splits=True,
)
_SDXL = Preset(
    steps=50,
    guidance=Guidance("guidance_scale", 5.0),
    sizes=_SDXL_SIZES,
    reading=TextReading(_BOTH_POOLED, tokens=77),
    splits=True,
)
_SD_3 = Preset(
    steps=28,
    guidance=Guidance("guidance_scale", 7.0),
    sizes=buckets(1024 * 1024, 64),
    reading=TextReading(_BOTH_POOLED, tokens=256, argument="max_sequence_length", tokenizer="tokenizer_3"),
    splits=True,
)
_SD_1 = Preset(
    steps=50,
    guidance=Guidance("guidance_scale", 7.5),
    size=_SMALL,
    sizes=_SMALL_SIZES,
    reading=TextReading(_BOTH, tokens=77),
)


@dataclass(frozen=True, slots=True)
class Row:
    """``preset`` for pipelines of class ``pipeline`` whose name has ``word`` in it, and whose model_index.json says what ``says`` does."""

    pipeline: str
    preset: Preset
    word: str = ""
    says: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _turbo(preset: Preset, steps: int, **changed: Any) -> Preset:
    """``preset`` for a model that was distilled to few steps, without guidance."""
    assert preset.guidance is not None
    return replace(preset, steps=steps, guidance=replace(preset.guidance, value=0.0), **changed)


TABLE: tuple[Row, ...] = (
    Row("QwenImagePipeline", _QWEN_IMAGE),
    # Meant to be sampled without guidance; it reads all of a text.
    Row("QwenImage21Pipeline", _QWEN_IMAGE_21),
    # Model card: nine steps, of which the last costs nothing.
    Row("ZImagePipeline", _turbo(_Z_IMAGE, 9), word="turbo"),
    # Model card: guidance of 3 to 5, 28 to 50 steps.
    Row("ZImagePipeline", _Z_IMAGE),
    Row("Flux2KleinPipeline", _KLEIN, says={"is_distilled": True}),
    Row("Flux2KleinPipeline", replace(_KLEIN, steps=50, guidance=Guidance("guidance_scale", 4.0))),
    Row("Flux2Pipeline", _FLUX_2),
    # Model card: at most 256 tokens.
    Row("FluxPipeline", _turbo(_FLUX_1, 4, reading=replace(_FLUX_1_READING, tokens=256)), word="schnell"),
    Row("FluxPipeline", _FLUX_1),
    # Model card: one step, 512x512.
    Row("StableDiffusionXLPipeline", _turbo(_SDXL, 1, size=_SMALL, sizes=_SMALL_SIZES), word="turbo"),
    Row("StableDiffusionXLPipeline", _SDXL),
    # Model cards of 3.5.
    Row("StableDiffusion3Pipeline", _turbo(_SD_3, 4), word="3.5-large-turbo"),
    Row("StableDiffusion3Pipeline", replace(_SD_3, guidance=Guidance("guidance_scale", 3.5)), word="3.5-large"),
    Row("StableDiffusion3Pipeline", replace(_SD_3, steps=40, guidance=Guidance("guidance_scale", 4.5)), word="3.5-medium"),
    Row("StableDiffusion3Pipeline", _SD_3),
    Row("StableDiffusionPipeline", _turbo(_SD_1, 1), word="turbo"),
    Row("StableDiffusionPipeline", _SD_1),
)
"""The first row that fits counts."""

GUIDANCES = ("true_cfg_scale", "guidance_scale")
"""What pipelines call it, the one that has a branch of its own first."""


def preset_for(pipeline: str, name: str, index: Mapping[str, Any]) -> Preset | None:
    """The preset of a pipeline's class, by the ``name`` of its repository or folder and what its model_index.json says; None where the
    table has none."""
    for row in TABLE:
        says = all(index.get(key) == value for key, value in row.says.items())
        if row.pipeline == pipeline and row.word in name.lower() and says:
            return row.preset
    return None


def generic(defaults: Mapping[str, Any]) -> Preset:
    """For a pipeline that the table lacks, from the ``defaults`` of its call's arguments."""
    argument = next((name for name in GUIDANCES if isinstance(defaults.get(name), int | float)), None)
    steps = defaults.get("num_inference_steps")
    return Preset(
        steps=steps if isinstance(steps, int) else 50,
        # It may have a branch or not: it is called without features, and decides for itself.
        guidance=Guidance(argument, float(defaults[argument])) if argument else None,
    )
