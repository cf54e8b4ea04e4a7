"""The seam to language models: one system text, one user text, one answer. Engines under reasoner/engines/ implement it.

It knows nothing of prompts, rewrites or checks; the reasoner and the proposer both speak through it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from data.records import Usage


@dataclass(frozen=True, slots=True)
class Chat:
    """One question to a model. Equal chats with equal seeds may be answered alike; ``max_tokens`` bounds the answer, reasoning included.

    ``schema``: a JSON schema (an object's, with "title") that the answer should follow. An engine that can't hold a model to it answers in
    plain text, so whoever asks reads both.
    """

    system: str
    user: str
    seed: int
    max_tokens: int = 2048
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer: the final text, the reasoning it showed (or ""), usage, and seconds taken.

    ``seed``: the one that it was sampled with; None where the engine takes none.
    """

    text: str
    reasoning: str = ""
    usage: Usage = Usage()
    latency: float = 0.0
    seed: int | None = None


class ChatEngine(Protocol):
    """Answers chats, one outcome per chat, in order: a Completion, or the StageError that befell this one. Raising fails them all.

    ``identity`` names engine, model and parameters: whatever determines answers besides the chat. Never a secret.
    An engine whose calls wait their turn inside of it bounds each call's time itself, and has a true attribute ``times_itself``.
    """

    @property
    def identity(self) -> str: ...

    async def __call__(self, chats: Sequence[Chat], /) -> Sequence[Completion | Exception]: ...
