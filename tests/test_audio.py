"""Sound in memory: decoded, mixed and resampled the same however it is read, or refused in words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics import audio
from vocalics.audio import Clip
from vocalics.errors import AudioError

VOICE = fakes.voice(1.5)


def test_a_written_clip_reads_back(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", VOICE, "FLOAT")
    clip = audio.read(tmp_path / "a.wav")
    assert clip.sample_rate == 16_000
    assert clip.duration == 1.5
    assert clip.samples.dtype == np.float32
    assert np.array_equal(clip.samples, VOICE.samples)
    assert np.abs(clip.samples).max() > 0.1


@pytest.mark.parametrize("ending", sorted(audio.EXTENSIONS - {".rf64"}))
def test_every_ending_that_is_taken_for_audio_is_written_and_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    audio.write(path, VOICE)
    clip = audio.read(path, 16_000)
    assert clip.duration == pytest.approx(1.5, abs=0.1)
    assert np.std(clip.samples) == pytest.approx(np.std(VOICE.samples), rel=0.1)


def test_an_ending_that_is_no_audio_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"a\.txt: cannot be written"):
        audio.write(tmp_path / "a.txt", VOICE)


@settings(max_examples=40, deadline=None)
@given(
    block_seconds=st.floats(0.001, 3),
    rates=st.sampled_from([(16_000, 16_000), (44_100, 16_000), (8_000, 16_000), (16_000, 22_050), (96_000, 16_000)]),
    seed=st.integers(0, 9),
)
def test_blocks_are_the_whole(block_seconds: float, rates: tuple[int, int], seed: int) -> None:
    source, wanted = rates
    samples = np.random.default_rng(seed).uniform(-1, 1, source // 2 + seed).astype(np.float32)
    data = wav(samples, source)
    blocks = list(audio.stream(data, wanted, block_seconds))
    whole = audio.read(data, wanted)
    assert np.array_equal(np.concatenate([b.samples for b in blocks]), whole.samples)
    assert {b.sample_rate for b in blocks} == {wanted}
    assert len(whole.samples) == pytest.approx(len(samples) * wanted / source, abs=1)
    assert np.array_equal(audio.resample(Clip(samples, source), wanted).samples, whole.samples)
    assert len(blocks) > 1 or block_seconds > 0.4


def wav(samples: np.ndarray, sample_rate: int, subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def test_memory_is_bounded_by_the_block() -> None:
    sizes = [len(b.samples) for b in audio.stream(wav(np.zeros(160_000), 16_000, "PCM_16"), block_seconds=1.0)]
    assert sizes == [16_000] * 10


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    most=st.integers(1, 9_000),
    form=st.sampled_from(["WAV", "FLAC", "OGG", "OPUS", "MP3"]),
    n_channels=st.integers(1, 8),
    rate=st.sampled_from([11_025, 22_050, 44_100, 48_000]),
    wanted=st.sampled_from([None, 16_000, 12_345]),
    channel=st.sampled_from([None, 0]),
)
def test_bounded_blocks_are_the_whole(
    most: int, form: str, n_channels: int, rate: int, wanted: int | None, channel: int | None
) -> None:
    n_channels = min(n_channels, 2) if form == "MP3" else n_channels
    rate, subtype = (48_000, form) if form == "OPUS" else (rate, None)
    samples = np.random.default_rng(most).uniform(-0.5, 0.5, (4_001, n_channels))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="OGG" if subtype else form, subtype=subtype)
    data = file.getvalue()
    whole, side_by_side = audio.read(data, wanted, channel=channel), np.concatenate(list(audio.frames(data)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "BLOCK_VALUES", most)
        blocks, parts = list(audio.stream(data, wanted, channel=channel)), list(audio.frames(data))
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), whole.samples)
    assert np.array_equal(np.concatenate(parts), side_by_side)
    assert max(part.size for part in parts) <= max(most, n_channels)
    assert len(parts) > 1 or most >= 4_001 * n_channels


def test_many_channels_at_a_high_rate_make_no_larger_blocks() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((800_000, 8), "i2"), 384_000, format="FLAC")
    data = file.getvalue()
    assert len(data) < 100_000
    assert max(block.size for block in audio.frames(data)) == 2**20
    assert max(len(block.samples) for block in audio.stream(data)) == 2**20 // 8
    assert max(len(block.samples) for block in audio.stream(data, block_seconds=0.1)) == 38_400


@pytest.mark.parametrize(("source", "wanted"), [(44_100, 16_000), (16_000, 22_050), (8_000, 16_000)])
def test_a_tone_keeps_its_pitch_and_level_when_resampled(source: int, wanted: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source).astype(np.float32)
    clip = audio.resample(Clip(tone, source), wanted)
    expected = np.sin(2 * np.pi * 440 * np.arange(wanted) / wanted)
    middle = slice(wanted // 10, -wanted // 10)
    assert np.abs(clip.samples - expected)[middle].max() < 1e-3
    assert np.array_equal(clip.samples, soxr.resample(tone, source, wanted))
    assert audio.resample(clip, wanted) is clip


def test_channels_are_averaged() -> None:
    left, right = VOICE.samples, -0.5 * VOICE.samples
    clip = audio.read(wav(np.stack([left, right], axis=1), 16_000))
    assert clip.samples == pytest.approx(0.25 * VOICE.samples, abs=1e-6)
    assert Clip.from_array(np.stack([left, right], axis=1), 16_000).samples == pytest.approx(clip.samples, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([-1.0, 0.0, 0.5], np.float64), [-1, 0, 0.5]),
        ([-1.0, 0.0, 0.5], [-1, 0, 0.5]),
    ],
)
def test_arrays_of_every_type_have_full_scale_1(values: Any, expected: list[float]) -> None:
    clip = Clip.from_array(values, 16_000)
    assert clip.samples.tolist() == expected
    assert clip.samples.dtype == np.float32


@pytest.mark.parametrize(
    ("values", "sample_rate", "message"),
    [
        (np.zeros((2, 3, 4)), 16_000, r"shape \(2, 3, 4\) is not sound; expected \(n_samples,\)"),
        (np.zeros((2, 900)), 16_000, r"shape \(2, 900\) is not sound.*; transpose it"),
        (np.float64(0.5), 16_000, r"shape \(\) is not sound"),
        ([[1.0], [1.0, 2.0]], 16_000, "rows of different lengths"),
        (np.array(["a"]), 16_000, "values of type <U1 are not sound; expected floats or integers"),
        (np.zeros(3, complex), 16_000, "values of type complex128"),
        (np.array([True]), 16_000, "values of type bool"),
        (np.array([0, np.nan]), 16_000, "sample 1 is not a finite number"),
        (np.array([np.inf]), 16_000, "sample 0 is not a finite number"),
        (np.array([1e39]), 16_000, "sample 0 is not a finite number"),
        (np.zeros(3), 1_000, "a sample rate of 1000 Hz is out of range; expected 4000 to 384000 Hz"),
        (np.zeros(3), float("nan"), "a sample rate of nan Hz is out of range"),
    ],
)
def test_arrays_that_are_no_sound(values: Any, sample_rate: int, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Clip.from_array(values, sample_rate)


def test_a_fault_late_in_a_file_is_told_by_its_position() -> None:
    samples = np.zeros(50_000, np.float32)
    samples[45_678] = np.nan
    stream = audio.stream(wav(samples, 16_000), block_seconds=1.0)
    assert len(next(stream).samples) == 16_000
    with pytest.raises(AudioError, match="sample 45678 is not a finite number"):
        list(stream)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000 - 44, 0x7FFFFFFF, 0x80000000])
def test_a_wave_written_to_a_pipe_promises_nothing(length: int) -> None:
    data = bytearray(wav(VOICE.samples, 16_000, "PCM_16"))
    position = data.index(b"data") + 4
    data[position : position + 4] = length.to_bytes(4, "little")
    if length:
        assert audio.read(bytes(data)).duration == 1.5
    else:
        with pytest.raises(AudioError, match="holds no samples"):
            audio.read(bytes(data))


def test_a_wave_with_more_after_its_sound_is_complete() -> None:
    data = wav(VOICE.samples, 16_000, "PCM_16") + b"LIST\x04\x00\x00\x00abcd"
    assert audio.read(data).duration == 1.5
    with pytest.raises(AudioError, match="truncated"):
        audio.read(wav(VOICE.samples, 16_000, "PCM_16")[:-2])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_whose_last_page_does_not_say_so_is_complete(subtype: str, tmp_path: Path) -> None:
    """Recorders of telephones leave the mark out; a page that is cut is still missed."""
    buffer = io.BytesIO()
    audio.encode(buffer, audio.resample(VOICE, 48_000), "OGG", subtype)
    whole = buffer.getvalue()
    page = whole.rfind(b"OggS")
    unmarked = bytearray(whole)
    unmarked[page + 5] &= ~4 & 0xFF
    unmarked[page + 22 : page + 26] = bytes(4)
    check = 0
    for byte in unmarked[page:]:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1) ^ (0x104C11DB7 if check >> 31 else 0)
    unmarked[page + 22 : page + 26] = check.to_bytes(4, "little")
    expected = audio.read(whole)
    (tmp_path / "call.ogg").write_bytes(unmarked)
    for source in (bytes(unmarked), tmp_path / "call.ogg"):
        found = audio.read(source)
        assert np.array_equal(found.samples, expected.samples)
        blocks = [*audio.stream(source, block_seconds=0.1)]
        assert np.array_equal(np.concatenate([b.samples for b in blocks]), expected.samples)
        assert audio.layout(source).sample_rate == 48_000
    for cut in (1, 40):
        with pytest.raises(AudioError, match="last Ogg page is missing"):
            audio.read(bytes(unmarked[:-cut]))


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3", "flac"])
def test_long_sound_can_be_encoded(ending: str, tmp_path: Path) -> None:
    """libvorbis took what it was given onto the stack: 44 s at 48 kHz ended the process."""
    clip = Clip(np.tile(VOICE.samples, 34), 48_000)
    audio.write(tmp_path / f"long.{ending}", clip)
    found = audio.read(tmp_path / f"long.{ending}")
    assert len(clip.samples) > 800_000 and abs(len(found.samples) - len(clip.samples)) < 0.01 * len(clip.samples)


def test_pad_and_excerpt() -> None:
    padded = audio.pad(VOICE, 2.0)
    assert padded.duration == 2.0
    assert np.array_equal(padded.samples[:24_000], VOICE.samples)
    assert not padded.samples[24_000:].any()
    assert audio.pad(VOICE, 1.0) is VOICE
    part = audio.excerpt(VOICE, 0.5, 1.0)
    assert np.array_equal(part.samples, VOICE.samples[8_000:16_000])
    assert audio.excerpt(VOICE, 0.5).duration == 1.0


# --- one channel ------------------------------------------------------------------------------------------------


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Two voices, one on either side, at 22.05 kHz."""
    left, right = fakes.voice(1.5, 120, 22_050), fakes.voice(1.5, 210, 22_050, level=0.1)
    path = tmp_path / "two.flac"
    soundfile.write(path, np.stack([left.samples, right.samples], axis=1), 22_050)
    return path


