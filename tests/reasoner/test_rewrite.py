"""The rewriter asks once per prompt, cleans, checks intent, and never falls back to the user's own text."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.records import Prompt, Rewrite, SystemPrompt, Usage
from data.textlimit import TextLimit
from reasoner import RewriteRequest
from reasoner.rewrite import Rewriter, rewrite_schema


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
    assert first == Rewrite("Three cats.", "thinking", removed=("quotation marks",))
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


# -- structured output


async def test_a_schema_is_sent_where_structure_is_asked_for():
    engine = Scripted(*[Completion("A fox.")] * 3)
    for rewriter in (Rewriter(engine), Rewriter(engine, structured=False), Rewriter(engine, ratios=("16:9", "1:1"))):
        await rewriter([request("a fox")])
    plain, none, with_ratios = (chat.schema for chat in engine.asked)
    assert plain == rewrite_schema()
    assert none is None
    assert with_ratios == {
        "title": "rewrite",
        "type": "object",
        "properties": {"prompt": {"type": "string"}, "aspect_ratio": {"type": ["string", "null"], "enum": ["16:9", "1:1", None]}},
        "required": ["prompt", "aspect_ratio"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("answer", ["A red fox.", json.dumps({"prompt": "A red fox."}), '```json\n{"prompt": "A red fox."}\n```'])
async def test_json_and_plain_text_are_both_read(structured: bool, answer: str):
    (rewrite,) = await Rewriter(Scripted(Completion(answer)), structured=structured)([request("a fox")])
    assert isinstance(rewrite, Rewrite)
    assert rewrite.text == "A red fox."


@pytest.mark.parametrize(
    ("ratio", "kept", "removed"),
    [
        ("16:9", "16:9", ()),
        (None, "", ()),
        ("5:3", "", ("an aspect ratio that was not offered: 5:3",)),
    ],
)
async def test_the_aspect_ratio_is_one_of_those_offered(ratio: str | None, kept: str, removed: tuple[str, ...]):
    engine = Scripted(Completion(json.dumps({"prompt": "A red fox.", "aspect_ratio": ratio})))
    (rewrite,) = await Rewriter(engine, ratios=("16:9", "1:1"))([request("a fox")])
    assert isinstance(rewrite, Rewrite)
    assert (rewrite.aspect_ratio, rewrite.removed) == (kept, removed)


# -- what is recorded

LIMIT = TextLimit("words", 3, lambda text: len(text.split()))


async def test_all_of_a_completion_is_kept():
    usage = Usage(10, 20, 0.5, 4, 6)
    (rewrite,) = await Rewriter(Scripted(Completion("Sure! A fox.", "hm", usage, 1.5, seed=7)), limit=LIMIT)([request("a fox")])
    assert rewrite == Rewrite("A fox.", "hm", removed=("an introduction: “Sure!”",), tokens=2, seed=7)
    assert isinstance(rewrite, Rewrite)
    assert (rewrite.usage, rewrite.latency) == (usage, 1.5)


async def test_repeated_instructions_are_a_failure():
    system = (
        "Rewrite the request as a prompt. Name the subject first, then its colors, then the place, the light and the style of the picture."
    )
    (outcome,) = await Rewriter(Scripted(Completion(system)))([request("a fox", system)])
    assert isinstance(outcome, StageError)
    assert (outcome.kind, outcome.retryable) == (FailureKind.OFF_TASK, True)


async def test_length_is_a_flaw_of_raw_prompts_too():
    asked, raw = await Rewriter(Scripted(Completion("A very red fox.")), limit=LIMIT)([request("a fox"), request("a red fox in snow", "")])
    assert isinstance(asked, Rewrite)
    assert (asked.tokens, asked.flaws) == (4, ("4 tokens of words, the generator reads 3",))
    assert raw == Rewrite("a red fox in snow", tokens=5, flaws=("5 tokens of words, the generator reads 3",))


async def test_a_recalled_rewrite_is_checked_for_this_generator():
    prompt = Prompt("a red fox")
    answer = Completion("Option 1: A very red fox.\nOption 2: A fox.")
    short, long = Rewriter(Scripted(answer), limit=LIMIT), Rewriter(Scripted(answer), limit=replace(LIMIT, tokens=100))
    first, second = (await short([request(prompt.text)]))[0], (await long([request(prompt.text)]))[0]
    assert isinstance(first, Rewrite)
    assert isinstance(second, Rewrite)
    assert first != second
    assert long.checked(prompt, first) == second
    assert short.checked(prompt, second) == first
    several = "several prompts given, the first one taken"
    assert second.flaws == (several,)
    assert Rewriter(Scripted()).checked(prompt, first) == replace(first, tokens=None, flaws=(several,))
    assert short.checked(prompt, first).drift == first.drift


def test_the_identity_has_what_changes_rewrites_and_no_limit():
    engine = Scripted()
    assert Rewriter(engine).identity == Rewriter(engine, limit=LIMIT).identity
    others = [Rewriter(engine), Rewriter(engine, 100), Rewriter(engine, structured=False), Rewriter(engine, ratios=("1:1",))]
    assert len({rewriter.identity for rewriter in others}) == 4
    assert all(rewriter.identity.endswith(" scripted") for rewriter in others)


def test_who_times_the_calls_is_the_engines_to_say():
    class Punctual(Scripted):
        times_itself = True

    assert Rewriter(Punctual()).times_itself is True
    assert Rewriter(Scripted()).times_itself is False
