"""What a newcomer types wrong is answered in one line that says what to do, never with a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vocalics.named_models import model_path

Run = Callable[..., tuple[int, str, str]]

USAGE = {
    "an unknown command": (["predct"], "No such command 'predct'. Did you mean 'predict'?"),
    "an unknown subcommand": (["models", "shw"], "Did you mean 'show'?"),
    "an unknown option": (["predict", "--modl", "default"], "No such option: --modl"),
    "no argument": (["scan"], "Missing argument 'NAME'"),
    "no output": (["features", "logmel", "m.csv"], "Missing option '-o'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_exits_with_2(case: str, run: Run) -> None:
    arguments, expected = USAGE[case]
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert expected in err


REFUSED = {
    "an unknown corpus": (["scan", "ravdes", "."], 'unknown corpus "ravdes"; did you mean "ravdess"?'),
    "no such root": (["scan", "ravdess", "nowhere"], "nowhere: no such folder"),
    "no emotion's folder": (["scan", "folder", "empty"], "or a CSV of path, emotion[, speaker] in its place"),
    "a table that is none": (["scan", "folder", "binary.csv"], "binary.csv: is no CSV in UTF-8"),
    "an unknown set": (["features", "logmell", "m.csv", "-o", "x.csv"], 'did you mean "logmel"?'),
    "no such manifest": (["features", "logmel", "m.csv", "-o", "x.parquet"], "m.csv: no such manifest; make one with"),
    "a manifest that is none": (["features", "logmel", "binary.csv", "-o", "x.parquet"], "binary.csv: is no CSV"),
    "a Parquet that is none": (["features", "logmel", "b.parquet", "-o", "x.parquet"], "b.parquet: is no Parquet file"),
    "an unknown model": (["models", "show", "nope"], 'unknown model "nope"'),
    "no such model file": (["evaluate", "nope.onnx", "m.csv"], "nope.onnx: no such model file"),
    "an unknown recipe": (["train", "defalt", "--corpus", "a=b", "-o", "r"], 'did you mean "default"?'),
    "a recipe that is none": (["train", "binary.toml", "--corpus", "a=b", "-o", "r"], "binary.toml: is not TOML"),
    "an unknown key": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "fit.n_epoch=3"],
        'unknown key "n_epoch"; did you mean "n_epochs"?',
    ),
    "a key below a number": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "seed.x=3"],
        '"seed" is no table; "seed.x" cannot be set in it',
    ),
    "half a pair": (["train", "default", "--corpus", "a", "-o", "r"], '--corpus "a": expected NAME=VALUE'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line_and_exits_with_1(
    case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for name in ("binary.csv", "b.parquet", "binary.toml"):
        Path(name).write_bytes(b"RIFF\xac\x00\x01WAVE")
    arguments, expected = REFUSED[case]
    code, _, err = run(*arguments)
    assert code == 1
    assert expected in err
    assert err.splitlines()[-1].startswith("vocalics: ")
    assert "Traceback" not in err
    assert not Path("r").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("options", [[], ["--format", "json"]])
def test_a_full_disk_is_one_line(options: list[str]) -> None:
    clip = str(Path(__file__).parents[2] / "examples" / "clips" / "middle.wav")
    command = [sys.executable, "-c", "from vocalics.cli.main import main; main()", "predict", clip, *options]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "vocalics: No space left on device; what was written is not complete\n",
    )


def test_what_is_no_model_is_not_exported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(b"an older model")
    code, _, err = run("export", str(Path(__file__)), "-o", str(tmp_path / "old.onnx"))
    assert code == 1 and "Traceback" not in err and (tmp_path / "old.onnx").read_bytes() == b"an older model"
    assert run("export", "tiny", "-o", str(tmp_path / "old.onnx"))[0] == 0
    assert (tmp_path / "old.onnx").read_bytes() == model_path("tiny").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["old.onnx"]


def test_a_file_that_cannot_be_written_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    code, _, err = run("features", "logmel", "m.csv", "-o", "file/x.parquet")
    assert (code, err.count("\n")) == (1, 1)
    clips = Path(__file__).parents[2] / "examples" / "clips"
    Path("happy").symlink_to(clips)
    code, _, err = run("scan", "folder", ".", "-o", "file/m.csv")
    assert code == 1
    assert err.splitlines()[-1].startswith("vocalics: file")
