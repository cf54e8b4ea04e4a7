"""The embedded reasoner: a rule machine that follows instructions it recognises in the system prompt. It is not a language model.

It knows some twenty instructions in many phrasings (reasoner/embedded/), and English about 24 kinds of things. What it is for stands in
docs/embedded-world.md.
"""

import math
import time
from collections.abc import Sequence

from data.chat import Chat, Completion, blind
from data.reading import read
from data.records import Usage
from reasoner.embedded.items import luck_of
from reasoner.embedded.rules import Recognised, Rule, recognise
from reasoner.embedded.writer import write

COMPLIANCE = 0.95
"""Chance that a recognised instruction is followed in one rewrite, where the system prompt is short and clear."""
EASY_RULES = 9
EASY_WORDS = 220
"""Up to this many instructions, and words of system prompt, nothing is forgotten more often than that."""
DILUTION_PER_RULE = 0.01
DILUTION_PER_WORD = 0.0008
LEAST_COMPLIANCE = 0.5
_TOKENS_PER_WORD = 1.3


class EmbeddedReasoner:
    """A ChatEngine. Equal chats get equal answers; none fails."""

    @property
    def identity(self) -> str:
        return "embedded:1"

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        return [blind(chat, "the embedded reasoner") or answer(chat) for chat in chats]


def answer(chat: Chat) -> Completion:
    """The rewrite of ``chat.user`` under the instructions recognised in ``chat.system``."""
    started = time.perf_counter()
    recognised = recognise(chat.system)
    followed = frozenset(_followed(recognised, chat))
    limit = recognised.limit if Rule.CONCISE in followed else None
    text = write(chat.user, read(chat.user), followed, limit, luck_of(chat.system, chat.user, chat.seed))
    reasoning = _told(recognised, followed)
    usage = Usage(
        input_tokens=math.ceil(_TOKENS_PER_WORD * len(f"{chat.system} {chat.user}".split())),
        output_tokens=math.ceil(_TOKENS_PER_WORD * len(f"{text} {reasoning}".split())),
        cost=0.0,
    )
    return Completion(text, reasoning, usage, time.perf_counter() - started)


def compliance(recognised: Recognised) -> float:
    """The chance that each recognised rule is followed: it falls with their number and with the system prompt's length."""
    dilution = DILUTION_PER_RULE * max(0, len(recognised.rules) - EASY_RULES) + DILUTION_PER_WORD * max(0, recognised.words - EASY_WORDS)
    return max(LEAST_COMPLIANCE, COMPLIANCE - dilution)


def _followed(recognised: Recognised, chat: Chat) -> list[Rule]:
    luck = luck_of(chat.system, chat.user, chat.seed)
    chance = compliance(recognised)
    return [rule for rule in recognised.rules if luck(f"follow {rule.name}").random() < chance]


def _told(recognised: Recognised, followed: frozenset[Rule]) -> str:
    if not recognised.rules:
        return "No instruction that I know: I describe the scene in one sentence."
    named = [f"{rule} ({recognised.limit} words)" if rule is Rule.CONCISE else rule.value for rule in recognised.rules if rule in followed]
    forgotten = [rule.value for rule in recognised.rules if rule not in followed]
    told = f"Following: {'; '.join(named)}." if named else "Following nothing this time."
    return f"{told} Forgotten this time: {'; '.join(forgotten)}." if forgotten else told
