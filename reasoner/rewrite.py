"""The reasoner over a language model: builds the messages, calls the engine, cleans the answer, checks the rewrite.

It never falls back to the user's own text: an answer that can't be used is a StageError. Only the empty system prompt, which *is* the raw
arm, passes the user's text on, and no engine is called for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from data.chat import Chat, ChatEngine, Completion
from data.errors import StageError
from data.identity import derived_seed
from data.records import Prompt, Rewrite, Usage
from data.textlimit import TextLimit
from reasoner import RewriteRequest
from reasoner.checks import flaws
from reasoner.intent import drift
from reasoner.parse import Cleaned, clean
from reasoner.text.wrapping import JSON_AROUND
from reasoner.unusable import refuse_echo

VERSION = 2
"""Part of the identity: raised when messages or cleaning change, since that changes rewrites."""


class Rewriter:
    """A Reasoner that asks a ChatEngine.

    ``max_tokens`` bounds an answer, reasoning included. ``structured`` asks for JSON, which engines that can't hold a model to it ignore:
    both JSON and plain text are read. ``ratios``: the aspect ratios ("16:9") that the model may ask for. ``limit``: how much the generator
    reads; it flags rewrites that are longer, and is no part of the identity, since it changes none.
    """

    def __init__(
        self,
        engine: ChatEngine,
        max_tokens: int = 2048,
        *,
        structured: bool = True,
        limit: TextLimit | None = None,
        ratios: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._max_tokens = max_tokens
        self._ratios = tuple(ratios)
        self._schema = rewrite_schema(self._ratios) if structured else None
        self._limit = limit
        self.times_itself: bool = getattr(engine, "times_itself", False)

    @property
    def identity(self) -> str:
        parameters = f"max_tokens={self._max_tokens}&structured={self._schema is not None}&ratios={','.join(self._ratios)}"
        return f"rewriter:{VERSION}?{parameters} {self._engine.identity}"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        asked = [request for request in requests if request.system_prompt.text]
        answers = iter(await self._engine([self._chat(request) for request in asked]) if asked else [])
        return [self._rewrite(request, next(answers)) if request.system_prompt.text else self._raw(request.prompt) for request in requests]

    def checked(self, prompt: Prompt, rewrite: Rewrite) -> Rewrite:
        """``rewrite`` with ``tokens`` and ``flaws`` for this rewriter's limit and ratios: what a ledger keeps may have been written for
        another generator."""
        return checked(prompt, rewrite, self._limit, self._ratios)

    def _chat(self, request: RewriteRequest) -> Chat:
        return Chat(request.system_prompt.text, request.prompt.text, seed_of(request), self._max_tokens, self._schema)

    def _raw(self, prompt: Prompt) -> Rewrite:
        return self.checked(prompt, Rewrite(prompt.text))

    def _rewrite(self, request: RewriteRequest, answer: Completion | Exception) -> Rewrite | Exception:
        if isinstance(answer, Exception):
            return answer
        try:
            cleaned = usable(request, answer.text, answer.usage)
        except StageError as error:
            return error
        removed = cleaned.removed
        if self._schema is not None:  # What was asked for is no wrapping.
            removed = tuple(entry for entry in removed if entry != JSON_AROUND)
        rewrite = Rewrite(
            cleaned.text,
            answer.reasoning,
            drift(request.prompt.text, cleaned.text),
            removed=removed,
            seed=answer.seed,
            aspect_ratio=cleaned.aspect_ratio,
            usage=answer.usage,
            latency=answer.latency,
        )
        return self.checked(request.prompt, rewrite)


def seed_of(request: RewriteRequest) -> int:
    """What a model samples the rewrite with: 31 bits, which every server takes."""
    return derived_seed("rewrite", request.sample, request.prompt.text) >> 32


def usable(request: RewriteRequest, answer: str, usage: Usage) -> Cleaned:
    """The rewrite in a model's ``answer``; StageError, with the ``usage`` that was paid for, where there is none."""
    try:
        cleaned = clean(answer)
        refuse_echo(cleaned.text, request.system_prompt.text, request.prompt.text)
    except StageError as error:
        error.usage = usage
        raise
    return cleaned


def checked(prompt: Prompt, rewrite: Rewrite, limit: TextLimit | None, ratios: Sequence[str] = ()) -> Rewrite:
    """``rewrite`` with its ``tokens`` and ``flaws`` under a generator's ``limit``, and without an aspect ratio that it does not draw."""
    if rewrite.aspect_ratio and rewrite.aspect_ratio not in ratios:
        removed = (*rewrite.removed, f"an aspect ratio that was not offered: {rewrite.aspect_ratio}")
        rewrite = replace(rewrite, aspect_ratio="", removed=removed)
    tokens = None if limit is None else limit.count(rewrite.text)
    return replace(rewrite, tokens=tokens, flaws=flaws(prompt, rewrite.text, rewrite.removed, tokens, limit))


def rewrite_schema(ratios: Sequence[str] = ()) -> Mapping[str, Any]:
    """The JSON schema of a rewrite, in the strict form that every server takes: all required, nothing besides."""
    properties: dict[str, Any] = {"prompt": {"type": "string"}}
    if ratios:
        properties["aspect_ratio"] = {"type": ["string", "null"], "enum": [*ratios, None]}
    return {"title": "rewrite", "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
