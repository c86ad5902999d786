"""What a timeline says is what the recognizer says of the same sound, channel by channel."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import audio, records, timeline
from vocalics.audio import Clip
from vocalics.errors import AudioError, MissingExtraError, VocalicsError
from vocalics.recognizer import Prediction, Recognizer
from vocalics.segment import utterances
from vocalics.timeline import Timeline


def alone(call: Path, channel: int, folder: Path) -> Path:
    """One channel of a recording as a file of its own."""
    frames, rate = soundfile.read(call, dtype="float32")
    path = folder / f"{channel}.wav"
    soundfile.write(path, frames[:, channel], rate, subtype="FLOAT")
    return path


def values(predictions: tuple[Prediction, ...]) -> list[tuple[float, float, dict[str, float]]]:
    """Times and probabilities, without the file's name."""
    return [(p.start, p.end, dict(p.probabilities)) for p in predictions]


def test_windows_are_those_of_the_recognizer(
    found: Timeline, recognizer: Recognizer, call: Path, tmp_path: Path
) -> None:
    for i, channel in enumerate(found.channels):
        wanted = tuple(recognizer.timeline(alone(call, i, tmp_path)))
        assert values(channel.windows) == values(wanted)
        assert len({p.emotion for p in wanted}) > 1
    mixed = timeline.build(recognizer, call, window=1.0, hop=0.25, mix=True)
    assert mixed.channels[0].windows == tuple(recognizer.timeline(call, window=1.0, hop=0.25))
    assert len(mixed.channels[0].windows) > len(found.channels[0].windows) > 3


def test_segments_are_spoken_and_judged_as_a_whole(found: Timeline, recognizer: Recognizer, call: Path) -> None:
    assert [len(channel.segments) for channel in found.channels] == [3, 2]
    for i, channel in enumerate(found.channels):
        clip = audio.read(call, channel=i)
        for segment in channel.segments:
            part = audio.excerpt(clip, segment.start, segment.end)
            assert dict(segment.probabilities) == dict(recognizer.predict(part).probabilities)
            assert segment.path == str(call) and segment.model == "fake"
    left, right = found.channels
    assert [round(s.start, 1) for s in left.segments] == pytest.approx([0.4, 3.9, 6.9], abs=0.11)
    assert [round(s.start, 1) for s in right.segments] == pytest.approx([2.1, 5.5], abs=0.11)
    assert len({segment.emotion for segment in left.segments + right.segments}) > 1


def test_names_length_and_model(found: Timeline, call: Path, recognizer: Recognizer) -> None:
    assert [channel.name for channel in found.channels] == ["left", "right"]
    assert (found.path, found.sample_rate, found.model) == (str(call), 22_050, "fake")
    assert found.duration == pytest.approx(9.0) and found.emotions == recognizer.emotions


