"""A light gate on voicing, before any model is asked.

Speech is told by its voiced sounds: 40 ms frames that repeat themselves at a pitch of 60 to 500 Hz. The measure is a
correlation, hence independent of level. It refuses silence, clicks, hiss, rumble and steady tones; it does not tell
speech from other pitched and wavering sounds (music, some engines and animals pass).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, resample

SILENT_PEAK = 2e-5
"""A clip that never exceeds this is silence: less than one step of 16 bits."""

SHORTEST_SECONDS = 0.25
"""A clip shorter than this is too short to hold speech that can be judged."""

LEAST_VOICED_SECONDS = 0.1
"""Voiced sound that a clip of speech holds at least, in total."""

_RATE = 4_000  # Hz; the pitch and the first formant are below 2 kHz, most of a hiss is above
_FRAME, _HOP = 160, 80  # samples at _RATE: 40 ms, 20 ms
_FFT = 256
_LOWEST_LAG, _HIGHEST_LAG = _RATE // 500, _RATE // 60
_AT_ONCE = 128  # frames: what is made of them stays in the processor's cache
_PERIODIC = 0.55  # of 1: least correlation of a voiced frame with itself, one period later
_RUN = 3  # frames: shorter runs of voiced frames are chance
_STEADY_DB = 0.5  # a voice's level wavers more than this (standard deviation); a tone's does not
_RANGE = 1e-4  # voiced frames of less power than this part of the strongest one's are an echo or a hum


def speech_seconds(clip: Clip) -> float:
    """Return how much voiced sound a clip holds, in seconds, to 20 ms; 0 where it holds no speech.

    The same for a clip at any level (down to a peak of ``SILENT_PEAK``). The pitch is sought by the normalised
    autocorrelation (Boersma 1993, without its path search).
    """
    if clip.duration < SHORTEST_SECONDS or (peak := float(max(clip.samples.max(), -clip.samples.min()))) < SILENT_PEAK:
        return 0.0
    # At full scale, so that no level over- or underflows.
    level = resample(Clip(clip.samples / np.float32(peak), clip.sample_rate), _RATE)
    raw, frames = _frames(level.samples), _frames(_without_rumble(level.samples))
    # A filter takes power away; where it adds some, it rings ahead of a sudden sound.
    frames[np.square(frames).sum(axis=1) > 1.5 * np.square(raw).sum(axis=1)] = 0
    voiced = _voiced(frames)
    if not voiced.any() or np.std(10 * np.log10(np.square(frames[voiced]).sum(axis=1))) < _STEADY_DB:
        return 0.0
    seconds = float(np.count_nonzero(voiced)) * _HOP / _RATE
    return seconds if seconds >= LEAST_VOICED_SECONDS else 0.0


def has_speech(clip: Clip) -> bool:
    """Whether a clip holds speech: see :func:`speech_seconds`."""
    return speech_seconds(clip) > 0


def _without_rumble(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The samples at _RATE without what is below a voice: a ramp from 40 to 100 Hz."""
    n_padded = 1 << (len(samples) - 1).bit_length()
    spectrum = np.fft.rfft(samples, n_padded)
    low = slice(100 * n_padded // _RATE + 1)
    spectrum[low] *= np.clip((np.fft.rfftfreq(n_padded, 1 / _RATE)[low] - 40) / 60, 0, 1)
    return np.fft.irfft(spectrum, n_padded)[: len(samples)].astype(np.float32)


def _frames(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Frames without their means, (n_frames, _FRAME)."""
    if len(samples) < _FRAME:
        return np.zeros((0, _FRAME), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    centred: npt.NDArray[np.float32] = frames - frames.mean(axis=1, keepdims=True)
    return centred


def _voiced(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    voiced = np.zeros(len(frames), bool)
    energy = np.cumsum(frames.astype(np.float64) ** 2, axis=1)
    power = energy[:, -1].astype(np.float32)
    # In a pause next to speech no frame can count: those are looked at only where what is loudest is not voiced.
    least = _RANGE * power.max(initial=0)
    loud = power > least
    voiced[loud] = _periodicity(frames[loud], energy[loud]) > _PERIODIC
    faint = (power <= least) & (power > _RANGE * power[voiced].max(initial=0))
    voiced[faint] = _periodicity(frames[faint], energy[faint]) > _PERIODIC
    if not voiced.any():
        return voiced
    voiced &= power > _RANGE * power[voiced].max()
    # Keep runs only: erode, then dilate by as much.
    core = np.lib.stride_tricks.sliding_window_view(np.pad(voiced, _RUN - 1), _RUN).all(axis=1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(core, _RUN).any(axis=1))


def _periodicity(frames: npt.NDArray[np.float32], energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Each frame's highest peak of the normalised autocorrelation at a voice's lags, 0 where none is.

    Args:
        frames: (n_frames, _FRAME).
        energy: Of each frame up to and with each sample.
    """
    first, last = _LOWEST_LAG - 1, _HIGHEST_LAG + 1
    found = np.zeros(len(frames))
    for start in range(0, len(frames), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        spectrum = np.fft.rfft(frames[some], _FFT)
        products = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _FFT)[:, first : last + 1]
        total = energy[some, -1:]
        head, tail = energy[some, _FRAME - 1 - first : _FRAME - 2 - last : -1], total - energy[some, first - 1 : last]
        r = products / np.sqrt(np.maximum(head * tail, 1e-30 + 1e-6 * total**2))
        inner = r[:, 1:-1]
        found[some] = np.where((inner > r[:, :-2]) & (inner >= r[:, 2:]), inner, 0).max(axis=1)
    return found
