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
from generator.lens.template import FROZEN_DATE, MAX_TOKENS, Template

if TYPE_CHECKING:
    from tiktoken import Encoding

HARMONY = "o200k_harmony"
"""The tokenizer of GPT-OSS, which Lens reads with."""

_VOCABULARY = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
_LETTERS = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PIECES = (
    f"{_LETTERS}{_UPPER}*{_LOWER}+{_CONTRACTION}",
    f"{_LETTERS}{_UPPER}+{_LOWER}*{_CONTRACTION}",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
)
"""What the encoding cuts a text into before it merges bytes: part of its definition."""
MARKS = {
    "<|startoftext|>": 199998, "<|endoftext|>": 199999, "<|return|>": 200002, "<|constrain|>": 200003, "<|channel|>": 200005,
    "<|start|>": 200006, "<|end|>": 200007, "<|message|>": 200008, "<|call|>": 200012, "<|endofprompt|>": 200018,
}  # fmt: skip
"""The special tokens that have a name; all others up to 201087 are reserved."""


def harmony_limit(tokens: int) -> TextLimit:
    """At most ``tokens`` as GPT-OSS counts them."""
    return TextLimit(HARMONY, tokens, harmony_tokens)


@cache
def lens_limit() -> TextLimit:
    """What Lens reads of a rewrite: its 512 tokens less those of its template."""
    return harmony_limit(lens_template().room)


def lens_template(date: str = FROZEN_DATE, max_tokens: int = MAX_TOKENS) -> Template:
    """Lens's template for whoever holds no tokenizer of transformers."""
    encoding = harmony()
    return Template(encoding.encode_ordinary, encoding.encode_single_token, date=date, max_tokens=max_tokens)


def harmony_tokens(text: str) -> int:
    """The number of tokens of ``text``; ``<|…|>`` in it are letters like any others."""
    return len(harmony().encode_ordinary(text))


@cache
def harmony() -> "Encoding":
    """The encoding, from the vocabulary in litellm's wheel; where that has none, as tiktoken gets it: its cache, or the network."""
    from tiktoken import Encoding, get_encoding

    file = vocabulary_file()
    if file is None:
        return get_encoding(HARMONY)
    # Not tiktoken's own reader: it copies what it reads into the system's temporary folder.
    rows = (line.split() for line in file.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    return Encoding(HARMONY, pat_str="|".join(PIECES), mergeable_ranks=ranks, special_tokens=MARKS)


def vocabulary_file() -> Path | None:
    """Where litellm keeps the vocabulary, under the name that tiktoken's cache has for it."""
    # Found, not imported: litellm takes seconds.
    litellm = find_spec("litellm")
    folders = litellm.submodule_search_locations if litellm is not None else None
    name = hashlib.sha1(_VOCABULARY.encode(), usedforsecurity=False).hexdigest()
    files = [Path(folder, "litellm_core_utils", "tokenizers", name) for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)
