"""What a decoder prints stands beside what a command says, never in it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import fakes
import pytest
import soundfile

from vocalics.manifest import Manifest, Utterance

pytestmark = pytest.mark.skipif(os.name != "posix", reason="libsndfile's own standard output is another there")

PROGRAM = [sys.executable, "-c", "from vocalics.cli.main import main; main()"]
NOISE = "Error A : F5"
"""What libsndfile prints of a block of a MIDI sample dump that begins with this byte."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a model, a good recording, and one that a decoder complains about though it can be read."""
    samples = fakes.voice(1.0).samples
    soundfile.write(tmp_path / "good.wav", samples, 16_000)
    soundfile.write(tmp_path / "a.sds", samples, 16_000, format="SDS", subtype="PCM_16")
    data = bytearray((tmp_path / "a.sds").read_bytes())
    header, block = 21, 127
    assert data[header + 3 * block] == 0xF0
    data[header + 3 * block] = 0xF5
    (tmp_path / "bad.wav").write_bytes(data)
    fakes.waveform_model(tmp_path / "m.onnx")
    return tmp_path


def said(folder: Path, *arguments: str) -> tuple[str, str]:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout, done.stderr


def test_without_it_a_decoder_prints_among_the_results(folder: Path) -> None:
    code = "import soundfile; soundfile.read('bad.wav'); print('{}')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert NOISE in done.stdout


@pytest.mark.parametrize(
    "command", [("predict", "--format", "json"), ("listen", "--fast", "--format", "json"), ("predict",)], ids=" ".join
)
def test_a_line_for_a_program_is_all_there_is(command: tuple[str, ...], folder: Path) -> None:
    out, err = said(folder, *command, "--model", "m.onnx", "bad.wav")
    assert NOISE not in out and NOISE in err and "Traceback" not in err
    if "json" in command:
        assert [json.loads(line)["path"] for line in out.splitlines()] == ["bad.wav"]
    else:
        assert out.splitlines()[0].split()[0] == "file" and out.splitlines()[2].split()[0] == "bad.wav"


def test_a_table_for_a_program_has_its_rows_in_order(folder: Path) -> None:
    out, err = said(folder, "predict", "--model", "m.onnx", "--format", "csv", "good.wav", "bad.wav", "good.wav")
    assert [row[0] for row in csv.reader(out.splitlines())] == ["path", "good.wav", "bad.wav", "good.wav"]
    assert err.split("\n") == [NOISE, ""]


@pytest.mark.parametrize("target", [[], ["-o", "/dev/stdout"], ["-o", "link"]], ids=["printed", "written", "linked"])
def test_a_timeline_is_all_there_is(target: list[str], folder: Path) -> None:
    if target and not Path("/dev/stdout").exists():
        pytest.skip("has no such name of its standard output")
    (folder / "link").symlink_to("/dev/stdout")
    out, err = said(folder, "timeline", "bad.wav", "--model", "m.onnx", "--format", "json", *target)
    assert json.loads(out)["path"] == "bad.wav" and NOISE in err


@pytest.mark.parametrize(
    "command",
    [("scan", "folder", "rows.csv"), ("audit", "m.csv"), ("explore", "m.csv", "--workers", "1")],
    ids=lambda command: command[0],
)
def test_a_report_for_a_program_is_all_there_is(command: tuple[str, ...], folder: Path) -> None:
    (folder / "rows.csv").write_text("path,emotion\ngood.wav,sad\nbad.wav,happy\n", encoding="utf-8")
    rows = (Utterance(str(folder / f"{name}.wav"), "c", f"c/{name}", "x", "sad") for name in ("good", "bad"))
    Manifest(tuple(rows)).write(folder / "m.csv")
    if command[0] == "explore":
        pytest.importorskip("sklearn")
    command = (*PROGRAM, *command, "--format", "json")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # a copy is a finding: 1
    assert json.loads(done.stdout) and NOISE not in done.stdout
    assert NOISE in done.stderr and "Traceback" not in done.stderr


def test_what_is_scanned_into_standard_output_is_all_written(folder: Path) -> None:
    """Where the file is standard output by another name, it stays that."""
    if not Path("/dev/stdout").exists():
        pytest.skip("has no such name of its standard output")
    (folder / "rows.csv").write_text("path,emotion\ngood.wav,sad\n", encoding="utf-8")
    (folder / "link.csv").symlink_to("/dev/stdout")
    out, _ = said(folder, "scan", "folder", "rows.csv", "-o", "link.csv")
    assert "\ngood.wav," in out


def test_what_is_appended_to_a_file_keeps_what_was_there(folder: Path) -> None:
    kept = folder / "all.csv"
    kept.write_text("first\n", encoding="utf-8")
    for _ in range(2):
        with kept.open("a") as file:
            subprocess.run(
                [*PROGRAM, "predict", "--model", "m.onnx", "--format", "csv", "bad.wav"],
                stdout=file, stderr=subprocess.DEVNULL, check=True, cwd=folder,
            )  # fmt: skip
    lines = kept.read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["first", *["path", "bad.wav"] * 2]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_stream_that_is_closed_is_no_fault(closed: str, folder: Path) -> None:
    line = f'"$@" predict --model m.onnx good.wav {closed}'
    done = subprocess.run(["sh", "-c", line, "sh", *PROGRAM], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("good.wav" in done.stdout) == (closed != ">&-")


def test_a_terminal_stays_one() -> None:
    """There a display moves the cursor, and all comes together anyway."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    code = "import sys; from vocalics.cli.standard_output import keep_apart; sys.exit(keep_apart() is not None)"
    done = subprocess.run([sys.executable, "-c", code], stdout=follower, stderr=subprocess.PIPE, check=False)
    os.close(follower)
    os.close(leader)
    assert (done.returncode, done.stderr) == (0, b"")
