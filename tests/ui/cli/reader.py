"""A language model for tests that compares two texts by rule: named in a spec, as users name their own.

A word of the request that the rewrite lacks is dropped; "quality boosters" are nothing that anybody asked for.
"""

import json
from collections.abc import Sequence

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.usage import Usage

READER = "tests.ui.cli.reader:Reader"
STOPPED_READER = "tests.ui.cli.reader:StoppedReader"
RIDDLES = "tests.ui.cli.reader:Riddles"
DEAD = "tests.ui.cli.reader:Dead"
ASKED: list[str] = []
"""The questions that were put to any of them."""


class Reader:
    """Answers as it was asked to."""

    identity = "reader:1"

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        return [self._answer(chat) for chat in chats]

    def _answer(self, chat: Chat) -> Completion | Exception:
        ASKED.append(chat.user)
        asked = json.loads(chat.user)
        has = set(asked["rewrite"].lower().split())
        wishes = [
            {"what": word, "where": word if word in has else "", "verdict": "kept" if word in has else "dropped"}
            for word in asked["request"].lower().split()
        ]
        added = [{"what": "boosters", "why": "nobody asked", "verdict": "unasked"}] if "masterpiece" in asked["rewrite"] else []
        text = json.dumps({"asked": wishes, "added": added})
        return Completion(f"Here you are:\n```json\n{text}\n```", usage=Usage(input_tokens=10, output_tokens=5, cost=0.001))


class StoppedReader(Reader):
    """The same, stopped by its user after thirty answers."""

    def _answer(self, chat: Chat) -> Completion | Exception:
        if len(ASKED) >= 30:
            raise KeyboardInterrupt
        return super()._answer(chat)


class Riddles(Reader):
    """Talks about something else whenever the request has an even length."""

    identity = "riddles:1"

    def _answer(self, chat: Chat) -> Completion | Exception:
        answer = super()._answer(chat)
        return Completion("Who can say?") if len(json.loads(chat.user)["request"]) % 2 == 0 else answer


class Dead(Reader):
    """Not there any more."""

    identity = "dead:1"

    def _answer(self, chat: Chat) -> Completion | Exception:
        return StageError(FailureKind.UNREACHABLE, "nobody answers at this address", hint="start the server")
