# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false
"""Every provider that litellm knows: which one a model's name means, its key, and what its refusals mean. Imports litellm: seconds.

Prices come from the table inside the package. litellm would fetch a newer one, and read a ``.env`` file, while it is imported:
ui/settings.py sets LITELLM_LOCAL_MODEL_COST_MAP and LITELLM_MODE before. Its retries, caches, callbacks and
printing are off: retries are the stage's.
"""

import difflib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import httpx
import openai

with warnings.catch_warnings():
    # What it warns of is not ours to mend. Part of it comes only when its classes are first used, so they are, here.
    warnings.simplefilter("ignore")
    import litellm
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    litellm.ModelResponse()
    litellm.utils.Usage()

from data.errors import FailureKind, StageError, UsageError
from data.remote.errors import REWORD, Target, Wording, hidden, images_refused, is_about_content, retry_after

OWN_KEY = "PHOROPTER_API_KEY"
"""What an endpoint of one's own gets. A provider's key goes to that provider alone."""
NO_KEY = "none"
"""What is sent where no key is set: clients insist on one."""
_SHAPE = "write litellm:PROVIDER/MODEL, for example litellm:anthropic/claude-sonnet-4-5 or litellm:gemini/gemini-2.5-pro"

# Providers' modules are loaded at their first call, and warn of nothing that concerns anyone here.
warnings.filterwarnings("ignore", "Items? .* using the `ReadOnly` qualifier", UserWarning)

litellm.suppress_debug_info = True
litellm.turn_off_message_logging = True
litellm.drop_params = False
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)

_open: set[int] = set()
"""Providers in use. litellm keeps one pool of connections for all, which is closed with the last of them."""


def provider_of(model: str) -> str:
    """The provider that ``model`` names. UsageError where it names none, with those nearest to it."""
    try:
        return str(litellm.get_llm_provider(model)[1])
    except litellm.exceptions.BadRequestError:
        pass
    known = sorted(str(getattr(provider, "value", provider)) for provider in litellm.provider_list)
    near = difflib.get_close_matches(model.partition("/")[0], known, n=5, cutoff=0.4) if "/" in model else []
    there_are = (
        f"; nearest providers: {', '.join(near)}" if near else f"; {len(known)} providers, such as anthropic, gemini, mistral, ollama"
    )
    raise UsageError(f"litellm knows no provider for {model!r}", hint=_SHAPE + there_are)


class Shaped(NamedTuple):
    """A provider that speaks as OpenAI does: what it calls the ``model``, its ``url`` (None: OpenAI's own), and its key."""

    model: str
    url: str | None
    key: str | None


def openai_shaped(model: str, url: str | None, secret: Callable[[str], str | None]) -> Shaped | None:
    """How to speak with the provider that ``model`` names, at ``url`` or at its own address, without litellm; None where it has a way of
    its own. UsageError: no such provider, or no key."""
    provider = provider_of(model)
    if provider != "openai" and provider not in litellm.openai_compatible_providers:
        return None
    if url is None:
        _check_keys(model, secret)
    bare, _, found, address = litellm.get_llm_provider(model)
    key = _key(model, url, secret, provider) or found
    return Shaped(bare, url or address, None if key == NO_KEY else key)


def missing_keys(model: str, secret: Callable[[str], str | None]) -> list[str]:
    """The variables of which one has to hold a key for ``model``, where none does. [] also where the provider needs none, or has other ways
    to find one (AWS, Google Cloud)."""
    names = _key_names(model)
    return [] if any(map(secret, names)) else names


def _check_keys(model: str, secret: Callable[[str], str | None]) -> None:
    if missing := missing_keys(model, secret):
        example = f"export {missing[0]}=…"
        raise UsageError(f"{' or '.join(missing)} is not set", hint=f"{example}, or name a variable of your own: ?key_env=NAME")


def _key_names(model: str) -> list[str]:
    """The variables that may hold the key for ``model``, as litellm names them; [] where none is needed or litellm found it."""
    named = litellm.validate_environment(model)["missing_keys"]
    return [name for name in named if name.endswith(("_KEY", "_TOKEN")) and not name.startswith("AWS_")]


