"""The replay world: recorded scores and recorded children, and what the recorder makes of them."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from benchmarks.record_replay import Plan, record, report
from benchmarks.search.meter import Meter, Spent
from benchmarks.search.replay import EMBEDDED, ReplayWorld, recorded, replayed
from benchmarks.search.worlds import World
from data.errors import UsageError
from data.records import Operation, Split, SystemPrompt
from data.replay import ReplayTable
from data.replayfiles import read_replay, write_replay
from data.store import open_store
from tests.data.replay_tables import PASSES, TEXTS, prompts, small_table

ROOT = Path(__file__).resolve().parents[2]


def world(seed: int = 0, table: ReplayTable | None = None) -> ReplayWorld:
    return ReplayWorld(recorded(table or small_table()), seed)


def score_of(text: str, prompt: str, passing: int, look: int = 0) -> float | None:
    """What the table says, by number of the pass."""
    sample, seed = PASSES[passing]
    return next(
        cell.score
        for cell in small_table().cells
        if cell.place[0] == SystemPrompt(text).id
        and prompt == next(each.text for each in prompts() if each.id == cell.place.prompt)
        and cell.place[2:] == (sample, seed, look)
    )


def test_it_is_a_world() -> None:
    made: World = world()
    assert made.root == "plain"
    assert list(made.categories) == [0, 1], "two prompts to search on, of two categories; test and canary are not among them"


def test_scores_are_those_of_the_table() -> None:
    for text in ("plain", "plain, good"):
        for look in range(2):
            found = {world().score(text, 0, seed, look) for seed in range(3)}
            assert found == {score_of(text, "a cat", number, look) for number in range(3)}
    assert world().score("plain", 0, 1, 2) == world().score("plain", 0, 1, 0), "of two looks, the third is the first"
    assert world().score("plain", 0, 4) == world().score("plain", 0, 1), "of three seeds, the fifth is the second"
    assert {world(seed).score("plain", 0, 0) for seed in range(20)} == {score_of("plain", "a cat", number) for number in range(3)}


def test_equal_seeds_are_pairs() -> None:
    for seed in range(3):
        places = {
            number for number in range(3) for text in TEXTS if world(5).score(text, 1, seed) == score_of(text, prompts()[1].text, number)
        }
        assert len(places) == 1


def test_a_failed_cell_is_passed_over() -> None:
    lost = "plain, kind"
    found = [world(3).score(lost, 0, seed) for seed in range(3)]
    assert set(found) == {score_of(lost, "a cat", 0), score_of(lost, "a cat", 2)}


def test_the_truth_is_of_the_test_prompts() -> None:
    tested = {prompt.id for prompt in prompts() if prompt.split is Split.TEST}
    for text in TEXTS:
        cells = [cell for cell in small_table().cells if cell.place.system_prompt == SystemPrompt(text).id and cell.place.prompt in tested]
        assert world().quality(text) == pytest.approx(fmean(cell.score for cell in cells if cell.score is not None))


def test_proposals_are_recorded_children() -> None:
    assert world().propose(Operation.REFLECT, ["plain"], (), 1) == "plain, kind"
    assert world().propose(Operation.EXPLORE, ["plain"], (), 1) == "plain, loud"
    assert world().propose(Operation.MERGE, ["plain", "good"], (), 1) == "plain, good"
    assert {world().propose(Operation.CONDENSE, ["plain"], (), seed) for seed in range(30)} == {"plain, kind", "plain, loud", "plain, good"}


def test_no_system_prompt_is_proposed_twice() -> None:
    made = world()
    drawn = [made.propose(Operation.REFLECT, ["plain"], (), seed) for seed in range(5)]
    assert drawn[0] == "plain, kind"
    assert set(drawn[:3]) == {"plain, kind", "plain, loud", "plain, good"}
    assert drawn[3:] == ["plain, kind, short", "plain"], "then the grandchildren; then there is nothing left"


def test_where_no_child_is_left_the_nearest_relative_is_drawn() -> None:
    made = world()
    assert made.propose(Operation.REFLECT, ["plain, kind, short"], (), 1) == "plain, kind", "one step away, upwards"
    assert made.propose(Operation.REFLECT, ["plain, kind, short"], (), 2) in ("plain, loud", "plain, good"), "three steps away"


def test_equal_seeds_draw_alike() -> None:
    def drawn(seed: int) -> list[str]:
        made = world(seed)
        return [made.propose(Operation.CONDENSE, ["plain"], (), question) for question in range(4)]

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(20)}) > 1


def test_what_was_not_measured_everywhere_is_left_out() -> None:
    table = small_table()
    gap = SystemPrompt("plain, kind").id, prompts()[2].id
    table = replace(table, cells=tuple(cell for cell in table.cells if cell.place[:2] != gap))
    made = world(table=table)
    drawn = {made.propose(Operation.CONDENSE, ["plain"], (), seed) for seed in range(3)}
    assert drawn == {"plain, kind, short", "plain, loud", "plain, good"}, "the grandchild takes its parent's place"
    with pytest.raises(UsageError, match="nothing is recorded"):
        made.score("plain, kind", 0, 0)


def test_a_table_without_truth_is_refused() -> None:
    table = small_table()
    untested = tuple(prompt for prompt in table.prompts if prompt.split is not Split.TEST)
    with pytest.raises(UsageError, match=r"nothing to search in: 6 of 6 .* on each of 2 search prompts and 0 test prompts") as caught:
        recorded(replace(table, prompts=untested))
    assert caught.value.hint


# -- the recorder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path, Path]:
    plan = Plan(generations=2, children=2, prompts=6, seeds=1, looked_at=4)
    home = tmp_path_factory.mktemp("recording")
    write_replay(record(plan, home), home / "table.parquet")
    return plan, home, home / "table.parquet"


def test_a_recording_is_a_full_grid(recording: tuple[Plan, Path, Path]) -> None:
    table = read_replay(recording[2])
    assert len(table.lineage) == 6
    assert len(table.cells) == 6 * 12
    assert all(cell.score is not None for cell in table.cells)
    assert table.pipeline["judge"].startswith("scene:")
    assert {derivation.child.name for derivation in table.lineage if not derivation.parents} == {"plain", "general"}
    assert all(cell.image.seconds is None for cell in table.cells)
    printed = io.StringIO()
    with redirect_stdout(printed):
        report(table)
    assert "72 cells, 0 failed, of 6 system prompts; true means from" in printed.getvalue()


def test_a_killed_recording_goes_on(recording: tuple[Plan, Path, Path], tmp_path: Path) -> None:
    """What a kill leaves is a run with some of its trials."""
    plan, home, file = recording
    with open_store(f"sqlite:///{home}/ledger.db") as whole, open_store(f"sqlite:///{tmp_path}/ledger.db") as left:
        (run,) = whole.runs()
        left.add_run(run)
        left.add_trials(run.id, list(whole.trials(run.id))[::2])
    write_replay(record(plan, tmp_path), tmp_path / "table.parquet")
    assert (tmp_path / "table.parquet").read_bytes() == file.read_bytes()
    with open_store(f"sqlite:///{tmp_path}/ledger.db") as store:
        (sitting,) = store.events(run.id)
        assert 0 < sitting.payload["drawn"] <= 36


# -- the shipped table


def test_the_shipped_table_can_be_searched() -> None:
    assert EMBEDDED.stat().st_size < 500_000
    table = read_replay(EMBEDDED)
    assert len(table.lineage) > 50
    meter = Meter(replayed()(7), 80)
    with pytest.raises(Spent):
        climb(meter)
    assert meter.gains([80])[0] > 0.0


def test_the_example_of_the_docs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "replay-table.md").read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    for block in blocks:
        if "polars" not in block:
            exec(block, namespace)
    means = {derivation.child.id: replayed()(0).quality(derivation.child.text) for derivation in read_replay(EMBEDDED).lineage}
    assert namespace["means"]["test"].to_dict() == pytest.approx(means), "pandas finds what the world calls the truth"
    assert "operation" in capsys.readouterr().out


def climb(meter: Meter) -> None:
    """The simplest optimizer there is: children of the best one so far, each on ten prompts."""
    best, bests = meter.world.root, 0.0
    while True:
        text = meter.propose([best], [(0, 0.5)])
        score = fmean(meter.score(text, prompt) for prompt in range(10))
        best, bests = max((best, bests), (text, score), key=lambda entry: entry[1])
        meter.hand_over(best)
