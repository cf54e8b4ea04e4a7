"""Any OpenAI-shaped endpoint, through the openai package: OpenAI itself, `vllm serve`, SGLang, Ollama, llama.cpp.

What an endpoint does not take is found out when it refuses it, left out from then on, and said once (reasoner/apis/abilities.py). Other
retries are not made here but in the stage that calls the engine; queueing and the time of a call are Balanced's.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import openai

from data.errors import FailureKind, StageError, UsageError
from data.identity import canonical_json
from data.remote.balance import Balanced
from data.remote.bounded import MOST_BYTES, TooLarge, bound
from data.remote.errors import ApiName, Json, Refusal, Target, not_reached, read_body, refused, unknown_model, wrong_api
from data.usage import Usage
from reasoner.apis import chat as chat_completions
from reasoner.apis import responses
from reasoner.apis.abilities import Abilities, first_guess, learned, without_refused
from reasoner.apis.wire import Said
from reasoner.channels import final_answer
from reasoner.chat import Chat, Completion
from reasoner.prices import cost_of

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"
"""What is sent where no key is set: local servers ask for none, but the client insists on one."""
OURS = ("model", "messages", "input", "instructions", "stream")
"""Parameters that a spec can't set."""
CONNECT_SECONDS = 10.0
MODELS_SECONDS = 10.0
KEPT_OPEN_SECONDS = 4.0
"""How long a connection is kept between calls: less than servers do (5 s as a rule), so that none is used that has just been closed."""


class Api(Protocol):
    """One of the two protocols: a module under reasoner/apis/."""

    @property
    def PATH(self) -> str: ...
    def own_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]: ...
    def request(self, model: str, chat: Chat, can: Abilities, own: Mapping[str, Any]) -> dict[str, Any]: ...
    def read_answer(self, answer: Json) -> Said: ...
    def usage_of(self, answer: Json) -> Usage: ...


APIS: Mapping[ApiName, Api] = {"chat": chat_completions, "responses": responses}


