"""The opponents: other ways to search, each the real library before the same meter.

An opponent is a frozen dataclass of its options; called with a meter and a seed, it searches until the images are spent, and hands over
what its own rule would choose. All of them ask the same reflection model for system prompts (``meter.propose``), with the evidence that
they would have shown to it: the prompts of their minibatch and the scores there. How the prompts are split between training and validation
is their own business, and tuned with the rest.
"""

from typing import ClassVar, Protocol

from benchmarks.search.meter import Meter


class Searcher(Protocol):
    """A way to search. ``libraries``: the distributions that do it, none where it is code of this repository. ``anytime``: whether it
    has an answer at each moment; else it answers at its end only, and is run once per budget."""

    libraries: ClassVar[tuple[str, ...]]
    anytime: ClassVar[bool]

    def __call__(self, meter: Meter, seed: int) -> None:
        """Searches until the images are spent, or its own plan has come to its end."""
        ...
