"""Augmentations do what their names and units say."""

from __future__ import annotations

import io
from inspect import signature
from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import augment
from vocalics.audio import Clip, write
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


@pytest.mark.parametrize("kind", ["mp3", "opus"])
@pytest.mark.parametrize("rate", [24_414, 96_000, 6_000])
def test_a_rate_that_a_codec_does_not_know_goes_through(kind: str, rate: int) -> None:
    clip = Clip(np.sin(np.arange(rate) * 2 * np.pi * 440 / rate).astype(np.float32) * 0.5, rate)
    coded = augment.codec(clip, kind=kind)
    assert (coded.sample_rate, len(coded.samples)) == (rate, rate)
    assert np.corrcoef(coded.samples[rate // 4 : -rate // 4], clip.samples[rate // 4 : -rate // 4])[0, 1] > 0.95


@pytest.mark.parametrize("kind", ["vorbis", "mp3", "opus"])
@pytest.mark.parametrize("rate", [16_000, 11_025])
def test_codec_is_near_but_not_equal(kind: str, rate: int) -> None:
    clip = augment.add_noise(fakes.voice(1.0, sample_rate=rate), 30.0, np.random.default_rng(0))
    coded = augment.codec(clip, 0.8, kind)
    assert len(coded.samples) == len(clip.samples)
    assert np.corrcoef(coded.samples, clip.samples)[0, 1] > 0.95
    assert not np.allclose(coded.samples, clip.samples, atol=1e-4)
    smallest = augment.codec(clip, 1.0, kind)
    assert np.corrcoef(smallest.samples, clip.samples)[0, 1] < np.corrcoef(coded.samples, clip.samples)[0, 1]


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(RecipeError, match='codec: kind: "mp4" is unknown; did you mean "mp3"'):
        Step.parse({"name": "codec", "kind": "mp4"})


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


SETTINGS: dict[str, dict[str, object]] = {
    "gain": {"gain_db": 3.0},
    "overdrive": {"clipped_db": 3.0},
    "add_noise": {"snr_db": 10.0, "slope_db": -3.0},
    "add_hum": {"snr_db": 10.0},
    "noise_by_peak": {},
    "recorded_noise": {"folder": "noises", "snr_db": 10.0},
    "speed": {"factor": 1.1},
    "time_stretch": {"rate": 0.8},
    "pitch_shift": {"semitones": 2.0},
    "stretch_and_shift": {"rate": 0.8, "semitones": 0.7},
    "time_shift": {"seconds": 0.1},
    "room": {"reverberation_time": 0.3, "direct_db": 0.0},
    "recorded_room": {"folder": "noises"},
    "telephone": {},
    "band_pass": {},
    "mu_law": {},
    "codec": {},
    "high_pass": {"cutoff": 100.0},
}


@pytest.fixture
def noises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, from beside which the test runs."""
    (tmp_path / "noises").mkdir()
    write(tmp_path / "noises" / "hiss.wav", fakes.noise(0.5))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "noises"


@pytest.mark.usefixtures("noises")
@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_every_augmentation_takes_short_and_silent_clips(name: str) -> None:
    for clip in (Clip(np.zeros(n, np.float32), RATE) for n in (0, 1, 2, 800)):
        out = Step.parse({"name": name, **SETTINGS[name]})(clip, np.random.default_rng(0))
        assert np.isfinite(out.samples).all() and out.sample_rate == RATE and out.samples.dtype == np.float32
        assert not out.samples.any(), "silence stays silent"
    short = Step.parse({"name": name, **SETTINGS[name]})(tone(200.0, 0.05), np.random.default_rng(0))
    assert np.isfinite(short.samples).all() and short.samples.dtype == np.float32


@pytest.mark.usefixtures("noises")
@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_every_augmentation_is_pure_and_follows_from_its_rng(name: str) -> None:
    step = Step.parse({"name": name, **SETTINGS[name]})
    clip = fakes.voice(0.7, sample_rate=RATE)
    before = clip.samples.copy()
    clip.samples.flags.writeable = False
    one, two = (step(clip, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.samples, two.samples) and np.array_equal(clip.samples, before)
    assert not np.array_equal(one.samples, before)
    if "rng" in signature(augment.AUGMENTATIONS[name]).parameters and name != "recorded_room":
        assert not np.array_equal(one.samples, step(clip, np.random.default_rng(8)).samples)


def test_gain_is_exact() -> None:
    clip = tone(440.0)
    assert np.array_equal(augment.gain(clip, 0.0).samples, clip.samples)
    np.testing.assert_allclose(augment.gain(clip, 20.0).samples, clip.samples * 10, rtol=1e-6)
    np.testing.assert_allclose(augment.gain(clip, -6.0206).samples, clip.samples / 2, rtol=1e-5)


def test_noise_by_peak_is_that_of_the_notebooks() -> None:
    """At the highest sample times a number from 0 to 0.035, drawn evenly."""
    samples = tone(440.0).samples.copy()
    samples[0], samples[1] = 0.4, -0.9  # the highest sample, not the highest absolute one
    clip = Clip(samples, RATE)
    levels = []
    rng = np.random.default_rng(1)
    for _ in range(400):
        noise = augment.noise_by_peak(clip, rng).samples - clip.samples
        levels.append(float(noise.std()) / 0.4)
    assert max(levels) < 0.0356 and min(levels) < 0.001
    assert np.mean(levels) == pytest.approx(0.035 / 2, rel=0.08)
    assert np.quantile(levels, 0.25) == pytest.approx(0.035 / 4, rel=0.25)


def test_mu_law_is_that_of_libsndfile() -> None:
    """Every 16-bit value comes out as G.711 says, to the last bit."""
    values = np.arange(-(2**15), 2**15).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, values, 8_000, subtype="ULAW", format="AU")
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="int16")
    ours = augment.mu_law(Clip((values / 2.0**15).astype(np.float32), 8_000)).samples * 2**15
    assert np.array_equal(ours, decoded)
    assert len(np.unique(ours)) == 255, "both zeros are one"
    assert np.abs(ours - values).max() == 644, "half a step of the widest segment, and the clipped end"


def test_mu_law_noise_follows_the_level() -> None:
    voice = fakes.voice(2.0, sample_rate=RATE).samples
    for level in (1.0, 0.3, 0.1):
        clip = Clip(voice * np.float32(level), RATE)
        noise = augment.mu_law(clip).samples - clip.samples
        assert 30 < power_db(clip.samples) - power_db(noise) < 42


def test_band_pass_loses_3_db_at_both_ends() -> None:
    for frequency, loss in ((300.0, 3.01), (3400.0, 3.01), (1000.0, 0.0), (150.0, 24.1), (6800.0, 48.2)):
        clip = tone(frequency)
        inner = slice(RATE // 4, -RATE // 4)
        lost = power_db(clip.samples[inner]) - power_db(augment.band_pass(clip).samples[inner])
        assert lost == pytest.approx(loss, abs=0.15), frequency
    narrow = augment.band_pass(tone(1000.0), 2000.0, 3000.0)
    assert power_db(narrow.samples) < power_db(tone(1000.0).samples) - 20


def test_a_room_that_answers_at_once_changes_nothing() -> None:
    clip = fakes.voice(1.0, sample_rate=RATE)
    delta = Clip(np.eye(1, 400, dtype=np.float32)[0] * np.float32(0.3), RATE)
    np.testing.assert_allclose(augment.convolve(clip, delta).samples, clip.samples, atol=1e-6)
    late = Clip(np.roll(delta.samples, 37), RATE)
    np.testing.assert_allclose(augment.convolve(clip, late, 37).samples, clip.samples, atol=1e-6)
    assert np.abs(augment.convolve(clip, late).samples - clip.samples).max() > 0.1
    echo = delta.samples.copy()
    echo[200] = 0.15
    assert np.abs(augment.convolve(clip, Clip(echo, RATE)).samples - clip.samples).max() > 0.01


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
        ({"name": "gain", "gain_db": 1, "probability": True}, "probability True is not a number from 0 to 1"),
        ({"name": "gain", "gain_db": True}, "gain_db = True is not a number or a range"),
        ({"name": "gain", "gain_db": float("nan")}, "is not a number or a range"),
        ({"name": "gain", "gain_db": [3, 1]}, r"gain_db = \[3, 1\] is no range; expected the lower end first"),
        ({"name": "gain"}, 'augmentation gain lacks the setting "gain_db"'),
        ({"gain_db": 1}, "augmentation {'gain_db': 1} has no name; expected one of add_hum"),
        ({"name": "telephone", "band": 1}, 'unknown setting "band". It has none'),
        ({"name": "time_stretch", "rate": [0.5, 5]}, r"rate: 5 is out of range; expected 0\.25 to 4"),
        ({"name": "overdrive", "clipped_db": -1}, "clipped_db: -1 is out of range; expected 0 to 150"),
        ({"name": "recorded_noise", "snr_db": 5, "folder": 3}, "folder = 3 is not a text"),
        ({"name": "recorded_noise", "snr_db": 5, "folder": "/no/where"}, "folder: /no/where: no such folder; expected"),
        ({"name": "recorded_noise", "snr_db": 5}, 'lacks the setting "folder"'),
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
