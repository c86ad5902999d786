"""Clips that are one recording: copies that were trimmed, changed in level, resampled or encoded anew.

Two stages. A fingerprint (after Haitsma and Kalker, *A highly robust audio fingerprinting system*, ISMIR 2002) turns
every 16 ms of the telephone band into 24 bits that know no level; clips in which equal ones stand at the same distance
become candidates, without every pair being looked at. Then the waveforms of a candidate are laid over one another:
copies match period by period even after a codec, two takes of one sentence by one speaker do not.

What changes speed or pitch by more than half a percent makes another waveform, and is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr
from scipy import fft

from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import AudioError
from vocalics.machine import available_cores
from vocalics.manifest import Utterance

SAMPLE_RATE = 8_000
"""In Hz: what every clip is compared at, so that any rate from there on is the same sound."""

LOWEST, HIGHEST = 300.0, 3_400.0
"""The band compared, in Hz: what telephones, codecs and resamplers all keep."""

N_FFT, HOP, STEP = 2048, 128, 4
"""Window and hop in samples (256 and 16 ms); a bit compares two windows that are ``STEP`` hops apart."""

SHORTEST = (N_FFT + STEP * HOP) / SAMPLE_RATE
"""In seconds: shorter clips have no fingerprint."""

N_BITS = 24
LOUD_DB = 35.0
"""Windows that are more than this below the loudest one, in dB, are not looked up: noise has bits too."""

N_NEIGHBOURS = 32
"""Equal windows are paired with this many others at most, so that a sound that all clips share costs no square."""

MIN_HITS = 2
"""Equal windows at one distance that make two clips candidates."""

MAX_BIT_ERRORS = 0.32
"""Share of unequal bits, over the loud windows of the overlap, above which a candidate is dropped unheard."""

MIN_OVERLAP = 0.4
"""Seconds that two clips must share."""

MIN_CORRELATION = 0.8
"""Of the waveforms laid over one another, from which on two clips are one recording."""

MAX_SPEED = 0.006
"""The difference of clock speed that is looked for, as a fraction."""

_LONGEST = 60 * SAMPLE_RATE  # samples of the overlap that are compared; of a longer one, the middle
_SLACK = 2 * HOP  # samples by which the fingerprints' distance may be wrong
_MARGIN = 32  # samples at the ends that a shift by a part of a sample spoils
_NO_DRIFT = 0.9  # correlation from which on the clocks are taken for equal
_CODEC_DELAY = 0.1  # seconds that an encoder may add, or lose, at an end
_SAME_DB = 50.0  # signal over difference from which on the difference is no more than rounding
_FLAT_DB = 6.0  # how much louder a noise that does not follow the voice may be where the voice is

Samples = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What a clip is looked up by.

    Attributes:
        bits: uint32 of 24 bits, shape (n_frames,), one per 16 ms; empty for a clip shorter than ``SHORTEST``.
        loud: Which of them are looked up, shape (n_frames,).
    """

    bits: npt.NDArray[np.uint32]
    loud: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pair:
    """Two clips that are one recording.

    Attributes:
        first: Position of the one.
        second: Position of the other, which is larger.
        correlation: Of their waveforms from 300 to 3,400 Hz where they overlap, 0.8 to 1, whatever the polarity.
        offset: Where the second begins in the first, in seconds; negative where it begins before.
        gain_db: Level of the second over the first's.
        inverted: Whether the polarity is turned.
        speed: How much longer the second takes for the same sound; 1 but for unequal clocks.
        changes: What was probably done: "gain", "trimming", "resampling", "re-encoding" (a codec or a filter), "noise";
            "copy" alone where nothing was. The direction is not known: either may be the original.
    """

    first: int
    second: int
    correlation: float
    offset: float
    gain_db: float
    inverted: bool
    speed: float
    changes: tuple[str, ...]

    def turned(self) -> Pair:
        """Return the same of the second clip and the first, whose positions stay where they are."""
        return replace(self, offset=-self.offset * self.speed, gain_db=-self.gain_db, speed=1 / self.speed)


