"""A real vLLM on a tiny real GPT-OSS, for ``make test-vllm``, which says in TEST_VLLM which Python has vLLM.

Without that, nothing here is collected: it takes an environment of 2 GB and five minutes.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from reasoner.serving.machine import members_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("tiny_gpt_oss.py")
EYES = Path(__file__).with_name("tiny_eyes.py")
_LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A shell lets what it starts in the background ignore Ctrl-C, and children inherit that: CI may run in such a one."""
MAIN = [sys.executable, "-c", f"{_LISTEN}; from ui.cli import main; main()"]
FOR_SEARCH, FOR_SELECTION, FOR_TEST = 8, 4, 20
"""Prompts of the small set; 20 are the least on which a gain may be confirmed."""
IMAGES = 200

collect_ignore_glob = [] if "TEST_VLLM" in os.environ else ["test_*.py"]


def environment(**more: str) -> dict[str, str]:
    """For a child: our modules, and a small cache for vLLM, so that it fits beside other work."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "VLLM_CPU_KVCACHE_SPACE": "1", **more}


def start(*arguments: object, cwd: Path) -> "subprocess.Popen[str]":
    """A `phoropter` process that knows where vLLM is. What it says goes into files, ``said`` and ``printed`` in ``cwd``."""
    with (cwd / "said").open("w") as said, (cwd / "printed").open("w") as printed:
        more = environment(PHOROPTER_VLLM=os.environ["TEST_VLLM"])
        return subprocess.Popen([*MAIN, *map(str, arguments)], cwd=cwd, env=more, text=True, stdout=printed, stderr=said)


def run(*arguments: object, cwd: Path) -> dict[str, Any]:
    """The record that a `phoropter` command prints with ``--json``; it has to succeed."""
    process = start(*arguments, "--json", cwd=cwd)
    assert process.wait(240) == 0, (cwd / "said").read_text()
    return json.loads((cwd / "printed").read_text())


def until(true: Callable[[], object], what: str, process: "subprocess.Popen[str] | None" = None, seconds: float = 240) -> None:
    """Waits for something that comes about by itself; in vain where ``process`` ended."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        assert process is None or process.poll() is None, f"it ended before {what}"
        time.sleep(0.1)


def gone(group: int) -> bool:
    """Whether no process is left of a server and its workers."""
    return not list(members_of(group))


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    # Not resolved: a venv's python is a link to another.
    return Path(os.environ["TEST_VLLM"]).absolute()


@pytest.fixture(scope="session", autouse=True)
def _vllm_is_absolute() -> None:
    """Commands run in other folders."""
    os.environ["TEST_VLLM"] = str(Path(os.environ["TEST_VLLM"]).absolute())


def vocabulary() -> Path:
    """The folder in which litellm brings the vocabulary of GPT-OSS with it, as tiktoken caches it."""
    litellm = find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    return Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"


@pytest.fixture(scope="session")
def tiny(vllm_python: Path) -> Path:
    """The folder of the tiny GPT-OSS."""
    return made_by(SCRIPT, vllm_python, "tiny-gpt-oss", "--vocabulary", vocabulary())


@pytest.fixture(scope="session")
def tiny_eyes(vllm_python: Path) -> Path:
    """The folder of the tiny vision model."""
    return made_by(EYES, vllm_python, "tiny-eyes")


def made_by(script: Path, python: Path, name: str, *arguments: object) -> Path:
    """The folder of a model that ``script`` makes. Made once, and kept for as long as the script stays the same."""
    made = ROOT / ".cache" / hashlib.sha256(script.read_bytes()).hexdigest()[:12] / name
    made.parent.mkdir(parents=True, exist_ok=True)
    with (made.parent / "lock").open("w") as lock:
        # Another worker may be at it; whoever comes second finds it made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            draft = made.with_name("draft")
            shutil.rmtree(draft, ignore_errors=True)
            subprocess.run([python, script, draft, *map(str, arguments)], env=environment(), check=True)
            draft.rename(made)
    return made


@dataclass(frozen=True, slots=True)
class Served:
    """A running `phoropter reasoner serve`, and what it printed."""

    process: "subprocess.Popen[str]"
    record: dict[str, Any]
    said: Path

    @property
    def spec(self) -> str:
        return self.record["reasoner"]

    def stop(self) -> None:
        """As Ctrl-C does; returns when it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def serving(model: Path, *arguments: object, cwd: Path) -> Generator[Served]:
    """Our command with a real vLLM behind it."""
    process = start("reasoner", "serve", model, *arguments, "--json", cwd=cwd)
    served = Served(process, {}, cwd / "said")
    try:
        until(lambda: (cwd / "printed").read_text().endswith("}\n"), "vLLM is ready", process)
        served.record.update(json.loads((cwd / "printed").read_text()))
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny GPT-OSS, served."""
    with serving(tiny, cwd=tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="session")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prompt set with eight prompts to search on, and as few others as can be."""
    lines = (ROOT / "data" / "promptsets" / "scenes.jsonl").read_text().splitlines()
    chosen: list[str] = []
    for split, count in (("search", FOR_SEARCH), ("select", FOR_SELECTION), ("test", FOR_TEST)):
        chosen += [line for line in lines if json.loads(line)["split"] == split][:count]
    path = tmp_path_factory.mktemp("prompts") / "eight.jsonl"
    path.write_text("\n".join(chosen), encoding="utf-8")
    return path
