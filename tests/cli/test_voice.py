"""``vocalics voice``, and what judges by one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import fakes
import loud
import numpy as np
import pytest

from vocalics import audio, recognizer
from vocalics.audio import Clip
from vocalics.voices import Voice

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that gets used to voices, recordings of one, and another recording."""
    where = tmp_path_factory.mktemp("voices")
    fakes.adaptable(where / "used.onnx")
    fakes.unadaptable(where / "deaf.onnx")
    (where / "ann").mkdir()
    for k, pitch in enumerate((180.0, 210.0, 240.0)):
        audio.write(where / "ann" / f"{k}.wav", fakes.voice(1.4, pitch))
    audio.write(where / "call.wav", Clip(np.concatenate([fakes.voice(4.0, p).samples for p in (150.0, 220.0)]), 16_000))
    audio.write(where / "quiet.wav", Clip(np.zeros(16_000, np.float32), 16_000))
    return where


def chances(out: str) -> list[dict[str, float]]:
    return [json.loads(line)["probabilities"] for line in out.splitlines()]


def test_a_voice_is_learned_and_judged_by(run: Run, folder: Path, tmp_path: Path) -> None:
    model, file = str(folder / "used.onnx"), tmp_path / "ann.voice"
    code, out, err = run("voice", str(folder / "ann"), "--model", model, "-o", str(file))
    assert (code, err) == (0, "") and "3 recordings heard, worth 3.0 sentences; for the model default" in out
    assert file.stat().st_mode & 0o077 == 0 and [*tmp_path.iterdir()] == [file]
    judge = recognizer.load(model)
    voice = judge.unknown_voice()
    for k in range(3):
        voice = judge.learn(folder / "ann" / f"{k}.wav", voice=voice)
    assert (Voice.read(file).total == voice.total).all()
    asked = ("predict", str(folder / "call.wav"), "--model", model, "--format", "json")
    plain, by_file, by_sound = (
        run(*asked, *more)[1] for more in ((), ("--voice", str(file)), ("--voice", str(folder / "ann")))
    )
    assert by_file == by_sound != plain
    expected = recognizer.load(model, voice=voice).predict(folder / "call.wav")
    assert chances(by_file)[0] == pytest.approx(dict(expected.probabilities), abs=2e-6)
    rows = run(
        "timeline", str(folder / "call.wav"), "--model", model, "--windows", "--format", "csv", "--voice", str(file)
    )[1]
    assert float(next(csv.DictReader(io.StringIO(rows)))["sad"]) == pytest.approx(
        next(recognizer.load(model, voice=voice).timeline(folder / "call.wav")).probabilities["sad"], abs=1e-4
    )
    deaf = ("--model", str(folder / "deaf.onnx"))
    code, out, err = run("predict", str(folder / "call.wav"), "--voice", str(file), *deaf)
    assert code == 1 and "default gets used to no voice; expected one that does: a bundled one, or a net" in err
    code, out, err = run("predict", str(folder / "call.wav"), "--voice", str(file))
    assert code == 1 and "learned by another model" in err
    other = Voice.unknown("1" * 64, 96).heard(voice.total)
    other.write(tmp_path / "other.voice")
    code, out, err = run(
        "predict", str(folder / "call.wav"), "--voice", str(tmp_path / "other.voice"), "--model", model
    )
    assert code == 1 and "other.voice: the voice was learned by another model, or another version of it (1111" in err
    code, out, _ = run("voice", str(folder / "call.wav"), "--known", str(file), "--model", model, "-o", str(file))
    assert code == 0 and Voice.read(file).n_clips > 3.5


