"""`--calibrate` and transfers as users type them: what is said before, told afterwards, and found again."""

import json
from pathlib import Path

import pytest

from tests.ui.cli import cheap
from tests.ui.cli.conftest import Phoropter, record

OPTIMIZE = ("optimize", "--images", "220", "--seed", "3", "--generator", cheap.GENERATOR, "--judge", cheap.JUDGE)
OTHER_JUDGE = "tests.ui.test_transferring:OtherJudge"


def test_calibrate_runs_the_same_where_nothing_differs_and_tells_both(phoropter: Phoropter) -> None:
    done = phoropter(*OPTIMIZE, "--calibrate", "--json")
    assert done.exit_code == 0, done.stderr
    assert "220 images for the run, and as many again for its placebo run" in done.stderr
    found = record(done.stdout)
    placebo, gain = found["result"]["placebo"], found["result"]["gain"]
    assert placebo["state"] == "finished"
    assert placebo["gain"]["reference"] == gain["reference"] == "general"
    assert set(gain) == {"reference", "search", "shrunk", "held_out"}
    entry = next(entry for entry in found["result"]["confirmation"]["best_against"] if entry["reference"] == "general")
    assert gain["held_out"] == {name: entry[name] for name in ("estimate", "low", "high")}
    assert set(found["timing"]["rewrite_seconds"]["arms"]) == {"none", "plain", "general", "best"}
    assert "seconds" not in json.dumps(found["result"]["confirmation"])

    runs = {row["kind"]: row for row in record(phoropter("runs", "--json").stdout)["runs"]}
    assert runs["placebo"]["belongs_to"] == found["run"]
    assert (runs["placebo"]["state"], runs["placebo"]["images_planned"]) == ("finished", 220)

    again = phoropter(*OPTIMIZE, "--calibrate")
    assert "is on record, and finished" in again.stderr
    assert "gain of best over general, three times over" in again.stdout
    assert "Placebo: the same procedure where all system prompts do what general does" in again.stdout
    assert "by category" in again.stdout
    assert "A rewrite of best takes" in again.stdout

    its = runs["placebo"]["id"].removeprefix("b2:")[:8]
    shown = phoropter("show", its)
    assert "A placebo run, beside" in shown.stdout
    assert "contact sheet" not in shown.stdout
    refused = phoropter("export", its)
    assert refused.exit_code == 2
    assert "its winner is no better than any other system prompt" in refused.stderr
    twice = phoropter("resume", its, "--calibrate")
    assert twice.exit_code == 2
    assert "is a placebo run itself" in twice.stderr


def test_a_finished_run_gets_its_placebo_later_and_a_placebo_is_resumed(phoropter: Phoropter) -> None:
    found = record(phoropter(*OPTIMIZE, "--json").stdout)
    assert found["result"]["placebo"] is None
    run = found["run"].removeprefix("b2:")[:8]
    later = record(phoropter("resume", run, "--calibrate", "--json").stdout)
    assert later["result"]["placebo"]["state"] == "finished"
    del later["result"]["placebo"], found["result"]["placebo"]
    assert later["result"] == found["result"]
    its = record(phoropter("runs", "--json").stdout)["runs"][0]["id"].removeprefix("b2:")[:8]
    told = record(phoropter("resume", its, "--json").stdout)
    assert (told["kind"], told["placebo_of"], told["state"]) == ("placebo", found["run"], "finished")


def test_a_gain_is_told_before_another_judge(phoropter: Phoropter) -> None:
    done = phoropter(*OPTIMIZE, "--transfer-judge", OTHER_JUDGE)
    assert done.exit_code == 0, done.stderr
    assert "none for another judge, who looks at those of best and general" in done.stderr
    assert f"the same pictures, judged by {OTHER_JUDGE}" in done.stdout
    found = record(phoropter(*OPTIMIZE, "--transfer-judge", OTHER_JUDGE, "--json").stdout)
    (transfer,) = found["result"]["confirmation"]["transfers"]
    assert transfer["exchanged"] == "judge"
    assert [arm["name"] for arm in transfer["arms"]] == ["general", "best"]
    rows = {row["kind"]: row for row in record(phoropter("runs", "--json").stdout)["runs"]}
    assert rows["transfer"]["belongs_to"] == found["run"]
    shown = record(phoropter("show", rows["transfer"]["id"].removeprefix("b2:")[:8], "--json").stdout)
    assert shown["run"] == found["run"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--transfer-judge", cheap.JUDGE), "transfer.judge is the run's own judge"),
        (("--transfer-generator", "painter", "--images", "300"), "painter"),
    ],
)
def test_what_can_not_be_exchanged_is_said(phoropter: Phoropter, more: tuple[str, ...], said: str) -> None:
    done = phoropter(*OPTIMIZE, *more)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("phoropter-data/images").exists()
