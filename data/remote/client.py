"""One OpenAI-shaped endpoint through the openai package: a JSON request out, a JSON answer in, or a StageError that says why there is none.

What we add to a request and an endpoint does not take is found out when it refuses it, left out from then on, and said once. Other retries
are not made here but in the stage that calls the engine; queueing and the time of a call are Balanced's.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import openai

from data.errors import FailureKind, StageError, UsageError
from data.remote.bounded import MOST_BYTES, TooLarge, bounded
from data.remote.errors import Json, Refusal, Target, Wording, blocked, not_reached, read_body, refused, unknown_model

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"
"""What is sent where no key is set: local servers ask for none, but the client insists on one."""
CONNECT_SECONDS = 10.0
MODELS_SECONDS = 10.0
KEPT_OPEN_SECONDS = 4.0
"""How long a connection is kept between calls: less than servers do (5 s as a rule), so that none is used that has just been closed."""
_TOO_LARGE = re.compile(r"too large|too high|at most|exceed|less than|out of range")
"""Words of a refusal that is about a value: the name itself is taken."""


class Answered(NamedTuple):
    """An ``answer``, and the request that was ``sent`` for it in the end."""

    answer: Json
    sent: Json


class Client:
    """One address and ``model``. ``url`` None is OpenAI's own. UsageError where the key can't be meant.

    ``own``: the parameters that the user wrote, which are never left out of a request. ``timeout``: seconds without a byte.
    ``most_bytes``: of an answer's body; a longer one is cut off.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str | None,
        api_key: str | None,
        own: Sequence[str] = (),
        timeout: float,
        wording: Wording,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        address = url or OPENAI
        parts = urlsplit(address)
        host = parts.hostname or ""
        at_openai = host == "api.openai.com" or host.endswith(".api.openai.com")
        self.region = host.removesuffix("api.openai.com").rstrip(".") if at_openai else None
        """Which of OpenAI's regions answers, "" for none in particular; None: it is not OpenAI."""
        key = checked_key(api_key)
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        self.to = Target(name, model, key, tuple(own), at_openai, wording)
        self._most_bytes = most_bytes
        self._lacks: frozenset[str] = frozenset()
        self._models: tuple[str, ...] | None = None
        self._asking_for_models = asyncio.Lock()
        self._client = _openai_client(address, key, timeout, most_bytes, at_openai=at_openai)

    @property
    def name(self) -> str:
        """The address, without what it may hold of secrets."""
        return self.to.name

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.close()

    async def ask(self, path: str, body: Mapping[str, Any], spare: Mapping[str, str]) -> Answered:
        """The answer to ``body``; raises StageError, with BLOCKED where a moderation has spoken.

        ``spare`` are the names in ``body`` that are left out where the endpoint does not take them, and what people are told then, if
        anything.
        """
        outcome = await self._outcome(path, body, spare)
        # Raised here, where no other exception is being handled: those may hold the key.
        if isinstance(outcome, StageError):
            raise outcome
        return outcome

    async def _outcome(self, path: str, body: Mapping[str, Any], spare: Mapping[str, str]) -> Answered | StageError:
        without = self._lacks
        while True:
            sent = {name: value for name, value in body.items() if name not in without}
            response = await self.post(path, sent)
            reply = read_body(response, self.to) if isinstance(response, httpx.Response) else response
            if isinstance(reply, StageError):
                return reply
            if not isinstance(reply, Refusal):
                self._learn(without, spare)
                return Answered(reply, sent)
            blamed = _blamed(reply, [name for name in spare if name in sent and name not in self.to.parameters], self.to.parameters)
            if blamed is None:
                return await self._failure(reply)
            without |= {blamed}

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response | StageError | Refusal:
        """The response itself, not a model of it: it is read once, and other servers' fields are as good as OpenAI's."""
        try:
            return await self._client.post(path, cast_to=httpx.Response, body=body, options={"security": {"bearer_auth": True}})
        except openai.APIStatusError as error:
            return Refusal.of(error.response)
        except TooLarge:
            message = f"{self.name} sent more than {self._most_bytes >> 20} MiB, and was cut off"
            return StageError(FailureKind.TOO_LONG, message, hint=self.to.wording.smaller)
        except openai.OpenAIError as error:
            return not_reached(error, self.to)
        except UnicodeEncodeError:
            return StageError(FailureKind.REJECTED, "the request holds half a character (a lone surrogate), which can't be sent")

    def _learn(self, without: frozenset[str], spare: Mapping[str, str]) -> None:
        """Keeps what a call found out, and says it once. Any answer, however useless, shows that the request was taken."""
        for name in sorted(name for name in without - self._lacks if spare[name]):
            log.warning("%s at %s %s", self.to.model, self.name, spare[name])
        self._lacks |= without

    async def _failure(self, refusal: Refusal) -> StageError:
        if refusal.is_about_content():
            return blocked(refusal, self.to)
        if refusal.is_about_model():
            return unknown_model(refusal, await self.model_names(), self.to)
        return refused(refusal, self.to)

    async def model_names(self) -> Sequence[str]:
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


def _blamed(refusal: Refusal, spare: Sequence[str], own: Sequence[str]) -> str | None:
    """Which of ``spare`` a refusal names: in its ``param``, else first in its text. None where it is another thing, or the user's own."""
    if refusal.status not in (400, 422) or refusal.is_about_content() or _TOO_LARGE.search(refusal.text):
        return None
    for text in (refusal.param, refusal.text):
        found = {name: match.start() for name in (*own, *spare) if (match := re.search(rf"\b{re.escape(name.lower())}\b", text))}
        if found:
            first = min(found, key=lambda name: found[name])
            return first if first in spare else None
    return None


def _openai_client(address: str, key: str | None, timeout: float, most_bytes: int, *, at_openai: bool) -> openai.AsyncOpenAI:
    # As many connections as there are calls: how many those are, Balanced decides.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_OPEN_SECONDS)
    seconds = httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout), pool=None)
    hooks = {"response": [bounded(most_bytes)]}
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


def checked_key(key: str | None) -> str | None:
    """``key`` without blanks around it; None for none. UsageError where it holds what no key does."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("the API key holds characters that no key has", hint="copy it again, without line breaks or quotation marks")
    return key or None


def parameter_value(value: object) -> object:
    """A parameter's value as it is sent: specs hold JSON objects and lists as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
