"""Judges to calibrate, named in specs as users name their own: one that guesses, one whose far side is gone, one that counts its calls."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from data.errors import FailureKind, StageError
from data.identity import derived_random
from data.records import CriterionScore, Judgment
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import aggregate

GUESSING = "tests.ui.cli.judges:Guessing"
GONE = "tests.ui.cli.judges:Gone"
COUNTING = "tests.ui.cli.judges:Counting"
CALLS = "JUDGE_CALLS"
"""The environment variable that names the file into which COUNTING writes a line for each image that it is paid for."""


class Guessing:
    """Tosses a coin for each criterion."""

    identity = "guessing:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [self._judge(request) for request in requests]

    def _judge(self, request: JudgeRequest) -> Judgment:
        checklist = request.prompt.checklist
        luck = derived_random(request.key(self.identity))
        scores = tuple(CriterionScore(criterion.id, float(luck.random() < 0.5), "guessed") for criterion in checklist)
        return Judgment(aggregate(checklist, scores), scores)


class Counting(Guessing):
    """Guesses, slowly, and leaves a line for each image."""

    identity = "counting:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        await asyncio.sleep(0.02)
        with Path(os.environ[CALLS]).open("a") as file:
            file.writelines(f"{request.key(self.identity)}\n" for request in requests)
        return await super().__call__(requests)


class Gone:
    """Nobody answers."""

    identity = "gone:1"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        return [StageError(FailureKind.UNREACHABLE, "nobody answers at http://127.0.0.1:1", hint="start the server") for _ in requests]
