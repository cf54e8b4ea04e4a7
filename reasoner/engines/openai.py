"""Any OpenAI-shaped endpoint, through the openai package: OpenAI itself, `vllm serve`, SGLang, Ollama, llama.cpp.

What an endpoint does not take is found out when it refuses it, left out from then on, and said once (reasoner/apis/abilities.py). Other
retries are not made here but in the stage that calls the engine; queueing and the time of a call are Balanced's.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import httpx

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError, UsageError
from data.identity import canonical_json
from data.remote.balance import Balanced
from data.remote.client import Client, parameter_value
from data.remote.errors import ApiName, Json, Refusal, Wording, images_refused, read_body, refused, unknown_model, wrong_api
from data.remote.prices import cost_of
from data.usage import Usage
from reasoner.apis import chat as chat_completions
from reasoner.apis import responses
from reasoner.apis.abilities import Abilities, first_guess, learned, without_refused
from reasoner.apis.wire import Said
from reasoner.channels import final_answer

log = logging.getLogger(__name__)

REWRITING = Wording()
OURS = ("model", "messages", "input", "instructions", "stream")
"""Parameters that a spec can't set."""


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
    ``wording``: how messages name what is asked for.
    UsageError where parameters or key can't be meant.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str | None,
        api_key: str | None,
        parameters: Mapping[str, Any],
        timeout: float,
        wording: Wording = REWRITING,
    ) -> None:
        parameters = dict(parameters)
        self._fixed_api = _checked_api(parameters.pop("api", None))
        own = {name: parameter_value(value) for name, value in parameters.items()}
        _check_names(own)
        self._own = {name: api.own_parameters(own) for name, api in APIS.items()}
        self._model = model
        self._client = Client(model, url=url, api_key=api_key, own=tuple(own), timeout=timeout, wording=wording)
        self._to = self._client.to
        self._can = Abilities(self._fixed_api or first_guess(model, own, at_openai=self._to.at_openai))
        self._answered_as: Abilities | None = None
        self._said: set[str] = set()

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self._to.name

    async def ready(self) -> None:
        """Always is: a server that is down shows at the call."""

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.aclose()

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
                can = replace(can, api="responses" if can.api == "chat" else "chat")
                continue
            if chat.images and (unseen := images_refused(reply.status, reply.said, self._to)):
                return unseen
            less = without_refused(can, reply, body, own)
            if less is None:
                return await self._failure(switched_for if switched_for and reply.is_about_api(can.api) else reply, can.api)
            can = less

    async def _send(self, api: ApiName, body: Mapping[str, Any]) -> Completion | StageError | Refusal:
        began = time.perf_counter()
        response = await self._client.post(APIS[api].PATH, body)
        if not isinstance(response, httpx.Response):
            return response
        answer = read_body(response, self._to)
        if isinstance(answer, Refusal | StageError):
            return answer
        return self._read(APIS[api], answer, body.get("seed"), time.perf_counter() - began)

    def _read(self, api: Api, answer: Json, seed: int | None, latency: float) -> Completion | StageError:
        try:
            usage = self._priced(api.usage_of(answer), answer)
            said = api.read_answer(answer)
            final = final_answer(
                said.content,
                said.reasoning,
                said.finish,
                refusal=said.refusal,
                tool_called=said.tool_called,
                usage=usage,
                section=self._to.wording.section,
            )
        except StageError as error:
            return error
        except (ValueError, TypeError, LookupError, AttributeError):
            seen = self._to.hidden(json.dumps(answer), 60)
            return StageError(FailureKind.MALFORMED, f"{self.name} answered JSON that is no LLM's answer: {seen!r}", retryable=True)
        return Completion(final.text, final.reasoning, usage, latency, seed, said.tokens)

    def _priced(self, usage: Usage, answer: Json) -> Usage:
        if self._client.region is None or not usage.input_tokens:
            return usage
        cost = cost_of(self._model, usage, tier=answer.get("service_tier"), region=self._client.region)
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
            return unknown_model(refusal, await self._client.model_names(), self._to)
        if self._fixed_api is not None and refusal.is_about_api(api):
            return wrong_api(refusal, api, self._to)
        return refused(refusal, self._to)


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


def openai_engine(
    model: str,
    *,
    urls: Sequence[str],
    api_key: str | None,
    parameters: Mapping[str, Any],
    most: int,
    timeout: float,
    wording: Wording = REWRITING,
) -> Balanced[Chat, Completion]:
    """An engine over ``urls``, which all serve ``model``; none is OpenAI's own. At most ``most`` calls at once, each of at most ``timeout``
    seconds. Its identity is model and parameters, not the addresses: the same model elsewhere is the same reasoner."""
    endpoints = [
        OpenAIEndpoint(model, url=url, api_key=api_key, parameters=parameters, timeout=timeout, wording=wording) for url in urls or (None,)
    ]
    return Balanced(f"openai:{model}?{canonical_json(dict(parameters))}", endpoints, most=most, timeout=timeout)
