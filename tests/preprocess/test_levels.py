"""Levels come out as asked; loudness is that of ITU-R BS.1770."""

from __future__ import annotations

import fakes
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.audio import Clip, resample
from vocalics.preprocess import loudness, normalise_loudness, normalise_peak, normalise_rms
from vocalics.preprocess.levels import _high_pass, _shelf


def rms_db(clip: Clip) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(clip.samples, dtype=np.float64)))))


def sine(frequency: float, sample_rate: int, seconds: float = 3.0, amplitude: float = 1.0) -> Clip:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return Clip((amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32), sample_rate)


@settings(deadline=None, max_examples=30)
@given(st.floats(-90, 0), st.floats(1e-4, 1e3), st.integers(0, 99))
def test_the_level_is_as_asked_whatever_it_was(wanted: float, level: float, seed: int) -> None:
    clip = Clip(fakes.noise(0.5, seed=seed).samples * np.float32(level), 16_000)
    before = clip.samples.copy()
    peak = np.abs(normalise_peak(clip, wanted).samples).max()
    assert 20 * np.log10(peak) == pytest.approx(wanted, abs=0.001)
    assert rms_db(normalise_rms(clip, wanted)) == pytest.approx(wanted, abs=0.001)
    assert np.array_equal(clip.samples, before)


@pytest.mark.parametrize("wanted", [-40.0, -23.0, -16.0])
def test_loudness_is_as_asked(wanted: float) -> None:
    voice = np.concatenate([fakes.voice(2.0, level=0.02).samples, np.zeros(20_000, np.float32)])
    clip = Clip(voice, 16_000)
    assert abs(loudness(clip) - wanted) > 1
    assert loudness(normalise_loudness(clip, wanted)) == pytest.approx(wanted, abs=0.01)
    ours = normalise_loudness(clip, wanted)
    assert pyloudnorm.Meter(16_000).integrated_loudness(ours.samples.astype(float)) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("sample_rate", [16_000, 22_050, 44_100, 48_000])
def test_a_sine_at_full_scale_is_what_the_standard_says(sample_rate: int) -> None:
    """BS.1770: 0 dB FS at 997 Hz in one channel is -3.01 LUFS."""
    assert loudness(sine(997, sample_rate)) == pytest.approx(-3.01, abs=0.05)
    assert loudness(sine(997, sample_rate, amplitude=0.1)) == pytest.approx(-23.01, abs=0.05)


def test_the_filters_are_those_printed_in_the_standard() -> None:
    """BS.1770-4, tables 1 and 2, at 48 kHz."""
    z = np.exp(-2j * np.pi * np.geomspace(5, 23_000, 200) / 48_000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    np.testing.assert_allclose(_shelf(z, 48_000), shelf, rtol=1e-6)
    np.testing.assert_allclose(_high_pass(z, 48_000), high_pass, rtol=1e-6)
    assert np.abs(shelf).max() / np.abs(shelf).min() == pytest.approx(10 ** (4 / 20), rel=0.01)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("seed", range(4))
def test_loudness_is_pyloudnorms(sample_rate: int, seed: int) -> None:
    """Of sounds with pauses and of uneven level, so that both gates are at work; in whole blocks."""
    rng = np.random.default_rng(seed)
    parts = [
        Clip(fakes.voice(0.9, 120 + 30 * k, sample_rate).samples * np.float32(10 ** rng.uniform(-3.5, 0)), sample_rate)
        for k in range(4)
    ]
    clip = Clip(np.concatenate([p.samples for p in parts]), sample_rate)
    peer = pyloudnorm.Meter(sample_rate).integrated_loudness(clip.samples.astype(float))
    assert loudness(clip) == pytest.approx(peer, abs=0.1 if sample_rate > 8_000 else 0.2)
    assert abs(loudness(clip) - rms_db(clip)) > 0.3, "it is not the plain level"


def test_loudness_does_not_count_pauses_or_the_rate() -> None:
    voice = fakes.voice(4.0, sample_rate=48_000)
    longer = Clip(np.concatenate([voice.samples, np.zeros(200_000, np.float32)]), 48_000)
    assert loudness(longer) == pytest.approx(loudness(voice), abs=0.2)
    assert rms_db(longer) < rms_db(voice) - 2
    for rate in (16_000, 22_050):
        assert loudness(resample(voice, rate)) == pytest.approx(loudness(voice), abs=0.1)


def test_long_clips_are_measured_in_pieces_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = fakes.voice(5.0)
    whole = loudness(clip)
    monkeypatch.setattr("vocalics.preprocess.levels._PIECE", 10_000)
    assert loudness(clip) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("peak", [1e-42, 1e-40, 2e-39])
def test_what_is_too_faint_for_a_factor_is_silence(peak: float) -> None:
    """Times infinity, its zeros would be no numbers and the rest infinite."""
    clip = Clip(np.array([0, peak, -peak, 0], np.float32), 16_000)
    assert 0 < np.abs(clip.samples).max() < np.finfo(np.float32).tiny
    for change in (normalise_peak, normalise_rms, normalise_loudness):
        assert change(clip, 0.0) is clip
    faint = Clip(np.array([0, 1e-37, -1e-37, 0], np.float32), 16_000)
    assert np.abs(normalise_peak(faint, 0.0).samples).max() == pytest.approx(1)
    assert rms_db(normalise_rms(faint, 0.0)) == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("n", [0, 1, 100, 5_000])
def test_silence_and_short_clips_pass(n: int) -> None:
    silent = Clip(np.zeros(n, np.float32), 16_000)
    for change in (normalise_peak, normalise_rms, normalise_loudness):
        assert change(silent, -20.0) is silent
    assert loudness(silent) == -np.inf
    if n > 1:
        short = Clip(fakes.voice(1.0).samples[:n], 16_000)
        assert loudness(normalise_loudness(short, -20.0)) == pytest.approx(-20, abs=0.01)
