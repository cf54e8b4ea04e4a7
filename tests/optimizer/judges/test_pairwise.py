"""The judge of pairs: what it asks, what two answers make together, and how answers of any form are read."""

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.chat import Chat, ChatImage, Completion
from data.errors import FailureKind, StageError
from data.formats import load_prompts
from data.records import Criterion, CriterionKind, GeneratedImage, Need, Prompt
from data.usage import Usage
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import picture_of
from optimizer.judges.pair_answers import Said, read_preference
from optimizer.judges.pairwise import PairRequest, PairwiseJudge, Preference, flip_rate
from optimizer.testserver import serving_eyes
from reasoner.engines.openai import openai_engine

CHECKLIST = (
    Criterion("red", "The picture is red", CriterionKind.ATTRIBUTE),
    Criterion("dog", "A dog is visible", CriterionKind.NEGATION, Need.MUST_NOT),
)
PROMPT = Prompt("all red, no dog", CHECKLIST)


def png(red: int) -> GeneratedImage:
    file = io.BytesIO()
    Image.new("RGB", (40, 20), (red, 0, 0)).save(file, "PNG")
    return GeneratedImage(f"red {red}", 40, 20, content=file.getvalue())


def redness(image: ChatImage) -> int:
    color = Image.open(io.BytesIO(image.content)).convert("RGB").getpixel((5, 5))
    assert isinstance(color, tuple)
    return round(color[0] / 10)


def by_sight(chat: Chat) -> str:
    """The redder image is better."""
    first, second = map(redness, chat.images)
    return "first" if first > second else "second" if second > first else "tie"


@dataclass
class Eyes:
    """A ChatEngine that answers by ``decide``, and remembers what it was asked."""

    decide: Callable[[Chat], str | Exception]
    asked: list[Chat] = field(default_factory=list)
    calls: int = 0
    identity: str = "eyes"

    async def __call__(self, chats: Sequence[Chat], /) -> Sequence[Completion | Exception]:
        self.asked += chats
        self.calls += 1
        return [self._answer(chat) for chat in chats]

    def _answer(self, chat: Chat) -> Completion | Exception:
        decided = self.decide(chat)
        if isinstance(decided, Exception):
            return decided
        if decided not in ("first", "second", "tie"):
            return Completion(decided, usage=Usage(100, 10))
        first, second = (f"redness {redness(image)}" for image in chat.images)
        answer = json.dumps({"first": first, "second": second, "answer": decided})
        return Completion(answer, usage=Usage(100, 10), latency=2.0)


def swapped(chat: Chat) -> bool:
    return chat.images[0].content != chat.images[1].content and redness(chat.images[0]) < redness(chat.images[1])


async def compared(decide: Callable[[Chat], str | Exception], first: int = 200, second: int = 50) -> Preference:
    outcome = await outcome_of(decide, first, second)
    assert isinstance(outcome, Preference), outcome
    return outcome


async def outcome_of(decide: Callable[[Chat], str | Exception], first: int = 200, second: int = 50) -> Preference | Exception:
    (outcome,) = await PairwiseJudge(Eyes(decide), format="png")([PairRequest(PROMPT, png(first), png(second))])
    return outcome


# -- what two answers make together


@pytest.mark.parametrize(("first", "second", "value"), [(200, 50, 1.0), (50, 200, 0.0), (80, 80, 0.5)])
async def test_what_is_said_in_both_orders_decides(first: int, second: int, value: float) -> None:
    preference = await compared(by_sight, first, second)
    assert preference == Preference(value, False, (f"redness {first // 10}", f"redness {second // 10}"))
    assert preference.usage == Usage(200, 20)
    assert preference.latency == 2.0


@pytest.mark.parametrize("place", ["first", "second"])
async def test_a_place_that_wins_whatever_is_shown_is_a_tie_and_flipped(place: str) -> None:
    preference = await compared(lambda _: place)
    assert (preference.value, preference.flipped) == (0.5, True)
    assert flip_rate([preference, await compared(by_sight), await compared(by_sight), preference]) == 0.5
    assert flip_rate([]) is None


