"""The GPT-OSS that Lens reads with writes rewrites, too: the same module in this process, not a second copy.

Reading and writing take turns at a lock. The chats of one call are written together, in fewer at a time where memory is short. Each is
sampled with its own seed, whatever else is in its batch. It holds a model to no schema: it answers in plain text. Loading is the
generator's affair (generator/lens/).
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportPrivateImportUsage=false, reportUntypedFunctionDecorator=false

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from data.chat import Chat, Completion, blind
from data.errors import FailureKind, StageError, UsageError
from data.identity import canonical_json
from data.usage import Usage
from reasoner.channels import final_answer
from reasoner.harmony import EFFORTS, Harmony
from reasoner.serving.launch import HARMONY_DATE

log = logging.getLogger(__name__)

CHUNK = 512
"""Tokens of the questions that are read at once: the memory of attention grows with its square."""
_FULL = ("not enough memory", "can't allocate memory", "out of memory")
"""What torch's RuntimeErrors say where the CPU's memory, or a library's, is short."""


class LanguageModel(Protocol):
    """What a generator shares: a GPT-OSS of transformers and its tokenizer, the ``lock`` that is held by whoever uses either, and the
    ``name`` of the weights."""

    @property
    def model(self) -> Any: ...

    @property
    def tokenizer(self) -> Any: ...

    @property
    def lock(self) -> AbstractContextManager[Any]: ...

    @property
    def name(self) -> str: ...


class SharedReasoner:
    """A ChatEngine over the language model of a generator, which ``model`` hands out.

    ``temperature``: from 0, the likeliest answer whatever the seed; GPT-OSS is meant to be sampled at 1. ``reasoning_effort``: low, medium
    or high. ``date``: YYYY-MM-DD, which the model takes for today. UsageError for other values, and for a model that only reads.
    """

    def __init__(
        self,
        *,
        model: Callable[[], LanguageModel],
        temperature: float = 1.0,
        reasoning_effort: str = "low",
        date: str = HARMONY_DATE,
    ) -> None:
        # They may come from a spec, where anything can be written.
        if not _is_temperature(temperature):
            raise UsageError(f"temperature is {temperature!r}, and has to be a number from 0", hint="for example shared?temperature=0.7")
        if reasoning_effort not in EFFORTS:
            raise UsageError(f"reasoning_effort is {reasoning_effort!r}", hint=f"there are: {', '.join(EFFORTS)}")
        shared = model()
        if shared.model.lm_head is None:
            raise UsageError(f"{shared.name} has no output layer: it can't write", hint="take a folder with the whole of GPT-OSS")
        asked = {"temperature": temperature, "reasoning_effort": reasoning_effort, "date": date}
        self.identity = f"shared:{shared.name}?{canonical_json(asked)}"
        self._shared = shared
        self._temperature = temperature
        with shared.lock:
            self._harmony = Harmony(shared.tokenizer, effort=reasoning_effort, date=date)
        self._most: int | None = None

    async def __call__(self, chats: Sequence[Chat], /) -> Sequence[Completion | Exception]:
        stopped = Event()
        if refused := next((error for chat in chats if (error := blind(chat, self._shared.name))), None):
            raise refused
        try:
            return await asyncio.to_thread(self._answers, chats, stopped)
        finally:
            # A thread can't be cancelled; told so, it ends with the token that it is at.
            stopped.set()

    # -- in a thread

    def _answers(self, chats: Sequence[Chat], stopped: Event) -> list[Completion | Exception]:
        with self._shared.lock:
            questions = [_Question(place, chat, self._harmony.question(chat)) for place, chat in enumerate(chats)]
            longest: int = self._shared.model.config.max_position_embeddings
            outcomes = {question.place: _too_long(question, longest) for question in questions if question.tokens > longest}
            # Like lengths together: what is shorter than the longest of its batch is padded.
            fitting = sorted((question for question in questions if question.place not in outcomes), key=lambda question: len(question.ids))
            outcomes |= self._outcomes(fitting, stopped)
        return [outcomes[place] for place in range(len(chats))]

    def _outcomes(self, questions: "Sequence[_Question]", stopped: Event) -> "dict[int, Completion | Exception]":
        """By the place of the question."""
        outcomes: dict[int, Completion | Exception] = {}
        while questions:
            batch = questions[: self._most]
            made = self._batch_outcomes(batch, stopped)
            if made is None and len(batch) > 1:
                self._most = len(batch) // 2
                log.warning("not enough memory to write %d answers at once: %d from now on", len(batch), self._most)
                continue
            outcomes |= {batch[0].place: _no_room()} if made is None else made
            questions = questions[len(batch) :]
        return outcomes

    def _batch_outcomes(self, batch: "Sequence[_Question]", stopped: Event) -> "dict[int, Completion | Exception] | None":
        """None where there was not enough memory."""
        began = time.perf_counter()
        try:
            answers = _written(self._shared.model, batch, self._harmony, self._temperature, stopped)
        except Exception as error:
            if not _is_out_of_memory(error):
                return {question.place: error for question in batch}
            answers = None
        if answers is None:
            # Only here: an exception on its way holds on to what was being computed.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return None
        seconds = time.perf_counter() - began
        return {question.place: self._outcome(question, ids, seconds) for question, ids in zip(batch, answers, strict=True)}

    def _outcome(self, question: "_Question", ids: Sequence[int], seconds: float) -> Completion | Exception:
        harmony = self._harmony
        usage = Usage(len(question.ids), len(ids), cost=None, reasoning_tokens=harmony.reasoning_tokens(ids))
        if not harmony.is_answer(ids):
            message = "what the model wrote is not harmony, the form of GPT-OSS's answers"
            return StageError(FailureKind.MALFORMED, message, hint="are these GPT-OSS's own weights?", usage=usage)
        ended = ids[-1] in harmony.stops
        try:
            text, reasoning = final_answer(
                harmony.text(ids), finish="stop" if ended else "length", tool_called=ids[-1] == harmony.call, usage=usage
            )
        except StageError as error:
            return error
        return Completion(text, reasoning, usage, seconds, question.chat.seed)


