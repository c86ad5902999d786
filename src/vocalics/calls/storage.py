"""Calls, kept: in one database, and one folder where recordings are kept too.

A call goes in, is replaced and goes out in one transaction each. A recording's copy is there before its row, and goes
when the row is as good as gone, before the transaction ends: whatever fails on the way, no sound stays behind that no
row tells of.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from vocalics.calls import database, recordings
from vocalics.calls.call import Call
from vocalics.calls.recordings import Recordings
from vocalics.calls.rows import from_row, to_row
from vocalics.calls.schema import CallRow, CallTopicRow, KeywordRow, PartyRow, TopicRow, TurnRow, called
from vocalics.errors import StorageError, VocalicsError

KEPT = ("none", "audio", "text", "all")
"""What is kept besides figures; text where nothing else is asked for."""

_MOST_NAMED = 500  # calls of one term
_MOST_TRIES = 20  # of keeping a call that others keep at the same time
_AT_A_TIME = 500  # rows in one statement: databases bound its parameters


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
        try:
            database.ready(self.engine)
            self._recordings = Recordings(self.engine.url, audio, database.identity(self.engine))
            self._recordings.sweep(self._named)
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
        """A transaction: done when the block ends, undone when it fails.

        Raises:
            StorageError: When the database fails, as where the connection to it is lost.
        """
        engine = database.writing(self.engine) if writes else self.engine
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())
            raise StorageError(f"{database.shown(self.engine.url)}: the database fails ({reason})") from None

    def put(
        self,
        call: Call,
        keep: str = "text",
        recording: str | os.PathLike[str] | None = None,
        also_known: Iterable[str] = (),
    ) -> bool:
        """Keep a call, instead of an earlier analysis of the same recording where there is one.

        Topics that an earlier analysis was in go with it: they hold its words.

        Args:
            call: What is kept.
            keep: One of ``KEPT``.
            recording: The file whose copy is kept with "audio" and "all"; the call's path where ``None``.
            also_known: Other digests of the same recording: without the key of pseudonyms, or with it.

        Returns:
            Whether there was one already.

        Raises:
            VocalicsError: For an unknown ``keep``, or a recording that is not there to be copied.
            StorageError: When the database fails, or the recording's copy does; or when the call is kept, but another
                program keeps the earlier analysis in the log.
        """
        if keep not in KEPT:
            raise VocalicsError(f'cannot keep "{keep}"; expected {", ".join(KEPT)}')
        copy = self._recordings.copied(call.digest, recording or call.path) if keep in ("audio", "all") else None
        try:
            replaced = self._kept(call, keep, None if copy is None else str(copy), {call.digest, *also_known})
        except BaseException:
            if copy:
                copy.unlink(missing_ok=True)
            raise
        if replaced and not database.forget(self.engine):
            what = f"{call.digest[:12]} is kept, but names and words of its earlier analysis stay"
            raise database.left_in_log(self.engine, what)
        return replaced

    def _kept(self, call: Call, keep: str, audio: str | None, known: Collection[str]) -> bool:
        """As ``_replaced``, again where another process kept the same recording in between."""
        for _ in range(_MOST_TRIES - 1):
            try:
                return self._replaced(call, keep, audio, known)
            except IntegrityError:  # the other one is through, so that all of them will be
                continue
        try:
            return self._replaced(call, keep, audio, known)
        except IntegrityError as error:
            raise StorageError(f"{database.shown(self.engine.url)}: the database fails ({error.orig})") from None

    def _replaced(self, call: Call, keep: str, audio: str | None, known: Collection[str]) -> bool:
        """Whether there was an earlier analysis; with it go the copies that no row names any more."""
        with self.session(writes=True) as session:
            old = session.execute(
                select(CallRow.id, CallRow.audio).where(CallRow.digest.in_(known)).with_for_update()
            ).all()
            before = [path for _, kept in old if kept is not None for path in self._recordings.places(kept)]
            self._drop(session, [i for i, _ in old])
            session.add(to_row(call, keep, audio))
            session.flush()
            # Before it is done: a copy that cannot be removed must not stay without a row that names it.
            for path in before:
                recordings.remove(path)
        return bool(old)

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
            customer: Of this one only, however the name is typed: see :func:`vocalics.calls.schema.called`.
            agent: Of this one only, likewise.
            limit: At most so many.
        """
        query: Select[Any] = select(CallRow).order_by(CallRow.started_at.desc(), CallRow.id.desc()).limit(limit)
        with self.session() as session:
            for column, name in ((CallRow.customer, customer), (CallRow.agent, agent)):
                if name is not None:
                    query = query.where(_is_one_of(session, column, [name]))
            return list(session.scalars(query.options(selectinload(CallRow.parties))))

    def audio(self, digest: str) -> Path | None:
        """Return the copy of a call's recording, ``None`` where none was kept.

        Raises:
            VocalicsError: Where there is no such call.
        """
        with self.session() as session:
            name = session.scalar(select(CallRow.audio).where(CallRow.id == self._found(session, digest)))
        return self._recordings.found(name) if name is not None else None

    def delete(
        self,
        digests: Iterable[str] = (),
        customers: Iterable[str] = (),
        before: datetime | None = None,
        missing: Callable[[str], None] | None = None,
    ) -> int:
        """Delete calls with all that belongs to them, recordings too; topics, which hold their words, go as well.

        Args:
            digests: Of calls, or the beginnings of them.
            customers: All calls of each, as names or pseudonyms; however a name is typed.
            before: All calls that began before; of those customers only, where some are named.
            missing: Called with the path of each kept recording that is not where it was put.

        Returns:
            How many calls are gone.

        Raises:
            VocalicsError: Where there is no such call, or a recording cannot be deleted.
            StorageError: When the calls are deleted, but another program keeps the log from being emptied.
        """
        names = list(customers)
        with self.session(writes=True) as session:
            named = [self._found(session, digest) for digest in digests]
            # A term for each would be too deep for SQLite.
            which: list[ColumnElement[bool]] = [
                CallRow.id.in_(named[i : i + _MOST_NAMED]) for i in range(0, len(named), _MOST_NAMED)
            ]
            asked: list[ColumnElement[bool]] = [_is_one_of(session, CallRow.customer, names)] if names else []
            if before is not None:
                asked.append(CallRow.started_at < before)
            if asked:
                which.append(and_(*asked))
            if not which:
                return 0
            # For update: a fit of topics that is about to write waits, or is waited for.
            query = select(CallRow.id, CallRow.audio).where(or_(*which)).order_by(CallRow.id).with_for_update()
            rows = session.execute(query).all()
            places = [(kept, self._recordings.places(kept)) for _, kept in rows if kept is not None]
            self._drop(session, [i for i, _ in rows])
            for kept, paths in places:
                n_gone = sum(recordings.remove(path) for path in paths)
                if not n_gone and missing is not None:
                    missing(kept)
        if not database.forget(self.engine):
            raise database.left_in_log(self.engine, f"{len(rows)} deleted, but their words stay")
        return len(rows)

    def copies(self) -> list[Path]:
        """Return the copies of recordings that the database names and that are there."""
        found = map(self._recordings.found, self._named())
        return [path for path in found if path is not None]

    def _named(self) -> list[str]:
        """What the rows hold of kept recordings."""
        with self.session() as session:
            return [kept for kept in session.scalars(select(CallRow.audio)) if kept is not None]

    def _drop(self, session: Session, ids: Sequence[int]) -> None:
        """Delete calls by number; what hangs on them goes by the database's own rule, topics with their words too."""
        for first in range(0, len(ids), _AT_A_TIME):
            some = ids[first : first + _AT_A_TIME]
            if session.scalar(select(CallTopicRow.call_id).where(CallTopicRow.call_id.in_(some)).limit(1)) is not None:
                session.execute(delete(TopicRow))
            session.execute(delete(CallRow).where(CallRow.id.in_(some)))
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


def _is_one_of(
    session: Session, column: InstrumentedAttribute[str | None], names: Iterable[str]
) -> ColumnElement[bool]:
    """Whether a column holds one of these names, in whatever form: earlier releases kept them as they were typed."""
    wanted = {called(name) for name in names}
    held = session.scalars(select(column).where(column.is_not(None)).distinct())
    return column.in_([name for name in held if name is not None and called(name) in wanted])


_WHOLE = [
    selectinload(CallRow.parties).selectinload(PartyRow.emotions),
    selectinload(CallRow.parties).selectinload(PartyRow.track),
    selectinload(CallRow.turns).selectinload(TurnRow.party),
    selectinload(CallRow.moments),
    selectinload(CallRow.keywords).selectinload(KeywordRow.turn),
]
