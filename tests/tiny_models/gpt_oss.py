"""GPT-OSS, tiny: its real tokenizer and architecture, with random weights and a few made by hand, so that it speaks harmony untrained.

Half of its width is as random as in any model that nobody trained, and depends on the whole text: that is what Lens reads. In the rest, two
attention heads of the first layer copy the token before and the fourth one before, from which the output layer tells what comes next.
Whatever it is asked, it thinks a sentence, and then answers with a picture of a few words: which ones is chance.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportMissingTypeStubs=false, reportIndexIssue=false
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

import hashlib
import inspect
import math
import shutil
import tempfile
from functools import cache
from pathlib import Path

import tokenizers
import torch
import transformers
from torch import Tensor
from transformers import GptOssConfig, GptOssForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from generator.lens.encoder import LensGptOssEncoder
from generator.limits import MARKS, PIECES, vocabulary_file

DESCRIPTION = "GPT-OSS: four narrow layers, the real vocabulary; answers in harmony, by chance"

VOCABULARY = 201088
START, PAD, RETURN, CALL = 199998, 199999, 200002, 200012
CACHE = Path(__file__).resolve().parents[2] / ".cache"
TEMPLATE = """\
<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.
Knowledge cutoff: 2024-06
Current date: {{ strftime_now("%Y-%m-%d") }}

Reasoning: {{ reasoning_effort or "medium" }}

# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>
{%- for m in messages -%}
{%- set given = m.role == "system" -%}
<|start|>{{ "developer" if given else m.role }}<|message|>{{ "# Instructions\\n\\n" if given }}{{ m.content }}<|end|>
{%- endfor -%}
<|start|>assistant"""
"""Short for the model's own template. vLLM's server renders GPT-OSS without one, ``LLM.chat`` with it."""

THOUGHT = "<|channel|>analysis<|message|>I name the subject first.<|end|><|start|>assistant"
ANSWERS = [
    f"{THOUGHT}<|channel|>final<|message|>A {color} {thing} in {place}<|return|>"
    for color in ("red", "blue", "green", "white")
    for thing in ("fox", "boat", "house", "tree")
    for place in ("snow", "rain", "fog")
]
QUESTIONS = (
    "<|start|>user<|message|>a cat<|end|><|start|>assistant",
    "<|start|>user<|message|>Zwei Hunde am See!<|end|><|start|>assistant",
)
LOOKS_BACK = (1, 4)
"""How many tokens before the current one the two heads look: the fourth before "<|channel|>" is the last word of a thought, or none."""
HEAD = 64
"""Width of an attention head, as in the released model."""
SHARPNESS = 12.0
"""Large enough that the heads look at one token alone, in bfloat16, too."""
MARGIN = 12.0
"""In nats: so much likelier than they are do tokens of no answer look while the output layer is made."""


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of GPT-OSS, o200k_harmony. Making it takes seconds, so it is kept on disk."""
    made_by = f"{transformers.__version__} {tokenizers.__version__} {TEMPLATE} {inspect.getsource(converted)}"
    kept = CACHE / f"o200k-harmony-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}"
    if not kept.is_dir():
        CACHE.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=CACHE))
        file = vocabulary_file()
        assert file is not None
        converted(file).save_pretrained(draft)
        try:
            draft.rename(kept)
        except OSError:
            # Another process was first.
            shutil.rmtree(draft)
    return PreTrainedTokenizerFast.from_pretrained(kept, local_files_only=True)


def converted(vocabulary: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of GPT-OSS made of o200k_base, a file of tiktoken's, in the form that transformers and vLLM load."""
    by_id = {number: name for name, number in MARKS.items()}
    names = [by_id.get(number, f"<|reserved_{number}|>") for number in range(START, VOCABULARY)]
    converter = TikTokenConverter(vocab_file=str(vocabulary), pattern="|".join(PIECES), extra_special_tokens=names)
    made = PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(), bos_token="<|startoftext|>", eos_token="<|return|>", pad_token="<|endoftext|>"
    )
    assert made.convert_tokens_to_ids(list(MARKS)) == list(MARKS.values())
    made.chat_template = TEMPLATE
    return made


def tiny_config(*, layers: int, hidden: int) -> GptOssConfig:
    """The released configuration, narrow: 26 million parameters at a width of 64, nearly all of them embeddings."""
    return GptOssConfig(
        num_hidden_layers=layers,
        num_local_experts=4,
        num_experts_per_tok=2,
        hidden_size=hidden,
        intermediate_size=hidden,
        head_dim=HEAD,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=VOCABULARY,
        sliding_window=128,
        max_position_embeddings=131072,
        bos_token_id=START,
        pad_token_id=PAD,
        eos_token_id=[RETURN, PAD, CALL],
        rope_parameters={
            "rope_type": "yarn",
            "factor": 32.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": 4096,
            "rope_theta": 150000.0,
        },
    )


