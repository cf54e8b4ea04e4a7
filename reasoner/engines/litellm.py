# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateImportUsage=false
"""Every provider that litellm knows: Anthropic, Gemini, Bedrock, Mistral, Ollama and some hundred more. Imports it, which takes seconds.

Who they are, their keys and their refusals stand in data/remote/providers.py. Retries are the stage's, not litellm's.
"""

import logging
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.identity import canonical_json
from data.remote.balance import Balanced
from data.remote.bounded import MOST_BYTES
from data.remote.errors import Wording
from data.remote.providers import Provider, litellm, status_of
from data.usage import Usage
from reasoner.apis.chat import messages, tokens_of
from reasoner.channels import Answer, final_answer

log = logging.getLogger(__name__)

REWRITING = Wording()

_OPTIONAL = {
    "seed": ("seed",),
    "response_format": ("response_format", "json_schema", "schema"),
    "temperature": ("temperature",),
    "top_logprobs": ("logprobs", "top_logprobs"),
}
"""What we add of ourselves, and by which words a refusal names it."""


def litellm_engine(
    model: str,
    *,
    urls: Sequence[str] = (),
    secret: Callable[[str], str | None],
    parameters: Mapping[str, Any],
    most: int,
    timeout: float,
    wording: Wording = REWRITING,
) -> Balanced[Chat, Completion]:
    """The ChatEngine for ``model`` (PROVIDER/MODEL), at the provider's own address or at ``urls``. At most ``most`` calls at once, each
    of at most ``timeout`` seconds. UsageError: no such provider, or no key."""
    endpoints = [
        LiteLLMEndpoint(model, url=url, secret=secret, parameters=parameters, timeout=timeout, wording=wording)
        for url in (list(urls) or [None])
    ]
    return Balanced(f"litellm:{model}?{canonical_json(dict(parameters))}", endpoints, most=most, timeout=timeout)


class LiteLLMEndpoint:
    """One provider, or an endpoint that speaks as it does at ``url``. ``parameters`` go into every call as they are: one that the model
    refuses is a failure that names it, while a seed or a schema that it refuses is left out."""

    def __init__(
        self,
        model: str,
        *,
        url: str | None,
        secret: Callable[[str], str | None],
        parameters: Mapping[str, Any],
        timeout: float,
        wording: Wording = REWRITING,
    ) -> None:
        self._provider = Provider(model, url=url, secret=secret, parameters=tuple(parameters), wording=wording)
        self._section = wording.section
        self.name = self._provider.name
        self._model = model
        self._url = url
        self._parameters = dict(parameters)
        self._timeout = timeout
        with warnings.catch_warnings():
            # Asking loads the provider's module.
            warnings.simplefilter("ignore")
            self._left_out = self._unsupported()

    def __repr__(self) -> str:
        return f"LiteLLMEndpoint({self._model!r}, url={self._url!r})"

    async def ready(self) -> None:
        """Always: nothing is started here."""

    async def aclose(self) -> None:
        """Ends litellm's connections, once nobody uses them any more."""
        await self._provider.aclose()

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
                if chat.images and (unseen := self._provider.images_refused(error)):
                    raise unseen from None
                if not self._adapts(error, options):
                    raise self._provider.stage_error(error) from None
        usage = self._usage(response)
        answer = _answer(response, usage, self.name, self._section)
        seed = chat.seed if "seed" in options else None
        tokens = tokens_of(_plain(getattr(response.choices[0], "logprobs", None)))
        return Completion(answer.text, answer.reasoning, usage, time.perf_counter() - started, seed, tokens)

    async def _send(self, chat: Chat, options: dict[str, Any]) -> Any:
        # The package's own retries, caches and logging would all act behind the stage's back.
        return await litellm.acompletion(
            model=self._model,
            messages=messages(chat),
            api_base=self._url,
            api_key=self._provider.key,
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
        if chat.temperature is not None:
            added["temperature"] = chat.temperature
        if chat.alternatives and "top_logprobs" not in self._left_out:
            added |= {"logprobs": True, "top_logprobs": chat.alternatives}
        return {**{name: value for name, value in added.items() if name not in self._left_out}, **self._parameters}

    def _unsupported(self) -> set[str]:
        """What of ours the model does not take, as far as litellm knows. Models at one's own address are not known, but asked."""
        if self._url is not None:
            return set()
        supported = litellm.get_supported_openai_params(self._model) or []
        lacking = {name for name in _OPTIONAL if name not in supported}
        if _is_known(self._model) and not litellm.supports_response_schema(self._model):
            lacking.add("response_format")
        for name in sorted(lacking & {"seed", "response_format"}):
            self._say(name)
        return lacking

    def _adapts(self, error: Exception, options: Mapping[str, Any]) -> bool:
        """Whether ``error`` refuses something that we added: it is left out from now on, and said once."""
        if status_of(error) not in (400, 422):
            return False
        message = str(error).lower()
        for name, words in _OPTIONAL.items():
            if name in options and name not in self._parameters and any(re.search(rf"\b{word}\b", message) for word in words):
                self._left_out.add(name)
                self._say(name)
                return True
        return False

    def _say(self, name: str) -> None:
        what = {
            "seed": "takes no seed: samples can't be repeated",
            "response_format": "takes no JSON schema: asked for plain text",
            "temperature": "takes no temperature: it samples as it does",
            "top_logprobs": "hands out no log-probabilities: its answers are taken as they stand",
        }
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


def _is_known(model: str) -> bool:
    """Whether the table in the package has the model."""
    try:
        litellm.get_model_info(model)
    except Exception:  # it raises plain Exception
        return False
    return True


def _plain(value: Any) -> object:
    """One of litellm's models as plain JSON."""
    return value.model_dump() if hasattr(value, "model_dump") else value


def _answer(response: Any, usage: Usage, name: str, section: str) -> Answer:
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
        section=section,
    )
