"""Seeds for optimizers that know none: the n-th look of a system prompt at a prompt has the n-th seed and sample of that prompt.

So two system prompts that are looked at equally often are compared on the same seeds, and what our own search drew with a run's seed is
found again.
"""

from collections import Counter
from dataclasses import dataclass, field

from data.records import Prompt, SystemPrompt, TrialRequest
from optimizer.pairs import Pairs


@dataclass(slots=True)
class Turns:
    """Counts looks, from 0; ``seed`` is the run's."""

    seed: int
    _looks: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def next(self, system_prompt: SystemPrompt, prompt: Prompt) -> TrialRequest:
        """The next look of ``system_prompt`` at ``prompt``."""
        turn = self._looks[system_prompt.id, prompt.id]
        self._looks[system_prompt.id, prompt.id] += 1
        return self.request(system_prompt, prompt, turn)

    def request(self, system_prompt: SystemPrompt, prompt: Prompt, turn: int) -> TrialRequest:
        """Look number ``turn``."""
        return Pairs([prompt], self.seed, prompt.split.value).request(turn, system_prompt)