class Provider:
    """One provider's ``model``, or an endpoint at ``url`` that speaks as it does. ``secret`` finds a key by a variable's name.

    ``parameters`` are the names of those that the user wrote. UsageError: no such provider, or no key.
    """

    def __init__(
        self, model: str, *, url: str | None, secret: Callable[[str], str | None], parameters: Sequence[str], wording: Wording
    ) -> None:
        self.provider = provider_of(model)
        if url is None:
            _check_keys(model, secret)
        self.name = url or self.provider
        self.model = model
        self.url = url
        self.key = _key(model, url, secret, self.provider)
        self._parameters = tuple(parameters)
        self._wording = wording
        _open.add(id(self))

    def __repr__(self) -> str:
        return f"Provider({self.model!r}, url={self.url!r})"

    async def aclose(self) -> None:
        """Ends litellm's connections, once nobody uses them any more."""
        _open.discard(id(self))
        if not _open:
            await close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()

    def hidden(self, text: str) -> str:
        """``text`` in one line, short, and without anything like a key."""
        return hidden(text, None if self.key == NO_KEY else self.key)

    def images_refused(self, error: Exception) -> StageError | None:
        """litellm's exception as ours where it is about the images in the request; else None."""
        to = Target(self.name, self.model, None, self._parameters, False, self._wording)
        return images_refused(status_of(error), self._words(error), to)

    def stage_error(self, error: Exception) -> StageError:
        """litellm's exception as ours, REFUSED where a moderation has spoken. It never holds a key, nor a provider's words about one."""
        kind, status = _kind(error), status_of(error)
        said = f"{self.name} answered {status}: {self._words(error)}" if status else f"{self.name}: {self._words(error)}"
        wait = retry_after(_headers(error))
        match kind:
            case FailureKind.TIMEOUT:
                return StageError(kind, f"{self.name} did not answer in time", retryable=True)
            case FailureKind.UNREACHABLE:
                return StageError(
                    kind,
                    f"no connection to {self.name}",
                    retryable=True,
                    hint="is the address right, and the network up? see `phoropter doctor`",
                )
            case FailureKind.UNAUTHORIZED:
                return StageError(
                    kind,
                    f"{self.name} answered {status or 401}: the key is missing, wrong or not allowed to do this",
                    hint=self._key_hint(),
                )
            case FailureKind.UNKNOWN_MODEL:
                return StageError(kind, f"{self.name} has no model {self.model!r}: {self._words(error)}", hint=self._model_hint())
            case FailureKind.OUT_OF_CREDIT:
                return StageError(kind, said, hint=f"look at the billing page of {self.name}")
            case FailureKind.RATE_LIMITED:
                return StageError(
                    kind, said, retryable=True, retry_after=wait, hint=f"wait a while, or lower {self._wording.section}.concurrency"
                )
            case FailureKind.SERVER_ERROR:
                return StageError(kind, said, retryable=True, retry_after=wait, hint="look at the server's own log")
            case FailureKind.CONTEXT_TOO_LONG:
                return StageError(kind, said, hint=self._wording.shorten)
            case FailureKind.REFUSED:
                return StageError(kind, f"{self.name} declined by its content policy: {self._words(error)}", hint=REWORD)
            case FailureKind.MALFORMED if _is_page(error):
                return StageError(
                    kind,
                    f"{self.name} answered with a web page: no {self._wording.serves} is served there",
                    hint="does the address lack its /v1?",
                )
            case FailureKind.MALFORMED:
                return StageError(
                    kind, f"{self.name} answered something that is no {self._wording.serves}'s answer: {self._words(error)}", retryable=True
                )
            case FailureKind.UNSUPPORTED:
                return StageError(kind, said, hint=f"install the package that {self.provider} needs")
            case _:
                return StageError(kind, said, hint=self._parameter_hint(error))

    def _words(self, error: Exception) -> str:
        """What is said to be wrong, in one line and without anything like a key."""
        said = str(getattr(error, "message", "") or error).partition("Traceback (most recent")[0]
        return self.hidden(re.sub(r"litellm\.\w+: |\b\w+(?:Error|Exception)\b(?::| -) ?", "", said))

    def _key_hint(self) -> str:
        if self.url is not None:
            return f"set {OWN_KEY}, or name the variable with the key: ?key_env=NAME"
        return f"set {self.provider.upper()}_API_KEY, or name the variable with the key: ?key_env=NAME"

    def _model_hint(self) -> str:
        if self.url is not None:
            return "is the model's name right? see `phoropter doctor`"
        known = [name.removeprefix(f"{self.provider}/") for name in litellm.models_by_provider.get(self.provider, ())]
        near = difflib.get_close_matches(self.model.removeprefix(f"{self.provider}/"), known, n=5, cutoff=0.4)
        return f"litellm knows of {self.provider}: {', '.join(near)}" if near else _SHAPE

    def _parameter_hint(self, error: Exception) -> str:
        named = [name for name in self._parameters if re.search(rf"\b{re.escape(name)}\b", str(error))]
        return f"take {', '.join(named)} out of the spec: {self.model} does not take it" if named else ""


