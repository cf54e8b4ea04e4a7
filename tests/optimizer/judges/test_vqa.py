"""The vqa judge: one question, and P(yes) as the value."""

import asyncio
import math

import pytest

from data.chat import Chat, Completion, Token
from data.errors import FailureKind, StageError
from data.records import GeneratedImage, Judgment, Prompt
from data.usage import Usage
from generator.embedded.painter import paint, to_png
from generator.embedded.picture import Group, Picture
from optimizer.judges import JudgeRequest
from optimizer.judges.vqa import SCORE, VqaJudge
from tests.optimizer.judges.engines import USED, Answering, material

PNG = to_png(paint(Picture((Group("cat", "red", 2),), "room", seed=2)))


def judged(engine: Answering, content: bytes | None = PNG, look: int = 0) -> Judgment | Exception:
    request = JudgeRequest(Prompt("two red cats"), GeneratedImage("a" * 64, 512, 512, content=content), look)
    (outcome,) = asyncio.run(_ask(engine, request))
    return outcome


async def _ask(engine: Answering, request: JudgeRequest) -> list[Judgment | Exception]:
    return list(await VqaJudge(engine)([request]))


def value(text: str, *tokens: Token) -> float:
    outcome = judged(Answering(lambda chat: Completion(text, tokens=tokens)))
    assert isinstance(outcome, Judgment), outcome
    assert [(score.id, score.score) for score in outcome.scores] == [(SCORE, outcome.value)]
    assert outcome.scores[0].evidence
    return outcome.value


def test_it_asks_one_question_without_a_checklist() -> None:
    engine = Answering(lambda chat: "Yes")
    outcome = judged(engine)
    assert isinstance(outcome, Judgment)
    assert (outcome.value, outcome.usage, outcome.latency) == (1.0, USED, 0.5)
    (chat,) = engine.chats
    assert material(chat) == {"request": "two red cats"}
    assert (chat.schema, chat.temperature, chat.alternatives, len(chat.images)) == (None, 0.0, 20, 1)


def test_a_word_is_1_or_0_and_probabilities_lie_between() -> None:
    assert value("Yes") == 1.0
    assert value("No.") == 0.0
    assert value("**Yes**, two red cats are there.") == 1.0
    assert value("Yes", Token("Yes", {"Yes": math.log(0.6), " yes": math.log(0.1), "No": math.log(0.3)})) == pytest.approx(0.7)
    assert value("No", Token("No", {"No": math.log(0.6), "Yes": math.log(0.2), "Maybe": math.log(0.2)})) == pytest.approx(0.25)


def test_each_look_is_another_sample() -> None:
    def seeds(look: int) -> Chat:
        engine = Answering(lambda chat: "Yes")
        judged(engine, look=look)
        return engine.chats[0]

    assert seeds(0) == seeds(0)
    assert seeds(0).seed != seeds(1).seed


@pytest.mark.parametrize(
    ("text", "kind", "retryable"),
    [
        ("A lovely picture of two cats.", FailureKind.MALFORMED, True),
        ("I can't tell", FailureKind.MALFORMED, True),
        ("I'm sorry, but I can't assist with that.", FailureKind.REFUSED, False),
    ],
)
def test_what_is_neither_yes_nor_no_is_a_failure(text: str, kind: FailureKind, retryable: bool) -> None:
    outcome = judged(Answering(lambda chat: text))
    assert isinstance(outcome, StageError)
    assert (outcome.kind, outcome.retryable, outcome.usage) == (kind, retryable, USED)


def test_an_endpoints_trouble_is_handed_on() -> None:
    trouble = StageError(FailureKind.TIMEOUT, "too slow", retryable=True, usage=Usage(3))
    assert judged(Answering(lambda chat: trouble)) is trouble


@pytest.mark.parametrize(("content", "kind"), [(None, FailureKind.UNSUPPORTED), (PNG[:900], FailureKind.MALFORMED)])
def test_a_broken_image_is_never_asked_about(content: bytes | None, kind: FailureKind) -> None:
    engine = Answering(lambda chat: "Yes")
    outcome = judged(engine, content)
    assert isinstance(outcome, StageError)
    assert outcome.kind is kind
    assert engine.chats == []


def test_the_identity_names_whatever_determines_a_verdict() -> None:
    engine = Answering(lambda chat: "Yes")
    identities = {VqaJudge(engine).identity, VqaJudge(engine, side=256).identity, VqaJudge(engine, format="png").identity}
    assert len(identities) == 3
    assert all(identity.startswith("vqa:") and identity.endswith(" answering") for identity in identities)
