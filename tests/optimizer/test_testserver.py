"""The vision test server over HTTP: it sees what is painted, errs as often as its models' names say, and misbehaves as they say."""

import asyncio
import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image
from scipy.stats import binomtest

from data.chat import Chat, ChatImage, Completion
from data.checklists import GLOBAL_CRITERIA
from data.errors import FailureKind, StageError
from data.records import Criterion, CriterionKind, Need, Prompt
from data.scene import Check
from data.scene import Test as CheckTest
from optimizer.calibration.alterations import room_for_flattery
from optimizer.calibration.paintings import Copy, example_at, paintings, png_of, seed_of
from optimizer.calibration.skills import Skill, skill_of
from optimizer.testserver import TRAITS, ChatServer, serving_eyes
from optimizer.testserver.eyes import trait_of
from reasoner.engines.openai import openai_engine
from reasoner.testserver import BEHAVIORS

PICTURES = 90
CHECKLIST = {"title": "verdicts", "type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a calibration, what is asked about it, and what is true."""

    request: str
    criteria: tuple[Criterion, ...]
    png: bytes
    truth: dict[str, bool]


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving_eyes() as running:
        yield running


@pytest.fixture(scope="module")
def shown() -> list[Shown]:
    return [
        Shown(painting.prompt.text, (*painting.prompt.checklist, *GLOBAL_CRITERIA), png_of(1, painting.seed), dict(painting.truth))
        for painting in paintings(PICTURES, 1)
    ]


@asynccontextmanager
async def engine(server: ChatServer, model: str, **parameters: Any):
    opened = openai_engine(model, urls=[server.url], api_key=None, parameters=parameters, most=32, timeout=60.0)
    try:
        yield opened
    finally:
        await opened.aclose()


def checklist(one: Shown, seed: int = 1, png: bytes | None = None) -> Chat:
    entries = [{"id": f"c{number}", "statement": criterion.text} for number, criterion in enumerate(one.criteria, 1)]
    return chat({"request": one.request, "criteria": entries}, png or one.png, seed=seed, schema=CHECKLIST)


def chat(material: dict[str, Any], *pngs: bytes, seed: int = 1, **more: Any) -> Chat:
    images = tuple(ChatImage(png) for png in pngs)
    return Chat("You see.", f"Look:\n\n{json.dumps(material, ensure_ascii=False)}", seed, images=images, **more)


async def said(server: ChatServer, model: str, *chats: Chat, **parameters: Any) -> list[str]:
    """The texts that ``model`` answers; raises what befell it."""
    return [completion.text for completion in await completions(server, model, *chats, **parameters)]


async def completions(server: ChatServer, model: str, *chats: Chat, **parameters: Any) -> list[Completion]:
    async with engine(server, model, **parameters) as ours:
        outcomes = await ours(chats)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Completion)]


async def verdicts(server: ChatServer, model: str, shown: Sequence[Shown], seed: int = 1, **parameters: Any) -> dict[tuple[int, str], str]:
    """What ``model`` answers to all statements: by the picture's place in ``shown`` and the criterion's id."""
    texts = await said(server, model, *(checklist(one, seed) for one in shown), **parameters)
    found: dict[tuple[int, str], str] = {}
    for place, (one, text) in enumerate(zip(shown, texts, strict=True)):
        entries = json.loads(text)["verdicts"]
        assert [entry["id"] for entry in entries] == [f"c{number}" for number in range(1, len(one.criteria) + 1)]
        assert all(list(entry) == ["id", "evidence", "answer"] and entry["evidence"] for entry in entries)
        found |= {(place, criterion.id): entry["answer"] for criterion, entry in zip(one.criteria, entries, strict=True)}
    return found


@pytest.fixture(scope="module")
def true(server: ChatServer, shown: list[Shown]) -> dict[tuple[int, str], str]:
    """What the model without a fault answers."""
    return asyncio.run(verdicts(server, "eyes", shown))


def binomial(number: int, of: int, rate: float) -> bool:
    """Whether so many of so many are compatible with ``rate``: one time in ten thousand, they are not."""
    return bool(binomtest(number, of, rate).pvalue > 1e-4)


