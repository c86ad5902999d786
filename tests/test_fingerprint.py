"""Fingerprints: a recording is known again after a change, and two takes of one sentence are two."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import audio
from vocalics.audio import Clip
from vocalics.augment import add_noise, gain, speed, telephone
from vocalics.errors import AudioError
from vocalics.fingerprint import MIN_CORRELATION, SHORTEST, fingerprint, near_identical
from vocalics.manifest import Utterance


@lru_cache
def talk(sentence: int, take: int = 0, n_syllables: int = 10, sample_rate: int = 16_000) -> Clip:
    """Syllables, voiced ones and hisses, in pitch and length as the sentence has them and the take varies them."""
    drawn, varied = np.random.default_rng(sentence), np.random.default_rng([sentence, take, 1])
    pieces = [np.zeros(sample_rate // 5, np.float32)]
    for n in range(n_syllables):
        seconds = drawn.uniform(0.12, 0.3) * varied.uniform(0.97, 1.03)
        pitch, level = drawn.uniform(90, 240) * varied.uniform(0.98, 1.02), drawn.uniform(0.1, 0.4)
        hiss = fakes.noise(0.05, sample_rate, 0.05 * drawn.uniform(0.5, 1.5), seed=1000 * sentence + 31 * take + n)
        pieces += [fakes.voice(seconds, pitch, sample_rate, level).samples, hiss.samples]
    samples = np.concatenate([*pieces, pieces[0]])
    # A room is never quite silent.
    return Clip(samples + fakes.noise(len(samples) / sample_rate, sample_rate, 3e-4, 7 + take).samples, sample_rate)


def encoded(clip: Clip, kind: str, subtype: str, compression: float | None = None) -> Clip:
    """What an encoder makes of a clip."""
    file = io.BytesIO()
    level = {} if compression is None else {"compression_level": compression}
    soundfile.write(file, clip.samples, clip.sample_rate, format=kind, subtype=subtype, **level)
    return audio.read(file.getvalue())


def cut(clip: Clip, first: int, last: int) -> Clip:
    """A clip without so many samples at its ends."""
    return Clip(clip.samples[first : len(clip.samples) - last], clip.sample_rate)


COPIES: dict[str, tuple[Callable[[Clip], Clip], set[str]]] = {
    "copy": (lambda c: c, {"copy"}),
    "16 bits": (lambda c: encoded(c, "WAV", "PCM_16"), {"copy"}),
    "+20 dB": (lambda c: gain(c, 20), {"gain"}),
    "-20 dB in 16 bits": (lambda c: encoded(gain(c, -20), "WAV", "PCM_16"), {"gain"}),
    "polarity": (lambda c: Clip(-c.samples, c.sample_rate), {"gain"}),
    "trimmed at the start": (lambda c: cut(c, 4_321, 0), {"trimming"}),
    "trimmed at the end": (lambda c: cut(c, 0, 5_055), {"trimming"}),
    "trimmed by a sample more than a hop": (lambda c: cut(c, 257, 257), {"trimming"}),
    "trimmed to a second": (lambda c: cut(c, 9_001, len(c.samples) - 25_001), {"trimming"}),
    "mp3, 13 kbit/s": (lambda c: encoded(c, "MP3", "MPEG_LAYER_III", 0.8), {"re-encoding"}),
    "Opus, 18 kbit/s": (lambda c: encoded(c, "OGG", "OPUS", 0.9), {"re-encoding"}),
    "Vorbis, 25 kbit/s": (lambda c: encoded(c, "OGG", "VORBIS", 0.8), {"re-encoding"}),
    "µ-law": (lambda c: encoded(c, "WAV", "ULAW"), {"re-encoding"}),
    "a telephone": (telephone, {"re-encoding"}),
    "8 kHz": (lambda c: audio.resample(c, 8_000), {"resampling"}),
    "22.05 kHz": (lambda c: audio.resample(c, 22_050), {"resampling"}),
    "44.1 kHz": (lambda c: audio.resample(c, 44_100), {"resampling"}),
    "48 kHz": (lambda c: audio.resample(c, 48_000), {"resampling"}),
    "15.9 kHz": (lambda c: audio.resample(c, 15_900), {"resampling"}),
    "8 kHz and back": (lambda c: audio.resample(audio.resample(c, 8_000), 16_000), {"resampling"}),
    "noise": (lambda c: add_noise(c, 15.0, np.random.default_rng(0)), {"noise"}),
    "all at once": (
        lambda c: audio.resample(cut(gain(encoded(c, "OGG", "VORBIS", 0.7), -12), 1_999, 2_999), 22_050),
        {"gain", "trimming", "resampling", "re-encoding"},
    ),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_found_and_nothing_else(change: str) -> None:
    made, changes = COPIES[change]
    clips = [talk(1), talk(2), talk(3), made(talk(1)), talk(1, take=1)]
    (pair,) = near_identical(clips)
    assert (pair.first, pair.second) == (0, 3)
    assert pair.correlation > 0.9
    # A codec may change the level a little, too.
    assert changes <= set(pair.changes) <= changes | ({"gain"} if "re-encoding" in changes else set())


def test_offset_gain_and_polarity_are_measured() -> None:
    clip = talk(4)
    changed = gain(cut(Clip(-clip.samples, clip.sample_rate), 4_321, 999), -13.0)
    (pair,) = near_identical([clip, changed])
    assert pair.offset == pytest.approx(4_321 / 16_000, abs=1e-4)
    assert pair.gain_db == pytest.approx(-13.0, abs=0.05)
    assert pair.inverted and pair.speed == 1.0
    (turned,) = near_identical([changed, clip])
    assert (turned.offset, turned.gain_db) == pytest.approx((-pair.offset, -pair.gain_db), abs=1e-3)
    assert (pair.turned().offset, pair.turned().gain_db) == (-pair.offset, -pair.gain_db)


def test_two_takes_are_two() -> None:
    """Takes that agree in rhythm and pitch to 3 % are no copies, though their loudness goes up and down alike."""
    takes = [talk(sentence, take) for sentence in (1, 2) for take in range(5)]
    assert near_identical(takes) == ()

    def loudness(clip: Clip) -> np.ndarray:
        return np.sqrt(np.square(clip.samples[:32_000].reshape(20, -1)).mean(axis=1))

    assert np.corrcoef(loudness(takes[0]), loudness(takes[1]))[0, 1] > 0.5


def test_a_clock_that_is_off_is_forgiven_another_speed_is_not() -> None:
    clip = talk(5)
    (pair,) = near_identical([clip, speed(clip, 1.003)])
    assert pair.speed == pytest.approx(1 / 1.003, abs=2e-4)
    assert "resampling" in pair.changes
    later = speed(cut(clip, 16_000, 0), 1.003)
    (pair,), (other,) = near_identical([clip, later]), near_identical([later, clip])
    assert other.offset < -0.9 < 0.9 < pair.offset and pair.speed < 1 < other.speed
    assert (pair.turned().offset, pair.turned().speed) == pytest.approx((other.offset, other.speed), abs=2e-3)
    assert near_identical([clip, speed(clip, 1.05)]) == ()


def test_level_and_polarity_change_no_bit() -> None:
    clip = talk(6)
    found = fingerprint(clip)
    assert len(found.bits) == len(found.loud) > 100
    for factor in (0.125, -2.0):  # powers of two: not even the last digit differs
        other = fingerprint(Clip(np.float32(factor) * clip.samples, clip.sample_rate))
        np.testing.assert_array_equal(other.bits, found.bits)
        np.testing.assert_array_equal(other.loud, found.loud)
    n = min(len(found.bits), len(strange := fingerprint(talk(7)).bits))
    assert 0.4 < np.bitwise_count(found.bits[:n] ^ strange[:n]).mean() / 24 < 0.6


def test_a_sound_that_all_share_makes_no_copies() -> None:
    beep = talk(8, n_syllables=4).samples
    clips = [Clip(np.concatenate([beep, talk(100 + n, n_syllables=5).samples]), 16_000) for n in range(20)]
    assert near_identical(clips) == ()
    assert len(near_identical([clips[0], *clips])) == 1


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    def utterance(name: str) -> Utterance:
        return Utterance(str(tmp_path / name), "x", "x/1", "h", "happy")

    audio.write(tmp_path / "a.wav", talk(9))
    audio.write(tmp_path / "b.flac", talk(9))
    audio.write(tmp_path / "short.wav", cut(talk(9), 0, len(talk(9).samples) - round((SHORTEST - 0.01) * 16_000)))
    audio.write(tmp_path / "silent.wav", Clip(np.zeros(16_000, np.float32), 16_000))
    (tmp_path / "broken.wav").write_text("no sound")
    clips = [utterance(n) for n in ("a.wav", "short.wav", "silent.wav", "broken.wav", "b.flac")]
    skipped: dict[int, str] = {}
    read = []
    pairs = near_identical(clips, lambda done, n: read.append((done, n)), lambda i, why: skipped.update({i: why}))
    assert [(p.first, p.second, p.changes) for p in pairs] == [(0, 4, ("copy",))]
    assert set(skipped) == {1, 2, 3}
    assert "shorter than 0.32 s" in skipped[1] and "cannot be decoded" in skipped[3]
    assert read[-1] == (5, 5)
    with pytest.raises(AudioError, match=r"broken\.wav: cannot be decoded"):
        near_identical(clips)
    assert near_identical([]) == ()


@pytest.mark.corpus
def test_takes_of_ravdess_are_far_below_copies(shared: Path) -> None:
    """Every actor says each sentence twice in each way: of all clips, the second take is most like a copy."""
    from vocalics.fingerprint import HOP, SAMPLE_RATE, band, compare

    highest = []
    for actor in ("01", "12", "23"):
        folder = shared / "corpora" / "ravdess" / f"Actor_{actor}"
        for first in sorted(folder.glob("*-01-??.flac")):
            second = first.with_name(f"{first.stem[:15]}02-{actor}.flac")
            a, b = (band(audio.read(p, SAMPLE_RATE).samples) for p in (first, second))
            highest.append(max(abs(compare(a, b, hop * HOP)[0].correlation) for hop in range(-24, 25, 4)))
    assert len(highest) == 90
    assert 0.2 < max(highest) < MIN_CORRELATION - 0.1