def _key(model: str, url: str | None, secret: Callable[[str], str | None], provider: str) -> str | None:
    """The key to send. None: litellm finds one by its own means."""
    if url is not None:
        return secret(OWN_KEY) or NO_KEY
    names = [*_key_names(model), f"{provider.upper()}_API_KEY"]
    return next((key for name in names if (key := secret(name))), None)


# -- litellm's exceptions. It wraps those of a provider's client, often as another class: what lies underneath tells more.


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the provider's answer; None where there was no answer."""
    statuses = [one.response.status_code for one in _chain(error) if isinstance(one, httpx.HTTPStatusError)]
    statuses += [status for one in _chain(error) if isinstance(status := getattr(one, "status_code", None), int)]
    return statuses[0] if statuses else None


def _headers(error: BaseException) -> Mapping[str, str]:
    for one in _chain(error):
        for headers in (getattr(one, "litellm_response_headers", None), getattr(getattr(one, "response", None), "headers", None)):
            if headers:
                return headers
    return {}


def _is_page(error: BaseException) -> bool:
    return bool(re.search(r"<!doctype html|<html", str(error), re.IGNORECASE))


def _kind(error: Exception) -> FailureKind:
    chain = list(_chain(error))
    status, message = status_of(error), str(error).lower()
    answered = any(isinstance(one, httpx.HTTPStatusError) for one in chain)
    for kind, classes in _BY_CLASS.items():
        if isinstance(error, classes):
            return kind
    if not answered:
        if any(isinstance(one, _STUMBLED) for one in chain) and not any(isinstance(one, _OTHER_CAUSES) for one in chain):
            return FailureKind.MALFORMED
        for kind, classes in _UNDERNEATH.items():
            if any(isinstance(one, classes) for one in chain):
                return kind
        if isinstance(error, litellm.exceptions.APIResponseValidationError) or "invalid response from llm endpoint" in message:
            return FailureKind.MALFORMED
    if status in (402, 429) and (status == 402 or re.search(r"insufficient_quota|billing|exceeded your current quota|credit", message)):
        return FailureKind.OUT_OF_CREDIT
    if is_about_content(status, str(getattr(error, "code", "")).lower(), message):
        return FailureKind.REFUSED
    if status == 400 and re.search(r"context_length_exceeded|maximum context length|prompt is too long", message):
        return FailureKind.CONTEXT_TOO_LONG
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is None:
        return FailureKind.UNREACHABLE if isinstance(error, openai.APIConnectionError) else FailureKind.MALFORMED
    return FailureKind.SERVER_ERROR if status >= 500 else FailureKind.REJECTED


_BY_CLASS: dict[FailureKind, tuple[type[Exception], ...]] = {
    FailureKind.CONTEXT_TOO_LONG: (litellm.exceptions.ContextWindowExceededError,),
    FailureKind.REFUSED: (litellm.exceptions.ContentPolicyViolationError,),
    FailureKind.OUT_OF_CREDIT: (litellm.exceptions.BudgetExceededError, litellm.exceptions.PaymentRequiredError),
    FailureKind.TIMEOUT: (litellm.exceptions.Timeout,),
    FailureKind.REJECTED: (litellm.exceptions.UnsupportedParamsError,),
    FailureKind.MALFORMED: (litellm.exceptions.JSONSchemaValidationError,),
}
_UNDERNEATH: dict[FailureKind, tuple[type[BaseException], ...]] = {
    FailureKind.UNSUPPORTED: (ImportError,),
    FailureKind.MALFORMED: (json.JSONDecodeError,),
    FailureKind.TIMEOUT: (openai.APITimeoutError, httpx.TimeoutException, TimeoutError),
    FailureKind.UNREACHABLE: (openai.APIConnectionError, httpx.TransportError, ConnectionError),
}
_STUMBLED = (AttributeError, LookupError, TypeError, ValueError)
"""What litellm's own code raises over an answer of a shape that it does not expect; it calls that a connection error."""
_OTHER_CAUSES = (httpx.TransportError, ConnectionError, TimeoutError, ImportError)
_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    403: FailureKind.UNAUTHORIZED,
    404: FailureKind.UNKNOWN_MODEL,
    408: FailureKind.SERVER_ERROR,
    409: FailureKind.SERVER_ERROR,
    429: FailureKind.RATE_LIMITED,
}
