"""Checklists by a language model: what it is shown, what of its answers is taken, and what is asked again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.chat import Chat
from data.lint import lint_prompt
from data.records import CriterionKind, Need, Prompt
from data.scene import Test as Pixels
from optimizer.authoring.answers import Unreadable
from optimizer.authoring.checklists import SCHEMA, read_checklist, write_checklist, write_checklists
from tests.optimizer.authoring.writers import asking, embedded, nobody_listens, refusal

GOOD = [
    {"id": "dog", "statement": "A dog of any breed is visible.", "kind": "entity", "need": "must", "weight": 2, "parents": []},
    {"id": "runs", "statement": "The dog is running", "kind": "action", "need": "must", "weight": 1, "parents": ["dog"]},
    {"id": "beach", "statement": "The ground is a beach", "kind": "relation", "need": "must", "weight": 1, "parents": []},
    {"id": "legs", "statement": "The legs are in mid-stride", "kind": "attribute", "need": "should", "weight": 0.5, "parents": ["dog"]},
    {"id": "people", "statement": "A person is visible", "kind": "negation", "need": "must_not", "weight": 1, "parents": []},
]
PROMPT = Prompt("dog running on the beach, no people", category="animals")


def with_one(place: int, **fields: object) -> dict[str, Any]:
    return {"criteria": [{**entry, **fields} if number == place else entry for number, entry in enumerate(GOOD)]}


async def test_a_good_answer_is_taken_at_once() -> None:
    asked: list[Chat] = []
    written = await write_checklist(PROMPT, asking(lambda _: {"criteria": GOOD}, asked))
    assert (len(asked), written.reason, written.remarks) == (1, "", ())
    assert written.prompt.checklist_from == PROMPT.text
    assert written.prompt.checklist[0].text == "A dog of any breed is visible"
    assert [criterion.parents for criterion in written.prompt.checklist] == [(), ("dog",), (), ("dog",), ()]
    assert written.prompt.checklist[-1].need is Need.MUST_NOT
    assert (written.prompt.text, written.prompt.category) == (PROMPT.text, PROMPT.category)


async def test_the_writer_sees_the_users_text_alone() -> None:
    asked: list[Chat] = []
    await write_checklist(PROMPT, asking(lambda _: {"criteria": GOOD}, asked))
    assert json.loads(asked[0].user) == {"request": PROMPT.text}
    assert asked[0].schema == SCHEMA
    assert PROMPT.category not in asked[0].user


async def test_a_bad_answer_is_asked_again_with_what_was_found() -> None:
    asked: list[Chat] = []
    answers = [with_one(0, statement="The dog should look beautiful"), with_one(1, parents=["cat"]), {"criteria": GOOD}]
    written = await write_checklist(PROMPT, asking(lambda _: answers[len(asked) - 1], asked))
    assert (written.reason, written.remarks, len(asked)) == ("", (), 3)
    second, third = (json.loads(chat.user) for chat in asked[1:])
    assert any("leads the judge" in problem for problem in second["problems"])
    assert second["criteria"][0]["statement"] == "The dog should look beautiful"
    assert any("there is no criterion 'cat'" in problem for problem in third["problems"])
    assert len({chat.seed for chat in asked}) == 3


async def test_warnings_that_stay_are_remarked_and_errors_that_stay_fail() -> None:
    remarked = await write_checklist(PROMPT, asking(lambda _: with_one(0, statement="A red dog is visible")))
    assert remarked.reason == ""
    assert "no red" in " ".join(remarked.remarks)
    failed = await write_checklist(PROMPT, asking(lambda _: with_one(1, parents=["runs"])))
    assert "its own parent" in failed.reason
    assert failed.prompt == PROMPT


async def test_an_earlier_better_answer_is_kept() -> None:
    answers = iter([with_one(0, statement="A red dog is visible"), with_one(0, statement="A red dog and two cats are visible"), "no"])
    written = await write_checklist(PROMPT, asking(lambda _: next(answers)))
    assert written.prompt.checklist[0].text == "A red dog is visible"


async def test_prose_and_refusals_fail_with_their_reason() -> None:
    asked: list[Chat] = []
    written = await write_checklist(PROMPT, asking(lambda _: "I would look for a dog.", asked))
    assert "no JSON object with a list of criteria" in written.reason
    assert len(asked) == 3
    assert "problems" in json.loads(asked[1].user)
    assert (await write_checklist(PROMPT, asking(lambda _: refusal()))).reason == "the model declined"


async def test_one_that_fails_takes_no_other_with_it() -> None:
    prompts = [PROMPT, Prompt("a quiet harbour"), Prompt("a dog running on a beach")]
    author = asking(lambda asked: refusal() if "harbour" in asked["request"] else {"criteria": GOOD})
    written = await write_checklists(prompts, author, nobody_listens)
    assert [outcome.reason for outcome in written] == ["", "the model declined", ""]
    assert [outcome.prompt.text for outcome in written] == [prompt.text for prompt in prompts]


@pytest.mark.parametrize(
    ("fields", "kind", "need"),
    [
        ({"kind": "object"}, CriterionKind.ENTITY, Need.MUST),
        ({"kind": "Color", "need": "MUST NOT"}, CriterionKind.ATTRIBUTE, Need.MUST_NOT),
        ({"need": "must-not"}, CriterionKind.ENTITY, Need.MUST_NOT),
        ({"kind": None, "need": None, "weight": "2", "parents": None}, CriterionKind.ENTITY, Need.MUST),
    ],
)
def test_what_models_make_of_the_fields_is_understood(fields: dict[str, object], kind: CriterionKind, need: Need) -> None:
    first = read_checklist(json.dumps(with_one(0, **fields)), "")[0]
    assert (first.kind, first.need) == (kind, need)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "vibe"}, "no kind 'vibe'"),
        ({"need": "maybe"}, "no need 'maybe'"),
        ({"weight": 0}, "weight"),
        ({"weight": "heavy"}, "weight"),
        ({"weight": True}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"parents": {"a": 1}}, "parents"),
        ({"statement": " "}, "criterion 2 has no statement"),
    ],
)
def test_what_can_not_be_meant_is_said(fields: dict[str, object], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_checklist(json.dumps(with_one(1, **fields)), "")


def test_bare_statements_get_ids() -> None:
    assert [(entry.id, entry.text) for entry in read_checklist('["A dog is visible", "It runs."]', "")] == [
        ("c1", "A dog is visible"),
        ("c2", "It runs"),
    ]


def test_statements_that_pixels_can_answer_get_their_checks() -> None:
    criteria = [{"statement": text} for text in ("There are exactly three balloons", "The balloons are red", "The mood is calm")]
    checks = [entry.check for entry in read_checklist(json.dumps(criteria), "three red balloons")]
    assert [check and check.test for check in checks] == [Pixels.COUNT, Pixels.COLOR, None]
    assert [entry.check for entry in read_checklist(json.dumps(criteria), "a sunny day in Rome")] == [None] * 3


_FIELDS = st.dictionaries(
    st.sampled_from(["id", "statement", "kind", "need", "weight", "parents"]),
    st.one_of(st.none(), st.text(max_size=20), st.floats(), st.lists(st.text(max_size=5), max_size=2), st.booleans()),
)


@given(st.lists(st.one_of(_FIELDS, st.text(max_size=30), st.none()), max_size=5), st.text(max_size=40))
def test_any_answer_is_a_checklist_that_lint_reads_or_unreadable(entries: list[object], text: str) -> None:
    try:
        checklist = read_checklist(json.dumps({"criteria": entries}), text)
    except Unreadable:
        return
    assert all(criterion.text and criterion.weight > 0 for criterion in checklist)
    list(lint_prompt(Prompt(text, checklist)))


@pytest.mark.parametrize(
    "text", ["a birthday", "three red balloons above a blue house", 'a car with the word "GO"', "kitten", "a garden, no birds"]
)
async def test_the_embedded_writer_finds_nothing_wrong_with_its_own(text: str) -> None:
    written = await write_checklist(Prompt(text), embedded())
    assert (written.reason, written.remarks) == ("", ())
    assert any(criterion.check for criterion in written.prompt.checklist)


async def test_the_embedded_writer_says_what_it_makes_nothing_of() -> None:
    asked: list[Chat] = []
    written = await write_checklist(Prompt("grandma knitting by the window"), embedded(asked))
    assert "makes nothing of" in written.reason
    assert len(asked) == 1, "asking a rule machine again helps nothing"
