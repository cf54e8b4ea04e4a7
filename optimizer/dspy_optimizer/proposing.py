# dspy leaves most of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""New instructions for a dspy program: what a language model is asked, what is read of its answer, and what is refused of it.

The images' own proposer (optimizer/proposers/reflect.py) speaks of pictures; this one speaks of calls with inputs and outputs, and may
change one call's instructions and leave the others. Its texts are the files optimizer/prompts/program-*.md.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import dspy

from data.chat import Chat, ChatEngine, Completion
from data.errors import FailureKind, StageError
from data.identity import content_id, derived_seed
from data.records import Operation, Prompt
from data.usage import NOTHING
from optimizer.dspy_optimizer.failures import stage_error
from optimizer.dspy_optimizer.texts import joined, parted
from optimizer.dspy_optimizer.threads import in_thread
from optimizer.dspy_optimizer.trials import predictors_of
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest
from reasoner.dspy_module import SIGNATURE, PlainAdapter

ATTEMPTS = 3
"""So often an answer that can't be read is asked for again."""
LEAK_WORDS = 8
"""This many words in a row that one example has and no other are advice for that example. Shorter runs are common in long inputs."""
_MOST_WORDS = 120
"""Of each text that the model reads as an example."""
_OPERATIONS = (Operation.REFLECT, Operation.MERGE, Operation.CONDENSE, Operation.EXPLORE)
_ANSWER_ONE = """
Answer with a JSON object and nothing else:
{"cause": "what the change is for, in one sentence", "instructions": "the complete new instructions"}"""
_ANSWER_MANY = """
Answer with a JSON object and nothing else. Leave out the calls whose instructions stay as they are:
{"cause": "what the change is for, in one sentence", "instructions": {"name of the call": "its complete new instructions"}}"""


