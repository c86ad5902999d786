"""Pitch classes: how the energy spreads over the twelve semitones of the octave, whatever the octave."""

from __future__ import annotations

import numpy as np

from vocalics.features.filterbank import N_CHROMA, pitch_classes
from vocalics.features.spectrum import FloatArray, Sound, Spectrum, spectrum_of

_TINY = np.finfo(np.float32).tiny
_LOWEST_PEAK, _HIGHEST_PEAK, _PEAK_THRESHOLD = 150.0, 4000.0, 0.1
_TUNING_EDGES = np.linspace(-0.5, 0.5, 101)
_TUNING_STEPS = _TUNING_EDGES[:-1].astype(np.float32)  # the lowest float32 of every hundredth
_TUNING_STEPS += np.where(_TUNING_EDGES[:-1] > _TUNING_STEPS, np.spacing(np.abs(_TUNING_STEPS)), np.float32(0))
_NEXT_STEPS = np.append(_TUNING_STEPS[1:], np.float32(np.inf))


def chroma_stft(sound: Sound, tuning: float | None = None) -> FloatArray:
    """Return the chromagram of the magnitude spectrum.

    Args:
        sound: A clip, or its spectrum.
        tuning: Deviation from A = 440 Hz in semitones; ``None`` estimates it with :func:`tuning_of`.

    Returns:
        float32, shape (12, n_frames), pitch classes C to B, scaled so that every frame's largest is 1 (a silent frame
        is all zeros).

    Raises:
        FeatureError: When the clip holds no samples.
    """
    chroma = _chroma(spectrum_of(sound), tuning)
    return normalised(chroma, chroma.max(axis=0))


def mean_chroma(sound: Sound) -> FloatArray:
    """Return the mean over time of :func:`chroma_stft`, shape (12,)."""
    chroma = _chroma(spectrum_of(sound))
    return chroma @ np.reciprocal(_divisor(chroma.max(axis=0))) / np.float32(chroma.shape[1])


def _chroma(shared: Spectrum, tuning: float | None = None) -> FloatArray:
    if tuning is None:
        tuning = tuning_of(shared)
    return pitch_classes(shared.magnitude, shared.sample_rate, shared.n_fft, tuning)


def normalised(columns: FloatArray, lengths: FloatArray) -> FloatArray:
    """Return columns divided by their lengths; a column of no length is left as it is."""
    return columns / _divisor(lengths)


def _divisor(lengths: FloatArray) -> FloatArray:
    return np.where(lengths < _TINY, np.float32(1), lengths)


def tuning_of(sound: Sound, bins_per_octave: int = N_CHROMA) -> float:
    """Estimate by how much the sound's pitches deviate from A = 440 Hz.

    Spectral peaks from 150 Hz to 4 kHz of at least a tenth of their frame's maximum are located by parabolic
    interpolation (Smith, *Spectral Audio Signal Processing*); of the louder half, the commonest deviation, counted in
    hundredths, is returned.

    Returns:
        In fractions of a bin, -0.5 up to 0.5; 0.0 where there is no peak.
    """
    pitches = _louder_peaks(spectrum_of(sound))
    if not len(pitches):
        return 0.0
    bins = np.float32(bins_per_octave) * np.log2(pitches / np.float32(440 / 16))
    deviation = bins - np.floor(bins)
    deviation -= deviation >= 0.5
    step = ((deviation + np.float32(0.5)) * np.float32(len(_TUNING_STEPS))).astype(np.intp)  # or the one beside it
    np.minimum(step, len(_TUNING_STEPS) - 1, out=step)
    step -= deviation < _TUNING_STEPS.take(step)
    step += deviation >= _NEXT_STEPS.take(step)
    return float(_TUNING_EDGES[np.bincount(step).argmax()])


def _louder_peaks(shared: Spectrum) -> FloatArray:
    """Return the frequencies in Hz of the louder half of the spectral peaks, shape (n_peaks,)."""
    frames = shared.magnitude.T
    bin_width = shared.sample_rate / shared.n_fft
    first = max(1, int(np.ceil(_LOWEST_PEAK / bin_width)))
    last = min(frames.shape[1] - 1, int(np.ceil(_HIGHEST_PEAK / bin_width)))
    if last <= first:
        return np.empty(0, np.float32)
    searched = np.ascontiguousarray(frames[:, first - 1 : last + 1])  # one bin more to either side to compare with
    is_peak = searched > np.float32(_PEAK_THRESHOLD) * frames.max(axis=1, keepdims=True)
    is_peak[:, 0] = is_peak[:, -1] = False
    flat = searched.reshape(-1)  # whose ends of rows are no peaks, so that rows need not be told apart
    rises = flat[1:] > flat[:-1]
    is_peak.reshape(-1)[1:-1] &= rises[:-1] > rises[1:]
    found = np.flatnonzero(is_peak)
    if not len(found):
        return np.empty(0, np.float32)
    before, at, after = flat.take(found - 1), flat.take(found), flat.take(found + 1)
    slope = np.float32(0.5) * (after - before)
    shift = slope / (after - at + (before - at))  # minus the parabola's, within half a bin: a peak is above its left
    height = np.asarray(at - np.float32(0.5) * slope * shift, np.float32)
    louder = np.flatnonzero(height >= _median(height))
    number = found.take(louder) % searched.shape[1] + (first - 1)
    pitches: FloatArray = (number.astype(np.float32) - shift.take(louder)) * np.float32(bin_width)
    return pitches


def _median(positive: FloatArray) -> np.float32:
    """Return the median of positive numbers, in half the time of ``np.partition``, whose branches no one can predict.

    The bits of positive floating-point numbers are ordered as the numbers are: those that share the first 14 of them
    with the median are found by counting, and only they are sorted.
    """
    key = positive.view(np.int32) >> 18
    key -= key.min()
    count = np.bincount(key)
    up_to = count.cumsum()
    middle = len(positive) // 2
    group = int(up_to.searchsorted(middle, side="right"))
    place = middle - int(up_to[group] - count[group])
    inner = np.sort(positive[key == group])
    upper: np.float32 = inner[place]
    if len(positive) % 2:
        return upper
    lower: np.float32 = inner[place - 1] if place else positive[key < group].max()
    return (lower + upper) / 2
