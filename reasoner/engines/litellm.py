# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false
"""Every provider that litellm knows: Anthropic, Gemini, Bedrock, Mistral, Ollama and some hundred more. Imports it, which takes seconds.

Prices come from the table inside the package. litellm would fetch a newer one, and read a ``.env`` file, while it is imported:
ui/settings.py sets LITELLM_LOCAL_MODEL_COST_MAP and LITELLM_MODE before. Its retries, caches, callbacks and
printing are off: retries are the stage's.
"""

import difflib
import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

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
from data.identity import canonical_json
from data.remote.balance import Balanced
from data.remote.bounded import MOST_BYTES
from data.remote.errors import hidden, retry_after
from data.usage import Usage
from reasoner.channels import Answer, final_answer
from reasoner.chat import Chat, Completion

log = logging.getLogger(__name__)

OWN_KEY = "PHOROPTER_API_KEY"
"""What an endpoint of one's own gets. A provider's key goes to that provider alone."""
NO_KEY = "none"
"""What is sent where no key is set: clients insist on one."""
_SHAPE = "write litellm:PROVIDER/MODEL, for example litellm:anthropic/claude-sonnet-4-5 or litellm:gemini/gemini-2.5-pro"
_OPTIONAL = {
    "seed": ("seed",),
    "response_format": ("response_format", "json_schema", "schema"),
}
"""What we add of ourselves, and by which words a refusal names it."""

# Providers' modules are loaded at their first call, and warn of nothing that concerns anyone here.
warnings.filterwarnings("ignore", "Items? .* using the `ReadOnly` qualifier", UserWarning)

litellm.suppress_debug_info = True
litellm.turn_off_message_logging = True
litellm.drop_params = False
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)

_open: set[int] = set()
"""Endpoints in use. litellm keeps one pool of connections for all, which is closed with the last of them."""


def litellm_engine(
    model: str,
    *,
    urls: Sequence[str] = (),
    secret: Callable[[str], str | None],
    parameters: Mapping[str, Any],
    most: int,
    timeout: float,
) -> Balanced[Chat, Completion]:
    """The ChatEngine for ``model`` (PROVIDER/MODEL), at the provider's own address or at ``urls``. At most ``most`` calls at once, each
    of at most ``timeout`` seconds. UsageError: no such provider, or no key."""
    endpoints = [LiteLLMEndpoint(model, url=url, secret=secret, parameters=parameters, timeout=timeout) for url in (list(urls) or [None])]
    return Balanced(f"litellm:{model}?{canonical_json(dict(parameters))}", endpoints, most=most, timeout=timeout)


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


def missing_keys(model: str, secret: Callable[[str], str | None]) -> list[str]:
    """The variables of which one has to hold a key for ``model``, where none does. [] also where the provider needs none, or has other ways
    to find one (AWS, Google Cloud)."""
    names = _key_names(model)
    return [] if any(map(secret, names)) else names


def _key_names(model: str) -> list[str]:
    """The variables that may hold the key for ``model``, as litellm names them; [] where none is needed or litellm found it."""
    named = litellm.validate_environment(model)["missing_keys"]
    return [name for name in named if name.endswith(("_KEY", "_TOKEN")) and not name.startswith("AWS_")]