@pytest.mark.parametrize("rate", [None, 16_000])
def test_a_channel_is_read_as_if_it_were_alone(stereo: Path, tmp_path: Path, rate: int | None) -> None:
    frames, _ = soundfile.read(stereo, dtype="float32")
    for channel in (0, 1):
        soundfile.write(tmp_path / "one.wav", frames[:, channel], 22_050, subtype="FLOAT")
        alone = audio.read(tmp_path / "one.wav", rate)
        for source in (stereo, stereo.read_bytes()):
            np.testing.assert_array_equal(audio.read(source, rate, channel=channel).samples, alone.samples)
    assert not np.array_equal(audio.read(stereo, rate, channel=0).samples, audio.read(stereo, rate).samples)
    assert audio.layout(stereo) == audio.Layout(22_050, 2) != audio.layout(tmp_path / "one.wav")


@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_that_is_not_there_is_refused(stereo: Path, channel: int) -> None:
    with pytest.raises(AudioError, match=rf"two\.flac: has no channel {channel}; expected 0 to 1, counted from 0"):
        audio.read(stereo, channel=channel)
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        audio.layout("gone.wav")


@pytest.mark.parametrize("form", ["FLAC", "WAV", "MP3"])
def test_what_stands_behind_the_sound_is_left(form: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000)
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=form)
    data = file.getvalue()
    tagged = data + b"TAG" + b"a title".ljust(125, b"\0")
    assert np.array_equal(audio.read(tagged).samples, audio.read(data).samples)
