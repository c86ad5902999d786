"""Augmentation: pure functions from clip to clip; randomness arrives as an explicit ``rng``.

Every function keeps the sample rate. They are composed in recipes as steps (:class:`Step`): a name, a probability,
and settings, each a number or a range ``[low, high]`` from which one value is drawn per clip.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import soxr

from vocalics.audio import Clip, Samples
from vocalics.errors import RecipeError
from vocalics.registry import lookup, suggestion


def gain(clip: Clip, gain_db: float) -> Clip:
    """Change the level by ``gain_db`` decibels; nothing is limited."""
    return Clip(clip.samples * np.float32(10 ** (gain_db / 20)), clip.sample_rate)


def overdrive(clip: Clip, clipped_db: float) -> Clip:
    """Clip the peaks ``clipped_db`` decibels below the highest one, as an overdriven microphone does."""
    limit = float(np.abs(clip.samples).max(initial=0.0)) * 10 ** (-clipped_db / 20)
    return Clip(np.clip(clip.samples, -limit, limit), clip.sample_rate)


def add_noise(clip: Clip, snr_db: float, rng: np.random.Generator, slope_db: float = 0.0) -> Clip:
    """Add stationary Gaussian noise.

    Args:
        clip: Any clip.
        snr_db: Power of the clip over power of the noise, in dB.
        rng: Source of randomness.
        slope_db: Spectral slope of the noise in dB per octave: 0 is white, -3 pink, -6 brown.
    """
    n_samples = len(clip.samples)
    if slope_db != 0.0 and n_samples > 1:
        n_fft = _power_of_two(n_samples)
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
    noise = np.concatenate([np.cos(angle), np.sin(angle)])
    noise[:half] *= radius
    noise[half:] *= radius
    return noise[:n_samples]


def add_hum(clip: Clip, snr_db: float, rng: np.random.Generator, mains: float = 50.0) -> Clip:
    """Add mains hum: harmonics of ``mains`` Hz with random phases and falling random amplitudes, at ``snr_db``."""
    time = np.arange(len(clip.samples)) / clip.sample_rate
    hum = np.zeros(len(time))
    for harmonic in range(1, 13):
        amplitude = rng.uniform(0.2, 1.0) / harmonic
        hum += amplitude * np.sin(2 * np.pi * (harmonic * mains * time + rng.uniform()))
    return mix(clip, Clip(hum.astype(np.float32), clip.sample_rate), snr_db)


def mix(clip: Clip, noise: Clip, snr_db: float) -> Clip:
    """Add ``noise`` (same rate; repeated or cut to the clip's length) so that the power ratio is ``snr_db``."""
    if len(noise.samples) == 0 or len(clip.samples) == 0:
        return clip
    other = np.resize(noise.samples, len(clip.samples)).astype(np.float64)
    power = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    noise_power = float(np.mean(np.square(other)))
    if power == 0 or noise_power == 0:
        return clip
    scale = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    return Clip((clip.samples + scale * other).astype(np.float32), clip.sample_rate)


def speed(clip: Clip, factor: float) -> Clip:
    """Play ``factor`` times as fast: length divided by ``factor``, pitch and formants multiplied by it."""
    if factor == 1.0 or len(clip.samples) == 0:
        return clip
    samples = soxr.resample(clip.samples, clip.sample_rate * factor, clip.sample_rate, quality="MQ")
    return Clip(np.asarray(samples, dtype=np.float32), clip.sample_rate)


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


def convolve(clip: Clip, response: Clip) -> Clip:
    """Convolve with an impulse response of the same rate; length and power are kept."""
    n_samples = len(clip.samples)
    if n_samples == 0:
        return clip
    n_fft = _power_of_two(n_samples + len(response.samples) - 1)
    wet = np.fft.irfft(np.fft.rfft(clip.samples, n_fft) * np.fft.rfft(response.samples, n_fft), n_fft)[:n_samples]
    return _same_power(clip, wet)


def room(clip: Clip, reverberation_time: float, direct_db: float, rng: np.random.Generator) -> Clip:
    """Put the clip into a random room of this reverberation time, see :func:`room_response`."""
    return convolve(clip, room_response(clip.sample_rate, reverberation_time, direct_db, rng))


def telephone(clip: Clip) -> Clip:
    """Pass through a telephone: 300 to 3,400 Hz, 8 kHz, µ-law with 8 bits (ITU-T G.711)."""
    if len(clip.samples) == 0:
        return clip
    narrow = np.asarray(soxr.resample(clip.samples, clip.sample_rate, 8000, quality="MQ"), dtype=np.float64)
    n_fft = _power_of_two(2 * len(narrow))
    spectrum = np.fft.rfft(narrow, n_fft)
    frequency = np.fft.rfftfreq(n_fft, 1 / 8000)
    band = 1 / np.sqrt(1 + (250.0 / np.maximum(frequency, 1.0)) ** 8) / np.sqrt(1 + (frequency / 3400.0) ** 16)
    narrow = np.fft.irfft(spectrum * band, n_fft)[: len(narrow)]
    peak = float(np.abs(narrow).max(initial=0.0)) or 1.0
    # G.711's companding curve; the level of a call is unknown, so the peak is put at half of full scale.
    x = narrow / peak * 0.5
    companded = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    companded = np.round(companded * 127) / 127
    x = np.sign(companded) * np.expm1(np.abs(companded) * np.log(256)) / 255
    wide = soxr.resample((x * peak / 0.5).astype(np.float32), 8000, clip.sample_rate, quality="MQ")
    return Clip(_fit(wide, len(clip.samples)), clip.sample_rate)


def codec(clip: Clip, compression: float = 0.9) -> Clip:
    """Encode as Ogg Vorbis and decode again; ``compression`` from 0 (best) to 1 (smallest, about 24 kbit/s)."""
    if len(clip.samples) == 0:
        return clip
    peak = float(np.abs(clip.samples).max()) or 1.0
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        clip.samples / peak * 0.7,
        clip.sample_rate,
        format="OGG",
        subtype="VORBIS",
        compression_level=compression,
    )
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return Clip(_fit(decoded * (peak / 0.7), len(clip.samples)), clip.sample_rate)


