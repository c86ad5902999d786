"""A stream of sound cut into windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vocalics.audio import Clip, Samples
from vocalics.errors import UsageError


class Windows:
    """Cuts a stream of samples into windows; what comes out depends on the samples only, not on how they are fed.

    Window k starts at k hops. It is as long as a window, but the last one takes in a rest of less than half a window,
    or is itself between half a window and a whole one. Nothing is cut while the stream may still end within ``whole``
    seconds: it then comes out in one piece.
    """

    def __init__(self, window: float, hop: float, sample_rate: int, whole: float = 0.0) -> None:
        if not 0.25 <= window < float("inf"):
            raise UsageError(f"a window of {window:g} s is too short to judge; expected at least 0.25 s")
        if not 0 < hop <= window or round(hop * sample_rate) < 1:
            raise UsageError(f"a hop of {hop:g} s leaves gaps or stands still; expected above 0, at most {window:g} s")
        self._window, self._hop = round(window * sample_rate), round(hop * sample_rate)
        self._whole = round(max(whole, window if whole else 0) * sample_rate)
        self._rate = sample_rate
        # Cut only when the rest is long enough for a window of its own.
        self._needed = max(self._window, self._hop + (self._window + 1) // 2)
        self._start, self._held = 0, np.zeros(0, np.float32)
        self._pieces: list[Samples] = []
        self._n_pieces = 0

    @property
    def longest(self) -> float:
        """Seconds that a window may last, the last one with the rest that it takes in."""
        return max(self._window, self._needed - 1, self._whole) / self._rate

    def feed(self, samples: Samples) -> Iterator[tuple[int, Samples]]:
        """Take samples in; yield the windows that are complete, each with its first sample's position."""
        self._pieces.append(samples)
        self._n_pieces += len(samples)
        n_held = len(self._held) + self._n_pieces
        if n_held < self._needed or (self._start == 0 and n_held <= self._whole):
            return
        self._join()
        while len(self._held) >= self._needed:
            yield self._start, self._held[: self._window]
            self._start, self._held = self._start + self._hop, self._held[self._hop :]

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yield what is left, unless earlier windows hold all of it."""
        self._join()
        if self._start == 0 or len(self._held) > self._window - self._hop:
            yield self._start, self._held

    def _join(self) -> None:
        """Put the pieces behind what is held: once per window, however small they are."""
        self._held = np.concatenate([self._held, *self._pieces])
        self._pieces, self._n_pieces = [], 0


def cut(windows: Windows, blocks: Iterator[Clip]) -> Iterator[tuple[int, Samples]]:
    """Yield the windows of a recording that comes in blocks, each with its first sample's position."""
    for block in blocks:
        yield from windows.feed(block.samples)
    yield from windows.flush()
