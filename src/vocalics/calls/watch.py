"""A folder into which calls are put, analysed as they arrive."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vocalics.audio import EXTENSIONS

SETTLED_SECONDS = 1.5
"""A file is taken when its size and time have not changed for so long."""

POLL_SECONDS = 0.5
"""From one look into the folder to the next."""

RETRY_SECONDS = 30.0
"""Until a recording is taken again that is not to blame, as where the database could not be reached."""

_LEAST = 4 * 4096  # bytes: of less, next to nothing is compared
_HEADER = 4096  # bytes: some formats write into their beginning when they end


@dataclass(frozen=True)
class _State:
    size: int
    modified: int
    changed: int  # with it, a file that may be read now is another one than when it might not


class Arrivals:
    """The recordings in a folder and its sub-folders, each once, when it is complete.

    A file is one again after it was changed. Hidden files and folders are passed over, so that a copy can be made under
    such a name and then renamed.

    Args:
        folder: Where they arrive.
        settled: See ``SETTLED_SECONDS``.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settled: float = SETTLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._settled, self._clock = Path(folder), settled, clock
        self._waiting: dict[Path, tuple[_State, float]] = {}
        self._done: dict[Path, _State] = {}

    def complete(self) -> list[Path]:
        """Look into the folder; return the recordings that are new and complete, the oldest first."""
        now, found = self._clock(), self._look()
        for path in [*self._waiting, *self._done]:
            if path not in found:
                self._waiting.pop(path, None)
                self._done.pop(path, None)
        ready = []
        for path, state in found.items():
            if self._done.get(path) == state:
                continue
            known, since = self._waiting.get(path, (None, now))
            if known != state:
                self._waiting[path] = (state, now)
            elif now - since >= self._settled and state.size > 0:
                del self._waiting[path]
                self._done[path] = state
                ready.append(path)
        return sorted(ready, key=lambda path: (self._done[path].modified, path))

    def again(self, path: Path) -> None:
        """Take a recording once more, after ``RETRY_SECONDS``, though it has not changed."""
        state = self._done.pop(path, None)
        if state is not None:
            self._waiting[path] = (state, self._clock() + RETRY_SECONDS - self._settled)

    def _look(self) -> dict[Path, _State]:
        found = {}
        for place, folders, files in os.walk(self._folder):
            folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
            for name in files:
                path = Path(place, name)
                if name.startswith(".") or path.suffix.lower() not in EXTENSIONS:
                    continue
                try:
                    status = path.stat()
                except OSError:
                    continue  # it went away, or its link leads nowhere
                found[path] = _State(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found


def arrivals(seen: Arrivals, stop: threading.Event, poll: float = POLL_SECONDS) -> Iterator[Path]:
    """Yield the recordings of a folder as they arrive, until ``stop`` is set.

    Args:
        seen: The folder, which may come later.
        stop: Ends it.
        poll: See ``POLL_SECONDS``.
    """
    while not stop.is_set():
        for path in seen.complete():
            if stop.is_set():
                return
            yield path
        stop.wait(poll)


class Grown:
    """Tells a recording that has grown since it was taken from another one under its name.

    Some recorders write a call to its file now and then: what was taken for complete was its beginning. Its analysis is
    to be replaced by that of the whole.
    """

    def __init__(self) -> None:
        self._taken: dict[Path, tuple[str, int, bytes]] = {}

    def take(self, path: Path, digest: str) -> None:
        """Remember what a call was made of; of recordings that are gone nothing is kept."""
        for gone in [known for known in self._taken if not known.exists()]:
            del self._taken[gone]
        size = path.stat().st_size
        self._taken[path] = (digest, size, _inner(path, size))

    def earlier(self, path: Path) -> str | None:
        """Return the digest of the call that was made of the file's beginning, if one was."""
        digest, size, inner = self._taken.get(path, ("", 0, b""))
        if not digest or size < _LEAST or path.stat().st_size <= size or _inner(path, size) != inner:
            return None
        return digest


def _inner(path: Path, size: int) -> bytes:
    """A hash of a file up to a size, without its header; without the last block too, which may be padded."""
    known = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(min(_HEADER, size // 2))
        left = max(0, size - _HEADER) - file.tell()
        while left > 0 and (data := file.read(min(left, 1 << 20))):
            known.update(data)
            left -= len(data)
    return known.digest()
