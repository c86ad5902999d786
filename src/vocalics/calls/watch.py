"""A folder into which calls are put, analysed as they arrive."""

from __future__ import annotations

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


@dataclass(frozen=True)
class _State:
    size: int
    modified: int


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
                found[path] = _State(status.st_size, status.st_mtime_ns)
        return found


def arrivals(
    folder: str | os.PathLike[str],
    stop: threading.Event,
    settled: float = SETTLED_SECONDS,
    poll: float = POLL_SECONDS,
) -> Iterator[Path]:
    """Yield the recordings of a folder as they arrive, until ``stop`` is set.

    Args:
        folder: Where they arrive; it may come later.
        stop: Ends it.
        settled: See ``SETTLED_SECONDS``.
        poll: See ``POLL_SECONDS``.
    """
    seen = Arrivals(folder, settled)
    while not stop.is_set():
        for path in seen.complete():
            if stop.is_set():
                return
            yield path
        stop.wait(poll)
