"""The proposer over a language model: what it is told and shown, and what becomes of an answer that can't be read."""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.chat import Chat, Completion
from data.errors import FailureKind, LedgerError, StageError, UsageError
from data.identity import derived_random
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    GeneratedImage,
    Judgment,
    Need,
    Operation,
    Prompt,
    Rewrite,
    SystemPrompt,
    Trial,
    TrialRequest,
    Usage,
)
from optimizer.ancestry import wording
from optimizer.plan import Candidate
from optimizer.posterior import LineagePosterior
from optimizer.propose import FAILURES_SHOWN, parent_history, propose, varied
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, Proposal, ProposalRequest
from optimizer.proposers.reflect import ATTEMPTS, PICTURES, SIDE, ReflectProposer, pictures_of, question
from optimizer.stage import StageLimits
from reasoner.engines.openai import openai_engine
from reasoner.testserver import Behavior, ChatServer, serving
from reasoner.testserver.behaviors import Models
from reasoner.testserver.shapes import Answer, Question
from ui.engines import Building, build_proposer
from ui.settings import resolve
from ui.wiring import proposer_stage

TEXT = "You rewrite a request. Answer with one paragraph.\n\nName the color before the noun.\nGive numbers in words."
GOOD = json.dumps({"cause": "colors leak", "instructions": f"{TEXT}\nSay where each thing is."})
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}


def sha(number: int) -> str:
    return f"{number:064x}"


def failed(number: int, kind: CriterionKind = CriterionKind.ATTRIBUTE, image: str | None = None) -> FailedCriterion:
    return FailedCriterion(
        f"request {number}", f"wanted {number}", kind, f"seen {number}", f"drawn {number}", image=sha(number) if image is None else image
    )


def parent(*failures: FailedCriterion, attempts: tuple[Attempt, ...] = (), weakest: tuple[FailedCriterion, ...] = ()) -> ParentHistory:
    return ParentHistory(SystemPrompt(TEXT), 0.5, 20, failures, attempts, weakest)


def asking(*parents: ParentHistory, operation: Operation = Operation.REFLECT, seed: int = 7 << 32) -> ProposalRequest:
    return ProposalRequest(operation, parents, 200, seed)


# -- what failed, and what was weakest

CHECKLIST = (
    Criterion("c1", "There is a cake", CriterionKind.ENTITY),
    Criterion("c2", "A dog is visible", CriterionKind.NEGATION, Need.MUST_NOT),
    Criterion("c3", "The cake is blue", CriterionKind.ATTRIBUTE),
    Criterion("c4", "It looks festive", CriterionKind.STYLE),
)


def history(*scores: Sequence[float | None]) -> ParentHistory:
    """Of a system prompt with one picture for each list of ``scores``, those of CHECKLIST in order."""
    trials: dict[int, Trial] = {}
    for number, given_scores in enumerate(scores):
        judged = tuple(
            CriterionScore(criterion.id, score, f"saw {score}") for criterion, score in zip(CHECKLIST, given_scores, strict=True)
        )
        request = TrialRequest(SystemPrompt(TEXT), Prompt(f"a birthday {number}", CHECKLIST), 0, 0)
        image = GeneratedImage(sha(number), 64, 64)
        trials[number] = Trial(str(number), request, Rewrite("A party."), image, Judgment(0.5, judged))
    posterior = LineagePosterior()
    posterior.add()
    return parent_history([Candidate(SystemPrompt(TEXT), (), trials=trials)], 0, posterior.beliefs(), seed=1)


def test_what_failed_is_told_with_its_picture_and_whether_it_was_wanted():
    known = history([0.1, 0.9, 1.0, None])
    assert {one.criterion: (one.need, one.image) for one in known.failures} == {
        "There is a cake": (Need.MUST, sha(0)),
        "A dog is visible": (Need.MUST_NOT, sha(0)),
    }
    assert known.weakest == ()
    told = question(asking(known))
    assert "Wanted: There is a cake" in told
    assert "Not wanted: A dog is visible" in told


def test_where_little_failed_the_weakest_fill_up():
    known = history([1.0, 0.0, 0.6, 1.0], [1.0, 0.3, 0.8, 0.2])
    assert [one.criterion for one in known.failures] == ["It looks festive"]
    assert {(one.criterion, one.evidence) for one in known.weakest} == {
        ("The cake is blue", "saw 0.6"), ("A dog is visible", "saw 0.3"), ("The cake is blue", "saw 0.8"),
    }  # fmt: skip
    told = question(asking(known))
    assert told.index("## What went wrong with the instructions") < told.index("saw 0.2") < told.index("least clearly: the weakest")
    assert told.index("least clearly: the weakest") < told.index("saw 0.8")


