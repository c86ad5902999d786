"""``vocalics evaluate``: what it writes, what it refuses, and what it says of what it left out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import fakes
import numpy as np
import pytest

from vocalics import audio, judgements
from vocalics.errors import VocalicsError
from vocalics.manifest import Manifest, Utterance
from vocalics.recognizer import load
from vocalics.voices import apart

Run = Callable[..., tuple[int, str, str]]

EMOTIONS = ("neutral", "calm", "happy", "sad", "boredom")
SPEAKERS = ("x/1", "x/2", "x/3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model file and a manifest of 15 clips: three speakers, five emotions, one of which the model lacks."""
    rows = []
    for s, speaker in enumerate(SPEAKERS):
        for e, emotion in enumerate(EMOTIONS):
            path = tmp_path / f"{s}{e}.wav"
            audio.write(path, fakes.voice(1.5, 110 + 60 * e + 9 * s))
            rows.append(Utterance(str(path), "x", speaker, emotion[0], emotion))
    Manifest(tuple(rows)).write(tmp_path / "manifest.csv")
    fakes.waveform_model(tmp_path / "m.onnx")
    return tmp_path


def evaluate(run: Run, folder: Path, *options: str) -> tuple[int, str, str]:
    """Run the command; what it printed comes on one line each, however it was wrapped."""
    code, out, err = run("evaluate", str(folder / "m.onnx"), str(folder / "manifest.csv"), *options)
    return code, " ".join(out.split()), " ".join(err.split())


def test_it_writes_a_report_and_two_figures(folder: Path, run: Run) -> None:
    code, out, _ = evaluate(run, folder, "-o", str(folder / "report"), "--protocol-note", "all new voices")
    assert code == 0
    written = {p.name for p in (folder / "report").iterdir()}
    assert written == {"report.md", "report.json", "predictions.csv", "confusion.png", "reliability.png"}
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert (report["n_clips"], report["n_speakers"], report["protocol"]) == (12, 3, "all new voices")
    assert sum(map(sum, report["counts"])) == 12
    assert report["leak"] == ""
    text = (folder / "report" / "report.md").read_text(encoding="utf-8")
    for words in ("3 of 15 clips dropped, not among the classes: 3 boredom.", "lists no training speakers"):
        assert words in text
        assert words in out
    assert "UAR" in out
    assert "95 % over 3 speakers" in out


def test_clips_of_unknown_speakers_are_said_to_be_unchecked(folder: Path, run: Run) -> None:
    fakes.waveform_model(folder / "m.onnx", training_speakers=["y/1"])
    assert "leakage" not in evaluate(run, folder)[1]
    rows = [replace(u, speaker="") if u.speaker == "x/1" else u for u in Manifest.read(folder / "manifest.csv")]
    Manifest(tuple(rows)).write(folder / "manifest.csv")
    assert "4 clips name no speaker, so that leakage could not be checked for them." in evaluate(run, folder)[1]


def test_speakers_of_the_names_of_training_speakers_are_told(folder: Path, run: Run) -> None:
    said = "speakers have names of ones that were heard in training, from another corpus of your own"
    fakes.waveform_model(folder / "m.onnx", training_speakers=["y/1", "y/9"])
    code, out, _ = evaluate(run, folder)
    assert code == 0 and f"1 of 3 {said} (x/1 = y/1?): if they are the same people" in out
    fakes.waveform_model(folder / "m.onnx", training_speakers=["ravdess/1", "y/9"])
    assert said not in evaluate(run, folder)[1]


def test_without_a_folder_nothing_is_written(folder: Path, run: Run) -> None:
    before = sorted(folder.iterdir())
    assert evaluate(run, folder)[0] == 0
    assert sorted(folder.iterdir()) == before


