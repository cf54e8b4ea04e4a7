"""The seam to language models: one system text, one user text, perhaps images, one answer. Engines under reasoner/engines/ implement it.

It knows nothing of prompts, rewrites or checks. Reasoners, proposers, judges that see and those who write checklists all speak through
it, so it stands where every stage may import it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from data.errors import FailureKind, StageError
from data.usage import Usage


@dataclass(frozen=True, slots=True)
class ChatImage:
    """An image that a model is shown: a whole file, and which kind it is. It travels inside the request, never as an address."""

    content: bytes = field(repr=False)
    kind: Literal["png", "jpeg"] = "png"

    @property
    def data_uri(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class Chat:
    """One question to a model. Equal chats with equal seeds may be answered alike; ``max_tokens`` bounds the answer, reasoning included.

    ``schema``: a JSON schema (an object's, with "title") that the answer should follow. An engine that can't hold a model to it answers in
    plain text, so whoever asks reads both.
    ``images`` are shown after the user's text, in order. An engine without eyes answers StageError UNSUPPORTED.
    ``temperature``: None is the engine's own. An engine that takes none samples as it does, and says so once.
    ``alternatives``: for each token of the answer, how many of the likeliest are wanted with their log-probabilities; 0: none. An engine
    that has none leaves ``Completion.tokens`` empty.
    """

    system: str
    user: str
    seed: int
    max_tokens: int = 2048
    schema: Mapping[str, Any] | None = None
    images: tuple[ChatImage, ...] = ()
    temperature: float | None = None
    alternatives: int = 0


class Token(NamedTuple):
    """A token of an answer, and the log-probabilities of the likeliest tokens in its place, itself among them as a rule."""

    text: str
    alternatives: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer: the final text, the reasoning it showed (or ""), usage, and seconds taken.

    ``seed``: the one that it was sampled with; None where the engine takes none.
    ``tokens`` make up the text, with the reasoning before it where a server counts that in; empty where there are none to be had.
    """

    text: str
    reasoning: str = ""
    usage: Usage = Usage()
    latency: float = 0.0
    seed: int | None = None
    tokens: tuple[Token, ...] = field(default=(), repr=False)


def blind(chat: Chat, engine: str) -> StageError | None:
    """What an engine without eyes answers to a chat with images; None where there are none."""
    if not chat.images:
        return None
    return StageError(FailureKind.UNSUPPORTED, f"{engine} takes no images", hint="name a model with vision")


class ChatEngine(Protocol):
    """Answers chats, one outcome per chat, in order: a Completion, or the StageError that befell this one. Raising fails them all.

    ``identity`` names engine, model and parameters: whatever determines answers besides the chat. Never a secret.
    An engine whose calls wait their turn inside of it bounds each call's time itself, and has a true attribute ``times_itself``.
    """

    @property
    def identity(self) -> str: ...

    async def __call__(self, chats: Sequence[Chat], /) -> Sequence[Completion | Exception]: ...
