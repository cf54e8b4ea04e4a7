"""Our pipeline for programs that call and wait: an evaluator in an event loop of its own, in a thread of its own.

For one's own use of gepa or dspy (docs/guides/methods.md). A run of ours has no need of it: optimizer/methods/bridge.py is there for that.
"""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from data.records import Prompt, SystemPrompt, Trial, TrialRequest
from optimizer.evaluate import Evaluator, Pipeline
from optimizer.methods.turns import Turns

T = TypeVar("T")


class BlockingEvaluator:
    """Runs trials and waits for them, also from several threads at once. Use inside ``with``.

    ``seed``: another number, other images. Engines whose connections are bound to a loop must not be in use elsewhere.
    """

    def __init__(self, pipeline: Pipeline, seed: int = 1) -> None:
        self._evaluator = Evaluator(pipeline)
        self._turns = Turns(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="phoropter-evaluator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._evaluator.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._evaluator.__aexit__())
        self._wait(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def measure(self, system_prompt: SystemPrompt, prompts: Sequence[Prompt]) -> list[Trial]:
        """A trial on each of ``prompts``, all at once, in their order: at the system prompt's next look at each."""
        return self._wait(self._run([self._turns.next(system_prompt, prompt) for prompt in prompts]))

    def look(self, system_prompt: SystemPrompt, prompt: Prompt, rollout: int | None = None) -> Trial:
        """One trial, the same one for the same ``rollout``; without one, the prompt's first."""
        return self._wait(self._run([self._turns.request(system_prompt, prompt, 0 if rollout is None else 1 + rollout)]))[0]

    async def _run(self, requests: Sequence[TrialRequest]) -> list[Trial]:
        return await asyncio.gather(*(self._evaluator.run(request) for request in requests))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
