"""The journal: what was added is there, whatever happens to the process; one process at a time; nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.chat import Completion
from data.errors import FailureKind, StageError, UsageError
from data.usage import Usage
from ui.journal import Journal

ANSWER = Completion('{"items": ["ein Süppchen"]}', usage=Usage(10, 5, 0.25))
REFUSAL = StageError(FailureKind.REFUSED, "the model declined", hint="another", usage=Usage(10, 1, None))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set.jsonl"


def test_answers_and_failures_are_found_again(target: Path) -> None:
    with Journal(target) as journal:
        journal.add("a", ANSWER)
        journal.add("b", REFUSAL)
    with Journal(target) as journal:
        assert len(journal) == 2
        assert journal.find("a") == ANSWER
        found = journal.find("b")
        assert isinstance(found, StageError)
        assert (found.kind, str(found), found.hint, found.usage) == (REFUSAL.kind, str(REFUSAL), REFUSAL.hint, REFUSAL.usage)
        assert journal.find("c") is None
        assert journal.used() == Usage(20, 6, None)


def test_a_finished_journal_leaves_nothing(target: Path) -> None:
    with Journal(target) as journal:
        journal.add("a", ANSWER)
        journal.finish()
    assert list(target.parent.iterdir()) == []


def test_an_empty_journal_leaves_nothing(target: Path) -> None:
    with Journal(target):
        pass
    assert list(target.parent.iterdir()) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.integers(1, 400))
def test_a_line_that_was_being_written_is_cut_off(target: Path, cut: int) -> None:
    with Journal(target) as journal:
        for key in "abc":
            journal.add(key, ANSWER)
        path = journal.path
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    with Journal(target) as journal:
        kept = len(journal)
        assert kept == content[: max(0, len(content) - cut)].count(b"\n")
        assert all(journal.find(key) == ANSWER for key in "abc"[:kept])
        journal.add("d", ANSWER)
    with Journal(target) as journal:
        assert len(journal) == kept + 1
        journal.finish()


def test_a_line_that_is_none_is_named(target: Path) -> None:
    with Journal(target) as journal:
        journal.add("a", ANSWER)
        path = journal.path
    path.write_bytes(b'{"key": "x"}\n' + path.read_bytes())
    with pytest.raises(UsageError, match=r"journal\.jsonl:1: no line of a journal") as caught, Journal(target):
        pass
    assert f"rm {path}" in caught.value.hint
    assert json.loads(path.read_text().splitlines()[1])["key"] == "a", "nothing is thrown away"


def test_one_process_at_a_time(target: Path) -> None:
    hold = (
        "import sys\nfrom pathlib import Path\nfrom ui.journal import Journal\n"
        "with Journal(Path(sys.argv[1])):\n print('held', flush=True)\n input()"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(target)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"is being written by process {holder.pid}"), Journal(target):
            pass
        holder.kill()
    with Journal(target):
        pass  # A lock ends with its process, however that ended.
    assert list(target.parent.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written"), Journal(tmp_path / "file" / "set.jsonl"):
        pass
