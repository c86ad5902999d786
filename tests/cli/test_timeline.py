"""The command ``timeline``: a table, files by their endings, and words for what cannot be."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import fakes
import loud
import numpy as np
import pytest
import soundfile

from vocalics import timeline
from vocalics.cli.timeline import Format

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a recording of six seconds, left speaking first and right second, and of a tiny model."""
    loud.hear_loudness(monkeypatch)
    frames = np.zeros((96_000, 2), np.float32)
    frames[8_000:32_000, 0] = fakes.voice(1.5, 120).samples
    frames[56_000:80_000, 1] = fakes.voice(1.5, 700).samples
    soundfile.write(tmp_path / "call.wav", frames, 16_000)
    fakes.waveform_model(tmp_path / "fake.onnx")
    return [str(tmp_path / "call.wav"), "--model", str(tmp_path / "fake.onnx")]


def test_a_table_of_both_parties_is_printed(run: Run, call: list[str]) -> None:
    code, out, err = run("timeline", *call)
    assert (code, err) == (0, "")
    left, right = out.split("\n\n")
    for name, table in (("left", left), ("right", right)):
        head, rule, row, summary = table.strip().split("\n")
        assert head.split() == [name, "start", "end", "emotion", "confidence", "then"] and set(rule) == {"-"}
        assert summary.startswith(f"{name} ") and "s of speech: " in summary and row.split()[2] in summary
    assert left.split("\n")[2] != right.split("\n")[2]


def test_windows_instead_of_segments(run: Run, call: list[str]) -> None:
    segments, windows = (
        run("timeline", *call, "--mix", "--window", "1", "--hop", "0.5", *more)[1] for more in ([], ["--windows"])
    )
    assert windows.count("\n") > segments.count("\n") + 4 and "no speech" in windows
    assert segments.splitlines()[-1] == windows.splitlines()[-1]


def test_files_are_written_by_their_endings(run: Run, call: list[str], tmp_path: Path) -> None:
    targets = [tmp_path / "new" / f"a{format.ending}" for format in timeline.FORMATS.values()]
    code, out, err = run("timeline", *call, *(word for target in targets for word in ("-o", str(target))))
    assert (code, err) == (0, "") and out.count("written   ") == len(targets) == 8
    assert all(target.stat().st_size for target in targets) and len(list((tmp_path / "new").iterdir())) == 8
    told = json.loads((tmp_path / "new" / "a.json").read_text(encoding="utf-8"))
    assert [c["name"] for c in told["channels"]] == ["left", "right"]
    assert "data:audio/mpeg" in (tmp_path / "new" / "a.html").read_text(encoding="utf-8")
    run("timeline", *call, "-o", str(tmp_path / "quiet.html"), "--no-sound")
    assert "data:audio" not in (tmp_path / "quiet.html").read_text(encoding="utf-8")


def test_a_format_is_printed_or_overrides_the_ending(run: Run, call: list[str], tmp_path: Path) -> None:
    code, out, _ = run("timeline", *call, "--format", "csv")
    assert code == 0 and [row[1] for row in csv.reader(io.StringIO(out))] == ["channel", "left", "right"]
    run("timeline", *call, "--format", "csv", "-o", str(tmp_path / "a.dat"))
    assert (tmp_path / "a.dat").read_text(encoding="utf-8") == out


def test_standard_input_is_judged(run: Run, call: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(run("timeline", *call, "--format", "json")[1])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(call[0]).read_bytes())))
    piped = json.loads(run("timeline", "-", *call[1:], "--format", "json")[1])
    assert piped["path"] == "-" and piped["channels"] == told["channels"] and told["channels"][0]["segments"]


def test_every_format_can_be_asked_for() -> None:
    assert [format.value for format in Format] == ["table", *timeline.FORMATS]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.wav"], "vocalics: gone.wav: no such file; check the path"),
        (
            ["gone.wav", "-o", "a.doc"],
            'vocalics: a.doc: cannot write a timeline with the ending ".doc"; use .json, .csv',
        ),
        (["gone.wav", "-o", "/dev/null/a.csv"], "a.csv: cannot be written (File exists); choose another place"),
        (["gone.wav", "--format", "png"], "vocalics: a picture is no text to print; write it with -o FILE.png"),
        (["gone.wav", "--format", "table", "-o", "a.csv"], "a.csv: a table is printed, not written; leave out -o"),
        (["gone.wav", "--window", "0.1"], "vocalics: a window of 0.1 s is too short to judge"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, call: list[str], arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("timeline", *arguments, *call[1:])
    expected = 1 if "no such file" in words or "cannot be written" in words else 2
    assert (code, out) == (expected, "") and words in err and err.count("\n") == 1
    assert not (tmp_path / "a.csv").exists()


def test_the_recording_itself_is_not_written_over(run: Run, call: list[str], tmp_path: Path) -> None:
    before = Path(call[0]).read_bytes()
    (tmp_path / "link.json").symlink_to(call[0])
    for target in (call[0], str(tmp_path / "link.json")):
        code, out, err = run("timeline", *call, "--format", "json", "-o", target)
        assert (code, out) == (1, "") and "is what is read; choose another name" in err
    assert Path(call[0]).read_bytes() == before


def test_a_pipe_is_judged_and_not_read_again_for_its_page(run: Run, call: list[str], tmp_path: Path) -> None:
    pipe, page = tmp_path / "pipe", tmp_path / "a.html"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(Path(call[0]).read_bytes()), daemon=True).start()
    code, out, _ = run("timeline", str(pipe), *call[1:], "-o", str(page))
    assert code == 0 and "s of speech" in out and 'type="file"' in page.read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="has no such name of its standard output")
def test_behind_a_file_on_standard_output_nothing_follows(call: list[str]) -> None:
    code = "from vocalics.cli.main import main; main()"
    command = [sys.executable, "-c", code, "timeline", *call, "-o", "/dev/stdout", "--format", "json"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["duration"] > 0
    assert b"s of speech" in done.stderr or b"nobody speaks" in done.stderr
