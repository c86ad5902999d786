"""The constant-Q transform and its chromagram: filters as many to the octave, whatever the octave."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from vocalics.audio import Clip
from vocalics.errors import FeatureError
from vocalics.features.chroma import normalised, tuning_of
from vocalics.features.filterbank import N_CHROMA
from vocalics.features.spectrum import HOP_LENGTH, FloatArray, centred, framed

_C1 = 440 * 2 ** (-45 / 12)  # Hz
_N_OCTAVES, _BINS_PER_OCTAVE = 7, 36
_QUALITY = (2 ** (2 / _BINS_PER_OCTAVE) + 1) / (2 ** (2 / _BINS_PER_OCTAVE) - 1)  # periods in a filter's window
_HANN_BANDWIDTH = 1.50018310546875  # equivalent noise bandwidth of the window, in bins
_DISCARDED = 0.01  # share of every filter's spectrum that is left out, the smallest values first


def chroma_cqt(clip: Clip) -> FloatArray:
    """Return the chromagram of a constant-Q transform of seven octaves from C1, 36 bins per octave.

    Schörkhuber & Klapuri (2010), *Constant-Q transform toolbox for music processing*: one octave's filters are used
    for all, on ever further downsampled sound. The tuning is estimated from the clip.

    Returns:
        float32, shape (12, n_frames) with a hop of 512 samples, pitch classes C to B, every frame's largest is 1 (a
        silent frame is all zeros).

    Raises:
        FeatureError: When the clip holds no samples, or its rate is too low (8.6 kHz).
    """
    tuning = tuning_of(clip, _BINS_PER_OCTAVE)
    magnitude = _constant_q(clip, _C1 * 2 ** (tuning / _BINS_PER_OCTAVE))
    per_class = _BINS_PER_OCTAVE // N_CHROMA
    centred_classes = np.roll(magnitude, per_class // 2, axis=0)  # a class is its bin and one to either side
    by_octave = centred_classes.reshape(_N_OCTAVES, N_CHROMA, per_class, -1)
    # the lowest bin of all stands for the B below C1, the highest belongs to the C above: both wrap round
    chroma = by_octave.sum(axis=(0, 2))
    return normalised(chroma, chroma.max(axis=0))


def _constant_q(clip: Clip, lowest: float) -> FloatArray:
    """Return constant-Q magnitudes, shape (252, n_frames)."""
    n_bins = _N_OCTAVES * _BINS_PER_OCTAVE
    frequencies = lowest * 2 ** (np.arange(n_bins) / _BINS_PER_OCTAVE)
    highest = frequencies[-1] * (1 + 0.5 * _HANN_BANDWIDTH / _QUALITY)
    if highest > clip.sample_rate / 2:
        raise FeatureError(
            f"chroma_cqt: a clip at {clip.sample_rate} Hz holds no {highest:.0f} Hz; expected at least "
            f"{2 * highest:.0f} Hz, resample it"
        )
    samples, rate, hop = clip.samples, float(clip.sample_rate), HOP_LENGTH
    spare = int(np.ceil(np.log2(rate / 2 / highest))) - 2  # octaves above the highest filter and its neighbour
    if spare > 0:
        factor = 2 ** min(spare, 3)  # the last octave's hop must stay a whole number of samples
        samples, rate, hop = _downsampled(samples, factor), rate / factor, hop // factor
    basis, n_fft, bins = _octave(float(frequencies[-_BINS_PER_OCTAVE] / rate))
    octaves = []
    for octave in range(_N_OCTAVES):
        frames = framed(centred(samples, n_fft), n_fft, hop)
        spectra = np.fft.rfft(frames.astype(np.float64))[:, bins].astype(np.complex64)
        octaves.append(np.abs(basis @ spectra.T) * np.float32(2 ** (octave / 2)))
        if octave < _N_OCTAVES - 1:
            samples, hop = _downsampled(samples, 2), hop // 2
    n_frames = min(octave.shape[1] for octave in octaves)
    stacked = np.concatenate([octave[:, :n_frames] for octave in reversed(octaves)])
    return np.asarray(stacked / np.sqrt(_QUALITY * rate / frequencies)[:, None], np.float32)


def _downsampled(samples: FloatArray, factor: int) -> FloatArray:
    """Return every ``factor``-th sample after a low-pass, scaled to keep the energy."""
    resampled = np.asarray(soxr.resample(samples, factor, 1), np.float32)
    n_samples = -(-len(samples) // factor)
    resampled = np.pad(resampled, (0, max(0, n_samples - len(resampled))))[:n_samples]
    return np.asarray(resampled / np.sqrt(1 / factor), np.float32)


@lru_cache(maxsize=128)
def _octave(lowest: float) -> tuple[npt.NDArray[np.complex64], int, slice]:
    """Return the filters of one octave in the frequency domain, the transform's length, and the bins they cover.

    Args:
        lowest: Frequency of the octave's first filter, as a fraction of the sample rate.
    """
    frequencies = lowest * 2 ** (np.arange(_BINS_PER_OCTAVE) / _BINS_PER_OCTAVE)
    lengths = _QUALITY / frequencies
    n_fft = 1 << int(np.ceil(np.log2(lengths.max())))
    filters = np.zeros((_BINS_PER_OCTAVE, n_fft), np.complex64)
    for row, (length, frequency) in enumerate(zip(lengths, frequencies, strict=True)):
        times = np.arange(-length // 2, length // 2)
        n = len(times)
        wave = np.exp(2j * np.pi * frequency * times) * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n))
        first = (n_fft - n) // 2
        filters[row, first : first + n] = wave * (length / n_fft / np.abs(wave).sum())
    spectra = np.asarray(np.fft.fft(filters), np.complex64)[:, : n_fft // 2 + 1]
    size = np.abs(spectra)
    ordered = np.sort(size, axis=1)
    share = np.cumsum(ordered / size.sum(axis=1, keepdims=True), axis=1)
    least = np.take_along_axis(ordered, np.argmin(share < _DISCARDED, axis=1)[:, None], axis=1)
    spectra = np.where(size >= least, spectra, np.complex64(0))
    used = np.flatnonzero(spectra.any(axis=0))
    bins = slice(int(used[0]), int(used[-1]) + 1)
    return np.ascontiguousarray(spectra[:, bins]), n_fft, bins