def test_a_long_recording_is_got_used_to(run: Run, folder: Path) -> None:
    model, call = str(folder / "used.onnx"), str(folder / "call.wav")
    told = {}
    for more in ((), ("--adapt",)):
        code, out, err = run("predict", call, "--model", model, "--timeline", "--format", "json", *more)
        assert (code, err) == (0, "")
        told[more] = chances(out)
    expected = list(recognizer.load(model).timeline(call, adapt=True))
    assert [c["sad"] for c in told["--adapt",]] == pytest.approx([p.probabilities["sad"] for p in expected], abs=2e-6)
    assert told[()][0] == told["--adapt",][0] and told[()][-1] != told["--adapt",][-1]
    code, out, err = run("listen", call, "--model", model, "--adapt", "--fast", "--format", "json", "--hop", "1.5")
    assert (code, err) == (0, "")
    assert chances(out)[-1]["sad"] == pytest.approx(expected[-1].probabilities["sad"], abs=1e-4)


def test_segments_are_judged_with_what_all_windows_told(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud.hear_loudness(monkeypatch)
    model, call = str(folder / "used.onnx"), str(folder / "call.wav")
    rows = {}
    for more in ((), ("--adapt",)):
        code, out, err = run("timeline", call, "--model", model, "--format", "csv", *more)
        assert (code, err) == (0, ""), err
        rows[more] = [*csv.DictReader(io.StringIO(out))]
    assert len(rows[()]) == len(rows["--adapt",]) > 0
    assert rows[()][0]["sad"] != rows["--adapt",][0]["sad"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("voice", "{ann}", "-o", "{out}/a.json", "--model", "{used}"),
            2,
            "a.json: expected a name that ends in .voice",
        ),
        (("voice", "{ann}", "-o", "{out}/a.voice", "--model", "{deaf}"), 1, "default gets used to no voice"),
        (("voice", "{quiet}", "-o", "{out}/a.voice", "--model", "{used}"), 1, "nobody speaks in these recordings"),
        (("voice", "{out}/a.voice", "-o", "{out}/a.voice", "--model", "{used}"), 1, "is a voice, not a recording"),
        (("voice", "{ann}", "-o", "{ann}/x.voice/..", "--model", "{used}"), 2, "expected a name that ends in .voice"),
        (("predict", "{quiet}", "--voice", "{quiet}", "--model", "{used}"), 1, "nobody speaks in the recordings of it"),
        (("predict", "{quiet}", "--voice", "", "--model", "{used}"), 1, "--voice names nothing"),
        (("timeline", "{quiet}", "--voice", "{out}/c.VOICE", "--model", "{used}"), 1, "c.VOICE: no such file"),
        (("voice", "{out}/no.wav", "-o", "{out}/a.voice", "--model", "{used}"), 1, "no.wav: no such file"),
        (("predict", "{quiet}", "--voice", "{out}/b.voice", "--model", "{used}"), 1, "b.voice: no such file"),
        (("predict", "{quiet}", "--voice", "{out}/b.wav", "--model", "{used}"), 1, "nothing was judged"),
        (("predict", "{quiet}", "--voice", "{ann}", "--model", "{deaf}"), 1, "the model default gets used to no voice"),
        (
            ("predict", "{quiet}", "--timeline", "--adapt", "--model", "{deaf}"),
            1,
            "the model default gets used to no voice",
        ),
        (("predict", "{quiet}", "--adapt"), 2, "belongs to --timeline"),
        (("timeline", "{quiet}", "--adapt", "--model", "{deaf}"), 1, "the model default gets used to no voice"),
        (("listen", "{quiet}", "--adapt", "--fast", "--model", "{deaf}"), 1, "the model default gets used to no voice"),
    ],
)
def test_what_cannot_be_is_said(
    run: Run, folder: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    files = {"used": "used.onnx", "deaf": "deaf.onnx", "ann": "ann", "quiet": "quiet.wav"}
    names = {name: folder / file for name, file in files.items()} | {"out": tmp_path}
    got, out, err = run(*(a.format(**names) for a in arguments))
    assert got == code and told in " ".join(err.split()) and not out
    assert not [*tmp_path.iterdir()]
