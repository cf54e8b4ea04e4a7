"""A reasoner for placebo runs: it takes every system prompt for the same one, so that none can do better than another.

What the same search claims over it, it claims of nothing.
"""

from collections.abc import Sequence

from data.identity import derived_seed
from data.records import Rewrite, SystemPrompt
from reasoner import Reasoner, RewriteRequest


class DeafReasoner:
    """A Reasoner that follows ``text`` whatever it is given. Samples still differ by the system prompt that was given, as those of a
    language model would."""

    def __init__(self, inner: Reasoner, text: SystemPrompt) -> None:
        self._inner = inner
        self._text = text
        self.identity = f"deaf to all but {text.id}: {inner.identity}"

    async def __call__(self, requests: Sequence[RewriteRequest]) -> Sequence[Rewrite | Exception]:
        return await self._inner([self._heard(request) for request in requests])

    def _heard(self, request: RewriteRequest) -> RewriteRequest:
        # 31 bits, as in Pairs: it may become a model's seed.
        return RewriteRequest(self._text, request.prompt, derived_seed(request.system_prompt.id, request.sample) >> 32)
