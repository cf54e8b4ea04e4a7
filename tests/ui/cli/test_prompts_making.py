"""`prompts make` and `prompts checklist` as their users meet them: with nothing, over HTTP, killed and gone on with, stopped, refused."""

import signal
import time
from pathlib import Path

import pytest

from data.formats import load_prompts
from reasoner.testserver import serving
from tests.ui.cli.conftest import Phoropter, record, start

COUNT = 60


def writer(url: str, model: str = "author") -> str:
    return f"openai:{model}@{url}"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def answers_in(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_for_answers(journal: Path, count: int) -> None:
    """Until ``count`` answers are in the journal; pytest's own time limit ends it otherwise."""
    while answers_in(journal) < count:
        time.sleep(0.02)


def test_a_set_is_made_with_nothing_and_can_be_used(phoropter: Phoropter, tmp_path: Path) -> None:
    done = phoropter("prompts", "make", "--profile", "embedded", "--count", COUNT, "--out", "set.jsonl")
    assert done.exit_code == 0, done.stderr
    assert "60 prompts (" in done.stdout
    assert "60 with a checklist" in done.stdout
    assert "phoropter optimize --prompts set.jsonl" in done.stdout
    assert left_behind(tmp_path) == []
    linted = phoropter("prompts", "lint", "set.jsonl")
    assert (linted.exit_code, linted.stdout) == (0, "60 prompts, 0 errors, 0 warnings\n")
    assert "level" not in phoropter("prompts", "show", "set.jsonl").stdout
    again = phoropter("prompts", "make", "--count", COUNT, "--out", "set.jsonl")
    assert again.exit_code == 2
    assert "set.jsonl is there already" in again.stderr


def test_make_as_json(phoropter: Phoropter) -> None:
    found = record(phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--json").stdout)
    assert (found["file"], found["count"], found["with_checklist"]) == ("set.jsonl", 20, 20)
    assert (found["lacking"], found["remarks"]) == ([], [])
    assert found["used"]["answers"] > 30
    assert found["used"]["recalled"] == 0
    assert found["used"]["dollars"] == 0.0


def test_killed_in_the_middle_it_goes_on_to_the_same_set(phoropter: Phoropter, tmp_path: Path) -> None:
    assert phoropter("prompts", "make", "--count", COUNT, "--out", "embedded.jsonl").exit_code == 0
    journal = tmp_path / ".set.jsonl.journal.jsonl"
    with serving(latency=0.05) as server:
        arguments = ("prompts", "make", "--count", str(COUNT), "--out", "set.jsonl", "--writer", writer(server.url))
        for killed_at in (5, 30):  # Once among the subjects, once among the checklists.
            process = start(*arguments, cwd=tmp_path)
            wait_for_answers(journal, killed_at)
            process.kill()
            process.communicate()
            assert not (tmp_path / "set.jsonl").exists()
        with journal.open("ab") as file:
            file.write(b'{"key": "b2:12')  # What a kill leaves of a line.
        kept, asked_before = answers_in(journal), len(server.requests)
        done = phoropter(*arguments, "--json")
        asked = len(server.requests) - asked_before
    assert done.exit_code == 0, done.stderr
    assert f"has {kept} answers of an earlier sitting" in done.stderr
    used = record(done.stdout)["used"]
    assert (used["recalled"], used["answers"]) == (kept, asked), "nothing is asked twice"
    assert (tmp_path / "set.jsonl").read_bytes() == (tmp_path / "embedded.jsonl").read_bytes()
    assert left_behind(tmp_path) == []


def test_ctrl_c_says_how_to_go_on_and_a_second_process_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / ".set.jsonl.journal.jsonl"
    with serving(latency=2.0) as server:  # So slow that it is not done before the second has begun.
        arguments = ("prompts", "make", "--count", str(COUNT), "--out", "set.jsonl", "--writer", writer(server.url))
        with start(*arguments, cwd=tmp_path) as process:
            wait_for_answers(journal, 1)
            with start(*arguments, cwd=tmp_path) as second:
                _, refused = second.communicate()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
    assert second.returncode == 2
    assert f"is being written by process {process.pid}" in refused
    assert process.returncode == 130
    assert "Nothing is lost" in said
    assert "give the same command again" in said
    assert left_behind(tmp_path) == [".set.jsonl.journal.jsonl"]


def test_a_server_that_goes_away_ends_it_and_keeps_what_came(phoropter: Phoropter, tmp_path: Path) -> None:
    with serving() as server:
        arguments = ("prompts", "make", "--count", 20, "--out", "set.jsonl", "--writer", writer(server.url, "dead-after-one"))
        done = phoropter(*arguments)
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "set.jsonl").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("good", "no JSON object with a list of items"),
        ("refusal", "I can't assist"),
        ("unauthorized", "401"),
        ("unfinished", "token limit"),
    ],
)
def test_a_writer_that_is_none_is_said(phoropter: Phoropter, tmp_path: Path, model: str, said: str) -> None:
    with serving() as server:
        done = phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--writer", writer(server.url, model))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "hint: " in done.stderr
    assert not (tmp_path / "set.jsonl").exists()


