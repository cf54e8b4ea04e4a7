"""Text to picture with Lens, as a pipeline of diffusers: encode the text, remove the noise, decode the latents.

``LensPipeline.__call__`` is these three steps, which are public, too, for callers that keep text features, or that overlap the steps of
successive batches. A picture depends on its text and its own generator; the others of its batch add no more than rounding.
It rewrites no prompts, and queues nothing (generator/local/generator.py).
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownLambdaType=false

import logging
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.pipeline_utils import DiffusionPipeline, ImagePipelineOutput
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from generator.lens import MULTIPLE, VARIANTS
from generator.lens.buckets import BUCKETS
from generator.lens.encoder import GptOssTextEncoder, load_encoder
from generator.lens.loading import COMPONENTS, find_folder, load_components, load_tokenizer, load_transformer, load_vae
from generator.lens.schedule import empirical_mu, even_sigmas, shifted_sigmas
from generator.lens.text import TextFeatures
from generator.lens.transformer import LensTransformer2DModel
from generator.local import Size

log = logging.getLogger(__name__)

NAMES_IN_MIRRORS = {
    "LensTransformer2DModel": ("diffusers", "LensTransformer2DModel"),
    "LensGptOssEncoder": ("transformers", "LensGptOssEncoder"),
    # transformers 5 has renamed it, and answers to both names.
    "TokenizersBackend": ("transformers", "PreTrainedTokenizerFast"),
}
SIGMA_TOLERANCE = 1e-5

OnStep = Callable[[int, Tensor, dict[str, Any]], Mapping[str, Any]]


class LensPipeline(DiffusionPipeline):
    """Draws pictures from texts.

    ``text_encoder`` and ``tokenizer`` may be None: features then come from elsewhere, as ``prompt_embeds``.
    ``scheduler`` is a FlowMatchEulerDiscreteScheduler; one that would change the published noise levels is refused when drawing.
    """

    model_cpu_offload_seq = "text_encoder->transformer->vae"
    _optional_components = ["text_encoder", "tokenizer"]  # noqa: RUF012  (the base class's form)
    _callback_tensor_inputs = ["latents", "prompt_embeds", "negative_prompt_embeds", "noise_pred"]  # noqa: RUF012

    def __init__(
        self,
        scheduler: FlowMatchEulerDiscreteScheduler,
        vae: AutoencoderKLFlux2,
        text_encoder: PreTrainedModel | None,
        tokenizer: PreTrainedTokenizerBase | None,
        transformer: LensTransformer2DModel,
    ) -> None:
        super().__init__()
        self.register_modules(scheduler=scheduler, vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer)

    def register_to_config(self, **kwargs: Any) -> None:
        """As in diffusers, though model_index.json names our classes as the released one does, so that what is saved is a mirror again."""
        super().register_to_config(
            **{name: NAMES_IN_MIRRORS.get(value[1], value) if _names_a_class(value) else value for name, value in kwargs.items()}
        )

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        dtype: torch.dtype | None = None,
        revision: str | None = None,
        **components: Any,
    ) -> Self:
        """Loads a mirror: a folder in the layout of diffusers, or a hub repository.

        ``dtype``: float32 where it is not given, and for the text encoder what it was saved in. ``components`` by name take the place of
        those in the folder, which are then not read; ``text_encoder=None, tokenizer=None`` leaves out the largest part. UsageError says
        what is missing, broken or does not fit.
        """
        unknown = set(components) - set(COMPONENTS)
        if unknown:
            raise TypeError(f"LensPipeline.from_pretrained does not know {', '.join(sorted(unknown))}")
        pipeline = cls(**load_components(find_folder(str(pretrained_model_name_or_path), revision), components, dtype))
        pipeline.register_to_config(_name_or_path=str(pretrained_model_name_or_path))
        return pipeline

    @classmethod
    def from_single_file(
        cls, path: str | Path, *, vae: str | Path, text_encoder: str | Path | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Loads the transformer from one safetensors file, the autoencoder from a folder, and GPT-OSS with its tokenizer from another."""
        encoder_folder = None if text_encoder is None else find_folder(text_encoder)
        pipeline = cls(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=load_vae(find_folder(vae), dtype=dtype),
            text_encoder=None if encoder_folder is None else load_encoder(encoder_folder, dtype=dtype),
            tokenizer=None if encoder_folder is None else load_tokenizer(encoder_folder),
            transformer=load_transformer(path, dtype=dtype),
        )
        pipeline.register_to_config(_name_or_path=str(path))
        return pipeline

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        negative_prompt: str | Sequence[str] = "",
        *,
        height: int | None = None,
        width: int | None = None,
        base_resolution: int = 1024,
        aspect_ratio: str = "1:1",
        num_inference_steps: int = VARIANTS["Lens"].steps,
        guidance_scale: float = VARIANTS["Lens"].guidance,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | Sequence[Tensor] | None = None,
        prompt_mask: Tensor | None = None,
        negative_prompt_embeds: Tensor | Sequence[Tensor] | None = None,
        negative_prompt_mask: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[["LensPipeline", int, Tensor, dict[str, Any]], Mapping[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        max_sequence_length: int = 512,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Draws ``num_images_per_prompt`` pictures for each prompt, prompt by prompt.

        The defaults are those of the model called Lens; generator.lens.VARIANTS has the others. The official pipeline's own defaults are
        50 steps and guidance 4.

        ``negative_prompt``: one for all, or one each; "" stands for no text at all, and not for an encoded empty text.
        ``height`` and ``width`` in pixels, multiples of 16; without them, the bucket of ``base_resolution`` (1024 or 1440) and
        ``aspect_ratio`` (width to height).
        ``guidance_scale``: from 1, which draws in half the time: the unconditional branch is left out.
        ``generator``: one per picture, on whose device its noise is drawn; or a single one for all, drawn from in turn.
        ``latents``: [pictures, height/16 * width/16, 128], the noise to begin with instead.
        ``prompt_embeds``: features instead of the prompt's, [prompts, layers, tokens, hidden] with ``prompt_mask`` [prompts, tokens], true
        where there is text, or a sequence of [layers, tokens, hidden], one per prompt, each of its own length. The negative ones likewise.
        ``output_type``: "pil"; "np" [pictures, height, width, 3] or "pt" [pictures, 3, height, width], values from 0 to 1; or "latent".
        ``callback_on_step_end`` is called with the pipeline, the step, its timestep and the named tensors; what it returns replaces them.
        ``max_sequence_length``: tokens of the text with its template; what of a prompt does not fit is cut, with a warning.
        """
        size = _checked_size(height, width, base_resolution, aspect_ratio)
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type is {output_type!r}; there are pil, np, pt and latent")
        features = self._features(prompt, prompt_embeds, prompt_mask, max_sequence_length)
        negatives = None
        if guidance_scale != 1:
            negatives = self._features(
                negative_prompt, negative_prompt_embeds, negative_prompt_mask, max_sequence_length, empty_is_none=True
            )
            negatives = _repeated(negatives * len(features) if len(negatives) == 1 else negatives, num_images_per_prompt)
        features = _repeated(features, num_images_per_prompt)
        if not features:
            raise ValueError("there are no texts to draw")
        if latents is None:
            latents = self.prepare_latents(_generators(generator, len(features)), size.height, size.width)
        on_step = None
        if callback_on_step_end is not None:
            on_step = self._on_step(callback_on_step_end, callback_on_step_end_tensor_inputs)
        latents = self.denoise(
            features,
            latents,
            size.height,
            size.width,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            negatives=negatives,
            on_step=on_step,
        )
        images: Any = latents if output_type == "latent" else in_form(self.decode_latents(latents, size.height, size.width), output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def encode_prompt(self, texts: Sequence[str], *, max_sequence_length: int = 512) -> list[TextFeatures]:
        """The features of each text, and how many of its tokens were cut. ValueError where the pipeline holds no text encoder."""
        if self.text_encoder is None or self.tokenizer is None:
            raise ValueError("this pipeline was loaded without a text encoder: pass prompt_embeds, or load it with one")
        layers = tuple(self.transformer.config.selected_layer_index)
        return GptOssTextEncoder(self.text_encoder, self.tokenizer, layers=layers, max_tokens=max_sequence_length)(texts)

    def prepare_latents(self, generators: Sequence[torch.Generator], height: int, width: int) -> Tensor:
        """The noise to begin with, [pictures, tokens, channels] in float32: each picture's from its own generator, on that one's device."""
        size = _checked_size(height, width)
        shape = (size.height // MULTIPLE * (size.width // MULTIPLE), self.transformer.config.in_channels)
        noise = [torch.randn(shape, generator=generator, device=generator.device).to(self._execution_device) for generator in generators]
        return torch.stack(noise)

    @torch.no_grad()
    def denoise(
        self,
        features: Sequence[Tensor],
        latents: Tensor,
        height: int,
        width: int,
        *,
        num_inference_steps: int = VARIANTS["Lens"].steps,
        guidance_scale: float = VARIANTS["Lens"].guidance,
        negatives: Sequence[Tensor] | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Turns the noise in ``latents`` into pictures, still as latents: [pictures, tokens, channels], float32.

        ``features``: per picture, [layers, tokens, hidden]. ``negatives``: likewise, with zero tokens for no text; None: no text for any.
        ``on_step`` is called after each step with its number, its timestep and a dict of ``latents``, ``prompt_embeds``,
        ``negative_prompt_embeds`` and ``noise_pred``; what it returns replaces the first three for the steps to come.
        """
        size, guided = _checked_size(height, width), guidance_scale != 1
        if guidance_scale < 1:
            raise ValueError(f"guidance_scale is {guidance_scale}; it counts from 1, which is without guidance")
        against = self._no_text(len(features)) if negatives is None else negatives
        self._check(features, against, latents, size)
        latents = latents.to(self._execution_device, torch.float32)
        sigmas = self._set_schedule(latents.shape[1], num_inference_steps).to(latents.device)
        texts = self._grouped([*features, *against] if guided else features)
        progress_bar: Any = self.progress_bar
        with progress_bar(total=num_inference_steps) as progress:
            for step, timestep in enumerate(self.scheduler.timesteps):
                velocity = self._velocity(latents, texts, sigmas[step : step + 1], size)
                if guided:
                    velocity = guide(*velocity.chunk(2), guidance_scale)
                latents = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                if on_step is not None:
                    named = {
                        "latents": latents,
                        "prompt_embeds": features,
                        "negative_prompt_embeds": against if guided else None,
                        "noise_pred": velocity,
                    }
                    replaced = on_step(step, timestep, named)
                    latents = replaced.get("latents", latents)
                    if "prompt_embeds" in replaced or "negative_prompt_embeds" in replaced:
                        features = replaced.get("prompt_embeds", features)
                        against = replaced.get("negative_prompt_embeds", against)
                        texts = self._grouped([*features, *against] if guided else features)
                progress.update()
        return latents

    @torch.no_grad()
    def decode_latents(self, latents: Tensor, height: int, width: int) -> Tensor:
        """Pictures, [pictures, 3, height, width] in float32, values from 0 to 1."""
        size = _checked_size(height, width)
        norm = self.vae.bn
        # The autoencoder's latents were normalised, channel by channel, when Lens was trained.
        spread = torch.sqrt(norm.running_var.float() + self.vae.config.batch_norm_eps).to(latents.device)
        packed = latents.float() * spread + norm.running_mean.float().to(latents.device)
        pixels = packed.unflatten(1, (size.height // MULTIPLE, -1)).unflatten(-1, (-1, 2, 2))
        pixels = pixels.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        decoded = self.vae.decode(pixels.to(self.vae.dtype), return_dict=False)[0]
        return (decoded.float() / 2 + 0.5).clamp(0, 1)

    def _set_schedule(self, tokens: int, steps: int) -> Tensor:
        """Prepares the scheduler; the noise levels of the steps, and the final 0."""
        wanted = shifted_sigmas(tokens, steps)
        if self.scheduler.config.use_dynamic_shifting:
            self.scheduler.set_timesteps(sigmas=even_sigmas(steps), mu=empirical_mu(tokens, steps))
        else:
            self.scheduler.set_timesteps(sigmas=wanted[:-1])
        if not torch.allclose(self.scheduler.sigmas, torch.tensor(wanted), rtol=0, atol=SIGMA_TOLERANCE):
            # They are a fact of the model, whatever a mirror's configuration makes of them.
            log.warning("this scheduler's configuration would change Lens's noise levels, and is not followed in that")
            self.scheduler.sigmas = torch.tensor(wanted)
            self.scheduler.timesteps = self.scheduler.sigmas[:-1] * self.scheduler.config.num_train_timesteps
        # Otherwise the scheduler looks each step up by its timestep, and waits for the device to do so.
        self.scheduler.set_begin_index(0)
        return self.scheduler.sigmas

    def _grouped(self, features: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Rows with texts of one length, and their features, for each length.

        One picture's thousands of tokens keep a device busy. So what texts of several lengths would cost in one call, padding, and a mask
        that bars attention from its fastest kernels, is more than what a call per length costs. The unconditional rows, which commonly
        have no text at all, are such a group, too.
        """
        by_length: dict[int, list[int]] = {}
        for row, feature in enumerate(features):
            by_length.setdefault(feature.shape[1], []).append(row)
        device, dtype = self._execution_device, self.transformer.dtype
        return [
            (torch.tensor(rows, device=device), torch.stack([features[row].to(device, dtype) for row in rows]))
            for rows in by_length.values()
        ]

    def _velocity(self, latents: Tensor, texts: Sequence[tuple[Tensor, Tensor]], sigma: Tensor, size: Size) -> Tensor:
        """One row per text, in the texts' own order; the pictures stand once, or twice for guidance."""
        rows_in_all = sum(len(rows) for rows, _ in texts)
        velocity = latents.new_empty(rows_in_all, *latents.shape[1:])
        noisy = latents.to(self.transformer.dtype)
        height, width = size.height // MULTIPLE, size.width // MULTIPLE
        for rows, text in texts:
            seen = self.transformer(noisy[rows % len(latents)], text, None, sigma, height, width, return_dict=False)[0]
            velocity[rows] = seen.to(velocity.dtype)
        return velocity

    def _features(
        self,
        texts: str | Sequence[str] | None,
        embeds: Tensor | Sequence[Tensor] | None,
        mask: Tensor | None,
        max_sequence_length: int,
        *,
        empty_is_none: bool = False,
    ) -> list[Tensor]:
        """Features per text: those given, without their padding, or else the encoder's; none at all for "" if ``empty_is_none``."""
        if embeds is not None:
            rows = list(embeds.unbind(0)) if isinstance(embeds, Tensor) else list(embeds)
            return rows if mask is None else [row[:, kept.bool()] for row, kept in zip(rows, mask, strict=True)]
        if texts is None:
            raise ValueError("pass a prompt, or prompt_embeds")
        texts = [texts] if isinstance(texts, str) else texts
        read = [text for text in texts if text or not empty_is_none]
        encoded = self.encode_prompt(read, max_sequence_length=max_sequence_length) if read else []
        for one in encoded:
            if one.cut:
                log.warning("%d tokens of a text were cut: Lens reads %d, its template included", one.cut, max_sequence_length)
        layers = iter([one.layers for one in encoded])
        return [next(layers) if text or not empty_is_none else self._no_text(1)[0] for text in texts]

    def _no_text(self, count: int) -> list[Tensor]:
        config = self.transformer.config
        return [torch.empty(len(config.selected_layer_index), 0, config.enc_hidden_dim)] * count

    def _check(self, features: Sequence[Tensor], negatives: Sequence[Tensor], latents: Tensor, size: Size) -> None:
        config = self.transformer.config
        layers, hidden = len(config.selected_layer_index), config.enc_hidden_dim
        for feature in (*features, *negatives):
            if feature.ndim != 3 or (feature.shape[0], feature.shape[2]) != (layers, hidden):
                raise ValueError(f"text features of shape {list(feature.shape)}; Lens reads [{layers}, tokens, {hidden}] per picture")
        wanted = (len(features), size.height // MULTIPLE * (size.width // MULTIPLE), config.in_channels)
        if tuple(latents.shape) != wanted:
            raise ValueError(f"latents of shape {list(latents.shape)}; for {len(features)} pictures of {size}, it is {list(wanted)}")
        if len(negatives) != len(features):
            raise ValueError(f"{len(negatives)} negative texts for {len(features)} pictures; there is one for all, or one for each prompt")

    def _on_step(self, callback: Callable[..., Mapping[str, Any]], names: Sequence[str]) -> OnStep:
        unknown = [name for name in names if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(f"callbacks can't see {', '.join(unknown)}; there are {', '.join(self._callback_tensor_inputs)}")
        return lambda step, timestep, tensors: callback(self, step, timestep, {name: tensors[name] for name in names})


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance that keeps the conditional velocity's length, token by token: its direction alone is exaggerated."""
    combined = unconditional + scale * (conditional - unconditional)
    length = combined.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(combined.dtype).tiny)
    return combined * (conditional.norm(dim=-1, keepdim=True) / length)


def in_form(images: Tensor, output_type: str) -> Any:
    """Decoded ``images`` as "pt", as "np", or as a list of pictures of Pillow, "pil"."""
    if output_type == "pt":
        return images
    array = VaeImageProcessor.pt_to_numpy(images)
    return array if output_type == "np" else VaeImageProcessor.numpy_to_pil(array)


def _checked_size(height: int | None, width: int | None, base_resolution: int = 1024, aspect_ratio: str = "1:1") -> Size:
    if height is None and width is None:
        buckets = BUCKETS.get(base_resolution)
        if buckets is None:
            raise ValueError(f"base_resolution is {base_resolution}; there are {', '.join(map(str, BUCKETS))}")
        if aspect_ratio not in buckets:
            raise ValueError(f"aspect_ratio is {aspect_ratio!r}; there are {', '.join(buckets)}")
        return buckets[aspect_ratio]
    if height is None or width is None:
        raise ValueError("height and width go together: pass both, or an aspect_ratio")
    for name, pixels in (("height", height), ("width", width)):
        if pixels < MULTIPLE or pixels % MULTIPLE:
            below = pixels // MULTIPLE * MULTIPLE
            nearest = f"{below} and {below + MULTIPLE}" if below > 0 else str(MULTIPLE)
            raise ValueError(f"{name} is {pixels}, which is no multiple of {MULTIPLE}; nearest: {nearest}")
    return Size(width, height)


def _generators(given: torch.Generator | Sequence[torch.Generator] | None, count: int) -> Sequence[torch.Generator]:
    if given is None:
        given = torch.Generator("cpu")
        given.seed()
    if isinstance(given, torch.Generator):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"{len(given)} generators for {count} pictures; there is one for all, or one for each")
    return given


def _repeated(rows: Sequence[Tensor], times: int) -> list[Tensor]:
    return [row for row in rows for _ in range(times)]


def _names_a_class(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str)
