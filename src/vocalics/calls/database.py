"""The database that calls are kept in: SQLite's file or PostgreSQL by address, and its migrations.

What the tables look like is told by numbered migrations (Alembic), which come with the package. A database without
tables gets them when it is opened; one of another version is refused until ``vocalics calls db upgrade``.
"""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from vocalics.errors import MissingExtraError, StorageError, VocalicsError

DEFAULT = "calls.db"
"""The file of SQLite that is used where nothing else is named."""

VERSION_TABLE = "calls_version"
"""Where a database keeps the version of our tables, beside whatever else is in it."""

_WAIT_S = 30.0
_PRAGMAS = (
    f"PRAGMA busy_timeout = {int(1000 * _WAIT_S)}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten, not only forgotten
)
_LOCK = 0x766F63616C696373  # of PostgreSQL, while tables are made


def connect(address: str = DEFAULT) -> Engine:
    """Return an engine; nothing is opened yet.

    Args:
        address: The path of a file (SQLite), or a URL of SQLAlchemy: ``sqlite:///calls.db``,
            ``postgresql://user@host/name``.

    Raises:
        VocalicsError: For an address that is none, or of a database that is not supported.
        MissingExtraError: Where the driver of PostgreSQL is not installed.
    """
    url = _url(address)
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise VocalicsError(f"{shown(url)}: calls are not kept in {kind}; expected a file, sqlite:/// or postgresql://")
    if kind == "sqlite" and ((url.database or "").lower().startswith("file:") or "uri" in url.query):
        # SQLite would read another file's name out of it than the one that is made the owner's alone.
        raise VocalicsError(f"{shown(url)}: is an address in SQLite's own way (file:, uri=); expected the file's path")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        folder = Path(url.database).absolute().parent
        if not folder.is_dir():
            raise VocalicsError(f"{url.database}: there is no folder {folder}; make it first")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        # A lost connection is noticed, and made anew; what people said or are called stands in no error's text.
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except NoSuchModuleError:
        raise VocalicsError(f"{shown(url)}: has no driver here; expected postgresql:// or sqlite:///") from None
    except ModuleNotFoundError:
        raise MissingExtraError("keeping calls in PostgreSQL", "postgres") from None
    if kind == "sqlite":
        if url.database and url.database != ":memory:":
            _own(Path(url.database))
        event.listen(engine, "connect", _prepared)
        event.listen(engine, "begin", _begun)
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine for transactions that write: SQLite's wait for each other from their beginning."""
    return engine.execution_options(writes=True)


def forget(engine: Engine) -> bool:
    """Take what was deleted out of SQLite's log too; PostgreSQL's own vacuum sees to its tables.

    Readers are waited for, and others that empty it.

    Returns:
        Whether the log is empty; it is not where another program goes on reading.
    """
    if engine.dialect.name != "sqlite":
        return True
    raw, end = engine.raw_connection(), time.monotonic() + _WAIT_S
    try:
        while True:
            ((busy, *_),) = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy or time.monotonic() > end:
                return not busy
            # SQLite waits for readers by itself, but is told at once that another one is about to empty it.
            time.sleep(random.uniform(0.005, 0.05))
    finally:
        raw.close()


def left_in_log(engine: Engine, what: str) -> StorageError:
    """Return what is told where :func:`forget` could not empty the log, after ``what`` was done."""
    return StorageError(
        f"{shown(engine.url)}: {what} in the database's log while another program goes on reading; they go with the "
        "next deletion, or when all programs have closed it"
    )


def identity(engine: Engine) -> str:
    """Return what tells SQLite's file from another one at the same place, given to it when it is first asked.

    It is a number of chance that the file keeps as its ``user_version``; empty for PostgreSQL.
    """
    if engine.dialect.name != "sqlite":
        return ""
    asked = "PRAGMA user_version"
    with _reached(engine), engine.connect() as connection:
        number = connection.exec_driver_sql(asked).scalar()
    if not number:
        with _reached(engine), writing(engine).begin() as connection:
            number = connection.exec_driver_sql(asked).scalar()  # another may have given it meanwhile
            if not number:
                number = 1 + secrets.randbelow(2**31 - 1)
                connection.exec_driver_sql(f"{asked} = {number}")
    return str(number)


