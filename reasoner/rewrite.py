"""The reasoner over a language model: builds the messages, calls the engine, cleans the answer, checks what it kept of the user's intent.

It never falls back to the user's own text: an answer that can't be used is a StageError. Only the empty system prompt, which *is* the raw
arm, passes the user's text on, and no engine is called for it.
"""

from collections.abc import Sequence

from data.errors import StageError
from data.identity import derived_seed
from data.records import Rewrite
from reasoner import RewriteRequest
from reasoner.chat import Chat, ChatEngine, Completion
from reasoner.parse import clean, drift

VERSION = 1
"""Part of the identity: raised when messages or cleaning change, since that changes rewrites."""


class Rewriter:
    """A Reasoner that asks a ChatEngine."""

    def __init__(self, engine: ChatEngine, max_tokens: int = 2048) -> None:
        self._engine = engine
        self._max_tokens = max_tokens

    @property
    def identity(self) -> str:
        return f"rewriter:{VERSION}?max_tokens={self._max_tokens} {self._engine.identity}"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        asked = [request for request in requests if request.system_prompt.text]
        answers = iter(await self._engine([self._chat(request) for request in asked]) if asked else [])
        return [_rewrite(request, next(answers)) if request.system_prompt.text else Rewrite(request.prompt.text) for request in requests]

    def _chat(self, request: RewriteRequest) -> Chat:
        # 31 bits: what every server takes as a seed.
        seed = derived_seed("rewrite", request.sample, request.prompt.text) >> 32
        return Chat(request.system_prompt.text, request.prompt.text, seed, self._max_tokens)


def _rewrite(request: RewriteRequest, answer: Completion | Exception) -> Rewrite | Exception:
    if isinstance(answer, Exception):
        return answer
    try:
        text = clean(answer.text)
    except StageError as error:
        return error
    return Rewrite(text, answer.reasoning, drift(request.prompt.text, text), answer.usage, answer.latency)
