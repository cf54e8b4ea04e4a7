"""Writing what a search stands on: prompts that people might type, and their checklists. A language model writes, rules check.

Nothing here knows files, journals or prices. Whoever writes is an :data:`Ask`, which is passed in; what it can't answer is asked again in
other words, and in the end left out with a reason: nothing is made up in its place.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.identity import derived_seed

T = TypeVar("T")

Ask = Callable[[Chat], Awaitable[Completion]]
"""Answers a chat. Raises Unanswered where this question has no answer that can be used, and FatalError where no other has one either."""
Listen = Callable[[str, int, int], None]
"""Told how far the writing is: the phase, how many of its questions are done, of how many."""

ATTEMPTS = 3
"""Times that a question is asked at most."""


class Unanswered(Exception):
    """The writer declined a question, or was cut off. The next may have an answer."""

    def __init__(self, error: StageError) -> None:
        super().__init__(str(error))
        self.error = error

    @property
    def is_final(self) -> bool:
        """Whether asking again can't help."""
        return self.error.kind is FailureKind.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes. ``max_tokens`` bounds an answer, reasoning included; ``structured``: ask for JSON that follows a schema."""

    ask: Ask
    max_tokens: int
    structured: bool = True

    async def answer(self, instructions: str, asked: Mapping[str, Any], schema: Mapping[str, Any], *names: object) -> Completion:
        """The answer to ``asked`` under ``instructions`` (a file of optimizer/prompts/). ``names`` are what its seed is derived from."""
        text = (resources.files("optimizer") / "prompts" / instructions).read_text(encoding="utf-8").strip()
        question = json.dumps(asked, ensure_ascii=False)
        seed = derived_seed(schema["title"], *names) >> 32
        return await self.ask(Chat(text, question, seed, self.max_tokens, schema if self.structured else None))


async def gathered(work: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order. Where one is an exception, it is raised when all have come: what is under way is paid for."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
