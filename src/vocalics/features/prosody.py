"""Loudness, noisiness and pitch of the voice, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import FeatureError
from vocalics.features.spectrum import HOP_LENGTH, N_FFT, FloatArray, centred, centred_frames, framed

_SILENCE = 1e-10  # an amplitude that counts as zero, and the power below which a level is not told


def zero_crossing_rate(clip: Clip, frame_length: int = N_FFT, hop_length: int = HOP_LENGTH) -> FloatArray:
    """Return the share of samples at which the sign changes.

    Frames are centred on multiples of the hop; beyond its ends the clip goes on with its end samples. An amplitude
    within ±1e-10 counts as positive.

    Returns:
        float32, shape (n_frames,), 0 to 1.

    Raises:
        FeatureError: When the clip holds no samples.
    """
    negative = clip.samples < np.float32(-_SILENCE)
    crossed = centred(negative, frame_length)
    half = frame_length // 2
    np.not_equal(negative[1:], negative[:-1], out=crossed[half + 1 : half + len(negative)])
    crossed[half] = False
    counts = _frame_sums(crossed, frame_length, hop_length)
    counts -= crossed[::hop_length][: len(counts)]  # a frame's first sample has no neighbour in the frame
    return counts * np.float32(1 / frame_length)


def rms(clip: Clip, frame_length: int = N_FFT, hop_length: int = HOP_LENGTH) -> FloatArray:
    """Return the root of the mean square of centred frames; beyond its ends the clip counts as silent.

    Returns:
        float32, shape (n_frames,), at least 0 (a full-scale sine has 0.707).

    Raises:
        FeatureError: When the clip holds no samples.
    """
    return np.sqrt(_mean_square(clip, frame_length, hop_length))


def energy_db(clip: Clip, frame_length: int = N_FFT, hop_length: int = HOP_LENGTH) -> FloatArray:
    """Return the level of centred frames: ten times the common logarithm of the mean square.

    Returns:
        float32, shape (n_frames,), in dB re full scale (a full-scale sine has -3.01), at least -100.

    Raises:
        FeatureError: When the clip holds no samples.
    """
    power = _mean_square(clip, frame_length, hop_length)
    return (10 * np.log10(np.maximum(power, _SILENCE))).astype(np.float32)


def _mean_square(clip: Clip, frame_length: int, hop_length: int) -> FloatArray:
    samples, half = clip.samples, frame_length // 2
    if frame_length % hop_length or half % hop_length or not len(samples):
        sums = _frame_sums(centred(samples, frame_length), frame_length, hop_length)
    else:  # whole hops of silence before and after need not be copied together with the samples
        before, whole = half // hop_length, len(samples) // hop_length
        hops = np.zeros(2 * before + whole, np.float32)
        hops[before : before + whole] = _sums_of_squares(samples[: whole * hop_length].reshape(whole, hop_length))
        rest = samples[whole * hop_length :]
        hops[before + whole] = rest @ rest
        sums = _sums_of_neighbours(hops, 2 * before)
    return sums * np.float32(1 / frame_length)


def _frame_sums(values: FloatArray | npt.NDArray[np.bool_], frame_length: int, hop_length: int) -> FloatArray:
    """Return every frame's sum of squares; where frames are whole hops long, every hop is summed only once."""
    if frame_length % hop_length:
        return _sums_of_squares(framed(values, frame_length, hop_length))
    per_frame = frame_length // hop_length
    n_hops = (len(values) - frame_length) // hop_length + per_frame
    sums = _sums_of_squares(values[: n_hops * hop_length].reshape(n_hops, hop_length))
    return _sums_of_neighbours(sums, per_frame)


def _sums_of_neighbours(values: FloatArray, n: int) -> FloatArray:
    return np.correlate(values, np.ones(n, np.float32))


def _sums_of_squares(rows: FloatArray | npt.NDArray[np.bool_]) -> FloatArray:
    if rows.dtype != bool:
        return np.asarray(np.matmul(rows[:, None, :], rows[:, :, None])[:, 0, 0], np.float32)
    n = rows.shape[1]
    if n % 8 or n >= 8 * 256 or not rows.flags.c_contiguous:
        return np.asarray(np.count_nonzero(rows, axis=1), np.float32)
    eights = rows.view(np.uint64).sum(axis=1)  # eight counters of a byte each
    return np.asarray(eights.view(np.uint8).reshape(-1, 8) @ np.ones(8, np.float32), np.float32)


