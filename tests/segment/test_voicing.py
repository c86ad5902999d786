"""The speech gate lets voices through and nothing else that is simple, at any level."""

from __future__ import annotations

import os
import random
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.segment import LEAST_VOICED_SECONDS, SHORTEST_SECONDS, has_speech, speech_seconds

DATA = Path(os.environ.get("VOCALICS_DATA", Path(__file__).parents[3] / "shared"))


def clip(samples: np.ndarray, sample_rate: int = 16_000) -> Clip:
    return Clip(samples.astype(np.float32), sample_rate)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("f0", [80, 140, 300])
def test_a_voice_is_speech(f0: float, sample_rate: int) -> None:
    voice = fakes.voice(2.0, f0, sample_rate)
    assert 1.0 < speech_seconds(voice) <= 2.0
    assert speech_seconds(fakes.voice(4.0, f0, sample_rate)) > 1.5 * speech_seconds(voice)


@pytest.mark.parametrize("level", [1e-3, 0.1, 10, 1e20])
def test_the_level_does_not_matter(level: float) -> None:
    voice = fakes.voice(2.0)
    assert speech_seconds(clip(voice.samples * level)) == speech_seconds(voice)


def test_quiet_below_one_step_of_16_bits_is_silence() -> None:
    voice = fakes.voice(2.0, level=1.0)
    assert has_speech(clip(voice.samples * 3e-5))
    assert not has_speech(clip(voice.samples * 1e-5))


def test_silence_around_a_voice_adds_nothing() -> None:
    voice, silence = fakes.voice(2.0).samples, np.zeros(32_000)
    assert speech_seconds(clip(np.concatenate([silence, voice, silence]))) == pytest.approx(
        speech_seconds(clip(voice)), abs=0.1
    )


def test_a_click_much_louder_than_the_voice_does_not_hide_it() -> None:
    samples = 0.001 * fakes.voice(2.0).samples
    samples[100] = 1.0
    assert has_speech(clip(samples))


T = np.arange(48_000) / 16_000
RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("no samples", np.zeros(0)),
        ("one sample", np.ones(1)),
        ("zeros", np.zeros(48_000)),
        ("a constant", np.full(48_000, 0.5)),
        ("a click", np.eye(1, 48_000, 20_000)[0]),
        ("white noise", 0.1 * RNG.standard_normal(48_000)),
        ("loud white noise, clipped", np.clip(5 * RNG.standard_normal(48_000), -1, 1)),
        ("brown noise", np.cumsum(RNG.standard_normal(48_000)) / 1000),
        ("mains hum", 0.1 * sum(np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 8))),
        ("a beep", 0.1 * np.sin(2 * np.pi * 440 * T)),
        ("a tone of 1 kHz", 0.1 * np.sin(2 * np.pi * 1000 * T)),
    ],
)
def test_what_is_no_speech(name: str, samples: np.ndarray) -> None:
    assert speech_seconds(clip(samples)) == 0, name


def test_white_noise_is_never_speech() -> None:
    assert not any(has_speech(fakes.noise(10.0, seed=seed)) for seed in range(20))


def test_noise_that_sets_in_suddenly_is_no_speech() -> None:
    for seed in range(20):
        assert not has_speech(clip(np.concatenate([np.zeros(24_000), fakes.noise(1.5, seed=seed).samples])))


def test_too_short_to_judge() -> None:
    voice = fakes.voice(2.0)
    assert not has_speech(audio.excerpt(voice, 0.1, 0.1 + SHORTEST_SECONDS - 0.01))
    assert has_speech(audio.excerpt(voice, 0.1, 0.1 + SHORTEST_SECONDS))
    short = np.concatenate([np.zeros(8_000), audio.excerpt(voice, 0.1, 0.1 + LEAST_VOICED_SECONDS - 0.04).samples])
    assert not has_speech(clip(short))


@pytest.mark.corpus
@pytest.mark.skipif(not (DATA / "corpora").is_dir(), reason="the shared corpora are not there")
@pytest.mark.parametrize("corpus", ["crema_d", "emodb", "ravdess", "savee", "tess"])
def test_real_speech_passes_quiet_and_noisy(corpus: str) -> None:
    files = sorted(p for p in (DATA / "corpora" / corpus).rglob("*") if p.suffix in audio.EXTENSIONS)
    rng = np.random.default_rng(5)
    missed = {"plain": 0, "quiet": 0, "noisy": 0}
    sample = random.Random(5).sample(files, 60)
    for path in sample:
        samples = audio.read(path, 16_000).samples
        if len(samples) < SHORTEST_SECONDS * 16_000:  # CREMA-D's damaged 1076_MTI_SAD_XX
            continue
        noise = rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples**2) / 10)
        for kind, variant in (("plain", samples), ("quiet", 0.1 * samples), ("noisy", samples + noise)):
            missed[kind] += not has_speech(clip(variant))
    assert missed["plain"] == missed["quiet"] == 0
    assert missed["noisy"] <= 1