def test_nothing_weak_is_told_where_enough_failed():
    known = history(*([0.0, 0.0, 0.6, 0.1] for _ in range(FAILURES_SHOWN)))
    assert len(known.failures) == FAILURES_SHOWN
    assert known.weakest == ()
    assert len({one.prompt_text for one in known.failures}) == FAILURES_SHOWN


def test_one_prompt_and_one_kind_do_not_crowd_out_the_others():
    same = [replace(failed(1), evidence=f"seen {number}") for number in range(60)]
    rare = [failed(2), failed(3, CriterionKind.COUNT), failed(4, CriterionKind.TEXT)]
    shown = varied([*same, *rare], 12, derived_random("a"))
    assert set(rare) <= set(shown[:4])
    assert len(shown) == 12


FAILED = st.builds(failed, st.integers(0, 5), st.sampled_from(CriterionKind))


@settings(deadline=None, max_examples=60)
@given(st.lists(FAILED, max_size=40), st.integers(0, 15), st.integers(0, 3))
def test_a_varied_sample_is_a_sample_and_takes_turns_among_prompts(criteria: list[FailedCriterion], count: int, seed: int):
    shown = varied(criteria, count, derived_random(seed))
    assert shown == varied(criteria, count, derived_random(seed))
    assert len(shown) == min(count, len(criteria))
    rest = list(criteria)
    for one in shown:
        rest.remove(one)
    times = {text: sum(one.prompt_text == text for one in shown) for text in {one.prompt_text for one in criteria}}
    # A prompt that has something left was shown as often as any other, but for one turn.
    for one in rest:
        assert max(times.values()) <= times[one.prompt_text] + 1


# -- what was tried


def test_what_was_tried_is_told_by_gain_as_the_lines_that_changed():
    edits = (
        Attempt(Operation.REFLECT, f"{TEXT}\n- Be brief.", -0.02, 30),
        Attempt(Operation.REFLECT, TEXT.replace("Give numbers in words.", "Give numbers in digits."), 0.031, 1),
        Attempt(Operation.CONDENSE, TEXT.replace("Name the color before the noun.\n", ""), None, 0),
        Attempt(Operation.REFLECT, f"Think first. {TEXT}", 0.0049, 12),
        Attempt(Operation.EXPLORE, "Write a poem. Rhyme it.", -0.2, 40),
        Attempt(Operation.EXPLORE, "\n".join(reversed(TEXT.splitlines())), 0.006, 9),
    )
    told = question(asking(parent(attempts=edits))).partition("by what they brought\n")[2].partition("\n\n")[0]
    assert told.splitlines() == [
        "- better by 0.031 (1 picture):",
        "  - Give numbers in words.",
        "  + Give numbers in digits.",
        "- better by 0.006 (9 pictures):",
        "  the same lines in another order",
        "- as good as without it (12 pictures):",
        "  + Think first.",
        "- worse by 0.020 (30 pictures):",
        "  + Be brief.",
        "- worse by 0.200 (40 pictures); all written anew: Write a poem. Rhyme it.",
        "- not measured yet:",
        "  - Name the color before the noun.",
    ]


# -- known texts are refused


async def answered(text: str, *known: str) -> Proposal:
    async def ask(request: ProposalRequest) -> Proposal:
        return Proposal(text, "", Usage(5, 5))

    return await propose(ask, asking(parent()), [], frozenset(map(wording, known)))


@pytest.mark.parametrize(
    "text",
    [
        "Give numbers in words. Name the color.",
        "1. Name the color.\n2. Give numbers in words.",
        "- give numbers in words\n- NAME the color!",
        "* Name the color: give numbers in words",
    ],
)
async def test_known_sentences_are_refused_in_any_order_and_dress(text: str):
    with pytest.raises(StageError, match="the same sentences") as error:
        await answered(text, "Say it loud.", "Name the color.\nGive numbers in words.")
    assert error.value.kind is FailureKind.REJECTED
    assert error.value.usage == Usage(5, 5)


