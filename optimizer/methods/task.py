"""What another optimizer is given to work on: where it starts, which prompts, how many images. Plain data."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.identity import derived_random, derived_seed
from data.records import Prompt, SystemPrompt

HELD_OUT = 3
"""Where a prompt set has nothing to select on, every third of its search prompts is validated on instead of being learned from."""


@dataclass(frozen=True, slots=True)
class Task:
    """``train``: the prompts to learn from; ``validation``: those to choose by, in a seeded order, so that a beginning of them is a sample.

    ``images``: at most so many trials. ``seed`` is 32 bits, which all of these libraries take.
    """

    root: SystemPrompt
    train: Sequence[Prompt]
    validation: Sequence[Prompt]
    images: int
    seed: int


def task_of(root: SystemPrompt, search: Sequence[Prompt], select: Sequence[Prompt], images: int, seed: int) -> Task:
    """The task on a run's ``search`` and ``select`` prompts."""
    train, validation = list(search), list(select)
    if not validation:
        derived_random(seed, "held out").shuffle(train)
        train, validation = train[len(train) // HELD_OUT :], train[: len(train) // HELD_OUT] or train
    derived_random(seed, "validation").shuffle(validation)
    return Task(root, train, validation, images, derived_seed(seed, "method") >> 32)