class LiteLLMEndpoint:
    """One provider, or an endpoint that speaks as it does at ``url``. ``parameters`` go into every call as they are: one that the model
    refuses is a failure that names it, while a seed or a schema that it refuses is left out."""

    def __init__(
        self, model: str, *, url: str | None, secret: Callable[[str], str | None], parameters: Mapping[str, Any], timeout: float
    ) -> None:
        self._provider = provider_of(model)
        if url is None and (missing := missing_keys(model, secret)):
            example = f"export {missing[0]}=…"
            raise UsageError(f"{' or '.join(missing)} is not set", hint=f"{example}, or name a variable of your own: ?key_env=NAME")
        self.name = url or self._provider
        self._model = model
        self._url = url
        self._key = _key(model, url, secret, self._provider)
        self._parameters = dict(parameters)
        self._timeout = timeout
        with warnings.catch_warnings():
            # Asking loads the provider's module.
            warnings.simplefilter("ignore")
            self._left_out = self._unsupported()
        _open.add(id(self))

    def __repr__(self) -> str:
        return f"LiteLLMEndpoint({self._model!r}, url={self._url!r})"

    async def ready(self) -> None:
        """Always: nothing is started here."""

    async def aclose(self) -> None:
        """Ends litellm's connections, once no endpoint uses them any more."""
        _open.discard(id(self))
        if not _open:
            await close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()

    async def answer(self, chat: Chat) -> Completion:
        """Answers ``chat``; StageError where it does not."""
        started = time.perf_counter()
        while True:
            options = self._options(chat)
            try:
                response = await self._send(chat, options)
                break
            except StageError:
                raise
            except Exception as error:  # litellm lets through whatever a provider's code raises
                if not self._adapts(error, options):
                    raise self._stage_error(error) from None
        usage = self._usage(response)
        answer = _answer(response, usage, self.name)
        seed = chat.seed if "seed" in options else None
        return Completion(answer.text, answer.reasoning, usage, time.perf_counter() - started, seed)

    async def _send(self, chat: Chat, options: dict[str, Any]) -> Any:
        # The package's own retries, caches and logging would all act behind the stage's back.
        return await litellm.acompletion(
            model=self._model,
            messages=[{"role": "system", "content": chat.system}, {"role": "user", "content": chat.user}],
            api_base=self._url,
            api_key=self._key,
            timeout=self._timeout,
            num_retries=0,
            max_retries=0,
            caching=False,
            drop_params=False,
            **{"no-log": True},
            **options,
        )

    def _options(self, chat: Chat) -> dict[str, Any]:
        added: dict[str, Any] = {"seed": chat.seed, "max_tokens": chat.max_tokens}
        if chat.schema is not None:
            schema = {name: value for name, value in chat.schema.items() if name != "title"}
            named = {"name": chat.schema.get("title", "answer"), "schema": schema, "strict": True}
            added["response_format"] = {"type": "json_schema", "json_schema": named}
        return {**{name: value for name, value in added.items() if name not in self._left_out}, **self._parameters}

    def _unsupported(self) -> set[str]:
        """What of ours the model does not take, as far as litellm knows. Models at one's own address are not known, but asked."""
        if self._url is not None:
            return set()
        supported = litellm.get_supported_openai_params(self._model) or []
        lacking = {name for name in _OPTIONAL if name not in supported}
        if _is_known(self._model) and not litellm.supports_response_schema(self._model):
            lacking.add("response_format")
        for name in sorted(lacking):
            self._say(name)
        return lacking

    def _adapts(self, error: Exception, options: Mapping[str, Any]) -> bool:
        """Whether ``error`` refuses something that we added: it is left out from now on, and said once."""
        if _status(error) not in (400, 422):
            return False
        message = str(error).lower()
        for name, words in _OPTIONAL.items():
            if name in options and name not in self._parameters and any(re.search(rf"\b{word}\b", message) for word in words):
                self._left_out.add(name)
                self._say(name)
                return True
        return False

    def _say(self, name: str) -> None:
        what = {"seed": "takes no seed: samples can't be repeated", "response_format": "takes no JSON schema: asked for plain text"}
        log.info("%s of %s %s", self._model, self.name, what[name])

    # -- what comes back

    def _usage(self, response: Any) -> Usage:
        used = getattr(response, "usage", None)
        if used is None:
            return Usage(cost=None)
        prompt, completion = getattr(used, "prompt_tokens_details", None), getattr(used, "completion_tokens_details", None)
        return Usage(
            used.prompt_tokens or 0,
            used.completion_tokens or 0,
            self._cost(response),
            getattr(prompt, "cached_tokens", None) or 0,
            getattr(completion, "reasoning_tokens", None) or 0,
        )

    def _cost(self, response: Any) -> float | None:
        """In dollars, by the table in the package. What an endpoint of one's own costs is unknown, and so is a price of 0: litellm
        gives it to models that it does not know."""
        if self._url is not None:
            return None
        try:
            return float(litellm.completion_cost(completion_response=response, model=self._model)) or None
        except Exception:  # it raises plain Exception for a model without a price
            return None

    # -- what goes wrong

    def _stage_error(self, error: Exception) -> StageError:
        """litellm's exception as ours. It never holds a key, nor a provider's words about one."""
        kind, status = _kind(error), _status(error)
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
                return StageError(kind, f"{self.name} has no model {self._model!r}: {self._words(error)}", hint=self._model_hint())
            case FailureKind.OUT_OF_CREDIT:
                return StageError(kind, said, hint=f"look at the billing page of {self.name}")
            case FailureKind.RATE_LIMITED:
                return StageError(kind, said, retryable=True, retry_after=wait, hint="wait a while, or lower reasoner.concurrency")
            case FailureKind.SERVER_ERROR:
                return StageError(kind, said, retryable=True, retry_after=wait, hint="look at the server's own log")
            case FailureKind.CONTEXT_TOO_LONG:
                return StageError(kind, said, hint="shorten the system prompt, or lower reasoner.max_tokens")
            case FailureKind.REFUSED:
                return StageError(kind, f"{self.name} declined by its content policy: {self._words(error)}")
            case FailureKind.MALFORMED if _is_page(error):
                return StageError(
                    kind, f"{self.name} answered with a web page: this is no LLM endpoint", hint="does the address lack its /v1?"
                )
            case FailureKind.MALFORMED:
                return StageError(kind, f"{self.name} answered something that is no chat completion: {self._words(error)}", retryable=True)
            case FailureKind.UNSUPPORTED:
                return StageError(kind, said, hint=f"install the package that {self._provider} needs")
            case _:
                return StageError(kind, said, hint=self._parameter_hint(error))

    def _words(self, error: Exception) -> str:
        """What is said to be wrong, in one line and without anything like a key."""
        words = re.sub(r"litellm\.\w+: |\b\w+(?:Error|Exception)\b(?::| -) ?", "", str(getattr(error, "message", "") or error))
        return hidden(words, None if self._key == NO_KEY else self._key)

    def _key_hint(self) -> str:
        if self._url is not None:
            return f"set {OWN_KEY}, or name the variable with the key: ?key_env=NAME"
        return f"set {self._provider.upper()}_API_KEY, or name the variable with the key: ?key_env=NAME"

    def _model_hint(self) -> str:
        if self._url is not None:
            return "is the model's name right? see `phoropter doctor`"
        known = [name.removeprefix(f"{self._provider}/") for name in litellm.models_by_provider.get(self._provider, ())]
        near = difflib.get_close_matches(self._model.removeprefix(f"{self._provider}/"), known, n=5, cutoff=0.4)
        return f"litellm knows of {self._provider}: {', '.join(near)}" if near else _SHAPE

    def _parameter_hint(self, error: Exception) -> str:
        named = [name for name in self._parameters if re.search(rf"\b{re.escape(name)}\b", str(error))]
        return f"take {', '.join(named)} out of the spec: {self._model} does not take it" if named else ""