class OpenAIEndpoint:
    """A data.remote.balance.Endpoint: one address and model. ``url`` None is OpenAI's own.

    ``parameters`` (temperature, reasoning_effort, top_k ...) go into every call; ``api`` among them, "chat" or "responses", settles what is
    found out otherwise. A value that is a JSON object or list as text is sent as such. ``timeout``: seconds without a byte.
    UsageError where parameters or key can't be meant.
    """

    def __init__(self, model: str, *, url: str | None, api_key: str | None, parameters: Mapping[str, Any], timeout: float) -> None:
        address = url or OPENAI
        parts = urlsplit(address)
        host = parts.hostname or ""
        at_openai = host == "api.openai.com" or host.endswith(".api.openai.com")
        self._region = host.removesuffix("api.openai.com").rstrip(".") if at_openai else None
        key = _checked_key(api_key)
        parameters = dict(parameters)
        self._fixed_api = _checked_api(parameters.pop("api", None))
        own = {name: _value(value) for name, value in parameters.items()}
        _check_names(own)
        self._own = {name: api.own_parameters(own) for name, api in APIS.items()}
        self._model = model
        self._to = Target(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/"), model, key, tuple(own), at_openai)
        self._can = Abilities(self._fixed_api or first_guess(model, own, at_openai=at_openai))
        self._answered_as: Abilities | None = None
        self._said: set[str] = set()
        self._models: tuple[str, ...] | None = None
        self._asking_for_models = asyncio.Lock()
        self._client = _client(address, key, timeout, at_openai=at_openai)

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self._to.name

    async def ready(self) -> None:
        """Always is: a server that is down shows at the call."""

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.close()

    async def answer(self, chat: Chat) -> Completion:
        """Answers one chat; raises StageError."""
        outcome = await self._outcome(chat)
        # Raised here, where no other exception is being handled: those may hold the key.
        if isinstance(outcome, StageError):
            raise outcome
        return outcome

    async def _outcome(self, chat: Chat) -> Completion | StageError:
        """Asks until the endpoint takes the request, each time with less of what we add; no more than once more for each such thing."""
        began = can = self._can
        switched_for: Refusal | None = None
        while True:
            own = self._own[can.api]
            body = APIS[can.api].request(self._model, chat, can, own)
            reply = await self._send(can.api, body)
            if not isinstance(reply, Refusal):
                # Any answer, however useless, shows that the request was taken.
                if can is not self._answered_as:
                    self._learn(began, can)
                return reply
            if reply.is_about_api(can.api) and self._fixed_api is None and switched_for is None:
                switched_for = reply
                can = Abilities("responses" if can.api == "chat" else "chat", can.limit, can.seed, can.schema)
                continue
            less = without_refused(can, reply, body, own)
            if less is None:
                return await self._failure(switched_for if switched_for and reply.is_about_api(can.api) else reply, can.api)
            can = less

    async def _send(self, api: ApiName, body: Mapping[str, Any]) -> Completion | StageError | Refusal:
        began = time.perf_counter()
        response = await self._post(APIS[api].PATH, body)
        if not isinstance(response, httpx.Response):
            return response
        answer = read_body(response, self._to)
        if isinstance(answer, Refusal | StageError):
            return answer
        return self._read(APIS[api], answer, body.get("seed"), time.perf_counter() - began)

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response | StageError | Refusal:
        try:
            # The response itself, not a model of it: it is read once, and other servers' fields are as good as OpenAI's.
            return await self._client.post(path, cast_to=httpx.Response, body=body, options={"security": {"bearer_auth": True}})
        except openai.APIStatusError as error:
            return Refusal.of(error.response)
        except TooLarge:
            message = f"{self.name} sent more than {MOST_BYTES >> 20} MiB, and was cut off"
            return StageError(FailureKind.TOO_LONG, message, hint="lower reasoner.max_tokens")
        except openai.OpenAIError as error:
            return not_reached(error, self._to)
        except UnicodeEncodeError:
            return StageError(FailureKind.REJECTED, "the request holds half a character (a lone surrogate), which can't be sent")

    def _read(self, api: Api, answer: Json, seed: int | None, latency: float) -> Completion | StageError:
        try:
            usage = self._priced(api.usage_of(answer), answer)
            said = api.read_answer(answer)
            final = final_answer(said.content, said.reasoning, said.finish, refusal=said.refusal, tool_called=said.tool_called, usage=usage)
        except StageError as error:
            return error
        except (ValueError, TypeError, LookupError, AttributeError):
            seen = self._to.hidden(json.dumps(answer), 60)
            return StageError(FailureKind.MALFORMED, f"{self.name} answered JSON that is no LLM's answer: {seen!r}", retryable=True)
        return Completion(final.text, final.reasoning, usage, latency, seed)

    def _priced(self, usage: Usage, answer: Json) -> Usage:
        if self._region is None or not usage.input_tokens:
            return usage
        cost = cost_of(self._model, usage, tier=answer.get("service_tier"), region=self._region)
        return Usage(usage.input_tokens, usage.output_tokens, cost, usage.cached_tokens, usage.reasoning_tokens)

    def _learn(self, began: Abilities, now: Abilities) -> None:
        """Keeps what a call found out, and says what can't be had, each once."""
        self._can = self._answered_as = learned(self._can, began, now)
        for lack in self._can.lacks():
            if lack not in self._said:
                self._said.add(lack)
                log.warning("%s at %s %s", self._model, self.name, lack)

    async def _failure(self, refusal: Refusal, api: ApiName) -> StageError:
        if refusal.is_about_model():
            return unknown_model(refusal, await self._model_names(), self._to)
        if self._fixed_api is not None and refusal.is_about_api(api):
            return wrong_api(refusal, api, self._to)
        return refused(refusal, self._to)

    async def _model_names(self) -> Sequence[str]:
        """The models that the endpoint says it has, asked for once; none where it doesn't tell."""
        async with self._asking_for_models:
            if self._models is None:
                self._models = await self._ask_for_models()
            return self._models

    async def _ask_for_models(self) -> tuple[str, ...]:
        try:
            response = await self._client.get(
                "/models", cast_to=httpx.Response, options={"security": {"bearer_auth": True}, "timeout": MODELS_SECONDS}
            )
            return tuple(str(model["id"]) for model in response.json()["data"])
        except (openai.OpenAIError, ValueError, TypeError, LookupError):
            return ()


def _client(address: str, key: str | None, timeout: float, *, at_openai: bool) -> openai.AsyncOpenAI:
    # As many connections as there are calls: how many those are, Balanced decides.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_OPEN_SECONDS)
    seconds = httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout), pool=None)
    hooks = {"response": [bound]}
    # What is compressed can be far larger than what comes in.
    headers: dict[str, Any] = {"Accept-Encoding": "identity"}
    if not at_openai:
        # The package takes these from the environment, and they are nobody else's business.
        headers |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    return openai.AsyncOpenAI(
        base_url=address,
        api_key=key or NO_KEY,
        max_retries=0,
        timeout=seconds,
        default_headers=headers,
        http_client=openai.DefaultAsyncHttpxClient(timeout=seconds, limits=limits, event_hooks=hooks),
    )


def _checked_key(key: str | None) -> str | None:
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("the API key holds characters that no key has", hint="copy it again, without line breaks or quotation marks")
    return key or None


def _checked_api(api: object) -> ApiName | None:
    if api is None:
        return None
    for name in APIS:
        if api == name:
            return name
    raise UsageError(f"there is no API {api!r}", hint="write api=chat or api=responses, or leave it out")


def _check_names(own: Mapping[str, Any]) -> None:
    if wrong := [name for name in OURS if name in own]:
        raise UsageError(f"{wrong[0]} can't be set in the engine spec", hint=f"leave {wrong[0]} out")


def _value(value: object) -> object:
    """A parameter's value as it is sent: specs hold JSON objects and lists as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def openai_engine(
    model: str, *, urls: Sequence[str], api_key: str | None, parameters: Mapping[str, Any], most: int, timeout: float
) -> Balanced[Chat, Completion]:
    """An engine over ``urls``, which all serve ``model``; none is OpenAI's own. At most ``most`` calls at once, each of at most ``timeout``
    seconds. Its identity is model and parameters, not the addresses: the same model elsewhere is the same reasoner."""
    endpoints = [OpenAIEndpoint(model, url=url, api_key=api_key, parameters=parameters, timeout=timeout) for url in urls or (None,)]
    return Balanced(f"openai:{model}?{canonical_json(dict(parameters))}", endpoints, most=most, timeout=timeout)
