"""``vocalics predict``: what goes in, what is printed, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.cli.predictions import _shortened, clock, expand
from vocalics.emotions import EMOTIONS
from vocalics.errors import AudioError
from vocalics.recognizer import load

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model, two voices (one deeper down) and things that are no audio."""
    monkeypatch.chdir(tmp_path)
    fakes.waveform_model(tmp_path / "m.onnx")
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    audio.write(tmp_path / "in" / "a.wav", fakes.voice(2.0))
    audio.write(tmp_path / "in" / "deeper" / "b.FLAC", fakes.voice(1.0, 420))
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    (tmp_path / "in" / "._a.wav").write_bytes(b"resource fork")
    return tmp_path


def predict(run: Run, *arguments: str) -> tuple[int, str, str]:
    return run("predict", "--model", "m.onnx", *arguments)


def test_json_is_one_object_per_line(folder: Path, run: Run) -> None:
    code, out, err = predict(run, "in", "--format", "json")
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert list(first) == [
        "path", "start", "end", "emotion", "label", "confidence", "probabilities", "model", "candidates", "strangeness",
    ]  # fmt: skip
    assert (first["path"], second["path"]) == ("in/a.wav", "in/deeper/b.FLAC")
    assert tuple(first["probabilities"]) == EMOTIONS
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert first["confidence"] == max(first["probabilities"].values()) == first["probabilities"][first["emotion"]]
    assert (first["start"], first["end"], first["model"]) == (0, 2, "fake")
    expected = load("m.onnx").predict("in/a.wav")
    assert (first["emotion"], first["confidence"]) == (expected.emotion, round(expected.confidence, 6))
    assert second["emotion"] != first["emotion"]


def test_csv_has_a_column_per_emotion_and_says_the_same(folder: Path, run: Run) -> None:
    code, out, _ = predict(run, "in", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    ahead, behind = ["path", "start", "end", "emotion", "label", "confidence"], ["model", "candidates", "strangeness"]
    assert list(rows[0]) == [*ahead, *EMOTIONS, *behind]
    objects = [json.loads(line) for line in predict(run, "in", "--format", "json")[1].splitlines()]
    for row, same in zip(rows, objects, strict=True):
        assert (row["path"], row["emotion"], row["model"]) == (same["path"], same["emotion"], same["model"])
        assert float(row["confidence"]) == same["confidence"]
        assert {e: float(row[e]) for e in EMOTIONS} == same["probabilities"]


def test_no_cell_is_a_formula_and_every_path_leads_to_its_file(folder: Path, run: Run) -> None:
    """A file's name, and a card's, is what others wrote."""
    names = ['=HYPERLINK("http:evil","x").wav', "+1.wav", "@a.wav", "-b.wav", "\t=1.wav"]
    for name in names:
        Path(name).write_bytes(Path("in/a.wav").read_bytes())
    fakes.waveform_model(Path("formula.onnx"), name="=1+1")
    code, out, err = run("predict", "--model", "formula.onnx", "--format", "csv", "in/a.wav", "--", *names)
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["path"] for row in rows] == ["in/a.wav", *(f"./{name}" for name in names)]
    assert all(Path(row["path"]).samefile(name) for row, name in zip(rows, ["in/a.wav", *names], strict=True))
    assert {row["model"] for row in rows} == {"'=1+1"}
    assert all(float(row["confidence"]) > 0 for row in rows)


def test_the_table_names_file_emotion_and_runners_up(folder: Path, run: Run) -> None:
    code, out, _ = predict(run, "in")
    header, rule, first, second = out.splitlines()
    assert code == 0
    assert header.split() == ["file", "start", "end", "emotion", "confidence", "then"]
    assert set(rule) == {"-"}
    prediction = load("m.onnx").predict("in/a.wav")
    assert first.split()[:5] == ["in/a.wav", "0.0", "2.0", prediction.label, f"{prediction.confidence:.0%}"]
    assert first.count("%") == 3
    assert second.startswith("in/deeper/b.FLAC")
    assert predict(run, "in", "--top", "1")[1].splitlines()[2].count("%") == 1


def test_an_error_alone_has_no_table(folder: Path, run: Run) -> None:
    code, said, error = run("predict", "missing.wav")
    assert (code, said) == (1, "") and error == "vocalics: missing.wav: no such file; check the path\n"