def test_the_figures_are_those_of_the_recognizer(folder: Path, run: Run) -> None:
    from vocalics import metrics
    from vocalics.recognizer import load

    evaluate(run, folder, "-o", str(folder / "report"))
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    recognizer = load(folder / "m.onnx")
    clips = Manifest.read(folder / "manifest.csv").where(lambda u: u.emotion != "boredom")
    order = {e: i for i, e in enumerate(recognizer.emotions)} | {None: metrics.NO_SPEECH}
    predictions = [order[recognizer.predict(u.path).emotion] for u in clips]
    truth = [order[u.emotion] for u in clips]
    assert report["uar"]["value"] == pytest.approx(metrics.unweighted_average_recall(truth, predictions))
    assert len(set(predictions)) > 1


def test_other_clips_of_a_voice_are_heard_before(folder: Path, run: Run) -> None:
    fakes.adaptable(folder / "m.onnx")
    allowed = ("--allow-seen-speakers",)
    _, plain, _ = evaluate(run, folder, *allowed, "-o", str(folder / "plain"))
    code, out, _ = evaluate(run, folder, *allowed, "--voice", "2", "-o", str(folder / "known"))
    assert code == 0 and "the model had heard 2 other clips of its speaker" in out and "had heard" not in plain
    model = load(folder / "m.onnx")
    clips = [u for u in Manifest.read(folder / "manifest.csv") if u.emotion != "boredom"]
    said = {row.path: row for row in _said(folder / "known")}
    assert [*said] == [u.path for u in clips] != [] and _said(folder / "plain") != [*said.values()]
    parts = apart(clips, 2, np.random.default_rng(0))
    for together, heard in parts:
        assert len(heard) == 2 and not {*together} & {*heard}
        voice = model.unknown_voice()
        for i in heard:
            voice = model.learn(clips[i].path, voice=voice)
        for i in together:
            expected = replace(model, voice=voice).predict(clips[i].path)
            assert said[clips[i].path].probability_sad == pytest.approx(expected.probabilities["sad"], abs=1e-6)
    # A clip that is no sound is left out where it is judged, and where it is heard before.
    together, (broken, other) = parts[0]
    Path(clips[broken].path).write_text("no sound", encoding="utf-8")
    code, _, err = evaluate(run, folder, *allowed, "--voice", "2", "-o", str(folder / "broken"))
    assert code == 1 and err.count(Path(clips[broken].path).name) == 1
    left = {row.path: row for row in _said(folder / "broken")}
    assert {*said} - {*left} == {clips[broken].path}
    expected = model.knowing([clips[other].path]).predict(clips[together[0]].path)
    assert left[clips[together[0]].path].probability_sad == pytest.approx(expected.probabilities["sad"], abs=1e-6)
    fakes.waveform_model(folder / "m.onnx")
    code, _, err = evaluate(run, folder, "--voice", "2")
    assert code == 1 and "the model fake gets used to no voice" in err


class _Row(NamedTuple):
    path: str
    probability_sad: float


def _said(report: Path) -> list[_Row]:
    said = judgements.read(report / "predictions.csv")
    sad = said.probabilities[:, said.emotions.index("sad")]
    return [_Row(path, float(p)) for path, p in zip(said.paths, sad, strict=True)]


def test_clips_that_a_protocol_lists_and_the_manifest_lacks_are_counted(folder: Path, run: Run) -> None:
    names = [*(f"{s}{e}" for s in range(3) for e in range(5)), "90", "91"]
    lines = ["utterance,test_fold", *(f"{name},{1 + k % 2}" for k, name in enumerate(names))]
    (folder / "folds.csv").write_text("\n".join(lines), encoding="utf-8")
    code, out, _ = evaluate(run, folder, "--hold-out", f"folds={folder / 'folds.csv'}#1")
    assert code == 0 and "2 clips of fold 1 of folds.csv, or of its other folds, are not in the manifest." in out


def test_hold_out_restricts_the_clips(folder: Path, run: Run) -> None:
    code, out, _ = evaluate(run, folder, "--hold-out", "speaker=x/2")
    assert code == 0
    assert "held out: speaker=x/2" in out
    assert "1 speaker · 4 clips" in out
    assert "one speaker only" in out
    code, out, err = evaluate(run, folder, "--hold-out", "speaker=x/9")
    assert code == 1
    assert "x/9" in err


