"""`phoropter intent`: rewrites read by a language model, kept in the ledger; and what reports say beside a claim."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reasoner.testserver import serving
from tests.ui.cli import reader
from tests.ui.cli.conftest import Finished, Phoropter, record
from ui.beside import drift_words, length_words, monitor_words


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> tuple[str, ...]:
    """What names a finished run of one's own, which may be written beside."""
    reader.ASKED.clear()
    home = shutil.copytree(finished.home, tmp_path / "own")
    return finished.id, "--home", str(home)


def test_what_rewrites_lost_is_told_by_arm_with_examples(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    done = phoropter("intent", *run, "--model", reader.READER)
    assert done.exit_code == 0, done.stderr
    for said in ("general", "best", "minus general", "dropped", "contradicted", "added", "that lost something", "dropped: "):
        assert said in done.stdout
    assert "tokens, $0." in done.stderr


def test_as_json(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    found = record(phoropter("intent", *run, "--model", reader.READER, "--arm", "plain", "--arm", "none", "--json").stdout)
    assert [arm["name"] for arm in found["arms"]] == ["none", "plain", "general"]
    raw, plain, _ = found["arms"]
    assert raw["rates"]["unfaithful"] == {"estimate": 0.0, "low": 0.0, "high": 0.0}
    assert plain["prompts"] == plain["rewrites"]
    lost = [read["dropped"] for read in plain["reads"]]
    assert plain["rates"]["dropped"]["estimate"] == pytest.approx(sum(map(bool, lost)) / len(lost), abs=1e-6)
    assert not [question for question in reader.ASKED if json.loads(question)["request"] == json.loads(question)["rewrite"]]


def test_the_same_command_again_pays_nothing_and_another_arm_only_for_itself(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    first = phoropter("intent", *run, "--model", reader.READER, "--json")
    asked = len(reader.ASKED)
    again = phoropter("intent", *run, "--model", reader.READER, "--json")
    assert again.stdout == first.stdout
    assert len(reader.ASKED) == asked > 0
    assert "found in the ledger" in again.stderr
    phoropter("intent", *run, "--model", reader.READER, "--arm", "plain")
    assert len(reader.ASKED) > asked
    assert len(set(reader.ASKED)) == len(reader.ASKED)


def test_stopped_it_goes_on_to_the_same_end(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    stopped = phoropter("intent", *run, "--model", reader.STOPPED_READER)
    assert stopped.exit_code == 130
    assert "give the same command again" in stopped.stderr
    assert len(reader.ASKED) == 30
    whole = phoropter("intent", *run, "--model", reader.READER, "--json")
    assert whole.exit_code == 0
    # At most what was under way when it was stopped is asked again: the two readers are one model.
    assert 0 <= len(reader.ASKED) - len(set(reader.ASKED)) <= 16


def test_it_is_shown_again_by_its_id_and_listed(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    found = record(phoropter("intent", *run, "--model", reader.READER, "--json").stdout)
    identifier = found["intent"].removeprefix("b2:")[:8]
    shown = phoropter("show", identifier, *run[1:])
    assert "minus general" in shown.stdout, shown.stderr
    assert record(phoropter("show", identifier, *run[1:], "--json").stdout)["arms"][-1] == found["arms"][-1]
    listed = record(phoropter("runs", *run[1:], "--json").stdout)["runs"]
    assert {entry["kind"] for entry in listed} == {"optimize", "intent"}
    assert phoropter("verify", *run[1:]).exit_code == 0


def test_what_can_not_be_read_is_counted_and_said(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    done = phoropter("intent", *run, "--model", reader.RIDDLES)
    assert done.exit_code == 0
    assert "could not be read, the first because: the model gave no answer that can be read" in done.stdout
    found = record(phoropter("intent", *run, "--model", reader.RIDDLES, "--json").stdout)
    best = found["arms"][-1]
    assert 0 < best["failed"] < best["rewrites"]
    assert best["prompts"] < best["rewrites"] - best["failed"] + 1
    failures = [read["failure"]["kind"] for read in best["reads"] if read["failure"]]
    assert set(failures) == {"malformed"}


def test_a_model_that_is_not_there_ends_it_with_what_to_do(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    done = phoropter("intent", *run, "--model", reader.DEAD, "--json")
    assert done.exit_code == 1
    assert record(done.stdout)["error"]["type"] == "FatalError"
    assert "start the server; then give the same command again" in done.stderr


def test_over_http(phoropter: Phoropter, run: tuple[str, ...]) -> None:
    with serving() as server:
        refused = phoropter("intent", *run, "--model", f"openai:polite-refusal@{server.url}", "--json")
        locked = phoropter("intent", *run, "--model", f"openai:unauthorized@{server.url}")
    best = record(refused.stdout)["arms"][-1]
    assert best["failed"] == best["rewrites"]
    assert best["rates"] is best["difference_to_reference"] is None
    assert locked.exit_code == 1
    assert "401" in locked.stderr or "key" in locked.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "embedded"], "embedded"),
        (["--model", reader.READER, "--arm", "worst"], "there are: none, plain, general, best"),
        (["--model", "openai:"], "names no model"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_asked(phoropter: Phoropter, run: tuple[str, ...], words: list[str], said: str) -> None:
    done = phoropter("intent", *run, *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not reader.ASKED


# -- beside a claim


def test_a_report_says_what_stands_beside_the_claim(finished: Finished, phoropter: Phoropter) -> None:
    result = finished.record["result"]
    assert result["monitors"]["missing"] == 0
    assert {entry["name"] for entry in result["monitors"]["measures"]} >= {"saturation", "contrast", "sharpness", "diversity", "refusals"}
    shown = phoropter("show", finished.id, "--home", finished.home).stdout
    assert "Monitors, best against the raw prompt: saturation " in shown
    if result["winner"]["id"] != result["confirmation"]["arms"][2]["system_prompt"]:
        assert length_words(result["confirmation"])[1:] in shown


def comparison(length: Any, drift: dict[str, float], change: float = 0.0) -> dict[str, Any]:
    interval = {"estimate": change, "low": change - 0.01, "high": change + 0.01}
    entry = {"arm": "best", "reference": "general", "length": length, "drift": {"quote": interval, "number": {**interval, "low": None}}}
    arms = [{"name": name, "system_prompt": name, "drift_rate": 0.1 * (name == "best"), "drift": {}} for name in ("general", "best")]
    arms[1]["drift"] = drift
    return {"reference": "general", "arms": arms, "best_against": [entry], "length_unit": "words"}


def slope(low: float, high: float) -> dict[str, float]:
    return {"estimate": (low + high) / 2, "low": low, "high": high}


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ({"estimate": 12.0, "low": 9.0, "high": 15.0, "slope": slope(0.01, 0.03)}, "12.0 words longer than general's [9.0, 15.0]"),
        ({"estimate": 12.0, "low": 9.0, "high": 15.0, "slope": slope(0.01, 0.03)}, "part of it may be mere length"),
        ({"estimate": -5.0, "low": -9.0, "high": -1.0, "slope": slope(-0.01, 0.03)}, "5.0 words shorter than general's [1.0, 9.0]"),
        ({"estimate": -5.0, "low": -9.0, "high": -1.0, "slope": slope(-0.01, 0.03)}, "no sign that length alone"),
        ({"estimate": 0.0, "low": None, "high": None, "slope": None}, "best's rewrites are 0.0 words longer than general's."),
    ],
)
def test_length_is_said_with_its_slope(length: Any, said: str) -> None:
    assert said in length_words(comparison(length, {}))


def test_drift_is_said_by_kind_and_only_where_there_is_some() -> None:
    assert drift_words(comparison(None, {"quote": 0.0})) == ""
    assert drift_words(comparison(None, {"quote": 0.08, "number": 0.02})).endswith("best 10.0% (quoted words 8.0%, a number 2.0%).")
    told = drift_words(comparison(None, {"quote": 0.08}, change=0.05))
    assert told.endswith("best minus general: quoted words +5.0% [+4.0%, +6.0%].")


def test_runs_of_earlier_versions_have_less_beside_them() -> None:
    old = comparison(None, {})
    for arm in old["arms"]:
        del arm["drift"]
    del old["best_against"][0]["length"], old["best_against"][0]["drift"], old["length_unit"]
    assert length_words(old) == drift_words(old) == ""


def test_monitors_say_what_was_missing() -> None:
    nothing = {"measures": [], "missing": 3, "alarms": [], "pictures": 0}
    assert monitor_words(nothing) == "Monitors: there was nothing to measure. 3 picture files are missing or damaged, and were left out."
