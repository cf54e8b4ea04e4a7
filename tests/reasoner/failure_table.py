"""What becomes of each of the test server's behaviors, found by running them, and docs/failures.md, written from that.

``python -m tests.reasoner.failure_table`` rewrites the page; tests/reasoner/test_misbehavior.py says when it is out of date.
"""

import ast
import asyncio
import inspect
import itertools
import logging
import re
import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data.errors
from data.errors import FailureKind, StageError
from data.records import Prompt, Rewrite
from optimizer.search import HOPELESS_TRIALS, OUTAGE
from optimizer.stage import StageLimits
from reasoner import RewriteRequest
from reasoner.engines.openai import openai_engine
from reasoner.library import shipped
from reasoner.rewrite import Rewriter
from reasoner.testserver import BEHAVIORS, serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"
COMMAND = "python -m tests.reasoner.failure_table"
KEY = "sk-very-secret-0123456789"
REQUEST = RewriteRequest(shipped("general"), Prompt("three red balloons above a blue house"), 0)
TIMEOUTS: Mapping[str, float] = {"hang": 1.0, "drip": 1.0}
"""Seconds for what never ends."""
TIMEOUT = 30.0
"""Seconds for all else: far more than even a busy machine takes."""

PARAMETERS: Mapping[str, Mapping[str, Any]] = {"bad-temperature": {"temperature": 0.7}}
"""What is asked of the behaviors that only show when asked for it."""
CALLS: Mapping[str, int] = {"dead-after-one": 2}
"""Behaviors that show at a later call than the first."""
NOBODY = "nobody"
"""The one that needs no server: no one listens at the address."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to, and what was said to the user beside it."""

    result: Rewrite | StageError
    notices: tuple[str, ...]


async def outcome(url: str, model: str, *, api: str | None = None) -> Outcome:
    """Asks for a rewrite of REQUEST by an engine and a rewriter of its own, as a run would."""
    parameters = {**PARAMETERS.get(model, {}), **({"api": api} if api else {})}
    engine = openai_engine(model, urls=[url], api_key=KEY, parameters=parameters, most=4, timeout=TIMEOUTS.get(model, TIMEOUT))
    rewriter = Rewriter(engine)
    with listening() as notices:
        try:
            results = [(await rewriter([REQUEST]))[0] for _ in range(CALLS.get(model, 1))]
        finally:
            await engine.aclose()
    assert isinstance(results[-1], Rewrite | StageError), results
    return Outcome(results[-1], tuple(notices))


@contextmanager
def listening() -> Generator[list[str]]:
    """What the reasoner says to the user meanwhile."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, logger = Handler(logging.INFO), logging.getLogger("reasoner")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def free_port() -> int:
    """A port at which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]


# -- the page


async def page() -> str:
    """docs/failures.md, from what every behavior comes to now."""
    found: dict[str, Outcome] = {}
    with serving() as server:
        for name in BEHAVIORS:
            found[name] = await outcome(server.url, name)
        nobody = f"http://127.0.0.1:{free_port()}/v1"
        found[NOBODY] = await outcome(nobody, "good")
        hidden = {server.url: "ENDPOINT", nobody: "ENDPOINT", KEY: "THE KEY ITSELF"}
    failed = [(*_named(name), *_failed(one.result)) for name, one in found.items() if isinstance(one.result, StageError)]
    ended_well = [(*_named(name), *_ended_well(one, one.result)) for name, one in found.items() if isinstance(one.result, Rewrite)]
    text = TEXT.format(
        command=COMMAND,
        attempts=StageLimits().attempts,
        lost=HOPELESS_TRIALS,
        timeout=f"{TIMEOUTS['hang']:g}",
        kinds=_table(("kind", "what happened", "ends a run when a whole round fails of it"), _kinds()),
        failed=_table(("model", "at the far side", "kind", "tried again", "message", "what to do"), failed),
        ended_well=_table(("model", "at the far side", "recorded on the rewrite", "said once"), ended_well),
    )
    for private, shown in hidden.items():
        text = text.replace(private, shown)
    return text


def _named(name: str) -> Sequence[str]:
    return ("", "nobody listens at the address") if name == NOBODY else (f"`{name}`", BEHAVIORS[name].description)


def _failed(error: StageError) -> Sequence[str]:
    wait = "" if error.retry_after is None else f", after {error.retry_after:g} s"
    return (f"`{error.kind}`", f"yes{wait}" if error.retryable else "no", str(error), error.hint)


def _ended_well(one: Outcome, rewrite: Rewrite) -> Sequence[str]:
    recorded = [f"reasoning of {len(rewrite.reasoning.split())} words"] if rewrite.reasoning else []
    recorded += ["no seed"] if rewrite.seed is None else []
    for name in ("removed", "flaws", "drift"):
        if entries := getattr(rewrite, name):
            recorded.append(f"{name}: {', '.join(entries)}")
    return ("; ".join(recorded) or "the rewrite and its seed", "; ".join(one.notices))


def _kinds() -> list[Sequence[str]]:
    return [(f"`{kind}`", text, "yes" if kind in OUTAGE else "no") for kind, text in documented_kinds().items()]


def documented_kinds() -> dict[FailureKind, str]:
    """What data/errors.py says under each kind: Python keeps no docstrings of enum members, so they are read from the source."""
    module = ast.parse(inspect.getsource(data.errors))
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == FailureKind.__name__)
    texts: dict[FailureKind, str] = {}
    for member, text in itertools.pairwise(body):
        match member, text:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(said))):
                texts[FailureKind[name]] = " ".join(said.split())
            case _:
                pass
    return texts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    # Outside of code, what looks like HTML or a column would be taken for it.
    escaped = re.sub(r"`[^`]*`|[<>]", lambda match: {"<": "&lt;", ">": "&gt;"}.get(match[0], match[0]), text)
    return " ".join(escaped.replace("|", "\\|").split())


TEXT = """# Failures

<!-- Written by `{command}` from the code and from what happens when it runs. Edits by hand are lost. -->

A failure says that a stage did not deliver. It is written to the ledger with its stage, its kind, a message, and a hint on what to do.

- **A failure is never a score.** Its trial has none, and its prompt drops out of both sides of a comparison. An outage can't look like a
  bad system prompt.
- **Nothing is made up in its place.** The user's own text is never passed off as a rewrite.
- **What may heal is tried again**, {attempts} times in all unless `reasoner.attempts` says otherwise: after the time that the far side
  asks for, else after one second, then two, then four. The failure is recorded when the last attempt has failed, too. What failed attempts
  used is charged to the trial.
- **No key is ever in a message**, not even where the far side quotes it.
- **A run ends** when all trials of a round failed for reasons that lie in the machinery (last column of the next table), or when the last
  {lost} trials failed for any reason. It says why, and `phoropter resume` goes on from there.

## Kinds

{kinds}

## What the far side does, and what you read

Each row was found by asking the test server for a rewrite. `python -m reasoner.testserver` runs it by hand, and the model's name chooses
what it does. ENDPOINT stands for its address; for what never ends the time limit was {timeout} s.

{failed}

## What ends well

Some servers can't do all that they are asked, and some models wrap their answer in other things. That is no failure. The rewrite says what
was removed from the answer, which rules it breaks (flaws) and what of the user's intent it lost (drift). What a server can't do is said
once, and not asked of it again.

{ended_well}
"""


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
    print(f"wrote {PAGE}")
