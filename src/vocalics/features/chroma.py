"""Pitch classes: how the energy spreads over the twelve semitones of the octave, whatever the octave."""

from __future__ import annotations

import numpy as np

from vocalics.features.filterbank import chroma_filterbank
from vocalics.features.spectrum import FloatArray, Sound, Spectrum, spectrum_of

N_CHROMA = 12
_TINY = np.finfo(np.float32).tiny
_LOWEST_PEAK, _HIGHEST_PEAK, _PEAK_THRESHOLD = 150.0, 4000.0, 0.1
_TUNING_EDGES = np.linspace(-0.5, 0.5, 101)
_TUNING_STEPS = _TUNING_EDGES[:-1].astype(np.float32)  # the lowest float32 of every hundredth
_TUNING_STEPS += np.where(_TUNING_EDGES[:-1] > _TUNING_STEPS, np.spacing(np.abs(_TUNING_STEPS)), np.float32(0))


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
    return chroma_filterbank(shared.sample_rate, shared.n_fft, tuning) @ shared.magnitude


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
    deviation.sort()
    below = np.full(len(_TUNING_EDGES), len(deviation))
    below[:-1] = deviation.searchsorted(_TUNING_STEPS)
    return float(_TUNING_EDGES[(below[1:] - below[:-1]).argmax()])


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
    height = at - np.float32(0.5) * slope * shift
    middle = len(height) // 2
    ordered = np.partition(height, middle)
    median = ordered[middle] if len(height) % 2 else (ordered[:middle].max() + ordered[middle]) / 2
    louder = np.flatnonzero(height >= median)
    number = found.take(louder) % searched.shape[1] + (first - 1)
    pitches: FloatArray = (number.astype(np.float32) - shift.take(louder)) * np.float32(bin_width)
    return pitches
