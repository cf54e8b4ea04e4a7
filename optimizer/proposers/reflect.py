"""A proposer over any language model: it reads what failed and what was tried, and writes the next system prompt.

Its own instructions are the files under optimizer/prompts/, one per operation. It sees failed criteria with the judge's evidence, with some
of the pictures where its model has eyes, never scores of single images, and is told a length to keep to. What it answers is checked in
optimizer/propose.py.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import cast

from data.chat import Chat, ChatEngine, ChatImage, Completion
from data.errors import FailureKind, LedgerError, StageError
from data.identity import content_id, derived_seed
from data.records import GeneratedImage, Need, Operation
from data.usage import NOTHING, Usage
from optimizer.ancestry import KEPT, sentences
from optimizer.judges.showing import shown
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest

VERSION = 1
"""Part of the identity: raised whenever the same request could be told otherwise."""
ATTEMPTS = 3
"""So often a model is asked until its answer can be read."""
PICTURES = 4
"""The most that are shown for one proposal: each costs a model about as much as a page of text."""
SIDE = 512
"""Pixels along the longer side of a picture as it is shown: enough to see what is where, and in which color."""
ALIKE = 0.005
"""A gain smaller than this is none: measuring does not tell it from chance, and a reader should not try to."""
_ANSWERED_BADLY = frozenset((FailureKind.EMPTY, FailureKind.MALFORMED, FailureKind.UNFINISHED))
"""Failures that are the model's answer. Others are the endpoint's troubles, and asking again at once would not heal those."""
_AGAIN = (
    "An earlier answer to this question could not be read. Answer with one complete JSON object, with both entries, and with nothing else."
)
_INSTRUCTIONS = {
    Operation.REFLECT: "reflect.md",
    Operation.MERGE: "merge.md",
    Operation.CONDENSE: "condense.md",
    Operation.EXPLORE: "explore.md",
}


class ReflectProposer:
    """A Proposer that asks a ChatEngine.

    ``max_tokens`` bounds one answer. ``pictures``: an image's file by its sha256 (it may block, and raise LedgerError), for a model that
    sees; None for one that does not.
    """

    def __init__(self, engine: ChatEngine, max_tokens: int, pictures: Callable[[str], bytes] | None = None) -> None:
        self._engine = engine
        self._max_tokens = max_tokens
        self._pictures = pictures
        self._texts = {
            operation: (resources.files("optimizer") / "prompts" / name).read_text(encoding="utf-8").strip()
            for operation, name in _INSTRUCTIONS.items()
        }

    @property
    def times_itself(self) -> bool:
        """Whether the engine bounds the time of its calls (data/chat.py)."""
        return getattr(self._engine, "times_itself", False)

    @property
    def identity(self) -> str:
        texts = content_id("prompts", list(self._texts.values()))
        sees = "" if self._pictures is None else f"&pictures={PICTURES}&side={SIDE}"
        return f"reflect:{VERSION}:{texts}?max_tokens={self._max_tokens}{sees} {self._engine.identity}"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        """StageError: MALFORMED where no answer can be read, or a picture's file can't; and whatever befell the call. Its usage is that of
        all attempts."""
        read = self._pictures
        pictures = () if read is None else pictures_of(request)
        images = () if read is None else await asyncio.to_thread(lambda: tuple(_opened(read, sha256) for sha256 in pictures))
        chat = Chat(self._texts[request.operation], question(request, pictures), request.seed >> 32, self._max_tokens, images=images)
        spent = NOTHING
        for attempt in range(ATTEMPTS):
            try:
                proposal = await self._answer(_again(chat, request.seed, attempt) if attempt else chat)
            except StageError as error:
                spent += error.usage
                badly = error.kind in _ANSWERED_BADLY
                if not badly or attempt + 1 == ATTEMPTS:
                    raise _charged(error, spent, retryable=error.retryable and not badly) from None
            else:
                return replace(proposal, usage=proposal.usage + spent)
        raise AssertionError("unreachable")

    async def _answer(self, chat: Chat) -> Proposal:
        answer = (await self._engine([chat]))[0]
        if isinstance(answer, Exception):
            raise answer
        return read_answer(answer)


def _again(chat: Chat, seed: int, attempt: int) -> Chat:
    """The same question in other words and with another seed: at temperature 0, and where no seeds are taken, equal words get an equal
    answer."""
    return replace(chat, user=f"{chat.user}\n\n{_AGAIN}", seed=derived_seed(seed, "again", attempt) >> 32)


def _charged(error: StageError, spent: Usage, *, retryable: bool) -> StageError:
    return StageError(error.kind, str(error), retryable=retryable, hint=error.hint, retry_after=error.retry_after, usage=spent)


# -- pictures


def pictures_of(request: ProposalRequest) -> tuple[str, ...]:
    """The sha256 of the pictures that are shown: those of the first examples of each parent, :data:`PICTURES` at most."""
    each = PICTURES // len(request.parents)
    by_parent = [list(dict.fromkeys(one.image for one in _examples(parent) if one.image))[:each] for parent in request.parents]
    return tuple(dict.fromkeys(sha256 for pictures in by_parent for sha256 in pictures))


def _opened(read: Callable[[str], bytes], sha256: str) -> ChatImage:
    try:
        content = read(sha256)
    except LedgerError as error:
        raise StageError(FailureKind.MALFORMED, str(error), hint=error.hint) from None
    return shown(GeneratedImage(sha256, 0, 0, content=content), SIDE, "jpeg")


# -- what is asked


def question(request: ProposalRequest, pictures: Sequence[str] = ()) -> str:
    """What the model is told about the parents, in plain sections. ``pictures``: the sha256 of those that it is shown, in order."""
    numbers = {sha256: number for number, sha256 in enumerate(pictures, 1)}
    several = len(request.parents) > 1
    parts = [
        section
        for number, parent in enumerate(request.parents, 1)
        for section in _sections(parent, f"instructions {number}" if several else "the instructions", numbers)
    ]
    parts.append(f"The new instructions may have at most {request.max_words} words.")
    if pictures:
        parts.append(f"Pictures shown, in the order of their numbers: {len(pictures)}.")
    return "\n\n".join(parts)


def _sections(parent: ParentHistory, name: str, pictures: Mapping[str, int]) -> list[str]:
    sections = [f"## {name.capitalize()}\n{parent.system_prompt.text}"]
    examples = {
        f"## What went wrong with {name}": parent.failures,
        f"## What went right with {name}, but least clearly: the weakest": parent.weakest,
    }
    sections += [f"{title}\n" + "\n".join(_example(one, pictures) for one in these) for title, these in examples.items() if these]
    if parent.attempts:
        # Best first; what is not measured yet comes last.
        tried = sorted(parent.attempts, key=lambda one: (one.gain is None, -(one.gain or 0.0)))
        told = "\n".join(_attempt(parent.system_prompt.text, one) for one in tried)
        sections.append(f"## Changes already tried on {name}, by what they brought\n{told}")
    return sections


def _examples(parent: ParentHistory) -> tuple[FailedCriterion, ...]:
    return (*parent.failures, *parent.weakest)


def _example(one: FailedCriterion, pictures: Mapping[str, int]) -> str:
    told = {
        "Request": one.prompt_text,
        "Description": _shortened(one.rewrite),
        "Not wanted" if one.need is Need.MUST_NOT else "Wanted": one.criterion,
        "Seen": one.evidence,
    }
    if one.image in pictures:
        told["Picture"] = f"number {pictures[one.image]}"
    return "- " + "\n  ".join(f"{title}: {text}" for title, text in told.items())


def _attempt(parent: str, attempt: Attempt) -> str:
    """A change and what it brought: the lines that differ, or the whole text where most of it was written anew."""
    before, after = sentences(parent), sentences(attempt.text)
    if len(before.keys() & after.keys()) < KEPT * len(before):
        return f"- {_outcome(attempt)}; all written anew: {_shortened(attempt.text)}"
    dropped = [f"  - {line}" for sentence, line in before.items() if sentence not in after]
    added = [f"  + {line}" for sentence, line in after.items() if sentence not in before]
    return "\n".join([f"- {_outcome(attempt)}:", *(dropped + added or ["  the same lines in another order"])])


def _outcome(attempt: Attempt) -> str:
    if attempt.gain is None:
        return "not measured yet"
    pictures = f"({attempt.trials} picture{'' if attempt.trials == 1 else 's'})"
    if abs(attempt.gain) < ALIKE:
        return f"as good as without it {pictures}"
    return f"{'better' if attempt.gain > 0 else 'worse'} by {abs(attempt.gain):.3f} {pictures}"


def _shortened(text: str, words: int = 80) -> str:
    """At most ``words`` words, so that a hundred examples stay readable."""
    pieces = text.split()
    return " ".join(pieces) if len(pieces) <= words else " ".join(pieces[:words]) + " …"


# -- what is read


def read_answer(answer: Completion) -> Proposal:
    """The proposal in a model's answer: the JSON object, also inside a fence or chatter. StageError(MALFORMED) where there is none."""
    match = re.search(r"\{.*\}", answer.text, re.DOTALL)
    try:
        record: dict[str, object] = json.loads(match[0] if match else "", strict=False)
        text, reason = _lines(record["instructions"]), str(record.get("cause", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        message = f"the proposer's answer holds no instructions: {answer.text[:120]!r}"
        raise StageError(FailureKind.MALFORMED, message, hint="use another model as the proposer", usage=answer.usage) from None
    return Proposal(text.strip(), reason.strip(), answer.usage, answer.latency)


def _lines(instructions: object) -> str:
    """Instructions as a text; ValueError for what is none. Asked for lines, models also send a list of them."""
    lines = cast("list[object]", instructions) if isinstance(instructions, list) else [instructions]
    if not lines or not all(isinstance(line, str) for line in lines):
        raise ValueError("no text")
    return "\n".join(str(line) for line in lines)
