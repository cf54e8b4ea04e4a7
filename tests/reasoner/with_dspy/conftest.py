"""What the tests of dspy share: programs in a folder of their own, engines that remember, no LM left over from another test."""

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest

from data.chat import Chat, Completion
from data.records import Prompt, SystemPrompt
from data.usage import Usage
from reasoner import RewriteRequest
from reasoner.dspy_lm import lm_over
from reasoner.engines.embedded import EmbeddedReasoner
from reasoner.engines.openai import openai_engine
from reasoner.testserver import ChatServer, serving

SYSTEM = "Bind each color to its noun. Write one vivid sentence."
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "dspy.md"
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