def _is_known(model: str) -> bool:
    """Whether the table in the package has the model."""
    try:
        litellm.get_model_info(model)
    except Exception:  # it raises plain Exception
        return False
    return True


def _key(model: str, url: str | None, secret: Callable[[str], str | None], provider: str) -> str | None:
    """The key to send. None: litellm finds one by its own means."""
    if url is not None:
        return secret(OWN_KEY) or NO_KEY
    names = [*_key_names(model), f"{provider.upper()}_API_KEY"]
    return next((key for name in names if (key := secret(name))), None)


def _answer(response: Any, usage: Usage, name: str) -> Answer:
    choices = getattr(response, "choices", None)
    if not choices:
        raise StageError(FailureKind.MALFORMED, f"{name} answered without choices", retryable=True, usage=usage)
    message = choices[0].message
    content, reasoning = message.content or "", getattr(message, "reasoning_content", None) or ""
    if len(content) + len(reasoning) > MOST_BYTES:
        raise StageError(FailureKind.TOO_LONG, f"{name} sent an answer of more than {MOST_BYTES >> 20} MiB", usage=usage)
    special = getattr(message, "provider_specific_fields", None) or {}
    return final_answer(
        content,
        reasoning,
        choices[0].finish_reason,
        refusal=special.get("refusal"),
        tool_called=bool(message.tool_calls),
        usage=usage,
    )


# -- litellm's exceptions. It wraps those of a provider's client, often as another class: what lies underneath tells more.


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
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
    status, message = _status(error), str(error).lower()
    answered = any(isinstance(one, httpx.HTTPStatusError) for one in chain)
    for kind, classes in _BY_CLASS.items():
        if isinstance(error, classes):
            return kind
    if not answered:
        for kind, classes in _UNDERNEATH.items():
            if any(isinstance(one, classes) for one in chain):
                return kind
        if isinstance(error, litellm.exceptions.APIResponseValidationError) or "invalid response from llm endpoint" in message:
            return FailureKind.MALFORMED
    if status in (402, 429) and (status == 402 or re.search(r"insufficient_quota|billing|exceeded your current quota|credit", message)):
        return FailureKind.OUT_OF_CREDIT
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
_BY_STATUS = {
    401: FailureKind.UNAUTHORIZED,
    403: FailureKind.UNAUTHORIZED,
    404: FailureKind.UNKNOWN_MODEL,
    408: FailureKind.SERVER_ERROR,
    409: FailureKind.SERVER_ERROR,
    429: FailureKind.RATE_LIMITED,
}
