"""Writers for tests: plain functions from a question to an answer, and the embedded one, behind an Ask."""

import json
from collections.abc import Callable
from typing import Any

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from optimizer.authoring import Ask, Author, Unanswered
from reasoner.embedded.author import EmbeddedAuthor

Answer = Callable[[dict[str, Any]], object]
"""From what is asked to what is answered: a text, anything else as JSON, or a StageError."""


def asking(answer: Answer, asked: list[Chat] | None = None) -> Author:
    """An author whose answers are those of ``answer``; the chats are added to ``asked``."""

    async def ask(chat: Chat) -> Completion:
        if asked is not None:
            asked.append(chat)
        found = answer(json.loads(chat.user))
        if isinstance(found, StageError):
            raise Unanswered(found)
        return Completion(found if isinstance(found, str) else json.dumps(found))

    return Author(ask, max_tokens=1000)


def embedded(asked: list[Chat] | None = None) -> Author:
    """The embedded writer."""
    engine = EmbeddedAuthor()

    async def ask(chat: Chat) -> Completion:
        if asked is not None:
            asked.append(chat)
        (outcome,) = await engine([chat])
        if isinstance(outcome, StageError):
            raise Unanswered(outcome)
        assert isinstance(outcome, Completion)
        return outcome

    made: Ask = ask
    return Author(made, max_tokens=1000)


def refusal() -> StageError:
    return StageError(FailureKind.REFUSED, "the model declined")


def nobody_listens(phase: str, done: int, total: int) -> None:
    assert 0 <= done <= total, phase
