"""The checklist judge: shows an image and the statements of its prompt's checklist to a model with vision, and reads yes, no or unclear.

One call for all statements of an image, with the evidence before each answer; ``per_item`` asks one at a time. The model sees the user's
request and the statements under neutral ids, and neither what is wanted or weighed, nor the rewrite. A statement that an answer leaves out
is asked once more, and abstains then. Where the endpoint gives log-probabilities, a score is P(yes); else it is 1 or 0.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.chat import Chat, ChatEngine, ChatImage, Completion
from data.checklists import GLOBAL_CRITERIA
from data.errors import FailureKind, StageError
from data.identity import canonical_json, content_id, derived_random, short
from data.records import Criterion, CriterionScore, Judgment, Need, Prompt
from data.usage import Usage
from optimizer.judges import JudgeRequest
from optimizer.judges.aggregate import GLOBAL_WEIGHT, aggregate, with_globals
from optimizer.judges.answers import Answer, read_answers
from optimizer.judges.asking import ALTERNATIVES, instructions, question, seed_of
from optimizer.judges.certainty import Certainty
from optimizer.judges.showing import Format, shown

VERSION = 1
"""Part of the judge's identity: raised whenever an image could be judged differently than before."""
NO_ANSWER = "the judge gave no answer"
MOST_UNANSWERED = 0.5
"""The share of a prompt's own statements that may stay without an answer. Beyond it, a value would be of another checklist."""
_ANSWERED_BADLY = frozenset(
    (FailureKind.EMPTY, FailureKind.UNFINISHED, FailureKind.TOO_LONG, FailureKind.MALFORMED, FailureKind.OFF_TASK, FailureKind.REFUSED)
)
"""Failures that are the model's answer to a question. Others are an endpoint's troubles, and no verdict may rest on those."""
_LEAD = "The request, and the statements to hold against the picture:"
_LEAD_PER_ITEM = "The request, and the statement to hold against the picture:"
_ANSWER = {"type": "string", "enum": ["yes", "no", "unclear"]}


def _object(title: str | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}
    return {"title": title, **schema} if title else schema


# Models write the properties in the order in which they stand: what is seen comes before what is concluded.
_ENTRY = _object(None, {"id": {"type": "string"}, "evidence": {"type": "string"}, "answer": _ANSWER})
VERDICTS = _object("verdicts", {"verdicts": {"type": "array", "items": _ENTRY}})
VERDICT = _object("verdict", {"evidence": {"type": "string"}, "answer": _ANSWER})


@dataclass(slots=True, eq=False)
class _Sheet:
    """What is known so far of one request. ``ids``: under which id each statement is shown, those of the checklist first, then the global
    ones; ``statements`` by these ids, in the order in which they are shown; ``answers`` by the same."""

    request: JudgeRequest
    image: ChatImage
    ids: tuple[str, ...]
    statements: Mapping[str, str]
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    usage: Usage = Usage()
    latency: float = 0.0
    failure: StageError | None = None

    @property
    def missing(self) -> list[str]:
        return [id for id in self.statements if id not in self.answers]


