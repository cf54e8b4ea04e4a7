"""Replay tables: what is written is read, by us and by others; what can't be is refused with a reason."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import FailureKind, Stage, UsageError
from data.records import CriterionScore, Derivation, Failure, Operation, Prompt, SystemPrompt, Trial, Usage
from data.replay import Cell, Place, ReplayTable, Used
from data.replayfiles import read_replay, write_replay
from tests.data.replay_tables import PIPELINE, TEXTS, prompts, rewritten, small_table

MakeTrial = Callable[..., Trial]

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
amounts = st.none() | st.floats(0, 1e6)
used = st.builds(Used, st.none() | st.integers(0, 2**62), amounts, amounts)
criteria = st.lists(st.builds(CriterionScore, texts, st.none() | st.floats(0, 1)), max_size=3).map(tuple)


@st.composite
def tables(draw: st.DrawFn) -> ReplayTable:
    lineage: list[Derivation] = []
    for text in draw(st.lists(texts, min_size=1, max_size=5, unique=True)):
        known = [derivation.child.id for derivation in lineage]
        parents = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        lineage.append(Derivation(SystemPrompt(text, draw(texts)), tuple(parents), draw(st.sampled_from(Operation)), draw(texts)))
    asked = [Prompt(text, category=draw(texts)) for text in draw(st.lists(texts, min_size=1, max_size=3, unique=True))]
    whole = st.integers(0, 2**63 - 1)
    ids = st.sampled_from([derivation.child.id for derivation in lineage]), st.sampled_from([prompt.id for prompt in asked])
    places = draw(st.lists(st.builds(Place, *ids, whole, whole, st.integers(0, 5)), max_size=6, unique=True))
    cells = tuple(draw(scored_cells(place) | failed_cells(place)) for place in places)
    return ReplayTable(PIPELINE, tuple(lineage), tuple(asked), cells)


def scored_cells(place: Place) -> st.SearchStrategy[Cell]:
    return st.builds(
        Cell, st.just(place), st.floats(0, 1), st.none(), st.none(), criteria, st.none() | st.integers(0, 999), used, used, used
    )


def failed_cells(place: Place) -> st.SearchStrategy[Cell]:
    return st.builds(Cell, st.just(place), st.none(), st.sampled_from(Stage), st.sampled_from(FailureKind), rewrite=used)


@settings(deadline=None, max_examples=30)
@given(tables())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, table: ReplayTable) -> None:
    path = tmp_path_factory.mktemp("replay") / "table.parquet"
    write_replay(table, path)
    assert read_replay(path) == table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "table.parquet"
    write_replay(small_table(), path)
    return path


def test_equal_tables_make_equal_files(file: Path, tmp_path: Path) -> None:
    write_replay(small_table(), tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == file.read_bytes()
    assert [path.name for path in file.parent.iterdir()] == ["table.parquet"], "no part of a file is left"


def test_a_table_is_read_without_us(file: Path) -> None:
    rows = pd.read_parquet(file)
    assert len(rows) == len(small_table().cells)
    failed = rows.loc[rows["score"].isna()]
    assert len(failed) == 2
    lost = failed.iloc[0]
    assert (lost["failed_stage"], lost["failure"], list(lost["criteria"])) == ("generate", "timeout", [])
    assert list(rows["criteria"].iloc[0]) == [{"id": "c0", "score": 1.0}, {"id": "c1", "score": None}]
    heading = json.loads(pq.read_metadata(file).metadata[b"phoropter"])
    assert [entry["text"] for entry in heading["system_prompts"]] == list(TEXTS)
    assert heading["prompts"][0]["checklist"][0]["text"] == "A cat is visible"
    assert set(rows["prompt"]) == {entry["id"] for entry in heading["prompts"]}


def test_other_tools_may_write_it(file: Path) -> None:
    """Columns in another order, of another width, and some more."""
    rows = pq.read_table(file)
    turned = rows.select(rows.column_names[::-1]).append_column("mood", pa.array(["fine"] * rows.num_rows))
    turned = turned.set_column(turned.column_names.index("look"), "look", turned["look"].cast(pa.int8()))
    turned = turned.set_column(turned.column_names.index("prompt"), "prompt", turned["prompt"].dictionary_encode())
    turned = turned.set_column(turned.column_names.index("failure"), "failure", turned["failure"].cast(pa.large_string()))
    assert read_replay(rewritten(file, turned)) == small_table()


def test_a_cell_keeps_what_a_trial_used(make_trial: MakeTrial) -> None:
    place = Place("s", "p", 1, 2, 0)
    cell = Cell.of(make_trial(1), place)
    assert cell.score == make_trial(1).score
    assert cell.rewrite_words == 4, "a picture of 1"
    assert cell.rewrite == Used(30, None, 1.5)
    assert cell.criteria == (CriterionScore("c0", 1.0), CriterionScore("c1", None), CriterionScore("c2", 0.25)), "without evidence"
    failure = Failure(Stage.GENERATE, FailureKind.TIMEOUT, "too slow", usage=Usage(7, 1, 0.5))
    cell = Cell.of(replace(make_trial(1, failed=True), failure=failure), place)
    assert (cell.score, cell.failed, cell.failure) == (None, Stage.GENERATE, FailureKind.TIMEOUT)
    assert (cell.rewrite, cell.image, cell.judgment) == (Used(30, None, 1.5), Used(8, 0.5), Used())


def test_a_failed_rewrite_has_no_length(make_trial: MakeTrial) -> None:
    trial = replace(make_trial(1, failed=True), rewrite=None, failure=Failure(Stage.REWRITE, FailureKind.REFUSED, "no"))
    cell = Cell.of(trial, Place("s", "p", 1, 2, 0))
    assert (cell.rewrite_words, cell.image) == (None, Used())


# -- bad files


def heading_with(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> object:
        heading = json.loads(pq.read_metadata(path).metadata[b"phoropter"])
        change(heading)
        return rewritten(path, heading=json.dumps(heading).encode())

    return damage


def rows_with(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    def damage(path: Path) -> object:
        changed = change(pq.read_table(path).to_pandas())
        return rewritten(path, pa.Table.from_pandas(changed, preserve_index=False))

    return damage


def set_cell(column: str, value: object) -> Callable[[Path], object]:
    return rows_with(lambda frame: frame.assign(**{column: [value, *frame[column].tolist()[1:]]}))


def _parent_of_first(heading: dict[str, Any], parent: str) -> None:
    heading["system_prompts"][0]["parents"] = [parent]


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no Parquet": (lambda path: path.write_bytes(b"PK\x03\x04"), "is no Parquet file"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is no Parquet file, or a damaged one"),
    "gone": (lambda path: path.unlink(), "can't be read: No such file"),
    "somebody else's": (lambda path: pq.write_table(pa.table({"a": [1]}), path), "is a Parquet file, but no replay table"),
    "no JSON": (lambda path: rewritten(path, heading=b"{"), "is a Parquet file, but no replay table"),
    "newer": (heading_with(lambda heading: heading.update(format=2)), "has version 2 of the format; this Phoropter reads version 1"),
    "no pipeline": (heading_with(lambda heading: heading.pop("pipeline")), "'pipeline' is missing"),
    "no operation": (heading_with(lambda heading: heading["system_prompts"][2].update(operation="x")), "'x' is not a valid Operation"),
    "no list": (heading_with(lambda heading: heading.update(prompts=["a cat"])), "can't be read"),
    "another text": (heading_with(lambda heading: heading["system_prompts"][0].update(text="hm")), "has the id b2:"),
    "another checklist": (heading_with(lambda heading: heading["prompts"][0].update(checklist=[])), "have the id b2:"),
    "unknown parent": (heading_with(lambda heading: _parent_of_first(heading, "b2:0123456789")), "has the parent 01234567, which is not"),
    "cycle": (heading_with(lambda heading: _parent_of_first(heading, SystemPrompt("plain, kind").id)), "descend from themselves"),
    "twice the same": (heading_with(lambda heading: heading["prompts"].append(heading["prompts"][0])), "is there twice"),
    "lost prompt": (heading_with(lambda heading: heading["prompts"].pop()), "which is not among the prompts"),
    "lost system prompt": (heading_with(lambda heading: heading["system_prompts"].pop()), "which is not in the graph"),
    "lost columns": (rows_with(lambda frame: frame.drop(columns=["seed", "score"])), "has no column seed, score"),
    "words for numbers": (rows_with(lambda frame: frame.assign(look="one")), "string in place of int64"),
    "no place": (set_cell("prompt", None), "1 rows have no prompt"),
    "duplicate": (rows_with(lambda frame: pd.concat([frame, frame.head(1)])), "two rows have the place"),
    "too good": (set_cell("score", 1.25), "has the score 1.25, outside of [0, 1]"),
    "not a number": (set_cell("failure", "timeout"), "timeout"),
    "neither": (set_cell("score", None), "has neither a score nor a failure"),
    "unheard of": (set_cell("failure", "boredom"), "'boredom' is not a valid FailureKind"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_bad_file_is_refused(file: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(file)
    with pytest.raises(UsageError) as caught:
        read_replay(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert caught.value.hint


def test_a_bad_table_is_not_written(tmp_path: Path) -> None:
    table = small_table()
    with pytest.raises(UsageError, match="is there twice"):
        write_replay(replace(table, prompts=(*table.prompts, prompts()[0])), tmp_path / "table.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cant_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be written") as caught:
        write_replay(small_table(), tmp_path / "file" / "table.parquet")
    assert caught.value.hint
