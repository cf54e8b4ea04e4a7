"""How much text generators read, and how they count it: with GPT-OSS's own tokenizer, offline.

Nothing is loaded before the first text is counted. It cuts nothing: that is the generators' own doing.
"""

# pyright: reportMissingTypeStubs=false

import base64
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from data.textlimit import TextLimit

if TYPE_CHECKING:
    from tiktoken import Encoding

HARMONY = "o200k_harmony"
"""The tokenizer of GPT-OSS, which Lens reads with."""

LENS_TOKENS = 512
"""What Lens's text encoder takes in all, its template included; the rest is cut off on the right."""
LENS_BEFORE = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\nCurrent date: 2026-05-26\n\nReasoning: medium\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
    "<|start|>developer<|message|># Instructions\n\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background.\n\n<|end|><|start|>user<|message|>"
)
"""Lens's template before the user's words. The date is the day's; each has as many tokens as any other."""
LENS_AFTER = (
    "<|end|><|start|>assistant<|channel|>analysis<|message|>Need to generate one image according to the description.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>"
)
"""Lens's template after the user's words. A text that is too long pushes it out, which is why it is kept free."""

_VOCABULARY = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
_LETTERS = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PIECES = (
    f"{_LETTERS}{_UPPER}*{_LOWER}+{_CONTRACTION}",
    f"{_LETTERS}{_UPPER}+{_LOWER}*{_CONTRACTION}",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
)
"""What the encoding cuts a text into before it merges bytes: part of its definition."""
_MARKS = {
    "<|startoftext|>": 199998, "<|endoftext|>": 199999, "<|return|>": 200002, "<|constrain|>": 200003, "<|channel|>": 200005,
    "<|start|>": 200006, "<|end|>": 200007, "<|message|>": 200008, "<|call|>": 200012, "<|endofprompt|>": 200018,
}  # fmt: skip


def harmony_limit(tokens: int) -> TextLimit:
    """At most ``tokens`` as GPT-OSS counts them."""
    return TextLimit(HARMONY, tokens, harmony_tokens)


@cache
def lens_limit() -> TextLimit:
    """What Lens reads of a rewrite: its 512 tokens less those of its template."""
    return harmony_limit(LENS_TOKENS - _marked_tokens(LENS_BEFORE) - _marked_tokens(LENS_AFTER))


def harmony_tokens(text: str) -> int:
    """The number of tokens of ``text``; ``<|…|>`` in it are letters like any others."""
    return len(_harmony().encode_ordinary(text))


def _marked_tokens(template: str) -> int:
    return len(_harmony().encode(template, allowed_special="all"))


@cache
def _harmony() -> "Encoding":
    """The encoding, from the vocabulary in litellm's wheel; where that has none, as tiktoken gets it: its cache, or the network."""
    from tiktoken import Encoding, get_encoding

    file = _vocabulary_file()
    if file is None:
        return get_encoding(HARMONY)
    # Not tiktoken's own reader: it copies what it reads into the system's temporary folder.
    rows = (line.split() for line in file.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    return Encoding(HARMONY, pat_str="|".join(_PIECES), mergeable_ranks=ranks, special_tokens=_MARKS)


def _vocabulary_file() -> Path | None:
    # Found, not imported: litellm takes seconds.
    litellm = find_spec("litellm")
    folders = litellm.submodule_search_locations if litellm is not None else None
    name = hashlib.sha1(_VOCABULARY.encode(), usedforsecurity=False).hexdigest()
    files = [Path(folder, "litellm_core_utils", "tokenizers", name) for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)