class LMEngine:
    """A ChatEngine over any dspy LM. A chat's seed is its rollout in dspy's cache: equal chats with equal seeds are answered alike."""

    def __init__(self, lm: Any, threads: int) -> None:
        self._lm = lm
        self._ask: Any = dspy.Predict(SIGNATURE)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="phoropter-proposer")

    @property
    def identity(self) -> str:
        return f"dspy.LM:{self._lm.model}"

    def close(self) -> None:
        """Ends the threads; an answer that is on its way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        return await asyncio.gather(*(in_thread(self._threads, self._answer, chat) for chat in chats))

    def _answer(self, chat: Chat) -> Completion | Exception:
        ask = self._ask.deepcopy()
        ask.signature = ask.signature.with_instructions(chat.system)
        rollout = {} if self._lm.kwargs.get("temperature") == 0 else {"rollout_id": chat.seed}
        try:
            with dspy.context(lm=self._lm, adapter=PlainAdapter(), trace=None):
                answer = ask(prompt=chat.user, config=rollout)
        except Exception as error:
            return stage_error(error, "the reflection model")
        return Completion(str(answer.rewrite or ""))


class ProgramProposer:
    """A Proposer for programs whose predictors are ``calls``: what each takes and gives, in words, by name."""

    def __init__(self, engine: ChatEngine, calls: Mapping[str, str]) -> None:
        self._engine = engine
        self._calls = dict(calls)
        answer = _ANSWER_ONE if len(calls) == 1 else _ANSWER_MANY
        self._texts = {operation: _text_of(operation) + "\n" + answer for operation in _OPERATIONS}

    @property
    def identity(self) -> str:
        texts = content_id("prompts", [list(self._texts.values()), self._calls])
        return f"program:{texts} {self._engine.identity}"

    async def __call__(self, request: ProposalRequest) -> Proposal:
        user = question(request, self._calls)
        for attempt in range(ATTEMPTS):
            seed = derived_seed(request.seed, "reading", attempt) >> 32
            answer = (await self._engine([Chat(self._texts[request.operation], user, seed)]))[0]
            if isinstance(answer, Exception):
                raise answer
            try:
                return read_answer(answer.text, request.parents[0].system_prompt.text, list(self._calls))
            except StageError:
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")


def _text_of(operation: Operation) -> str:
    return (resources.files("optimizer") / "prompts" / f"program-{operation.value}.md").read_text(encoding="utf-8").strip()


def calls_of(program: dspy.Module) -> dict[str, str]:
    """What each predictor of a program takes and gives, in words, by its name."""
    return {name: _call(predictor.signature) for name, predictor in predictors_of(program).items()}


def _call(signature: Any) -> str:
    return f"takes {_fields(signature.input_fields)}; gives {_fields(signature.output_fields)}"


def _fields(fields: Mapping[str, Any]) -> str:
    described = {name: (field.json_schema_extra or {}).get("desc", "") for name, field in fields.items()}
    # "${name}" is what dspy writes where nobody described the field.
    return ", ".join(name if desc in ("", f"${{{name}}}") else f"{name} ({desc})" for name, desc in described.items())


# -- what is asked


def question(request: ProposalRequest, calls: Mapping[str, str]) -> str:
    """What the model is told about the program and the parents, in plain sections."""
    parts = ["## The program's calls\n" + "\n".join(f"- {name} {does}" for name, does in calls.items())]
    for number, parent in enumerate(request.parents, 1):
        parts += _sections(parent, f" {number}" if len(request.parents) > 1 else "")
    parts.append(f"All instructions together may have at most {request.max_words} words.")
    return "\n\n".join(parts)


def _sections(parent: ParentHistory, number: str) -> list[str]:
    sections = [f"## Instructions{number}\n{parent.system_prompt.text}"]
    if parent.failures:
        sections.append("## What was not as it should be with them\n" + "\n".join(map(_example, parent.failures)))
    if parent.attempts:
        sections.append("## Changes already tried on them\n" + "\n".join(map(_attempt, parent.attempts)))
    return sections


def _example(failure: FailedCriterion) -> str:
    told = {"Inputs": failure.prompt_text, "Written": failure.rewrite, "Wanted": failure.criterion, "Found": failure.evidence}
    return "- " + "\n  ".join(f"{title}: {_shortened(text)}" for title, text in told.items())


def _attempt(attempt: Attempt) -> str:
    if attempt.gain is None:
        return f"- not measured yet: {_shortened(attempt.text)}"
    return f"- {'better' if attempt.gain > 0 else 'worse'} by {abs(attempt.gain):.3f}: {_shortened(attempt.text)}"


def _shortened(text: str) -> str:
    words = text.split()
    return " ".join(words) if len(words) <= _MOST_WORDS else " ".join(words[:_MOST_WORDS]) + " …"


# -- what is read, and refused


def read_answer(answer: str, parent: str, names: Sequence[str]) -> Proposal:
    """The proposal in a model's answer: the JSON object, also inside a fence or chatter. Calls that it does not name keep the ``parent``'s
    instructions. StageError(MALFORMED) where nothing can be made of it."""
    match = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        record: dict[str, Any] = json.loads(match[0] if match else "", strict=False)
        changed: Any = record["instructions"]
        changed = {names[0]: changed} if isinstance(changed, str) and len(names) == 1 else changed
        texts = {str(name): str(text).strip() for name, text in changed.items()}
        cause = str(record.get("cause", "")).strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StageError(FailureKind.MALFORMED, f"the proposer's answer holds no instructions: {answer[:120]!r}") from None
    if not texts or not texts.keys() <= set(names) or not all(texts.values()):
        wrote, there_are = ", ".join(texts) or "no call", ", ".join(names)
        raise StageError(FailureKind.MALFORMED, f"the proposer wrote instructions for {wrote}; there are {there_are}")
    kept = parted(parent, names)
    return Proposal(joined({name: texts.get(name, kept[name]) for name in names}), cause, NOTHING)


class ProgramLint:
    """Why proposed instructions may not be used: too long, or a run of words that a single one of ``examples`` has.

    What several examples share, such as a list of labels, belongs to the task and may be said; so may what the ``original`` says.
    """

    def __init__(self, examples: Iterable[Prompt], original: str) -> None:
        counts = Counter(run for example in examples for run in _runs(example.text))
        self._own = {run for run, count in counts.items() if count == 1} - _runs(original)

    def __call__(self, text: str, prompts: Sequence[Prompt], max_words: int) -> str:
        words = _words(text)
        if len(words) > max_words:
            return f"it has {len(words)} words; at most {max_words} are allowed"
        leaked = next((run for run in sorted(_runs(text)) if run in self._own), None)
        return "" if leaked is None else f"it repeats an example: {' '.join(leaked)!r}"


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[start : start + LEAK_WORDS]) for start in range(len(words) - LEAK_WORDS + 1)}


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())
