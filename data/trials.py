"""Trials into the ledger and out of it: each with its prompt, system prompt and the results it reached, in whole transactions.

Reads are in pages, so that a run of a million trials needs the memory of a few hundred.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from data import codec
from data.codec import Row
from data.database import Database, fetched
from data.errors import LedgerError
from data.records import Prompt, SystemPrompt, Trial, TrialRequest
from data.tables import IMAGES, JUDGMENTS, PROMPTS, REWRITES, SYSTEM_PROMPTS, TRIALS

T = TypeVar("T")

CHUNK = 500
"""Values per IN list; a database has a limit on parameters."""
PAGE = 500
"""Trials read at once."""
REMEMBERED = 50_000
"""Prompts and system prompts known to be written, or kept while reading, at most: beyond, it starts anew."""


def insert_missing(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Adds the rows whose primary key is not there yet."""
    if rows:
        insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
        connection.execute(insert.on_conflict_do_nothing(), rows)


def rows_with(connection: Connection, table: sa.Table, column: str, values: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The rows whose ``column`` is among ``values``, in no order."""
    wanted = sorted(set(values))
    for start in range(0, len(wanted), CHUNK):
        yield from fetched(connection, sa.select(table).where(table.c[column].in_(wanted[start : start + CHUNK])))


class TrialWriter:
    """Writes trials; remembers which prompts and system prompts it has written, so that they are not sent again with each trial."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: set[str] = set()

    def write(self, run_id: str, trials: Sequence[Trial]) -> None:
        batch = _Batch(run_id, self._written)
        for trial in trials:
            batch.add(trial)
        with self._database.writing() as connection:
            for table, rows in batch.rows.items():
                # All writers take the rows in one order, or PostgreSQL may find two of them waiting for each other.
                insert_missing(connection, table, [rows[key] for key in sorted(rows)])
        if len(self._written) > REMEMBERED:
            self._written.clear()
        self._written.update(key for table in (PROMPTS, SYSTEM_PROMPTS) for (key,) in batch.rows[table])


class _Batch:
    """The rows of some trials, by table and primary key; tables in the order in which they are written."""

    def __init__(self, run_id: str, written: set[str]) -> None:
        self.rows: dict[sa.Table, dict[tuple[str, ...], Row]] = {
            table: {} for table in (SYSTEM_PROMPTS, PROMPTS, REWRITES, IMAGES, JUDGMENTS, TRIALS)
        }
        self._run_id = run_id
        self._written = written
        self._ids: dict[int, str] = {}
        """Ids by object, since hashing a checklist takes longer than all else here. The batch's trials keep the objects alive."""

    def add(self, trial: Trial) -> None:
        prompt, system_prompt = trial.request.prompt, trial.request.system_prompt
        prompt_id, system_prompt_id = self._id(prompt), self._id(system_prompt)
        if prompt_id not in self._written:
            self.rows[PROMPTS].setdefault((prompt_id,), codec.prompt_row(prompt_id, prompt))
        if system_prompt_id not in self._written:
            self.rows[SYSTEM_PROMPTS].setdefault((system_prompt_id,), codec.system_prompt_row(system_prompt_id, system_prompt))
        row = codec.trial_row(self._run_id, trial, prompt_id, system_prompt_id)
        if trial.rewrite is not None:
            row["rewrite_key"], row["rewrite_digest"] = self._result(REWRITES, codec.rewrite_row(trial.rewrite_key, trial.rewrite))
        if trial.image is not None:
            row["image_key"], row["image_digest"] = self._result(IMAGES, codec.image_row(trial.image_key, trial.image))
        if trial.judgment is not None:
            row["judgment_key"], row["judgment_digest"] = self._result(JUDGMENTS, codec.judgment_row(trial.judgment_key, trial.judgment))
        self.rows[TRIALS].setdefault((trial.id, str(row["scored"])), row)

    def _id(self, noun: Prompt | SystemPrompt) -> str:
        known = self._ids.get(id(noun))
        if known is None:
            known = self._ids[id(noun)] = noun.id
        return known

    def _result(self, table: sa.Table, row: Row) -> tuple[str, str]:
        name = (row["key"], row["digest"])
        self.rows[table].setdefault(name, row)
        return name


class TrialReader:
    """Reads trials; keeps the prompts and system prompts it has seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prompts: dict[str, Prompt] = {}
        self._system_prompts: dict[str, SystemPrompt] = {}

    def read(self, where: sa.ColumnElement[bool]) -> Iterator[Trial]:
        """The trials that are ``where``, in the order of their ids. Other work may go on between two of them."""
        page = sa.select(TRIALS).where(where).order_by(TRIALS.c.id).limit(PAGE)
        last: str | None = None
        while True:
            with self._database.reading() as connection:
                rows = fetched(connection, page if last is None else page.where(TRIALS.c.id > last))
                trials = self._restored(connection, rows)
            yield from trials
            if len(rows) < PAGE:
                return
            last = rows[-1]["id"]

    def _restored(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Trial]:
        _fetch(connection, PROMPTS, [row["prompt_id"] for row in rows], codec.prompt_of, self._prompts)
        _fetch(connection, SYSTEM_PROMPTS, [row["system_prompt_id"] for row in rows], codec.system_prompt_of, self._system_prompts)
        rewrites = _results(connection, REWRITES, rows, "rewrite", codec.rewrite_of)
        images = _results(connection, IMAGES, rows, "image", codec.image_of)
        judgments = _results(connection, JUDGMENTS, rows, "judgment", codec.judgment_of)
        try:
            return [
                Trial(
                    id=row["id"],
                    request=TrialRequest(
                        self._system_prompts[row["system_prompt_id"]],
                        self._prompts[row["prompt_id"]],
                        row["sample"],
                        row["seed"],
                        row["look"],
                    ),
                    rewrite=rewrites[row["rewrite_key"], row["rewrite_digest"]],
                    image=images[row["image_key"], row["image_digest"]],
                    judgment=judgments[row["judgment_key"], row["judgment_digest"]],
                    failure=codec.failure_of(row["failure"]) if row["failure"] is not None else None,
                    rewrite_key=row["rewrite_key"] or "",
                    image_key=row["image_key"] or "",
                    judgment_key=row["judgment_key"] or "",
                )
                for row in rows
            ]
        except KeyError as error:
            raise LedgerError(f"a trial refers to {error.args[0]}, which is missing", hint="`phoropter verify` lists the damage") from None


def of_run(run_id: str, system_prompt_id: str | None, prompt_id: str | None) -> sa.ColumnElement[bool]:
    """A run's trials: the scored one where a failed one was tried again."""
    again = TRIALS.alias()
    outdone = sa.exists().where(again.c.run_id == TRIALS.c.run_id, again.c.id == TRIALS.c.id, again.c.scored.is_(True))
    conditions = [TRIALS.c.run_id == run_id, sa.or_(TRIALS.c.scored.is_(True), ~outdone)]
    if system_prompt_id is not None:
        conditions.append(TRIALS.c.system_prompt_id == system_prompt_id)
    if prompt_id is not None:
        conditions.append(TRIALS.c.prompt_id == prompt_id)
    return sa.and_(*conditions)


def find(database: Database, table: sa.Table, keys: Sequence[str], decode: Callable[[Mapping[str, Any]], T]) -> dict[str, T]:
    """The results on record under ``keys``, in their order. Of several under one key, always the same one."""
    first: dict[str, Mapping[str, Any]] = {}
    with database.reading() as connection:
        for row in rows_with(connection, table, "key", keys):
            if row["key"] not in first or row["digest"] < first[row["key"]]["digest"]:
                first[row["key"]] = row
    return {key: decode(first[key]) for key in keys if key in first}


def _fetch(
    connection: Connection, table: sa.Table, ids: Sequence[str], decode: Callable[[Mapping[str, Any]], T], known: dict[str, T]
) -> None:
    """Adds to ``known`` what is missing of ``ids``."""
    if len(known) > REMEMBERED:
        known.clear()
    missing = [identifier for identifier in ids if identifier not in known]
    known.update((row["id"], decode(row)) for row in rows_with(connection, table, "id", missing))


def _results(
    connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], name: str, decode: Callable[[Mapping[str, Any]], T]
) -> dict[tuple[str | None, str | None], T | None]:
    """The results that ``rows`` refer to, by key and digest; None for the stage that was not reached."""
    keys = [row[f"{name}_key"] for row in rows if row[f"{name}_key"] is not None]
    found: dict[tuple[str | None, str | None], T | None] = {(None, None): None}
    found.update(((row["key"], row["digest"]), decode(row)) for row in rows_with(connection, table, "key", keys))
    return found
