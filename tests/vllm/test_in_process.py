"""vLLM in this process (``vllm:FOLDER?in_process=true``). It has to be the process of a Python that has vLLM: a child does it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.vllm.conftest import environment

pytestmark = pytest.mark.timeout(300)


def test_a_batch_is_answered_with_reasoning_seeds_and_failures_of_its_own(tiny: Path, vllm_python: Path) -> None:
    program = Path(__file__).with_name("in_process.py")
    done = subprocess.run([vllm_python, program, tiny], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    record = json.loads(done.stdout.rpartition("ANSWERS ")[2])
    assert record["identity"].startswith("vllm-in-process:tiny-gpt-oss#b2:")
    *good, again, too_long, cut = record["together"]
    for seed, answer in enumerate(good):
        assert answer["reasoning"].endswith((".", "light"))
        assert "A " in answer["text"]
        assert "<|" not in answer["text"] + answer["reasoning"]
        assert answer["seed"] == seed
        assert answer["tokens"][0] > 60
        assert answer["tokens"][1] > 20
        assert answer["tokens"][2] is None
    assert again == good[0], "the same chat and seed"
    assert len({answer["text"] for answer in good}) > 4
    assert too_long["kind"] == "context_too_long"
    assert cut["kind"] == "unfinished"
    assert record["singly"] == good[:4], "answers do not depend on who else is asked"
