"""Runs that are killed, interrupted, cut off from their model, or begun twice at once: nothing is lost, and the end is the same."""

import json
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from data.blobs import ImageFiles
from data.store import open_store
from reasoner.testserver import serving
from tests.ui.cli import cheap
from tests.ui.cli.conftest import IMAGES, Finished, Phoropter, record, start, untimed

CHEAP = ("--generator", cheap.GENERATOR, "--judge", cheap.JUDGE)
SLOW = ("--generator", cheap.SLOW_GENERATOR, "--judge", cheap.JUDGE)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def images_in(home: Path) -> int:
    return len(list((home / "images").rglob("*.png")))


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    home = tmp_path / "phoropter-data"
    process = start("optimize", "--images", str(IMAGES), "--seed", "1", "--json", cwd=tmp_path)
    wait_until(lambda: images_in(home) > IMAGES // 3)
    process.kill()
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert output == ""
    (run,) = record(phoropter("runs", "--json").stdout)["runs"]
    assert run["id"] == finished.record["run"]
    assert run["state"] in ("searching", "confirming")
    assert 0 < run["images"] < IMAGES
    assert f"phoropter resume {finished.id}" in phoropter("show", run["id"]).stdout
    resumed = phoropter("resume", run["id"], "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert untimed(resumed.stdout) == untimed(finished.stdout)
    assert phoropter("verify").exit_code == 0


def test_interrupted_it_says_how_to_go_on(tmp_path: Path, phoropter: Phoropter) -> None:
    process = start("optimize", "--images", str(IMAGES), *SLOW, "--home", "my data", cwd=tmp_path)
    wait_until(lambda: images_in(tmp_path / "my data") > 60)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert output == ""
    assert "Traceback" not in said
    assert "Nothing is lost" in said
    command = said.splitlines()[-1].strip()
    assert command.startswith("phoropter resume ")
    assert command.endswith(" --home 'my data'")
    (run,) = record(phoropter("runs", "--home", "my data", "--json").stdout)["runs"]
    assert run["last_outcome"] == "stopped"
    assert run["images"] > 0


def test_a_dead_endpoint_ends_the_run_and_resume_goes_on(phoropter: Phoropter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOROPTER_REASONER__ATTEMPTS", "1")
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    done = phoropter("optimize", "--images", IMAGES, "--reasoner", f"openai:good@http://127.0.0.1:{port}/v1", *CHEAP, "--json")
    assert done.exit_code == 1
    error = record(done.stdout)["error"]
    assert error["type"] == "FatalError"
    assert f"no connection to http://127.0.0.1:{port}/v1" in error["message"]
    (run,) = record(phoropter("runs", "--json").stdout)["runs"]
    identifier = run["id"].removeprefix("b2:")[:8]
    assert f"`phoropter resume {identifier}`" in error["hint"]
    shown = record(phoropter("show", identifier, "--json").stdout)
    assert shown["state"] == "searching"
    (failure,) = shown["result"]["failures"]
    assert (failure["stage"], failure["kind"]) == ("rewrite", "unreachable")
    assert failure["count"] >= 4
    assert "could not be scored" in phoropter("show", identifier).stdout
    with serving(port=port):  # It comes up again where it was.
        resumed = phoropter("resume", identifier, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert record(resumed.stdout)["result"]["failures"] == []


def test_several_at_once_on_one_ledger(tmp_path: Path, phoropter: Phoropter) -> None:
    """Twice the same run, and another one, begun together where there is no ledger yet."""
    seeds = ("1", "1", "2")
    processes = [start("optimize", "--images", str(IMAGES), "--seed", seed, *CHEAP, "--json", cwd=tmp_path) for seed in seeds]
    outputs = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], [said for _, said in outputs]
    one, same, other = [untimed(output) for output, _ in outputs]
    assert one == same
    assert one != other
    runs = record(phoropter("runs", "--json").stdout)["runs"]
    assert {run["state"] for run in runs} == {"finished"}
    assert len(runs) == 2
    assert phoropter("verify").exit_code == 0


def test_a_deleted_picture_is_drawn_again(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    """The picture of one `imagine` is gone; the same command draws the same one again."""
    first = record(phoropter("imagine", "a red car", "--json").stdout)
    files = ImageFiles(str(tmp_path / "phoropter-data" / "images"))
    Path(files.path(first["image"]["sha256"])).unlink()
    assert phoropter("verify").exit_code == 1
    again = record(phoropter("imagine", "a red car", "--json").stdout)
    assert again == first
    assert phoropter("verify").exit_code == 0


def test_a_run_whose_prompts_have_changed_can_not_go_on(phoropter: Phoropter, tmp_path: Path) -> None:
    from data.formats import load_prompts, save_prompts

    own = tmp_path / "own.jsonl"
    prompts = load_prompts("scenes")
    save_prompts(prompts, own)
    process = start("optimize", "--images", str(IMAGES), "--prompts", str(own), *SLOW, cwd=tmp_path)
    wait_until(lambda: images_in(tmp_path / "phoropter-data") > 5)
    process.kill()
    process.communicate()
    save_prompts(prompts[:-1], own)
    (run,) = record(phoropter("runs", "--json").stdout)["runs"]
    done = phoropter("resume", run["id"])
    assert done.exit_code == 2
    assert "can't go on: its prompts" in done.stderr


def test_a_limit_of_time_ends_a_run_with_what_to_do(phoropter: Phoropter) -> None:
    done = phoropter("optimize", "--images", IMAGES, *SLOW, "--seconds", "0.5", "--json")
    assert done.exit_code == 1
    assert "limit" in record(done.stdout)["error"]["message"]


def test_a_ledger_and_its_pictures_can_be_moved(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    moved = shutil.copytree(finished.home, tmp_path / "elsewhere")
    with open_store(f"sqlite:///{moved / 'ledger.db'}") as store:
        assert json.dumps(str(finished.home)) not in json.dumps([dict(run.config) for run in store.runs()])
    assert untimed(phoropter("resume", finished.id, "--home", moved, "--json").stdout) == untimed(finished.stdout)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_pages_start_and_end_with_the_command(finished: Finished, tmp_path: Path, how: signal.Signals, code: int) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    process = start("ui", "--port", str(port), "--home", str(finished.home), cwd=tmp_path)

    def healthy() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.read() == b"ok")
        assert process.poll() is None
        return False

    try:
        wait_until(healthy)
        taken = start("ui", "--port", str(port), cwd=tmp_path)
        _, said = taken.communicate(timeout=30)
        assert taken.returncode == 2
        assert f"port {port} can't be had" in said
    finally:
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert f"http://127.0.0.1:{port}" in said
    assert "Traceback" not in said
    assert process.returncode == code
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass
