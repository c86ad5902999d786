"""Calls, kept: in one database, and one folder where recordings are kept too.

A call goes in, is replaced and goes out in one transaction each. A recording's copy is named by the call's digest and
the database's, never by anything that a user wrote; it is taken away before its row is, so that whatever goes wrong on
the way, no sound stays behind that no row tells of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, delete, or_, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from vocalics.audio import EXTENSIONS
from vocalics.calls import database
from vocalics.calls.call import Call
from vocalics.calls.rows import from_row, to_row
from vocalics.calls.schema import CallRow, CallTopicRow, KeywordRow, PartyRow, TopicRow, TurnRow, written
from vocalics.errors import VocalicsError

KEPT = ("none", "audio", "text", "all")
"""What is kept besides figures; text where nothing else is asked for."""

_MOST_TRIES = 20  # of keeping a call that others keep at the same time
_ORPHAN_SECONDS = 3600.0  # what no row names for so long, was left by a run that was killed


class Storage:
    """Calls in a database; it gets its tables where it has none.

    Args:
        address: See :func:`vocalics.calls.database.connect`.
        audio: The folder of recordings; beside SQLite's file, ``calls-audio`` for ``calls.db``, where ``None``.

    Raises:
        VocalicsError: When the database cannot be reached, or has tables of another version.
        MissingExtraError: Where PostgreSQL's driver is not installed.
    """

    def __init__(self, address: str = database.DEFAULT, audio: str | os.PathLike[str] | None = None) -> None:
        self.engine = database.connect(address)
        self._audio = Path(audio) if audio is not None else _folder(self.engine.url)
        try:
            database.ready(self.engine)
            self._sweep()
        except BaseException:
            self.engine.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    @contextmanager
    def session(self, writes: bool = False) -> Iterator[Session]:
        """A transaction: done when the block ends, undone when it fails."""
        engine = database.writing(self.engine) if writes else self.engine
        with Session(engine) as session, session.begin():
            yield session

    def put(self, call: Call, keep: str = "text", recording: str | os.PathLike[str] | None = None) -> bool:
        """Keep a call, instead of an earlier analysis of the same recording where there is one.

        Args:
            call: What is kept.
            keep: One of ``KEPT``.
            recording: The file whose copy is kept with "audio" and "all"; the call's path where ``None``.

        Returns:
            Whether there was one already.

        Raises:
            VocalicsError: For an unknown ``keep``, or a recording that cannot be copied.
        """
        if keep not in KEPT:
            raise VocalicsError(f'cannot keep "{keep}"; expected {", ".join(KEPT)}')
        copy = self._copied(call, recording or call.path) if keep in ("audio", "all") else None
        name = copy.name if copy else None
        try:
            replaced, before = self._kept(call, keep, name)
        except BaseException:
            if copy:
                copy.unlink(missing_ok=True)
            raise
        if before is not None and before != name:
            self._path(before).unlink(missing_ok=True)
        return replaced

    def _kept(self, call: Call, keep: str, audio: str | None) -> tuple[bool, str | None]:
        """As ``_replaced``, again where another process kept the same recording in between."""
        for _ in range(_MOST_TRIES - 1):
            try:
                return self._replaced(call, keep, audio)
            except IntegrityError:  # the other one is through, so that all of them will be
                continue
        return self._replaced(call, keep, audio)

    def _replaced(self, call: Call, keep: str, audio: str | None) -> tuple[bool, str | None]:
        with self.session(writes=True) as session:
            old = session.scalars(select(CallRow).where(CallRow.digest == call.digest).with_for_update()).first()
            before = old.audio if old is not None else None
            if old is not None:
                self._drop(session, [old.id])
            session.add(to_row(call, keep, audio))
        return old is not None, before

    def get(self, digest: str) -> Call:
        """Return a call by its digest, or the beginning of it.

        Raises:
            VocalicsError: Where there is none, or several begin so.
        """
        with self.session() as session:
            return from_row(session.get_one(CallRow, self._found(session, digest), options=_WHOLE))

    def has(self, digest: str) -> bool:
        """Whether a recording was analysed and kept."""
        with self.session() as session:
            return session.scalar(select(CallRow.id).where(CallRow.digest == digest)) is not None

    def calls(self, customer: str | None = None, agent: str | None = None, limit: int | None = None) -> list[CallRow]:
        """Return calls, the latest first, with their parties and without their turns.

        Args:
            customer: Of this one only.
            agent: Of this one only.
            limit: At most so many.
        """
        query: Select[Any] = select(CallRow).order_by(CallRow.started_at.desc(), CallRow.id.desc()).limit(limit)
        for column, name in ((CallRow.customer, customer), (CallRow.agent, agent)):
            if name is not None:
                query = query.where(column == written(name))
        with Session(self.engine, expire_on_commit=False) as session:
            return list(session.scalars(query.options(selectinload(CallRow.parties))))

    def audio(self, digest: str) -> Path | None:
        """Return the copy of a call's recording, ``None`` where none was kept.

        Raises:
            VocalicsError: Where there is no such call.
        """
        with self.session() as session:
            name = session.scalar(select(CallRow.audio).where(CallRow.id == self._found(session, digest)))
        return self._path(name) if name is not None and self._path(name).is_file() else None

    def delete(self, digests: Iterable[str] = (), customers: Iterable[str] = (), before: datetime | None = None) -> int:
        """Delete calls with all that belongs to them, recordings too; topics, which hold their words, go as well.

        Args:
            digests: Of calls, or the beginnings of them.
            customers: All calls of each, as names or pseudonyms.
            before: All calls that began before.

        Returns:
            How many calls are gone.

        Raises:
            VocalicsError: Where there is no such call, or a recording cannot be deleted.
        """
        names = [written(customer) for customer in customers]
        with self.session(writes=True) as session:
            which: list[ColumnElement[bool]] = [CallRow.id == self._found(session, digest) for digest in digests]
            if names:
                which.append(CallRow.customer.in_(names))
            if before is not None:
                which.append(CallRow.started_at < before)
            if not which:
                return 0
            rows = session.execute(select(CallRow.id, CallRow.audio).where(or_(*which))).all()
            for _, name in rows:
                if name is not None:
                    self._path(name).unlink(missing_ok=True)
            if rows and session.scalar(
                select(CallTopicRow.call_id).where(CallTopicRow.call_id.in_(i for i, _ in rows))
            ):
                session.execute(delete(TopicRow))
            self._drop(session, [i for i, _ in rows])
        database.forget(self.engine)
        return len(rows)

    def _drop(self, session: Session, ids: list[int]) -> None:
        """Delete calls by number; what hangs on them goes by the database's own rule."""
        session.execute(delete(CallRow).where(CallRow.id.in_(ids)))
        session.expunge_all()

    def _found(self, session: Session, digest: str) -> int:
        start = digest.strip().lower()
        if not start or any(c not in "0123456789abcdef" for c in start):
            raise VocalicsError(f'"{digest[:80]}" is no digest of a call; vocalics calls list tells them')
        ids = session.scalars(select(CallRow.id).where(CallRow.digest.startswith(start)).limit(2)).all()
        if len(ids) != 1:
            what = "no call begins so" if not ids else "several calls begin so, give more of it"
            raise VocalicsError(f"{digest}: {what}; vocalics calls list tells them")
        return ids[0]

    def _copied(self, call: Call, recording: str | os.PathLike[str]) -> Path:
        ending = Path(recording).suffix.lower()
        target = self._path(f"{call.digest}.{self._owner()}{ending if ending in EXTENSIONS else '.audio'}")
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copyfile(recording, partial)
                partial.chmod(0o600)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise VocalicsError(f"{recording}: no copy can be kept ({error.strerror}); see --audio") from None
        return target

    def _path(self, name: str) -> Path:
        if self._audio is None:
            raise VocalicsError("recordings need a folder beside PostgreSQL; name one (--audio FOLDER)")
        return self._audio / Path(name).name

    def _owner(self) -> str:
        """Twelve hexadecimal digits that tell this database from others: of its address, without the password."""
        url = self.engine.url.set(password=None, query={})
        if url.database and url.get_backend_name() == "sqlite":
            url = url.set(database=str(Path(url.database).resolve()))
        return hashlib.sha256(url.render_as_string().encode()).hexdigest()[:12]

    def _sweep(self) -> None:
        """Take away what a run that was killed left in the folder of recordings.

        Another database's recordings may lie there too, and stay: this one does not know which of them are wanted.
        """
        if self._audio is None or not self._audio.is_dir():
            return
        old = [p for p in self._audio.iterdir() if p.is_file() and time.time() - p.stat().st_mtime > _ORPHAN_SECONDS]
        if old:
            ours = re.compile(rf"\.?[0-9a-f]{{64}}\.{self._owner()}\.")
            with self.session() as session:
                named = set(session.scalars(select(CallRow.audio).where(CallRow.audio.is_not(None))))
            for path in old:
                if path.name not in named and ours.match(path.name):
                    path.unlink(missing_ok=True)


_WHOLE = [
    selectinload(CallRow.parties).selectinload(PartyRow.emotions),
    selectinload(CallRow.parties).selectinload(PartyRow.track),
    selectinload(CallRow.turns).selectinload(TurnRow.party),
    selectinload(CallRow.moments),
    selectinload(CallRow.keywords).selectinload(KeywordRow.turn),
]


def _folder(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    file = Path(url.database)
    return file.with_name(f"{file.stem}-audio")
