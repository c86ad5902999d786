"""Databases to keep calls in, of both kinds, a model that takes no time, and calls made of voices."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from loud import loud as loud
from loud import recognizer as recognizer
from loud import talk

sys.path.insert(0, str(Path(__file__).parent))

from made import RATE

for library in ("sqlalchemy", "alembic"):
    pytest.importorskip(library, reason="needs the extra calls")


@pytest.fixture(scope="session")
def made_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds: the agent (left) and the customer speak in turn, three and two times; then twelve of silence."""
    left = talk(RATE, (0, 0.5), (110, 1.5), (0, 2), (150, 1.5), (0, 2.5), (110, 2), (0, 14))
    right = talk(RATE, (0, 2.3), (700, 1.4), (0, 2.3), (200, 1.6), (0, 16.4))
    path = tmp_path_factory.mktemp("made") / "a call.flac"
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a PostgreSQL server of its own, without a database's name."""
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine; install Debian's package postgresql")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="calls-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)

    def do(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments], check=True, user=user, cwd="/", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=120, extra_groups=[] if user else None,
        )  # fmt: skip

    try:
        do("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        do(
            "pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o",
            f"-c listen_addresses= -k {folder} -c fsync=off -c full_page_writes=off", "start",
        )  # fmt: skip
        try:
            yield f"postgresql://postgres@/{{}}?host={folder}"
        finally:
            do("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return known[-1].parent if known else None


def _unprivileged() -> str | None:
    """Who runs the server: PostgreSQL refuses root."""
    import os
    import pwd

    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@pytest.fixture
def postgres(server: str) -> Iterator[str]:
    """The address of an empty database of PostgreSQL."""
    import psycopg

    name = f"calls_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.format(name)
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "calls.db")
    found: str = request.getfixturevalue("postgres")
    return found
