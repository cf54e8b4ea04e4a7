"""The seam to language models: one system text, one user text, one answer. Engines under reasoner/engines/ implement it.

It knows nothing of prompts, rewrites or checks; the reasoner and the proposer both speak through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.records import Usage


@dataclass(frozen=True, slots=True)
class Chat:
    """One question to a model. Equal chats with equal seeds may be answered alike; ``max_tokens`` bounds the answer, reasoning included."""

    system: str
    user: str
    seed: int
    max_tokens: int = 2048


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer: the final text, the reasoning it showed (or ""), usage, and seconds taken."""

    text: str
    reasoning: str = ""
    usage: Usage = Usage()
    latency: float = 0.0


class ChatEngine(Protocol):
    """Answers chats, one outcome per chat, in order: a Completion, or the StageError that befell this one. Raising fails them all.

    ``identity`` names engine, model and parameters: whatever determines answers besides the chat. Never a secret.
    """

    @property
    def identity(self) -> str: ...

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]: ...
