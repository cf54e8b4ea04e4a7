"""The judge of pairs: which of two images follows the same request better, asked in both orders.

Models prefer a place, the first as a rule: only what they say in both orders counts, and a contradiction is a tie. It compares how well the
request is followed and nothing else. It scores no single image, so no search rests on it; how often its preference flips with the order is
part of what is known of it (:func:`flip_rate`). What the model answered is read in pair_answers.py.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.chat import Chat, ChatEngine, ChatImage, Completion
from data.errors import FailureKind, StageError
from data.identity import canonical_json, content_id, derived_seed, short
from data.records import GeneratedImage, Need, Prompt
from data.usage import NOTHING, Usage
from optimizer.judges.asking import instructions, question
from optimizer.judges.pair_answers import Said, read_preference
from optimizer.judges.showing import Format, shown

VERSION = 1
"""Part of the judge's identity: raised whenever a pair could be judged differently than before."""
_LEAD = "The request, and what a picture for it should show:"
_ANSWERS = {
    "first": {"type": "string", "description": "what the first picture satisfies, misses, and shows unrequested"},
    "second": {"type": "string", "description": "the same of the second picture"},
    "answer": {"type": "string", "enum": ["first", "second", "tie"]},
}
# Models write the properties in the order in which they stand: what is seen comes before what is concluded.
PREFERENCE: dict[str, Any] = {
    "title": "preference",
    "type": "object",
    "properties": _ANSWERS,
    "required": list(_ANSWERS),
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class PairRequest:
    """Which of ``first`` and ``second`` (with their ``content``) follows ``prompt`` better? ``look`` tells repeated looks apart."""

    prompt: Prompt
    first: GeneratedImage
    second: GeneratedImage
    look: int = 0

    def key(self, judge: str) -> str:
        """The content key of the preference: all that determines it."""
        again = [self.look] if self.look else []
        return content_id("preference", [judge, self.first.sha256, self.second.sha256, self.prompt.id, *again])


@dataclass(frozen=True, slots=True)
class Preference:
    """``value``: 1 where the first image is better, 0 where the second is, 0.5 for a tie.

    ``flipped``: another image was better in the other order, so that its place decided; that is a tie. ``evidence``: what was seen in the
    first image and in the second. ``latency`` in seconds.
    """

    value: float
    flipped: bool
    evidence: tuple[str, str]
    usage: Usage = field(default=NOTHING, compare=False)
    latency: float = field(default=0.0, compare=False)


class PairwiseJudge:
    """Compares pairs through any ChatEngine with eyes. It keeps no state, and several calls may run at once.

    ``max_tokens`` bounds one answer. ``side``: pixels along the longer side of an image as it is shown.
    """

    def __init__(self, engine: ChatEngine, *, max_tokens: int = 2048, side: int = 1024, format: Format = "jpeg") -> None:
        self._engine = engine
        self._max_tokens = max_tokens
        self._side = side
        self._format: Format = format
        self._instructions = instructions("judge-pair.md")

    @property
    def times_itself(self) -> bool:
        """Whether the engine bounds the time of its calls (data/chat.py)."""
        return getattr(self._engine, "times_itself", False)

    @property
    def identity(self) -> str:
        settings = canonical_json({"max_tokens": self._max_tokens, "side": self._side, "format": self._format})
        return f"pairwise:{VERSION}:{short(content_id('judge', self._instructions))}?{settings} {self._engine.identity}"

    async def __call__(self, requests: Sequence[PairRequest]) -> Sequence[Preference | Exception]:
        """One Preference per request, in order, or its StageError: UNSUPPORTED or MALFORMED (an image that can't be shown; an answer that
        can't be read), REFUSED, and whatever befell a call. A failure in one order fails the pair, with the usage of both."""
        opened = await asyncio.to_thread(lambda: [self._chats(request) for request in requests])
        chats = [chat for pair in opened if not isinstance(pair, StageError) for chat in pair]
        answers = iter(await self._engine(chats) if chats else ())
        return [pair if isinstance(pair, StageError) else _preference(next(answers), next(answers)) for pair in opened]

    def _chats(self, request: PairRequest) -> tuple[Chat, Chat] | StageError:
        """The question in both orders."""
        if request.prompt.checklist_from not in ("", request.prompt.text):
            message = "the checklist was written from another text than the user's, and may not judge"
            return StageError(FailureKind.UNSUPPORTED, message, hint="write it anew: phoropter prompts checklist")
        try:
            first, second = (shown(image, self._side, self._format) for image in (request.first, request.second))
        except StageError as error:
            return error
        return self._chat(request, (first, second)), self._chat(request, (second, first), "swapped")

    def _chat(self, request: PairRequest, images: tuple[ChatImage, ChatImage], *names: str) -> Chat:
        seed = derived_seed("pair", request.first.sha256, request.second.sha256, request.prompt.id, request.look, *names) >> 32
        user = question(_LEAD, _material(request.prompt))
        return Chat(self._instructions, user, seed, self._max_tokens, PREFERENCE, images, temperature=0.0)


def flip_rate(preferences: Iterable[Preference]) -> float | None:
    """The share of ``preferences``, in [0, 1], that the order of the images decided; None where there are none."""
    flipped = [preference.flipped for preference in preferences]
    return sum(flipped) / len(flipped) if flipped else None


def _material(prompt: Prompt) -> dict[str, Any]:
    """What the model is told of a prompt. What must not be there stands apart: among the others it would read as if it were wanted."""
    wanted = [criterion.text for criterion in prompt.checklist if criterion.need is not Need.MUST_NOT]
    unwanted = [criterion.text for criterion in prompt.checklist if criterion.need is Need.MUST_NOT]
    return {"request": prompt.text, "criteria": wanted} | ({"unwanted": unwanted} if unwanted else {})


def _preference(straight: Completion | Exception, swapped: Completion | Exception) -> Preference | Exception:
    """Both answers as one. A tie in one order and a preference in the other is a tie that is not flipped: the two differ in how much it
    takes to prefer, and no place was preferred over what is shown."""
    answers = [_read(outcome) for outcome in (straight, swapped)]
    used = sum((outcome.usage for outcome in (straight, swapped) if isinstance(outcome, Completion | StageError)), NOTHING)
    failed = [answer for answer in answers if isinstance(answer, Exception)]
    if failed:
        return _failure(failed, used)
    one, other = (answer for answer in answers if isinstance(answer, Said))
    values = (one.value, 1 - other.value)
    return Preference(
        values[0] if values[0] == values[1] else 0.5,
        sorted(values) == [0, 1],
        (one.first or other.second, one.second or other.first),
        used,
        max(outcome.latency for outcome in (straight, swapped) if isinstance(outcome, Completion)),
    )


def _read(outcome: Completion | Exception) -> Said | Exception:
    if isinstance(outcome, Exception):
        return outcome
    try:
        return read_preference(outcome.text)
    except StageError as error:
        return error


def _failure(failed: Sequence[Exception], used: Usage) -> Exception:
    """The error that no further try heals, where there is one, with what both orders used."""
    worst = next((error for error in failed if not getattr(error, "retryable", False)), failed[0])
    if not isinstance(worst, StageError):
        return worst
    return StageError(worst.kind, str(worst), retryable=worst.retryable, hint=worst.hint, retry_after=worst.retry_after, usage=used)
