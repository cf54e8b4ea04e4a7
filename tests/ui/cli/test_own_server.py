"""A run whose server is its own: it dies too often, the run stops with the reason, and goes on later. A stand-in takes vLLM's place."""

import re
import sys
from pathlib import Path

from tests.ui.cli.conftest import IMAGES, record, start

STAND_IN = f"{sys.executable} {Path(__file__).resolve().parents[2] / 'reasoner' / 'stand_in.py'}"


def test_a_server_that_keeps_dying_ends_the_run_and_resume_goes_on(tmp_path: Path) -> None:
    (tmp_path / "brittle").touch()
    arguments = ("optimize", "--images", str(IMAGES), "--reasoner", "vllm:stand-in/good", "--json")
    first = start(*arguments, cwd=tmp_path, PHOROPTER_VLLM=STAND_IN)
    printed, said = first.communicate(timeout=100)
    assert first.returncode == 1, said
    assert "after 3 restarts within an hour" in said
    resume = re.search(r"phoropter resume (\w+)", said)
    assert resume is not None, said
    assert str(tmp_path / "phoropter-data" / "logs" / "vllm-stand-in-good-") in said
    assert "3 restarts" in record(printed)["error"]["message"]

    (tmp_path / "brittle").unlink()
    again = start("resume", resume[1], "--json", cwd=tmp_path, PHOROPTER_VLLM=STAND_IN)
    printed, said = again.communicate(timeout=100)
    assert again.returncode == 0, said
    assert record(printed)["result"]["winner"]["id"].startswith("b2:")


def test_without_a_vllm_nothing_is_started(tmp_path: Path) -> None:
    process = start("rewrite", "a cat", "--reasoner", "vllm:openai/gpt-oss-20b", cwd=tmp_path, PHOROPTER_VLLM="/nowhere/vllm")
    _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "'/nowhere/vllm' does not exist" in said
    assert "pip install vllm" in said


def test_serve_stops_cleanly_and_says_what_happened_when_its_server_dies(tmp_path: Path) -> None:
    (tmp_path / "brittle").touch()
    process = start("reasoner", "serve", "stand-in/good", cwd=tmp_path, PHOROPTER_VLLM=STAND_IN)
    # The speed is measured with more chats than the server lives.
    _, said = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "error: vLLM is up, but does not answer chats" in said
    assert "log: " in said