@dataclass(frozen=True, eq=False)
class Pitch:
    """The fundamental frequency of every frame and how sure it is.

    Attributes:
        f0: float32, shape (n_frames,), in Hz, within the range searched whether voiced or not.
        voicing: float32, shape (n_frames,), 0 (aperiodic or silent) to 1 (perfectly periodic).
    """

    f0: FloatArray
    voicing: FloatArray

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Whether a frame is taken for voiced: voicing above one half."""
        return self.voicing > 0.5


def pitch(
    clip: Clip,
    lowest: float = 65.0,
    highest: float = 600.0,
    frame_length: int = N_FFT,
    hop_length: int = HOP_LENGTH,
    trough: float = 0.1,
) -> Pitch:
    """Estimate fundamental frequency and voicing by YIN.

    De Cheveigné & Kawahara (2002), *YIN, a fundamental frequency estimator for speech and music*: the first minimum
    below ``trough`` of the cumulative mean normalised difference, else the deepest one, refined by a parabola.
    Voicing is one less that minimum's value (the frame's aperiodicity). Frames are centred on multiples of the hop.

    Args:
        clip: Any sample rate.
        lowest: In Hz, at least ``sample_rate / (frame_length - 1)``.
        highest: In Hz, at most half the sample rate.
        frame_length: In samples.
        hop_length: In samples.
        trough: Aperiodicity that is good enough, 0 to 1.

    Raises:
        FeatureError: When the range does not fit the sample rate and frame, or the clip holds no samples.
    """
    rate = clip.sample_rate
    if not rate / (frame_length - 1) <= lowest < highest <= rate / 2:
        raise FeatureError(
            f"pitch: {lowest:g} to {highest:g} Hz cannot be searched in frames of {frame_length} samples at {rate} Hz; "
            f"expected {rate / (frame_length - 1):.1f} to {rate / 2:g} Hz"
        )
    shortest = int(rate / highest)
    longest = min(int(np.ceil(rate / lowest)), frame_length - 1)
    frames = centred_frames(clip.samples, frame_length, hop_length)
    f0, aperiodicity = np.empty((2, len(frames)), np.float64)
    for first in range(0, len(frames), 256):  # bounded memory, whatever the length
        block = slice(first, first + 256)
        period, aperiodicity[block] = _period(frames[block].astype(np.float64), shortest, longest, trough)
        f0[block] = rate / period
    return Pitch(f0.astype(np.float32), np.clip(1 - aperiodicity, 0, 1).astype(np.float32))


def _period(
    frames: npt.NDArray[np.float64], shortest: int, longest: int, trough: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return every frame's period in samples and its normalised difference there (1 for silence)."""
    n_fft = 1 << (frames.shape[1] + longest).bit_length()
    spectra = np.fft.rfft(frames, n_fft)
    correlation = np.fft.irfft(spectra.real**2 + spectra.imag**2, n_fft)[:, : longest + 1]
    lost = np.cumsum(frames[:, :longest] ** 2, axis=1)  # energy of the samples that a lag leaves without a partner
    difference = np.maximum(2 * (correlation[:, :1] - correlation[:, 1:]) - lost, 0)
    mean = np.cumsum(difference, axis=1) / np.arange(1, longest + 1)
    silent = correlation[:, 0] <= frames.shape[1] * _SILENCE**2
    normal = difference[:, shortest - 1 :] / np.maximum(mean[:, shortest - 1 :], np.finfo(np.float64).tiny)
    normal[silent] = 1
    is_trough = np.zeros(normal.shape, bool)
    is_trough[:, 1:-1] = (normal[:, 1:-1] < normal[:, :-2]) & (normal[:, 1:-1] <= normal[:, 2:])
    is_trough[:, 0] = normal[:, 0] < normal[:, 1]
    is_trough[:, -1] = normal[:, -1] < normal[:, -2]
    good = is_trough & (normal < trough)
    lag = np.where(good.any(axis=1), good.argmax(axis=1), normal.argmin(axis=1))
    rows = np.arange(len(lag))
    inner = np.clip(lag, 1, normal.shape[1] - 2)
    before, at, after = (normal[rows, inner + step] for step in (-1, 0, 1))
    slope, curvature = (after - before) / 2, after + before - 2 * at
    refine = (inner == lag) & (np.abs(slope) < np.abs(curvature))
    shift = np.where(refine, -slope / np.where(refine, curvature, 1), 0)
    return shortest + lag + shift, np.asarray(normal[rows, lag])
