"""GenEval's own figure over judged images of its prompts: an image is right in every respect or wrong, and its six tasks count alike.

For comparison with published figures only: as an objective, the judgments' mean separates two systems with a fraction of the images.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from data.records import Judgment, Prompt
from optimizer.judges.aggregate import passed


class GenevalScore(NamedTuple):
    """``overall`` is the mean of the ``tasks``, the shares of their images that are right, in [0, 1]. ``undecided``: images left out, with
    nothing wrong and a criterion that the judge abstained from."""

    overall: float
    tasks: Mapping[str, float]
    undecided: int


def geneval_score(judged: Iterable[tuple[Prompt, Judgment]]) -> GenevalScore:
    """The score of images with the prompts that they were drawn for, whose category is GenEval's tag. ValueError where none is decided."""
    right: dict[str, list[bool]] = {}
    undecided = 0
    for prompt, judgment in judged:
        verdict = _is_right(prompt, judgment)
        if verdict is None:
            undecided += 1
        else:
            right.setdefault(prompt.category, []).append(verdict)
    if not right:
        raise ValueError("there is no image that was judged in every respect")
    tasks = {tag: sum(verdicts) / len(verdicts) for tag, verdicts in sorted(right.items())}
    return GenevalScore(sum(tasks.values()) / len(tasks), tasks, undecided)


def _is_right(prompt: Prompt, judgment: Judgment) -> bool | None:
    """Whether all of an image's criteria are met; None where none fails and not all were judged."""
    scores = {score.id: score.score for score in judgment.scores}
    verdicts = [None if (score := scores.get(one.id)) is None else passed(one, score) for one in prompt.checklist]
    return False if False in verdicts else None if None in verdicts else True
