"""The front end of the default net."""

from __future__ import annotations

import numpy as np
import pytest

from vocalics.audio import Clip
from vocalics.errors import FeatureError
from vocalics.features.logmel import LogMel

RATE = 16_000


def _tone(frequency: float, level: float = 0.5, seconds: float = 1.0) -> Clip:
    time = np.arange(round(seconds * RATE)) / RATE
    return Clip((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), RATE)


def test_equals_the_definition_frame_by_frame() -> None:
    front_end = LogMel()
    samples = (0.1 * np.random.default_rng(0).standard_normal(4_321)).astype(np.float32)
    got = front_end(Clip(samples, RATE))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    for frame in range(got.shape[1]):
        power = np.abs(np.fft.rfft(samples[160 * frame : 160 * frame + 400] * window, 512)) ** 2
        np.testing.assert_allclose(got[:, frame], np.log(front_end.filterbank() @ power + 1e-10), atol=1e-4)
    assert np.ptp(got) > 1


@pytest.mark.parametrize(("n_samples", "n_frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_number_of_frames(n_samples: int, n_frames: int) -> None:
    got = LogMel()(Clip(np.full(n_samples, 0.1, np.float32), RATE))
    assert got.shape == (64, n_frames)
    assert got.dtype == np.float32


def test_silence_is_the_floor_and_a_tone_lights_its_band() -> None:
    np.testing.assert_allclose(LogMel()(Clip(np.zeros(800, np.float32), RATE)), np.log(1e-10), rtol=1e-6)
    low, high = (LogMel()(_tone(frequency)).mean(axis=1).argmax() for frequency in (200, 3000))
    assert low < high


def test_ten_times_the_level_is_a_hundredfold_power() -> None:
    quiet, loud = LogMel()(_tone(500, 0.05)), LogMel()(_tone(500, 0.5))
    band = int(loud.mean(axis=1).argmax())
    np.testing.assert_allclose((loud - quiet)[band], np.log(100), rtol=1e-4)


def test_another_rate_is_refused() -> None:
    with pytest.raises(FeatureError, match="the clip is at 22050 Hz; expected 16000 Hz, resample it first"):
        LogMel()(Clip(np.zeros(800, np.float32), 22_050))
