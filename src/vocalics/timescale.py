"""Change how long a clip lasts, or how high it sounds, and not the other."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, Samples
from vocalics.errors import AudioError
from vocalics.preprocess.settings import Within

_SEQUENCE = 0.050  # seconds taken over unchanged
_OVERLAP = 0.012  # seconds over which one sequence fades into the next
_REACH = 0.010  # seconds by which a sequence may be moved to fit: a period of 100 Hz to either side is too much to miss
_SEARCH_RATE = 5_000  # Hz, of the coarse search
_SLOWEST, _FASTEST = 0.25, 4.0
_FINEST = 200  # denominator of a pitch ratio: within 0.1 cents, and few enough filters
_PERIODS, _PASSED = 64, 0.92  # of a resampling filter, and the share of the band at whose end half is left
_GROUP = 16  # resampled at a time: few enough to skip the zeros, enough for the matrix product

Rate = Annotated[float, Within(_SLOWEST, _FASTEST)]
Semitones = Annotated[float, Within(-24, 24)]


def time_stretch(clip: Clip, rate: Rate) -> Clip:
    """Return the clip spoken ``rate`` times as fast, at the same pitch.

    Verhelst & Roelands (1993), *An overlap-add technique based on waveform similarity (WSOLA)*: stretches of 50 ms are
    laid one after the other where they fit what came before best.

    Args:
        clip: Any clip.
        rate: 0.25 to 4; below 1 it is slowed down.

    Returns:
        A clip of ``round(n_samples / rate)`` samples and of the same power.

    Raises:
        AudioError: For a rate out of range.
    """
    return stretch_and_shift(clip, rate, 0.0)


def pitch_shift(clip: Clip, semitones: Semitones) -> Clip:
    """Return the clip higher (or, below 0, lower) by some semitones; formants move along.

    Length and power are kept.

    Args:
        clip: Any clip.
        semitones: -24 to 24.

    Raises:
        AudioError: For a shift out of range.
    """
    return stretch_and_shift(clip, 1.0, semitones)


def stretch_and_shift(clip: Clip, rate: Rate, semitones: Semitones) -> Clip:
    """Return the clip ``rate`` times as fast and higher by some semitones, in one go.

    Args:
        clip: Any clip.
        rate: 0.25 to 4.
        semitones: -24 to 24; what both ask of the stretching together must be within 0.25 to 4 too.

    Returns:
        A clip of ``round(n_samples / rate)`` samples.

    Raises:
        AudioError: For a rate or a shift out of range.
    """
    if not -24 <= semitones <= 24:
        raise AudioError(f"a pitch shift of {semitones:g} semitones is out of range; expected -24 to 24")
    fraction = Fraction(2.0 ** (semitones / 12)).limit_denominator(_FINEST)
    ratio = float(fraction)
    if not (_SLOWEST <= rate <= _FASTEST and _SLOWEST <= rate / ratio <= _FASTEST):
        raise AudioError(
            f"a rate of {rate:g} with a shift of {semitones:g} semitones is out of range; expected "
            f"{_SLOWEST:g} to {_FASTEST:g}, together with the shift too"
        )
    n_samples = round(len(clip.samples) / rate)
    if rate == ratio:
        samples = _resampled(clip.samples, fraction)
    elif ratio > rate:  # what is to grow is resampled while it is short
        samples = _stretched(_resampled(clip.samples, fraction), clip.sample_rate, rate / ratio, n_samples)
    else:
        stretched = _stretched(clip.samples, clip.sample_rate, rate / ratio, round(n_samples * ratio))
        samples = _resampled(stretched, fraction)
    if len(samples) < n_samples:
        samples = np.pad(samples, (0, n_samples - len(samples)))
    return Clip(_as_strong(samples[:n_samples], clip.samples), clip.sample_rate)


def _as_strong(samples: Samples, as_these: Samples) -> Samples:
    """The samples at the power of others: which 50 ms are left out or said twice must not make a clip louder."""
    if len(samples) == 0:
        return samples
    before, after = (float(s @ s) / len(s) for s in (as_these, samples))
    if before == after or after == 0 or not np.isfinite(before + after):
        return samples
    return samples * np.float32(np.sqrt(before / after))


def _resampled(samples: Samples, ratio: Fraction) -> Samples:
    """Return the samples played ``ratio`` times as fast, ``round(n_samples / ratio)`` of them.

    A windowed sinc of 64 periods, as a few matrix products: a third of soxr's time where a ratio comes again. It is
    soxr's sound to -90 dB up to two thirds of the band; what lies above 0.46 of the lower rate fades out.
    """
    if ratio == 1 or not len(samples):
        return samples
    half, n_in, n_out, filters = _filters(ratio)
    n_samples = round(len(samples) / ratio)
    n_rows = -(-n_samples // n_out)
    padded = np.zeros((n_rows + 2) * n_in + 2 * half, np.float32)
    padded[half : half + len(samples)] = samples
    out = np.empty((n_rows, n_out), np.float32)
    for first, start, weights in filters:
        rows = padded[start : start + n_rows * n_in].reshape(n_rows, n_in)
        np.matmul(rows[:, : len(weights)], weights, out=out[:, first : first + weights.shape[1]])
    return out.reshape(-1)[:n_samples]


@lru_cache(maxsize=16)
def _filters(ratio: Fraction) -> tuple[int, int, int, list[tuple[int, int, Samples]]]:
    """Return what turns rows of samples into rows of resampled ones.

    Returns:
        The reach of a filter, the samples of a row before and after, and for every few outputs of a row the first of
        them, the first input (counted from ``reach`` before the row) and the weights, shape (n_inputs, n_outputs).
    """
    period = max(1.0, float(ratio))
    half = round(_PERIODS / 2 * period)
    repeated = -(-(2 * half + int(1.5 * _GROUP * ratio) + 2) // ratio.numerator)  # until a row holds a product's inputs
    n_in, n_out = repeated * ratio.numerator, repeated * ratio.denominator
    filters = []
    edges = np.linspace(0, n_out, max(1, round(n_out / _GROUP)) + 1).astype(int).tolist()
    for first, last in itertools.pairwise(edges):
        place = np.arange(first, last) * float(ratio)
        start = int(place[0]) - half + 1
        inputs = np.arange(start, int(place[-1]) + half + 1)
        time = ((inputs[:, None] - place) / period).astype(np.float32)
        angle = np.clip(time * np.float32(2 * np.pi / _PERIODS), -np.float32(np.pi), np.float32(np.pi))
        blackman = np.float32(0.42) + np.float32(0.5) * np.cos(angle) + np.float32(0.08) * np.cos(2 * angle)
        sinc = np.sinc(time * np.float32(_PASSED)) * np.float32(_PASSED / period)
        filters.append((first, start + half, sinc * blackman))
    return half, n_in, n_out, filters


def _stretched(samples: Samples, sample_rate: int, rate: float, n_out: int) -> Samples:
    """Return ``n_out`` samples in which the sound goes by ``rate`` times as fast."""
    hop, overlap, reach = (max(1, round(seconds * sample_rate)) for seconds in (_SEQUENCE, _OVERLAP, _REACH))
    size = hop + overlap
    n_sequences = -(-n_out // hop)
    tail = round(n_sequences * hop * rate) + size + hop + 2 * reach
    padded = np.zeros(max(len(samples), tail) + size, np.float32)
    padded[: len(samples)] = samples
    starts = _starts(padded, sample_rate, np.arange(n_sequences, dtype=np.float64) * (hop * rate), hop, overlap, reach)
    fade = np.sin(np.linspace(0, np.pi / 2, overlap, endpoint=False, dtype=np.float32)) ** 2
    sequences = np.lib.stride_tricks.sliding_window_view(padded, hop)
    out = sequences[starts]
    before = sequences[starts[:-1] + hop, :overlap]  # what would follow the sequences before
    before *= 1 - fade
    out[1:, :overlap] *= fade
    out[1:, :overlap] += before
    return out.reshape(-1)[:n_out]


def _starts(
    padded: Samples, sample_rate: int, wanted: npt.NDArray[np.float64], hop: int, overlap: int, reach: int
) -> npt.NDArray[np.intp]:
    """Return where every sequence begins: near where it is wanted, and like what would follow the one before.

    Likeness is the least squared difference over the overlap, sought first at a low sample rate, then around there.
    """
    step = max(1, sample_rate // _SEARCH_RATE)
    whole = len(padded) // step * step
    coarse = sum((padded[i:whole:step] for i in range(1, step)), start=padded[:whole:step]) * np.float32(1 / step)
    length, lags = max(1, overlap // step), 2 * (reach // step) + 1
    energy = np.zeros(len(coarse) + 1)
    np.cumsum(np.square(coarse), dtype=np.float64, out=energy[1:])
    half_energy = np.empty(len(energy) - length, np.float32)
    np.subtract(energy[length:], energy[:-length], out=half_energy, casting="same_kind")
    half_energy *= np.float32(0.5)
    starts, start = [0], 0
    for target in wanted[1:].astype(int).tolist():
        follow, first = start + hop, max(0, target - reach) // step
        place = follow // step
        like = np.correlate(coarse[first : first + lags + length - 1], coarse[place : place + length])
        np.subtract(like, half_energy[first : first + lags], out=like)
        best, middle = int(like.argmax()), min(lags // 2, target // step - first)
        if like[best] <= like[middle]:
            start = target  # nothing to tell them apart, as in silence
        else:
            near = max(0, (first + best) * step + follow % step - step)
            fine = np.correlate(padded[near : near + 2 * step + overlap], padded[follow : follow + overlap])
            start = near + int(fine.argmax())
        starts.append(start)
    return np.array(starts)
