"""Augmentations do what their names and units say."""

from __future__ import annotations

import numpy as np
import pytest

from vocalics import augment
from vocalics.audio import Clip
from vocalics.augment import Step, chain
from vocalics.errors import RecipeError

RATE = 16_000


def tone(frequency: float, seconds: float = 2.0, amplitude: float = 0.1) -> Clip:
    t = np.arange(round(seconds * RATE)) / RATE
    return Clip((amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32), RATE)


def power_db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64))))


def band_db(clip: Clip, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(clip.samples)) ** 2
    frequency = np.fft.rfftfreq(len(clip.samples), 1 / RATE)
    return 10 * float(np.log10(spectrum[(frequency >= low) & (frequency < high)].sum() + 1e-12))


def peak_frequency(clip: Clip) -> float:
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples)), 1 << 19))
    return float(np.argmax(spectrum)) * RATE / (1 << 19)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("slope_db", [0.0, -3.0, -6.0])
def test_noise_has_the_asked_ratio(snr_db: float, slope_db: float) -> None:
    clip = tone(440.0)
    noisy = augment.add_noise(clip, snr_db, np.random.default_rng(0), slope_db)
    noise = noisy.samples.astype(np.float64) - clip.samples
    assert power_db(clip.samples) - power_db(noise) == pytest.approx(snr_db, abs=0.1)
    assert not np.array_equal(noisy.samples, clip.samples)


def test_noise_has_the_asked_slope() -> None:
    silent = tone(20.0, 20.0, 1e-3)
    for slope in (0.0, -3.0, -6.0):
        noisy = augment.add_noise(silent, -40.0, np.random.default_rng(1), slope)
        octaves = [band_db(noisy, f, 2 * f) - 10 * np.log10(f) for f in (250.0, 500.0, 1000.0, 2000.0)]
        assert np.diff(octaves).mean() == pytest.approx(slope, abs=0.5)


def test_hum_stands_at_harmonics_of_the_mains() -> None:
    clip = tone(3000.0)
    hum = augment.add_hum(clip, 10.0, np.random.default_rng(0), 50.0)
    rest = Clip(hum.samples - clip.samples, RATE)
    assert power_db(clip.samples) - power_db(rest.samples) == pytest.approx(10.0, abs=0.1)
    assert band_db(rest, 48, 52) > band_db(rest, 70, 80) + 40


def test_gain_and_overdrive() -> None:
    clip = tone(440.0)
    assert power_db(augment.gain(clip, -20.0).samples) - power_db(clip.samples) == pytest.approx(-20.0, abs=1e-3)
    driven = augment.overdrive(clip, 6.0206)
    assert np.abs(driven.samples).max() == pytest.approx(0.05, rel=1e-3)
    assert np.abs(clip.samples).max() > 0.09


@pytest.mark.parametrize("factor", [0.8, 1.1, 1.25])
def test_speed_moves_pitch_and_length(factor: float) -> None:
    clip = tone(440.0)
    fast = augment.speed(clip, factor)
    assert len(fast.samples) == pytest.approx(len(clip.samples) / factor, abs=2)
    assert 1200 * np.log2(peak_frequency(fast) / (440.0 * factor)) == pytest.approx(0.0, abs=5.0)
    assert augment.speed(clip, 1.0) is clip


def test_room_keeps_length_and_power_and_leaves_a_tail() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[1000:1400] = tone(500.0).samples[:400]
    clip = Clip(samples, RATE)
    wet = augment.room(clip, 0.5, 0.0, np.random.default_rng(3))
    assert len(wet.samples) == len(samples)
    assert power_db(wet.samples) == pytest.approx(power_db(samples), abs=0.01)
    assert np.abs(wet.samples[3000:6000]).max() > 1e-4
    assert np.abs(samples[3000:6000]).max() == 0


def test_room_decays_as_asked() -> None:
    response = augment.room_response(RATE, 0.6, 0.0, np.random.default_rng(0))
    energy = np.cumsum(np.square(response.samples[200:], dtype=np.float64)[::-1])[::-1]
    decay = 10 * np.log10(energy / energy[0])
    first, last = np.argmax(decay < -5), np.argmax(decay < -25)
    assert 60 / 20 * (last - first) / RATE == pytest.approx(0.6, rel=0.15)


