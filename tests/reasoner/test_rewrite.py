"""The rewriter asks once per prompt, cleans, checks intent, and never falls back to the user's own text."""

from collections.abc import Sequence

from data.errors import FailureKind, StageError
from data.records import Prompt, Rewrite, SystemPrompt
from reasoner import RewriteRequest
from reasoner.chat import Chat, Completion
from reasoner.rewrite import Rewriter


class Scripted:
    """Gives the next outcome of a list to each chat."""

    identity = "scripted"

    def __init__(self, *outcomes: Completion | Exception) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[Chat] = []

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        self.asked += chats
        return [self.outcomes.pop(0) for _ in chats]


def request(text: str, system: str = "Be vivid.", sample: int = 0) -> RewriteRequest:
    return RewriteRequest(SystemPrompt(system), Prompt(text), sample)


async def test_each_request_gets_its_own_outcome_in_order():
    down = StageError(FailureKind.UNREACHABLE, "down", retryable=True)
    engine = Scripted(Completion('"Three cats."', "thinking"), down, Completion("I'm sorry, I can't help with that."))
    first, raw, second, third = await Rewriter(engine)([request("3 cats"), request("raw", ""), request("b"), request("c")])
    assert first == Rewrite("Three cats.", "thinking")
    assert raw == Rewrite("raw")
    assert second is down
    assert isinstance(third, StageError)
    assert third.kind is FailureKind.REFUSED
    assert [chat.user for chat in engine.asked] == ["3 cats", "b", "c"]


async def test_drift_is_reported_not_repaired():
    rewrite = (await Rewriter(Scripted(Completion("Some cats.")))([request("3 cats")]))[0]
    assert isinstance(rewrite, Rewrite)
    assert rewrite.text == "Some cats."
    assert rewrite.drift == ("the number 3 is gone",)


async def test_samples_differ_by_seed_and_repeat():
    engine = Scripted(*[Completion("x")] * 3)
    await Rewriter(engine)([request("a", sample=0), request("a", sample=1), request("a", sample=0)])
    seeds = [chat.seed for chat in engine.asked]
    assert seeds[0] == seeds[2] != seeds[1]
    assert all(0 <= seed < 2**31 for seed in seeds)


async def test_the_key_holds_all_that_matters_and_nothing_else():
    base = request("a cat")
    assert base.key("e") == RewriteRequest(SystemPrompt("Be vivid.", "other name"), Prompt("a cat", category="Animal"), 0).key("e")
    others = [request("a dog"), request("a cat", "Be dull."), request("a cat", sample=1)]
    assert len({base.key("e"), base.key("f"), *(other.key("e") for other in others)}) == 5