class ChecklistJudge:
    """A Judge over any ChatEngine with eyes. It keeps no state, and several calls may run at once.

    ``max_tokens`` bounds one answer. ``side``: pixels along the longer side of an image as it is shown. ``global_weight``: the part of a
    value that GLOBAL_CRITERIA make up, in [0, 1); at 0 they are not asked.
    """

    def __init__(
        self,
        engine: ChatEngine,
        *,
        max_tokens: int = 2048,
        per_item: bool = False,
        side: int = 1024,
        format: Format = "jpeg",
        global_weight: float = GLOBAL_WEIGHT,
    ) -> None:
        self._engine = engine
        self._max_tokens = max_tokens
        self._per_item = per_item
        self._side = side
        self._format: Format = format
        self._global_weight = global_weight
        self._globals = GLOBAL_CRITERIA if global_weight > 0 else ()
        self._instructions = instructions("judge-statement.md" if per_item else "judge-checklist.md")

    @property
    def times_itself(self) -> bool:
        """Whether the engine bounds the time of its calls (data/chat.py)."""
        return getattr(self._engine, "times_itself", False)

    @property
    def identity(self) -> str:
        texts = short(content_id("judge", [self._instructions, *(criterion.text for criterion in self._globals)]))
        settings = {
            "max_tokens": self._max_tokens,
            "per_item": self._per_item,
            "side": self._side,
            "format": self._format,
            "global_weight": self._global_weight,
        }
        return f"checklist:{VERSION}:{texts}?{canonical_json(settings)} {self._engine.identity}"

    async def __call__(self, requests: Sequence[JudgeRequest]) -> Sequence[Judgment | Exception]:
        """One Judgment per request, in order, or its StageError: UNSUPPORTED (nothing in the checklist can be judged), MALFORMED (no image;
        answers that can't be read, to more than half of the statements), REFUSED, and whatever befell the call."""
        opened = await asyncio.to_thread(lambda: [self._open(request) for request in requests])
        sheets = [sheet for sheet in opened if isinstance(sheet, _Sheet)]
        for again in (False, True):
            await self._ask([sheet for sheet in sheets if sheet.failure is None and sheet.missing], again)
        return [self._judged(sheet) if isinstance(sheet, _Sheet) else sheet for sheet in opened]

    def _open(self, request: JudgeRequest) -> _Sheet | StageError:
        try:
            _check(request.prompt)
            criteria = (*request.prompt.checklist, *self._globals)
            numbers = _numbers(request, len(criteria))
            ids = tuple(f"c{number}" for number in numbers)
            statements = {ids[index]: criteria[index].text for index in sorted(range(len(ids)), key=numbers.__getitem__)}
            return _Sheet(request, shown(request.image, self._side, self._format), ids, statements)
        except StageError as error:
            return error

    async def _ask(self, sheets: Sequence[_Sheet], again: bool) -> None:
        """Asks for all that is missing on ``sheets``, and notes the answers there."""
        asked = [(sheet, ids) for sheet in sheets for ids in ([[id] for id in sheet.missing] if self._per_item else [sheet.missing])]
        if not asked:
            return
        try:
            outcomes = await self._engine([self._chat(sheet, ids, again) for sheet, ids in asked])
        except StageError as error:
            # What was used before is paid for, so the error can't simply pass through.
            outcomes = [error] * len(asked)
        unread: dict[_Sheet, StageError] = {}
        slowest: dict[_Sheet, float] = {}
        for (sheet, ids), outcome in zip(asked, outcomes, strict=True):
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                sheet.usage += outcome.usage
                slowest[sheet] = max(slowest.get(sheet, 0.0), outcome.latency)
                sheet.answers |= _scored(outcome, ids)
            except StageError as error:
                sheet.usage += error.usage
                if error.kind not in _ANSWERED_BADLY:
                    sheet.failure = error
                unread.setdefault(sheet, error)
        for sheet in sheets:
            sheet.latency += slowest.get(sheet, 0.0)
            if not sheet.answers:
                sheet.failure = sheet.failure or unread.get(sheet)

    def _chat(self, sheet: _Sheet, ids: Sequence[str], again: bool) -> Chat:
        text = sheet.request.prompt.text
        if self._per_item:
            user = question(_LEAD_PER_ITEM, {"request": text, "statement": sheet.statements[ids[0]]})
        else:
            user = question(_LEAD, {"request": text, "criteria": [{"id": id, "statement": sheet.statements[id]} for id in ids]})
        return Chat(
            self._instructions,
            user,
            seed_of(sheet.request, *(ids if self._per_item else ()), *(("again",) if again else ())),
            self._max_tokens,
            VERDICT if self._per_item else VERDICTS,
            (sheet.image,),
            temperature=0.0,
            alternatives=ALTERNATIVES,
        )

    def _judged(self, sheet: _Sheet) -> Judgment | StageError:
        if sheet.failure is not None:
            failed = sheet.failure
            return StageError(
                failed.kind, str(failed), retryable=failed.retryable, hint=failed.hint, retry_after=failed.retry_after, usage=sheet.usage
            )
        own = sheet.request.prompt.checklist
        answers = [sheet.answers.get(id) for id in sheet.ids]
        unanswered = answers[: len(own)].count(None)
        if unanswered > MOST_UNANSWERED * len(own):
            message = f"the judge's model left {unanswered} of {len(own)} statements without an answer, though asked twice"
            hint = "use another model as the judge, or ask one statement at a time: ?per_item=true"
            return StageError(FailureKind.MALFORMED, message, retryable=True, hint=hint, usage=sheet.usage)
        scores = tuple(_score(criterion, answer) for criterion, answer in zip((*own, *self._globals), answers, strict=True))
        try:
            value = with_globals(aggregate(own, scores), self._globals, scores, self._global_weight)
        except StageError as error:
            message = "the judge's model could not tell of any must or should criterion whether it holds"
            hint = "look at the image, reword the checklist, or use another model as the judge"
            return StageError(error.kind, message, hint=hint, usage=sheet.usage)
        return Judgment(value, scores, sheet.usage, sheet.latency)


def _check(prompt: Prompt) -> None:
    """StageError(UNSUPPORTED) where no image can be judged by the prompt's checklist."""
    if prompt.checklist_from and prompt.checklist_from != prompt.text:
        message = "the checklist was written from another text than the user's, and may not judge"
        raise StageError(FailureKind.UNSUPPORTED, message, hint="write it anew: phoropter prompts checklist")
    if all(criterion.need is Need.MUST_NOT for criterion in prompt.checklist):
        message = "the prompt's checklist has no must or should criterion to judge an image by"
        raise StageError(FailureKind.UNSUPPORTED, message, hint="write one: phoropter prompts checklist")


def _numbers(request: JudgeRequest, count: int) -> list[int]:
    """The place of each statement in the list that is shown, from 1. At the first look, they stand as in the checklist; at each further
    look, otherwise: the same words at temperature 0 are answered in the same way, and that would pass for a judge without noise."""
    numbers = list(range(1, count + 1))
    if request.look:
        derived_random("statements", request.prompt.id, request.look).shuffle(numbers)
    return numbers


def _scored(answer: Completion, ids: Sequence[str]) -> dict[str, Answer]:
    """The answers, with P(yes) as the score where the tokens tell it. The usage of one that can't be read is noted already."""
    certainty = Certainty(answer.tokens, answer.text)
    return {id: certainty.scored(said) for id, said in read_answers(answer.text, ids).items()}


def _score(criterion: Criterion, answer: Answer | None) -> CriterionScore:
    return CriterionScore(criterion.id, None, NO_ANSWER) if answer is None else CriterionScore(criterion.id, answer.score, answer.evidence)