@dataclass(frozen=True)
class Candidate:
    """Two clips to be compared.

    Attributes:
        first: Position of the one.
        second: Position of the other, which is larger.
        offset: Where the second begins in the first, in hops.
        bit_errors: Share of unequal bits there.
    """

    first: int
    second: int
    offset: int
    bit_errors: float


@dataclass(frozen=True, eq=False)
class _Laid:
    """Two waveforms laid over one another: equal lengths, aligned to a part of a sample."""

    first: Samples
    second: Samples
    offset: float  # samples
    correlation: float  # with its sign


def fingerprint(clip: Clip) -> Fingerprint:
    """Return the fingerprint of a clip.

    Bit b of a frame says whether the energy of band b less that of band b + 1 is rising: 25 bands from 300 to 3,400 Hz
    in equal steps of pitch, windows of 256 ms, 64 ms apart. A factor, or another polarity, changes no bit.

    Args:
        clip: At any sample rate.
    """
    samples = audio.resample(clip, SAMPLE_RATE).samples
    n_frames = (len(samples) - N_FFT) // HOP + 1 - STEP
    if n_frames < 1 or not np.any(samples):
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
    window = np.hanning(N_FFT).astype(np.float32)
    edges = np.searchsorted(fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE), np.geomspace(LOWEST, HIGHEST, N_BITS + 2))
    frames = np.lib.stride_tricks.sliding_window_view(samples / np.abs(samples).max(), N_FFT)[::HOP]
    bands = np.empty((len(frames), N_BITS + 1))
    for start in range(0, len(frames), 1024):  # bounded memory for recordings of any length
        power = np.square(np.abs(fft.rfft(frames[start : start + 1024] * window, axis=1)))
        bands[start : start + 1024] = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    slope = bands[:, :-1] - bands[:, 1:]
    bits = (slope[STEP:] > slope[:-STEP]) @ (np.uint32(1) << np.arange(N_BITS, dtype=np.uint32))
    energy = np.maximum(bands[STEP:].sum(axis=1), bands[:-STEP].sum(axis=1))
    return Fingerprint(bits.astype(np.uint32), energy > energy.max() * 10 ** (-LOUD_DB / 10))


def near_identical(
    clips: Sequence[Clip | Utterance],
    progress: Progress | None = None,
    skipped: Callable[[int, str], None] | None = None,
) -> tuple[Pair, ...]:
    """Return the pairs of clips that are one recording, by position.

    Found are copies, also where ends are cut, the level (or polarity) is changed, the rate is changed, a codec of
    speech quality came between, or noise 10 dB below the voice was added; the two share at least 0.4 s. Not found are
    copies whose speed or pitch was changed. Of utterances, memory holds fingerprints only.

    Args:
        clips: Sounds, or utterances, whose files are read.
        progress: Called with (clips read, clips in all).
        skipped: Called with (position, reason) for a file that cannot be read, and for a clip that is silent or shorter
            than 0.32 s; ``None`` raises for the former and passes over the latter.

    Raises:
        AudioError: When a file cannot be read and ``skipped`` is ``None``.
    """

    def load(position: int) -> Clip:
        clip = clips[position]
        return audio.read(clip.path, SAMPLE_RATE) if isinstance(clip, Utterance) else audio.resample(clip, SAMPLE_RATE)

    def take(position: int) -> Fingerprint | AudioError:
        try:
            return fingerprint(load(position))
        except AudioError as error:
            return error

    prints: list[Fingerprint] = []
    with ThreadPoolExecutor(available_cores()) as pool:
        for position, found in enumerate(pool.map(take, range(len(clips)))):
            if isinstance(found, AudioError):
                if skipped is None:
                    raise found
                skipped(position, str(found))
                found = Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
            elif not len(found.bits) and skipped is not None:
                skipped(position, f"is silent or shorter than {SHORTEST:g} s")
            prints.append(found)
            if progress is not None:
                progress(position + 1, len(clips))

    @lru_cache(maxsize=256)
    def banded(position: int) -> Samples:
        return band(load(position).samples)

    pairs = []
    for candidate in candidates(prints):
        laid, speed = compare(banded(candidate.first), banded(candidate.second), candidate.offset * HOP)
        if abs(laid.correlation) >= MIN_CORRELATION:
            pairs.append(_pair(candidate, laid, speed, clips[candidate.first], clips[candidate.second]))
    return tuple(pairs)