def test_no_speech_has_confidence_0_and_no_probabilities(folder: Path, run: Run) -> None:
    audio.write("silence.wav", Clip(np.zeros(16_000, np.float32), 16_000))
    record = json.loads(predict(run, "silence.wav", "--format", "json")[1])
    assert (record["emotion"], record["label"], record["confidence"]) == (None, "no speech", 0.0)
    assert record["probabilities"] == dict.fromkeys(EMOTIONS, 0.0)
    code, out, _ = predict(run, "silence.wav")
    assert code == 0
    assert "no speech" in out
    assert "%" not in out


def test_a_timeline_has_one_row_per_window(folder: Path, run: Run) -> None:
    audio.write("long.wav", Clip(np.tile(fakes.voice(4.0).samples, 5), 16_000))
    rows = [json.loads(line) for line in predict(run, "long.wav", "--timeline", "--format", "json")[1].splitlines()]
    assert [r["start"] for r in rows[:3]] == [0, 1.5, 3]
    assert rows[-1]["end"] == 20
    out = predict(run, "long.wav", "--timeline", "--window", "5", "--hop", "5", "--format", "json")[1]
    assert [(r["start"], r["end"]) for r in map(json.loads, out.splitlines())] == [(0, 5), (5, 10), (10, 15), (15, 20)]


def test_windows_without_a_timeline_are_wrong_usage(folder: Path, run: Run) -> None:
    code, _, err = predict(run, "in", "--hop", "1")
    assert code == 2
    assert "--window and --hop belong to --timeline; add it" in err
    code, _, err = predict(run, "in", "--timeline", "--window", "0.1")
    assert code == 2
    assert err == "vocalics: a window of 0.1 s is too short to judge; expected at least 0.25 s\n"


