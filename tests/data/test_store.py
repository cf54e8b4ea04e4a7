"""The ledger's contract, over each database it can be kept in; then what is peculiar to one."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.blobs import ImageFiles
from data.errors import FatalError, LedgerError, UsageError
from data.identity import content_id, short
from data.records import Derivation, Operation, Rewrite, SystemPrompt, Trial, Usage
from data.runs import RunRecord
from data.store import Store, open_store
from data.tables import METADATA, PROMPTS, REVISION, REWRITES, SYSTEM_PROMPTS, TRIALS
from data.trials import PAGE

ROOT = Path(__file__).resolve().parents[2]
MakeTrial = Callable[..., Trial]


def run_record(number: int) -> RunRecord:
    return RunRecord(content_id("run", number), "optimize", {"seed": number, "name": "ü"}, f"2026-01-0{number}T00:00:00+00:00")


# -- runs, events, lineage


def test_runs_come_back_newest_first(store: Store) -> None:
    runs = [run_record(number) for number in (2, 3, 1)]
    for run in runs:
        store.add_run(run)
    assert store.runs() == sorted(runs, key=lambda run: run.created_at, reverse=True)


def test_a_run_is_written_once(store: Store) -> None:
    store.add_run(run_record(1))
    store.add_run(replace(run_record(1), kind="other"))
    assert store.runs() == [run_record(1)]


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    runs = [run_record(number) for number in range(1, 4)]
    for run in runs:
        store.add_run(run)
    assert store.run(short(runs[0].id)) == runs[0]
    assert store.run(runs[1].id) == runs[1]


def test_an_unknown_run_is_refused_with_the_nearest(store: Store) -> None:
    store.add_run(run_record(1))
    wanted = short(run_record(1).id)
    mistyped = wanted[:3] + ("0" if wanted[3] != "0" else "1") + wanted[4:]
    with pytest.raises(UsageError, match=mistyped) as caught:
        store.run(mistyped)
    assert wanted in caught.value.hint
    assert "phoropter runs" in caught.value.hint
    with pytest.raises(UsageError, match="there is no run ''"):
        store.run("")


def test_an_ambiguous_run_is_refused_with_a_list(store: Store) -> None:
    for name in ("b2:abc111", "b2:abc222", "b2:abc"):
        store.add_run(replace(run_record(1), id=name))
    assert store.run("abc").id == "b2:abc", "a whole id is never ambiguous"
    with pytest.raises(UsageError, match=r"begin with 'ab': abc, abc111, abc222"):
        store.run("ab")


def test_events_come_back_in_their_order(store: Store) -> None:
    for ordinal in (2, -1, 0, 1):
        store.add_event("run", ordinal, f"kind {ordinal}", {"value": [ordinal, None, "ü"]})
    store.add_event("run", 0, "another", {})
    store.add_event("other run", 0, "kind", {})
    events = store.events("run")
    assert [event.kind for event in events] == ["kind -1", "kind 0", "kind 1", "kind 2"]
    assert events[0].payload == {"value": [-1, None, "ü"]}
    assert datetime.fromisoformat(events[0].at).utcoffset() == timedelta(0)


def test_lineage_comes_back_in_its_order(store: Store) -> None:
    root, child = SystemPrompt("Draw.", "root"), SystemPrompt("Draw well.")
    edges = [Derivation(root, (), Operation.ROOT), Derivation(child, (root.id,), Operation.REFLECT, "it failed")]
    store.add_derivations("run", [(1, edges[1]), (0, edges[0])])
    store.add_derivations("run", [(1, edges[0])])
    assert store.lineage("run") == edges
    assert store.system_prompts() == sorted([root, child], key=lambda system_prompt: system_prompt.id)
    assert store.system_prompt(short(child.id)) == child
    with pytest.raises(UsageError, match="there is no system prompt"):
        store.system_prompt("zzz")


# -- trials


def test_trials_come_back_whole(store: Store, make_trial: MakeTrial) -> None:
    trials = [make_trial(number, failed=number % 3 == 0) for number in range(PAGE + 7)]
    store.add_trials("run", trials)
    store.add_trials("other run", [make_trial(1)])
    expected = sorted(trials, key=lambda trial: trial.id)
    found = list(store.trials("run"))
    assert found == expected
    assert [trial.rewrite and trial.rewrite.usage for trial in found] == [trial.rewrite and trial.rewrite.usage for trial in expected]
    assert [trial.judgment and trial.judgment.latency for trial in found] == [
        trial.judgment and trial.judgment.latency for trial in expected
    ]
    assert store.trial_count("run") == len(trials)
    assert store.trial_count("no run") == 0


def test_trials_are_selected(store: Store, make_trial: MakeTrial) -> None:
    trials = [make_trial(number) for number in range(9)]
    store.add_trials("run", trials)
    system_prompt = trials[0].request.system_prompt.id
    assert {trial.request.sample for trial in store.trials("run", system_prompt_id=system_prompt)} == {0, 3, 6}
    assert store.trial_count("run", system_prompt_id=system_prompt) == 3
    assert list(store.trials("run", prompt_id=trials[4].request.prompt.id)) == [trials[4]]


def test_writing_twice_is_writing_once(store: Store, ledger_url: str, make_trial: MakeTrial) -> None:
    trials = [make_trial(number) for number in range(20)]
    store.add_trials("run", trials)
    store.add_trials("run", trials)
    with open_store(ledger_url) as second:
        second.add_trials("run", [*trials, *trials])
    assert store.trial_count("run") == 20
    store.add_trials("run", [])


def test_a_failed_trial_may_succeed_later(store: Store, make_trial: MakeTrial) -> None:
    store.add_trials("run", [make_trial(1, failed=True), make_trial(2, failed=True)])
    store.add_trials("run", [make_trial(1)])
    store.add_trials("run", [make_trial(1, failed=True)])
    assert {trial.request.sample: trial for trial in store.trials("run")} == {1: make_trial(1), 2: make_trial(2, failed=True)}
    assert store.trial_count("run") == 2


def test_results_are_found_by_key(store: Store, make_trial: MakeTrial) -> None:
    trials = [make_trial(number) for number in range(600)]
    store.add_trials("run", trials)
    assert store.find_rewrites(["nothing", *(trial.rewrite_key for trial in trials)]) == {
        trial.rewrite_key: trial.rewrite for trial in trials
    }
    assert store.find_images([trials[0].image_key]) == {trials[0].image_key: trials[0].image}
    assert store.find_judgments([trials[0].judgment_key]) == {trials[0].judgment_key: trials[0].judgment}
    assert store.find_images([]) == {}
    assert store.find_rewrites([trials[0].rewrite_key])[trials[0].rewrite_key].usage == Usage(10, 20, None)


def test_two_answers_to_one_key_stay_with_their_trials(store: Store, make_trial: MakeTrial) -> None:
    """Two processes that ask a sampling model for the same thing at once get two answers."""
    first = make_trial(1)
    second = replace(first, id="another", rewrite=Rewrite("something else"))
    store.add_trials("run", [first])
    store.add_trials("run", [second])
    assert set(store.trials("run")) == {first, second}
    found = store.find_rewrites([first.rewrite_key])
    assert found == store.find_rewrites([first.rewrite_key])
    assert found[first.rewrite_key] in (first.rewrite, second.rewrite)


def test_text_that_no_database_takes_is_mended(store: Store, make_trial: MakeTrial) -> None:
    store.add_trials("run", [replace(make_trial(1), rewrite=Rewrite("a\0b \ud800 c", "é 🎈"))])
    (trial,) = store.trials("run")
    assert trial.rewrite == Rewrite("a\ufffdb ? c", "é 🎈")
    assert list(store.verify()) == []


def test_threads_may_share_a_store(store: Store, make_trial: MakeTrial) -> None:
    errors: list[BaseException] = []

    def work(part: int) -> None:
        try:
            for start in range(0, 40, 10):
                store.add_trials("run", [make_trial(number + part * 20) for number in range(start, start + 10)])
                store.find_rewrites([make_trial(start).rewrite_key])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.trial_count("run") == 100


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("trial_factory", sys.argv[2])
factory = importlib.util.module_from_spec(spec); spec.loader.exec_module(factory)
from data.store import open_store
Path(sys.argv[4] + sys.argv[5]).touch()
while not Path(sys.argv[4]).exists():
    time.sleep(0.005)
with open_store(sys.argv[3]) as store:
    for start in range(0, 200, 20):
        store.add_trials("run", [factory._trial(n) for n in range(start, start + 20)])
    print(store.trial_count("run"))
"""