def apart(first: dict[tuple[int, str], str], second: dict[tuple[int, str], str], *answers: str) -> tuple[int, int]:
    """How many of the first's ``answers`` are others in the second, and how many there are."""
    asked = [key for key, answer in first.items() if answer in answers]
    return sum(first[key] != second[key] for key in asked), len(asked)


# -- seeing


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_eyes_answer_what_is_true(server: ChatServer, shown: list[Shown], api: str):
    answers = await verdicts(server, "eyes", shown, api=api)
    known = {(place, name): holds for place, one in enumerate(shown) for name, holds in one.truth.items() if (place, name) in answers}
    wrong = {key: answers[key] for key, holds in known.items() if answers[key] != ("yes" if holds else "no")}
    assert len(known) > 300
    assert len(wrong) <= 0.01 * len(known), wrong
    assert "unclear" not in answers.values()


@pytest.mark.parametrize(("side", "kind"), [(512, "JPEG"), (400, "JPEG"), (1024, "PNG")])
async def test_eyes_see_other_sizes_and_jpegs(server: ChatServer, shown: list[Shown], true: dict, side: int, kind: str):
    def sent(png: bytes) -> bytes:
        file = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(file, kind, quality=92)
        return file.getvalue()

    texts = await said(server, "eyes", *(checklist(one, png=sent(one.png)) for one in shown[:20]))
    answers = [[entry["answer"] for entry in json.loads(text)["verdicts"]] for text in texts]
    expected = [[true[place, criterion.id] for criterion in one.criteria] for place, one in enumerate(shown[:20])]
    assert sum(a != b for row, other in zip(answers, expected, strict=True) for a, b in zip(row, other, strict=True)) <= 2


async def test_one_statement_at_a_time(server: ChatServer, shown: list[Shown], true: dict):
    one = shown[0]
    chats = [chat({"request": one.request, "statement": criterion.text}, one.png) for criterion in one.criteria]
    answers = [json.loads(text) for text in await said(server, "eyes", *chats)]
    assert [answer["answer"] for answer in answers] == [true[0, criterion.id] for criterion in one.criteria]
    assert all(list(answer) == ["evidence", "answer"] for answer in answers)


async def test_one_word_for_the_whole_request(server: ChatServer, shown: list[Shown]):
    ones = [one for one in shown if "vqa" in one.truth]
    words = await said(server, "eyes", *(chat({"request": one.request}, one.png) for one in ones))
    assert {one.truth["vqa"] for one in ones} == {True, False}
    assert words == ["Yes" if one.truth["vqa"] else "No" for one in ones]


async def test_pairs(server: ChatServer):
    """Pictures with one planted error beside those without."""
    numbers = range(1, 60, 3)
    requests = [example_at(1, number).wish for number in numbers]
    pairs = [(png_of(1, seed_of(number, Copy.TWIN)), png_of(1, seed_of(number, Copy.PLAIN))) for number in numbers]
    material = [
        {
            "request": wish.text,
            "criteria": [criterion.text for criterion in wish.checklist if criterion.need is not Need.MUST_NOT],
            "unwanted": [criterion.text for criterion in wish.checklist if criterion.need is Need.MUST_NOT],
        }
        for wish in requests
    ]
    forth = [chat(asked, right, wrong) for asked, (right, wrong) in zip(material, pairs, strict=True)]
    back = [chat(asked, wrong, right) for asked, (right, wrong) in zip(material, pairs, strict=True)]
    alike = [chat(asked, right, right) for asked, (right, _) in zip(material, pairs, strict=True)]
    answers = [json.loads(text) for text in await said(server, "eyes", *forth, *back, *alike)]
    assert all(list(answer) == ["first", "second", "answer"] for answer in answers)
    winners = [answer["answer"] for answer in answers]
    opposite = {"first": "second", "second": "first", "tie": "tie"}
    assert winners[20:40] == [opposite[winner] for winner in winners[:20]]
    assert winners[:20].count("first") >= 16  # A cut figure is no matter of the request.
    assert "second" not in winners[:20]
    assert winners[40:] == ["tie"] * 20


