"""A recording of any length, judged from beginning to end.

It is read several times, block by block: once for its levels, twice to find where somebody speaks, once for the
windows and once for the segments, of every channel. Memory holds what was found and no more than a few seconds of sound
(and the file itself, where its bytes are given).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.audio import Clip, Samples
from vocalics.errors import AudioError, MissingExtraError
from vocalics.recognizer import WHOLE_SECONDS, Follower, Prediction, Recognizer
from vocalics.segment import cut, utterances
from vocalics.timeline.recording import ENVELOPE_SECONDS, ENVELOPE_VALUES, Channel, Timeline

Source = str | os.PathLike[str] | bytes
Progress = Callable[[float], None]

MOST_CHANNELS = 8
"""A recording with more channels is judged as a whole only."""

LONGEST_SECONDS = WHOLE_SECONDS
"""A longer segment is divided: so long is what goes through the model in one piece."""

_FOUND, _HEARD = 0.35, 0.7  # of a channel's work: segments found; and windows judged


def build(
    recognizer: Recognizer,
    source: Source,
    window: float | None = None,
    hop: float | None = None,
    mix: bool = False,
    progress: Progress | None = None,
    only: Collection[str] | None = None,
    adapt: bool = False,
) -> Timeline:
    """Judge a recording by segments and by windows, each channel by itself.

    A segment's prediction is that of :meth:`Recognizer.predict` for its sound, and the windows are those of
    :meth:`Recognizer.timeline`. A channel that is the same as one before it, to the last bit, is left out: a recording
    of one voice on both sides is "mono".

    Args:
        recognizer: Judges.
        source: The path of a recording, or the bytes of one.
        window: Length of a window in seconds; the card's where ``None``.
        hop: From window to window in seconds; the card's where ``None``.
        mix: Average the channels and judge them as one.
        progress: Called with the share of the work that is done, 0 to 1, rising.
        only: Names of the channels that are judged; ``None`` judges all, and so do names of none of them.
        adapt: Get used to the voice of each channel: a window is judged with what those before it told of it, a segment
            with what all windows told.

    Raises:
        AudioError: When the source is not usable sound, or has more than ``MOST_CHANNELS`` channels and no ``mix``.
        MissingExtraError: Where the detector of voice activity is not installed.
        VocalicsError: For a window or hop as in :meth:`Recognizer.timeline`, or a model that gets used to no voice.
    """
    recognizer.windows(window, hop)
    if adapt:
        recognizer.follow()  # a model that gets used to no voice is told before anything is read
    name = "-" if isinstance(source, bytes) else os.fspath(source)
    if not isinstance(source, bytes) and Path(source).is_fifo():
        source = Path(source).read_bytes()  # a pipe can be read once
    rate = audio.layout(source).sample_rate
    chosen: dict[str, int | None] = (
        {"mono": None} if mix else _channels(source, name, partial(_part(progress, 0, 1), 0.0))
    )
    chosen = {label: c for label, c in chosen.items() if only is None or label in only} or chosen
    channels: list[Channel] = []
    duration = 0.0
    for i, (label, channel) in enumerate(chosen.items()):
        work = _Channel(recognizer, source, name, channel, rate, _part(progress, i, len(chosen)), adapt)
        found, duration = work.judged(label, window, hop)
        channels.append(found)
    return Timeline(name, duration, rate, recognizer.card.name, recognizer.emotions, tuple(channels))


def _channels(source: Source, name: str, check: Callable[[], None]) -> dict[str, int | None]:
    """The channels to be judged, by name; none twice."""
    n = audio.layout(source).n_channels
    if n > MOST_CHANNELS:
        raise AudioError(f"{name}: has {n} channels; expected at most {MOST_CHANNELS}, or mix them into one (--mix)")
    own = _distinct(source, n, check)
    if len(own) == 1:
        return {"mono": own[0]}
    return {("left", "right")[c] if n == 2 else f"channel {c + 1}": c for c in own}


def _distinct(source: Source, n: int, check: Callable[[], None]) -> list[int]:
    """Channels of which none holds the same samples as one before; reads no further than that is known."""
    alike = {(one, other) for other in range(n) for one in range(other)}
    if alike:
        for frames in audio.frames(source):
            check()
            alike = {(one, other) for one, other in alike if np.array_equal(frames[:, one], frames[:, other])}
            if not alike:
                break
    return [c for c in range(n) if not any((one, c) in alike for one in range(c))]


def _part(progress: Progress | None, i: int, n: int) -> Progress:
    if progress is None:
        return lambda _share: None
    return lambda share: progress((i + min(max(share, 0.0), 1.0)) / n)


@dataclasses.dataclass(frozen=True)
class _Channel:
    """One channel on its way: ``channel`` counts from 0, or is ``None`` for the average."""

    recognizer: Recognizer
    source: Source
    name: str
    channel: int | None
    sample_rate: int
    progress: Progress
    adapt: bool

    def judged(self, label: str, window: float | None, hop: float | None) -> tuple[Channel, float]:
        """The channel, and the recording's length in seconds."""
        envelope = _Envelope(self.sample_rate)
        for block in audio.stream(self.source, channel=self.channel):
            envelope.feed(block.samples)
            self.progress(0.0)
        duration = envelope.duration
        try:
            spans = utterances(
                self.source, longest=LONGEST_SECONDS, channel=self.channel, check=partial(self.progress, 0.0)
            )
        except MissingExtraError:
            raise MissingExtraError("finding where somebody speaks", "timeline") from None
        spans = [(start, min(end, duration)) for start, end in spans if start < duration]
        self.progress(_FOUND)
        windows, follower = [], self.recognizer.follow() if self.adapt else None
        for prediction in self._windows(window, hop, follower):
            windows.append(prediction)
            self.progress(_FOUND + (_HEARD - _FOUND) * prediction.end / duration)
        knowing = self.recognizer if follower is None else dataclasses.replace(self.recognizer, voice=follower.voice)
        segments = []
        for (start, end), clip in zip(spans, cut(self.source, spans, channel=self.channel), strict=True):
            judged = knowing.predict(clip)
            segments.append(dataclasses.replace(judged, path=self.name, start=start, end=end))
            self.progress(_HEARD + (1 - _HEARD) * end / duration)
        self.progress(1.0)
        return Channel(label, tuple(segments), tuple(windows), *envelope.drawn()), duration

    def _windows(self, window: float | None, hop: float | None, follower: Follower | None) -> Iterator[Prediction]:
        cutter, rate = self.recognizer.windows(window, hop), self.recognizer.card.sample_rate
        judge = self.recognizer.judge_window if follower is None else follower.judge
        for block in audio.stream(self.source, rate, channel=self.channel):
            for start, samples in cutter.feed(block.samples):
                yield judge(start, Clip(samples, rate), self.name)
        for start, samples in cutter.flush():
            yield judge(start, Clip(samples, rate), self.name)


