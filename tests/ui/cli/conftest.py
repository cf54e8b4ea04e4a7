"""The command line as its users meet it: in this process where only words matter, as a process of its own where time or signals do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

ROOT = Path(__file__).resolve().parents[3]
_LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell lets what it starts in the background ignore Ctrl-C, and children inherit that: CI may run in such a one."""
MAIN = [sys.executable, "-c", f"{_LISTEN}; from ui.cli import main; main()"]
IMAGES = 220
"""About the least that a run can be confirmed with."""

Phoropter = Callable[..., Result]


def environment(**more: str) -> dict[str, str]:
    """For a child: our modules, and nobody's settings."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def start(*arguments: str, cwd: Path, **more: str) -> "subprocess.Popen[str]":
    """A `phoropter` process; its output is kept for ``communicate``."""
    return subprocess.Popen(
        [*MAIN, *arguments], cwd=cwd, env=environment(**more), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def record(output: str) -> dict[str, Any]:
    """The one JSON object that a command printed."""
    found = json.loads(output)
    assert found["schema"] == 1
    return found


def untimed(output: str) -> str:
    """The JSON that a command printed, byte for byte but for its ``timing``."""
    found = record(output)
    del found["timing"]
    return json.dumps(found)


@pytest.fixture
def phoropter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phoropter:
    """Types a command, in an empty folder of its own."""
    from ui.cli import app

    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run of the embedded world: its home, and what the command printed."""

    home: Path
    stdout: str
    stderr: str

    @property
    def record(self) -> dict[str, Any]:
        return record(self.stdout)

    @property
    def id(self) -> str:
        return self.record["run"].removeprefix("b2:")[:8]

    @property
    def winner(self) -> dict[str, Any]:
        return self.record["result"]["winner"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One run for all tests that only read; whoever writes works on a copy."""
    folder = tmp_path_factory.mktemp("finished")
    process = start("optimize", "--images", str(IMAGES), "--seed", "1", "--json", cwd=folder)
    stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr
    return Finished(folder / "phoropter-data", stdout, stderr)