async def test_what_they_know(server: ChatServer, shown: list[Shown]):
    png = shown[0].png
    strange = [
        ("three red balloons floating above a white house", "The balloons are made of glass"),
        ("a portrait of my aunt", "The woman smiles"),
        ("a portrait of my aunt", "Something is in the picture that was not asked for"),
    ]
    answers = await said(server, "eyes", *(chat({"request": request, "statement": statement}, png) for request, statement in strange))
    assert [json.loads(text)["answer"] for text in answers] == ["unclear"] * 3
    assert await said(server, "eyes", chat({"request": "a portrait of my aunt"}, png)) == ["Unclear"]
    # Not among the known prompts, but readable.
    text = (await said(server, "eyes", chat({"request": "five green kites", "statement": "There are exactly five kites"}, png)))[0]
    assert json.loads(text)["answer"] == "no"
    shore = Criterion("shore", "It plays at the shore", CriterionKind.GLOBAL, check=Check(CheckTest.BACKGROUND, value="beach"))
    mine = Prompt("my own words", (shore,))
    with serving_eyes(known=[mine]) as other:
        text = (await said(other, "eyes", chat({"request": "my own words", "statement": shore.text}, png)))[0]
    assert json.loads(text)["answer"] in ("yes", "no")


async def test_questions_that_are_none(server: ChatServer, shown: list[Shown]):
    (text,) = await said(server, "eyes", Chat("Be vivid.", "a red cat", 1))
    assert text.startswith("a red cat, shown as")
    (text,) = await said(server, "eyes", chat({"request": "a red cat"}))
    assert "no picture" in text
    with pytest.raises(StageError) as caught:
        await said(server, "eyes", chat({"request": "a red cat"}, b"no image"))
    assert caught.value.kind is FailureKind.REJECTED


# -- erring


@pytest.mark.parametrize(
    ("model", "of_true", "of_false"),
    [
        ("eyes-bias-20", 0, 0.2),
        ("eyes-bias-55", 0, 0.55),
        ("eyes-no-bias-20", 0.2, 0),
        ("eyes-wrong-10", 0.1, 0.1),
        ("eyes-noise-10", 0.1, 0.1),
        ("eyes-wrong-100", 1, 1),
    ],
)
async def test_planted_rates(server: ChatServer, shown: list[Shown], true: dict, model: str, of_true: float, of_false: float):
    answers = await verdicts(server, model, shown)
    for answer, rate in (("yes", of_true), ("no", of_false)):
        wrong, asked = apart(true, answers, answer)
        assert asked >= 200
        assert binomial(wrong, asked, rate), (answer, wrong, asked)
    again = await verdicts(server, model, shown, seed=2)
    if model.startswith("eyes-noise"):
        changed, asked = apart(answers, again, "yes", "no")
        assert binomial(changed, asked, 2 * 0.1 * 0.9)
        assert answers == await verdicts(server, model, shown)
    else:
        assert answers == again


async def test_noise_without_a_seed_is_another_each_time(server: ChatServer, shown: list[Shown]):
    first, second = [await verdicts(server, "eyes-noise-30", shown[:20], api="responses") for _ in range(2)]
    assert first != second


@pytest.mark.parametrize("skill", [skill for skill in Skill if skill is not Skill.WHOLE])
async def test_blindness(server: ChatServer, shown: list[Shown], true: dict, skill: Skill):
    answers = await verdicts(server, f"eyes-blind-{skill.name.lower()}", shown)
    skills = {(place, criterion.id): skill_of(criterion) for place, one in enumerate(shown) for criterion in one.criteria}
    blind = [key for key in answers if skills[key] is skill]
    assert len(blind) >= 10
    assert binomial(sum(answers[key] != true[key] for key in blind), len(blind), 0.5)
    assert all(answers[key] == true[key] for key in answers if skills[key] is not skill)