def candidates(prints: Sequence[Fingerprint]) -> list[Candidate]:
    """Return the pairs whose fingerprints agree at one distance, in order of position."""
    found = []
    for first, second, offset in _voted(prints):
        a, b = prints[first], prints[second]
        errors, best = min((_bit_errors(a, b, o), o) for o in (offset - 1, offset, offset + 1))
        if errors <= MAX_BIT_ERRORS:
            found.append(Candidate(first, second, best, errors))
    return found


def _voted(prints: Sequence[Fingerprint]) -> list[tuple[int, int, int]]:
    """Return (first, second, offset in hops) of clips that have ``MIN_HITS`` equal windows at about one distance."""
    n_clips = len(prints)
    frames = [np.flatnonzero(p.loud) for p in prints]
    if not sum(map(len, frames)):
        return []
    key = np.concatenate([p.bits[f] for p, f in zip(prints, frames, strict=True)]).astype(np.int64)
    clip = np.repeat(np.arange(n_clips), [len(f) for f in frames])
    frame = np.concatenate(frames).astype(np.int64)
    # Sorted by bits, then clip, then time; of one clip's equal windows the first is kept.
    key = key * n_clips + clip
    key, kept = np.unique(key, return_index=True)
    key, clip, frame = key // n_clips, clip[kept], frame[kept]
    hits = []
    for apart in range(1, N_NEIGHBOURS + 1):
        same = np.flatnonzero(key[:-apart] == key[apart:])
        if not len(same):
            break
        other = same + apart
        distance = frame[same] - frame[other] + (1 << 23)
        hits.append(((clip[same] * n_clips + clip[other]) << 24) + distance)
    if not hits:
        return []
    packed = np.sort(np.concatenate(hits))
    votes = np.searchsorted(packed, packed + 1, "right") - np.arange(len(packed))
    packed, votes = packed[votes >= MIN_HITS], votes[votes >= MIN_HITS]
    pair = packed >> 24
    order = np.lexsort((-votes, pair))
    _, first = np.unique(pair[order], return_index=True)
    best = packed[order[first]]
    offset = (best & ((1 << 24) - 1)) - (1 << 23)
    a, b = np.divmod(best >> 24, n_clips)
    return [(int(i), int(j), int(o)) for i, j, o in zip(a, b, offset, strict=True)]


def _bit_errors(a: Fingerprint, b: Fingerprint, offset: int) -> float:
    start, end = max(0, offset), min(len(a.bits), len(b.bits) + offset)
    if (end - start) * HOP + N_FFT < MIN_OVERLAP * SAMPLE_RATE:
        return 1.0
    loud = a.loud[start:end] | b.loud[start - offset : end - offset]
    unequal = np.bitwise_count(a.bits[start:end] ^ b.bits[start - offset : end - offset])
    return float(unequal[loud].mean()) / N_BITS if loud.any() else 1.0


def band(samples: Samples) -> Samples:
    """Return the part from 300 to 3,400 Hz of samples at 8 kHz."""
    n_fft = fft.next_fast_len(len(samples) + N_FFT, real=True)
    spectrum = fft.rfft(samples, n_fft)
    frequency = fft.rfftfreq(n_fft, 1 / SAMPLE_RATE)
    # Slopes of 100 Hz ring for 10 ms only, so that a cut end spoils no more than that.
    inside = np.minimum(frequency - LOWEST, HIGHEST - frequency) / 100
    spectrum *= np.sin(np.pi / 2 * np.clip(inside, 0, 1)) ** 2
    return np.asarray(fft.irfft(spectrum, n_fft)[: len(samples)], dtype=np.float32)