def test_processes_may_make_one_ledger_and_write_the_same_at_once(ledger_url: str, tmp_path: Path) -> None:
    gate = str(tmp_path / "go")
    command = [sys.executable, "-W", "error", "-c", WRITER, str(ROOT), str(Path(__file__).with_name("conftest.py")), ledger_url, gate]
    workers = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for n in range(4)]
    while any(worker.poll() is None and not Path(f"{gate}{n}").exists() for n, worker in enumerate(workers)):
        threading.Event().wait(0.01)
    Path(gate).touch()
    outputs = [worker.communicate(timeout=100)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0], outputs
    with open_store(ledger_url) as store:
        assert store.trial_count("run") == 200
        assert list(store.verify()) == []


# -- opening


def test_tables_are_those_of_the_newest_migration(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == REVISION


def test_alembic_is_loaded_for_migrations_only(ledger_url: str) -> None:
    open_store(ledger_url).close()
    script = f"import sys; from data.store import open_store; open_store({ledger_url!r}).close(); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_newer_ledger_is_refused(ledger_url: str) -> None:
    with open_store(ledger_url) as store, store._database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer") as caught:
        open_store(ledger_url)
    assert caught.value.hint == "pip install -U phoropter"


def test_somebody_elses_database_is_left_alone(ledger_url: str) -> None:
    with open_store(ledger_url) as store, store._database.writing() as connection:
        for table in (*METADATA.tables, "alembic_version"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("CREATE TABLE recipes (id INTEGER)"))
    with pytest.raises(LedgerError, match="something else: recipes"):
        open_store(ledger_url)


def as_written(trial: Trial, ledger: Path) -> Trial:
    """``trial`` without what the revision of ``ledger`` did not know."""
    if ledger.stem < "ledger-0004":
        prompt = replace(trial.request.prompt, checklist_from="")
        judgment = replace(trial.judgment, opinions=()) if trial.judgment else None
        trial = replace(trial, request=replace(trial.request, prompt=prompt, look=0), judgment=judgment)
    if ledger.stem < "ledger-0003" and trial.image:
        trial = replace(trial, image=replace(trial.image, flaws=(), revised_prompt=""))
    return trial


def test_an_old_ledger_is_read(old_ledger: Path, make_trial: MakeTrial) -> None:
    with open_store(f"sqlite:///{old_ledger}") as store:
        (run,) = store.runs()
        assert run == run_record(1)
        assert {trial.request.sample: trial for trial in store.trials(run.id)} == {
            1: as_written(make_trial(1), old_ledger),
            2: as_written(make_trial(2, failed=True), old_ledger),
        }
        assert [event.kind for event in store.events(run.id)] == ["round"]
        assert store.lineage(run.id) == [Derivation(SystemPrompt("Draw.", "root"), (), Operation.ROOT, "given")]
        assert list(store.verify()) == []
        store.add_trials(run.id, [make_trial(3)])
        assert store.trial_count(run.id) == 3


# -- SQLite


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("dear diary " * 1000)
    with pytest.raises(LedgerError, match="no database") as caught:
        open_store(f"sqlite:///{path}")
    assert f"mv {path} " in caught.value.hint
    assert ".recover" in caught.value.hint
    assert path.read_text().startswith("dear diary")


def test_a_damaged_ledger_is_reported(sqlite_file: Path) -> None:
    content = bytearray(sqlite_file.read_bytes())
    content[4096 * 10 :] = b"\xa5" * (len(content) - 4096 * 10)
    sqlite_file.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged") as caught, open_store(f"sqlite:///{sqlite_file}") as store:
        list(store.verify())
    assert ".recover" in caught.value.hint


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 command")
@pytest.mark.parametrize("way", [".recover", ".dump"])
def test_the_rescue_that_the_hint_tells_works(sqlite_file: Path, way: str) -> None:
    with sqlite3.connect(sqlite_file) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'prompts'").fetchone()[0] - 1
    connection.close()
    probe = subprocess.run(["sqlite3", sqlite_file, "SELECT count(*) FROM sqlite_dbpage"], capture_output=True, check=False)
    if way == ".recover" and probe.returncode != 0:
        pytest.skip("this sqlite3 has no .recover")
    content = bytearray(sqlite_file.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    sqlite_file.write_bytes(content)
    with pytest.raises(LedgerError) as caught, open_store(f"sqlite:///{sqlite_file}") as store:
        list(store.trials("run"))
    aside, *rescues = (command for command in caught.value.hint.split("`")[1::2])
    (rescue,) = (command for command in rescues if way in command)
    subprocess.run(aside, shell=True, check=False, capture_output=True)
    subprocess.run(rescue, shell=True, check=False, capture_output=True)
    with open_store(f"sqlite:///{sqlite_file}") as store:
        assert store.trial_count("run") == 200


def test_a_full_disk_ends_the_run(tmp_path: Path, make_trial: MakeTrial) -> None:
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.add_trials("run", [make_trial(1)])
        with store._database.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(FatalError, match="full") as caught:
            store.add_trials("run", [make_trial(number) for number in range(2, 500)])
        assert "phoropter resume" in caught.value.hint
        assert store.trial_count("run") == 1, "all of them or none"


def test_a_read_only_ledger_ends_the_run(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
        with store._database.reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only = 1")
        with pytest.raises(FatalError, match="can't be written"):
            store.add_run(run_record(1))


def test_a_folder_that_cant_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="can't be made"):
        open_store(f"sqlite:///{tmp_path}/file/ledger.db")
    with pytest.raises(LedgerError, match="can't be opened"):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/x", "nonsense"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert "sqlite:///" in caught.value.hint


def test_readers_do_not_wait_for_writers(sqlite_file: Path) -> None:
    writer = sqlite3.connect(sqlite_file, isolation_level=None)
    with open_store(f"sqlite:///{sqlite_file}") as store:
        writer.execute("BEGIN IMMEDIATE")
        assert store.trial_count("run") == 200
        writer.execute("ROLLBACK")
    writer.close()


# -- PostgreSQL


def test_an_unreachable_server_is_reported_without_the_password() -> None:
    with pytest.raises(LedgerError, match="can't be reached") as caught:
        open_store("postgresql://user:s3cret@127.0.0.1:1/ledger")
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match="driver") as caught:
        open_store("postgresql://user@127.0.0.1:1/ledger")
    assert caught.value.hint == "pip install 'phoropter[postgres]'"


# -- trust


def test_a_sound_ledger_has_nothing_to_report(store: Store, make_trial: MakeTrial) -> None:
    store.add_trials("run", [make_trial(number, failed=number % 2 == 0) for number in range(PAGE + 3)])
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    ("table", "change", "reported"),
    [
        (SYSTEM_PROMPTS, {"text": "Be evil."}, "system prompt b2:"),
        (PROMPTS, {"text": "another prompt"}, "prompt b2:"),
        (PROMPTS, {"checklist": [{"id": "c", "text": "t", "kind": "nonsense"}]}, "prompt b2:"),
        (REWRITES, {"text": "another text"}, "rewrite rewrite "),
        (TRIALS, {"score": 1.0}, "its score is not its judgment's"),
        (TRIALS, {"image_digest": "gone"}, "its image is missing"),
        (TRIALS, {"prompt_id": "gone"}, "its prompt is missing"),
    ],
)
def test_a_tampered_row_is_found(store: Store, make_trial: MakeTrial, table: sa.Table, change: dict, reported: str) -> None:
    store.add_trials("run", [make_trial(1)])
    with store._database.writing() as connection:
        connection.execute(sa.update(table).values(change))
    (line,) = store.verify()
    assert reported in line


def test_a_trial_with_a_lost_part_is_not_made_up(store: Store, make_trial: MakeTrial) -> None:
    store.add_trials("run", [make_trial(1)])
    with store._database.writing() as connection:
        connection.execute(sa.delete(REWRITES))
    with pytest.raises(LedgerError, match="missing") as caught:
        list(store.trials("run"))
    assert "verify" in caught.value.hint


def test_lost_and_damaged_image_files_are_found(store: Store, tmp_path: Path, make_trial: MakeTrial) -> None:
    images = ImageFiles(str(tmp_path / "images"))
    trials = []
    for number in range(3):
        trial = make_trial(number)
        assert trial.image is not None
        trials.append(replace(trial, image=replace(trial.image, sha256=images.write(f"image {number}".encode()))))
    store.add_trials("run", trials)
    assert list(store.verify(images)) == []
    hashes = [trial.image.sha256 for trial in trials]
    Path(images.path(hashes[0])).unlink()
    Path(images.path(hashes[1])).write_bytes(b"imagf 1")
    lines = list(store.verify(images))
    assert len(lines) == 2
    assert any(hashes[0] in line and "missing" in line for line in lines)
    assert any(hashes[1] in line and "damaged" in line for line in lines)
