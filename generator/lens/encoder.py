"""GPT-OSS in this process as Lens's text encoder: a stock GPT-OSS of transformers, whose features are read between its layers.

``LensGptOssEncoder`` is the module, ``load_encoder`` reads it from a folder, and ``GptOssTextEncoder`` turns texts into features with it.
It stays a whole language model, so that a reasoner can write with it, too (reasoner/engines/shared.py). Nothing is kept here from text to
text; generator/local/features.py does that.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false

import logging
from collections.abc import Sequence
from copy import deepcopy
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import GptOssConfig, GptOssForCausalLM, PreTrainedTokenizerBase
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.utils import is_kernels_available, is_triton_available
from transformers.utils.quantization_config import Mxfp4Config

from data.errors import UsageError
from data.textlimit import TextLimit
from generator.lens.template import FROZEN_DATE, MAX_TOKENS, Template
from generator.lens.text import LAYERS, TextEncoder, TextFeatures, identity_of
from generator.limits import harmony_limit

__all__ = ["GptOssTextEncoder", "LensGptOssEncoder", "TextEncoder", "TextFeatures", "load_encoder"]

log = logging.getLogger(__name__)

MXFP4 = "mxfp4"
OLDEST_CARD, OLDEST_TRITON = (7, 5), "3.4.0"
"""What transformers' MXFP4 kernels need: CUDA compute capability, and version."""
NAMES_SHOWN = 3


