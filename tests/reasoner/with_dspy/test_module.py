"""Our reasoner as dspy's module, and system prompts in dspy's files."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest

from data.chat import Chat, Completion
from data.errors import FailureKind, StageError, UsageError
from data.records import Rewrite, SystemPrompt
from reasoner.dspy_module import PromptRewriter
from reasoner.dspy_state import dspy_state, system_prompt_of
from reasoner.engines.dspy import load_program
from reasoner.rewrite import Rewriter
from reasoner.testserver import ChatServer
from tests.reasoner.with_dspy.conftest import SYSTEM, Recording, http_engine, request, signature


def test_it_asks_what_our_rewriter_asks(over: Any):
    ours, theirs = Recording(), Recording()
    (rewrite,) = asyncio.run(Rewriter(ours, structured=False)([request()]))
    with dspy.context(lm=over(theirs)):
        prediction = PromptRewriter(SYSTEM)(prompt="a red cat")
    assert [(chat.system, chat.user) for chat in ours.chats] == [(chat.system, chat.user) for chat in theirs.chats]
    assert isinstance(rewrite, Rewrite)
    assert "red cat" in prediction.rewrite


async def test_it_cleans_and_refuses_as_our_rewriter_does(over: Any, server: ChatServer):
    with dspy.context(lm=over(http_engine(server, "chatter"))):
        chatty = await PromptRewriter(SYSTEM).acall(prompt="a cat")
    assert chatty.rewrite.startswith("a cat")
    assert chatty.removed
    with dspy.context(lm=over(http_engine(server, "polite-refusal"))), pytest.raises(StageError) as refused:
        await PromptRewriter(SYSTEM).acall(prompt="a cat")
    assert refused.value.kind is FailureKind.REFUSED


def test_the_empty_system_prompt_asks_nobody(over: Any):
    engine = Recording()
    with dspy.context(lm=over(engine)):
        assert PromptRewriter("")(prompt=" a  cat ").rewrite == " a  cat "
    assert engine.chats == []


def test_an_optimizer_changes_the_system_prompt(over: Any):
    """GEPA with a reflection LM that proposes the better instructions."""
    better = "State how many there are of each thing in words. Bind each color to its noun."
    engine = Recording()

    class Proposing(Recording):
        async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
            return [Completion(json.dumps({"new_instruction": better})) for _ in chats]

    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> dspy.Prediction:
        asked = engine.chats[-1].system
        return dspy.Prediction(score=float(asked == better), feedback="numbers are lost")

    examples = [dspy.Example(prompt=text).with_inputs("prompt") for text in ("two red cats", "three dogs", "a house")]
    gepa = dspy.GEPA(metric=metric, reflection_lm=over(Proposing()), max_metric_calls=30, num_threads=1, seed=0)
    with dspy.context(lm=over(engine)):
        found = gepa.compile(PromptRewriter("Be brief."), trainset=examples, valset=examples)
    assert isinstance(found, PromptRewriter)
    assert found.system_prompt == SystemPrompt(better)


# -- files


def test_what_export_writes_loads_into_both_and_back(tmp_path: Path):
    path = tmp_path / "best.json"
    path.write_text(json.dumps(dspy_state(SYSTEM)))
    rewriter = PromptRewriter()
    predict: Any = dspy.Predict("prompt -> rewrite")
    rewriter.load(path)
    predict.load(path)
    assert rewriter.system_prompt.text == predict.signature.instructions == SYSTEM
    assert system_prompt_of(path) == SystemPrompt(SYSTEM, "best")


def test_the_exported_state_is_what_dspy_itself_writes(tmp_path: Path):
    dspy.Predict(signature()).save(tmp_path / "theirs.json")
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert {**theirs, "metadata": {"dependency_versions": {}}} == dspy_state(SYSTEM)


@pytest.mark.parametrize("make", [lambda: PromptRewriter(SYSTEM), lambda: dspy.ChainOfThought(signature())])
def test_a_saved_program_is_a_system_prompt_and_a_program(tmp_path: Path, make: Any):
    path = tmp_path / "saved.json"
    made = make()
    made.save(path)
    assert system_prompt_of(path).text == SYSTEM
    loaded = load_program(str(path))
    assert type(loaded) is type(made)
    assert loaded.dump_state() == made.dump_state()


def test_examples_are_no_part_of_a_system_prompt(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    predict = dspy.Predict(signature())
    predict.demos = [dspy.Example(prompt="a dog", rewrite="a brown dog")]
    predict.save(tmp_path / "saved.json")
    assert system_prompt_of(tmp_path / "saved.json").text == SYSTEM
    assert "1 examples" in caplog.text


def test_of_several_predictors_the_one_that_rewrites_is_the_system_prompt(tmp_path: Path, programs: str):
    program = load_program(f"{programs}:Sync")
    program.write.predict.signature = program.write.predict.signature.with_instructions(SYSTEM)  # type: ignore[attr-defined]
    program.save(tmp_path / "saved.json")
    assert system_prompt_of(tmp_path / "saved.json").text == SYSTEM
    with pytest.raises(UsageError, match="can't be told"):
        load_program(str(tmp_path / "saved.json"))


def test_pickles_are_refused(tmp_path: Path):
    PromptRewriter(SYSTEM).save(tmp_path / "whole", save_program=True)
    for path in (tmp_path / "whole", tmp_path / "state.pkl"):
        with pytest.raises(UsageError, match="pickle") as error:
            load_program(str(path))
        assert "program.json" in error.value.hint


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"signature": 3}', "null"])
def test_files_that_hold_no_state_are_refused(tmp_path: Path, content: str):
    (tmp_path / "x.json").write_text(content)
    for read in (system_prompt_of, lambda path: load_program(str(path))):
        with pytest.raises(UsageError):
            read(tmp_path / "x.json")
