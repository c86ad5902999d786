"""The tables are those of the schema, up and down, on both databases."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import made
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Engine, Integer, MetaData, Table, inspect, select, update

from vocalics.calls import database
from vocalics.calls.schema import Base
from vocalics.calls.storage import Storage
from vocalics.errors import VocalicsError

TABLES = {*Base.metadata.tables}


def test_migrations_make_the_schema_and_take_it_away(address: str) -> None:
    engine = database.connect(address)
    try:
        assert database.current(engine) is None
        database.upgrade(engine)
        assert database.current(engine) == database.newest()
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": database.VERSION_TABLE})
            assert compare_metadata(context, Base.metadata) == []
        assert {*inspect(engine).get_table_names()} == TABLES | {database.VERSION_TABLE} and len(TABLES) == 9
        database.upgrade(engine)
        database.downgrade(engine, "base")
        assert {*inspect(engine).get_table_names()} == {database.VERSION_TABLE} and database.current(engine) is None
        database.upgrade(engine)
        assert {*inspect(engine).get_table_names()} > TABLES
        with pytest.raises(VocalicsError, match="no-such"):
            database.upgrade(engine, "no-such")
        with pytest.raises(VocalicsError, match="expected a version of vocalics calls db"):
            database.downgrade(engine, "-7")
    finally:
        engine.dispose()


def test_every_foreign_key_and_question_has_an_index() -> None:
    for table in Base.metadata.tables.values():
        first = {index.columns.keys()[0] for index in table.indexes} | {table.primary_key.columns.keys()[0]}
        assert {column.name for column in table.columns if column.foreign_keys} <= first, table.name
    questions = {"calls": {"agent", "customer", "started_at"}, "parties": {"role"}, "party_emotions": {"emotion"}}
    for name, columns in questions.items():
        assert columns <= {index.columns.keys()[0] for index in Base.metadata.tables[name].indexes}


def test_a_fresh_database_gets_its_tables_whoever_comes_first(address: str) -> None:
    faults: list[BaseException] = []

    def work(i: int) -> None:
        try:
            with Storage(address) as storage:
                storage.put(made.call(f"call {i}"))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with Storage(address) as storage:
        assert len(storage.calls()) == 4


def test_a_file_that_another_writes_is_waited_for(tmp_path: Path) -> None:
    # Turning the write-ahead log on fails at once beside a writer; four that open a new file met that now and then.
    file = tmp_path / "calls.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.close)
    timer.start()
    with Storage(str(file)) as storage:
        storage.put(made.call("call"))
        assert len(storage.calls()) == 1
    assert not timer.is_alive()


def test_a_file_that_stays_locked_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_WAIT_S", 0.1)
    file = tmp_path / "calls.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(VocalicsError, match=r"calls.db: cannot be opened \(database is locked\)"):
            Storage(str(file))


def test_tables_that_another_makes_meanwhile_are_ours(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, found = database.connect(address), database.current

    def current(engine: Engine) -> str | None:
        monkeypatch.undo()
        version = found(engine)
        Storage(address).close()  # another comes first, right after we looked
        return version

    monkeypatch.setattr(database, "current", current)
    database.ready(engine)
    assert database.current(engine) == database.newest()
    engine.dispose()


def test_tables_of_another_version_are_refused(address: str) -> None:
    with Storage(address) as storage:
        table = Table(database.VERSION_TABLE, MetaData(), autoload_with=storage.engine)
        with storage.engine.begin() as connection:
            connection.execute(update(table).values(version_num="9999"))
    with pytest.raises(VocalicsError, match="its tables are of version 9999, expected 0001; vocalics calls db upgrade"):
        Storage(address)


def test_tables_that_are_not_ours_are_left_alone(address: str) -> None:
    engine, other = database.connect(address), MetaData()
    Table("turns", other, Column("x", Integer))
    other.create_all(engine)
    engine.dispose()
    with pytest.raises(VocalicsError, match="holds a table turns that is not ours; choose another database"):
        Storage(address)


def test_sqlite_holds_its_rules_and_is_the_owners(tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage, storage.engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "journal_mode", "secure_delete")
        }
    assert told == {"foreign_keys": 1, "journal_mode": "wal", "secure_delete": 1}
    assert stat.S_IMODE((tmp_path / "calls.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://x/y", "calls are not kept in mysql; expected a file, sqlite:/// or postgresql://"),
        ("nonsense://", "no address of a database|calls are not kept in nonsense"),
        ("://", "no address of a database; expected a file"),
        ("sqlite+nonsense:///x.db", "has no driver here"),
        ("/no/such/folder/calls.db", "there is no folder /no/such/folder; make it first"),
    ],
)
def test_addresses_that_are_none_are_told(address: str, words: str) -> None:
    with pytest.raises(VocalicsError, match=words):
        Storage(address)


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///file:u.db?uri=true", "sqlite:///u.db?uri=true", "sqlite:///FILE:u.db", "file:u.db",
        "sqlite+pysqlite:///file:u.db?mode=rwc&uri=1", "sqlite:///file%3Au.db?uri=true",
    ],
)  # fmt: skip
def test_an_address_that_only_sqlite_understands_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VocalicsError, match=r"is an address in SQLite's own way .*; expected the file's path") as told:
        Storage(address)
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []
    with Storage("sqlite:///u.db"):
        assert stat.S_IMODE((tmp_path / "u.db").stat().st_mode) == 0o600


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    with pytest.raises(VocalicsError, match="cannot be opened") as fault:
        Storage("postgresql://me:s3cret@127.0.0.1:1/calls?connect_timeout=2")
    assert "s3cret" not in str(fault.value) and "127.0.0.1" in str(fault.value)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(VocalicsError, match="is no database of SQLite; choose another file"):
        Storage(str(tmp_path / "calls.db"))


def test_another_program_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "odd ' name % \U0001f600.db"
    with Storage(str(path)) as storage:
        storage.put(made.call())
        with storage.session() as session:
            assert len(session.execute(select(Base.metadata.tables["calls"].c.digest)).all()) == 1
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT agent, started_at FROM calls").fetchall() == [
        ("Bob", "2026-03-31 14:05:00.000000")
    ]
    connection.close()
