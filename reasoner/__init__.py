"""Prompt + SystemPrompt → Rewrite.

``Reasoner`` is the stage's protocol; :class:`reasoner.rewrite.Rewriter` implements it over any ``ChatEngine`` (data/chat.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.identity import content_id
from data.records import Prompt, Rewrite, SystemPrompt


@dataclass(frozen=True, slots=True)
class RewriteRequest:
    """Rewrite ``prompt`` under ``system_prompt``; ``sample`` tells repeated draws apart."""

    system_prompt: SystemPrompt
    prompt: Prompt
    sample: int

    def key(self, engine: str) -> str:
        """The content key of the answer: all that determines it. The checklist is not part of it, since the reasoner never sees it."""
        return content_id("rewrite", [engine, self.system_prompt.text, self.prompt.text, self.sample])


class Reasoner(Protocol):
    """Rewrites prompts.

    ``identity`` holds everything besides the request that determines an answer (engine, model, parameters), and no secrets.
    One outcome per request, in order: a Rewrite, or the StageError that befell this one. Raising fails them all.
    """

    @property
    def identity(self) -> str: ...

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]: ...