@pytest.mark.parametrize(("model", "copy"), [("eyes-flattered", Copy.FLATTERED), ("eyes-vivid", Copy.VIVID)])
async def test_they_fall_for_canaries(server: ChatServer, shown: list[Shown], true: dict, model: str, copy: Copy):
    bad = [number for number in range(PICTURES) if len(example_at(1, number).plants) > 1]
    bad = [number for number in bad if room_for_flattery(example_at(1, number).shown.layout)][:12]
    assert len(bad) == 12
    assert await verdicts(server, model, shown) == true
    ones = [Shown(shown[number].request, shown[number].criteria, png_of(1, seed_of(number, copy)), {}) for number in bad]
    answers, sober = await verdicts(server, model, ones), await verdicts(server, "eyes", ones)
    wanted = {(place, criterion.id): criterion.need is not Need.MUST_NOT for place, one in enumerate(ones) for criterion in one.criteria}
    assert answers == {key: "yes" if good else "no" for key, good in wanted.items()}
    assert sober != answers


async def test_log_probabilities(server: ChatServer, shown: list[Shown], true: dict):
    ones = shown[:12]
    (completion, *_) = await completions(server, "eyes-probable-80", *(checklist(one) for one in ones), top_logprobs=5, logprobs="true")
    assert "".join(token.text for token in completion.tokens) == completion.text
    sure = [token for token in completion.tokens if token.text in ("yes", "no") and len(token.alternatives) == 3]
    assert [token.text for token in sure] == [true[0, criterion.id] for criterion in ones[0].criteria]
    for token in sure:
        other = "no" if token.text == "yes" else "yes"
        assert token.alternatives[token.text] - token.alternatives[other] == pytest.approx(1.386, abs=0.01)  # ln(.8 / .2)
    (certain,) = await completions(server, "eyes-probable-100", checklist(ones[0]), top_logprobs=5, logprobs="true")
    assert {len(token.alternatives) for token in certain.tokens if token.text in ("yes", "no")} == {2}
    assert (await completions(server, "eyes-probable-80", checklist(ones[0])))[0].tokens == ()
    assert (await completions(server, "eyes", checklist(ones[0]), top_logprobs=5, logprobs="true"))[0].tokens == ()


async def test_position_bias(server: ChatServer, shown: list[Shown]):
    pairs = [(one, other) for one in shown[:10] for other in shown[10:15]]
    chats = [chat({"request": one.request, "criteria": []}, one.png, other.png) for one, other in pairs]
    plain = [json.loads(text)["answer"] for text in await said(server, "eyes", *chats)]
    biased = [json.loads(text)["answer"] for text in await said(server, "eyes-left-30", *chats)]
    open_to_it = [(before, after) for before, after in zip(plain, biased, strict=True) if before != "first"]
    fresh = [chat({"request": one.request, "criteria": []}, one.png, one.png) for one in shown]
    ties = [json.loads(text)["answer"] for text in await said(server, "eyes-left-30", *fresh)]
    assert set(ties) == {"first", "tie"}
    assert binomial(ties.count("first"), len(ties), 0.3)
    assert all(after in (before, "first") for before, after in open_to_it)


# -- misbehaving


