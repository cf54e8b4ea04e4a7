"""The example of the docs as a small world: tickets, a program, a model of a few rules, another that reads feedback."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy
import pytest

from data.chat import Chat, Completion
from reasoner.dspy_lm import lm_over

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "optimize_dspy_program.py"


def load_example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("optimize_dspy_program", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


support = load_example()


class Counting:
    """An engine with a count of what it was asked."""

    def __init__(self, engine: Any) -> None:
        self.identity = engine.identity
        self.chats: list[Chat] = []
        self._engine = engine

    async def __call__(self, chats: Sequence[Chat]) -> Sequence[Completion]:
        self.chats += chats
        return await self._engine(chats)


def signature(*parts: str) -> Any:
    """A dspy signature; its own constructor is typed as that of an instance."""
    made: Any = dspy.Signature
    return made(*parts)


@pytest.fixture(autouse=True)
def _no_lm() -> Iterator[None]:
    with dspy.context(lm=None):
        yield


@pytest.fixture
def over() -> Iterator[Any]:
    """lm_over, with the LMs closed at the end."""
    made: list[Any] = []

    def make(engine: Any) -> Any:
        made.append(lm_over(engine))
        return made[-1]

    yield make
    for lm in made:
        lm.engine.close()
