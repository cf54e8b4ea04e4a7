"""A run with its own vLLM (``--reasoner vllm:FOLDER``), which is killed in the middle."""

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.vllm.conftest import IMAGES, gone, run, start, until

pytestmark = pytest.mark.timeout(400)


def groups(cwd: Path) -> list[int]:
    """The servers that were started so far, by their notices."""
    return [int(number) for number in re.findall(r"starting with \S+ \(process (\d+)", (cwd / "said").read_text())]


def ready(cwd: Path) -> int:
    return (cwd / "said").read_text().count("vLLM serves")


def trials(cwd: Path) -> int:
    """How many trials are on record."""
    ledger = cwd / "phoropter-data" / "ledger.db"
    if not ready(cwd):
        return 0
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return connection.execute("select count(*) from trials").fetchone()[0]


def test_killed_in_mid_run_it_is_started_again_and_the_run_ends_well(tiny: Path, eight: Path, tmp_path: Path) -> None:
    spec = f"vllm:{tiny}?max_model_len=4096"
    process = start("optimize", "--prompts", eight, "--images", IMAGES, "--reasoner", spec, "--json", cwd=tmp_path)
    until(lambda: trials(tmp_path) >= 10, "the first rounds are on record", process)
    (first,) = groups(tmp_path)
    os.kill(first, signal.SIGKILL)
    assert process.wait(300) == 0, (tmp_path / "said").read_text()

    said = (tmp_path / "said").read_text()
    assert "died and is started again" in said
    assert ready(tmp_path) == len(groups(tmp_path)) == 2
    assert [group for group in groups(tmp_path) if not gone(group)] == []
    record = json.loads((tmp_path / "printed").read_text())
    assert record["result"]["winner"]["id"].startswith("b2:")
    assert run("verify", cwd=tmp_path)["ok"]