def shown(url: URL) -> str:
    """Return an address as it may be shown: without its password."""
    return url.render_as_string(hide_password=True)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring a database's tables to a version, the newest by default.

    Raises:
        VocalicsError: For an unknown version, or a database that cannot be reached.
    """
    with _migrating(engine) as config:
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str = "-1") -> None:
    """Take a database's tables back to a version, by one by default; "base" takes them and all calls away.

    Raises:
        VocalicsError: For an unknown version, or a database that cannot be reached.
        StorageError: When it is done, but another program keeps the log from being emptied.
    """
    with _migrating(engine) as config:
        command.downgrade(config, revision)
    if not forget(engine):
        raise left_in_log(engine, "its tables are taken back, but words and names of the calls stay")


def current(engine: Engine) -> str | None:
    """Return the version of a database's tables, ``None`` where it has none.

    Raises:
        VocalicsError: For a database that cannot be reached.
    """
    with _reached(engine), engine.connect() as connection:
        return _version(connection)


def newest() -> str:
    """Return the version that this release of vocalics works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def ready(engine: Engine) -> None:
    """Make sure that a database has the tables of this release: make them in an empty one.

    Raises:
        VocalicsError: For tables of another version, or that are not ours, or a database that cannot be reached.
    """
    found = current(engine)
    if found == newest():
        return
    if found is not None:
        raise VocalicsError(
            f"{shown(engine.url)}: its tables are of version {found}, expected {newest()}; vocalics calls db upgrade "
            "brings them there"
        )
    with _migrating(engine) as config:
        # Looked at behind the lock: another may have made the tables meanwhile.
        connection = config.attributes["connection"]
        if _version(connection) is None:
            taken = sorted(
                {"calls", "parties", "turns", "moments", "topics"} & set(inspect(connection).get_table_names())
            )
            if taken:
                raise VocalicsError(
                    f"{shown(engine.url)}: holds a table {taken[0]} that is not ours; choose another database"
                )
            command.upgrade(config, "head")


def _own(file: Path) -> None:
    """Make a new database the owner's alone: calls are nobody else's to read."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise VocalicsError(f"{file}: cannot be made ({error.strerror}); choose another place") from None


def _url(address: str) -> URL:
    if "://" not in address:
        return URL.create("sqlite", database=address)
    try:
        return make_url(address)
    except ArgumentError:
        raise VocalicsError("no address of a database; expected a file, sqlite:/// or postgresql://") from None


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


@contextmanager
def _reached(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise VocalicsError(f"{shown(engine.url)}: cannot be opened ({reason}); check the address") from None
    except DatabaseError as error:
        if "not a database" in str(error.orig):
            raise VocalicsError(f"{shown(engine.url)}: is no database of SQLite; choose another file") from None
        reason = " ".join(str(error.orig).split())
        raise VocalicsError(
            f"{shown(engine.url)}: cannot be used ({reason}); its user needs the right to make tables, read and write"
        ) from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


@contextmanager
def _migrating(engine: Engine) -> Iterator[Config]:
    config = _config()
    try:
        with _reached(engine), writing(engine).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            config.attributes["connection"] = connection
            yield config
    except CommandError as error:
        raise VocalicsError(f"{shown(engine.url)}: {error}; expected a version of vocalics calls db, or head") from None


def _prepared(connection: Any, _record: Any) -> None:
    """Set a new connection of SQLite up; transactions are begun by :func:`_begun`, so that they hold tables too."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    _log_ahead(cursor)
    cursor.close()


def _log_ahead(cursor: Any) -> None:
    """Turn the write-ahead log on, which stays on for the file.

    The first time takes the whole file, and for that SQLite does not wait as it does elsewhere, whatever
    ``busy_timeout`` says: of several that open a new file at once, one would be told that it is locked.
    """
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(random.uniform(0.005, 0.05))


def _begun(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
