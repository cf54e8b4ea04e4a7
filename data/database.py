"""Opens the ledger's database, SQLite or PostgreSQL, makes or upgrades its tables, and puts what goes wrong into words.

Knows engines, transactions and migrations; what the tables hold is for data/store.py.
"""

import shlex
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from data.errors import FatalError, LedgerError, PhoropterError, UsageError
from data.identity import canonical_json
from data.tables import REVISION

BUSY_SECONDS = 30
"""How long SQLite waits for another process's write, and PostgreSQL's driver for a connection."""
MIGRATION_LOCK = 0x70686F726F
"""The advisory lock that PostgreSQL clients hold while they migrate: "phoro"."""
_BEGIN = "phoropter_begin"
"""The option of a connection that says how SQLite begins its transactions."""
_VERSIONS = sa.table("alembic_version", sa.column("version_num", sa.String))


class Database:
    """An open database. Transactions may be used from any thread, each from one at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @contextmanager
    def reading(self) -> Generator[Connection]:
        with self._in_words(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that is there as a whole, or not at all."""
        with self._in_words(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _in_words(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise in_words(error, self.engine.url) from error


def fetched(connection: Connection, statement: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of the answer, as plain dicts by column name."""
    answer = connection.execute(statement)
    names = list(answer.keys())
    return [dict(zip(names, row, strict=True)) for row in answer]


def open_database(url: str) -> Database:
    """The database at ``url``, at the newest revision. Any number of processes may do this at once, also where there is none yet."""
    database = Database(_engine(_parsed(url)))
    try:
        if database.engine.dialect.name == "sqlite":
            _use_wal(database)
        with database.reading() as connection:
            revision = _revision(connection)
        if revision != REVISION:
            _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(f"the ledger's address can't be read: {url!r}", hint="for example sqlite:///phoropter-data/ledger.db") from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise UsageError(
            f"the ledger can't be kept in {parsed.drivername!r}", hint="there are: sqlite:///FILE, postgresql://USER@HOST/DATABASE"
        )
    if parsed.database in (None, "", ":memory:"):
        raise UsageError(
            "the ledger has to be a file, or it is gone when the process ends", hint="for example sqlite:///phoropter-data/ledger.db"
        )
    return parsed


def _engine(url: URL) -> Engine:
    if url.drivername.startswith("sqlite"):
        path = Path(str(url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                f"the ledger's folder {path.parent} can't be made: {error.strerror}", hint="choose another with --home"
            ) from None
        engine = _create(url, {"timeout": BUSY_SECONDS, "check_same_thread": False})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return _create(url, {"connect_timeout": BUSY_SECONDS})


def _create(url: URL, connect_args: dict[str, Any]) -> Engine:
    try:
        return sa.create_engine(
            url, connect_args=connect_args, pool_pre_ping=url.drivername.startswith("postgresql"), json_serializer=canonical_json
        )
    except (ImportError, NoSuchModuleError):
        raise LedgerError("the driver for PostgreSQL is not installed", hint="pip install 'phoropter[postgres]'") from None


def _set_up_sqlite(connection: Any, _: object) -> None:
    # Python's driver begins transactions by its own rules, not before DDL; so it is told not to, and SQLAlchemy's "begin" does it.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=NORMAL")
    # Content keys fall anywhere in an index: 64 MB keep the pages of a long run's indexes at hand (the default is 2 MB).
    connection.execute("PRAGMA cache_size=-65536")


def _begin_sqlite(connection: Connection) -> None:
    # Writers say so at once: a transaction that turns from reading to writing fails, without waiting, where another has written meanwhile.
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _use_wal(database: Database) -> None:
    """Readers and a writer at once. Kept in the file; SQLite does not wait for its lock here, so we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with database.engine.connect().execution_options(**{_BEGIN: ""}) as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except DBAPIError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise in_words(error, database.engine.url) from error
            time.sleep(0.02)


def _revision(connection: Connection) -> str | None:
    """The database's revision; None for an empty database."""
    tables = sa.inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.execute(sa.select(_VERSIONS.c.version_num)).scalar()
    if tables:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise LedgerError(f"{where} holds something else: {', '.join(tables[:5])}", hint="give the ledger a file or a database of its own")
    return None


def _migrate(database: Database) -> None:
    """Brings the tables to the newest revision, one process at a time."""
    # Loading alembic takes as long as opening the ledger ten times.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        revision = _revision(connection)  # another process may have been faster
        if revision == REVISION:
            return
        if revision is not None and revision not in known:
            where = connection.engine.url.render_as_string(hide_password=True)
            raise LedgerError(
                f"{where} was written by a newer Phoropter (its revision is {revision}, this one knows up to {REVISION})",
                hint="pip install -U phoropter",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def in_words(error: SQLAlchemyError, url: URL) -> PhoropterError:
    """What went wrong, as people can act on it. Never holds the password."""
    where = str(url.database) if url.drivername.startswith("sqlite") else url.render_as_string(hide_password=True)
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    if url.password:
        said = said.replace(str(url.password), "***")
    said = said[:300]
    if any(sign in said for sign in ("disk is full", "No space left", "disk I/O error")):
        return FatalError(f"the disk of the ledger {where} is full or failing ({said})", hint="free some space, then `phoropter resume`")
    if "readonly" in said or "read-only" in said:
        return FatalError(f"the ledger {where} can't be written ({said})", hint=f"allow it: `chmod u+w {where}`; then `phoropter resume`")
    if "malformed" in said or "not a database" in said:
        return LedgerError(f"the ledger {where} is damaged or no database at all ({said})", hint=_rescue(where))
    if "locked" in said and url.drivername.startswith("sqlite"):
        return FatalError(f"another process held the ledger {where} for over {BUSY_SECONDS} s", hint="close it, then `phoropter resume`")
    if "unable to open" in said:
        return LedgerError(
            f"the ledger {where} can't be opened ({said})", hint=f"look at its permissions: `ls -ld {where} {Path(where).parent}`"
        )
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return FatalError(f"the connection to the ledger {where} was lost ({said})", hint="when the server is back, `phoropter resume`")
    if isinstance(error, DBAPIError) and not error.statement:
        return LedgerError(
            f"the ledger {where} can't be reached ({said})", hint="is the server running, and the address right? try: `pg_isready`"
        )
    return LedgerError(f"the ledger {where} can't be read or written ({said})", hint="`phoropter verify` looks for damage")


def _rescue(path: str) -> str:
    """What to type. The write-ahead log beside the file has to go with it, or it would be played into the new one."""
    ledger, folder = shlex.quote(path), shlex.quote(f"{path}.broken")
    broken = shlex.quote(f"{path}.broken/{Path(path).name}")
    return (
        f"move it aside: `mkdir {folder} && mv {ledger} {ledger}-* {folder}/` (it is fine if there is no {ledger}-*); "
        f"then rescue what can be read: `sqlite3 {broken} .recover | sqlite3 {ledger}`; where sqlite3 has no .recover (Debian's): "
        f"`sqlite3 {broken} .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 {ledger}`"
    )