@pytest.mark.parametrize("field", ["training_speakers", "validation_speakers"])
def test_a_speaker_of_the_training_is_refused(folder: Path, run: Run, field: str) -> None:
    fakes.waveform_model(folder / "m.onnx", **{"training_speakers": ("y/1",), field: ("x/1", "y/1")})
    code, _, err = evaluate(run, folder, "-o", str(folder / "report"))
    assert code == 1
    assert "1 of 3 speakers were heard in training or calibration (x/1)" in err
    assert "--allow-seen-speakers" in err
    assert not (folder / "report").exists()
    assert evaluate(run, folder, "--hold-out", "speaker=x/2")[0] == 0
    code, out, _ = evaluate(run, folder, "-o", str(folder / "report"), "--allow-seen-speakers")
    assert code == 0
    assert "LEAKING" in out
    assert "LEAKING" in (folder / "report" / "report.md").read_text(encoding="utf-8").splitlines()[0]


def test_a_scheme_merges_and_leaves_out(folder: Path, run: Run) -> None:
    code, out, _ = evaluate(run, folder, "--scheme", "four", "-o", str(folder / "report"))
    assert code == 0
    assert "3 clips of calm count as neutral." in out
    assert "also knows fear, disgust, surprise" in out
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["emotions"] == ["neutral", "happy", "sad", "angry"]
    assert report["by_emotion"][0]["support"] == 6
    code, _, err = evaluate(run, folder, "--scheme", "emodb")
    assert code == 1
    assert 'does not know boredom of the scheme "emodb"' in err


def test_a_bad_file_is_said_and_the_rest_is_judged(folder: Path, run: Run) -> None:
    (folder / "01.wav").write_text("no sound")
    (folder / "02.wav").unlink()
    code, out, err = evaluate(run, folder, "-o", str(folder / "report"))
    assert code == 1
    assert "01.wav: cannot be decoded" in err
    assert "02.wav: no such file" in err
    assert "2 clips could not be judged and are not counted" in out
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["n_clips"] == 10


def test_silence_counts_as_a_miss(folder: Path, run: Run) -> None:
    audio.write(folder / "00.wav", fakes.noise(2.0, level=0.0))
    evaluate(run, folder, "-o", str(folder / "report"))
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["n_no_speech"] >= 1
    assert report["n_clips"] == 12
    assert report["counts"][0][-1] >= 1


def test_nothing_to_judge_is_an_error(folder: Path, run: Run) -> None:
    for path in folder.glob("*.wav"):
        path.unlink()
    code, _, err = evaluate(run, folder)
    assert code == 1
    assert "none of the 12 clips could be judged" in err
    only = Manifest.read(folder / "manifest.csv").where(lambda u: u.emotion == "boredom")
    only.write(folder / "manifest.csv")
    code, _, err = evaluate(run, folder)
    assert code == 1
    assert "none of its 3 clips has one of the classes" in err


def test_a_folder_that_cannot_be_written_is_said(folder: Path, run: Run) -> None:
    (folder / "taken").write_text("a file")
    code, _, err = evaluate(run, folder, "-o", str(folder / "taken"))
    assert code == 1
    assert f"{os.fspath(folder / 'taken')}: cannot be written" in err


def test_the_second_run_replaces_the_first(folder: Path, run: Run) -> None:
    evaluate(run, folder, "-o", str(folder / "report"))
    first = {p.name: p.read_bytes() for p in (folder / "report").iterdir()}
    evaluate(run, folder, "-o", str(folder / "report"))
    assert {p.name: p.read_bytes() for p in (folder / "report").iterdir()} == first


def test_a_missing_manifest_is_said(folder: Path, run: Run) -> None:
    (folder / "manifest.csv").unlink()
    code, _, err = evaluate(run, folder)
    assert code == 1
    assert "no such manifest" in err
    with pytest.raises(VocalicsError):
        Manifest.read(folder / "manifest.csv")
