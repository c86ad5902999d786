"""``vocalics batch``: what it says, and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import fakes
import pytest

from vocalics import audio
from vocalics.batch import Status
from vocalics.cli import batch

pytest.importorskip("pyarrow", reason="a batch needs the extra 'batch'")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments: a folder of two clips and a broken one, a small model, one worker, and where to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in "ab":
        audio.write(tmp_path / "in" / f"{name}.wav", fakes.voice(0.6))
    (tmp_path / "in" / "empty\n.wav").touch()
    fakes.waveform_model(tmp_path / "m.onnx")
    return ["batch", "in", "--model", "m.onnx", "--workers", "1", "-o", "out"]


def test_failures_are_listed_and_no_error_unless_strict(given: list[str], run: Run, tmp_path: Path) -> None:
    code, out, _ = run(*given, "--strict")
    assert code == 1
    assert f"{tmp_path}/out: 3 of 3 recordings" in out
    assert "1 failed; the reasons are in" in out and "\n  1  is empty" in out
    code, out, _ = run(*given)
    assert code == 0 and "0 of 3 recordings, 3 were there before" in out
    assert "1 of those that were there before had failed; --retry-failures tries them again" in out
    assert run(*given, "--strict")[0] == 1, "what failed before a run was stopped counts, too"
    assert run("batch", "in/a.wav", *given[2:], "--strict")[0] == 0, "but not that of others"
    code, out, _ = run(*given, "--retry-failures")
    assert code == 0 and "1 of 3 recordings, 2 were there before" in out and "1 failed" in out


def test_a_file_that_changed_is_told(given: list[str], run: Run, tmp_path: Path) -> None:
    run(*given)
    audio.write(tmp_path / "in" / "a.wav", fakes.voice(0.7))
    _, out, _ = run(*given, "in/b.wav")
    assert "1 had changed since and were done again" in out and "in/a.wav" in out
    assert "1 were named more than once" in out


def test_a_job_that_cannot_be_done_is_one_line(given: list[str], run: Run) -> None:
    for arguments, said in {
        ("missing",): (1, "missing: no such file or folder"),
        ("in", "--hop", "1"): (2, "settings of a timeline"),
        ("in", "--feature-set", "logmle"): (1, "did you mean"),
        ("in", "--address", "auto"): (2, "choose the engine ray"),
    }.items():
        code, out, errors = run("batch", *arguments, "-o", "out")
        assert (code, out) == (said[0], "") and said[1] in errors and errors.count("\n") == 1
    assert run("batch", "in")[0] == 2


def test_features_are_a_task_of_their_own(given: list[str], run: Run, tmp_path: Path) -> None:
    code, _, errors = run("batch", "in", "--feature-set", "logmel", "--workers", "1", "-o", "features")
    assert code == 0, errors
    assert list((tmp_path / "features" / "features").glob("*.parquet"))


def test_the_line_of_progress() -> None:
    line = batch._line(Status(1000, 250, 3, 900.0, 10.0, 0.25))
    assert line == "250 of 1,000  25.0 per second  90 s of sound per second  3 failed  30.0 left"
    assert "left" not in batch._line(Status(10))


def test_without_the_extra_a_line_says_what_to_install(
    given: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, errors = run(*given)
    assert code == 1 and "pip install 'vocalics[batch]'" in errors and errors.count("\n") == 1
