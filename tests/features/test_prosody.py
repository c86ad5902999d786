"""Prosody of sounds whose prosody is known."""

from __future__ import annotations

import numpy as np
import pytest

from vocalics.audio import Clip
from vocalics.errors import FeatureError
from vocalics.features import prosody, spectral
from vocalics.features.chroma import _median, chroma_stft, tuning_of
from vocalics.features.spectrum import spectrum

RATE = 22_050
EMPTY = Clip(np.zeros(0, np.float32), RATE)


def tone(frequency: float, level: float = 0.5, seconds: float = 1.0, rate: int = RATE) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    return Clip((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), rate)


def inner(values: np.ndarray) -> np.ndarray:
    """Leave out the frames that hang over the clip's ends."""
    return values[..., 5:-5]


@pytest.mark.parametrize("period", [8, 64, 512])
def test_a_square_wave_crosses_zero_twice_a_period(period: int) -> None:
    square = np.where(np.arange(30_000) % period < period // 2, 0.5, -0.5).astype(np.float32)
    rate = inner(prosody.zero_crossing_rate(Clip(square, RATE)))
    np.testing.assert_allclose(rate, 2 / period, atol=1.5 / 2048)
    assert (inner(prosody.zero_crossing_rate(Clip(np.abs(square), RATE))) == 0).all()


@pytest.mark.parametrize("hop_length", [512, 300])
def test_rms_and_energy_of_a_sine(hop_length: int) -> None:
    clip = tone(1000)
    np.testing.assert_allclose(inner(prosody.rms(clip, 2048, hop_length)), 0.5 / np.sqrt(2), rtol=2e-3)
    np.testing.assert_allclose(inner(prosody.energy_db(clip, 2048, hop_length)), -9.03, atol=0.02)
    assert prosody.rms(clip)[0] < 0.3  # half of the first frame is silence


def test_energy_of_silence_is_the_floor() -> None:
    np.testing.assert_allclose(prosody.energy_db(Clip(np.zeros(5000, np.float32), RATE)), -100, rtol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("frequency", [80.0, 123.4, 220.0, 455.5])
def test_pitch_of_tones(frequency: float, rate: int) -> None:
    track = prosody.pitch(tone(frequency, rate=rate), frame_length=4096 if rate > 40_000 else 2048)
    cents = 1200 * np.log2(inner(track.f0) / frequency)
    assert np.abs(cents).max() < 10
    assert inner(track.voiced).all()


def test_noise_and_silence_are_unvoiced() -> None:
    noise = Clip((0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32), RATE)
    assert not prosody.pitch(noise).voiced.any()
    silent = prosody.pitch(Clip(np.zeros(5000, np.float32), RATE))
    assert (silent.voicing == 0).all()
    assert np.isfinite(silent.f0).all()


def test_pitch_does_not_depend_on_the_level() -> None:
    loud, quiet = prosody.pitch(tone(150, 0.9)), prosody.pitch(tone(150, 0.009))
    np.testing.assert_allclose(loud.f0, quiet.f0, rtol=1e-4)


def test_a_range_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FeatureError, match="30 to 600 Hz cannot be searched in frames of 512 samples at 22050 Hz"):
        prosody.pitch(tone(100), lowest=30, frame_length=512)


@pytest.mark.parametrize(
    "function", [prosody.rms, prosody.zero_crossing_rate, prosody.energy_db, prosody.pitch, spectrum, spectral.mfcc]
)
def test_an_empty_clip_is_refused(function) -> None:
    with pytest.raises(FeatureError, match="holds no samples; expected sound of at least one sample"):
        function(EMPTY)


def test_centroid_bandwidth_and_rolloff_of_a_tone() -> None:
    shared = spectrum(tone(2000))
    np.testing.assert_allclose(inner(spectral.spectral_centroid(shared)), 2000, rtol=0.02)
    np.testing.assert_allclose(inner(spectral.spectral_rolloff(shared)), 2000, atol=2 * RATE / 2048)
    noise = spectrum(Clip((0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32), RATE))
    assert inner(spectral.spectral_bandwidth(noise)).min() > 10 * inner(spectral.spectral_bandwidth(shared)).max()


def test_chroma_and_tuning_of_notes() -> None:
    for note, frequency in ((9, 440.0), (0, 261.626), (4, 329.628)):
        assert (inner(chroma_stft(tone(frequency))).argmax(axis=0) == note).all()
    assert tuning_of(tone(440 * 2 ** (0.3 / 12))) == pytest.approx(0.3, abs=0.03)


def test_delta_of_a_ramp_is_its_slope() -> None:
    ramp = np.arange(30, dtype=np.float32)[None] * 2.5
    np.testing.assert_allclose(spectral.delta(ramp), 2.5, rtol=1e-5)
    np.testing.assert_allclose(spectral.delta(ramp**2, order=2), 2 * 2.5**2, rtol=1e-3)
    np.testing.assert_allclose(spectral.delta(ramp, order=2), 0, atol=1e-4)
    assert spectral.delta(ramp[:, :4]).shape == (1, 4)


def test_refusals_name_the_number() -> None:
    with pytest.raises(FeatureError, match="200 coefficients cannot be had from 128 mel bands; expected 1 to 128"):
        spectral.mfcc(tone(100), 200)
    with pytest.raises(FeatureError, match="width 4 and order 1"):
        spectral.delta(np.zeros((1, 20), np.float32), width=4)
    with pytest.raises(FeatureError, match="exceed half the sample rate"):
        spectral.spectral_contrast(tone(100, rate=8_000))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1001, 4096])
@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0, 10.0], ids=lambda s: f"spread {s:g}")
def test_the_median_of_positive_numbers_is_exact(n: int, spread: float) -> None:
    rng = np.random.default_rng(n)
    numbers = np.exp(spread * rng.standard_normal(n)).astype(np.float32)
    numbers[: n // 3] = numbers[-1]  # ties
    assert _median(numbers) == np.median(numbers)