@pytest.mark.parametrize("place", ["first", "second"])
async def test_a_tie_in_one_order_makes_a_tie_that_is_not_flipped(place: str) -> None:
    preference = await compared(lambda chat: "tie" if swapped(chat) else place)
    assert (preference.value, preference.flipped) == (0.5, False)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["first", "second", "tie"]), st.sampled_from(["first", "second", "tie"]))
async def test_turning_a_pair_around_turns_its_value_around(straight: str, back: str) -> None:
    one = await compared(lambda chat: back if swapped(chat) else straight)
    other = await compared(lambda chat: back if swapped(chat) else straight, 50, 200)
    assert one.value == 1 - other.value
    assert one.flipped == other.flipped


# -- what is asked


async def test_both_orders_of_all_pairs_are_asked_in_one_call_and_answered_in_order() -> None:
    eyes = Eyes(by_sight)
    judge = PairwiseJudge(eyes, format="png", side=20)
    broken = GeneratedImage("broken", 1, 1, content=b"no image")
    pairs = [(200, 50), (50, 200), (90, 90)]
    requests = [PairRequest(PROMPT, png(first), png(second)) for first, second in pairs]
    outcomes = await judge([requests[0], PairRequest(PROMPT, png(1), broken), *requests[1:], replace(requests[0], look=1)])
    assert [outcome.value if isinstance(outcome, Preference) else None for outcome in outcomes] == [1.0, None, 0.0, 0.5, 1.0]
    assert isinstance(outcomes[1], StageError)
    assert outcomes[1].kind is FailureKind.MALFORMED
    assert (eyes.calls, len(eyes.asked)) == (1, 8)
    assert await judge([]) == []
    assert eyes.calls == 1
    seeds = [chat.seed for chat in eyes.asked]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    for chat in eyes.asked:
        assert [Image.open(io.BytesIO(image.content)).size for image in chat.images] == [(20, 10)] * 2
    straight, back = eyes.asked[:2]
    assert straight.images == back.images[::-1]


async def test_the_model_sees_the_request_and_its_statements_and_what_is_unwanted_apart() -> None:
    eyes = Eyes(by_sight)
    await PairwiseJudge(eyes)([PairRequest(PROMPT, png(200), png(50)), PairRequest(Prompt('a "b"'), png(200), png(50))])
    with_list, without = (json.loads(chat.user.splitlines()[-1]) for chat in eyes.asked[::2])
    assert with_list == {"request": PROMPT.text, "criteria": ["The picture is red"], "unwanted": ["A dog is visible"]}
    assert without == {"request": 'a "b"', "criteria": []}
    schema: Any = eyes.asked[0].schema
    assert schema["title"] == "preference"
    assert list(schema["properties"]) == ["first", "second", "answer"]
    assert eyes.asked[0].temperature == 0
    assert "rewrit" not in eyes.asked[0].system


async def test_an_image_without_its_file_is_not_asked_about() -> None:
    eyes = Eyes(by_sight)
    (outcome,) = await PairwiseJudge(eyes)([PairRequest(PROMPT, png(200).without_content(), png(50))])
    assert isinstance(outcome, StageError)
    assert (outcome.kind, eyes.calls) == (FailureKind.UNSUPPORTED, 0)


async def test_a_checklist_of_another_text_may_not_judge() -> None:
    eyes = Eyes(by_sight)
    prompt = replace(PROMPT, checklist_from="a rewrite")
    (outcome,) = await PairwiseJudge(eyes)([PairRequest(prompt, png(200), png(50))])
    assert isinstance(outcome, StageError)
    assert (outcome.kind, eyes.calls) == (FailureKind.UNSUPPORTED, 0)


def test_all_that_determines_a_preference_is_in_its_key() -> None:
    request = PairRequest(PROMPT, png(200), png(50))
    others = [replace(request, first=request.second, second=request.first), replace(request, look=1), replace(request, prompt=Prompt("x"))]
    assert len({one.key("a") for one in (request, *others)} | {request.key("b")}) == 5
    assert request.key("a") == PairRequest(PROMPT, png(200), png(50)).key("a")
    eyes = Eyes(by_sight)
    judges = [
        PairwiseJudge(eyes),
        PairwiseJudge(eyes, side=512),
        PairwiseJudge(eyes, format="png"),
        PairwiseJudge(eyes, max_tokens=9),
        PairwiseJudge(Eyes(by_sight, identity="other eyes")),
    ]
    assert len({judge.identity for judge in judges}) == 5


