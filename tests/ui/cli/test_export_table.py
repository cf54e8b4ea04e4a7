"""``phoropter export --table``: runs of the ledger as a replay table."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import FailureKind, Stage, UsageError
from data.identity import canonical_json, content_id, short
from data.records import (
    CriterionScore,
    Derivation,
    Failure,
    GeneratedImage,
    Judgment,
    Operation,
    Prompt,
    Rewrite,
    SystemPrompt,
    Trial,
    TrialRequest,
)
from data.replayfiles import read_replay
from data.runs import RunRecord
from data.store import Store, open_store
from tests.ui.cli.conftest import Finished, Phoropter, record
from ui.eventlog import SITTING
from ui.exporting import chosen_runs, replay_table

OWN = {"reasoner": "r:1", "generator": "g:1", "judge": "j:1"}
OTHER = {**OWN, "judge": "j:2"}


# -- the command


def test_a_run_as_a_table(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    done = phoropter("export", finished.id, "--home", finished.home, "--table", tmp_path / "run.parquet")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    table = read_replay(tmp_path / "run.parquet")
    with open_store(f"sqlite:///{finished.home}/ledger.db") as store:
        trials = {trial.request.id(""): trial for trial in store.trials(finished.record["run"])}
        lineage = store.lineage(finished.record["run"])
    assert len(table.cells) == len(trials)
    assert f"{len(trials)} cells of " in done.stderr
    assert list(table.lineage[: len(lineage)]) == lineage
    assert "none" in {derivation.child.name for derivation in table.lineage[len(lineage) :]}, "arms that were never searched, as roots"
    by_place = {
        (trial.request.system_prompt.id, trial.request.prompt.id, trial.request.sample, trial.request.seed, trial.request.look): trial
        for trial in trials.values()
    }
    for cell in table.cells:
        trial = by_place[cell.place]
        assert cell.score == trial.score
        assert trial.judgment is not None
        assert [entry.score for entry in cell.criteria] == [entry.score for entry in trial.judgment.scores]
    assert table.pipeline["generator"].startswith("embedded:"), "what the engine said of itself, not only how it was named"


def test_the_whole_ledger_and_json(phoropter: Phoropter, finished: Finished, tmp_path: Path) -> None:
    one = phoropter("export", finished.id, finished.id, "--home", finished.home, "--table", tmp_path / "one.parquet", "--json")
    found = record(one.stdout)
    assert found["runs"] == [finished.record["run"]]
    assert found["cells"] > 150
    assert found["failed"] == 0
    assert found["table"] == str(tmp_path / "one.parquet")
    every = phoropter("export", "all", "--home", finished.home, "--table", tmp_path / "all.parquet")
    assert every.exit_code == 0, every.stderr
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["RUN", "--table", "x.parquet", "--out", "y"], "--out and --format don't go with it", "leave them out"),
        (["RUN", "--table", "x.parquet", "--format", "json"], "--out and --format don't go with it", "leave them out"),
        (["RUN", "RUN"], "one run or system prompt at a time", "--table"),
        (["plain", "--table", "x.parquet"], "there is no run 'plain'", "phoropter runs"),
        (["RUN", "--table", "taken/x.parquet"], "can't be written", "choose another file"),
    ],
)
def test_what_cant_be(phoropter: Phoropter, finished: Finished, arguments: list[str], message: str, hint: str) -> None:
    Path("taken").write_text("")
    done = phoropter("export", *(finished.id if each == "RUN" else each for each in arguments), "--home", finished.home)
    assert done.exit_code == 2
    assert message in done.stderr
    assert hint in done.stderr
    assert not Path("x.parquet").exists()


# -- several runs, and runs of several engines


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
        yield store


def trial(pipeline: dict[str, str], text: str, prompt: str, seed: int = 1, *, score: float | None = 0.5) -> Trial:
    """A trial as these engines would leave it."""
    request = TrialRequest(SystemPrompt(text), Prompt(prompt), 0, seed)
    identifier = request.id(canonical_json(list(pipeline.values())))
    rewrite = Rewrite("two words")
    if score is None:
        return Trial(
            identifier, request, rewrite, failure=Failure(Stage.GENERATE, FailureKind.TIMEOUT, "late"), rewrite_key=f"r{identifier}"
        )
    image = GeneratedImage(content_id("image", identifier), 8, 8)
    judgment = Judgment(score, (CriterionScore("c", score, "seen"),))
    return Trial(
        identifier,
        request,
        rewrite,
        image,
        judgment,
        rewrite_key=f"r{identifier}",
        image_key=f"i{identifier}",
        judgment_key=f"j{identifier}",
    )


def add_run(store: Store, number: int, lineage: list[Derivation], trials: list[Trial], pipeline: dict[str, str] | None = None) -> RunRecord:
    run = RunRecord(content_id("run", number), "optimize", {"judge": {"engine": "scene"}}, f"2026-01-0{number}T00:00:00+00:00")
    store.add_run(run)
    store.add_derivations(run.id, list(enumerate(lineage)))
    store.add_trials(run.id, trials)
    if pipeline is not None:
        store.add_event(run.id, -1, SITTING, {"seconds": 1.0, "drawn": 1, "outcome": "finished", "pipeline": pipeline})
    return run


A, B = (Derivation(SystemPrompt(text), (), Operation.ROOT, f"root {text}") for text in "AB")
A_TO_B = Derivation(B.child, (A.child.id,), Operation.REFLECT, "from A")
B_TO_A = Derivation(A.child, (B.child.id,), Operation.REFLECT, "from B")


def test_runs_are_joined_and_the_oldest_says_who_came_from_whom(store: Store) -> None:
    later = add_run(store, 2, [B, B_TO_A], [trial(OWN, "A", "x"), trial(OWN, "B", "x")], OWN)
    earlier = add_run(store, 1, [A, A_TO_B], [trial(OWN, "A", "x"), trial(OWN, "A", "y")], OWN)
    assert chosen_runs(store, ["all"]) == chosen_runs(store, [later.id, short(earlier.id), later.id]) == [earlier, later]
    table = replay_table(store, [earlier, later])
    assert table.lineage == (A, A_TO_B), "and so nothing descends from itself"
    assert [(cell.place.system_prompt, cell.place.prompt) for cell in table.cells] == [
        (A.child.id, Prompt("x").id),
        (A.child.id, Prompt("y").id),
        (B.child.id, Prompt("x").id),
    ]
    assert not list(table.problems())


def test_what_failed_in_one_run_may_be_scored_in_another(store: Store) -> None:
    runs = [
        add_run(store, 1, [A], [trial(OWN, "A", "x", score=None), trial(OWN, "A", "y", score=None)], OWN),
        add_run(store, 2, [A], [trial(OWN, "A", "x", score=0.75)], OWN),
    ]
    assert {cell.score for cell in replay_table(store, runs).cells} == {0.75, None}
    assert {cell.score for cell in replay_table(store, runs[::-1]).cells} == {0.75, None}


def test_trials_of_other_engines_beside_the_runs_own_are_left_out(store: Store) -> None:
    run = add_run(store, 1, [A], [trial(OWN, "A", "x", score=0.25), trial(OTHER, "A", "x", score=1.0), trial(OTHER, "A", "y")], OWN)
    (cell,) = replay_table(store, [run]).cells
    assert cell.score == 0.25


def test_runs_with_different_engines_dont_mix(store: Store) -> None:
    runs = [add_run(store, 1, [A], [trial(OWN, "A", "x")], OWN), add_run(store, 2, [A], [trial(OTHER, "A", "y")], OTHER)]
    with pytest.raises(UsageError, match=r"the judge is j:1 in run .*, j:2 in run") as caught:
        replay_table(store, runs)
    assert caught.value.hint == "export them one by one"


def test_a_run_from_before_engines_were_kept(store: Store) -> None:
    run = add_run(store, 1, [A], [trial(OWN, "A", "x")])
    assert replay_table(store, [run]).pipeline == {"reasoner": "unknown", "generator": "unknown", "judge": "scene"}
    mixed = add_run(store, 2, [A], [trial(OWN, "A", "x"), trial(OTHER, "A", "x")])
    with pytest.raises(UsageError, match="measured with different engines"):
        replay_table(store, [mixed])


def test_runs_without_a_lineage_or_without_trials(store: Store) -> None:
    bare = add_run(store, 1, [], [trial(OWN, "A", "x")], OWN)
    with pytest.raises(UsageError, match=f"run {short(bare.id)} has no lineage"):
        chosen_runs(store, [bare.id])
    with pytest.raises(UsageError, match="no run in this ledger has a lineage"):
        chosen_runs(store, ["all"])
    idle = add_run(store, 2, [A], [], OWN)
    assert chosen_runs(store, ["all"]) == [idle]
    with pytest.raises(UsageError, match=f"there are no trials in run {short(idle.id)}"):
        replay_table(store, [idle])
