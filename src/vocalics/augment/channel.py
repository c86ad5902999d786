"""What stands between a voice and its recording: microphone, band, telephone, codec."""

from __future__ import annotations

import io
from typing import Annotated

import numpy as np
import soundfile
import soxr

from vocalics import audio
from vocalics.audio import Clip
from vocalics.augment.signal import Decibel, fit, power_of_two
from vocalics.preprocess.settings import OneOf, Within

Hertz = Annotated[float, Within(1, 192_000)]

_CODECS = {
    "vorbis": ("OGG", "VORBIS", 1.0),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.99),  # the encoder refuses more
    "opus": ("OGG", "OPUS", 1.0),
}
"""Container, encoding and highest compression of every codec."""
_RATES = {
    "opus": (8000, 12_000, 16_000, 24_000, 48_000),
    "mp3": (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
"""What a codec takes, in Hz, where it does not take all."""


def gain(clip: Clip, gain_db: Decibel) -> Clip:
    """Change the level by ``gain_db`` decibels; nothing is limited."""
    return Clip(clip.samples * np.float32(10 ** (gain_db / 20)), clip.sample_rate)


def overdrive(clip: Clip, clipped_db: Annotated[float, Within(0, 150)]) -> Clip:
    """Clip the peaks ``clipped_db`` decibels below the highest one, as an overdriven microphone does."""
    limit = float(np.abs(clip.samples).max(initial=0.0)) * 10 ** (-clipped_db / 20)
    return Clip(np.clip(clip.samples, -limit, limit), clip.sample_rate)


def high_pass(clip: Clip, cutoff: Annotated[float, Within(0, 192_000)]) -> Clip:
    """Take away what is below ``cutoff`` Hz: 12 dB per octave, zero phase."""
    if len(clip.samples) == 0:
        return clip
    n_samples = len(clip.samples)
    n_fft = power_of_two(2 * n_samples)
    frequency = np.maximum(np.fft.rfftfreq(n_fft, 1 / clip.sample_rate), 1e-3)
    spectrum = np.fft.rfft(clip.samples, n_fft) / np.sqrt(1 + (cutoff / frequency) ** 4)
    return Clip(np.fft.irfft(spectrum, n_fft)[:n_samples].astype(np.float32), clip.sample_rate)


def band_pass(clip: Clip, low: Hertz = 300.0, high: Hertz = 3400.0) -> Clip:
    """Keep what is between ``low`` and ``high`` Hz, by default a telephone's band; zero phase.

    At both ends 3 dB are lost; below, the level falls by 24 dB per octave, above by 48. A ``low`` above ``high`` leaves
    next to nothing.
    """
    n_samples = len(clip.samples)
    if n_samples == 0:
        return clip
    n_fft = power_of_two(2 * n_samples)
    frequency = np.maximum(np.fft.rfftfreq(n_fft, 1 / clip.sample_rate), 1e-3)
    band = 1 / np.sqrt((1 + (low / frequency) ** 8) * (1 + (frequency / high) ** 16))
    samples = np.fft.irfft(np.fft.rfft(clip.samples, n_fft) * band, n_fft)[:n_samples]
    return Clip(samples.astype(np.float32), clip.sample_rate)


def mu_law(clip: Clip) -> Clip:
    """Quantise to the 8 bits of µ-law (ITU-T G.711) and back, at the clip's rate; what exceeds full scale is clipped.

    The code is that of digital telephony: a sign, eight segments each twice as wide as the one before, sixteen steps
    in each. The noise follows the level: about 38 dB below it. See :func:`telephone` for band and rate too.
    """
    # In units of the law's 14 bits, with the bias that makes the segments begin at powers of two.
    biased = np.minimum(np.abs(clip.samples.astype(np.float64)) * 8192, 8158) + 33
    step = 2.0 ** (np.floor(np.log2(biased)) - 4)
    decoded = (np.floor(biased / step) + 0.5) * step - 33
    return Clip((np.copysign(decoded, clip.samples) / 8192).astype(np.float32), clip.sample_rate)


def telephone(clip: Clip) -> Clip:
    """Pass through a telephone: 300 to 3,400 Hz, 8 kHz, µ-law with 8 bits (ITU-T G.711)."""
    if len(clip.samples) == 0:
        return clip
    narrow = np.asarray(soxr.resample(clip.samples, clip.sample_rate, 8000, quality="MQ"), dtype=np.float64)
    n_fft = power_of_two(2 * len(narrow))
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
    return Clip(fit(wide, len(clip.samples)), clip.sample_rate)


def codec(
    clip: Clip,
    compression: Annotated[float, Within(0, 1)] = 0.9,
    kind: Annotated[str, OneOf(tuple(_CODECS))] = "vorbis",
) -> Clip:
    """Encode with loss and decode again; ``compression`` from 0 (best) to 1 (smallest).

    At 16 kHz 0.9 and 1 are about 37 and 34 kbit/s of Ogg Vorbis ("vorbis"), 26 and 22 of MP3 ("mp3"), 33 and 9 of Opus
    ("opus").
    """
    if len(clip.samples) == 0:
        return clip
    container, subtype, highest = _CODECS[kind]
    rate = clip.sample_rate
    peak = float(np.abs(clip.samples).max()) or 1.0
    samples, coded_rate = clip.samples / peak * 0.7, rate
    rates = _RATES.get(kind, (rate,))
    if rate not in rates:
        coded_rate = min((r for r in rates if r > rate), default=max(rates))
        samples = soxr.resample(samples, rate, coded_rate, quality="HQ")
    buffer = io.BytesIO()
    audio.encode(buffer, Clip(samples, coded_rate), container, subtype, min(compression, highest))
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    if coded_rate != rate:
        decoded = soxr.resample(decoded, coded_rate, rate, quality="HQ")
    return Clip(fit(decoded * (peak / 0.7), len(clip.samples)), rate)