def test_bytes_give_the_same_and_write_nothing(
    found: Timeline, recognizer: Recognizer, call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = timeline.build(recognizer, call.read_bytes())
    assert again.path == "-" != found.path and not list(tmp_path.iterdir())
    assert [values(c.segments) for c in again.channels] == [values(c.segments) for c in found.channels]
    assert [c.envelope for c in again.channels] == [c.envelope for c in found.channels]


def test_one_voice_on_both_sides_is_one(recognizer: Recognizer, call: Path, tmp_path: Path) -> None:
    samples = audio.read(call, channel=0).samples
    soundfile.write(tmp_path / "both.wav", np.stack([samples, samples], axis=1), 22_050, subtype="FLOAT")
    soundfile.write(tmp_path / "three.wav", np.stack([samples, 0.5 * samples, samples], axis=1), 22_050)
    (both,) = timeline.build(recognizer, tmp_path / "both.wav").channels
    mono = timeline.build(recognizer, alone(call, 0, tmp_path)).channels[0]
    assert both.name == mono.name == "mono" and values(both.segments) == values(mono.segments) != []
    three = timeline.build(recognizer, tmp_path / "three.wav")
    assert [channel.name for channel in three.channels] == ["channel 1", "channel 2"]
    (mixed,) = timeline.build(recognizer, tmp_path / "three.wav", mix=True).channels
    assert mixed.name == "mono" and mixed.envelope != three.channels[1].envelope


def test_channels_are_told_apart_in_one_reading_that_can_be_ended(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.zeros((240_000, 8), np.int16)
    frames[-1] = range(8)  # alike to the very last
    soundfile.write(tmp_path / "eight.flac", frames, 8_000)
    asked, plain = [], audio.frames

    def counted(*arguments: Any) -> Iterator[Any]:
        asked.append(1)
        return plain(*arguments)

    class EnoughError(Exception):
        pass

    def enough(_share: float) -> None:
        raise EnoughError

    monkeypatch.setattr(audio, "frames", counted)
    assert len(timeline.build(recognizer, tmp_path / "eight.flac").channels) == 8 and asked == [1]

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it reads on")

    monkeypatch.setattr(audio, "stream", never)
    with pytest.raises(EnoughError):
        timeline.build(recognizer, tmp_path / "eight.flac", progress=enough)


def test_a_search_for_speech_can_be_ended(call: Path) -> None:
    class EnoughError(Exception):
        pass

    seen = []

    def enough() -> None:
        seen.append(1)
        raise EnoughError

    with pytest.raises(EnoughError):
        utterances(call, channel=0, check=enough)
    assert seen == [1]


def test_too_many_channels_are_refused_unless_mixed(recognizer: Recognizer, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).uniform(-0.1, 0.1, (8_000, 9))
    soundfile.write(tmp_path / "nine.wav", frames, 8_000)
    with pytest.raises(AudioError, match=r"nine\.wav: has 9 channels; expected at most 8, or mix them"):
        timeline.build(recognizer, tmp_path / "nine.wav")
    assert len(timeline.build(recognizer, tmp_path / "nine.wav", mix=True).channels) == 1


def test_envelope_holds_the_peaks_in_bounded_number(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip((fakes.voice(7.03).samples * np.linspace(0.1, 1, 112_480)).astype(np.float32), 16_000)
    audio.write(tmp_path / "a.wav", clip, "FLOAT")
    (fine,) = timeline.build(recognizer, tmp_path / "a.wav").channels
    assert fine.envelope_step == timeline.ENVELOPE_SECONDS and len(fine.envelope) == 141
    wanted = [np.abs(clip.samples[i : i + 800]).max() for i in range(0, len(clip.samples), 800)]
    assert list(fine.envelope) == pytest.approx(wanted) and max(wanted) > 2 * min(wanted)
    monkeypatch.setattr(sys.modules[timeline.build.__module__], "ENVELOPE_VALUES", 50)
    (coarse,) = timeline.build(recognizer, tmp_path / "a.wav").channels
    assert coarse.envelope_step == pytest.approx(0.2) and len(coarse.envelope) == 36
    assert max(coarse.envelope) == max(fine.envelope) and coarse.envelope[0] == max(fine.envelope[:4])


def test_silence_has_windows_and_no_segments(recognizer: Recognizer, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", Clip(np.zeros(64_000, np.float32), 16_000))
    found = timeline.build(recognizer, tmp_path / "a.wav")
    (channel,) = found.channels
    assert channel.segments == () and {w.label for w in channel.windows} == {"no speech"}
    summary = channel.summary
    assert (summary.speech_seconds, dict(summary.shares), summary.changes, summary.strongest) == (0, {}, 0, ())
    assert timeline.build(recognizer, audio_bytes(fakes.voice(4.0), tmp_path)).channels[0].segments


def audio_bytes(clip: Clip, folder: Path) -> bytes:
    """A clip as a file's bytes."""
    audio.write(folder / "bytes.wav", clip)
    return (folder / "bytes.wav").read_bytes()


def segment(start: float, end: float, emotion: str | None, confidence: float) -> Prediction:
    """A segment, made up."""
    return Prediction("x", start, end, emotion, confidence, {"happy": confidence}, "fake")


def test_summary_counts_seconds_changes_and_the_strongest() -> None:
    segments = (
        segment(0, 2, "happy", 0.5), segment(2, 3, "sad", 0.9), segment(3, 4, None, 0.3), segment(4, 5, "sad", 0.6),
        segment(5, 9, None, 0.0), segment(9, 13, "happy", 0.7),
    )  # fmt: skip
    summary = timeline.summarise(segments)
    assert summary.speech_seconds == 9 and summary.changes == 2
    assert dict(summary.shares) == pytest.approx({"happy": 6 / 9, "sad": 2 / 9, "unsure": 1 / 9})
    assert list(summary.shares) == ["happy", "sad", "unsure"] and sum(summary.shares.values()) == pytest.approx(1)
    assert summary.strongest == (segments[1], segments[5])


def test_to_dict_is_json_and_says_what_was_found(found: Timeline) -> None:
    told = json.loads(json.dumps(found.to_dict()))
    assert told == found.to_dict()
    assert [c["name"] for c in told["channels"]] == ["left", "right"]
    for channel, wanted in zip(told["channels"], found.channels, strict=True):
        told_of = [(s["emotion"], s["label"]) for s in channel["segments"]]
        assert told_of == [(s.emotion, s.label) for s in wanted.segments]
        assert len(channel["windows"]) == len(wanted.windows) and len(channel["envelope"]) == len(wanted.envelope)
        assert channel["summary"]["changes"] == wanted.summary.changes
    unsure = records.part(dataclasses.replace(found.channels[0].segments[0], emotion=None, candidates=("sad",)))
    assert (unsure["emotion"], unsure["label"]) == (None, "unsure")
    assert unsure["candidates"] == ["sad"] and unsure["strangeness"] is None


def test_progress_rises_to_one(recognizer: Recognizer, call: Path) -> None:
    told: list[float] = []
    timeline.build(recognizer, call, progress=told.append)
    assert told == sorted(told) and told[0] >= 0 and told[-1] == 1.0 and len(set(told)) > 5


def test_a_pipe_is_read_once(recognizer: Recognizer, call: Path, found: Timeline, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(call.read_bytes()), daemon=True).start()
    again = timeline.build(recognizer, pipe)
    assert again.path == str(pipe) and values(again.channels[1].segments) == values(found.channels[1].segments)


def test_what_cannot_be_is_said(recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        timeline.build(recognizer, tmp_path / "gone.wav")
    with pytest.raises(VocalicsError, match="a hop of 9 s leaves gaps"):
        timeline.build(recognizer, tmp_path / "gone.wav", hop=9.0)
    audio.write(tmp_path / "a.wav", fakes.voice(1.0))

    def missing() -> None:
        raise MissingExtraError("finding utterances", "prepare")

    monkeypatch.setattr(sys.modules[utterances.__module__], "_detector", missing)
    with pytest.raises(MissingExtraError, match="finding where somebody speaks needs the extra 'timeline'"):
        timeline.build(recognizer, tmp_path / "a.wav")
