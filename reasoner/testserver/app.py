"""The test server's HTTP side: routes, what is remembered of requests, how many are worked on at once, and what breaks connections.

What is answered stands in behaviors.py.
"""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reasoner.testserver.behaviors import BEHAVIORS, NO_MORE, Broken, Error, Models, Raw, Reply, unauthorized, unknown_model
from reasoner.testserver.images import IMAGES, VERDICTS, image_body, moderation
from reasoner.testserver.shapes import Answer, Api, Json, Question, chat_chunks, chat_completion, error_body, response, response_events

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

DRIP_SECONDS = 0.2
CHUNK = 1 << 16
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came in. ``headers`` have lower-case names; the key is left out of them. ``body`` is {} where there was none."""

    path: str
    headers: dict[str, str]
    body: Json


@dataclass(slots=True)
class ChatServer:
    """A running server. ``url`` is what clients take as base URL; ``requests`` are in the order in which they came."""

    url: str
    requests: list[Received]
    _loop: "_Loop"

    def stop(self) -> None:
        """Drops all connections and ends the server; a second call does nothing."""
        self._loop.stop()


@contextmanager
def serving(
    *,
    port: int = 0,
    latency: float = 0.0,
    capacity: int | None = None,
    drown: int | None = None,
    api_key: str | None = None,
    more: Models = NO_MORE,
) -> Generator[ChatServer]:
    """A server on 127.0.0.1, at a free port unless ``port`` names one; stopped at the end.

    Each answer takes ``latency`` seconds more. At most ``capacity`` are worked on at once, and the others wait; where more than ``drown``
    wait, the next one gets HTTP 429. With ``api_key``, requests with another key or none get HTTP 401. ``more`` are models beside
    the shipped ones.
    """
    requests: list[Received] = []
    app = make_app(requests, latency=latency, capacity=capacity, drown=drown, api_key=api_key, more=more)
    # Bound here: from now on clients can connect, whether or not the thread has got going.
    listening = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    # asyncio does this for sockets that it makes itself; without it, each answer waits 40 ms for the client's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = ChatServer(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", requests, _Loop(app, listening))
    try:
        yield server
    finally:
        server.stop()


# -- routes


def make_app(
    requests: list[Received],
    *,
    latency: float = 0.0,
    capacity: int | None = None,
    drown: int | None = None,
    api_key: str | None = None,
    more: Models = NO_MORE,
) -> FastAPI:
    """The server as an ASGI application, which notes what comes in ``requests``."""
    app = FastAPI(openapi_url=None)
    seen: Counter[str] = Counter()
    work = _Work(latency, capacity, drown)

    def note(request: Request, body: Json) -> Response | None:
        """Remembers a request; the answer to it where its key is wrong."""
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        requests.append(Received(request.url.path, headers, body))
        if api_key is not None and _key(request) != api_key:
            return _rendered(unauthorized(_key(request)))
        return None

    async def answer(request: Request, api: Api) -> Response:
        try:
            body = await request.json()
            model = body["model"]
        except (ValueError, TypeError, KeyError):
            return _rendered(Error(400, error_body("The body is no JSON object with a model.")))
        if refused := note(request, body):
            return refused
        seen[model] += 1
        question = Question(api, model, body, _key(request), seen[model])
        async with work.turn(request) as mine:
            if not mine:
                return _rendered(Error(429, error_body("Too many requests are waiting.", kind="requests", code="rate_limit_exceeded")))
            return _answered(question, more)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await answer(request, "chat")

    @app.post("/v1/responses")
    async def responses(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await answer(request, "responses")

    @app.post("/v1/images/generations")
    async def images(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await answer(request, "images")

    @app.post("/v1/moderations")
    async def moderations(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await answer(request, "moderations")

    @app.get("/v1/models")
    async def models(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        if refused := note(request, {}):
            return refused
        names = [name for name in (*BEHAVIORS, *more.names) if name != "unknown"]
        return JSONResponse(
            {"object": "list", "data": [{"id": name, "object": "model", "created": 1, "owned_by": "test"} for name in names]}
        )

    @app.get("/health")
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response()

    return app


def _key(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _answered(question: Question, more: Models) -> Response:
    special = {"images": IMAGES, "chat": VERDICTS}.get(question.api, {})
    behavior = special.get(question.model) or BEHAVIORS.get(question.model) or more.find(question.model)
    if behavior is None:
        return _rendered(unknown_model(question.model))
    reply = behavior.reply(question)
    if not isinstance(reply, Answer):
        return _rendered(reply)
    if question.api in ("images", "moderations"):
        return JSONResponse(image_body(question) if question.api == "images" else moderation(question))
    others = (behavior.reply(replace(question, index=index)) for index in range(1, question.body.get("n") or 1))
    answers = [reply, *(other for other in others if isinstance(other, Answer))]
    whole, parts = (chat_completion, chat_chunks) if question.api == "chat" else (response, response_events)
    if question.body.get("stream"):
        return StreamingResponse(_each(parts(question, answers)), media_type="text/event-stream")
    return JSONResponse(whole(question, answers))


async def _each(parts: Iterator[str]) -> AsyncIterator[str]:
    # An asynchronous one: Starlette would walk the other kind in a thread.
    for part in parts:
        yield part


def _rendered(reply: Reply) -> Response:
    match reply:
        case Error():
            return JSONResponse(reply.body, reply.status, reply.headers)
        case Raw(chunked=True):
            return StreamingResponse(_cut(reply.body), reply.status, media_type=reply.content_type)
        case Raw():
            return Response(reply.body, reply.status, {"content-type": reply.content_type})
        case Broken():
            return _BrokenResponse(reply)
        case Answer():
            raise TypeError("an answer has the shape of its API")


async def _cut(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]
        await asyncio.sleep(0)  # Else the loop never learns that the client has left.


# -- work


@dataclass(slots=True)
class _Work:
    """Who may be worked on: ``capacity`` at once, each for ``latency`` seconds."""

    latency: float
    capacity: int | None
    drown: int | None
    waiting: int = 0
    slots: asyncio.Semaphore | None = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.capacity) if self.capacity else None

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncGenerator[bool]:
        """Waits for a slot and holds it for the time of the work; False where too many wait already. Who has gone frees his slot."""
        if self.slots is None:
            await _gone(request.receive, self.latency)
            yield True
            return
        if self.drown is not None and self.slots.locked() and self.waiting >= self.drown:
            yield False
            return
        self.waiting += 1
        try:
            await self.slots.acquire()
        finally:
            self.waiting -= 1
        try:
            await _gone(request.receive, self.latency)
            yield True
        finally:
            self.slots.release()


async def _gone(receive: Receive, seconds: float | None) -> bool:
    """Waits ``seconds``, for ever if None; True, and at once, when the client closes the connection meanwhile."""
    if seconds == 0:
        return False

    async def closed() -> None:
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await receive()

    try:
        await asyncio.wait_for(closed(), seconds)
    except TimeoutError:
        return False
    return True


# -- connections


class _BrokenResponse(Response):
    """Does to the connection what the reply says."""

    def __init__(self, reply: Broken) -> None:
        super().__init__()
        self._how = reply.how

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json")]
        if self._how == "reset":
            await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"content-length", b"4096")]})
            await send({"type": "http.response.body", "body": b'{"id": "chatcmpl-test", "choices": [', "more_body": True})
        if self._how in ("reset", "cut"):
            _reset(scope)
        if self._how == "drip":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while not await _gone(receive, DRIP_SECONDS):
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await _gone(receive, None)


def _reset(scope: Scope) -> None:
    """Ends a request's connection as a crash does: what was not sent yet is lost, and the client is told of a reset."""
    server: ServerState = scope["state"]["server"]
    ours = (connection for connection in server.connections if isinstance(connection, H11Protocol))
    transport = next(connection.transport for connection in ours if connection.client == tuple(scope["client"]))
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


class _Loop:
    """The thread that serves. Not uvicorn.Server: that one waits for its connections when it stops, and these are dropped."""

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        self._app = app
        self._listening = listening
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="testserver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            timeout_keep_alive=600,
        )
        config.load()
        state = ServerState()
        serving = await self._loop.create_server(
            lambda: H11Protocol(config, state, {"server": state}), sock=self._listening, backlog=BACKLOG
        )
        await self._stopping.wait()
        serving.close()
        for connection in list(state.connections):
            connection.transport.abort()
        # What hangs or waits sees that its client is gone, and ends.
        await asyncio.gather(*state.tasks)
