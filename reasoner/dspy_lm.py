# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Any of our chat engines as a dspy LM, through dspy's engine interface. dspy's cache is off: the ledger is ours.

An engine's parameters stand in its spec, so a call can't change them: of a call's own, ``max_tokens``, ``seed`` and a response format are
passed on, a temperature is left out, which is said once, and all others are refused. Earlier turns of a conversation, which is how dspy
sends examples, become part of the one user text that a chat has. Images, tools and streams are refused.
"""

import asyncio
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

import dspy
from dspy import lm15
from dspy.utils.exceptions import LMError, LMTransportError

from data.chat import Chat, ChatEngine, Completion
from data.errors import FailureKind, StageError
from data.identity import derived_seed
from data.usage import NOTHING, Usage

log = logging.getLogger(__name__)

_PASSED_ON = ("max_tokens", "seed", "response_format")
_WITHOUT_EFFECT = ("temperature", "cache")
_TURNS = "These messages came before:\n\n{turns}\n\nThis is the message to answer:\n\n{last}"


class ChatFailed(StageError, LMError):
    """A StageError, which dspy's own code takes for an error of its LM."""

    def __init__(self, error: StageError) -> None:
        super().__init__(
            error.kind, str(error), retryable=error.retryable, hint=error.hint, retry_after=error.retry_after, usage=error.usage
        )


class ChatFailedForNow(ChatFailed, LMTransportError):
    """One that dspy tries again, as often as its LM's ``num_retries`` says."""


class ChatLM(dspy.LM):
    """A dspy LM whose history has the cost that the chat engine told; None where it is not known."""

    def update_history(self, entry: dict[str, Any]) -> None:
        responses: Any = entry["response"] if isinstance(entry["response"], list | tuple) else [entry["response"]]
        costs: list[Any] = [response.provider_data["cost"] for response in responses]
        super().update_history({**entry, "cost": None if None in costs else sum(costs)})


def lm_over(engine: ChatEngine, *, max_tokens: int = 2048, num_retries: int = 3) -> ChatLM:
    """A dspy LM that asks ``engine``. ``max_tokens``: of an answer, reasoning included, where a call does not say.

    Works in ordinary and in asynchronous code, and also where a loop runs already, as in a notebook: calls are made in a thread of the
    LM's own. ``lm.engine.close()`` ends that thread and the engine's connections. Equal calls get seeds of their own, the same ones in the
    same order each time. Failures are StageErrors, tried again by dspy where that may help.
    """
    calls = Calls(engine, OwnLoop(), max_tokens, _counted_seeds())
    return lm_of(calls, num_retries=num_retries)


def _counted_seeds() -> Callable[[str, str], int]:
    asked: Counter[int] = Counter()

    def next_seed(system: str, user: str) -> int:
        name = derived_seed(system, user)
        asked[name] += 1
        return derived_seed("dspy", asked[name], name) >> 32

    return next_seed


def lm_of(calls: "Calls", *, num_retries: int) -> ChatLM:
    """The LM whose calls ``calls`` makes."""
    # dspy splits at the last slash and takes what follows for a model whose habits it may know.
    name = f"phoropter/{calls.engine.identity.replace('/', ':')}"
    return ChatLM(name, engine=_Engine(calls), async_engine=_AsyncEngine(calls), cache=False, num_retries=num_retries)


class OwnLoop:
    """An event loop in a thread of its own, begun at the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def __call__(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name="phoropter-dspy", daemon=True)
                thread.start()
                self._running = loop, thread
            return self._running[0]

    def close(self) -> None:
        """Ends the thread; a second call does nothing."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


@dataclass(eq=False)
class Calls:
    """The calls of one LM to ``engine``, all of them in the one loop where its connections live, and what they used.

    ``next_seed`` gives a call its seed, from its system and its user text.
    """

    engine: ChatEngine
    loop: Callable[[], asyncio.AbstractEventLoop]
    max_tokens: int
    next_seed: Callable[[str, str], int]
    usage: Usage = NOTHING
    completions: list[Completion] = field(default_factory=list[Completion])
    _waiting: set[Future[Completion]] = field(default_factory=set[Future[Completion]])
    _ended: bool = False
    _warned: bool = False

    def ask(self, request: lm15.Request) -> Future[Completion]:
        """The call for ``request``, on its way."""
        call = asyncio.run_coroutine_threadsafe(self.answer(request), self.loop())
        self._waiting.add(call)
        call.add_done_callback(self._waiting.discard)
        if self._ended:
            call.cancel()
        return call

    async def answer(self, request: lm15.Request) -> Completion:
        """The engine's answer to ``request``; ChatFailed where it has none."""
        outcome = (await self.engine([self._chat(request)]))[0]
        if isinstance(outcome, StageError):
            self.usage += outcome.usage
            raise (ChatFailedForNow if outcome.retryable else ChatFailed)(outcome) from outcome
        if isinstance(outcome, Exception):
            raise outcome
        self.usage += outcome.usage
        self.completions.append(outcome)
        return outcome

    def end(self) -> None:
        """Nobody waits for an answer any more: gives up the calls that are on their way, and those to come."""
        self._ended = True
        for call in list(self._waiting):
            call.cancel()

    def _chat(self, request: lm15.Request) -> Chat:
        config = request.config
        if config.temperature is not None and not self._warned:
            self._warned = True
            log.warning("%s keeps the parameters of its spec: the temperature of a call is left out", self.engine.identity)
        for option in fields(config):
            if option.name not in (*_PASSED_ON, *_WITHOUT_EFFECT) and getattr(config, option.name) not in (None, ()):
                _refuse(f"a call can't set {option.name}: parameters belong into the engine's spec", f"config.{option.name}")
        if request.tools:
            _refuse("tools can't be called", "tools")
        system, user = _texts(request)
        seed = self.next_seed(system, user) if config.seed is None else config.seed
        return Chat(system, user, seed, config.max_tokens or self.max_tokens, _schema(config.response_format))