class _Envelope:
    """Peak levels of a stream in steps of equal length; they depend on the samples only, not on how they are fed."""

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._size = sample_rate, round(ENVELOPE_SECONDS * sample_rate)
        self._peaks: list[npt.NDArray[np.float32]] = []
        self._rest = np.zeros(0, np.float32)
        self._n_samples = 0

    def feed(self, samples: Samples) -> None:
        """Take the next samples in."""
        self._n_samples += len(samples)
        levels = np.concatenate([self._rest, np.abs(samples)])
        n = len(levels) // self._size * self._size
        self._peaks.append(levels[:n].reshape(-1, self._size).max(axis=1))
        self._rest = levels[n:]

    @property
    def duration(self) -> float:
        """Of what was fed, in seconds."""
        return self._n_samples / self._rate

    def drawn(self) -> tuple[tuple[float, ...], float]:
        """Return at most ``ENVELOPE_VALUES`` peaks and the seconds of each; the last may stand for fewer."""
        rest = [np.array([self._rest.max()])] if len(self._rest) else []
        peaks, size = np.concatenate([*self._peaks, *rest]), self._size
        while len(peaks) > ENVELOPE_VALUES:
            peaks = np.pad(peaks, (0, len(peaks) % 2)).reshape(-1, 2).max(axis=1)
            size *= 2
        return tuple(peaks.tolist()), size / self._rate
