"""dspy programs as our reasoner, and the guide to all of it."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import dspy
import pytest

from data.errors import FailureKind, StageError, UsageError
from data.records import Rewrite
from data.textlimit import TextLimit
from data.usage import Usage
from reasoner.engines.dspy import DspyReasoner, load_program
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.testserver import ChatServer
from tests.reasoner.with_dspy.conftest import GUIDE, PROGRAMS, SYSTEM, Recording, http_engine, request, signature


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Drafting", "no predictor with an output `rewrite`"),
        ("Twice", "2 predictors write `rewrite`"),
        ("number", "no dspy program"),
        ("failing", "no such file"),
        ("absent", "has no 'absent'"),
    ],
)
def test_what_is_no_rewriting_program_is_said_when_it_is_loaded(programs: str, name: str, said: str):
    with pytest.raises(UsageError, match=re.escape(said)):
        load_program(f"{programs}:{name}")


@pytest.mark.parametrize("source", ["nowhere.at.all:build", "programs", "absent.json"])
def test_a_source_that_leads_nowhere(source: str):
    with pytest.raises(UsageError) as error:
        load_program(source)
    assert error.value.hint


@pytest.mark.parametrize("name", ["made", "Sync", "Async", "build"])
async def test_a_program_rewrites_under_the_system_prompt(programs: str, name: str):
    engine = Recording(marked=True)
    reasoner = DspyReasoner(load_program(f"{programs}:{name}"), source=f"{programs}:{name}", lm=engine, max_tokens=300)
    outcomes = await reasoner([request(), request(system="Another one."), request(system=""), request(sample=1)])
    await reasoner.aclose()
    rewrites = [outcome for outcome in outcomes if isinstance(outcome, Rewrite)]
    assert [rewrite.text for rewrite in rewrites] == ["rewrite for a red cat"] * 2 + ["a red cat"] + ["rewrite for a red cat"]
    assert rewrites[0].usage == Usage(20, 8, 1.0, 6, 4), "that of both calls"
    assert rewrites[2].usage == Usage(), "the raw arm asks nobody"
    assert rewrites[0].reasoning == "I thought.\n\nI thought.\n\nreasoning for a red cat"
    assert rewrites[0].latency > 0
    writing = [chat for chat in engine.chats if "`[[ ## rewrite ## ]]`" in chat.user]
    assert sorted(SYSTEM in chat.system for chat in writing) == [False, True, True]
    assert sorted("Another one." in chat.system for chat in writing) == [False, False, True]
    assert {chat.max_tokens for chat in engine.chats} == {300}
    assert engine.threads == {threading.current_thread().name}, "all calls are made in the loop where the connections live"


async def test_seeds_follow_from_the_request(programs: str):
    async def seeds(sample: int) -> list[int]:
        engine = Recording(marked=True)
        reasoner = DspyReasoner(load_program(f"{programs}:Sync"), source=f"{programs}:Sync", lm=engine)
        (rewrite,) = await reasoner([request(sample=sample)])
        await reasoner.aclose()
        assert isinstance(rewrite, Rewrite)
        assert rewrite.seed == engine.chats[0].seed
        return [chat.seed for chat in engine.chats]

    first = await seeds(0)
    assert first == await seeds(0)
    assert first[1] == first[0] + 1
    assert first[0] != (await seeds(1))[0]


async def test_a_batch_goes_through_http(programs: str, server: ChatServer):
    engine = http_engine(server, "schema")
    reasoner = DspyReasoner(load_program(f"{programs}:Plain"), source=f"{programs}:Plain", lm=engine)
    assert reasoner.times_itself
    outcomes = await reasoner([request(f"{number} red cats") for number in range(2, 8)])
    await reasoner.aclose()
    await engine.aclose()
    assert all(isinstance(outcome, Rewrite) for outcome in outcomes), outcomes
    assert all(outcome.usage.cost is None and outcome.usage.output_tokens > 0 for outcome in outcomes if isinstance(outcome, Rewrite))


@pytest.mark.parametrize(
    ("model", "kind", "retryable"),
    [
        ("unauthorized", FailureKind.UNAUTHORIZED, False),
        ("rate-limited", FailureKind.RATE_LIMITED, True),
        ("unfinished", FailureKind.UNFINISHED, False),
        ("good", FailureKind.MALFORMED, True),
    ],
)
async def test_failures_of_the_model_pass_through(programs: str, server: ChatServer, model: str, kind: FailureKind, retryable: bool):
    engine = http_engine(server, model)
    reasoner = DspyReasoner(load_program(f"{programs}:Sync"), source=f"{programs}:Sync", lm=engine)
    (error,) = await reasoner([request()])
    await reasoner.aclose()
    await engine.aclose()
    assert isinstance(error, StageError), error
    assert (error.kind, error.retryable) == (kind, retryable), error
    if model == "unfinished":
        assert error.usage.output_tokens > 0, "an answer that can't be used is paid for, too"


async def test_failures_of_the_program(programs: str):
    async def outcome(name: str) -> object:
        reasoner = DspyReasoner(load_program(f"{programs}:{name}"), source=f"{programs}:{name}", lm=Recording(marked=True))
        (error,) = await reasoner([request()])
        await reasoner.aclose()
        return error

    nothing = await outcome("Nothing")
    assert isinstance(nothing, StageError)
    assert nothing.kind is FailureKind.MALFORMED
    broken = await outcome("Broken")
    assert isinstance(broken, RuntimeError), "the stage makes a crash of it"
    blocking = await outcome("Blocking")
    assert isinstance(blocking, StageError)
    assert blocking.kind is FailureKind.UNSUPPORTED
    assert "acall" in blocking.hint


async def test_a_cancelled_rewrite_leaves_no_thread_waiting(programs: str, server: ChatServer):
    engine = http_engine(server, "hang")
    reasoner = DspyReasoner(load_program(f"{programs}:Sync"), source=f"{programs}:Sync", lm=engine)
    before = len(server.requests)
    asking = asyncio.create_task(reasoner([request()]))  # type: ignore[arg-type]
    while len(server.requests) == before:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await reasoner.aclose()
    await engine.aclose()
    for thread in threading.enumerate():
        if thread.name.startswith("phoropter-dspy"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


async def test_a_program_with_an_lm_of_its_own(programs: str, over: Any):
    engine = Recording(marked=True)
    program = load_program(f"{programs}:Sync")
    with pytest.raises(UsageError, match="no language model"):
        DspyReasoner(program, source=f"{programs}:Sync")
    own = over(engine)
    own.cache = True
    program.set_lm(own)
    reasoner = DspyReasoner(program, source=f"{programs}:Sync")
    outcomes = [(await reasoner([request()]))[0] for _ in range(2)]
    await reasoner.aclose()
    assert len(engine.chats) == 4, "dspy's cache is off"
    for rewrite in outcomes:
        assert isinstance(rewrite, Rewrite)
        assert (rewrite.usage, rewrite.seed) == (Usage(20, 8, None, 6, 4), None)


def test_another_program_is_another_reasoner(programs: str, tmp_path: Path):
    def identity(source: str, **options: Any) -> str:
        return DspyReasoner(load_program(source), source=source, lm=EmbeddedReasoner(), **options).identity

    source = f"{programs}:Sync"
    first = identity(source)
    assert first == identity(source)
    assert source in first
    assert EmbeddedReasoner().identity in first
    assert first != identity(source, max_tokens=99)
    (tmp_path / f"{programs}.py").write_text(PROGRAMS + "\n# changed\n")
    assert first != identity(source)
    saved = tmp_path / "saved.json"
    predict = dspy.Predict(signature())
    predict.save(saved)
    without = identity(str(saved))
    predict.demos = [dspy.Example(prompt="a dog", rewrite="a brown dog")]
    predict.save(saved)
    assert without != identity(str(saved))


async def test_rewrites_are_checked_as_everywhere(programs: str):
    limit = TextLimit("words", 3, lambda text: len(text.split()))
    reasoner = DspyReasoner(load_program(f"{programs}:Sync"), source=f"{programs}:Sync", lm=Recording(marked=True), limit=limit)
    (rewrite,) = await reasoner([request('a red cat with a sign "OPEN"')])
    await reasoner.aclose()
    assert isinstance(rewrite, Rewrite)
    assert rewrite.tokens == 5
    assert any("5 tokens" in flaw for flaw in rewrite.flaws)
    assert any("OPEN" in lost for lost in rewrite.drift)


# -- the guide


def test_the_guide_runs_as_it_stands(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = GUIDE.read_text().replace("http://localhost:8000/v1", server.url).replace("gpt-oss-20b", "schema")
    # The guide configures dspy for good; a test may do so for itself only.
    text = text.replace("dspy.configure(lm=lm)", "context = dspy.context(lm=lm)\ncontext.__enter__()")
    names: dict[str, Any] = {}
    try:
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            if path := re.match(r"# (\S+\.py)\n", block):
                (tmp_path / path[1]).parent.mkdir()
                (tmp_path / path[1]).write_text(block)
            else:
                exec(compile(block, GUIDE.name, "exec"), names)
    finally:
        names["context"].__exit__(None, None, None)
        names["lm"].engine.close()
    printed = capsys.readouterr().out
    assert "three red balloons" in printed
    assert "Rewrite(text=" in printed
    assert "Keep every number" in printed