# -- failures


async def test_a_failure_in_one_order_fails_the_pair_with_the_usage_of_both() -> None:
    down = StageError(FailureKind.UNREACHABLE, "server down", retryable=True, retry_after=3.0, hint="start it", usage=Usage(1, 0))
    outcome = await outcome_of(lambda chat: down if swapped(chat) else "first")
    assert isinstance(outcome, StageError)
    assert (outcome.kind, outcome.retryable, outcome.retry_after, outcome.hint) == (FailureKind.UNREACHABLE, True, 3.0, "start it")
    assert outcome.usage == Usage(101, 10)
    assert down.usage == Usage(1, 0)


async def test_an_answer_that_says_nothing_is_paid_for_and_no_preference() -> None:
    outcome = await outcome_of(lambda chat: "Both pictures have their charm." if swapped(chat) else "first")
    assert isinstance(outcome, StageError)
    assert (outcome.kind, outcome.retryable, outcome.usage) == (FailureKind.MALFORMED, True, Usage(200, 20))


async def test_a_refusal_goes_before_what_may_heal() -> None:
    outcome = await outcome_of(lambda chat: "I'm sorry, I can't help with that." if swapped(chat) else "Well.")
    assert isinstance(outcome, StageError)
    assert (outcome.kind, outcome.retryable) == (FailureKind.REFUSED, False)


async def test_a_bug_is_no_refusal_of_the_model() -> None:
    bug = ValueError("a bug")
    assert await outcome_of(lambda chat: bug if swapped(chat) else "first") is bug


# -- how answers are read

FIRST = ("first", "First", "the first image", "A", "Image A", "image_a", "1", "Picture 1", "left", "image1", "the first one is better")
SECOND = ("second", "SECOND.", "the second picture", "B", "image b", "2", "photo 2", "right", "picture_2", "the second one wins")
TIE = ("tie", "A tie", "equal", "both", "neither", "both are equally good", "neither is better", "draw", "the same")
NAMED = [(word, value) for words, value in ((FIRST, 1.0), (SECOND, 0.0), (TIE, 0.5)) for word in words]


@pytest.mark.parametrize(("word", "value"), NAMED)
def test_a_preference_is_read_in_many_words(word: str, value: float) -> None:
    assert read_preference(word) == Said(value)
    assert read_preference(f"The first shows a cat, the second none.\n\n**Answer:** {word}") == Said(value)
    assert read_preference(json.dumps({"first": "x", "second": "y", "answer": word})) == Said(value, "x", "y")


@settings(deadline=None)
@given(
    st.sampled_from(NAMED),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\"'“”"), max_size=40),
    st.sampled_from(["{}", "```json\n{}\n```", "Here is my answer:\n\n{}", "{}\n\nI hope this helps!", "<|channel|>final<|message|>{}"]),
    st.sampled_from([("first", "second", "answer"), ("image_a", "image_b", "winner"), ("Image 1", "Image 2", "Final answer")]),
    st.booleans(),
)
def test_an_object_is_read_wherever_it_stands(
    named: tuple[str, float], evidence: str, around: str, names: tuple[str, str, str], indent: bool
) -> None:
    record = {names[0]: evidence, names[1]: {"satisfied": ["a cat"], "missing": []}, names[2]: named[0]}
    text = json.dumps(record, ensure_ascii=False, indent=2 if indent else None)
    said = read_preference(around.format("@").replace("@", text))
    assert said == Said(named[1], " ".join(evidence.split()), "satisfied: a cat; missing: nothing")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"answer": "first"} No, wait. {"answer": "second"}', 0.0),
        ('{"preference": {"answer": "second"}}', 0.0),
        ('[{"answer": "tie"}]', 0.5),
        ('{"answer": 1}', 1.0),
        ("I prefer image B.", 0.0),
        ("First.\nBecause it shows all three balloons.", 1.0),
        ("Winner is: A", 1.0),
    ],
)
def test_other_forms(text: str, value: float) -> None:
    assert read_preference(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "first or second",
        "A > B",
        "not the first",
        "the second is worse",
        '{"answer": "first | second | tie"}',
        '{"first": "a cat", "second": "a d',
        '{"first": "a cat", "second": "a dog"}',
        '{"answer": null}',
        "The first picture shows three balloons and the second shows four.",
    ],
)
def test_what_says_nothing_or_both_is_no_preference(text: str) -> None:
    with pytest.raises(StageError) as caught:
        read_preference(text)
    assert caught.value.kind is FailureKind.MALFORMED


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=200) | st.text('{}[]":,\n firstecondtiaw12AB', max_size=120))
def test_any_text_is_a_preference_or_a_stage_error(text: str) -> None:
    with contextlib.suppress(StageError):
        assert read_preference(text).value in (0.0, 0.5, 1.0)