def test_telephone_is_narrow_and_companded() -> None:
    noise = augment.add_noise(tone(1000.0), 0.0, np.random.default_rng(0))
    call = augment.telephone(noise)
    assert len(call.samples) == len(noise.samples)
    assert band_db(call, 5000, 8000) < band_db(noise, 5000, 8000) - 30
    assert band_db(call, 10, 100) < band_db(noise, 10, 100) - 15
    assert band_db(call, 800, 1200) == pytest.approx(band_db(noise, 800, 1200), abs=1.0)


def test_codec_is_near_but_not_equal() -> None:
    clip = augment.add_noise(tone(700.0), 20.0, np.random.default_rng(0))
    coded = augment.codec(clip, 0.9)
    assert len(coded.samples) == len(clip.samples)
    assert np.corrcoef(coded.samples, clip.samples)[0, 1] > 0.95
    assert not np.allclose(coded.samples, clip.samples, atol=1e-4)


def test_high_pass_takes_what_is_below() -> None:
    low, high = tone(50.0), tone(1000.0)
    assert power_db(augment.high_pass(low, 200.0).samples) < power_db(low.samples) - 20
    assert power_db(augment.high_pass(high, 200.0).samples) == pytest.approx(power_db(high.samples), abs=0.1)


def test_time_shift_moves_and_fills_with_silence() -> None:
    clip = tone(440.0, 1.0)
    later, earlier = augment.time_shift(clip, 0.1), augment.time_shift(clip, -0.1)
    assert np.array_equal(later.samples[1600:], clip.samples[:-1600]) and not later.samples[:1600].any()
    assert np.array_equal(earlier.samples[:-1600], clip.samples[1600:]) and not earlier.samples[-1600:].any()
    assert not augment.time_shift(clip, 5.0).samples.any()


def test_every_augmentation_takes_short_and_silent_clips() -> None:
    settings: dict[str, dict[str, float]] = {
        "gain": {"gain_db": 3.0},
        "overdrive": {"clipped_db": 3.0},
        "add_noise": {"snr_db": 10.0, "slope_db": -3.0},
        "add_hum": {"snr_db": 10.0},
        "speed": {"factor": 1.1},
        "room": {"reverberation_time": 0.3, "direct_db": 0.0},
        "telephone": {},
        "codec": {},
        "high_pass": {"cutoff": 100.0},
        "time_shift": {"seconds": 0.1},
    }
    assert set(settings) == set(augment.AUGMENTATIONS)
    for name, values in settings.items():
        for clip in (Clip(np.zeros(800, np.float32), RATE), tone(200.0, 0.05), Clip(np.zeros(1, np.float32), RATE)):
            out = Step.parse({"name": name, **values})(clip, np.random.default_rng(0))
            assert np.isfinite(out.samples).all() and out.sample_rate == RATE, name


def test_a_chain_follows_from_its_rng() -> None:
    steps = [
        Step.parse({"name": "speed", "probability": 0.5, "factor": [0.9, 1.1]}),
        Step.parse({"name": "add_noise", "snr_db": [5, 30]}),
    ]
    clip = tone(300.0, 0.5)
    first, again, other = (chain(steps, clip, np.random.default_rng(s)).samples for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_probability_is_the_share_of_changed_clips() -> None:
    step = Step.parse({"name": "gain", "gain_db": 6.0, "probability": 0.3})
    rng = np.random.default_rng(0)
    clip = tone(300.0, 0.01)
    changed = sum(step(clip, rng) is not clip for _ in range(2000))
    assert changed / 2000 == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "gian", "gain_db": 1}, 'did you mean "gain"'),
        ({"name": "gain", "gain": 1}, 'unknown setting "gain"'),
        ({"name": "gain", "gain_db": "loud"}, "is not a number or a range"),
        ({"name": "gain", "gain_db": [1, 2, 3]}, "is not a number or a range"),
        ({"name": "gain", "gain_db": 1, "probability": 2}, "not a number from 0 to 1"),
    ],
)
def test_mistaken_steps_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Step.parse(table)


def test_gaussian_noise_is_normal_and_white() -> None:
    noise = augment.gaussian(200_001, np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert noise.shape == (200_001,)
    assert abs(noise.mean()) < 0.01
    for limit, share in ((0.5, 0.3829), (1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert np.mean(np.abs(noise) < limit) == pytest.approx(share, abs=0.004)
    for lag in (1, 2, 100_001):  # the last: sine against cosine of one draw
        assert abs(np.corrcoef(noise[lag:], noise[:-lag])[0, 1]) < 0.015
    assert augment.gaussian(0, np.random.default_rng(0)).shape == (0,)