def test_what_the_embedded_writer_does_not_know(phoropter: Phoropter, tmp_path: Path) -> None:
    done = phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--about", "kitchen appliances")
    assert done.exit_code == 1
    assert "none of them in 'kitchen appliances'" in done.stderr
    assert "--writer" in done.stderr
    german = phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--language", "de")
    assert german.exit_code == 1
    assert not (tmp_path / "set.jsonl").exists()


def test_half_a_set_is_written_and_said(phoropter: Phoropter, tmp_path: Path) -> None:
    done = phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--language", "en", "--language", "de", "--json")
    assert done.exit_code == 1
    found = record(done.stdout)
    assert found["languages"] == {"en": 10}
    assert len(found["lacking"]) == 10
    assert "of 20 prompts are lacking" in done.stderr
    assert len(load_prompts(tmp_path / "set.jsonl")) == 10


def test_a_budget_without_prices_is_refused_at_the_first_answer(phoropter: Phoropter) -> None:
    with serving() as server:
        done = phoropter("prompts", "make", "--count", 20, "--out", "set.jsonl", "--writer", writer(server.url), "--dollars", "1")
        assert len(server.requests) == 1
    assert done.exit_code == 1
    assert "the price of an answer is not known" in done.stderr


# -- checklists


def test_checklists_are_written_where_there_are_none(phoropter: Phoropter, tmp_path: Path) -> None:
    (tmp_path / "wishes.txt").write_text("a birthday\ngrandma knitting by the window\nthree red balloons above a blue house\n")
    with serving() as server:
        done = phoropter("prompts", "checklist", "wishes.txt", "--out", "set.jsonl", "--writer", writer(server.url), "--json")
    assert done.exit_code == 1
    found = record(done.stdout)
    assert (found["count"], found["with_checklist"]) == (3, 2)
    assert [entry["text"] for entry in found["lacking"]] == ["grandma knitting by the window"]
    prompts = load_prompts(tmp_path / "set.jsonl")
    assert [bool(prompt.checklist) for prompt in prompts] == [True, False, True]
    assert [prompt.checklist_from for prompt in prompts] == ["a birthday", "", "three red balloons above a blue house"]
    assert left_behind(tmp_path) == []
    refused = phoropter("prompts", "checklist", "wishes.txt", "--out", "set.jsonl")
    assert refused.exit_code == 2
    assert "phoropter prompts checklist set.jsonl --out set.jsonl" in refused.stderr
    again = record(phoropter("prompts", "checklist", "set.jsonl", "--out", "./set.jsonl", "--json").stdout)
    assert again["used"]["answers"] == 0
    assert load_prompts(tmp_path / "set.jsonl") == prompts, "what is there is left as it is"


def test_checklists_are_written_anew_where_that_is_wished(phoropter: Phoropter, tmp_path: Path) -> None:
    (tmp_path / "wishes.txt").write_text("a red kite\n")
    assert phoropter("prompts", "checklist", "wishes.txt", "--out", "set.jsonl").exit_code == 0
    nothing = phoropter("prompts", "checklist", "set.jsonl", "--out", "set.jsonl")
    assert (nothing.exit_code, "--anew" in nothing.stderr) == (2, True)
    assert phoropter("prompts", "checklist", "set.jsonl", "--out", "set.jsonl", "--anew").exit_code == 0


def test_a_file_that_is_no_set_is_not_written_over(phoropter: Phoropter, tmp_path: Path) -> None:
    (tmp_path / "wishes.txt").write_text("a red kite\n")
    assert phoropter("prompts", "checklist", "wishes.txt", "--out", "wishes.txt").exit_code == 2
    assert (tmp_path / "wishes.txt").read_text() == "a red kite\n"
