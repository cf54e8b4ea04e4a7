"""dspy both ways: our engines as its LM, our reasoner as its module, its programs as our reasoner, and files between the two."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest

from data.errors import FailureKind, StageError, UsageError
from data.records import Prompt, Rewrite, SystemPrompt
from data.textlimit import TextLimit
from data.usage import Usage
from reasoner import RewriteRequest
from reasoner.chat import Chat, Completion
from reasoner.dspy_lm import lm_over
from reasoner.dspy_module import PromptRewriter
from reasoner.dspy_state import dspy_state, system_prompt_of
from reasoner.engines.dspy import DspyReasoner, load_program
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.engines.openai import openai_engine
from reasoner.rewrite import Rewriter
from reasoner.testserver import ChatServer, serving

SYSTEM = "Bind each color to its noun. Write one vivid sentence."
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "dspy.md"
PROGRAMS = """
import dspy

class Sync(dspy.Module):
    def __init__(self):
        super().__init__()
        self.things = dspy.Predict("prompt -> things")
        self.write = dspy.ChainOfThought("prompt, things -> rewrite")

    def forward(self, prompt):
        return self.write(prompt=prompt, things=self.things(prompt=prompt).things)

class Async(Sync):
    async def aforward(self, prompt):
        things = await self.things.acall(prompt=prompt)
        return await self.write.acall(prompt=prompt, things=things.things)

class Plain(Async):
    def __init__(self):
        super().__init__()
        self.write = dspy.Predict("prompt, things -> rewrite")

class Blocking(Sync):
    async def aforward(self, prompt):
        return self.forward(prompt)

class Nothing(Sync):
    def forward(self, prompt):
        return dspy.Prediction(draft=prompt)

class Broken(Sync):
    def forward(self, prompt):
        raise RuntimeError("a bug of the program")

class Twice(Sync):
    def __init__(self):
        super().__init__()
        self.again = dspy.Predict("prompt -> rewrite")

class Drafting(dspy.Module):
    def __init__(self):
        super().__init__()
        self.draft = dspy.Predict("prompt -> draft")

made = Sync()
number = 3

def build():
    return Async()

def failing():
    raise ValueError("no such file")
"""


class Recording:
    """The embedded engine, with what it was asked; in dspy's field markers where ``marked``."""

    def __init__(self, *, marked: bool = False, price: float | None = 0.5) -> None:
        self.chats: list[Chat] = []
        self.threads: set[str] = set()
        self._marked = marked
        self._price = price
        self._embedded = EmbeddedReasoner()

    @property
    def identity(self) -> str:
        return "recording:1"

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion | Exception]:
        self.chats += chats
        self.threads.add(threading.current_thread().name)
        outcomes: list[Completion | Exception] = []
        for chat, answer in zip(chats, await self._embedded(chats), strict=True):
            assert isinstance(answer, Completion)
            names = re.findall(r"`\[\[ ## (\w+) ## \]\]`", chat.user)[:-1] if self._marked else []
            marked = "".join(f"[[ ## {name} ## ]]\n{name} for a red cat\n\n" for name in names) + "[[ ## completed ## ]]"
            text = marked if names else answer.text
            outcomes.append(Completion(text, "I thought.", Usage(10, 4, self._price, 3, 2), 0.1, chat.seed))
        return outcomes


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_lm() -> Iterator[None]:
    with dspy.context(lm=None):
        yield


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"programs_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(PROGRAMS)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def http_engine(server: ChatServer, model: str) -> Any:
    return openai_engine(model, urls=[server.url], api_key=None, parameters={}, most=4, timeout=20)


@pytest.fixture
def over() -> Iterator[Any]:
    """lm_over, with the LMs closed at the end."""
    made: list[Any] = []

    def make(engine: Any, **options: Any) -> Any:
        made.append(lm_over(engine, **options))
        return made[-1]

    yield make
    for lm in made:
        lm.engine.close()


def signature() -> Any:
    made: Any = dspy.Signature
    return made("prompt -> rewrite", SYSTEM)


def request(text: str = "a red cat", system: str = SYSTEM, sample: int = 0) -> RewriteRequest:
    return RewriteRequest(SystemPrompt(system), Prompt(text), sample)


# -- our engines as dspy's LM


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


# -- our reasoner as dspy's module


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


# -- programs as our reasoner


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
