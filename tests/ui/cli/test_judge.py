"""`phoropter judge calibrate` and `list`: what they print and keep, and how a stopped calibration goes on."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from data.store import open_store
from optimizer.judges.scene import SceneJudge
from tests.ui.cli.conftest import Finished, Phoropter, record, start
from tests.ui.cli.judges import CALLS, COUNTING, GONE, GUESSING
from ui.calibrating import calibration_of, calibrations

IMAGES = 150
"""The fewest that there may be."""


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scene judge's calibration, for all tests that only read."""
    folder = tmp_path_factory.mktemp("calibrated")
    process = start("judge", "calibrate", "scene", "--images", str(IMAGES), "--json", cwd=folder)
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    return Finished(folder / "phoropter-data", stdout, stderr)


def calibrate(phoropter: Phoropter, judge: str, *arguments: str) -> Any:
    return phoropter("judge", "calibrate", judge, "--images", IMAGES, *arguments)


def test_the_scene_judge_is_good(calibrated: Finished) -> None:
    report = calibrated.record
    assert report["kind"] == "calibration"
    assert report["verdict"] == "good"
    assert report["right"]["estimate"] == 1.0
    assert {canary["name"]: canary["passed"] for canary in report["canaries"]} == {
        "wrong image": True,
        "grey image": True,
        "flattery painted in": True,
        "oversaturated": True,
        "identical pair": True,
    }
    assert report["failures"] == report["warnings"] == report["reasons"] == []
    assert report["worst_errors"] is None
    assert "Ctrl-C stops it without loss" in calibrated.stderr


def test_the_same_command_again_answers_from_the_record(calibrated: Finished, phoropter: Phoropter) -> None:
    again = calibrate(phoropter, "scene", "--home", str(calibrated.home), "--json")
    assert again.exit_code == 0
    assert again.stdout == calibrated.stdout
    assert "on record, and finished" in again.stderr


def test_other_doors_show_it(calibrated: Finished, phoropter: Phoropter) -> None:
    home = ("--home", str(calibrated.home))
    shown = phoropter("show", calibrated.id, *home)
    assert "verdict: good" in shown.stdout
    assert "✓ wrong image" in shown.stdout
    assert record(phoropter("show", calibrated.id, *home, "--json").stdout) == calibrated.record
    row = record(phoropter("runs", *home, "--json").stdout)["runs"][0]
    assert (row["kind"], row["state"], row["images"]) == ("calibration", "finished", row["images_planned"])
    listed = record(phoropter("judge", "list", *home, "--json").stdout)["judges"]
    assert [(entry["spec"], entry["verdict"], entry["blind"], entry["canaries_failed"]) for entry in listed] == [("scene", "good", [], [])]
    assert "scene" in phoropter("judge", "list", *home).stdout


def test_the_ledger_says_what_is_known_of_a_judge(calibrated: Finished) -> None:
    with open_store(f"sqlite:///{calibrated.home / 'ledger.db'}") as store:
        known = calibration_of(store, SceneJudge().identity)
        assert known is not None
        assert known.warnings == ()
        assert calibration_of(store, "scene:0") is None
        assert [report.spec for _, report in calibrations(store)] == ["scene"]
        assert not list(store.verify())


def test_a_judge_that_guesses_is_poor_and_its_errors_can_be_looked_at(phoropter: Phoropter) -> None:
    result = calibrate(phoropter, GUESSING)
    assert result.exit_code == 0
    assert "verdict: poor, because:" in result.stdout
    assert "blind" in result.stdout
    assert "✗ wrong image" in result.stdout
    assert "phoropter optimize" not in result.stdout
    sheet = Path(result.stdout.splitlines()[-1])
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert "poor" in phoropter("judge", "list").stdout


def test_an_outage_ends_it_early_with_the_way_to_go_on(phoropter: Phoropter) -> None:
    result = calibrate(phoropter, GONE, "--seed", "2")
    assert result.exit_code == 1
    assert "none of the first 24 could be judged; 24 × nobody answers" in result.stderr
    assert f"then `phoropter judge calibrate {GONE} --images 150 --seed 2`" in result.stderr
    assert record(phoropter("judge", "list", "--json").stdout)["judges"] == []
    assert record(phoropter("runs", "--json").stdout)["runs"][0]["state"] == "stopped"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_calibration_goes_on_and_pays_for_nothing_twice(tmp_path: Path, how: signal.Signals) -> None:
    calls = tmp_path / "calls"
    command = ("judge", "calibrate", COUNTING, "--images", str(IMAGES), "--json")
    process = start(*command, cwd=tmp_path, **{CALLS: str(calls)})
    while not calls.exists() or len(calls.read_text().splitlines()) < 100:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert f"phoropter judge calibrate {COUNTING} --images 150" in stderr
        return
    ended = start(*command, cwd=tmp_path, **{CALLS: str(calls)})
    stdout, stderr = ended.communicate(timeout=200)
    assert ended.returncode == 0, stderr
    keys = calls.read_text().splitlines()
    assert record(stdout)["cost"]["judgments"] == len(set(keys))
    # What was in flight, or waited to be written, may be paid for again.
    assert len(keys) - len(set(keys)) <= 64


def test_what_can_not_be_calibrated_is_refused(phoropter: Phoropter) -> None:
    few = phoropter("judge", "calibrate", "scene", "--images", 20)
    assert few.exit_code == 2
    assert "at least 150" in few.stderr
    unknown = calibrate(phoropter, "scenes")
    assert unknown.exit_code == 2
    assert "scene" in unknown.stderr
    assert phoropter("judge", "list").exit_code in (0, 2)
