"""Quiet ends are cut and steady noise is taken away."""

from __future__ import annotations

import sys

import fakes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.audio import Clip
from vocalics.augment import add_noise
from vocalics.errors import MissingExtraError
from vocalics.preprocess import reduce_noise, trim_silence


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Of what is like the clean sound over what is not (SI-SDR; Le Roux et al. 2019)."""
    like = clean * (np.dot(clean, noisy) / np.dot(clean, clean))
    return float(10 * np.log10(np.sum(like**2) / np.sum((noisy - like) ** 2)))


def spoken(sample_rate: int = 16_000) -> Clip:
    """Two words with pauses around."""
    pause, word = np.zeros(sample_rate // 2, np.float32), fakes.voice(0.8, sample_rate=sample_rate).samples
    return Clip(np.concatenate([pause, word, pause, word, pause]), sample_rate)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 20_000), st.integers(0, 20_000), st.floats(0.02, 0.5))
def test_the_ends_are_cut_and_a_margin_stays(before: int, after: int, margin: float) -> None:
    voice = fakes.noise(0.5).samples
    padded = Clip(np.concatenate([np.zeros(before), voice, np.zeros(after)]).astype(np.float32), 16_000)
    trimmed = trim_silence(padded, 35.0, margin).samples
    n_margin = round(margin * 16_000)
    wanted = len(voice) + min(before, n_margin) + min(after, n_margin)
    assert wanted - 320 <= len(trimmed) <= wanted + 640, "to a frame of 20 ms"
    assert np.sum(trimmed**2) == pytest.approx(np.sum(voice**2), rel=0.03)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("slope_db", [0.0, -3.0])
def test_noise_is_reduced(sample_rate: int, slope_db: float) -> None:
    clean = spoken(sample_rate)
    noisy = add_noise(clean, 5.0, np.random.default_rng(0), slope_db)
    quieter = reduce_noise(noisy)
    assert len(quieter.samples) == len(noisy.samples) and quieter.samples.dtype == np.float32
    assert snr_db(clean.samples, quieter.samples) > snr_db(clean.samples, noisy.samples) + 4
    pause = slice(0, sample_rate // 3)
    lost = 20 * np.log10(noisy.samples[pause].std() / quieter.samples[pause].std())
    assert 8 < lost < 14, "0.8 of the amplitude are 14 dB, where every frame of the noise is told from speech"
    assert -2 < 20 * np.log10(quieter.samples.std() / clean.samples.std()) < 0.5, "speech loses little"


def test_strength_and_level() -> None:
    noisy = add_noise(spoken(), 5.0, np.random.default_rng(0))
    assert reduce_noise(noisy, 0.0) is noisy
    pauses = [reduce_noise(noisy, strength).samples[:5_000].std() for strength in (0.3, 0.6, 0.9)]
    assert pauses == sorted(pauses, reverse=True) and pauses[2] < pauses[0] / 2
    quiet = Clip(noisy.samples * np.float32(1e-4), 16_000)
    np.testing.assert_allclose(reduce_noise(quiet).samples * 1e4, reduce_noise(noisy).samples, atol=1e-3)


@pytest.mark.parametrize("n", [0, 1, 3_000])
def test_short_and_silent_clips_stay(n: int) -> None:
    short = Clip(fakes.noise(1.0).samples[:n], 16_000)
    assert reduce_noise(short) is short
    silent = Clip(np.zeros(16_000, np.float32), 16_000)
    assert reduce_noise(silent) is silent and trim_silence(silent) is silent


def test_any_clip_comes_out_finite() -> None:
    click = np.zeros(16_000, np.float32)
    click[8_000] = 1.0
    for samples in (click, np.ones(16_000, np.float32), fakes.noise(0.3).samples, fakes.voice(30.0).samples):
        out = reduce_noise(Clip(samples, 16_000)).samples
        assert np.isfinite(out).all() and len(out) == len(samples)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "noisereduce", None)
    with pytest.raises(MissingExtraError, match=r"noise reduction needs the extra 'prepare'.*vocalics\[prepare\]"):
        reduce_noise(fakes.noise(1.0))
