"""Fixed matrices that turn the bins of a spectrum into mel bands and pitch classes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vocalics.features.spectrum import FloatArray

N_CHROMA = 12
_GROUP = 16  # mel bands multiplied at a time: few enough to skip the zeros, enough for the matrix product


def mel_frequencies(n: int, highest: float) -> npt.NDArray[np.float64]:
    """Return ``n`` frequencies from 0 Hz to ``highest``, equally spaced on the mel scale of Slaney (1998).

    The scale is linear up to 1 kHz (200/3 Hz per mel) and logarithmic above (27 mel for a factor of 6.4).
    """
    log_step = np.log(6.4) / 27
    last = highest * 3 / 200 if highest < 1000 else 15 + np.log(highest / 1000) / log_step
    mels = np.linspace(0, last, n)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(log_step * (mels - 15)))


@lru_cache(maxsize=16)
def mel_filterbank(sample_rate: int, n_fft: int, n_mels: int) -> FloatArray:
    """Return triangular bands of equal area from 0 Hz to half the sample rate, shape (n_mels, n_fft // 2 + 1)."""
    corners = mel_frequencies(n_mels + 2, sample_rate / 2)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    weights = np.maximum(0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    bank: FloatArray = (weights * (2 / (right - left))).astype(np.float32)
    bank.flags.writeable = False
    return bank


def mel_bands(power: FloatArray, sample_rate: int, n_fft: int, n_mels: int) -> FloatArray:
    """Return the mel bands (n_mels, n_frames) of a power spectrum (n_fft // 2 + 1, n_frames), leaving out the zeros."""
    out = np.empty((power.shape[1], n_mels), np.float32)
    frames = power.T
    for rows, bins, weights in _mel_blocks(sample_rate, n_fft, n_mels):
        np.matmul(frames[:, bins], weights, out=out[:, rows])
    return out.T


@lru_cache(maxsize=16)
def _mel_blocks(sample_rate: int, n_fft: int, n_mels: int) -> list[tuple[slice, slice, FloatArray]]:
    bank = mel_filterbank(sample_rate, n_fft, n_mels)
    blocks = []
    for first in range(0, n_mels, _GROUP):
        rows = slice(first, min(first + _GROUP, n_mels))
        used = np.flatnonzero(bank[rows].any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        blocks.append((rows, bins, np.ascontiguousarray(bank[rows, bins].T)))
    return blocks


def pitch_classes(magnitude: FloatArray, sample_rate: int, n_fft: int, tuning: float) -> FloatArray:
    """Return the twelve pitch classes from C to B (12, n_frames) of a magnitude spectrum (n_fft // 2 + 1, n_frames).

    Every bin is spread over the pitch classes by a Gaussian around its own pitch, scaled to unit length and weighted
    by another Gaussian, two octaves wide, around five octaves above 27.5 Hz (Ellis 2007, *Chroma feature analysis*).

    Args:
        magnitude: At least 0.
        sample_rate: In Hz.
        n_fft: Length of the transform in samples.
        tuning: Deviation from A = 440 Hz, in semitones.
    """
    return (magnitude.T @ _chroma_weights(sample_rate, n_fft, tuning))[:, :N_CHROMA].T


@lru_cache(maxsize=256)
def _chroma_weights(sample_rate: int, n_fft: int, tuning: float) -> FloatArray:
    """Shape (n_fft // 2 + 1, 16), the last four columns empty: a product's registers hold sixteen numbers."""
    frequencies = np.arange(1, n_fft) * (sample_rate / n_fft)
    pitch = 12 * np.log2(frequencies / (440 / 16 * 2 ** (tuning / 12)))
    pitch = np.concatenate([[pitch[0] - 18], pitch])  # 0 Hz has no pitch: put it 1.5 octaves below the first bin
    width = np.append(np.maximum(np.diff(pitch), 1), 1)
    distance = np.remainder(pitch - np.arange(N_CHROMA)[:, None] + 126, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    weights *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    bank = np.zeros((n_fft // 2 + 1, 16), np.float32)
    bank[:, :N_CHROMA] = np.roll(weights, -3, axis=0)[:, : n_fft // 2 + 1].T
    bank.flags.writeable = False
    return bank