def high_pass(clip: Clip, cutoff: float) -> Clip:
    """Take away what is below ``cutoff`` Hz: 12 dB per octave, zero phase."""
    if len(clip.samples) == 0:
        return clip
    n_samples = len(clip.samples)
    n_fft = _power_of_two(2 * n_samples)
    frequency = np.maximum(np.fft.rfftfreq(n_fft, 1 / clip.sample_rate), 1e-3)
    spectrum = np.fft.rfft(clip.samples, n_fft) / np.sqrt(1 + (cutoff / frequency) ** 4)
    return Clip(np.fft.irfft(spectrum, n_fft)[:n_samples].astype(np.float32), clip.sample_rate)


def time_shift(clip: Clip, seconds: float) -> Clip:
    """Move the sound later (positive) or earlier (negative) in a clip of the same length; zeros fill the gap."""
    n_shift = round(seconds * clip.sample_rate)
    samples = np.zeros_like(clip.samples)
    if abs(n_shift) < len(samples):
        if n_shift >= 0:
            samples[n_shift:] = clip.samples[: len(samples) - n_shift]
        else:
            samples[:n_shift] = clip.samples[-n_shift:]
    return Clip(samples, clip.sample_rate)


AUGMENTATIONS: dict[str, Callable[..., Clip]] = {
    f.__name__: f for f in (gain, overdrive, add_noise, add_hum, speed, room, telephone, codec, high_pass, time_shift)
}


@dataclass(frozen=True)
class Step:
    """One augmentation of a chain: its name, how often it is applied, and its settings."""

    name: str
    probability: float
    settings: Mapping[str, float | tuple[float, float]]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Step:
        """Check a recipe's table ``{name, probability, setting = number | [low, high], ...}``.

        Raises:
            RecipeError: For an unknown augmentation or setting, or a value that is no number or range.
        """
        values = dict(table)
        name = str(values.pop("name", ""))
        function = lookup(AUGMENTATIONS, name, "augmentation", RecipeError)
        probability = values.pop("probability", 1.0)
        if not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise RecipeError(f"augmentation {name}: probability {probability!r} is not a number from 0 to 1")
        known = [p for p in inspect.signature(function).parameters if p not in ("clip", "rng")]
        settings: dict[str, float | tuple[float, float]] = {}
        for key, value in values.items():
            if key not in known:
                raise RecipeError(
                    f'augmentation {name}: unknown setting "{key}"{suggestion(key, known)} Known: {", ".join(known)}.'
                )
            pair = value if isinstance(value, list | tuple) else (value, value)
            if len(pair) != 2 or not all(isinstance(v, int | float) for v in pair):
                raise RecipeError(f"augmentation {name}: {key} = {value!r} is not a number or a range [low, high]")
            settings[key] = (float(pair[0]), float(pair[1]))
        return cls(name, float(probability), settings)

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Apply the step, or return the clip unchanged with probability ``1 - probability``."""
        if rng.uniform() >= self.probability:
            return clip
        function = AUGMENTATIONS[self.name]
        drawn: dict[str, Any] = {
            k: rng.uniform(*v) if isinstance(v, tuple) else v for k, v in sorted(self.settings.items())
        }
        if "rng" in inspect.signature(function).parameters:
            drawn["rng"] = rng
        return function(clip, **drawn)


def chain(steps: Sequence[Step], clip: Clip, rng: np.random.Generator) -> Clip:
    """Apply the steps in order."""
    for step in steps:
        clip = step(clip, rng)
    return clip


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def _fit(samples: np.ndarray, n_samples: int) -> Samples:
    """Cut, or pad with zeros, to a length."""
    out = np.zeros(n_samples, dtype=np.float32)
    n_kept = min(n_samples, len(samples))
    out[:n_kept] = samples[:n_kept]
    return out


def _same_power(clip: Clip, samples: np.ndarray) -> Clip:
    before = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    after = float(np.mean(np.square(samples)))
    scale = np.sqrt(before / after) if after > 0 else 0.0
    return Clip((samples * scale).astype(np.float32), clip.sample_rate)
