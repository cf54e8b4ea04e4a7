"""A proposer over any language model: it reads what failed and what was tried, and writes the next system prompt.

Its own instructions are the files under optimizer/prompts/, one per operation. It sees failed criteria with the judge's evidence, never
scores of single images, and is told a length to keep to. What it answers is checked in optimizer/propose.py.
"""

import json
import re
from importlib import resources

from data.chat import Chat, ChatEngine, Completion
from data.errors import FailureKind, StageError
from data.identity import content_id
from data.records import Operation
from optimizer.proposers import ParentHistory, Proposal, ProposalRequest

_INSTRUCTIONS = {
    Operation.REFLECT: "reflect.md",
    Operation.MERGE: "merge.md",
    Operation.CONDENSE: "condense.md",
    Operation.EXPLORE: "explore.md",
}


class ReflectProposer:
    """A Proposer that asks a ChatEngine."""

    def __init__(self, engine: ChatEngine, max_tokens: int) -> None:
        self._engine = engine
        self._max_tokens = max_tokens
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
        return f"reflect:{texts}?max_tokens={self._max_tokens} {self._engine.identity}"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        chat = Chat(self._texts[request.operation], question(request), request.seed >> 32, self._max_tokens)
        answer = (await self._engine([chat]))[0]
        if isinstance(answer, Exception):
            raise answer
        return read_answer(answer)


def question(request: ProposalRequest) -> str:
    """What the model is told about the parents, in plain sections."""
    parts = [section for number, parent in enumerate(request.parents, 1) for section in _sections(parent, number, len(request.parents))]
    parts.append(f"The new instructions may have at most {request.max_words} words.")
    return "\n\n".join(parts)


def _sections(parent: ParentHistory, number: int, count: int) -> list[str]:
    title = "The instructions" if count == 1 else f"Instructions {number}"
    sections = [f"## {title}\n{parent.system_prompt.text}"]
    failures = [
        f"- Request: {failure.prompt_text}\n  Description: {_shortened(failure.rewrite)}\n"
        f"  Wanted: {failure.criterion}\n  Seen: {failure.evidence}"
        for failure in parent.failures
    ]
    if failures:
        sections.append("## What went wrong with them\n" + "\n".join(failures))
    attempts = [f"- {_outcome(attempt.gain)}: {_shortened(attempt.text)}" for attempt in parent.attempts]
    if attempts:
        sections.append("## Changes already tried on them\n" + "\n".join(attempts))
    return sections


def _outcome(gain: float | None) -> str:
    if gain is None:
        return "not measured yet"
    return f"better by {gain:.3f}" if gain > 0 else f"worse by {-gain:.3f}"


def _shortened(text: str, words: int = 80) -> str:
    """At most ``words`` words, so that a hundred examples stay readable."""
    pieces = text.split()
    return " ".join(pieces) if len(pieces) <= words else " ".join(pieces[:words]) + " …"


def read_answer(answer: Completion) -> Proposal:
    """The proposal in a model's answer: the JSON object, also inside a fence or chatter. StageError(MALFORMED) where there is none."""
    match = re.search(r"\{.*\}", answer.text, re.DOTALL)
    try:
        record: dict[str, object] = json.loads(match[0] if match else "", strict=False)
        text, reason = str(record["instructions"]), str(record.get("cause", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StageError(
            FailureKind.MALFORMED, f"the proposer's answer holds no instructions: {answer.text[:120]!r}", retryable=True
        ) from None
    return Proposal(text.strip(), reason.strip(), answer.usage, answer.latency)
