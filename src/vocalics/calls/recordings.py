"""Copies of recordings that are kept beside a database of calls.

A copy is named by the call's digest, the database's and chance, never by anything that a user wrote. A call's row holds
the copy's whole path, so that it is found, and deleted, whatever folder is named later.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy.engine import URL

from vocalics.audio import EXTENSIONS
from vocalics.errors import StorageError, VocalicsError
from vocalics.files import replacing

ORPHAN_SECONDS = 3600.0
"""What no row names for so long was left by a run that was killed."""

_COPY = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{12}(\.[0-9a-f]{8})?\.[0-9a-z]+")


class Recordings:
    """The copies of one database.

    Args:
        url: Of the database.
        folder: Where new copies go; beside SQLite's file, ``calls-audio`` for ``calls.db``, where ``None``.
        identity: What tells the database from one that was or will be at the same address; empty where only its
            address does.
    """

    def __init__(self, url: URL, folder: str | os.PathLike[str] | None = None, identity: str = "") -> None:
        self.folder = Path(folder).absolute() if folder is not None else _folder(url)
        self._owner = _owner(url, identity)

    def copied(self, digest: str, recording: str | os.PathLike[str]) -> Path:
        """Copy a recording; return where to.

        Raises:
            VocalicsError: Where no folder is known, or the recording is not there.
            StorageError: When the copy cannot be made: the recording is not to blame, and can be kept later.
        """
        ending = Path(recording).suffix.lower()
        name = f"{digest}.{self._owner}.{secrets.token_hex(4)}{ending if ending in EXTENSIONS else '.audio'}"
        target = self._in_folder(name)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The owner's alone from its first byte on; a part's name begins as its file's does, so that it is swept.
            with replacing(target, mode=0o600) as part, part.open("wb") as to, Path(recording).open("rb") as source:
                shutil.copyfileobj(source, to)
        except OSError as error:
            kind = StorageError if Path(recording).is_file() else VocalicsError
            raise kind(f"{recording}: no copy can be kept ({error.strerror or error}); see --audio") from None
        return target

    def places(self, kept: str) -> list[Path]:
        """Return where a copy can lie: where it was put, and in today's folder, should that have been moved.

        Args:
            kept: What the call's row holds: a path; older rows hold a name.

        Raises:
            VocalicsError: For a name where no folder is known.
        """
        name = Path(kept).name
        if not _COPY.fullmatch(name):  # nothing of ours, whoever wrote it into the row
            return []
        if not Path(kept).is_absolute():
            return [self._in_folder(name)]
        own = [self.folder / name] if self.folder is not None else []
        return list(dict.fromkeys([Path(kept), *own]))

    def found(self, kept: str) -> Path | None:
        """Return a copy's path, ``None`` where it is nowhere."""
        return next((path for path in self.places(kept) if path.is_file()), None)

    def sweep(self, named: Callable[[], Iterable[str]]) -> None:
        """Take away what a run that was killed left in the folder.

        Another database's copies may lie there too, and stay: this one does not know which of them are wanted.

        Args:
            named: Returns what the rows of this database hold; not asked where nothing lies there for long enough.
        """
        if not (old := self._old()):
            return
        wanted, ours = {Path(kept).name for kept in named()}, re.compile(rf"\.?[0-9a-f]{{64}}\.{self._owner}\.")
        for path in old:
            if path.name not in wanted and ours.match(path.name):
                path.unlink(missing_ok=True)

    def _old(self) -> list[Path]:
        if self.folder is None or not self.folder.is_dir():
            return []
        now = time.time()
        return [p for p in self.folder.iterdir() if p.is_file() and now - p.stat().st_mtime > ORPHAN_SECONDS]

    def _in_folder(self, name: str) -> Path:
        if self.folder is None:
            raise VocalicsError("recordings need a folder beside PostgreSQL; name one (--audio FOLDER)")
        return self.folder / name


def remove(path: Path) -> bool:
    """Delete a copy; return whether it was there.

    Raises:
        VocalicsError: When it is there and cannot be deleted.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise VocalicsError(
            f"{path}: the kept recording cannot be deleted ({error.strerror}); see its folder"
        ) from None
    return True


def _owner(url: URL, identity: str) -> str:
    """Twelve hexadecimal digits that tell a database from others: of its own, or of its address without password."""
    if identity:
        return hashlib.sha256(f"calls {identity}".encode()).hexdigest()[:12]
    server = {key: value for key, value in url.query.items() if key in ("host", "port", "service", "options")}
    known = url.set(password=None, query=server)
    if known.database and known.get_backend_name() == "sqlite":
        known = known.set(database=str(Path(known.database).resolve()))
    return hashlib.sha256(known.render_as_string().encode()).hexdigest()[:12]


def _folder(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    file = Path(url.database).absolute()
    return file.with_name(f"{file.stem}-audio")
