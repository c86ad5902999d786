"""Rooms: a drawn impulse response, or a measured one."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vocalics.audio import Clip
from vocalics.augment.recordings import AudioFolder, drawn_response
from vocalics.augment.signal import Decibel, power_of_two, same_power
from vocalics.preprocess.settings import Within


def room_response(sample_rate: int, reverberation_time: float, direct_db: float, rng: np.random.Generator) -> Clip:
    """Draw a room impulse response: a direct sound, and noise that decays exponentially.

    Args:
        sample_rate: In Hz.
        reverberation_time: RT60, in seconds: the time in which the tail falls by 60 dB.
        direct_db: Power of the direct sound over that of the tail, in dB.
        rng: Source of randomness.

    Source: Polack, "La transmission de l'énergie sonore dans les salles", 1988 (the exponential-decay model).
    """
    n_samples = max(2, round(reverberation_time * sample_rate))
    time = np.arange(n_samples) / sample_rate
    tail = rng.standard_normal(n_samples, dtype=np.float32).astype(np.float64) * np.exp(
        -6.9078 * time / reverberation_time
    )
    tail[: max(1, round(rng.uniform(0.001, 0.008) * sample_rate))] = 0.0
    # Walls and air absorb the high frequencies first.
    spectrum = np.fft.rfft(tail)
    cutoff = rng.uniform(1500.0, 6000.0)
    spectrum /= np.sqrt(1.0 + (np.fft.rfftfreq(n_samples, 1 / sample_rate) / cutoff) ** 2)
    tail = np.fft.irfft(spectrum, n_samples)
    power = float(np.sum(np.square(tail))) or 1.0
    tail *= np.sqrt(10 ** (-direct_db / 10) / power)
    tail[0] = 1.0
    return Clip(tail.astype(np.float32), sample_rate)


def convolve(clip: Clip, response: Clip, n_before: int = 0) -> Clip:
    """Convolve with an impulse response of the same rate; length and power are kept.

    Args:
        clip: Any clip.
        response: Impulse response.
        n_before: Samples of it before the direct sound; the clip is not delayed by them.
    """
    n_samples = len(clip.samples)
    if n_samples == 0:
        return clip
    n_fft = power_of_two(n_samples + len(response.samples) - 1)
    wet = np.fft.irfft(np.fft.rfft(clip.samples, n_fft) * np.fft.rfft(response.samples, n_fft), n_fft)[
        n_before : n_before + n_samples
    ]
    return same_power(clip, wet)


def room(
    clip: Clip, reverberation_time: Annotated[float, Within(0.01, 30)], direct_db: Decibel, rng: np.random.Generator
) -> Clip:
    """Put the clip into a random room of this reverberation time, see :func:`room_response`."""
    return convolve(clip, room_response(clip.sample_rate, reverberation_time, direct_db, rng))


def recorded_room(clip: Clip, folder: AudioFolder, rng: np.random.Generator) -> Clip:
    """Put the clip into a random room of a folder of measured impulse responses; length and power are kept.

    The direct sound, taken to be a response's highest sample, stays where it was in the clip.

    Args:
        clip: Any clip.
        folder: Impulse responses as audio files at any depth and of any rate; of several channels the first is taken.
        rng: Draws the file.

    Raises:
        AudioError: For a file that cannot be read, or is silent.
        RecipeError: For a folder without audio.
    """
    response = drawn_response(folder, clip.sample_rate, rng)
    return convolve(clip, response, int(np.abs(response.samples).argmax()))