def compare(first: Samples, second: Samples, offset: int) -> tuple[_Laid, float]:
    """Lay two waveforms over one another, also with clocks of unequal speed where that alone makes them match.

    Args:
        first: From :func:`band`.
        second: From :func:`band`.
        offset: Where the second begins in the first, in samples, give or take two hops.

    Returns:
        How they lie, and how much longer the second takes for the same sound.
    """
    laid = _lay(first, second, offset)
    if abs(laid.correlation) >= _NO_DRIFT:
        return laid, 1.0
    drift = _drift(*_overlap(first, second, offset))
    if not 1e-5 < abs(drift) <= MAX_SPEED:
        return laid, 1.0
    stretched = np.asarray(soxr.resample(second, SAMPLE_RATE, SAMPLE_RATE * (1 + drift)), dtype=np.float32)
    # The fingerprints' distance holds for the whole of the overlap: its middle is where both are.
    start = max(0, -offset)
    middle = start + min(len(first) - max(0, offset), len(second) - start) / 2
    again = _lay(first, stretched, round(offset - drift * middle))
    return (again, 1 / (1 + drift)) if abs(again.correlation) > abs(laid.correlation) else (laid, 1.0)


def _overlap(first: Samples, second: Samples, offset: int) -> tuple[Samples, Samples]:
    a, b = max(0, offset), max(0, -offset)
    n = min(len(first) - a, len(second) - b)
    skip = max(0, n - _LONGEST) // 2
    return first[a + skip : a + n - skip], second[b + skip : b + n - skip]


def _lay(first: Samples, second: Samples, offset: int) -> _Laid:
    x, y = _overlap(first, second, offset)
    n_fft = fft.next_fast_len(2 * len(x), real=True)
    cross = fft.irfft(fft.rfft(x, n_fft) * np.conj(fft.rfft(y, n_fft)), n_fft)
    lags = np.arange(-_SLACK, _SLACK + 1)
    offset += int(lags[np.abs(cross[lags]).argmax()])
    x, y = _overlap(first, second, offset)
    if len(x) < MIN_OVERLAP * SAMPLE_RATE:
        return _Laid(x, y, offset, 0.0)
    # To a part of a sample: the correlation at fractions of one, from the cross spectrum.
    n_fft = fft.next_fast_len(len(x) + _MARGIN, real=True)
    of_y = fft.rfft(y, n_fft)
    product = fft.rfft(x, n_fft) * np.conj(of_y)
    turn = 2j * np.pi * fft.rfftfreq(n_fft)
    parts = np.linspace(-0.5, 0.5, 9)
    turned, step = product * np.exp(turn * parts[0]), np.exp(turn * (parts[1] - parts[0]))
    heights = np.zeros(len(parts))
    for i in range(len(parts)):
        heights[i] = abs(turned.sum().real)
        turned *= step
    best = min(max(int(heights.argmax()), 1), len(parts) - 2)
    part = parts[best] + _vertex(*heights[best - 1 : best + 2]) * (parts[1] - parts[0])
    y = np.asarray(fft.irfft(of_y * np.exp(-turn * part), n_fft)[: len(x)], dtype=np.float32)
    x, y = x[_MARGIN:-_MARGIN], y[_MARGIN:-_MARGIN]
    energy = float(np.sqrt(np.dot(x, x) * np.dot(y, y)))
    return _Laid(x, y, offset + part, float(np.dot(x, y)) / energy if energy > 0 else 0.0)


def _vertex(left: float, middle: float, right: float) -> float:
    """Return where the parabola through three heights at -1, 0 and 1 peaks, within ±1."""
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -1, 1)) if bend < 0 else 0.0