class LensGptOssEncoder(GptOssForCausalLM):
    """GPT-OSS under the name that Lens's mirrors give it; its weights and their names are the stock model's."""

    @classmethod
    def _can_set_experts_implementation(cls) -> bool:
        # transformers looks for the answer in the source of the class's module. Finding ours, it would run the experts one by one.
        return GptOssForCausalLM._can_set_experts_implementation()

    # Generation asks for the stock signature, to learn that it need not compute the logits of the whole prompt.
    @wraps(GptOssForCausalLM.forward)
    def forward(self, *arguments: Any, selected_layer_index: Sequence[int] | None = None, **named: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A language model's, as in transformers. With ``selected_layer_index``, it returns the residual stream after each of these layers,
        counted from 0, not normalised: a tensor [texts, layers, tokens, hidden].

        Through ``forward``, since what moves a model to its device for a while (CPU offload) wraps nothing else.
        """
        if selected_layer_index is None:
            return super().forward(*arguments, **named)
        return self._residuals(*arguments, layers=selected_layer_index, **named)

    def _residuals(self, input_ids: Tensor, *, layers: Sequence[int]) -> Tensor:
        # Ours, for two reasons: transformers runs all layers, and hands out the last one's residual normalised.
        model: Any = self.model
        config: Any = self.config
        hidden = model.embed_tokens(input_ids)
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        shape: dict[str, Any] = {"config": config, "inputs_embeds": hidden, "attention_mask": None, "past_key_values": None}
        masks = {"full_attention": create_causal_mask(**shape), "sliding_attention": create_sliding_window_causal_mask(**shape)}
        rotation = model.rotary_emb(hidden, positions)
        kept: dict[int, Tensor] = {}
        for index, layer in enumerate(model.layers[: max(layers) + 1]):
            kind = config.layer_types[index]
            hidden = layer(hidden, attention_mask=masks[kind], position_ids=positions, position_embeddings=rotation, use_cache=False)
            if index in layers:
                kept[index] = hidden
        return torch.stack([kept[index] for index in layers], dim=1)


class GptOssTextEncoder:
    """A TextEncoder over a GPT-OSS in this process. ``model``, ``tokenizer``, ``lock`` and ``name`` are what a reasoner needs to share it.

    ``layers``: after which the residual stream is read, from 0. ``date``: the template's. ``max_tokens``: of a text with its template.
    ``lock``: held while the model computes; whoever else uses the model holds it, too. ``name``: which weights these are, for ``identity``.
    """

    def __init__(
        self,
        model: LensGptOssEncoder,
        tokenizer: PreTrainedTokenizerBase,
        *,
        layers: Sequence[int] = LAYERS,
        date: str = FROZEN_DATE,
        max_tokens: int = MAX_TOKENS,
        lock: "Lock | None" = None,
        name: str = "",
    ) -> None:
        depth: int = model.config.num_hidden_layers
        if not layers or not all(0 <= layer < depth for layer in layers):
            raise UsageError(f"this GPT-OSS has {depth} layers, and layers {', '.join(map(str, layers))} are to be read")
        self.model = model
        self.tokenizer = tokenizer
        self.lock = lock or Lock()
        self.name = name or Path(str(model.name_or_path)).name
        self._layers = tuple(layers)
        self._template = Template(self._plain, self._special, date=date, max_tokens=max_tokens)
        self.identity = identity_of(self.name, self._layers, date, max_tokens, str(model.dtype).removeprefix("torch."))

    @property
    def text_limit(self) -> TextLimit:
        return harmony_limit(self._template.room)

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], /) -> list[TextFeatures]:
        if not texts:
            return []
        # Tokenizers, too, are for one thread at a time.
        with self.lock:
            rendered = [self._template(text) for text in texts]
            rows = [torch.tensor(one.ids, device=self.model.device) for one in rendered]
            # Padded on the right, and without a mask: no token sees a later one, and each goes to its experts alone, so padding changes
            # nothing before it. A call per length would read most of the experts' weights once more for each.
            residuals = self.model(input_ids=pad_sequence(rows, batch_first=True), selected_layer_index=self._layers)
        return [
            # A copy, since a view would keep the whole batch alive for as long as one text's features.
            TextFeatures(residuals[row, :, one.dropped : len(one.ids)].clone(), one.cut)
            for row, one in enumerate(rendered)
        ]

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _special(self, name: str) -> int:
        number = self.tokenizer.convert_tokens_to_ids(name)
        assert isinstance(number, int)
        return number


def load_encoder(
    folder: str | Path, *, dtype: torch.dtype | None = None, device: str | torch.device | None = None, mxfp4: bool | None = None
) -> LensGptOssEncoder:
    """The GPT-OSS in a folder of transformers' layout, on ``device`` (None: the CPU). ``dtype`` None: as saved, or bfloat16 from MXFP4.

    ``mxfp4``: experts' weights in four bits, a third of bfloat16's memory. None: where they are so, they stay so if the device computes in
    it. True: they stay or become so, UsageError where the device can't. False: they don't. It takes a CUDA device, triton and ``kernels``.

    UsageError names what is missing or too much. Where only the output layer is missing, the model reads all the same; it can't write.
    """
    config = GptOssConfig.from_pretrained(folder, local_files_only=True)
    saved_so = getattr(config, "quantization_config", None) or {}
    quantisation = _quantisation(saved_so.get("quant_method") == MXFP4, mxfp4, torch.device(device or "cpu"))
    if quantisation is not None and quantisation.dequantize:
        log.info("%s: from MXFP4 to %s, %.0f GB of memory", folder, dtype or torch.bfloat16, _bytes(config, dtype or torch.bfloat16) / 1e9)
    loaded: Any = LensGptOssEncoder.from_pretrained(
        folder,
        config=config,
        dtype=dtype or (torch.bfloat16 if quantisation is not None else "auto"),
        quantization_config=quantisation,
        device_map=None if device is None else {"": torch.device(device)},
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    model, found = loaded
    missing, extra = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    if missing == ["lm_head.weight"]:
        log.info("%s has no output layer: it reads for Lens, and can't write rewrites", folder)
        model.lm_head = None
        missing = []
    if missing or extra:
        said = [f"{how} {_shortened(names)}" for how, names in (("lacks", missing), ("has, beyond what is needed,", extra)) if names]
        raise UsageError(
            f"{folder} does not fit GPT-OSS: it {'; it '.join(said)}", hint="is the config.json beside it the one it was made with?"
        )
    return model.eval().requires_grad_(False)


def _quantisation(saved_so: bool, wanted: bool | None, device: torch.device) -> Mxfp4Config | None:
    """How to load; None for weights that are not quantised and stay so."""
    why_not = why_no_mxfp4(device)
    if wanted and why_not:
        raise UsageError(f"no MXFP4: {why_not}", hint="leave mxfp4 out; bfloat16 takes three times the memory")
    if not saved_so:
        return Mxfp4Config() if wanted else None
    dequantise = wanted is False or bool(why_not)
    if dequantise and wanted is None:
        log.warning("GPT-OSS is in MXFP4, and is turned into three times as much bfloat16, since %s", why_not)
    return Mxfp4Config(dequantize=dequantise)


def why_no_mxfp4(device: torch.device) -> str:
    """Why a device can't compute in MXFP4; "" where it can."""
    if device.type != "cuda":
        return f"the {device.type} device is no CUDA card"
    if torch.cuda.get_device_capability(device) < OLDEST_CARD:
        return f"this card is older than compute capability {'.'.join(map(str, OLDEST_CARD))}"
    if not is_triton_available(OLDEST_TRITON):
        return f"there is no triton from {OLDEST_TRITON} (pip install triton)"
    if not is_kernels_available():
        return "there is no fitting kernels package (pip install kernels)"
    return ""


def _bytes(config: GptOssConfig, dtype: torch.dtype) -> int:
    with torch.device("meta"):
        # A copy, since a model writes into its configuration.
        return GptOssForCausalLM(deepcopy(config)).num_parameters() * dtype.itemsize


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
