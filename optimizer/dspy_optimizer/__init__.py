"""Our search for dspy: ``PhoropterSearch(metric=…, budget=…).compile(program, trainset=…, valset=…)``.

The guide is docs/guides/dspy.md. Importing this imports dspy; nothing else of ours imports it.
"""

from optimizer.dspy_optimizer.results import HeldOut, SearchResults, Tried
from optimizer.dspy_optimizer.teleprompter import PhoropterSearch

__all__ = ["HeldOut", "PhoropterSearch", "SearchResults", "Tried"]