def _drift(x: Samples, y: Samples) -> float:
    """Return how many samples per sample the match of ``y`` in ``x`` moves on.

    It is the slope of the straight line along which short blocks match best, looked for in the middle 4 s; 0 where
    there are too few blocks.
    """
    n_block, n_search = 512, _SLACK + HOP
    skip = max(0, len(x) - 4 * SAMPLE_RATE) // 2
    starts = np.arange(skip + n_search, len(x) - skip - n_block - n_search, n_block // 2)
    if len(starts) < 8:
        return 0.0
    blocks = np.stack([y[s : s + n_block] for s in starts])
    places = np.stack([x[s - n_search : s + n_block + n_search] for s in starts])
    n_fft = fft.next_fast_len(places.shape[1], real=True)
    cross = np.abs(fft.irfft(fft.rfft(places, n_fft) * np.conj(fft.rfft(blocks, n_fft)), n_fft))
    slopes = np.linspace(-MAX_SPEED, MAX_SPEED, 61)
    moved = np.rint(slopes[:, None] * (starts - starts.mean())).astype(int)
    places = np.lib.stride_tricks.sliding_window_view(cross, 2 * (n_search - HOP), axis=1)
    scores = np.array([places[np.arange(len(starts)), HOP + m].sum(axis=0).max() for m in moved])
    best = min(max(int(scores.argmax()), 1), len(slopes) - 2)
    return float(slopes[best] + _vertex(*scores[best - 1 : best + 2]) * (slopes[1] - slopes[0]))


def _pair(candidate: Candidate, laid: _Laid, speed: float, first: Clip | Utterance, second: Clip | Utterance) -> Pair:
    a, b = _native(first), _native(second)
    x, y = laid.first.astype(np.float64), laid.second.astype(np.float64)
    factor = float(np.dot(x, y) / np.dot(x, x))
    gain_db = 10 * float(np.log10(np.dot(y, y) / np.dot(x, x)))
    difference = _difference(x, y, factor)
    offset, end = laid.offset / SAMPLE_RATE, b.duration + laid.offset / SAMPLE_RATE - a.duration
    changes = []
    if abs(gain_db) > 0.3 or factor < 0:
        changes.append("gain")
    if max(abs(offset), abs(end)) > (2e-3 if difference == "" else _CODEC_DELAY) and speed == 1.0:
        changes.append("trimming")
    if a.sample_rate != b.sample_rate or speed != 1.0 or (difference == "" and _narrower(a, b, offset)):
        changes.append("resampling")
    if difference:
        changes.append(difference)
    return Pair(
        candidate.first,
        candidate.second,
        min(1.0, abs(laid.correlation)),
        offset,
        gain_db,
        factor < 0,
        speed,
        tuple(changes) or ("copy",),
    )


def _native(clip: Clip | Utterance) -> Clip:
    return audio.read(clip.path) if isinstance(clip, Utterance) else clip


def _difference(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], factor: float) -> str:
    """Say what tells two aligned waveforms apart: rounding (nothing), noise all the time, or what a codec leaves."""
    edge = min(400, len(x) // 8)  # where one clip was cut, its filtered end differs
    x, y = x[edge:-edge], y[edge:-edge]
    rest = y - factor * x
    n = len(x) // HOP
    voice, noise = (np.square(s[: n * HOP]).reshape(n, HOP).mean(axis=1) for s in (y, rest))
    rounding = (1 + factor**2) * (HIGHEST - LOWEST) / (SAMPLE_RATE / 2) * 2.0**-30 / 12
    if noise.mean() <= max(voice.mean() * 10 ** (-_SAME_DB / 10), 8 * rounding):
        return ""
    order = np.argsort(voice)
    quiet, loud = noise[order[: n // 4]].mean(), noise[order[-n // 4 :]].mean()
    spread = voice[order[-n // 4 :]].mean() / max(voice[order[: n // 4]].mean(), 1e-30)
    return "noise" if loud < quiet * 10 ** (_FLAT_DB / 10) and spread > 10 ** (2 * _FLAT_DB / 10) else "re-encoding"


def _narrower(a: Clip, b: Clip, offset: float) -> bool:
    """Whether one of two clips of equal rate lacks the other's sound above 4 kHz, as if it had been at 8 kHz."""
    length = min(a.duration - max(0.0, offset), b.duration - max(0.0, -offset))
    shares = []
    for clip, start in ((a, max(0.0, offset)), (b, max(0.0, -offset))):
        samples = audio.excerpt(clip, start, start + length).samples.astype(np.float64)
        power = np.square(np.abs(fft.rfft(samples)))
        above = fft.rfftfreq(len(samples), 1 / clip.sample_rate) > 1.05 * SAMPLE_RATE / 2
        shares.append(power[above].sum() / max(power.sum(), 1e-30) + 1e-9)
    return bool(max(shares) > 10 * min(shares))