# -- over HTTP


def painted(count: int) -> list[tuple[Prompt, GeneratedImage, GeneratedImage]]:
    """Prompts with a picture that shows what they ask for, and one that shows what the next one asks for."""
    prompts = [prompt for prompt in load_prompts("scenes") if prompt.scene is not None and prompt.category == "explicit"][:count]
    pngs = [to_png(paint(picture_of(prompt.scene, number))) for number, prompt in enumerate(prompts) if prompt.scene is not None]
    images = [GeneratedImage(f"{number:064x}", 512, 512, content=png) for number, png in enumerate(pngs)]
    return list(zip(prompts, images, [*images[1:], images[0]], strict=True))


async def compared_by(model: str, requests: Sequence[PairRequest], **settings: Any) -> Sequence[Preference | Exception]:
    with serving_eyes() as server:
        engine = openai_engine(model, urls=[server.url], api_key=None, parameters={}, most=8, timeout=30)
        try:
            return await PairwiseJudge(engine, side=512, format="png", **settings)(requests)
        finally:
            await engine.aclose()


def preferences(outcomes: Sequence[Preference | Exception]) -> list[Preference]:
    found = [outcome for outcome in outcomes if isinstance(outcome, Preference)]
    assert len(found) == len(outcomes), outcomes
    return found


@pytest.mark.parametrize(
    "model", ["eyes", "eyes-fenced", "eyes-lines", "eyes-drafts", "eyes-no-schema", "eyes-cold", "eyes-empty-evidence"]
)
async def test_what_is_shown_decides_whatever_the_form_of_the_answer(model: str) -> None:
    pairs = painted(4)
    straight = [PairRequest(prompt, right, wrong) for prompt, right, wrong in pairs]
    back = [PairRequest(prompt, wrong, right) for prompt, right, wrong in pairs]
    alike = [PairRequest(prompt, right, right) for prompt, right, _ in pairs]
    found = preferences(await compared_by(model, [*straight, *back, *alike]))
    assert [preference.value for preference in found] == [1.0] * 4 + [0.0] * 4 + [0.5] * 4
    assert flip_rate(found) == 0
    assert all(preference.usage.input_tokens > 0 for preference in found)


async def test_a_preference_for_a_place_shows_as_its_flip_rate() -> None:
    pairs = painted(60)
    found = preferences(await compared_by("eyes-left-30", [PairRequest(prompt, right, wrong) for prompt, right, wrong in pairs]))
    rate = flip_rate(found)
    # In one of the two orders the wrong image stands first, and is preferred in 30 % of the cases: 3.5 standard errors around that.
    assert rate is not None
    assert abs(rate - 0.3) < 3.5 * (0.3 * 0.7 / 60) ** 0.5
    assert {preference.value for preference in found if not preference.flipped} == {1.0}


@pytest.mark.parametrize(
    ("model", "kind", "retryable"),
    [
        ("eyes-none", FailureKind.UNSUPPORTED, False),
        ("eyes-refuses", FailureKind.REFUSED, False),
        ("eyes-prose", FailureKind.MALFORMED, True),
        ("eyes-cut", FailureKind.TOO_LONG, False),
        ("unknown", FailureKind.UNKNOWN_MODEL, False),
    ],
)
async def test_a_model_that_does_not_answer_gives_no_preference(model: str, kind: FailureKind, retryable: bool) -> None:
    ((prompt, right, wrong),) = painted(1)
    (outcome,) = await compared_by(model, [PairRequest(prompt, right, wrong)])
    assert isinstance(outcome, StageError), outcome
    assert (outcome.kind, outcome.retryable) == (kind, retryable)