@pytest.mark.parametrize(
    "text", ["Name the color.", "Name the numbers.\nGive color in words.", "Name the color. Give numbers in words. Name the numbers."]
)
async def test_other_sentences_are_not(text: str):
    assert (await answered(text, "Name the color.\nGive numbers in words.")).text == text


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True), st.randoms(use_true_random=False))
async def test_any_order_of_lines_is_known(words: list[str], luck):
    lines = [f"{word} thing." for word in words]
    with pytest.raises(StageError, match="the same sentences"):
        await answered("\n".join(luck.sample(lines, len(lines))), " ".join(lines))
    assert await answered("\n".join([*lines, "g thing."]), " ".join(lines))


# -- over HTTP: pictures, and answers that can't be read


def _edits(question: Question) -> Answer:
    return Answer(GOOD)


def _colors(question: Question) -> Answer:
    """What it sees in the middle of each picture."""
    return Answer(json.dumps({"cause": " ".join(map(_color, _shown(question))), "instructions": GOOD}))


def _shown(question: Question) -> list[Image.Image]:
    parts = [part for message in question.body["messages"] if isinstance(message["content"], list) for part in message["content"]]
    files = [part["image_url"]["url"].partition(",")[2] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(file))).convert("RGB") for file in files]


def _color(image: Image.Image) -> str:
    seen = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(seen, tuple)
    name = min(COLORS, key=lambda name: sum(abs(a - b) for a, b in zip(COLORS[name], seen, strict=True)))
    return f"{name}:{max(image.size)}"


def _fickle(question: Question) -> Answer:
    """Chatters the first two times."""
    told = "could not be read" in question.user
    return Answer(GOOD if told and question.count == 3 else "I would bind each color to its noun.")


MODELS: dict[str, Callable[[Question], Answer]] = {
    "edits": _edits,
    "colors": _colors,
    "fickle": _fickle,
    "chatter": lambda question: Answer("I would bind each color to its noun."),
    "silent-at-first": lambda question: Answer(None if question.count == 1 else GOOD),
}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    more = Models(tuple(MODELS), lambda name: Behavior("for this test", MODELS[name]) if name in MODELS else None)
    with serving(more=more) as running:
        yield running


def png(color: str, side: int = 640) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side // 2), color).save(file, "PNG")
    return file.getvalue()


def file_of(sha256: str) -> bytes:
    number = int(sha256, 16)
    if number >= len(COLORS):
        raise LedgerError(f"the image file {sha256} is missing", hint="restore it")
    return png(list(COLORS)[number])


async def proposed(server: ChatServer, model: str, request: ProposalRequest, pictures: Callable[[str], bytes] | None = None) -> Proposal:
    engine = openai_engine(model, urls=[server.url], api_key=None, parameters={}, most=4, timeout=30.0)
    try:
        return await ReflectProposer(engine, 500, pictures)(request)
    finally:
        await engine.aclose()


async def test_a_model_that_sees_is_shown_the_first_pictures_each_once(server: ChatServer):
    shown = [failed(2), replace(failed(9), image=sha(2)), failed(0), failed(8, image=""), failed(4), failed(1), failed(3)]
    request = asking(parent(*shown, weakest=(failed(5),)))
    proposal = await proposed(server, "colors", request, file_of)
    assert proposal.reason == f"blue:{SIDE} red:{SIDE} white:{SIDE} green:{SIDE}"
    told = server.requests[-1].body["messages"][-1]["content"][0]["text"]
    numbers = [line.strip() for line in told.splitlines() if "Picture:" in line]
    assert numbers == ["Picture: number 1", "Picture: number 1", "Picture: number 2", "Picture: number 3", "Picture: number 4"]
    assert f"Pictures shown, in the order of their numbers: {PICTURES}." in told


async def test_a_model_without_eyes_is_shown_none_and_told_of_none(server: ChatServer):
    proposal = await proposed(server, "edits", asking(parent(failed(1), failed(2))))
    assert proposal.text.endswith("Say where each thing is.")
    assert "icture:" not in json.dumps(server.requests[-1].body)


def test_parents_of_a_merge_share_the_pictures():
    first, second, third = (parent(*(failed(10 * place + number) for number in range(6))) for place in range(3))
    assert pictures_of(asking(first, second)) == (sha(0), sha(1), sha(10), sha(11))
    assert pictures_of(asking(first, second, third)) == (sha(0), sha(10), sha(20))
    told = question(asking(first, second))
    for title in ("## Instructions 1\n", "## Instructions 2\n", "with instructions 2\n"):
        assert title in told


