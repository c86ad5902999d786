"""The shape of the spectrum: mel bands, cepstrum, contrast, centroid, bandwidth and roll-off.

Every function takes a clip, or the :class:`Spectrum` that several features of one clip share.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from vocalics.errors import FeatureError
from vocalics.features.chroma import normalised
from vocalics.features.filterbank import mel_bands
from vocalics.features.spectrum import FloatArray, Sound, spectrum_of

N_MELS, N_MFCC = 128, 20


def mel_spectrogram(sound: Sound, n_mels: int = N_MELS) -> FloatArray:
    """Return the power in mel bands of equal area (Slaney 1998) from 0 Hz to half the sample rate.

    Returns:
        float32, shape (n_mels, n_frames), at least 0.

    Raises:
        FeatureError: When the clip holds no samples.
    """
    shared = spectrum_of(sound)
    return mel_bands(np.square(shared.magnitude), shared.sample_rate, shared.n_fft, n_mels)


def log_mel(sound: Sound, n_mels: int = N_MELS, range_db: float = 80.0) -> FloatArray:
    """Return the mel spectrogram in decibels re 1, floored at 1e-10 and at ``range_db`` below its own maximum.

    Returns:
        float32, shape (n_mels, n_frames), at least -100 dB.
    """
    return power_to_db(mel_spectrogram(sound, n_mels), range_db)


def power_to_db(power: FloatArray, range_db: float = 80.0) -> FloatArray:
    """Return ``10 log10(max(power, 1e-10))``, floored at ``range_db`` below its maximum, of any shape."""
    lowest = max(1e-10, float(power.max()) * 10 ** (-range_db / 10))
    level: FloatArray = np.maximum(power, np.float32(lowest))
    np.log(level, out=level)  # a third of the time of log10
    level *= np.float32(10 / np.log(10))
    return level


def mfcc(sound: Sound, n_mfcc: int = N_MFCC, n_mels: int = N_MELS) -> FloatArray:
    """Return mel-frequency cepstral coefficients: the orthonormal DCT-II of :func:`log_mel`'s bands.

    Davis & Mermelstein (1980), *Comparison of parametric representations for monosyllabic word recognition*.

    Args:
        sound: A clip, or its spectrum.
        n_mfcc: Number of coefficients, from the zeroth on, at most ``n_mels``.
        n_mels: Number of mel bands.

    Returns:
        float32, shape (n_mfcc, n_frames).

    Raises:
        FeatureError: When more coefficients than bands are asked for, or the clip holds no samples.
    """
    return cepstrum(log_mel(sound, n_mels), n_mfcc)


def cepstrum(levels: FloatArray, n_mfcc: int = N_MFCC) -> FloatArray:
    """Return the first ``n_mfcc`` orthonormal DCT-II coefficients of all frames of levels (n_mels, n_frames)."""
    n_mels = len(levels)
    if not 1 <= n_mfcc <= n_mels:
        raise FeatureError(f"mfcc: {n_mfcc} coefficients cannot be had from {n_mels} mel bands; expected 1 to {n_mels}")
    return _cosines(n_mfcc, n_mels) @ levels


@lru_cache(maxsize=16)
def _cosines(n_mfcc: int, n_mels: int) -> FloatArray:
    order, band = np.arange(n_mfcc)[:, None], np.arange(n_mels)
    basis = np.cos(np.pi * order * (2 * band + 1) / (2 * n_mels)) * np.sqrt(2 / n_mels)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


def delta(values: FloatArray, width: int = 9, order: int = 1) -> FloatArray:
    """Return the local derivative over time of any frame-wise feature.

    A polynomial of degree ``order`` is fitted to ``width`` frames (Savitzky & Golay 1964). The first and last
    ``width // 2`` frames take the derivative of the first and last full window; with fewer frames than ``width`` the
    end frames are repeated outwards.

    Args:
        values: Shape (n_features, n_frames).
        width: In frames, odd, at least 3 and more than ``order``.
        order: Of the derivative, 1 or 2.

    Returns:
        float32, shape (n_features, n_frames), in the feature's unit per frame (per frame squared for order 2).

    Raises:
        FeatureError: For a width or order out of range.
    """
    if width < 3 or width % 2 == 0 or order not in (1, 2) or width <= order:
        raise FeatureError(f"delta: width {width} and order {order} do not go together; expected an odd width of 3 on")
    half = width // 2
    steps = np.arange(-half, half + 1)
    weights = np.linalg.pinv(np.vander(steps, order + 1, increasing=True))[order] * order
    n_frames = values.shape[1]
    short = n_frames < width
    wide = np.pad(values, ((0, 0), (half, half)), mode="edge") if short else values
    windows = np.lib.stride_tricks.sliding_window_view(wide, width, axis=1)
    inner: FloatArray = (windows @ weights).astype(np.float32)
    return inner if short else np.pad(inner, ((0, 0), (half, half)), mode="edge")


def spectral_centroid(sound: Sound) -> FloatArray:
    """Return the mean frequency of every frame, weighted by magnitude.

    Returns:
        float32, shape (n_frames,), in Hz from 0 to half the sample rate; 0 for a silent frame.
    """
    shared = spectrum_of(sound)
    weights = normalised(shared.magnitude, shared.magnitude.sum(axis=0))
    return np.asarray(shared.frequencies @ weights, np.float32)


def spectral_bandwidth(sound: Sound) -> FloatArray:
    """Return the standard deviation of frequency around the centroid, weighted by magnitude.

    Returns:
        float32, shape (n_frames,), in Hz; 0 for a silent frame.
    """
    shared = spectrum_of(sound)
    weights = normalised(shared.magnitude, shared.magnitude.sum(axis=0))
    deviation = shared.frequencies[:, None] - shared.frequencies @ weights
    return np.asarray(np.sqrt(np.sum(weights * deviation**2, axis=0)), np.float32)


def spectral_rolloff(sound: Sound, fraction: float = 0.85) -> FloatArray:
    """Return the frequency below which ``fraction`` of the magnitude lies.

    Returns:
        float32, shape (n_frames,), in Hz, always the centre of a bin; 0 for a silent frame.
    """
    shared = spectrum_of(sound)
    total = np.cumsum(shared.magnitude, axis=0)
    reached = total >= np.float32(fraction) * total[-1]
    return np.asarray(shared.frequencies[reached.argmax(axis=0)], np.float32)


def spectral_contrast(sound: Sound, n_bands: int = 6, lowest: float = 200.0, quantile: float = 0.02) -> FloatArray:
    """Return the level difference between the peaks and valleys of octave bands.

    Jiang et al. (2002), *Music type classification by spectral contrast feature*: in every band the strongest and the
    weakest ``quantile`` of the bins (at least one) are averaged and compared in decibels.

    Args:
        sound: A clip, or its spectrum.
        n_bands: Number of octaves above ``lowest``.
        lowest: Upper edge of the first band, in Hz.
        quantile: Share of the bins that makes a peak or a valley.

    Returns:
        float32, shape (n_bands + 1, n_frames), in dB; first the band from 0 Hz to ``lowest``, last the highest octave.

    Raises:
        FeatureError: When the highest octave lies above half the sample rate.
    """
    shared = spectrum_of(sound)
    edges = np.concatenate([[0], lowest * 2.0 ** np.arange(n_bands + 1)])
    if edges[-2] >= shared.sample_rate / 2:
        raise FeatureError(
            f"spectral contrast: {n_bands} octaves above {lowest:g} Hz exceed half the sample rate "
            f"({shared.sample_rate / 2:g} Hz); use fewer bands or a higher rate"
        )
    frequencies, n_bins = shared.frequencies, len(shared.frequencies)
    peaks = np.empty((n_bands + 1, shared.magnitude.shape[1]), np.float32)
    valleys = np.empty_like(peaks)
    frames = shared.magnitude.T
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        first = int(np.searchsorted(frequencies, low)) - (band > 0)
        last = n_bins if band == n_bands else int(np.searchsorted(frequencies, high, side="right"))
        n_kept = max(1, round(quantile * (last - first)))
        ordered = np.sort(frames[:, first : last if band == n_bands else last - 1], axis=1)
        valleys[band] = ordered[:, :n_kept].mean(axis=1)
        peaks[band] = ordered[:, -n_kept:].mean(axis=1)
    return power_to_db(peaks) - power_to_db(valleys)
