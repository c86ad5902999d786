"""Noise: made, and recorded."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vocalics.audio import Clip, Samples
from vocalics.augment.recordings import AudioFolder, drawn_excerpt
from vocalics.augment.signal import Decibel, mix, power_of_two
from vocalics.preprocess.settings import Within


def add_noise(
    clip: Clip, snr_db: Decibel, rng: np.random.Generator, slope_db: Annotated[float, Within(-24, 24)] = 0.0
) -> Clip:
    """Add stationary Gaussian noise.

    Args:
        clip: Any clip.
        snr_db: Power of the clip over power of the noise, in dB.
        rng: Source of randomness.
        slope_db: Spectral slope of the noise in dB per octave: 0 is white, -3 pink, -6 brown.
    """
    n_samples = len(clip.samples)
    if slope_db != 0.0 and n_samples > 1:
        n_fft = power_of_two(n_samples)
        frequency = np.maximum(np.fft.rfftfreq(n_fft, 1 / clip.sample_rate), 20.0)
        spectrum = np.fft.rfft(rng.standard_normal(n_fft, dtype=np.float32)) * (frequency / 1000.0) ** (
            slope_db / 6.0206
        )
        noise = np.fft.irfft(spectrum, n_fft)[:n_samples].astype(np.float32)
    else:
        noise = gaussian(n_samples, rng)
    return mix(clip, Clip(noise, clip.sample_rate), snr_db)


def gaussian(n_samples: int, rng: np.random.Generator) -> Samples:
    """Return white noise of unit power, in a third of the time that ``rng.standard_normal`` takes.

    Box & Muller (1958), *A note on the generation of random normal deviates*.

    Args:
        n_samples: Length.
        rng: Source of randomness.

    Returns:
        float32, shape (n_samples,), within ±5.8.
    """
    half = -(-n_samples // 2)
    radius, angle = rng.random((2, half), np.float32)
    np.subtract(1, radius, out=radius)  # above 0, as the logarithm needs it
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * np.pi)
    noise = np.empty((2, half), np.float32)
    np.cos(angle, out=noise[0])
    np.sin(angle, out=noise[1])
    noise *= radius
    return noise.reshape(-1)[:n_samples]


def add_hum(
    clip: Clip, snr_db: Decibel, rng: np.random.Generator, mains: Annotated[float, Within(1, 1000)] = 50.0
) -> Clip:
    """Add mains hum: harmonics of ``mains`` Hz with random phases and falling random amplitudes, at ``snr_db``."""
    time = np.arange(len(clip.samples)) / clip.sample_rate
    hum = np.zeros(len(time))
    for harmonic in range(1, 13):
        amplitude = rng.uniform(0.2, 1.0) / harmonic
        hum += amplitude * np.sin(2 * np.pi * (harmonic * mains * time + rng.uniform()))
    return mix(clip, Clip(hum.astype(np.float32), clip.sample_rate), snr_db)


def noise_by_peak(clip: Clip, rng: np.random.Generator, level: Annotated[float, Within(0, 100)] = 0.035) -> Clip:
    """Add white noise as the widespread notebooks on speech emotion do.

    Its standard deviation is ``level`` times the clip's highest sample (not the highest absolute one) times a number
    drawn from 0 to 1: the ratio of signal to noise is another for every clip, and unknown. For published recipes; see
    :func:`add_noise` for noise of a known ratio.

    Args:
        clip: Any clip.
        rng: Source of randomness.
        level: 0.035 in the notebooks.
    """
    amplitude = np.float32(level * rng.uniform() * float(clip.samples.max(initial=0.0)))
    return Clip(clip.samples + amplitude * gaussian(len(clip.samples), rng), clip.sample_rate)


def recorded_noise(clip: Clip, folder: AudioFolder, snr_db: Decibel, rng: np.random.Generator) -> Clip:
    """Add noise recorded somewhere: a random file of a folder, from a random place on, repeated where it is shorter.

    The repetition is faded over, without a click; see :func:`vocalics.augment.recordings.drawn_excerpt`.

    Args:
        clip: Any clip. A silent one stays silent, for nothing is at any ratio to it.
        folder: Audio files at any depth and of any rate; several channels are averaged.
        snr_db: Power of the clip over power of the noise added to it, both over the whole clip, in dB.
        rng: Draws file and place.

    Raises:
        AudioError: For a file that cannot be read, or is silent.
        RecipeError: For a folder without audio.
    """
    noise = drawn_excerpt(folder, clip.sample_rate, len(clip.samples), rng)
    return mix(clip, Clip(noise, clip.sample_rate), snr_db)
