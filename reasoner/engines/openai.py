"""Any OpenAI-shaped chat endpoint, through the openai package: OpenAI itself, `vllm serve`, SGLang, Ollama, llama.cpp.

Retries are not made here but in the stage that calls the engine, which also bounds the time of a call.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletion

from data.errors import FailureKind, StageError
from data.identity import canonical_json
from data.records import Usage
from reasoner.chat import Chat, Completion

NO_KEY = "none"
"""What is sent where no key is set: local servers ask for none, but the client insists on one."""


class OpenAIEngine:
    """A ChatEngine over one endpoint and model. ``parameters`` (temperature, reasoning_effort ...) go into every call as they are."""

    def __init__(self, model: str, *, base_url: str | None, api_key: str | None, parameters: Mapping[str, Any]) -> None:
        self._model = model
        self._parameters = dict(parameters)
        self._endpoint = base_url or "https://api.openai.com/v1"
        self._client = openai.AsyncOpenAI(base_url=self._endpoint, api_key=api_key or NO_KEY, max_retries=0)
        self._limit_name = "max_completion_tokens"

    @property
    def identity(self) -> str:
        """Model and parameters. Not the endpoint: the same model at another address is the same reasoner."""
        return f"openai:{self._model}?{canonical_json(self._parameters)}"

    async def aclose(self) -> None:
        """Ends the connections that are kept open between calls."""
        await self._client.close()

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        return await asyncio.gather(*(self._answer(chat) for chat in chats), return_exceptions=False)

    async def _answer(self, chat: Chat) -> Completion | Exception:
        started = time.perf_counter()
        try:
            answer = await self._create(chat)
            return _completion(answer, time.perf_counter() - started)
        except StageError as error:
            return error
        except openai.OpenAIError as error:
            return stage_error(error, self._endpoint)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # What the package raises when a server's answer is no JSON, or JSON of another shape.
            return StageError(
                FailureKind.MALFORMED, f"{self._endpoint} answered something that is no chat completion: {error}", retryable=True
            )

    async def _create(self, chat: Chat) -> ChatCompletion:
        try:
            return await self._send(chat)
        except openai.BadRequestError as error:
            # Older servers know only max_tokens. Found out once, then remembered.
            if self._limit_name == "max_tokens" or "max_completion_tokens" not in str(error):
                raise
            self._limit_name = "max_tokens"
            return await self._send(chat)

    async def _send(self, chat: Chat) -> ChatCompletion:
        options: dict[str, Any] = {"seed": chat.seed, self._limit_name: chat.max_tokens, **self._parameters}
        # The package's overloads can't follow parameters that are only known at run time.
        create: Any = self._client.chat.completions.create
        answer: ChatCompletion = await create(
            model=self._model,
            messages=[{"role": "system", "content": chat.system}, {"role": "user", "content": chat.user}],
            **options,
        )
        return answer


def _completion(answer: ChatCompletion, latency: float) -> Completion:
    if not getattr(answer, "choices", None):
        raise StageError(FailureKind.MALFORMED, "the endpoint answered without choices", retryable=True)
    choice = answer.choices[0]
    if choice.finish_reason == "length":
        raise StageError(
            FailureKind.TOO_LONG,
            "the answer hit its token limit before it ended",
            hint="raise reasoner.max_tokens, or lower the reasoning effort",
        )
    if choice.message.refusal:
        raise StageError(FailureKind.REFUSED, f"the model declined: {choice.message.refusal[:120]}")
    if not (choice.message.content or "").strip():
        raise StageError(FailureKind.EMPTY, "the model answered nothing", retryable=True)
    # vLLM calls it `reasoning`, others `reasoning_content`; both come as extra fields.
    extra = choice.message.model_extra or {}
    reasoning = extra.get("reasoning") or extra.get("reasoning_content") or ""
    usage = answer.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    return Completion(choice.message.content or "", str(reasoning), Usage(*tokens, cost=None), latency)


def stage_error(error: openai.OpenAIError, endpoint: str) -> StageError:
    """The openai package's exception as ours, with what to do about it. Never contains a key."""
    if isinstance(error, openai.APITimeoutError):
        return StageError(FailureKind.TIMEOUT, f"{endpoint} did not answer in time", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        return StageError(
            FailureKind.UNREACHABLE,
            f"no connection to {endpoint}",
            retryable=True,
            hint="is the server up? check reasoner.engine, or run `phoropter doctor`",
        )
    if isinstance(error, openai.APIStatusError):
        return _status_error(error, endpoint)
    return StageError(FailureKind.MALFORMED, f"{endpoint} gave an answer that can't be read: {error}", retryable=True)


def _status_error(error: openai.APIStatusError, endpoint: str) -> StageError:
    status = error.status_code
    message = f"{endpoint} answered {status}: {_reason(error)}"
    if status == 429:
        return StageError(
            FailureKind.RATE_LIMITED,
            message,
            retryable=True,
            retry_after=_retry_after(error),
            hint="wait a while, or lower reasoner.concurrency",
        )
    if status in (401, 403):
        return StageError(
            FailureKind.UNAUTHORIZED,
            f"{endpoint} answered {status}: the key is missing, wrong or not allowed to do this",
            hint="set OPENAI_API_KEY",
        )
    if status >= 500 or status in (408, 409):
        return StageError(
            FailureKind.SERVER_ERROR, message, retryable=True, retry_after=_retry_after(error), hint="look at the server's own log"
        )
    hint = "is the model's name right? see `phoropter doctor`" if status == 404 else ""
    return StageError(FailureKind.REJECTED, message, hint=hint)


def _reason(error: openai.APIStatusError) -> str:
    """What the far side says is wrong: its own message where it sends one."""
    sent = cast(object, error.body)  # pyright: ignore[reportUnknownMemberType]
    body = cast("dict[str, object]", sent) if isinstance(sent, dict) else {}
    return " ".join(str(body.get("message") or error.message).split())[:200]


def _retry_after(error: openai.APIStatusError) -> float | None:
    """The Retry-After header in seconds; None where there is none, or a date, which servers of this kind do not send."""
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None
