"""What a newcomer types wrong is answered in one line that says what to do, never with a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fakes
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


MISUSED = {
    "an unknown key": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "fit.n_epoch=3"],
        'unknown key "n_epoch"; did you mean "n_epochs"?',
    ),
    "a key below a number": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "seed.x=3"],
        '"seed" is no table; "seed.x" cannot be set in it',
    ),
    "half a pair": (["train", "default", "--corpus", "a", "-o", "r"], '--corpus "a": expected NAME=VALUE'),
    "the same twice": (
        ["train", "default", "--corpus", "a=b", "--corpus", "a=c", "-o", "r"],
        "--corpus a=c: a was given already (b)",
    ),
    "no number": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "fit.rate=quick"],
        "rate = 'quick' is a str",
    ),
    "a list without quotes": (
        ["train", "default", "--corpus", "a=b", "-o", "r", "--set", "corpora=[mine]"],
        "--set corpora=[mine] is not TOML; words in a list stand in quotes",
    ),
    "part of a whole": (["benchmark", "--part", "3/2"], "--part 3/2: expected K/N"),
    "two that exclude each other": (["benchmark", "--together", "--own-corpus"], "leave --own-corpus out"),
    "clips for nothing": (["export", "default", "--clips", "c", "-o", "r"], "add --to onnx-int8"),
    "eight bits of nothing": (["export", "default", "--to", "onnx-int8", "-o", "r"], "need calibration clips"),
    "fixed point of nothing": (["export", "default", "--front-end", "fixed", "-o", "r"], "--front-end is for C"),
    "an ending of no manifest": (["scan", "ravdess", "empty", "-o", "r.txt"], "r.txt: cannot write a manifest with"),
    "an ending of no table": (["features", "logmel", "m.csv", "-o", "r.txt"], "cannot write features with the ending"),
    "frames in a CSV": (["features", "logmel", "m.csv", "-o", "r.csv"], "has many frames per clip"),
    "an ending of no page": (["explore", "m.csv", "-o", "r.txt"], 'cannot write a report with the ending ".txt"'),
    "nothing to prepare": (["prepare", "empty", "-o", "r"], "nothing to do; expected --step"),
    "an unknown step": (["prepare", "empty", "-o", "r", "--step", "denoise"], 'unknown preprocessing "denoise"'),
    "nothing to augment": (["augment", "m.csv", "-o", "r"], "no step to apply"),
    "nothing to calibrate": (["models", "calibrate", "default", "-o", "r.onnx"], "one of both"),
    "a page of nothing": (
        ["models", "calibrate", "default", "m.csv", "--page", "r.md", "-o", "r.onnx"],
        "--page tells what --left-out is worth",
    ),
    "no clock": (["compile", "default", "--target", "rv32", "--clock", "0"], "--clock 0: expected"),
    "no size": (["compile", "default", "--target", "rv32", "--ram-limit", "much"], '--ram-limit "much" is no size'),
    "a voice's other name": (["voice", "a.wav", "-o", "r.txt"], "r.txt: expected a name that ends in .voice"),
    "no limit": (["serve", "--max-seconds", "0"], "the limit seconds = 0"),
    "no name of a token": (["serve", "--new-token", "a:b"], "cannot be a token's name"),
    "open to all": (["serve", "--host", "0.0.0.0"], "there are no tokens to keep them out"),
    "two of one name": (["serve", "--model", "tiny", "--model", "tiny"], "two models are called tiny"),
    "nothing to delete": (["calls", "delete"], "nothing to delete; name calls"),
    "a key of nothing": (["calls", "a.wav", "--key", "k"], "add --pseudonymise"),
    "a report's ending": (["calls", "report", "-o", "r.pdf"], "use .html"),
    "neither command nor file": (["calls", "reprot"], 'did you mean "report"?'),
    "an address of no cluster": (["batch", "empty", "-o", "r", "--address", "auto"], "choose the engine ray"),
    "no time": (["batch", "empty", "-o", "r", "--timeout", "0"], "have to be positive"),
    "a window of no timeline": (["batch", "empty", "-o", "r", "--window", "3"], "choose the task timeline"),
    "features of no set": (["batch", "empty", "-o", "r", "--task", "features"], "belongs to the task features"),
    "a certainty": (["predict", "a.wav", "--coverage", "1"], "coverage = 1: expected above 0 and below 1"),
    "a percentage": (["predict", "a.wav", "--coverage", "90"], "coverage = 90: expected above 0"),
    "one fold": (
        ["train", "lr.toml", "--corpus", "folder=clips.csv", "--protocol", "speaker-folds=1", "-o", "r"],
        "N at least 2",
    ),
    "a fold of nothing": (
        ["train", "lr.toml", "--corpus", "folder=clips.csv", "--fold", "2", "-o", "r"],
        "--fold 2 needs a --protocol",
    ),
}


@pytest.mark.parametrize("case", MISUSED)
def test_options_that_are_wrong_in_themselves_are_one_line_and_exit_with_2(
    case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VOCALICS_TOKENS", raising=False)
    Path("empty").mkdir()
    arguments, expected = MISUSED[case]
    if "clips.csv" in " ".join(arguments):
        fakes.speakers_table(tmp_path)
        Path("lr.toml").write_text(fakes.LOGISTIC_REGRESSION, encoding="utf-8")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("vocalics: ") and expected in err
    assert "Traceback" not in err and not [*tmp_path.glob("r*")]


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
