"""`phoropter optimize --method`: other optimizers' runs are begun, shown, stopped and resumed like our own."""

import signal
import time
from pathlib import Path

import pytest

from optimizer.methods import METHODS, NAMES
from tests.ui.cli.cheap import GENERATOR, JUDGE, SLOW_GENERATOR
from tests.ui.cli.conftest import IMAGES, Phoropter, record, start, untimed
from ui.running import plan_run
from ui.settings import resolve
from ui.wiring import open_parts

CHEAP = ("--generator", GENERATOR, "--judge", JUDGE, "--images", str(IMAGES), "--seed", "3")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_is_on_record_as_its_method_left_it(phoropter: Phoropter, method: str) -> None:
    done = phoropter("optimize", "--method", method, *CHEAP, "--json")
    assert done.exit_code == 0, done.stderr
    title = METHODS[method].title
    assert f" for {title}, " in done.stderr
    found = record(done.stdout)
    assert found["settings"]["run.method"] == {"value": method, "from": "command line"}
    result = found["result"]
    assert result["winner"]["id"] in {node["id"] for node in result["lineage"]}
    assert all(node["p_best"] is None for node in result["lineage"])
    assert result["lineage"][0]["parents"] == []

    again = phoropter("optimize", "--method", method, *CHEAP, "--json")
    assert "is on record, and finished" in again.stderr
    assert untimed(again.stdout) == untimed(done.stdout)

    (listed,) = record(phoropter("runs", "--json").stdout)["runs"]
    assert (listed["kind"], listed["method"], listed["state"]) == ("optimize", method, "finished")
    assert f"optimize, {method}" in phoropter("runs").stdout
    assert f", optimize with {method}, finished" in phoropter("show", found["run"]).stdout
    tree = phoropter("lineage", found["run"]).stdout
    assert f"searched with {title}" in tree
    assert "mean of its trials" in tree
    assert "best with chance" not in phoropter("show", result["winner"]["id"]).stdout


def test_a_mistyped_method_is_answered_with_what_there_is(phoropter: Phoropter) -> None:
    done = phoropter("optimize", "--method", "gpea")
    assert done.exit_code == 2
    assert "unknown method 'gpea'" in done.stderr
    assert "there are: gepa, " in done.stderr
    assert all(name in done.stderr for name in NAMES)
    assert not Path("phoropter-data").exists()


def test_runs_of_our_own_search_keep_their_ids(phoropter: Phoropter, tmp_path: Path) -> None:
    def identifier(**flags: object) -> str:
        settings = resolve("embedded", {"home": str(tmp_path / "home"), **flags}).settings
        parts = open_parts(settings)
        try:
            return plan_run(settings, parts).id
        finally:
            parts.store.close()

    ids = [identifier(), *(identifier(**{"run.method": name}) for name in NAMES)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == len(NAMES)


def test_stopped_and_resumed_it_ends_the_same(phoropter: Phoropter, tmp_path: Path) -> None:
    """Ctrl-C ends the optimizer's threads, too: SIMBA has many."""
    wanted = ("optimize", "--method", "simba", "--generator", SLOW_GENERATOR, *CHEAP[2:], "--json")
    pictures = tmp_path / "phoropter-data" / "images"
    with start(*wanted, cwd=tmp_path) as process:
        try:
            while process.poll() is None and (not pictures.exists() or sum(1 for _ in pictures.rglob("*.png")) < 12):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            output, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, said
    assert output == ""
    assert "Nothing is lost" in said
    resumed = phoropter(*wanted)
    assert resumed.exit_code == 0, resumed.stderr
    whole = phoropter(*wanted, "--home", tmp_path / "other")
    assert untimed(resumed.stdout) == untimed(whole.stdout)
