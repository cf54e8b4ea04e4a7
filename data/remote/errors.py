"""What an endpoint says when it refuses, read once for all who ask; and every trouble with an endpoint as a StageError.

Texts are those that OpenAI, Azure, vLLM, SGLang, llama.cpp, Ollama, Mistral and OpenRouter send. No key is ever repeated.
"""

import difflib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeAlias, cast

import httpx
import openai

from data.errors import FailureKind, StageError

ApiName: TypeAlias = Literal["chat", "responses"]
Json: TypeAlias = Mapping[str, Any]

REWORD = "reword the prompt or the system prompt, or use another model"

MOST_SHOWN = 200
"""Characters of an endpoint's own words in a message."""

_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|key)[-_][\w*.…-]{4,}|\bAIza[\w-]{12,}|(?<=Bearer )\S+|\S*\*{3,}\S*")
_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype|html|head|body|[a-z]+[ >])", re.IGNORECASE | re.DOTALL)
_NO_CREDIT = re.compile(r"insufficient_quota|billing|credit|insufficient_balance|quota_exceeded")
_NO_CREDIT_TEXT = re.compile(r"insufficient (?:credit|balance|funds)|out of credits|credit balance is too low")
_CONTEXT = re.compile(r"context_length_exceeded|exceed_context_size|maximum model length|context (?:length|window|size)|prompt is too long")
_REFUSED_CODE = re.compile(r"content_?filter|content_policy|moderation|invalid_prompt|responsibleai")
_REFUSED_TEXT = re.compile(r"safety (?:system|filter|checker)|content (?:policy|management|filter)|usage polic|flagged|moderation|\bnsfw\b")
_NO_MODEL_CODE = re.compile(r"model_not_found|unknown_model|invalid_model|deploymentnotfound")
_NO_MODEL_TEXT = re.compile(
    r"not a valid model|model\W.{0,120}\b(?:does not exist|not found|unknown|not exist)|(?:no such|unknown) model", re.DOTALL
)
_CHAT_IS_WRONG = re.compile(
    r"v1/responses|responses api|not a chat model|chat[/ ]?completions? (?:api|operation|endpoint)|chat/completions"
)
_NO_VISION = re.compile(
    r"not (?:a )?multi-?modal|(?:image|vision)[^.]*\bnot\b[^.]*\bsupport|support[^.]*\b(?:image|vision)|mmproj|image_url|only text|"
    r"at most 0 image|does not (?:have|take|accept)[^.]*\b(?:image|vision)"
)
_TOO_LARGE_IMAGE = re.compile(
    r"image[^.]{0,80}(?:too large|too big|exceeds?|maximum|larger than|at most)|(?:too many|exceeds?)[^.]{0,60}pixels"
)
_RESPONSES_IS_WRONG = re.compile(r"/responses|responses api")


@dataclass(frozen=True, slots=True)
class Wording:
    """How messages name what is asked for. ``serves``: what should answer; ``delivers``: with what.

    ``section``: the profile's whose settings hints name; ``shorten``, ``smaller`` and ``shrink``: what helps where a request, an answer or
    an image is too long or too large.
    """

    section: str = "reasoner"
    serves: str = "LLM"
    delivers: str = "a text"
    shorten: str = "shorten the system prompt, lower reasoner.max_tokens, or serve a longer context"
    smaller: str = "lower reasoner.max_tokens"
    shrink: str = "give it smaller ones"


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go, for messages: the endpoint's ``name``, the ``model``, the names of the user's ``parameters``, the ``key`` to hide."""

    name: str
    model: str
    key: str | None
    parameters: Sequence[str]
    at_openai: bool
    wording: Wording = Wording()

    def hidden(self, text: str, most: int = MOST_SHOWN) -> str:
        """A line of the endpoint's own words, cut to ``most`` characters, without the key or what looks like one."""
        return hidden(text, self.key, most)


def hidden(text: str, key: str | None, most: int = MOST_SHOWN) -> str:
    """``text`` in one line of at most ``most`` characters, without ``key`` or what looks like one."""
    if key:
        text = text.replace(key, "…")
    text = " ".join(_SECRET.sub("…", text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status of 400 or more. ``said`` are the endpoint's words; ``code``, ``param`` and ``text`` (all words) are lower-case, for
    searching. ``is_json`` is false where something else than an LLM endpoint seems to answer. ``categories``: what it is that a moderation
    found, as it names it."""

    status: int
    said: str
    code: str
    param: str
    text: str
    is_json: bool
    retry_after: float | None
    categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, response: httpx.Response) -> "Refusal":
        return cls.read(response.status_code, response.text, response.headers)

    @classmethod
    def read(cls, status: int, body: str, headers: Mapping[str, str]) -> "Refusal":
        try:
            sent = json.loads(body)
        except ValueError:
            words = without_tags(body) or "(no text)"
            return cls(status, words, "", "", words.lower(), False, retry_after(headers))
        error = _inner(sent)
        said = error.get("message") or error.get("detail") or error.get("error") or sent
        said = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
        param = str(error.get("param") or "").lower()
        return cls(status, said, code.lower(), param, said.lower(), True, retry_after(headers), moderated_for(error))

    def is_about_model(self) -> bool:
        """Whether the model is not there."""
        if self.status not in (400, 404, 422) or self.is_about_api("chat", by_words=True):
            return False
        by_code = bool(_NO_MODEL_CODE.search(self.code)) or (self.param == "model" and self.status == 404)
        return by_code or bool(_NO_MODEL_TEXT.search(self.text))

    def is_about_content(self) -> bool:
        """Whether a moderation or a safety filter of the far side has spoken."""
        return is_about_content(self.status, self.code, self.text)

    def is_about_api(self, api: ApiName, *, by_words: bool = False) -> bool:
        """Whether it is ``api`` that is not there, or not for this model. ``by_words``: only where the endpoint says so."""
        wrong = _CHAT_IS_WRONG if api == "chat" else _RESPONSES_IS_WRONG
        if self.status in (400, 404, 405, 422, 501) and wrong.search(self.text):
            return True
        return not by_words and (self.status == 405 or (self.status == 404 and not self.is_about_model()))


def _inner(sent: object) -> dict[str, Any]:
    """The error in a JSON body: under "error" as a rule, also in a list, or the body itself."""
    entries = cast("list[object]", sent) if isinstance(sent, list) else [sent]
    first = entries[0] if entries else None
    body = cast("dict[str, Any]", first) if isinstance(first, dict) else {}
    return cast("dict[str, Any]", body["error"]) if isinstance(body.get("error"), dict) else body


def is_about_content(status: int | None, code: str, text: str) -> bool:
    """Whether a refusal's lower-case code or words are those of a moderation or a safety filter."""
    return status in (400, 403, 422) and bool(_REFUSED_CODE.search(code) or _REFUSED_TEXT.search(text))


def moderated_for(sent: Mapping[str, Any]) -> tuple[str, ...]:
    """The categories that an error, or an answer without content, names as the reason: in OpenAI's way or in Azure's."""
    details = _mapping(sent.get("moderation_details"))
    named = details.get("categories")
    inner = _mapping(sent.get("inner_error") or sent.get("innererror")) or sent
    results = _mapping(inner.get("content_filter_results") or inner.get("content_filter_result"))
    filtered = [name for name, result in results.items() if _mapping(result).get("filtered") is True]
    return tuple(str(name) for name in (cast("list[object]", named) if isinstance(named, list) else filtered))


def _mapping(value: object) -> Json:
    return cast(Json, value) if isinstance(value, Mapping) else {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a number of milliseconds or seconds or from a date; None where nothing is asked."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except ValueError:
        return None


def without_tags(text: str) -> str:
    """The words of an HTML page; other text as it is."""
    if not _HTML.match(text):
        return text.strip()
    visible = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", " ", text[:20_000], flags=re.IGNORECASE | re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", visible).split())


# -- what becomes of it


def refused(refusal: Refusal, to: Target) -> StageError:
    """A refusal as a StageError. An unknown model's is made by :func:`unknown_model`, which can name others."""
    answered = f"{to.name} answered {refusal.status}"
    message = f"{answered}: {to.hidden(refusal.said)}"
    status = refusal.status
    if _CONTEXT.search(f"{refusal.code} {refusal.text}") and status in (400, 413, 422, 500):
        return StageError(FailureKind.CONTEXT_TOO_LONG, message, hint=to.wording.shorten)
    if refusal.is_about_content():
        return StageError(FailureKind.REFUSED, message, hint=REWORD)
    if status == 402 or _NO_CREDIT.search(refusal.code) or (status == 429 and _NO_CREDIT_TEXT.search(refusal.text)):
        return StageError(FailureKind.OUT_OF_CREDIT, message, hint="add credit to the account behind the key, or use another key")
    if status in (401, 403):
        return _unauthorized(refusal, to)
    if status == 429:
        hint = f"wait a while, or lower {to.wording.section}.concurrency"
        return StageError(FailureKind.RATE_LIMITED, message, retryable=True, retry_after=refusal.retry_after, hint=hint)
    if status >= 500 or status in (408, 409):
        hint = "look at the server's own log"
        return StageError(FailureKind.SERVER_ERROR, message, retryable=True, retry_after=refusal.retry_after, hint=hint)
    return StageError(FailureKind.REJECTED, message, hint=_what_to_leave_out(refusal, to))


def images_refused(status: int | None, said: str, to: Target) -> StageError | None:
    """What the far side ``said``, with an HTTP ``status``, of the images in a request, as a StageError; None where it is about something
    else."""
    text = said.lower()
    if status == 413 or (status in (400, 422) and _TOO_LARGE_IMAGE.search(text)):
        return StageError(
            FailureKind.REJECTED,
            f"{to.name} finds the image too large: {to.hidden(said)}",
            hint=f"show smaller images: {to.wording.shrink}",
        )
    if status in (400, 404, 415, 422, 500, 501) and takes_no_images(text):
        return StageError(
            FailureKind.UNSUPPORTED, f"{to.model} at {to.name} takes no images: {to.hidden(said)}", hint="name a model with vision"
        )
    return None


def takes_no_images(text: str) -> bool:
    """Whether a refusal's words say that the model has no eyes."""
    return bool(_NO_VISION.search(text.lower()))


def blocked(refusal: Refusal, to: Target) -> StageError:
    """A refusal for what was asked for, where the far side is no LLM that could have said so itself."""
    what = f" ({to.hidden(', '.join(refusal.categories))})" if refusal.categories else ""
    message = f"{to.name} blocked the request: {to.hidden(refusal.said)}{what}"
    return StageError(FailureKind.BLOCKED, message, hint=REWORD)


def _unauthorized(refusal: Refusal, to: Target) -> StageError:
    # The words of a 401 add nothing, and many servers quote the key in them.
    why = (
        f": {to.hidden(refusal.said)}" if refusal.status == 403 else ": the key is wrong" if to.key else ": it wants a key, and none is set"
    )
    hint = "set OPENAI_API_KEY" if to.at_openai else "set PHOROPTER_API_KEY, or name the variable that has the key: ?key_env=NAME"
    return StageError(FailureKind.UNAUTHORIZED, f"{to.name} answered {refusal.status}{why}", hint=hint)


def _what_to_leave_out(refusal: Refusal, to: Target) -> str:
    if refusal.status in (404, 405) and not to.name.endswith("/v1"):
        return f"the address of an endpoint usually ends in /v1: try {to.name}/v1"
    for text in (refusal.param, refusal.text):
        named = [name for name in to.parameters if re.search(rf"\b{re.escape(name.lower())}\b", text)]
        if named:
            return f"leave {max(named, key=len)} out of the engine spec, or give it another value"
    return "see `phoropter doctor`" if refusal.status in (404, 405) else ""


def wrong_api(refusal: Refusal, api: ApiName, to: Target) -> StageError:
    """The API that the spec asks for is not there."""
    title = {"chat": "chat completions API", "responses": "Responses API"}[api]
    return StageError(
        FailureKind.REJECTED,
        f"{to.name} does not serve {to.model} by the {title}: it answered {refusal.status}: {to.hidden(refusal.said)}",
        hint=f"leave api={api} out of the engine spec",
    )


def unknown_model(refusal: Refusal, models: Sequence[str], to: Target) -> StageError:
    """``models`` are those that the endpoint has, as far as it tells."""
    if not models:
        message = f"{to.name} has no model {to.model}: {to.hidden(refusal.said)}"
        return StageError(FailureKind.UNKNOWN_MODEL, message, hint="is the model's name right? see `phoropter doctor`")
    near = difflib.get_close_matches(to.model, models, n=8, cutoff=0.0)
    names = ", ".join(near) + (f" and {len(models) - len(near)} more" if len(models) > len(near) else "")
    hint = f"write the name as the endpoint has it, for example {near[0]}"
    return StageError(FailureKind.UNKNOWN_MODEL, f"{to.name} has no model {to.model}; it has {to.hidden(names, 400)}", hint=hint)


def not_reached(error: openai.OpenAIError, to: Target) -> StageError:
    """No answer came, or it broke off."""
    cause = error.__cause__
    if isinstance(error, openai.APITimeoutError) and not isinstance(cause, httpx.ConnectTimeout):
        return StageError(
            FailureKind.TIMEOUT, f"{to.name} did not answer in time", retryable=True, hint=f"raise {to.wording.section}.timeout"
        )
    if isinstance(cause, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
        message = f"{to.name} broke the connection off before its answer was complete"
        return StageError(FailureKind.UNREACHABLE, message, retryable=True, hint="look at the server's own log: did it crash or restart?")
    why = f" ({to.hidden(str(cause), 100)})" if str(cause or "").strip() else ""
    hint = f"is the server up? check {to.wording.section}.engine, or run `phoropter doctor`"
    return StageError(FailureKind.UNREACHABLE, f"no connection to {to.name}{why}", retryable=True, hint=hint)


def read_body(response: httpx.Response, to: Target) -> Json | StageError | Refusal:
    """The JSON object in an answer with a good status. Some send errors that way, which come back as what they are."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "text/html" or response.content[:1] == b"<":
        seen = to.hidden(without_tags(response.text), 60)
        message = f"{to.name} answered an HTML page ({seen!r}), so no {to.wording.serves} is served there"
        return StageError(FailureKind.MALFORMED, message, hint=_where_else(to))
    if kind and "json" not in kind:
        return StageError(
            FailureKind.MALFORMED, f"{to.name} answered {kind} instead of JSON: {to.hidden(response.text, 60)!r}", retryable=True
        )
    try:
        body = json.loads(response.content)
    except ValueError:
        seen = to.hidden(response.text, 60)
        return StageError(FailureKind.MALFORMED, f"{to.name} answered broken JSON: {seen!r}", retryable=True)
    if not isinstance(body, dict):
        seen = to.hidden(response.text, 60)
        return StageError(
            FailureKind.MALFORMED, f"{to.name} answered JSON that is no {to.wording.serves}'s answer: {seen!r}", retryable=True
        )
    answer = cast(Json, body)
    return _error_inside(answer, response, to) if answer.get("error") or answer.get("object") == "error" else answer


def _error_inside(answer: Json, response: httpx.Response, to: Target) -> StageError | Refusal:
    error = _inner(answer)
    status = error.get("code")
    status = {"rate_limit_exceeded": 429, "server_error": 500, "invalid_prompt": 400, "moderation_blocked": 400}.get(str(status), status)
    if isinstance(status, int) and 400 <= status < 600:
        return Refusal.read(status, response.text, response.headers)
    said = Refusal.read(0, response.text, {}).said
    return StageError(
        FailureKind.MALFORMED, f"{to.name} answered an error instead of {to.wording.delivers}: {to.hidden(said)}", retryable=True
    )


def _where_else(to: Target) -> str:
    if to.name.endswith("/v1"):
        return "check the address in the engine spec: it should be an OpenAI-shaped endpoint's"
    return f"the address of an endpoint usually ends in /v1: try {to.name}/v1"
