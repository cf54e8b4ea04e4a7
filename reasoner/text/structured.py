"""The prompt in an answer that is JSON, or nearly: an object, a list, a string. Mends nothing that is cut off."""

import json
import re
from typing import Any, NamedTuple, cast

from data.errors import FailureKind, StageError

_OBJECT = re.compile(r"\{\s*[\"'“][\w -]{1,40}[\"'”]\s*:|\[\s*[{\"]")
_KEYS = (
    "prompt", "rewrittenprompt", "rewrite", "finalprompt", "enhancedprompt", "improvedprompt", "revisedprompt", "refinedprompt",
    "newprompt",
    "imageprompt", "positiveprompt", "expandedprompt", "optimizedprompt", "prompttext", "prompts", "rewritten", "text", "description",
    "caption", "output", "result", "answer", "response", "content", "final", "promptrewrite", "提示词", "プロンプト",
)  # fmt: skip
_RATIO_KEYS = ("aspectratio", "ratio", "ar", "aspect")
_LOOSE = re.compile(r"[\"'“]([\w -]{1,40})[\"'”]\s*:\s*([\"'“])")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_DEPTH = 4


class Found(NamedTuple):
    """A prompt, the aspect ratio beside it as it was written (or ""), how many further prompts there are, and the text after the JSON."""

    prompt: str
    ratio: str = ""
    further: int = 0
    rest: str = ""


def read_json(text: str) -> Found | None:
    """The prompt in ``text`` where that is JSON; None where it is not. StageError MALFORMED where no prompt can be read from it."""
    if text.startswith('"'):
        return _string(text)
    if not _OBJECT.match(text):
        return None
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return _loose(text)
    found = _found(value, _DEPTH)
    if found is None:
        raise StageError(FailureKind.MALFORMED, "the answer is JSON without a prompt in it", retryable=True)
    return found._replace(rest=text[end:].strip())


def _string(text: str) -> Found | None:
    """A JSON string; one without escapes is simply a quoted text."""
    if "\\" not in text:
        return None
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return Found(value)


def _found(value: object, depth: int) -> Found | None:
    if isinstance(value, str):
        return Found(value)
    if depth == 0 or not isinstance(value, dict | list) or not value:
        return None
    if isinstance(value, list):
        entries = cast(list[Any], value)
        first = _found(entries[0], depth - 1)
        return first and first._replace(further=first.further + len(entries) - 1)
    named = {re.sub(r"[\W_]", "", key.lower()): entry for key, entry in cast(dict[str, Any], value).items()}
    texts = [key for key in named if isinstance(named[key], str) and key not in _RATIO_KEYS]
    key = next((key for key in _KEYS if key in named), texts[0] if len(texts) == 1 else "")
    found = _found(named.get(key), depth - 1)
    ratio = next((named[key] for key in _RATIO_KEYS if isinstance(named.get(key), str)), "")
    return found and found._replace(ratio=ratio or found.ratio)


def _loose(text: str) -> Found:
    """The prompt in what only looks like JSON: other quotes, bare quotes inside, a brace missing. A value without an end is no prompt."""
    values = {re.sub(r"[\W_]", "", match[1].lower()): match for match in _LOOSE.finditer(text, 0, 4000)}
    ratio = next((_value(text, values[key]) for key in _RATIO_KEYS if key in values), None)
    for key in _KEYS:
        if key in values and (value := _value(text, values[key])):
            return Found(value, ratio or "")
    raise StageError(FailureKind.MALFORMED, "the answer is broken JSON: no complete prompt can be read from it", retryable=True)


def _value(text: str, match: re.Match[str]) -> str | None:
    mark = {"“": "”"}.get(match[2], match[2])
    # It ends where a key or the object's end follows: a bare quote inside does not.
    end = re.compile(rf"(?<!\\){mark}(?=\s*(?:,\s*[\"'“][\w -]{{1,40}}[\"'”]\s*:|,?\s*\}}|,?\s*\Z))").search(text, match.end())
    return None if end is None else _ESCAPE.sub(_unescaped, text[match.end() : end.start()])


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return {"n": "\n", "t": "\t", "r": "\n", "b": "", "f": ""}.get(escape, escape)
