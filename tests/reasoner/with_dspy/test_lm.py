"""Our engines as dspy's LM."""

import asyncio
from typing import Any

import dspy
import pytest

from data.errors import FailureKind, StageError
from reasoner.testserver import ChatServer
from tests.reasoner.with_dspy.conftest import Recording, http_engine


def test_an_engine_answers_dspy(over: Any):
    engine = Recording()
    lm = over(engine, max_tokens=77)
    outputs = lm("a red cat")
    assert outputs[0]["reasoning_content"] == "I thought."
    assert "red cat" in outputs[0]["text"]
    (chat,) = engine.chats
    assert (chat.system, chat.user, chat.max_tokens, chat.schema) == ("", "a red cat", 77, None)
    entry = lm.history[-1]
    assert entry["cost"] == 0.5
    assert (entry["usage"]["prompt_tokens"], entry["usage"]["prompt_tokens_details"]) == (10, {"cached_tokens": 3})
    assert entry["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_an_unknown_cost_stays_unknown(over: Any):
    lm = over(Recording(price=None))
    lm("a red cat")
    assert lm.history[-1]["cost"] is None


async def test_ordinary_calls_work_where_a_loop_runs_and_share_its_connections(over: Any, server: ChatServer):
    lm = over(http_engine(server, "thinking"))
    first = lm("a cat")
    second = await lm.acall("a cat")
    third = await asyncio.to_thread(lm, "a cat")
    assert all("The user wants" in answers[0]["reasoning_content"] for answers in (first, second, third))


def test_many_event_loops_one_after_the_other(over: Any, server: ChatServer):
    lm = over(http_engine(server, "good"))
    answers = [asyncio.run(lm.acall("a cat")) for _ in range(3)]
    assert all(isinstance(answer, list) for answer in answers)


def test_equal_calls_get_seeds_of_their_own_and_the_same_ones_each_time(over: Any):
    runs: list[list[int]] = []
    for _ in range(2):
        engine = Recording()
        lm = over(engine)
        for text in ("a cat", "a cat", "a dog"):
            lm(text)
        runs.append([chat.seed for chat in engine.chats])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3
    assert all(0 <= seed < 2**31 for seed in runs[0])


def test_examples_become_part_of_the_user_text(over: Any):
    engine = Recording(marked=True)
    predict = dspy.Predict("prompt -> rewrite")
    predict.demos = [dspy.Example(prompt="a dog", rewrite="a brown dog")]
    with dspy.context(lm=over(engine)):
        predict(prompt="a red cat")
    (chat,) = engine.chats
    before, last = chat.user.split("This is the message to answer:")
    assert "a brown dog" in before
    assert "<assistant>" in before
    assert "a red cat" in last


def test_a_response_format_becomes_the_schema(over: Any, server: ChatServer):
    with dspy.context(lm=over(http_engine(server, "schema")), adapter=dspy.JSONAdapter()):
        answer = dspy.Predict("prompt -> rewrite")(prompt="a red cat")
    assert answer.rewrite
    sent = server.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert list(sent["properties"]) == ["rewrite"]


def test_a_temperature_of_a_call_is_left_out_and_that_is_said_once(over: Any, caplog: pytest.LogCaptureFixture):
    engine = Recording()
    lm = over(engine)
    for _ in range(2):
        lm("a cat", temperature=0.3, max_tokens=5)
    assert [chat.max_tokens for chat in engine.chats] == [5, 5]
    assert sum("temperature" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("option", [{"top_p": 0.5}, {"stop": ["x"]}, {"logprobs": True}])
def test_what_a_call_cannot_set_is_refused(over: Any, option: dict[str, Any]):
    engine = Recording()
    with pytest.raises(dspy.LMError, match=next(iter(option))):
        over(engine)("a cat", **option)
    assert engine.chats == []


def test_failures_are_stage_errors_and_tried_again_where_that_may_help(over: Any, server: ChatServer):
    with pytest.raises(StageError) as refused:
        over(http_engine(server, "unauthorized"))("a cat")
    assert refused.value.kind is FailureKind.UNAUTHORIZED
    assert isinstance(refused.value, dspy.LMError)
    before = len(server.requests)
    with pytest.raises(StageError) as broken:
        over(http_engine(server, "server-error"), num_retries=1)("a cat")
    assert (broken.value.kind, broken.value.retryable) == (FailureKind.SERVER_ERROR, True)
    assert len(server.requests) - before == 2
