"""A model on a vLLM server of our own, which starts with the first call, and again when it died (reasoner/serving/server.py).

Calls are those of any OpenAI-shaped endpoint. Whoever made the server stops it: several engines may share one.
"""

from collections.abc import Mapping
from typing import Any

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.identity import canonical_json
from data.remote.balance import Balanced
from data.remote.errors import Wording
from reasoner.engines.openai import REWRITING, OpenAIEndpoint
from reasoner.serving.server import VllmServer
from reasoner.serving.weights import model_identity

DYING = (FailureKind.UNREACHABLE, FailureKind.SERVER_ERROR)
"""How calls end when the server dies under them."""
DYING_SECONDS = 2.0


def vllm_engine(
    server: VllmServer, *, parameters: Mapping[str, Any], most: int, timeout: float, wording: Wording = REWRITING
) -> Balanced[Chat, Completion]:
    """A ChatEngine over ``server``. ``parameters`` go into every call. Its identity names the model, of a folder with a digest."""
    identity = f"vllm:{model_identity(server.model)}?{canonical_json(dict(parameters))}"
    return Balanced(identity, [VllmEndpoint(server, parameters=parameters, timeout=timeout, wording=wording)], most=most, timeout=timeout)


class VllmEndpoint:
    """An Endpoint: one model on one server, each call of at most ``timeout`` seconds."""

    def __init__(self, server: VllmServer, *, parameters: Mapping[str, Any], timeout: float, wording: Wording = REWRITING) -> None:
        self._server = server
        self._parameters = dict(parameters)
        self._timeout = timeout
        self._wording = wording
        self._endpoint: OpenAIEndpoint | None = None
        self._url = ""

    @property
    def name(self) -> str:
        return f"vLLM with {self._server.name}"

    async def ready(self) -> None:
        """Starts the server where it does not run. FatalError where it can't be had."""
        await self._server.ready()
        if self._endpoint is None or self._url != self._server.url:
            await self.aclose()
            self._url = self._server.url
            self._endpoint = OpenAIEndpoint(
                self._server.name,
                url=self._url,
                api_key=self._server.api_key,
                parameters=self._parameters,
                timeout=self._timeout,
                wording=self._wording,
            )
        await self._endpoint.ready()

    async def answer(self, chat: Chat) -> Completion:
        """Answers one chat. Where the server dies under it, it is started again and asked once more."""
        try:
            return await self._ask(chat)
        except StageError as error:
            if error.kind not in DYING or not await self._server.lost(DYING_SECONDS):
                raise
        await self.ready()
        return await self._ask(chat)

    async def _ask(self, chat: Chat) -> Completion:
        assert self._endpoint is not None, "ready() comes first"
        return await self._endpoint.answer(chat)

    async def aclose(self) -> None:
        """Ends the connections. The server runs on."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.aclose()