def _schema(response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema in a response format; None where it only asks for some JSON, as the text of the call then does, too."""
    if response_format is None or response_format["type"] != "json_schema":
        return None
    return {"title": response_format.get("name", "answer"), **response_format["schema"]}


def _texts(request: lm15.Request) -> tuple[str, str]:
    """The system text and the user text of a request."""
    system = [request.system] if isinstance(request.system, str) else [_text(part) for part in request.system or ()]
    system += [_said(message) for message in request.messages if message.role == "developer"]
    turns = [(message.role, _said(message)) for message in request.messages if message.role != "developer"]
    if not turns or turns[-1][0] != "user":
        _refuse("the last message has to be the user's", f"messages[{len(request.messages) - 1}]")
    *before, (_, last) = turns
    if before:
        told = "\n\n".join(f"<{role}>\n{text}\n</{role}>" for role, text in before)
        last = _TURNS.format(turns=told, last=last)
    return "\n\n".join(system), last


def _said(message: lm15.Message) -> str:
    return "\n\n".join(_text(part) for part in message.parts if not isinstance(part, lm15.ThinkingPart))


def _text(part: Any) -> str:
    if isinstance(part, lm15.TextPart):
        return part.text
    _refuse(f"only text can be sent, and here is a part of type {part.type!r}", "messages")


def _refuse(message: str, feature: str) -> NoReturn:
    raise lm15.UnsupportedFeatureError(f"phoropter's chat engines: {message}", feature=feature)


class _Hints:
    """What dspy asks an engine about before it makes a request."""

    supports_response_schema = True
    supported_params = frozenset({"max_tokens", "seed", "response_format"})

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Hints":
        # dspy copies programs with the LM in them; connections are shared.
        return self


class _Engine(_Hints):
    def complete(self, request: lm15.Request) -> lm15.Response:
        if _running_loop() is self.calls.loop():
            raise StageError(
                FailureKind.UNSUPPORTED,
                "the program waits for a language model inside of asynchronous code, which would wait for ever",
                hint="in aforward, call predictors with `await predictor.acall(...)`",
            )
        return _response(request, self.calls.ask(request).result())

    def stream(self, request: lm15.Request) -> NoReturn:
        _refuse("answers can't be streamed", "stream")

    def close(self) -> None:
        """Ends the engine's connections, and the LM's own thread where it has one."""
        if isinstance(self.calls.loop, OwnLoop):
            closing = getattr(self.calls.engine, "aclose", None)
            if closing is not None:
                asyncio.run_coroutine_threadsafe(closing(), self.calls.loop()).result()
            self.calls.loop.close()


class _AsyncEngine(_Hints):
    async def complete(self, request: lm15.Request) -> lm15.Response:
        if _running_loop() is self.calls.loop():
            return _response(request, await self.calls.answer(request))
        return _response(request, await asyncio.wrap_future(self.calls.ask(request)))

    def stream(self, request: lm15.Request) -> NoReturn:
        _refuse("answers can't be streamed", "stream")

    async def aclose(self) -> None:
        """As ``close`` of the other engine."""
        await asyncio.to_thread(_Engine(self.calls).close)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _response(request: lm15.Request, completion: Completion) -> lm15.Response:
    used = completion.usage
    thoughts = [lm15.ThinkingPart(completion.reasoning)] if completion.reasoning else []
    return lm15.Response(
        id=None,
        model=request.model,
        message=lm15.Message.assistant([*thoughts, lm15.TextPart(completion.text)]),
        finish_reason="stop",
        usage=lm15.Usage(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cached_tokens,
            reasoning_tokens=used.reasoning_tokens,
        ),
        provider_data={"cost": used.cost, "seed": completion.seed},
    )


def seeds_from(first: int) -> Callable[[str, str], int]:
    """``first``, then one more for each further call."""
    numbers = itertools.count(first)
    return lambda system, user: next(numbers)
