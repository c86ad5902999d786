"""Time stretch and pitch shift, judged by ear's measures: cents, decibels, samples."""

from __future__ import annotations

from fractions import Fraction

import fakes
import librosa
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.audio import Clip
from vocalics.errors import AudioError
from vocalics.preprocess import loudness
from vocalics.timescale import _resampled, pitch_shift, stretch_and_shift, time_stretch


def tone(frequency: float, rate: int, seconds: float = 2.0) -> Clip:
    return Clip(
        (0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate
    )


def frequency_of(clip: Clip) -> float:
    inner = clip.samples[clip.sample_rate // 10 : -clip.sample_rate // 5]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)), 1 << 20))
    return float(spectrum.argmax()) * clip.sample_rate / (1 << 20)


def level_db(clip: Clip) -> float:
    inner = clip.samples[clip.sample_rate // 10 : -clip.sample_rate // 5]
    return float(20 * np.log10(inner.std()))


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("frequency", [110.0, 440.0, 1000.0])
@pytest.mark.parametrize(("rate", "semitones"), [(0.8, 0), (1.25, 0), (0.5, 0), (1, 0.7), (1, -4), (0.8, 0.7)])
def test_a_tone_keeps_pitch_and_loudness(sample_rate: int, frequency: float, rate: float, semitones: float) -> None:
    clip = tone(frequency, sample_rate)
    changed = stretch_and_shift(clip, rate, semitones)
    assert len(changed.samples) == round(len(clip.samples) / rate)
    wanted = frequency * 2 ** (semitones / 12)
    assert abs(1200 * np.log2(frequency_of(changed) / wanted)) < 5
    assert abs(level_db(changed) - level_db(clip)) < 0.5
    assert changed.samples.dtype == np.float32
    assert not np.array_equal(changed.samples[:1000], clip.samples[:1000]) or semitones == 0


def test_what_is_said_stays_in_order() -> None:
    """Bursts come out at the stretched times."""
    samples = np.zeros(40_000, np.float32)
    rng = np.random.default_rng(0)
    for start in (8_000, 24_000):
        samples[start : start + 2_000] = 0.2 * rng.standard_normal(2_000)
    slow = time_stretch(Clip(samples, 16_000), 0.8).samples
    loud = np.flatnonzero(np.abs(slow) > 0.05)
    assert loud[0] == pytest.approx(10_000, abs=400)
    assert loud[-1] == pytest.approx(32_500, abs=700)
    assert np.abs(slow[15_000:28_000]).max() < 0.01


@pytest.mark.parametrize("n", [0, 1, 2, 100, 1_001])
@pytest.mark.parametrize("rate", [0.5, 1.0, 1.7])
def test_any_length_comes_out_exact(n: int, rate: float) -> None:
    clip = Clip(np.full(n, 0.1, np.float32), 16_000)
    assert len(time_stretch(clip, rate).samples) == round(n / rate)
    assert len(pitch_shift(clip, 2.0).samples) == n


def test_silence_stays_silent_and_no_change_is_none() -> None:
    silent = Clip(np.zeros(20_000, np.float32), 16_000)
    assert not time_stretch(silent, 0.7).samples.any()
    clip = tone(200, 16_000)
    np.testing.assert_array_equal(time_stretch(clip, 1.0).samples, clip.samples)
    np.testing.assert_array_equal(pitch_shift(clip, 0).samples, clip.samples)


def test_out_of_range_is_refused() -> None:
    clip = tone(200, 16_000)
    with pytest.raises(AudioError, match="a rate of 0 "):
        time_stretch(clip, 0)
    with pytest.raises(AudioError, match="a pitch shift of 30 semitones is out of range; expected -24 to 24"):
        pitch_shift(clip, 30)
    with pytest.raises(AudioError, match=r"expected 0\.25 to 4, together with the shift too"):
        stretch_and_shift(clip, 4, -12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30_000), st.floats(0.25, 4), st.sampled_from([8_000, 16_000, 44_100]))
def test_any_length_at_any_rate_is_exact_finite_and_as_strong(n: int, rate: float, sample_rate: int) -> None:
    clip = Clip(fakes.noise(4.0, sample_rate, seed=n).samples[:n].copy(), sample_rate)
    before = clip.samples.copy()
    stretched = time_stretch(clip, rate).samples
    assert len(stretched) == round(n / rate) and np.isfinite(stretched).all() and stretched.dtype == np.float32
    assert np.array_equal(clip.samples, before)
    if len(stretched):
        assert np.mean(stretched**2) == pytest.approx(np.mean(before**2), rel=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.floats(-12, 12), st.floats(110, 900), st.sampled_from([16_000, 22_050]))
def test_a_tone_is_shifted_within_5_cents(semitones: float, frequency: float, sample_rate: int) -> None:
    clip = tone(frequency, sample_rate, 1.0)
    shifted = pitch_shift(clip, semitones)
    assert len(shifted.samples) == len(clip.samples)
    assert abs(1200 * np.log2(frequency_of(shifted) / frequency) - 100 * semitones) < 5


@settings(deadline=None, max_examples=30)
@given(st.floats(0.4, 2.5), st.floats(110, 900), st.sampled_from([16_000, 22_050]))
def test_a_tone_is_stretched_within_5_cents(rate: float, frequency: float, sample_rate: int) -> None:
    stretched = time_stretch(tone(frequency, sample_rate), rate)
    assert abs(1200 * np.log2(frequency_of(stretched) / frequency)) < 5


def centroid(samples: np.ndarray, sample_rate: int) -> float:
    """The mean spectral centroid in Hz, by librosa, of frames that are not quiet."""
    spectrum = np.abs(librosa.stft(samples))
    loud = spectrum.sum(axis=0) > 0.1 * spectrum.sum(axis=0).max()
    return float(librosa.feature.spectral_centroid(S=spectrum[:, loud], sr=sample_rate).mean())


@pytest.mark.parametrize("rate", [0.7, 0.8, 1.25, 1.6])
def test_a_stretched_voice_sounds_as_librosas_does(rate: float) -> None:
    clip = fakes.voice(3.0, sample_rate=22_050)
    ours, peer = time_stretch(clip, rate).samples, librosa.effects.time_stretch(clip.samples, rate=rate)
    assert len(ours) == len(peer) != len(clip.samples)
    assert centroid(ours, 22_050) == pytest.approx(centroid(peer, 22_050), rel=0.05)
    assert centroid(ours, 22_050) == pytest.approx(centroid(clip.samples, 22_050), rel=0.03)
    assert 20 * abs(np.log10(ours.std() / clip.samples.std())) < 0.01


@pytest.mark.parametrize("semitones", [-4.0, 0.7, 5.0])
def test_a_shifted_voice_sounds_as_librosas_does(semitones: float) -> None:
    clip = fakes.voice(3.0, sample_rate=22_050)
    ours = pitch_shift(clip, semitones).samples
    peer = librosa.effects.pitch_shift(clip.samples, sr=22_050, n_steps=semitones)
    assert len(ours) == len(peer)
    assert centroid(ours, 22_050) == pytest.approx(centroid(peer, 22_050), rel=0.05)
    factor = centroid(ours, 22_050) / centroid(clip.samples, 22_050)
    assert 12 * np.log2(factor) == pytest.approx(semitones, abs=0.5), "formants move along"


@pytest.mark.parametrize(("rate", "semitones"), [(0.8, 0.0), (1.25, 0.0), (1.0, 3.0), (1.0, -3.0), (0.8, 0.7)])
def test_a_voice_is_as_loud_as_before(rate: float, semitones: float) -> None:
    for f0 in (90, 140, 240):
        clip = fakes.voice(3.0, f0)
        changed = stretch_and_shift(clip, rate, semitones)
        assert abs(loudness(changed) - loudness(clip)) < 0.5
        assert not np.array_equal(changed.samples[:4000], clip.samples[:4000])


@pytest.mark.parametrize("ratio", [Fraction(101, 97), Fraction(97, 101), Fraction(1, 4), Fraction(4), Fraction(3, 2)])
def test_resampling_is_soxrs_and_lets_nothing_fold_back(ratio: Fraction) -> None:
    nyquist = 0.5 * min(1, 1 / ratio)
    inner = slice(500, -500)
    for share in (0.01, 0.2, 0.6):
        wave = np.sin(2 * np.pi * share * nyquist * np.arange(20_000)).astype(np.float32)
        ours, peer = _resampled(wave, ratio), soxr.resample(wave, ratio.numerator, ratio.denominator)
        assert len(ours) == round(20_000 / ratio)
        assert np.abs(ours[: len(peer)] - peer[: len(ours)])[inner].max() < 1e-4
        assert np.abs(ours).max() > 0.9
    if 1.08 * nyquist < 0.5:
        above = np.sin(2 * np.pi * 1.08 * nyquist * np.arange(20_000)).astype(np.float32)
        assert np.abs(_resampled(above, ratio))[inner].max() < 1e-3
