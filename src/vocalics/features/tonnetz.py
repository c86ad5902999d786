"""Tonal centroids of the harmonic part of the sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import MissingExtraError
from vocalics.features.chroma import normalised
from vocalics.features.constant_q import chroma_cqt
from vocalics.features.filterbank import N_CHROMA
from vocalics.features.spectrum import HOP_LENGTH, N_FFT, FloatArray, hann, stft

_KERNEL = 31  # of the median filters, in frames and in bins


def tonnetz(clip: Clip) -> FloatArray:
    """Return the tonal centroids of a clip's harmonic part.

    Harte, Sandler & Gasser (2006), *Detecting harmonic change in musical audio*: pitch classes, summing to one, are
    projected on the circles of fifths, minor thirds and major thirds.

    Returns:
        float32, shape (6, n_frames): sine and cosine of fifths, of minor thirds (each within ±1), of major thirds
        (within ±0.5); a silent frame is all zeros.

    Raises:
        FeatureError: When the clip holds no samples, or its rate is too low for seven octaves from C1 (8.6 kHz).
        MissingExtraError: When SciPy is not installed.
    """
    chroma = chroma_cqt(harmonic(clip))
    weights = normalised(chroma, chroma.sum(axis=0))
    angle = np.pi * np.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(N_CHROMA))
    angle[::2] -= np.pi / 2
    projection = np.cos(angle) * np.array([1, 1, 1, 1, 0.5, 0.5])[:, None]
    return np.asarray(projection @ weights, np.float32)


def harmonic(clip: Clip) -> Clip:
    """Return the harmonic part of a clip: what lasts, rather than what is sudden.

    FitzGerald (2010), *Harmonic/percussive separation using median filtering*: medians over 31 frames and over 31
    bins of the magnitudes, turned into a soft mask (of power 2) on the transform.

    Raises:
        FeatureError: When the clip holds no samples.
    """
    transform = stft(clip.samples, N_FFT, HOP_LENGTH)
    magnitude = np.abs(transform)
    lasting = _running_median(magnitude.T).T
    sudden = _running_median(magnitude)
    largest = np.maximum(lasting, sudden)
    silent = largest < np.finfo(np.float32).tiny
    largest[silent] = 1
    lasting, sudden = np.square(lasting / largest), np.square(sudden / largest)
    mask = np.where(silent, np.float32(0.5), lasting / np.where(silent, np.float32(1), lasting + sudden))
    return Clip(_inverse(transform * mask, len(clip.samples)), clip.sample_rate)


def _running_median(rows: FloatArray) -> FloatArray:
    """Return the median of 31 neighbours along every row, rows going on as if mirrored at their ends."""
    try:
        from scipy.ndimage import median_filter
    except ImportError:
        raise MissingExtraError("the harmonic part of a clip", "features") from None

    half, n = _KERNEL // 2, rows.shape[1]
    mirrored = np.pad(rows, ((0, 0), (half, half)), mode="symmetric")
    filtered = median_filter(mirrored.reshape(-1), _KERNEL).reshape(mirrored.shape)
    return np.ascontiguousarray(filtered[:, half : half + n])


def _inverse(transform: npt.NDArray[np.complex64], n_samples: int) -> FloatArray:
    """Return the samples of a centred transform (n_frames, n_bins) with Hann windows."""
    window = hann(N_FFT)
    n_hops = N_FFT // HOP_LENGTH
    frames = np.fft.irfft(transform, N_FFT) * window
    total = np.zeros((len(frames) + n_hops - 1, HOP_LENGTH), np.float32)
    weight = np.zeros_like(total)
    for hop in reversed(range(n_hops)):
        part = slice(hop * HOP_LENGTH, (hop + 1) * HOP_LENGTH)
        total[hop : hop + len(frames)] += frames[:, part]
        weight[hop : hop + len(frames)] += window[part] ** 2
    kept = slice(N_FFT // 2, N_FFT // 2 + n_samples)
    samples, scale = total.reshape(-1)[kept], weight.reshape(-1)[kept]
    samples /= np.where(scale > np.finfo(np.float32).tiny, scale, np.float32(1))
    return np.pad(samples, (0, n_samples - len(samples)))
