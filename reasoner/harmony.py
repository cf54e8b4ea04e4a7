"""Chats as GPT-OSS reads them, in token ids: the harmony form, for engines that hold the model itself. Servers render it themselves.

What people write is letters throughout: a ``<|end|>`` in a text ends nothing. Final text and reasoning are told apart in channels.py.
"""

import re
from collections.abc import Sequence
from typing import Any

from data.chat import Chat
from reasoner.serving.launch import HARMONY_DATE

SYSTEM = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\nCurrent date: {date}\n\nReasoning: {effort}\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
)
EFFORTS = ("low", "medium", "high")
STOPS = ("<|return|>", "<|call|>", "<|endoftext|>")
"""What ends an answer."""

_MARK = re.compile(r"(<\|[a-z]+\|>)")


class Harmony:
    """Renders chats with ``tokenizer``, a fast one of transformers. ``effort``: one of EFFORTS. ``date``: YYYY-MM-DD, what the model takes
    for today."""

    def __init__(self, tokenizer: Any, *, effort: str = "low", date: str = HARMONY_DATE) -> None:
        self._tokenizer = tokenizer
        self._system = self._template(SYSTEM.format(date=date, effort=effort))
        self._instructions = self._template("<|start|>developer<|message|># Instructions\n\n")
        self._user = self._template("<|start|>user<|message|>")
        self._end = self._template("<|end|>")
        self._assistant = self._template("<|start|>assistant")
        self._message, self._channel = self._template("<|message|>"), self._template("<|channel|>")
        self.stops = tuple(self._special(name) for name in STOPS)
        self.call = self._special("<|call|>")
        """The one of ``stops`` that ends the call of a tool."""
        self.padding = self._special("<|endoftext|>")

    def question(self, chat: Chat) -> list[int]:
        """Everything up to where the answer begins: within the header of the assistant's first message."""
        developer = [*self._instructions, *self._plain(chat.system), *self._end] if chat.system else []
        return [*self._system, *developer, *self._user, *self._plain(chat.user), *self._end, *self._assistant]

    def is_answer(self, ids: Sequence[int]) -> bool:
        """Whether what a model wrote goes on where ``question`` ended, with the rest of a header."""
        return tuple(ids[:1]) in (self._channel, self._message)

    def text(self, ids: Sequence[int]) -> str:
        """What a model wrote, markers included, without what ended it."""
        ended = len(ids) > 0 and ids[-1] in self.stops
        return self._tokenizer.decode(list(ids[:-1] if ended else ids), skip_special_tokens=False)

    def reasoning_tokens(self, ids: Sequence[int]) -> int:
        """How many of ``ids``, which a model wrote, stand before its final message."""
        final = (*self._channel, *self._plain("final"))
        starts = (start for start in range(len(ids)) if tuple(ids[start : start + len(final)]) == final)
        return max(starts, default=len(ids))

    def _template(self, text: str) -> tuple[int, ...]:
        ids: list[int] = []
        for part in filter(None, _MARK.split(text)):
            ids += [self._special(part)] if _MARK.fullmatch(part) else self._plain(part)
        return tuple(ids)

    def _plain(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _special(self, name: str) -> int:
        return self._tokenizer.convert_tokens_to_ids(name)
