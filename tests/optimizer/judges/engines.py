"""Chat engines for tests of judges that ask a model: they answer by a function, and remember what they were asked."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from data.chat import Chat, Completion
from data.usage import Usage

USED = Usage(100, 10, 0.01)
"""What each answer of Answering uses."""


class Answering:
    """A ChatEngine. ``reply`` gives the answer to a chat: its text, the whole of it, or the error that befalls it."""

    identity = "answering"

    def __init__(self, reply: Callable[[Chat], str | Completion | Exception]) -> None:
        self.chats: list[Chat] = []
        self._reply = reply

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        self.chats += chats
        replies = [self._reply(chat) for chat in chats]
        return [Completion(reply, usage=USED, latency=0.5) if isinstance(reply, str) else reply for reply in replies]


def material(chat: Chat) -> dict[str, Any]:
    """The JSON object that a question ends with."""
    return json.loads(chat.user.rsplit("\n\n", 1)[1])


def verdicts(chat: Chat, says: Callable[[str], str], evidence: str = "seen") -> str:
    """An answer to a whole checklist: what ``says`` makes of each statement."""
    entries = [{"id": entry["id"], "evidence": evidence, "answer": says(entry["statement"])} for entry in material(chat)["criteria"]]
    return json.dumps({"verdicts": entries})