def tiny_gpt_oss(*, layers: int = 4, hidden: int = 64, seed: int = 0) -> tuple[LensGptOssEncoder, PreTrainedTokenizerFast]:
    """A model in float32 and its tokenizer. The same arguments make the same weights; the caller's random numbers stay as they are."""
    words = tokenizer()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = LensGptOssEncoder(tiny_config(layers=layers, hidden=hidden)).float().eval().requires_grad_(False)
        model.generation_config.eos_token_id = [RETURN, PAD, CALL]
        model.generation_config.do_sample = True
        _widen(model)
        part = hidden // 6
        current, copies = slice(0, part), [slice(part, 2 * part), slice(2 * part, 3 * part)]
        _keep_free(model, slice(part, 3 * part), slice(0, 3 * part))
        _look_back(model, current, copies)
    _teach(model, words, slice(0, 3 * part))
    return model, words


def build(folder: Path) -> None:
    """In the layout of transformers, in bfloat16 as the released model."""
    model, words = tiny_gpt_oss()
    model.to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)


def _widen(model: GptOssForCausalLM) -> None:
    """As a library initialises them, small matrices hardly change what passes through."""
    for name, weights in model.named_parameters():
        if name.endswith("norm.weight"):
            weights.normal_(1.0, 0.1)
        else:
            weights.normal_(std=1.0 if "embed" in name else 0.3)


def _keep_free(model: GptOssForCausalLM, empty: slice, kept: slice) -> None:
    """Dimensions that no token fills, and that no layer writes to."""
    model.model.embed_tokens.weight[:, empty] = 0
    for layer in model.model.layers:
        for written in (layer.self_attn.o_proj.weight.T, layer.self_attn.o_proj.bias, layer.mlp.experts.down_proj):
            written[..., kept] = 0
        layer.mlp.experts.down_proj_bias[..., kept] = 0


def _look_back(model: GptOssForCausalLM, current: slice, copies: list[slice]) -> None:
    """Makes each head of the first layer copy the ``current`` dimensions of an earlier token into its part of ``copies``.

    Queries and keys are the same for all tokens. Rotated by their positions, a query turned back by some positions fits the key that is so
    many positions before it.
    """
    attention = model.model.layers[0].self_attn
    angles = model.model.rotary_emb.inv_freq
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.zero_()
    turned = [torch.cat([torch.cos(back * angles), -torch.sin(back * angles)]) for back in LOOKS_BACK]
    attention.q_proj.bias.copy_(SHARPNESS * torch.cat(turned))
    attention.k_proj.bias.copy_(SHARPNESS * torch.cat([torch.ones_like(angles), torch.zeros_like(angles)]))
    size = current.stop - current.start
    attention.v_proj.weight[:size] = 0
    attention.v_proj.weight[:size, current] = torch.eye(size)
    attention.v_proj.bias[:size] = 0
    for head, copy in enumerate(copies):
        first = head * HEAD
        attention.o_proj.weight[copy, first : first + size] = torch.eye(size)


def _teach(model: GptOssForCausalLM, words: PreTrainedTokenizerFast, kept: slice) -> None:
    """Sets the output layer, which reads the ``kept`` dimensions, so that one of the answers comes out, and nothing else."""
    states: list[Tensor] = []
    followers: list[int] = []
    for question in QUESTIONS:
        asked = len(words.encode(question))
        for answer in ANSWERS:
            ids = words.encode(question + answer)
            states.append(model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, asked - 1 : -1, kept])
            followers += ids[asked:]
    used, targets = torch.tensor(followers).unique(return_inverse=True)
    read = torch.cat(states)
    rows = torch.zeros(len(used), read.shape[1], requires_grad=True)
    # All other tokens have a row of zeros, and so a logit of zero; here they are made to look likelier than that.
    others = torch.full((len(read), 1), math.log(VOCABULARY) + MARGIN)
    optimizer = torch.optim.LBFGS([rows], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        wrong = torch.nn.functional.cross_entropy(torch.cat([read @ rows.T, others], dim=1), targets)
        wrong.backward()
        return wrong

    optimizer.step(loss)
    head = model.lm_head.weight
    head.zero_()
    head[used, kept] = rows.detach()
