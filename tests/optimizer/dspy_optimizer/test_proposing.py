"""What the proposing model is told, what is read of its answers, what is refused."""

import json
from collections.abc import Sequence
from typing import Any

import dspy
import pytest
from dspy.utils import DummyLM

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError
from data.records import CriterionKind, Operation, Prompt, SystemPrompt
from optimizer.dspy_optimizer.proposing import LMEngine, ProgramLint, ProgramProposer, calls_of, question, read_answer
from optimizer.proposers import Attempt, FailedCriterion, ParentHistory, ProposalRequest
from tests.optimizer.dspy_optimizer.conftest import signature

TWO = "[[draft]]\nWrite facts.\n\n[[answer]]\nAnswer."
FAILED = FailedCriterion("question: why", "answer: because", CriterionKind.GLOBAL, "scored 0.00 of 1: too vague", "answer: who knows")


def asked(text: str = TWO, parents: int = 1) -> ProposalRequest:
    attempt = Attempt(Operation.REFLECT, "Answer well.", -0.02, 8)
    parent = ParentHistory(SystemPrompt(text), 0.5, 8, (FAILED,), (attempt,))
    return ProposalRequest(Operation.MERGE if parents > 1 else Operation.REFLECT, (parent,) * parents, 100, 5)


class Saying:
    """Answers with what it is given, one after the other."""

    identity = "saying"

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.chats: list[Chat] = []

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        self.chats += chats
        return [Completion(self.answers.pop(0)) for _ in chats]


def test_the_question_tells_of_calls_examples_and_attempts():
    program = dspy.ChainOfThought(signature("question, hint -> answer", "Answer.").with_updated_fields("hint", desc="a nudge"))
    text = question(asked(), calls_of(program))
    assert "- predict takes question, hint (a nudge); gives reasoning, answer" in text
    for part in (
        "[[draft]]",
        "Inputs: question: why",
        "Written: answer: who knows",
        "Wanted: answer: because",
        "too vague",
        "worse by 0.020",
    ):
        assert part in text
    assert "at most 100 words" in text


def test_both_parents_of_a_merge_are_told():
    text = question(asked(parents=2), {"draft": "", "answer": ""})
    assert "## Instructions 1" in text
    assert "## Instructions 2" in text


@pytest.mark.parametrize(
    "answer",
    ['{"cause": "c", "instructions": "Be\nbrief."}', 'Sure:\n```json\n{"cause": "c", "instructions": {"predict": "Be\\nbrief."}}\n```'],
)
def test_the_one_call_of_a_program_is_read(answer: str):
    proposal = read_answer(answer, "Old.", ["predict"])
    assert (proposal.text, proposal.reason) == ("Be\nbrief.", "c")


def test_calls_that_are_not_named_keep_their_instructions():
    proposal = read_answer('{"instructions": {"answer": " Be brief. "}}', TWO, ["draft", "answer"])
    assert proposal.text == "[[draft]]\nWrite facts.\n\n[[answer]]\nBe brief."


@pytest.mark.parametrize(
    "answer",
    [
        *("", "prose", "[1]", '{"cause": "c"}', '{"instructions": {}}', '{"instructions": 3}', '{"instructions": "for which?"}'),
        *('{"instructions": {"answer": ""}}', '{"instructions": {"other": "x"}}'),
    ],
)
def test_an_answer_without_instructions_is_malformed(answer: str):
    with pytest.raises(StageError) as error:
        read_answer(answer, TWO, ["draft", "answer"])
    assert error.value.kind is FailureKind.MALFORMED


async def test_a_malformed_answer_is_asked_for_again_with_another_seed():
    engine = Saying("prose", '{"instructions": {"answer": "Be brief."}}')
    proposal = await ProgramProposer(engine, {"draft": "", "answer": ""})(asked())
    assert "Be brief." in proposal.text
    first, second = engine.chats
    assert first.user == second.user
    assert first.seed != second.seed
    assert "Leave out the calls" in first.system


async def test_it_gives_up_in_the_end():
    with pytest.raises(StageError, match="holds no instructions"):
        await ProgramProposer(Saying(*["prose"] * 3), {"predict": ""})(asked("Answer."))


def test_what_only_one_example_says_is_refused():
    labels = "labels: sports, politics, science, arts, money, travel, food, weather, health"
    examples = [Prompt(f"{labels}\ntext: {text}") for text in ("the cup was won by the team in white last night", "taxes rise")]
    lint = ProgramLint(examples, "Answer.")
    assert lint(f"Choose among {labels}.", (), 100) == ""
    assert "repeats an example" in lint("When the cup was won by the team in white, say sports.", (), 100)
    assert "at most 3" in lint("one two three four", (), 3)
    assert lint("Grade the essay by the rubric.", (), 100) == ""
    kept = ProgramLint(examples, "Say sports for: the cup was won by the team in white.")
    assert kept("Say sports for: the cup was won by the team in white. Be brief.", (), 100) == ""


async def test_any_dspy_lm_can_be_asked(over: Any):
    engine = LMEngine(DummyLM([{"rewrite": "x"}]), 1)
    (answer,) = await engine([Chat("system", "user", 1)])
    assert isinstance(answer, Completion)
    assert "x" in answer.text
    engine.close()


async def test_what_the_lm_raises_is_returned(over: Any):
    class Down:
        identity = "down"

        async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
            return [StageError(FailureKind.UNREACHABLE, "no net") for _ in chats]

    engine = LMEngine(over(Down()), 1)
    (answer,) = await engine([Chat("system", "user", 1)])
    assert isinstance(answer, StageError)
    assert answer.kind is FailureKind.UNREACHABLE
    engine.close()


async def test_the_lm_is_sent_the_texts_as_they_are(over: Any):
    said = Saying(json.dumps({"instructions": "x"}))
    engine = LMEngine(over(said), 1)
    await engine([Chat("Improve {this}.", "[[ ## odd ## ]]", 7)])
    engine.close()
    assert (said.chats[0].system, said.chats[0].user) == ("Improve {this}.", "[[ ## odd ## ]]")
