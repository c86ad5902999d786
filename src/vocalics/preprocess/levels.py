"""Level normalisation: by the highest sample, by power, or by loudness as it is heard.

None of them limits: a quiet clip with one loud click, brought to a high level, exceeds full scale (±1), as a float
clip may.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.preprocess.settings import Within

Level = Annotated[float, Within(-120, 0)]

ABSOLUTE_GATE = -70.0
"""LUFS: blocks below this are silence (ITU-R BS.1770)."""

_RELATIVE_GATE = -10.0  # LU, below the mean of what the absolute gate lets pass
_BLOCK, _STEP = 0.4, 0.1  # seconds
_OFFSET = -0.691  # dB: makes a sine of 997 Hz at full scale -3.01 LUFS
_RING = 0.5  # seconds: after these the filters' answer to anything has fallen by more than 200 dB
_PIECE = 1 << 20  # samples filtered at a time
_LARGEST = float(np.finfo(np.float32).max)  # above, a factor is infinite, and 0 times it no number


def normalise_peak(clip: Clip, peak_db: Level = -1.0) -> Clip:
    """Bring the highest absolute sample to ``peak_db``, in dB relative to full scale; silence stays as it is.

    As silence counts what is too faint for a factor in float32: a peak below 3e-39 times the level.
    """
    peak = float(np.abs(clip.samples).max(initial=0.0))
    return _scaled(clip, 10 ** (peak_db / 20) / peak) if peak > 0 else clip


def normalise_rms(clip: Clip, rms_db: Level = -23.0) -> Clip:
    """Bring the root mean square of the whole clip, pauses included, to ``rms_db`` relative to full scale.

    A sine of amplitude 1 has -3.01 dB. Silence stays as it is, as for :func:`normalise_peak`.
    """
    if len(clip.samples) == 0:
        return clip
    rms = float(np.sqrt(np.mean(np.square(clip.samples, dtype=np.float64))))
    return _scaled(clip, 10 ** (rms_db / 20) / rms) if rms > 0 else clip


def normalise_loudness(clip: Clip, lufs: Level = -23.0) -> Clip:
    """Bring the loudness (see :func:`loudness`) to ``lufs``; a clip that is silent to the measure stays as it is.

    -23 LUFS is the level of European broadcasts (EBU R 128).
    """
    measured = loudness(clip)
    return _scaled(clip, 10 ** ((lufs - measured) / 20)) if measured > -np.inf else clip


def loudness(clip: Clip) -> float:
    """Return the integrated loudness of a clip in LUFS, gated as ITU-R BS.1770-4 says.

    Pauses do not count: blocks of 400 ms below -70 LUFS, and those 10 LU below the mean of the others, are left out. A
    clip shorter than a block is one block.

    Returns:
        LUFS; minus infinity where no block passes the gate.
    """
    n_block = min(len(clip.samples), round(_BLOCK * clip.sample_rate))
    if n_block == 0:
        return -np.inf
    n_step = max(1, round(_STEP * clip.sample_rate))
    energy = np.concatenate([[0.0], np.cumsum(np.square(_k_weighted(clip)))])
    starts = np.arange(0, len(clip.samples) - n_block + 1, n_step)
    power = np.maximum(energy[starts + n_block] - energy[starts], 0) / n_block
    heard = power[_lufs(power) > ABSOLUTE_GATE]
    if len(heard) == 0:
        return -np.inf
    heard = heard[_lufs(heard) > _lufs(heard.mean()) + _RELATIVE_GATE]
    return float(_lufs(heard.mean()))


def _lufs(power: npt.ArrayLike) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(_OFFSET + 10 * np.log10(power))


def _k_weighted(clip: Clip) -> npt.NDArray[np.float64]:
    """The samples through BS.1770's two filters: a shelf for the head, a high pass for the ear.

    By multiplication of spectra, piece by piece, each with what rings into it: SciPy's filters are not needed, hence
    not by who only predicts.
    """
    n_ring = round(_RING * clip.sample_rate)
    out = np.empty(len(clip.samples))
    n_fft = 1 << (min(_PIECE, len(out)) + 2 * n_ring).bit_length()
    z = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)
    response = _shelf(z, clip.sample_rate) * _high_pass(z, clip.sample_rate)
    for start in range(0, len(out), _PIECE):
        first = max(0, start - n_ring)
        part = clip.samples[first : start + _PIECE].astype(np.float64)
        filtered = np.fft.irfft(np.fft.rfft(part, n_fft) * response, n_fft)
        out[start : start + _PIECE] = filtered[start - first : len(part)]
    return out


def _shelf(z: npt.NDArray[np.complex128], sample_rate: int) -> npt.NDArray[np.complex128]:
    """The first stage: +4 dB above about 1.7 kHz. BS.1770 prints it at 48 kHz only; this is the filter behind it."""
    gain, q, k = 10 ** (3.999843853973347 / 20), 0.7071752369554196, np.tan(np.pi * 1681.974450955533 / sample_rate)
    middle = gain**0.4996667741545416
    above = (gain + middle * k / q + k * k) + 2 * (k * k - gain) * z + (gain - middle * k / q + k * k) * z**2
    return np.asarray(above / ((1 + k / q + k * k) + 2 * (k * k - 1) * z + (1 - k / q + k * k) * z**2))


def _high_pass(z: npt.NDArray[np.complex128], sample_rate: int) -> npt.NDArray[np.complex128]:
    """The second stage: 12 dB per octave below 38 Hz, above as loud at every rate as BS.1770's at 48 kHz (+0.04 dB)."""
    q, k, at_48 = 0.5003270373238773, *(np.tan(np.pi * 38.13547087602444 / rate) for rate in (sample_rate, 48_000))
    below = (1 + k / q + k * k) + 2 * (k * k - 1) * z + (1 - k / q + k * k) * z**2
    return np.asarray((1 + at_48 / q + at_48**2) * (1 - z) ** 2 / below)


def _scaled(clip: Clip, factor: float) -> Clip:
    if factor > _LARGEST:
        return clip
    return Clip((clip.samples * factor).astype(np.float32), clip.sample_rate)
