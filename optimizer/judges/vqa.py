"""The vqa judge: one question to a model with vision, does the image show what was asked for, and P(yes) as the value.

Needs no checklist. It is of use where the endpoint gives log-probabilities; without them it knows only 1 and 0. It says little of what is
wrong, so a proposer learns nothing from it.
"""

import asyncio
from collections.abc import Sequence

from data.chat import Chat, ChatEngine, ChatImage, Completion
from data.errors import FailureKind, StageError
from data.identity import canonical_json, content_id, short
from data.records import CriterionScore, Judgment
from optimizer.judges import JudgeRequest
from optimizer.judges.answers import read_answers
from optimizer.judges.asking import ALTERNATIVES, instructions, question, seed_of
from optimizer.judges.certainty import Certainty
from optimizer.judges.showing import Format, shown

VERSION = 1
"""Part of the judge's identity: raised whenever an image could be judged differently than before."""
SCORE = "vqa"
"""The id of its only score."""
MAX_TOKENS = 512
"""A word needs two; the rest is for models that think before it."""
_LEAD = "Does the picture show what was asked for? The request:"


class VqaJudge:
    """A Judge over any ChatEngine with eyes. It keeps no state, and several calls may run at once.

    ``side``: pixels along the longer side of an image as it is shown.
    """

    def __init__(self, engine: ChatEngine, *, side: int = 1024, format: Format = "jpeg") -> None:
        self._engine = engine
        self._side = side
        self._format: Format = format
        self._instructions = instructions("judge-question.md")

    @property
    def times_itself(self) -> bool:
        """Whether the engine bounds the time of its calls (data/chat.py)."""
        return getattr(self._engine, "times_itself", False)

    @property
    def identity(self) -> str:
        settings = canonical_json({"side": self._side, "format": self._format})
        return f"vqa:{VERSION}:{short(content_id('judge', self._instructions))}?{settings} {self._engine.identity}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order, or its StageError: MALFORMED (no image; an answer that is neither yes nor no), REFUSED, and
        whatever befell the call."""
        opened = await asyncio.to_thread(lambda: [self._open(request) for request in requests])
        chats = [self._chat(request, image) for request, image in zip(requests, opened, strict=True) if isinstance(image, ChatImage)]
        answers = iter(await self._engine(chats) if chats else ())
        return [_judged(next(answers)) if isinstance(image, ChatImage) else image for image in opened]

    def _open(self, request: JudgeRequest) -> ChatImage | StageError:
        try:
            return shown(request.image, self._side, self._format)
        except StageError as error:
            return error

    def _chat(self, request: JudgeRequest, image: ChatImage) -> Chat:
        user = question(_LEAD, {"request": request.prompt.text})
        seed = seed_of(request)
        return Chat(self._instructions, user, seed, MAX_TOKENS, images=(image,), temperature=0.0, alternatives=ALTERNATIVES)


def _judged(answer: Completion | Exception) -> Judgment | Exception:
    if isinstance(answer, Exception):
        return answer
    try:
        said = read_answers(answer.text, (SCORE,), answer.usage)[SCORE]
    except StageError as error:
        return error
    if said.score is None:
        message = "the judge's model could not tell whether the picture shows what was asked for"
        return StageError(FailureKind.MALFORMED, message, retryable=True, hint="use another model as the judge", usage=answer.usage)
    score = Certainty(answer.tokens, answer.text).scored(said).score or 0.0
    evidence = said.evidence or f"the model says {'yes' if score >= 0.5 else 'no'} to the whole request"
    return Judgment(score, (CriterionScore(SCORE, score, evidence),), answer.usage, answer.latency)
