"""Noise and rooms that were recorded."""

from __future__ import annotations

from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import audio
from vocalics.audio import Clip
from vocalics.augment import Step, convolve, recorded_noise, recorded_room
from vocalics.augment.recordings import audio_files, drawn_excerpt, looped
from vocalics.errors import AudioError, RecipeError

RATE = 16_000


def snr_db(clip: Clip, noisy: Clip) -> float:
    noise = noisy.samples.astype(np.float64) - clip.samples
    return 10 * float(np.log10(np.mean(np.square(clip.samples, dtype=np.float64)) / np.mean(noise**2)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noises of three rates and lengths; one in a folder of its own, one in two channels."""
    (tmp_path / "noises" / "deep").mkdir(parents=True)
    audio.write(tmp_path / "noises" / "short.wav", fakes.noise(0.3, 8_000, seed=1))
    audio.write(tmp_path / "noises" / "deep" / "long.flac", fakes.noise(5.0, 44_100, seed=2))
    both = np.stack([fakes.noise(2.0, seed=seed).samples for seed in (3, 4)], axis=1)
    soundfile.write(tmp_path / "noises" / "two.wav", both, RATE)
    (tmp_path / "noises" / "readme.txt").write_text("no sound")
    return tmp_path / "noises"


@pytest.mark.parametrize("ratio", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050])
def test_the_ratio_is_as_asked(folder: Path, ratio: float, sample_rate: int) -> None:
    clip = fakes.voice(1.7, sample_rate=sample_rate)
    for seed in range(6):
        noisy = recorded_noise(clip, str(folder), ratio, np.random.default_rng(seed))
        assert snr_db(clip, noisy) == pytest.approx(ratio, abs=0.1)


def test_file_and_place_are_drawn(folder: Path) -> None:
    drawn = {drawn_excerpt(folder, RATE, 1000, np.random.default_rng(seed)).tobytes() for seed in range(30)}
    assert len(drawn) == 30
    again = drawn_excerpt(folder, RATE, 1000, np.random.default_rng(3))
    assert again.tobytes() in drawn


def test_an_excerpt_is_a_piece_of_the_recording(tmp_path: Path) -> None:
    noise = fakes.noise(2.0, seed=5)
    soundfile.write(tmp_path / "n.wav", noise.samples, RATE, subtype="FLOAT")
    piece = drawn_excerpt(tmp_path, RATE, 500, np.random.default_rng(1))
    windows = np.lib.stride_tricks.sliding_window_view(noise.samples, 500)
    assert (windows == piece).all(axis=1).sum() == 1


def test_of_a_long_recording_only_the_excerpt_is_read(tmp_path: Path) -> None:
    """Two minutes in which every sample tells where it stands."""
    ramp = np.linspace(-1, 1, 120 * 8_000).astype(np.float32)
    soundfile.write(tmp_path / "ramp.wav", ramp, 8_000, subtype="FLOAT")
    starts = set()
    for seed in range(5):
        piece = drawn_excerpt(tmp_path, 8_000, 4_000, np.random.default_rng(seed))
        start = int(np.flatnonzero(ramp == piece[0])[0])
        assert np.array_equal(piece, ramp[start : start + 4_000])
        starts.add(start)
    assert len(starts) == 5
    assert len(drawn_excerpt(tmp_path, 16_000, 4_001, np.random.default_rng(0))) == 4_001
    assert len(drawn_excerpt(tmp_path, 8_000, 130 * 8_000, np.random.default_rng(0))) == 130 * 8_000


def test_a_repeated_recording_does_not_click() -> None:
    """A hum that does not fit its length, repeated: no step is larger than within the hum."""
    hum = np.sin(2 * np.pi * 101.3 * np.arange(RATE // 2) / RATE).astype(np.float32)
    loop = looped(hum, 800)
    steps = np.abs(np.diff(np.tile(loop, 4)))
    assert steps.max() < 1.6 * np.abs(np.diff(hum)).max()
    assert np.abs(np.diff(np.tile(hum, 2))).max() > 10 * np.abs(np.diff(hum)).max(), "as it would without the fade"
    hiss = looped(fakes.noise(1.0).samples, 800)
    assert hiss[:800].std() == pytest.approx(hiss[800:].std(), rel=0.1), "nor a dip"
    assert len(looped(hum[:1], 800)) == 1


def test_pauses_of_a_recording_are_passed_over(tmp_path: Path) -> None:
    """A dog that barks a tenth of the time is heard in far more than a tenth of the copies."""
    samples = np.zeros(5 * RATE, np.float32)
    samples[RATE : 3 * RATE] = fakes.noise(2.0).samples
    audio.write(tmp_path / "dog.wav", Clip(samples, RATE))
    clip, heard = fakes.voice(0.2), 0
    for seed in range(50):
        try:
            heard += snr_db(clip, recorded_noise(clip, str(tmp_path), 5.0, np.random.default_rng(seed))) < 6
        except AudioError as error:
            assert "dog.wav: is silent wherever it was drawn" in str(error)
    assert heard > 35


def test_a_recording_that_comes_or_goes_below_is_noticed(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    audio.write(inner / "1.wav", fakes.noise(0.2))
    assert len(audio_files(tmp_path)) == 1
    audio.write(inner / "2.wav", fakes.noise(0.2))
    assert len(audio_files(tmp_path)) == 2
    (inner / "1.wav").unlink()
    assert [p.name for p in audio_files(tmp_path)] == ["2.wav"]


def test_silence_is_no_noise(tmp_path: Path) -> None:
    audio.write(tmp_path / "silent.wav", Clip(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(AudioError, match=r"silent\.wav: is silent wherever it was drawn; take it out of the folder"):
        recorded_noise(fakes.voice(0.5), str(tmp_path), 5.0, np.random.default_rng(0))
    with pytest.raises(AudioError, match=r"silent\.wav: holds one value only, which is no impulse response"):
        recorded_room(fakes.voice(0.5), str(tmp_path), np.random.default_rng(0))


def test_a_folder_without_audio_is_refused_when_a_recipe_is_read(tmp_path: Path) -> None:
    for name in ("recorded_noise", "recorded_room"):
        table = {"name": name, "folder": str(tmp_path)} | ({"snr_db": 5} if name == "recorded_noise" else {})
        with pytest.raises(RecipeError, match=rf"augmentation {name}: folder: .*: holds no audio; expected files"):
            Step.parse(table)
        (tmp_path / "f").write_text("x")
        with pytest.raises(RecipeError, match="is a file; expected a folder of audio files"):
            Step.parse({**table, "folder": str(tmp_path / "f")})
        with pytest.raises(RecipeError, match="no such folder"):
            Step.parse({**table, "folder": str(tmp_path / "nowhere")})


def test_a_broken_file_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_text("no sound at all")
    for change in (
        lambda: recorded_noise(fakes.voice(0.5), str(tmp_path), 5.0, np.random.default_rng(0)),
        lambda: recorded_room(fakes.voice(0.5), str(tmp_path), np.random.default_rng(0)),
    ):
        with pytest.raises(AudioError, match=r"broken\.wav: cannot be decoded"):
            change()


def test_a_measured_room_keeps_time_length_and_power(tmp_path: Path) -> None:
    response = np.zeros((4_000, 2), np.float32)
    response[:, 0] = 0.002  # a recorder's offset
    response[313, 0], response[900, 0] = 0.5, 0.2
    response[2_000, 1] = 0.9  # the other microphone's
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    clip = fakes.voice(1.0, sample_rate=RATE)
    wet = recorded_room(clip, str(tmp_path), np.random.default_rng(0))
    expected = np.zeros(1_000, np.float32)
    expected[0], expected[587] = 0.498, 0.198
    np.testing.assert_allclose(wet.samples, convolve(clip, Clip(expected, RATE)).samples, atol=1e-5)
    assert np.mean(wet.samples**2) == pytest.approx(np.mean(clip.samples**2), rel=1e-4)
    assert np.abs(wet.samples - clip.samples).max() > 0.02


def test_a_measured_delta_changes_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "delta.wav", 0.7 * np.eye(1, 4_000, 313)[0], RATE)
    clip = fakes.voice(1.0, sample_rate=RATE)
    wet = recorded_room(clip, str(tmp_path), np.random.default_rng(0))
    np.testing.assert_allclose(wet.samples, clip.samples, atol=1e-6)
