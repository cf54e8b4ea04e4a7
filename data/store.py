"""The ledger: the append-only record of runs, their events, their lineage and their trials. The only truth, and the only checkpoint.

What is written twice is there once, so any number of processes may write, also the same things. Nothing is changed and nothing is removed.
Image files lie beside it (data/blobs.py); how the database is opened is in data/database.py, how trials are laid out in data/trials.py.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from data import codec
from data.database import Database, fetched, open_database
from data.errors import UsageError
from data.identity import HASH_TAG, short
from data.records import Derivation, GeneratedImage, Judgment, Rewrite, SystemPrompt, Trial
from data.runs import Event, RunRecord
from data.tables import DERIVATIONS, EVENTS, IMAGES, JUDGMENTS, REWRITES, RUNS, SYSTEM_PROMPTS, TRIALS
from data.trials import TrialReader, TrialWriter, find, insert_missing, of_run, rows_with

if TYPE_CHECKING:
    from data.blobs import ImageFiles


def open_store(url: str) -> "Store":
    """The ledger at ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``; made, or brought to today's revision, where needed.

    LedgerError, with the command to type, where that can't be done.
    """
    return Store(open_database(url))


class Store:
    """An open ledger; a context manager. Synchronous, and usable from several threads at once.

    Any method may raise LedgerError (what is there can't be trusted or reached) or FatalError (disk full, read-only).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = TrialWriter(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # -- runs and events

    def add_run(self, run: RunRecord) -> None:
        """Puts a run on record; one that is there stays as it is."""
        row = {"id": run.id, "kind": run.kind, "config": dict(run.config), "created_at": run.created_at}
        with self._database.writing() as connection:
            insert_missing(connection, RUNS, [row])

    def run(self, id_prefix: str) -> RunRecord:
        """The one run whose id begins so (with or without its tag); UsageError where there is none, or several."""
        found = self._with_prefix(RUNS, "run", id_prefix)
        return _run_of(found)

    def runs(self) -> list[RunRecord]:
        """All runs, newest first."""
        with self._database.reading() as connection:
            rows = fetched(connection, sa.select(RUNS).order_by(RUNS.c.created_at.desc(), RUNS.c.id))
        return [_run_of(row) for row in rows]

    def add_event(self, run_id: str, ordinal: int, kind: str, payload: Mapping[str, Any]) -> None:
        """Puts an event on record, at the time of now; one that is there at ``ordinal`` stays as it is."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = {"run_id": run_id, "ordinal": ordinal, "kind": kind, "payload": dict(payload), "at": at}
        with self._database.writing() as connection:
            insert_missing(connection, EVENTS, [row])

    def events(self, run_id: str) -> list[Event]:
        """A run's events by ordinal."""
        with self._database.reading() as connection:
            rows = fetched(connection, sa.select(EVENTS).where(EVENTS.c.run_id == run_id).order_by(EVENTS.c.ordinal))
        return [Event(row["ordinal"], row["kind"], row["payload"], row["at"]) for row in rows]

    # -- lineage

    def add_derivations(self, run_id: str, derivations: Iterable[tuple[int, Derivation]]) -> None:
        """Puts edges of a run's lineage on record, each with its ordinal and its child."""
        edges = list(derivations)
        children = {edge.child.id: edge.child for _, edge in edges}
        with self._database.writing() as connection:
            insert_missing(connection, SYSTEM_PROMPTS, [codec.system_prompt_row(key, children[key]) for key in sorted(children)])
            insert_missing(connection, DERIVATIONS, [codec.derivation_row(run_id, ordinal, edge) for ordinal, edge in edges])

    def lineage(self, run_id: str) -> list[Derivation]:
        """A run's derivations by ordinal."""
        with self._database.reading() as connection:
            edges = fetched(connection, sa.select(DERIVATIONS).where(DERIVATIONS.c.run_id == run_id).order_by(DERIVATIONS.c.ordinal))
            children = {row["id"]: row for row in rows_with(connection, SYSTEM_PROMPTS, "id", [edge["child_id"] for edge in edges])}
        return [codec.derivation_of(edge, codec.system_prompt_of(children[edge["child_id"]])) for edge in edges]

    def system_prompt(self, id_prefix: str) -> SystemPrompt:
        """The one system prompt whose id begins so; UsageError where there is none, or several."""
        return codec.system_prompt_of(self._with_prefix(SYSTEM_PROMPTS, "system prompt", id_prefix))

    def system_prompts(self) -> list[SystemPrompt]:
        """All system prompts on record, in the order of their ids."""
        with self._database.reading() as connection:
            rows = fetched(connection, sa.select(SYSTEM_PROMPTS).order_by(SYSTEM_PROMPTS.c.id))
        return [codec.system_prompt_of(row) for row in rows]

    # -- trials

    def add_trials(self, run_id: str, trials: Sequence[Trial]) -> None:
        """Puts trials on record with all they reached, all of them or none. A failed one may be added again when it has succeeded."""
        self._writer.write(run_id, trials)

    def trials(self, run_id: str, *, system_prompt_id: str | None = None, prompt_id: str | None = None) -> Iterator[Trial]:
        """A run's trials, complete but for the image bytes, in the order of their ids; in bounded memory."""
        return TrialReader(self._database).read(of_run(run_id, system_prompt_id, prompt_id))

    def trial_count(self, run_id: str, *, system_prompt_id: str | None = None, prompt_id: str | None = None) -> int:
        counted = sa.select(sa.func.count()).select_from(TRIALS).where(of_run(run_id, system_prompt_id, prompt_id))
        with self._database.reading() as connection:
            return connection.execute(counted).scalar_one()

    def find_rewrites(self, keys: Sequence[str]) -> dict[str, Rewrite]:
        """The rewrites on record under these content keys; what is missing is left out."""
        return find(self._database, REWRITES, keys, codec.rewrite_of)

    def find_images(self, keys: Sequence[str]) -> dict[str, GeneratedImage]:
        """The images on record under these content keys, without their bytes."""
        return find(self._database, IMAGES, keys, codec.image_of)

    def image_hashes(self, beginnings: Sequence[str]) -> dict[str, list[str]]:
        """For each of ``beginnings``, hex digits in lower case: the sha256 of images on record that begin so, a few of them, in order."""
        found: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for digits in beginnings:
                # A range can use the index, where LIKE can't; "g" comes after all hex digits.
                chosen = sa.select(IMAGES.c.sha256).distinct().where(IMAGES.c.sha256 >= digits, IMAGES.c.sha256 < f"{digits}g")
                found[digits] = list(connection.execute(chosen.order_by(IMAGES.c.sha256).limit(5)).scalars())
        return found

    def find_judgments(self, keys: Sequence[str]) -> dict[str, Judgment]:
        """The judgments on record under these content keys."""
        return find(self._database, JUDGMENTS, keys, codec.judgment_of)

    # -- trust

    def verify(self, images: "ImageFiles | None" = None) -> Iterator[str]:
        """A line for each thing that is not what it claims to be: contents that don't match their ids, references that lead nowhere,
        image files missing or damaged. None: all is well. Reads everything, so it takes a while."""
        from data.verify import problems

        return problems(self._database, images)

    def _with_prefix(self, table: sa.Table, noun: str, prefix: str) -> Mapping[str, Any]:
        with self._database.reading() as connection:
            ids = list(connection.execute(sa.select(table.c.id).order_by(table.c.id)).scalars())
            (row,) = rows_with(connection, table, "id", [_the_one(noun, prefix, ids)])
            return row


def _the_one(noun: str, prefix: str, ids: Sequence[str]) -> str:
    """The id that ``prefix`` stands for."""
    bare = prefix.removeprefix(HASH_TAG)
    found = [identifier for identifier in ids if bare and identifier.removeprefix(HASH_TAG).startswith(bare)]
    exact = [identifier for identifier in found if identifier in (prefix, HASH_TAG + bare)]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if found:
        listed = ", ".join(identifier.removeprefix(HASH_TAG)[: max(8, len(bare) + 4)] for identifier in found[:5])
        more = " …" if len(found) > 5 else ""
        raise UsageError(f"{len(found)} {noun}s begin with {prefix!r}: {listed}{more}", hint="give more of its id")
    near = difflib.get_close_matches(bare[:8], [short(identifier) for identifier in ids], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no {noun} {prefix!r}", hint=f"{hint}`phoropter runs` lists what there is")


def _run_of(row: Mapping[str, Any]) -> RunRecord:
    return RunRecord(row["id"], row["kind"], row["config"], row["created_at"])
