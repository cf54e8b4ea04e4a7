"""Asking with a journal: nothing twice, within the budget, and what a failure says about the next question."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, FatalError, StageError
from data.errors import Stage as StageName
from data.usage import Usage
from optimizer.authoring import Unanswered
from optimizer.stage import Stage, StageLimits
from ui.authoring import IN_A_ROW, JournaledAsk
from ui.journal import Journal

LIMITS = StageLimits(concurrency=8, batch=1, timeout=5, attempts=2, backoff=0.001)
Answer = Callable[[str], Completion | StageError]


def priced(text: str, cost: float | None = 0.25) -> Completion:
    return Completion(text, usage=Usage(1, 1, cost))


def failing(kind: FailureKind, *, retryable: bool = False) -> StageError:
    return StageError(kind, f"it was {kind}", retryable=retryable, hint="do something", usage=Usage(1, 0, 0.25))


class Sitting:
    """One sitting with a journal: what is asked, of an engine that answers by ``answer``."""

    def __init__(self, target: Path, answer: Answer, dollars: float | None = None, most: int = 4) -> None:
        self.target, self.answer, self.dollars, self.most = target, answer, dollars, most
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0

    async def engine(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        self.at_once += len(chats)
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.002)
        self.at_once -= len(chats)
        self.asked += [chat.user for chat in chats]
        return [self.answer(chat.user) for chat in chats]

    async def ask(self, *questions: str) -> list[str | BaseException]:
        """The answers, all asked for at once; what was raised in place of those that have none."""
        with Journal(self.target) as journal:
            async with Stage(StageName.WRITE, self.engine, LIMITS) as stage:
                ask = JournaledAsk(stage, "engine:1", journal, self.most, self.dollars)
                outcomes = await asyncio.gather(*(ask(Chat("s", text, 1)) for text in questions), return_exceptions=True)
            self.tally = ask.tally
        return [outcome.text if isinstance(outcome, Completion) else outcome for outcome in outcomes]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set.jsonl"


async def test_what_was_answered_is_not_asked_again(target: Path) -> None:
    first = Sitting(target, lambda text: priced(text.upper()))
    assert await first.ask("a", "b") == ["A", "B"]
    second = Sitting(target, lambda text: priced("other"))
    assert await second.ask("a", "b", "c") == ["A", "B", "other"]
    assert second.asked == ["c"]
    assert (second.tally.asked, second.tally.recalled, second.tally.used.cost) == (1, 2, 0.75)


async def test_a_refusal_is_an_outcome_and_paid_for_once(target: Path) -> None:
    for expected in (["a"], []):
        sitting = Sitting(target, lambda _: failing(FailureKind.REFUSED))
        (outcome,) = await sitting.ask("a")
        assert isinstance(outcome, Unanswered)
        assert not outcome.is_final
        assert sitting.asked == expected
        assert sitting.tally.used.cost == 0.25


async def test_an_outage_stops_the_asking_and_is_forgotten(target: Path) -> None:
    questions = [str(number) for number in range(40)]
    down = Sitting(target, lambda text: priced(text) if int(text) < 4 else failing(FailureKind.UNREACHABLE, retryable=True))
    outcomes = await down.ask(*questions)
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == questions[:4]
    assert all(isinstance(outcome, FatalError) for outcome in outcomes[4:])
    assert "it was unreachable" in str(outcomes[-1])
    assert len(set(down.asked)) < 20, "what was under way ends, the rest is not begun"
    up = Sitting(target, priced)
    assert await up.ask(*questions) == questions
    assert sorted(up.asked, key=int) == questions[4:]


async def test_one_timeout_is_about_its_question_once_another_is_answered(target: Path) -> None:
    sitting = Sitting(target, lambda text: failing(FailureKind.TIMEOUT) if text == "slow" else priced(text), most=1)
    outcomes = await sitting.ask("slow", "a", "b")
    assert isinstance(outcomes[0], Unanswered)
    assert outcomes[1:] == ["a", "b"]
    again = Sitting(target, priced)
    assert isinstance((await again.ask("slow"))[0], Unanswered)
    assert again.asked == []


async def test_a_row_of_timeouts_is_about_the_server(target: Path) -> None:
    sitting = Sitting(target, lambda _: failing(FailureKind.TIMEOUT), most=1)
    outcomes = await sitting.ask(*(str(number) for number in range(20)))
    assert len(sitting.asked) == IN_A_ROW
    assert [isinstance(outcome, Unanswered) for outcome in outcomes] == [True] * (IN_A_ROW - 1) + [False] * (21 - IN_A_ROW)
    again = Sitting(target, priced)
    assert await again.ask("0", "1") == ["0", "1"], "of those nothing is kept"


async def test_what_can_not_be_done_at_all_is_final_and_not_kept(target: Path) -> None:
    (outcome,) = await Sitting(target, lambda _: failing(FailureKind.UNSUPPORTED)).ask("a")
    assert isinstance(outcome, Unanswered)
    assert outcome.is_final
    assert await Sitting(target, priced).ask("a") == ["a"]


@pytest.mark.parametrize("most", [1, 4, 40])
async def test_the_budget_is_not_exceeded(target: Path, most: int) -> None:
    questions = [str(number) for number in range(40)]
    sitting = Sitting(target, priced, dollars=2.6, most=most)
    outcomes = await sitting.ask(*questions)
    answered = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(answered) == 10
    assert sitting.tally.used.cost == 2.5
    assert "$2.5000 of $2.6 are spent" in str(outcomes[-1]) or most > 1
    more = Sitting(target, priced, dollars=5.1, most=most)
    await more.ask(*questions)
    assert len(more.asked) == 10, "what earlier sittings spent counts"


async def test_a_budget_needs_prices(target: Path) -> None:
    sitting = Sitting(target, lambda text: priced(text, None), dollars=1.0, most=8)
    outcomes = await sitting.ask(*"abcdefgh")
    assert all(isinstance(outcome, FatalError) for outcome in outcomes)
    assert sitting.asked == ["a"], "one goes ahead, and tells"
    assert "price of an answer is not known" in str(outcomes[0])


async def test_no_more_are_under_way_than_the_engine_may_have(target: Path) -> None:
    sitting = Sitting(target, priced, most=3)
    await sitting.ask(*(str(number) for number in range(20)))
    assert sitting.most_at_once == 3