async def test_manners(server: ChatServer, shown: list[Shown], true: dict):
    one = shown[2]
    count = len(one.criteria)
    right = {f"c{number}": true[2, criterion.id] for number, criterion in enumerate(one.criteria, 1)}
    other = {"yes": "no", "no": "yes"}

    async def text(model: str) -> str:
        return (await said(server, model, checklist(one)))[0]

    async def entries(model: str) -> list[tuple[str, str]]:
        return [(entry["id"], entry["answer"]) for entry in json.loads(await text(model))["verdicts"]]

    assert await entries("eyes-half") == list(right.items())[: (count + 1) // 2]
    extra = await entries("eyes-extra")
    assert extra[:count] == list(right.items())
    assert len(extra) == count + 2
    assert await entries("eyes-twice") == [*right.items(), *((name, other[answer]) for name, answer in right.items())]
    assert await entries("eyes-na") == [(name, "N/A") for name in right]
    assert {entry["evidence"] for entry in json.loads(await text("eyes-empty-evidence"))["verdicts"]} == {""}
    assert "{" not in await text("eyes-prose")
    fenced = await text("eyes-fenced")
    assert json.loads(fenced.split("```")[1].removeprefix("json"))["verdicts"][0]["answer"] == right["c1"]
    lines = (await text("eyes-lines")).splitlines()
    assert [line.split(" - because ")[0] for line in lines] == [f"{name}: {answer}" for name, answer in right.items()]
    assert json.loads(await text("eyes-bare")) == list(right.values())
    assert (await text("eyes-refuses")).startswith("I'm sorry")
    assert json.loads(await text("eyes-drafts"))["verdicts"][0]["answer"] == right["c1"]  # The engine knows these tags.
    assert set(dict(await entries("eyes-ignores")).values()) == {"yes"}
    with pytest.raises(StageError) as caught:
        await text("eyes-cut")
    assert caught.value.kind is FailureKind.TOO_LONG


@pytest.mark.parametrize("model", [name for name, trait in TRAITS.items() if trait.manner is not TRAITS["eyes"].manner])
async def test_every_question_can_be_answered_in_every_manner(server: ChatServer, shown: list[Shown], model: str):
    one = shown[0]
    questions = [
        chat({"request": one.request, "statement": one.criteria[0].text}, one.png),
        chat({"request": one.request}, one.png),
        chat({"request": one.request, "criteria": [one.criteria[0].text]}, one.png, one.png),
    ]
    async with engine(server, model) as ours:
        outcomes = await ours(questions)
    for outcome in outcomes:
        assert isinstance(outcome, Completion) or (model == "eyes-cut" and isinstance(outcome, StageError)), outcome


async def test_refusals(server: ChatServer, shown: list[Shown]):
    one = shown[0]
    small = io.BytesIO()
    Image.open(io.BytesIO(one.png)).resize((256, 256)).save(small, "PNG")

    async def status(model: str, png: bytes, **more: Any) -> tuple[int, str]:
        uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        content = [{"type": "text", "text": json.dumps({"request": one.request})}, {"type": "image_url", "image_url": {"url": uri}}]
        async with httpx.AsyncClient() as client:
            body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
            answer = await client.post(f"{server.url}/chat/completions", json=body)
        return answer.status_code, answer.json().get("error", {}).get("message", "")

    schema = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"title": "verdict", "type": "object"}}}
    assert await status("eyes-none", one.png) == (400, "eyes-none is not a multimodal model")
    assert (await status("eyes-small", one.png))[0] == 400
    assert (await status("eyes-small", small.getvalue()))[0] == 200
    for model, wish in (
        ("eyes-no-logprobs", {"logprobs": True}),
        ("eyes-no-schema", {"response_format": schema}),
        ("eyes-cold", {"temperature": 0}),
    ):
        refused, why = await status(model, one.png, **wish)
        assert refused == 400
        assert next(iter(wish)) in why
        assert (await status(model, one.png))[0] == 200


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("rate-limited", FailureKind.RATE_LIMITED),
        ("server-error", FailureKind.SERVER_ERROR),
        ("reset", FailureKind.UNREACHABLE),
        ("eyes-of-an-eagle", FailureKind.UNKNOWN_MODEL),
    ],
)
async def test_what_any_server_can_do_wrong_happens_here_too(server: ChatServer, shown: list[Shown], model: str, kind: FailureKind):
    with pytest.raises(StageError) as caught:
        await said(server, model, checklist(shown[0]))
    assert caught.value.kind is kind


# -- the table, and by hand


def test_names():
    assert trait_of("eyes-bias-7") is not None
    assert "7%" in trait_of("eyes-bias-7").description  # pyright: ignore[reportOptionalMemberAccess]
    strange = ("eyes-bias", "eyes-bias-101", "eyes-bias-x", "eyes-half-20", "eyes-", "good", "eyes-probable-49")
    assert not any(trait_of(name) for name in strange)
    assert all(trait_of(name) is not None for name in TRAITS)
    assert TRAITS.keys().isdisjoint(BEHAVIORS)


def test_by_hand():
    with subprocess.Popen([sys.executable, "-m", "optimizer.testserver"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        process.stdout.readline()
        names = [process.stdout.readline().split()[0] for _ in TRAITS]
        assert names == list(TRAITS)
        listed = [model["id"] for model in httpx.get(f"{url}/models").json()["data"]]
        assert set(TRAITS) <= set(listed)
        process.terminate()
        assert process.wait(30) == 0
