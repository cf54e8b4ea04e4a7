"""What the rewrites of two arms take, beside the score: tokens, dollars and seconds a rewrite. By prompt, in pairs, as their length.

A gain that costs three times the tokens is paid for with every image that is drawn from then on. What a rewrite took is what it took when
it was made, wherever it comes from now.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from data.records import Rewrite, Trial
from optimizer.rewrites import PerPrompt, means_by_prompt
from optimizer.stats import Interval, bootstrap_mean


class Cost(StrEnum):
    """What a rewrite takes."""

    TOKENS = "tokens"
    """Those read and those written."""
    DOLLARS = "dollars"
    SECONDS = "seconds"
    """From asking to the answer, with all that was under way beside it. No part of what a run comes to: the next one differs."""


Costs = Mapping[Cost, PerPrompt]
"""The mean of each prompt's rewrites; without dollars where the price of one is not known."""


def costs(trials: Sequence[Trial]) -> Costs:
    """What an arm's rewrites took."""
    rewrites = [(trial.request.prompt.id, trial.rewrite) for trial in trials if trial.rewrite is not None]
    found = {cost: [(prompt, take(rewrite)) for prompt, rewrite in rewrites] for cost, take in _TAKES.items()}
    known = {cost: [(prompt, value) for prompt, value in values if value is not None] for cost, values in found.items()}
    return {cost: means_by_prompt(values) for cost, values in known.items() if len(values) == len(rewrites)}


_TAKES: Mapping[Cost, Callable[[Rewrite], float | None]] = {
    Cost.TOKENS: lambda rewrite: rewrite.usage.input_tokens + rewrite.usage.output_tokens,
    Cost.DOLLARS: lambda rewrite: rewrite.usage.cost,
    Cost.SECONDS: lambda rewrite: rewrite.latency,
}


def mean_costs(of: Costs) -> Mapping[Cost, float]:
    """The means over prompts; empty where there was no rewrite."""
    return {cost: sum(values.values()) / len(values) for cost, values in of.items() if values}


def cost_change(ours: Costs, theirs: Costs, *, seed: int) -> Mapping[Cost, Interval]:
    """The paired difference in each cost that is known of both, over the prompts that both have rewritten."""
    changes = {
        cost: [ours[cost][prompt] - theirs[cost][prompt] for prompt in sorted(ours[cost].keys() & theirs[cost].keys())]
        for cost in Cost
        if cost in ours and cost in theirs
    }
    return {cost: bootstrap_mean(values, seed=seed) for cost, values in changes.items() if values}
