"""How far a batch is, while it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from vocalics.batch.job import Input, Report


@dataclass(frozen=True)
class Status:
    """How far a batch is.

    Attributes:
        n_inputs: All that are to be done in this run.
        n_done: How many of them are, failures included.
        n_failed: How many of those failed, as far as they are committed.
        sound_seconds: Length of the sound that was judged in this run.
        seconds: Since the run's work began.
        share: Of the work that is done, 0 to 1: by bytes where all sizes are known, else by number.
    """

    n_inputs: int
    n_done: int = 0
    n_failed: int = 0
    sound_seconds: float = 0.0
    seconds: float = 0.0
    share: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will take from now on, at the rate so far; ``None`` where that cannot be told yet."""
        return self.seconds * (1 - self.share) / self.share if self.share > 0 else None


class Tally:
    """Counts what is done, and what is done but not committed.

    Args:
        inputs: All that are to be done.
    """

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._n_inputs = len(inputs)
        sizes = [item.size for item in inputs]
        self._n_bytes = sum(s for s in sizes if s is not None) if None not in sizes else 0
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._under_way: dict[int, tuple[int, float]] = {}
        self.total = Report()

    def add(self, report: Report | None) -> None:
        """Count a block that is committed."""
        if report is not None:
            self.total += report

    def under_way(self, worker: int, n_inputs: int, sound_seconds: float) -> None:
        """Note how far a worker is in its block."""
        with self._lock:
            self._under_way[worker] = (n_inputs, sound_seconds)

    def status(self) -> Status:
        """Return how far the batch is."""
        with self._lock:
            begun = list(self._under_way.values())
        n_done = min(self._n_inputs, self.total.n_inputs + sum(n for n, _ in begun))
        share = n_done / self._n_inputs if self._n_inputs else 1.0
        if self._n_bytes and self.total.n_inputs:
            # The bytes of what is under way are not known one by one: each counts as an average one.
            share = self.total.n_bytes / self._n_bytes + (n_done - self.total.n_inputs) / self._n_inputs
        return Status(
            self._n_inputs,
            n_done,
            self.total.n_failed,
            self.total.sound_seconds + sum(s for _, s in begun),
            time.monotonic() - self._began,
            min(share, 1.0),
        )
