"""Tracks of the voice: of a fixed length, and summed up."""

from __future__ import annotations

import fakes
import numpy as np
import pytest

from vocalics.audio import Clip
from vocalics.errors import FeatureError
from vocalics.features.feature_set import feature_set
from vocalics.features.tracks import N_FRAMES, STATISTICS, TRACKS, fixed_tracks, track_statistics, tracks

RATE = 16_000


def tone(seconds: float, f0: float = 200.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 6)).astype(np.float32) * np.float32(0.2)


def test_gain_and_quiet_ends_do_not_matter() -> None:
    clip = fakes.voice(1.5)
    changed = Clip(np.pad(clip.samples * np.float32(0.05), (8_000, 12_000)), RATE)
    for compute in (fixed_tracks, track_statistics):
        np.testing.assert_allclose(compute(clip), compute(Clip(clip.samples * np.float32(0.25), RATE)), atol=2e-3)
        assert np.abs(compute(clip) - compute(fakes.voice(1.5, f0=220.0))).max() > 1.0
    # The margins kept at the ends are silent here, so that a few frames more are counted.
    spoken = {name: (a, b) for name, a, b in zip(STATISTICS, track_statistics(clip), track_statistics(changed))}  # noqa: B905
    assert spoken["f0_p50"][1] == pytest.approx(spoken["f0_p50"][0], abs=0.1)
    assert spoken["seconds"][1] == pytest.approx(1.7, abs=0.03)
    assert np.abs(tracks(clip) - tracks(Clip(clip.samples * np.float32(0.25), RATE))).max() > 10


def test_a_short_clip_is_repeated_and_of_a_long_one_the_middle_is_kept() -> None:
    short = fakes.voice(1.2)
    found = fixed_tracks(short)
    assert found.shape == (len(TRACKS), N_FRAMES)
    n = tracks(short).shape[1]
    assert n == 121
    np.testing.assert_array_equal(found[:, n : 2 * n], found[:, :n])
    assert np.abs(found[:, 1:n] - found[:, : n - 1]).max() > 1
    long = np.concatenate([tone(1.0, 120), tone(3.0, 200), tone(1.0, 120)])
    f0 = fixed_tracks(Clip(long, RATE))[TRACKS.index("f0")]
    np.testing.assert_allclose(f0[5:-5], 200, rtol=0.01)


def test_statistics_are_those_of_a_known_sound() -> None:
    half_voiced = np.concatenate([tone(1.0, 200), 0.5 * fakes.noise(1.0, level=0.3).samples])
    values = dict(zip(STATISTICS, track_statistics(Clip(half_voiced, RATE)), strict=True))
    assert values["f0_mean"] == pytest.approx(12.0, abs=0.1)  # an octave above 100 Hz
    assert values["f0_deviation"] < 0.3
    assert values["voiced_share"] == pytest.approx(0.5, abs=0.03)
    assert values["active_share"] == 1.0
    assert values["seconds"] == pytest.approx(2.0, abs=0.02)
    assert values["energy_db_p90"] > values["energy_db_p50"] > values["energy_db_p10"]


def test_nothing_is_refused_in_words() -> None:
    for name in ("mfcc_pitch_energy_statistics", "mfcc_pitch_energy_fixed"):
        with pytest.raises(FeatureError):
            feature_set(name).extract(Clip(np.zeros(1, np.float32), 48_000))


def test_without_voice_f0_is_zero() -> None:
    values = dict(zip(STATISTICS, track_statistics(fakes.noise()), strict=True))
    assert values["f0_mean"] == values["f0_p90"] == values["voiced_share"] == 0
    assert values["mfcc_1_deviation"] > 0
