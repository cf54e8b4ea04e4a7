"""What a proposer is told, and what is refused of its answers."""

import json

import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
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
from optimizer.propose import FORBIDDEN, lint, parent_history, propose
from optimizer.proposers import Proposal, ProposalRequest
from optimizer.proposers.reflect import ATTEMPTS, ReflectProposer, question

PROMPTS = [Prompt("three red balloons above a blue house"), Prompt("a birthday")]


@pytest.mark.parametrize(
    "text", ["Please the judge.", "Maximize the score.", "This will be graded.", "Satisfy the checklist!", "GenEval prompts are short."]
)
def test_refuses_talk_of_being_measured(text: str):
    assert "measured" in lint(text, PROMPTS, 100)


def test_refuses_leaks_emptiness_and_length():
    assert lint("   ", PROMPTS, 100) == "it is empty"
    assert "at most 5" in lint("one two three four five six", PROMPTS, 5)
    assert "repeats a search prompt" in lint("For three red balloons above a house, add string.", PROMPTS, 100)
    assert lint("Name the color right before each noun. A birthday needs cake.", PROMPTS, 100) == ""


def test_shipped_instructions_of_ours_would_pass():
    assert not FORBIDDEN.search("Describe each object in its own sentence, and underscore the important one.")


def candidate() -> Candidate:
    checklist = (
        Criterion("c1", "There is a cake", CriterionKind.ENTITY),
        Criterion("c2", "A dog is visible", CriterionKind.NEGATION, Need.MUST_NOT),
        Criterion("c3", "It looks festive", CriterionKind.STYLE),
    )
    scores = (
        CriterionScore("c1", 0.0, "no cake seen"),
        CriterionScore("c2", 1.0, "a dog at the left"),
        CriterionScore("c3", None, "needs eyes"),
    )
    trial = Trial(
        "t",
        TrialRequest(SystemPrompt("Be vivid."), Prompt("a birthday", checklist), 0, 0),
        rewrite=Rewrite("A party."),
        judgment=Judgment(0.0, scores),
    )
    return Candidate(SystemPrompt("Be vivid."), (), trials={0: trial})


def history_of(root: Candidate):
    posterior = LineagePosterior()
    posterior.add()
    posterior.add([0])
    child = Candidate(SystemPrompt("Be very vivid."), (0,), Operation.EXPLORE)
    return parent_history([root, child], 0, posterior.beliefs(), seed=1)


def test_the_proposer_reads_failed_criteria_with_evidence_and_what_was_tried():
    history = history_of(candidate())
    assert {failure.criterion: failure.evidence for failure in history.failures} == {
        "There is a cake": "no cake seen",
        "A dog is visible": "a dog at the left",
    }
    assert [(attempt.operation, attempt.gain) for attempt in history.attempts] == [(Operation.EXPLORE, None)]
    told = question(ProposalRequest(Operation.REFLECT, (history,), 200, 0))
    for piece in ("Be vivid.", "There is a cake", "no cake seen", "A party.", "Be very vivid.", "at most 200 words"):
        assert piece in told


def request() -> ProposalRequest:
    return ProposalRequest(Operation.REFLECT, (history_of(candidate()),), 200, 7)


KNOWN = frozenset({wording("Be very vivid."), wording("Be bold.\nName colors.")})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Please the judge.", "speaks of how it is measured: 'judge'"),
        ("", "it is empty"),
        ("Be very vivid.", "tried already"),
        ("- be VERY  vivid", "tried already"),
        ("Name colors! Be bold.", "tried already"),
    ],
)
async def test_a_proposal_that_may_not_be_used_is_refused_and_not_asked_for_again(answer: str, why: str):
    asked: list[ProposalRequest] = []

    async def ask(again: ProposalRequest) -> Proposal:
        asked.append(again)
        return Proposal(answer, "", Usage(7, 8))

    with pytest.raises(StageError, match=f"a proposal was refused: .*{why}") as error:
        await propose(ask, request(), PROMPTS, KNOWN)
    assert error.value.kind is FailureKind.REJECTED
    assert error.value.usage == Usage(7, 8)
    assert asked == [request()]


async def test_a_proposal_that_says_something_new_is_taken():
    async def ask(again: ProposalRequest) -> Proposal:
        return Proposal(" Draw it well. ", "better")

    proposal = await propose(ask, request(), PROMPTS, KNOWN)
    assert (proposal.text, proposal.reason) == ("Draw it well.", "better")


def test_the_wording_is_what_a_reader_takes_in():
    assert wording("1. Be vivid!\n* Name   colors.") == wording("be vivid, name colors")
    assert wording("Be vivid.") != wording("Be very vivid.")


class Answering:
    """A chat engine that always answers the same, and remembers what it was asked."""

    identity = "answering"

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[Chat] = []

    async def __call__(self, chats):
        self.asked += chats
        return [Completion(self.answer) for _ in chats]


@pytest.mark.parametrize("wrap", ["{}", "Here you are:\n```json\n{}\n```\nGood luck!"])
async def test_reflection_reads_the_answer_also_in_a_fence(wrap: str):
    engine = Answering(wrap.replace("{}", json.dumps({"cause": "colors leak", "instructions": "Bind each {color}.\nTwice."})))
    proposal = await ReflectProposer(engine, 500)(request())
    assert (proposal.text, proposal.reason) == ("Bind each {color}.\nTwice.", "colors leak")
    assert engine.asked[0].max_tokens == 500


@pytest.mark.parametrize("answer", ["I think you should bind colors.", "{}", "[1]", '{"instructions": ', '{"cause": "x"}'])
async def test_an_answer_without_instructions_is_malformed_and_asked_for_again(answer: str):
    engine = Answering(answer)
    with pytest.raises(StageError, match="holds no instructions"):
        await ReflectProposer(engine, 500)(request())
    assert len({(chat.user, chat.seed) for chat in engine.asked}) == ATTEMPTS


async def test_what_no_ledger_can_keep_is_left_out_of_a_proposal():
    async def ask(again: ProposalRequest) -> Proposal:
        return Proposal("Draw\0 it \ud800well.", "be\0cause")

    proposal = await propose(ask, request(), PROMPTS, frozenset())
    assert (proposal.text, proposal.reason) == ("Draw it ?well.", "because")