async def test_a_picture_that_is_gone_is_a_failure_with_its_reason(server: ChatServer):
    with pytest.raises(StageError, match="is missing") as error:
        await proposed(server, "colors", asking(parent(failed(77))), file_of)
    assert (error.value.kind, error.value.hint) == (FailureKind.MALFORMED, "restore it")
    assert not server.requests


async def test_pictures_are_part_of_the_question_and_of_the_identity():
    assert asking(parent(failed(1))).key("p") != asking(parent(failed(1, image=sha(2)))).key("p")
    assert asking(parent(failed(1))).key("p") != asking(parent(weakest=(failed(1),))).key("p")
    assert ReflectProposer(Blind(), 500).identity != ReflectProposer(Blind(), 500, file_of).identity


class Blind:
    identity = "blind"

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        raise NotImplementedError


async def test_an_answer_that_cannot_be_read_is_asked_for_again_otherwise(server: ChatServer):
    proposal = await proposed(server, "fickle", asking(parent(failed(1))))
    assert proposal.reason == "colors leak"
    asked = [received.body for received in server.requests]
    assert len(asked) == 3
    assert len({body["seed"] for body in asked}) == 3
    usages = proposal.usage.output_tokens
    assert usages > (await proposed(server, "edits", asking(parent(failed(1))))).usage.output_tokens


async def test_an_empty_answer_is_too(server: ChatServer):
    assert (await proposed(server, "silent-at-first", asking(parent(failed(1))))).reason == "colors leak"


async def test_one_that_never_can_be_read_fails_once_also_behind_a_stage(server: ChatServer):
    request = asking(parent(failed(1)))
    engine = openai_engine("chatter", urls=[server.url], api_key=None, parameters={}, most=4, timeout=30.0)
    proposer = ReflectProposer(engine, 500)
    try:
        async with proposer_stage(proposer, StageLimits(backoff=0.0)) as stage:
            with pytest.raises(Exception, match="holds no instructions") as error:
                await stage(request.key(proposer.identity), request)
    finally:
        await engine.aclose()
    assert len(server.requests) == ATTEMPTS
    assert error.value.error.kind is FailureKind.MALFORMED  # type: ignore[attr-defined]
    assert error.value.usage.output_tokens > 0  # type: ignore[attr-defined]


async def test_a_busy_endpoint_is_left_to_the_stage(server: ChatServer):
    with pytest.raises(StageError) as error:
        await proposed(server, "server-error", asking(parent(failed(1))))
    assert error.value.retryable


async def test_instructions_as_a_list_of_lines_are_lines():
    class Listing:
        identity = "listing"

        async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
            return [Completion('{"cause": "c", "instructions": ["Be vivid.", "Be brief."]}') for _ in chats]

    assert (await ReflectProposer(Listing(), 500)(asking(parent()))).text == "Be vivid.\nBe brief."


@pytest.mark.parametrize("operation", [Operation.REFLECT, Operation.MERGE, Operation.CONDENSE, Operation.EXPLORE])
async def test_every_operation_asks_for_edits(server: ChatServer, operation: Operation):
    await proposed(server, "edits", asking(parent(failed(1)), operation=operation))
    assert "word for word" in server.requests[-1].body["messages"][0]["content"]


# -- from a spec


async def built(spec: str) -> ReflectProposer:
    building = Building(resolve("embedded", {"proposer.engine": spec}).settings)
    async with building.closing:
        proposer = build_proposer(building)
    assert isinstance(proposer, ReflectProposer)
    return proposer


async def test_a_spec_says_whether_the_model_sees():
    blind, seeing, said = [
        (await built(f"openai:m@http://127.0.0.1:9/v1?temperature=0{more}")).identity for more in ("", "&sees=true", "&sees=false")
    ]
    assert blind == said
    assert seeing != blind
    assert seeing.replace(f"&pictures={PICTURES}&side={SIDE}", "") == blind


@pytest.mark.parametrize(
    ("spec", "message"),
    [("openai:m@http://127.0.0.1:9/v1?sees=4", "sees is true or false, not 4"), ("shared?sees=true", "shared has no eyes")],
)
async def test_a_spec_that_cannot_be_meant_is_refused(spec: str, message: str):
    with pytest.raises(UsageError, match=message) as error:
        await built(spec)
    assert error.value.hint