def test_standard_input(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path("in/a.wav").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    record = json.loads(predict(run, "-", "--format", "json")[1])
    assert record["path"] == "-"
    assert record["probabilities"] == json.loads(predict(run, "in/a.wav", "--format", "json")[1])["probabilities"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, _, err = predict(run, "-")
    assert (code, err) == (1, "vocalics: standard input: is empty (0 bytes); expected an audio file\n")


def test_what_paths_stand_for(folder: Path) -> None:
    assert expand("in") == ["in/a.wav", "in/deeper/b.FLAC"]
    assert expand("in/*.wav") == ["in/a.wav"]
    assert expand("in/d*") == ["in/deeper/b.FLAC"]
    assert expand("in/**/*.FLAC") == ["in/deeper/b.FLAC"]
    assert expand(f"{folder}/in/*.wav") == [f"{folder}/in/a.wav"]
    assert expand("-") == ["-"]
    assert expand("missing.wav") == ["missing.wav"]
    audio.write("odd[1].wav", fakes.voice())
    assert expand("odd[1].wav") == ["odd[1].wav"]
    (problem,) = expand("*.mp3")
    assert isinstance(problem, AudioError)
    assert str(problem) == "*.mp3: matches no file; check the pattern"


def test_an_unknown_model_is_one_line(folder: Path, run: Run) -> None:
    code, out, err = run("predict", "in", "--model", "no-such")
    assert (code, out) == (1, "")
    assert err.startswith('vocalics: unknown model "no-such"')
    assert err.count("\n") == 1


def test_without_options_it_is_the_same_command(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vocalics.named_models.bundled", lambda: {"default": Path("m.onnx")})
    plain = run("predict", "in", "missing.wav")
    assert plain == run("predict", "in", "missing.wav", "--top", "3")
    assert plain[0] == 1
    assert plain[1].count("in/") == 2
    assert plain[2] == "vocalics: missing.wav: no such file; check the path\n"
    assert run("predict", "in")[0] == 0


def test_an_unknown_format_is_wrong_usage(folder: Path, run: Run) -> None:
    code, _, err = predict(run, "in", "--format", "xml")
    assert code == 2
    assert "table" in err and "json" in err and "csv" in err


def test_no_path_is_wrong_usage(run: Run) -> None:
    assert run("predict")[0] == 2


def test_what_is_printed_is_not_lost_when_the_run_is_killed(folder: Path) -> None:
    os.mkfifo("pipe.wav")
    command = [sys.executable, "-c", "from vocalics.cli.main import main; main()", "predict", "--model", "m.onnx"]
    with subprocess.Popen(
        [*command, "in/a.wav", "pipe.wav", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()  # arrives while the second file is still awaited
        assert json.loads(line)["path"] == "in/a.wav"
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)


def test_a_pipe_is_read_like_a_file(folder: Path) -> None:
    program = f"{shlex.quote(sys.executable)} -c 'from vocalics.cli.main import main; main()'"
    script = f"cat in/a.wav | {program} predict /dev/stdin"
    done = subprocess.run([*["sh", "-c"], f"{script} --model m.onnx"], capture_output=True, text=True, check=True)
    assert "/dev/stdin" in done.stdout


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    audio.write("long.wav", Clip(np.tile(fakes.voice(4.0).samples, 15), 16_000))
    script = (
        f"{shlex.quote(sys.executable)} -c 'from vocalics.cli.main import main; main()' predict --model m.onnx long.wav"
    )
    done = subprocess.run(
        [*["sh", "-c"], f"{script} --timeline --hop 0.02 --format json | head -1"], capture_output=True, text=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0"), (59.94, "59.9"), (59.96, "1:00.0"), (61.5, "1:01.5"), (3723.44, "1:02:03.4")]
)
def test_times_are_readable(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_names_are_shortened_from_the_left_by_their_columns() -> None:
    assert _shortened("abcdef", 6) == "abcdef"
    assert _shortened("abcdef", 4) == "…def"
    assert _shortened("日本語.wav", 8) == "…語.wav"


def test_models_are_listed_and_shown(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vocalics.named_models.bundled", lambda: {"mini": Path("m.onnx")})
    monkeypatch.setattr("vocalics.named_models.heads", dict)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run("models")
    assert code == 0
    (row,) = (line.split("│")[1:-1] for line in out.splitlines() if "mini" in line)
    n = f"{load('m.onnx').card.n_parameters:,}"
    assert [cell.strip() for cell in row[:3]] == ["mini", "8", n] and row[4].strip() == "yes"
    (record,) = map(json.loads, run("models", "--format", "json")[1].splitlines())
    assert (record["name"], record["size"]) == ("mini", Path("m.onnx").stat().st_size)
    assert record["here"] is True
    code, out, _ = run("models", "show", "mini")
    assert code == 0
    for words in ("none (CC0-1.0; 0 clips, 0 speakers)", "uar 12.5 % [10.0, 20.0] on none", "waveform at 16000 Hz"):
        assert words in out
    shown = json.loads(run("models", "show", "m.onnx", "--format", "json")[1])
    assert shown["emotions"] == list(EMOTIONS)
    assert shown["sha256"] == load("m.onnx").model.sha256
    code, _, err = run("models", "show", "none.onnx")
    assert (code, err.count("\n")) == (1, 1)


def test_a_card_neither_steers_a_terminal_nor_adds_a_line(folder: Path, run: Run) -> None:
    """Whoever made the file wrote it."""
    evil = "ok\x1b]0;x\x07\x1b[2J\x9b31m\u202eder\x7f"
    forged = "Apache\nsha256:          0000 (verified)\r"
    fakes.waveform_model(
        Path("evil.onnx"), description=evil, licence=forged, created=forged, limits=evil, front_end={evil: evil},
        corpora=({"name": evil, "licence": forged, "note": evil},), figures=({"metric": evil, "corpus": forged},),
    )  # fmt: skip
    code, out, _ = run("models", "show", "evil.onnx")
    digest = load("evil.onnx").model.sha256
    assert code == 0 and all(c.isprintable() for c in out.replace("\n", ""))
    assert [line for line in out.splitlines() if line.startswith("sha256:")] == [f"sha256:          {digest}"]
    assert out.count("\n") == run("models", "show", "m.onnx")[1].count("\n") + 1 and "31m" in out
    code, out, _ = run("models", "show", "evil.onnx", "--format", "json")
    assert code == 0 and all(c.isprintable() for c in out.replace("\n", ""))
    shown = json.loads(out)
    assert (shown["description"], shown["licence"], shown["sha256"]) == (evil, forged, digest)
