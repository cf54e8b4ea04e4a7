"""What a model says of a rewrite is read in whatever form it comes, and never made up; arms are compared on what was read in both."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from optimizer.authoring import Author, Unanswered
from optimizer.entailment import FAITHFUL, RATES, SCHEMA, Finding, Loss, finding, intent_arms, read_finding

GOOD: dict[str, Any] = {
    "asked": [
        {"what": "three cats", "where": "three tabby cats", "verdict": "kept"},
        {"what": "a red hat", "where": "", "verdict": "dropped"},
        {"what": "at night", "where": "under the noon sun", "verdict": "contradicted"},
    ],
    "added": [
        {"what": "a wooden floor", "why": "the request says nothing of it", "verdict": "open"},
        {"what": "a dog", "why": "another animal", "verdict": "unasked"},
    ],
}
FOUND = Finding({Loss.DROPPED: ("a red hat",), Loss.CONTRADICTED: ("at night",), Loss.ADDED: ("a dog",)})
NOTHING_LOST: dict[str, Any] = {"asked": GOOD["asked"][:1], "added": []}


def changed(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        f"Let me compare them.\n```json\n{json.dumps(GOOD, indent=2)}\n```\nI hope this helps!",
        json.dumps({"result": 1}) + "\n" + json.dumps(GOOD),
        str(GOOD),  # Python's marks.
        json.dumps(GOOD).replace('"verdict": "', '"Verdict": "').replace("kept", "Kept (as three tabby cats)"),
        json.dumps({"wishes": GOOD["asked"], "additions": GOOD["added"]}),
        json.dumps(GOOD)[:-1] + ",}",
        json.dumps({"dropped": ["a red hat"], "contradicted": [{"what": "at night"}], "added": ["a dog"]}),
        json.dumps(GOOD).replace("dropped", "missing").replace("contradicted", "changed").replace("unasked", "important"),
    ],
)
def test_an_answer_is_read_in_many_forms(answer: str):
    assert read_finding(answer) == FOUND


def test_nothing_lost_is_faithful():
    assert read_finding(json.dumps(NOTHING_LOST)) == FAITHFUL
    assert FAITHFUL.faithful
    assert not FOUND.faithful


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Everything is fine, the rewrite keeps all of it.",
        "{}",
        changed(asked=[]),
        changed(asked="all kept"),
        json.dumps({"asked": GOOD["asked"]}),  # One way only.
        changed(asked=[*GOOD["asked"], {"what": "a tree", "where": "a tree", "verdict": "perhaps"}]),
        changed(asked=[*GOOD["asked"], {"what": "a tree", "where": "a tree"}]),
        changed(added=[{"what": "a dog", "verdict": ""}]),
        json.dumps({"dropped": [], "added": []}),
        "I'm sorry, but I can't help with that.",
        "[" * 5000,
    ],
)
def test_what_is_not_said_is_not_made_up(answer: str):
    with pytest.raises(StageError) as caught:
        read_finding(answer)
    assert caught.value.kind is FailureKind.MALFORMED
    assert caught.value.hint


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(answer: str):
    with contextlib.suppress(StageError):
        assert isinstance(read_finding(answer), Finding)


@given(st.integers(0, len(json.dumps(GOOD)) - 1))
def test_a_broken_off_answer_never_looks_faithful(length: int):
    with contextlib.suppress(StageError):
        assert not read_finding(json.dumps(GOOD)[:length]).faithful


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(lambda text: bool(text.strip()))


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["kept", "dropped", "contradicted"])), min_size=1, max_size=6), st.lists(WORDS, max_size=4)
)
def test_what_was_written_by_the_schema_comes_back(wishes: list[tuple[str, str]], additions: list[str]):
    record = {
        "asked": [{"what": what, "where": "", "verdict": verdict} for what, verdict in wishes],
        "added": [{"what": what, "why": "", "verdict": "unasked"} for what in additions],
    }
    found = read_finding(json.dumps(record, ensure_ascii=False))
    for loss in (Loss.DROPPED, Loss.CONTRADICTED):
        assert set(found.losses[loss]) == {" ".join(what.split()) for what, verdict in wishes if verdict == loss.value}
    assert set(found.losses[Loss.ADDED]) == {" ".join(what.split()) for what in additions}


# -- asking


class Answering:
    """Gives these answers one after the other, and keeps the questions."""

    def __init__(self, *answers: str | StageError) -> None:
        self.answers = list(answers)
        self.chats: list[Chat] = []

    async def __call__(self, chat: Chat) -> Completion:
        self.chats.append(chat)
        answer = self.answers.pop(0)
        if isinstance(answer, StageError):
            raise Unanswered(answer)
        return Completion(answer)


def asked(ask: Answering, text: str = "three cats", rewrite: str = "three tabby cats") -> Finding | StageError:
    return asyncio.run(finding(Author(ask, 500), text, rewrite))


def test_the_raw_prompt_is_faithful_and_costs_nothing():
    ask = Answering()
    assert asked(ask, "three cats", "three  cats\n") == FAITHFUL
    assert not ask.chats


def test_the_model_sees_two_texts_and_no_picture():
    ask = Answering(json.dumps(GOOD))
    assert asked(ask, 'a "}" sign', "a sign") == FOUND
    (chat,) = ask.chats
    assert json.loads(chat.user) == {"request": 'a "}" sign', "rewrite": "a sign"}
    assert chat.images == ()
    assert chat.schema == SCHEMA
    assert "picture" in chat.system


def test_an_answer_that_can_not_be_read_is_asked_for_once_more_with_another_seed():
    ask = Answering("Who can say?", json.dumps(GOOD))
    assert asked(ask) == FOUND
    assert ask.chats[0].seed != ask.chats[1].seed
    ask = Answering("Who can say?", "Nobody.")
    failure = asked(ask)
    assert isinstance(failure, StageError)
    assert failure.kind is FailureKind.MALFORMED
    assert "Nobody" in str(failure)


def test_a_refusal_is_a_failure_and_no_finding():
    refused = StageError(FailureKind.REFUSED, "the model declined")
    assert asked(Answering(refused, refused)) is refused


# -- arms


LOST = Finding({Loss.DROPPED: ("x",), Loss.CONTRADICTED: (), Loss.ADDED: ()})
UNREAD = StageError(FailureKind.MALFORMED, "no answer")


def outcomes(*findings: Finding | StageError) -> list[tuple[str, Finding | StageError]]:
    return [(f"p{number}", found) for number, found in enumerate(findings)]


def test_arms_are_compared_in_pairs():
    general, best = intent_arms({"general": outcomes(*[FAITHFUL] * 20), "best": outcomes(*[LOST] * 8, *[FAITHFUL] * 12)}, "general", seed=1)
    assert list(general.rates) == list(RATES)
    assert general.changes == {}
    assert best.rates["dropped"].estimate == best.rates["unfaithful"].estimate == pytest.approx(0.4)
    assert best.rates["contradicted"].estimate == 0.0
    assert best.changes["dropped"].estimate == pytest.approx(0.4)
    assert best.changes["dropped"].excludes_zero
    assert best.common == 20


def test_a_rewrite_that_was_not_read_drops_its_prompt_from_both_sides():
    general, best = intent_arms(
        {"general": outcomes(UNREAD, *[FAITHFUL] * 9), "best": outcomes(LOST, UNREAD, *[LOST] * 8)}, "general", seed=1
    )
    assert (general.failed, best.failed, best.common) == (1, 1, 8)
    assert best.rates["dropped"].estimate == 1.0  # Of nine; the tenth is no zero.
    assert best.changes["dropped"].estimate == 1.0


def test_where_nothing_could_be_read_there_are_no_rates():
    arms = intent_arms({"general": outcomes(UNREAD), "best": outcomes(FAITHFUL)}, "general", seed=1)
    assert (arms[0].rates, arms[1].changes, arms[1].common) == ({}, {}, 0)
    assert arms[1].rates["dropped"].low is None
