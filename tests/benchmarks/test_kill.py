"""Killing and resuming, tried on small programs that are known to resume rightly, or wrongly."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.counted import noted
from benchmarks.kill import Killed, Program, Result, essence, in_flight, killed_at

PAYING = """
import json, os, pathlib, time
log = os.open("paid.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
state = pathlib.Path("state")
done = int(state.read_text()) if state.exists() else 0
started = done if REMEMBERS else 0
for number in range(started, 60):
    os.write(log, b"paid\\n")
    time.sleep(0.005)
    pathlib.Path("state.new").write_text(str(number + 1))
    os.replace("state.new", state)
print(json.dumps({"end": done if FORGETS else 60, "counted": 60, "timing": time.time()}))
"""


def program(*, remembers: bool, forgets: bool = False) -> Program:
    return Program((sys.executable, "-c", PAYING.replace("REMEMBERS", str(remembers)).replace("FORGETS", str(forgets))))


def at_a_moment(folder: Path, paying: Program) -> Killed:
    (folder / "plain.json").write_text(json.dumps(paying.finished(folder / "plain")))
    assert noted(folder / "plain") == 60
    return killed_at(0, paying, folder, 2)


def test_a_program_that_remembers_pays_at_most_what_was_in_flight_again(tmp_path: Path):
    killed = at_a_moment(tmp_path, program(remembers=True))
    assert killed.same
    assert killed.kills == 2
    assert 0 <= killed.again <= 2
    assert killed.uncounted == killed.again


def test_a_program_that_starts_over_pays_twice(tmp_path: Path):
    killed = at_a_moment(tmp_path, program(remembers=False))
    assert killed.same
    assert killed.again >= killed.paid


def test_another_end_is_seen(tmp_path: Path):
    paying = program(remembers=True, forgets=True)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "state").write_text("30")
    (tmp_path / "plain.json").write_text(json.dumps(paying.finished(tmp_path / "plain")))
    assert not killed_at(1, paying, tmp_path, 2).same


def test_a_program_that_fails_says_why(tmp_path: Path):
    failing = Program((sys.executable, "-c", "raise SystemExit('no such model')"))
    with pytest.raises(RuntimeError, match="no such model"):
        failing.finished(tmp_path)


def test_only_times_and_counts_may_differ():
    assert essence({"end": 1, "timing": 2, "counted": 3}) == essence({"end": 1, "timing": 9, "counted": 9})
    assert essence({"end": 1}) != essence({"end": 2})


def test_goals_are_missed_by_another_end_and_by_paying_for_more_than_is_in_flight():
    def misses(*ours: Killed) -> list[str]:
        return Result(200, 10, ours, ours, 1.0).misses

    assert misses(Killed(5, 1, True, 10, None), Killed(5, 2, True, 20, None)) == []
    assert "ended differently" in misses(Killed(5, 1, False, 0, None))[0]
    assert "paid again" in misses(Killed(5, 1, True, 11, None))[0]


def test_what_may_be_in_flight_follows_from_the_profile():
    assert in_flight() == 2 * (2 * 16 + 2 * 4 + 2 * 4)
