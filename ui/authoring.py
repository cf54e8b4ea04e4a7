"""Who writes prompt sets and checklists, put together: the journal first, then a language model behind a stage, within a budget.

What is asked, and what of the answers can be used, is decided under optimizer/authoring; where the result goes, by the commands.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError
from data.errors import Stage as StageName
from data.identity import content_id
from data.usage import Usage
from optimizer.authoring import Author, Listen, Unanswered
from optimizer.stage import Stage, StageFailed
from ui.engines import Building, build_writer, stage_limits
from ui.journal import Answers, Journal
from ui.settings import Settings

T = TypeVar("T")

ABOUT_THE_QUESTION = frozenset((
    FailureKind.EMPTY, FailureKind.UNFINISHED, FailureKind.TOO_LONG, FailureKind.MALFORMED, FailureKind.OFF_TASK, FailureKind.REFUSED,
    FailureKind.BLOCKED, FailureKind.CONTEXT_TOO_LONG,
))  # fmt: skip
"""Kinds of failures that say nothing about the next question."""
PERHAPS = frozenset((FailureKind.TIMEOUT, FailureKind.SERVER_ERROR, FailureKind.REJECTED))
"""Kinds that may be about the question, or about the server: …"""
IN_A_ROW = 4
"""… so many of them without an answer in between, and it is the server."""


@dataclass(slots=True)
class Tally:
    """What the writing took so far. ``asked`` of the writer, ``recalled`` from the journal; ``used`` by all answers, earlier ones too."""

    asked: int = 0
    recalled: int = 0
    used: Usage = Usage()


Watch = Callable[[str, int, int, Tally], None]
"""Told the phase, how many of its questions are done, of how many, and what all of it took so far."""


class JournaledAsk:
    """An optimizer.authoring.Ask: the journal first, then the writer, ``most`` at once and within ``dollars`` (None: no limit)."""

    def __init__(self, stage: Stage[Chat, Completion], identity: str, journal: Answers, most: int, dollars: float | None) -> None:
        self.tally = Tally(used=journal.used())
        self._stage = stage
        self._identity = identity
        self._journal = journal
        self._places = asyncio.Semaphore(most)
        self._dollars = dollars
        self._under_way = 0
        self._price = (self.tally.used.cost or 0.0) / len(journal) if len(journal) else None
        """What an answer costs on average, in dollars; None where that is not known yet."""
        self._doubtful: list[tuple[str, StageError]] = []
        self._stopped: FatalError | None = None
        self._settled = asyncio.Event()

    async def __call__(self, chat: Chat) -> Completion:
        key = question_key(self._identity, chat)
        kept = self._journal.find(key)
        if kept is not None:
            self.tally.recalled += 1
            if isinstance(kept, StageError):
                raise Unanswered(kept)
            return kept
        async with self._places:
            await self._turn()
            self._under_way += 1
            try:
                return await self._asked(key, chat)
            finally:
                self._under_way -= 1
                self._settled.set()

    async def _turn(self) -> None:
        """Waits until the question may be asked: within the limit by what answers cost on average, those under way included."""
        while self._dollars is not None and self._price is None and self._under_way and self._stopped is None:
            # One goes ahead: what an answer costs is not known yet, and a hundred could cost too much.
            self._settled.clear()
            await self._settled.wait()
        if self._dollars is not None and self._stopped is None:
            spent = self.tally.used.cost or 0.0
            if spent + (self._price or 0.0) * (self._under_way + 1) > self._dollars:
                message = f"${spent:.4f} of ${self._dollars:g} are spent, and what is left does not pay for the next answer"
                self._stopped = FatalError(message, hint="give more --dollars")
        if self._stopped is not None:
            raise self._stopped

    async def _asked(self, key: str, chat: Chat) -> Completion:
        try:
            answer = await self._stage(key, chat)
        except StageFailed as failed:
            error = failed.error
            error.usage = failed.usage
            self._fail(key, error)
            raise Unanswered(error) from None
        except FatalError as error:
            self._stopped = self._stopped or error
            raise
        for earlier, error in self._doubtful:
            self._keep(earlier, error)
        self._doubtful.clear()
        self._keep(key, answer)
        return answer

    def _fail(self, key: str, error: StageError) -> None:
        """Takes note of a failure; FatalError where it means that no question has an answer now."""
        if error.kind is FailureKind.UNSUPPORTED:
            return  # Found out by rule, and for nothing.
        if error.kind in ABOUT_THE_QUESTION:
            self._keep(key, error)
            return
        if error.kind in PERHAPS:
            # Kept only when an answer has shown that the server lives: else the next sitting tries again.
            self._doubtful.append((key, error))
            if len(self._doubtful) < IN_A_ROW:
                return
        self._stopped = self._stopped or FatalError(str(error), hint=error.hint)
        raise self._stopped

    def _keep(self, key: str, outcome: Completion | StageError) -> None:
        self._journal.add(key, outcome)
        self.tally.asked += 1
        self.tally.used += outcome.usage
        if self.tally.used.cost is not None:
            self._price = self.tally.used.cost / len(self._journal)
        elif self._dollars is not None:
            message = "a dollar limit was set, but the price of an answer is not known"
            self._stopped = self._stopped or FatalError(message, hint="leave --dollars out, and watch the tokens")
            raise self._stopped


def question_key(identity: str, chat: Chat) -> str:
    """The content key of an answer: all that determines it."""
    return content_id("question", [identity, chat.system, chat.user, chat.seed, chat.max_tokens, dict(chat.schema or {})])


async def carried_out(
    settings: Settings, journal: Journal, dollars: float | None, work: Callable[[Author, Listen], Awaitable[T]], watch: Watch
) -> tuple[T, Tally]:
    """Builds the writer of ``settings``, and lets ``work`` ask it: its result, and what that took."""
    building = Building(settings)
    async with building.closing as closing:
        engine = build_writer(building)
        limits = stage_limits(settings.writer, engine)
        stage: Stage[Chat, Completion] = await closing.enter_async_context(Stage(StageName.WRITE, engine, limits))
        ask = JournaledAsk(stage, engine.identity, journal, settings.writer.at_once, dollars)
        author = Author(ask, settings.writer.max_tokens, settings.writer.structured)
        return await work(author, lambda phase, done, total: watch(phase, done, total, ask.tally)), ask.tally