@dataclass(frozen=True, slots=True)
class _Question:
    place: int
    chat: Chat
    ids: list[int]

    @property
    def tokens(self) -> int:
        """Of question and answer together."""
        return len(self.ids) + self.chat.max_tokens


@torch.no_grad()
def _written(model: Any, questions: Sequence[_Question], harmony: Harmony, temperature: float, stopped: Event) -> list[list[int]]:
    """The answers' tokens, the one that ends it included. Nothing more is written once it is ``stopped``."""
    longest = max(len(question.ids) for question in questions)
    tokens = torch.tensor([[harmony.padding] * (longest - len(question.ids)) + question.ids for question in questions])
    given = torch.tensor([[0] * (longest - len(question.ids)) + [1] * len(question.ids) for question in questions])
    limits = torch.tensor([question.chat.max_tokens for question in questions])
    stops = torch.tensor(harmony.stops)
    # One random number for each token, all drawn beforehand: a row's answer depends on its own seed alone.
    draws = pad_sequence([_draws(question.chat) for question in questions], batch_first=True)
    device = model.device
    tokens, given, limits, stops, draws = (tensor.to(device) for tensor in (tokens, given, limits, stops, draws))
    positions = (given.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    written: list[Tensor] = []
    writing = torch.ones_like(limits, dtype=torch.bool)
    while not stopped.is_set() and writing.any():
        logits = _read(model, cache, tokens, given, positions).to(device).float()
        chosen = _chosen(logits, draws[:, len(written)], temperature)
        tokens = torch.where(writing, chosen, harmony.padding)[:, None]
        written.append(tokens)
        writing &= ~torch.isin(chosen, stops) & (limits > len(written))
        given = torch.cat([given, torch.ones_like(tokens)], dim=1)
        positions = positions[:, -1:] + 1
    rows: list[list[int]] = torch.cat(written, dim=1).tolist() if written else [[] for _ in questions]
    return [_until_end(row[: question.chat.max_tokens], harmony.stops) for row, question in zip(rows, questions, strict=True)]


def _read(model: Any, cache: DynamicCache, tokens: Tensor, given: Tensor, positions: Tensor) -> Tensor:
    """The logits after ``tokens``, which are the last ones of the ``given``, chunk by chunk."""
    before, logits = given.shape[1] - tokens.shape[1], tokens
    for start in range(0, tokens.shape[1], CHUNK):
        end = start + CHUNK
        logits = model(
            input_ids=tokens[:, start:end],
            attention_mask=given[:, : before + end],
            position_ids=positions[:, start:end],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
    return logits


def _draws(chat: Chat) -> Tensor:
    return torch.rand(chat.max_tokens, generator=torch.Generator("cpu").manual_seed(chat.seed))


def _chosen(logits: Tensor, draws: Tensor, temperature: float) -> Tensor:
    """One token for each row of ``logits``, [rows, vocabulary]: where a row's draw, in [0, 1), falls among its probabilities in a line."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    bounds = torch.softmax(logits / temperature, dim=-1).cumsum(dim=-1)
    return torch.searchsorted(bounds, draws[:, None] * bounds[:, -1:], right=True).squeeze(1).clamp(max=logits.shape[1] - 1)


def _until_end(ids: list[int], stops: Sequence[int]) -> list[int]:
    end = next((place for place, token in enumerate(ids) if token in stops), len(ids))
    return ids[: end + 1]


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _FULL)
    )


def _too_long(question: _Question, longest: int) -> StageError:
    return StageError(
        FailureKind.CONTEXT_TOO_LONG,
        f"question and answer have up to {question.tokens} tokens, and the model takes {longest}",
        hint="shorten the system prompt, or lower reasoner.max_tokens",
    )


def _no_room() -> StageError:
    return StageError(
        FailureKind.OUT_OF_MEMORY,
        "there is not enough memory to write one answer",
        hint="lower reasoner.max_tokens, or draw smaller batches",
    )
