"""A ledger in each kind of database, and trials to put into it."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.errors import FailureKind, Stage
from data.records import (
    Criterion,
    CriterionKind,
    CriterionScore,
    Failure,
    GeneratedImage,
    Judgment,
    Opinion,
    Prompt,
    Rewrite,
    SystemPrompt,
    Trial,
    TrialRequest,
    Usage,
)
from data.store import Store, open_store

MakeTrial = Callable[..., Trial]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a ledger that is not there yet."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/folder/ledger.db"


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    with open_store(ledger_url) as store:
        yield store


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A ledger with a run and a trial, closed."""
    path = tmp_path / "ledger.db"
    with open_store(f"sqlite:///{path}") as store:
        store.add_trials("run", [_trial(number) for number in range(200)])
    return path


@pytest.fixture(params=["0001", "0002", "0003", "0004"])
def old_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a ledger as each revision of it wrote one."""
    return Path(shutil.copy(Path(__file__).parent / "assets" / f"ledger-{request.param}.db", tmp_path))


@pytest.fixture
def make_trial() -> MakeTrial:
    """Makes the trial with a number: the same number, the same trial. ``failed``: it did not get past the generator."""
    return _trial


def _trial(number: int, *, failed: bool = False, system_prompts: int = 3) -> Trial:
    name = hashlib.sha256(str(number).encode()).hexdigest()
    checklist = tuple(Criterion(f"c{place}", f"Statement {place} of {number}", CriterionKind.ENTITY) for place in range(3))
    prompt = Prompt(f"prompt № {number}", checklist, "cat", "de", tags=("a", "b"), checklist_from=f"prompt № {number}")
    request = TrialRequest(SystemPrompt(f"Be good {number % system_prompts}.", "good"), prompt, number, 2**62 + number, look=number % 2)
    rewrite = Rewrite(f"a picture of {number}", "thinking", ("the 3 is gone",), usage=Usage(10, 20, None), latency=1.5)
    trial = Trial(f"b2:{name[:32]}", request, rewrite, rewrite_key=f"rewrite {name}")
    if failed:
        failure = Failure(Stage.GENERATE, FailureKind.TIMEOUT, "too slow", True, "wait", 3)
        return Trial(trial.id, request, rewrite, failure=failure, rewrite_key=trial.rewrite_key)
    scores = (CriterionScore("c0", 1.0, "there"), CriterionScore("c1", None), CriterionScore("c2", 0.25, "half of it"))
    opinions = (Opinion("checklist:a", 0.625, 1.0, "openai", "", scores), Opinion("text", None, 1.0, note="asks for no text"))
    return Trial(
        trial.id,
        request,
        rewrite,
        GeneratedImage(name, 512, 256, ("3 tokens of the text were cut",), "a revised picture", 4, Usage(0, 0, 0.04), 2.0),
        Judgment(0.625, scores, Usage(5, 6, 0.01), 0.5, opinions),
        None,
        trial.rewrite_key,
        f"image {name}",
        f"judgment {name}",
    )
