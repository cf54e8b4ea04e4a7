"""Whether the ledger's records are what their ids say: contents re-hashed, references followed, image files read.

Keys of results can't be derived again here, since they hold the identities of engines; a digest of each result's own content stands in.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from data import codec
from data.database import Database, fetched
from data.errors import LedgerError
from data.tables import DERIVATIONS, IMAGES, JUDGMENTS, PROMPTS, REWRITES, SYSTEM_PROMPTS, TRIALS
from data.trials import PAGE

if TYPE_CHECKING:
    from data.blobs import ImageFiles


def problems(database: Database, images: "ImageFiles | None") -> Iterator[str]:
    """A line for each."""
    for row in _rows(database, SYSTEM_PROMPTS):
        if codec.system_prompt_of(row).id != row["id"]:
            yield f"system prompt {row['id']}: its text does not match its id"
    for row in _rows(database, PROMPTS):
        if _prompt_id(row) != row["id"]:
            yield f"prompt {row['id']}: its content does not match its id"
    for table in (REWRITES, IMAGES, JUDGMENTS):
        for row in _rows(database, table):
            if codec.digest_of(row) != row["digest"]:
                yield f"{table.name.removesuffix('s')} {row['key']}: its content does not match its digest"
    yield from _broken_trials(database)
    yield from _lost_children(database)
    if images is not None:
        yield from _bad_files(database, images)


def _prompt_id(row: Mapping[str, Any]) -> str | None:
    try:
        return codec.prompt_of(row).id
    except (ValueError, KeyError, TypeError):
        return None


def _rows(database: Database, table: sa.Table) -> Iterator[Mapping[str, Any]]:
    """All rows, in pages, by primary key."""
    key = sa.tuple_(*table.primary_key.columns)
    page = sa.select(table).order_by(*table.primary_key.columns).limit(PAGE)
    last: tuple[Any, ...] | None = None
    while True:
        with database.reading() as connection:
            rows = fetched(connection, page if last is None else page.where(key > last))
        yield from rows
        if len(rows) < PAGE:
            return
        last = tuple(rows[-1][column.name] for column in table.primary_key.columns)


def _broken_trials(database: Database) -> Iterator[str]:
    """Trials that refer to what is not there, or whose score is not their judgment's."""
    joined = TRIALS.outerjoin(SYSTEM_PROMPTS, SYSTEM_PROMPTS.c.id == TRIALS.c.system_prompt_id).outerjoin(
        PROMPTS, PROMPTS.c.id == TRIALS.c.prompt_id
    )
    wrong: dict[str, sa.ColumnElement[bool]] = {
        "its system prompt is missing": SYSTEM_PROMPTS.c.id.is_(None),
        "its prompt is missing": PROMPTS.c.id.is_(None),
        "it is neither scored nor failed": sa.and_(TRIALS.c.score.is_(None), TRIALS.c.failure.is_(None)),
    }
    for table, name in ((REWRITES, "rewrite"), (IMAGES, "image"), (JUDGMENTS, "judgment")):
        key, digest = TRIALS.c[f"{name}_key"], TRIALS.c[f"{name}_digest"]
        joined = joined.outerjoin(table, sa.and_(table.c.key == key, table.c.digest == digest))
        wrong[f"its {name} is missing"] = sa.and_(key.is_not(None), table.c.key.is_(None))
    wrong["its score is not its judgment's"] = TRIALS.c.score.is_distinct_from(JUDGMENTS.c.value)
    for reason, condition in wrong.items():
        found = sa.select(TRIALS.c.run_id, TRIALS.c.id).select_from(joined).where(condition).order_by(TRIALS.c.run_id, TRIALS.c.id)
        with database.reading() as connection:
            rows = connection.execute(found).all()
        yield from (f"trial {identifier} of run {run_id}: {reason}" for run_id, identifier in rows)


def _lost_children(database: Database) -> Iterator[str]:
    lost = sa.select(DERIVATIONS.c.run_id, DERIVATIONS.c.ordinal, DERIVATIONS.c.child_id).where(
        DERIVATIONS.c.child_id.not_in(sa.select(SYSTEM_PROMPTS.c.id))
    )
    with database.reading() as connection:
        rows = connection.execute(lost.order_by(DERIVATIONS.c.run_id, DERIVATIONS.c.ordinal)).all()
    yield from (f"derivation {ordinal} of run {run_id}: its system prompt {child} is missing" for run_id, ordinal, child in rows)


def _bad_files(database: Database, images: "ImageFiles") -> Iterator[str]:
    last = ""
    while True:
        with database.reading() as connection:
            page = sa.select(IMAGES.c.sha256).distinct().where(IMAGES.c.sha256 > last).order_by(IMAGES.c.sha256).limit(PAGE)
            hashes = list(connection.execute(page).scalars())
        for sha256 in hashes:
            try:
                images.read(sha256)
            except LedgerError as error:
                yield f"image file {sha256}: {error}"
        if len(hashes) < PAGE:
            return
        last = hashes[-1]
