"""``vocalics corpora`` and ``vocalics scan``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from vocalics.cli.main import build, main
from vocalics.corpora import corpora
from vocalics.manifest import Manifest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "savee"
    folder.mkdir()
    for n in (1, 2, 3):
        samples = np.random.default_rng(min(n, 2)).uniform(-0.5, 0.5, 1600)
        soundfile.write(folder / f"DC_a0{n}.wav", samples, 16_000)
    (folder / "DC_a04.wav").write_text("no sound")
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(build(), list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_corpora_are_listed_with_licence_citation_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    text = run("corpora")
    for corpus in corpora().values():
        assert corpus.name in text and corpus.licence in text
        if corpus.n_clips:
            assert corpus.citation in text and corpus.url in text and str(corpus.n_clips) in text
    listed = {c["name"]: c for c in json.loads(run("corpora", "--format", "json"))}
    assert listed["emodb"]["emotions"][-1] == "boredom" and listed["ravdess"]["clips"] == 1440


def test_scan_writes_a_manifest_and_sums_up(root: Path, tmp_path: Path) -> None:
    text = run("scan", "savee", str(root), "-o", str(tmp_path / "new" / "m.csv"))
    assert "clips       3 of 480" in text and "missing     476" in text and "and 456 more" in text
    assert "DC_a02.wav = " in text and "DC_a04.wav: cannot be decoded" in text
    manifest = Manifest.read(tmp_path / "new" / "m.csv")
    assert len(manifest) == 3 and Path(manifest[0].path).is_file()


def test_scan_as_json_is_complete(root: Path) -> None:
    report = json.loads(run("scan", "savee", str(root), "--format", "json"))
    assert report["clips"] == 3 and len(report["missing"]) == 476 and report["emotions"] == {"angry": 3}
    assert report["unreadable"][0]["path"].endswith("DC_a04.wav")
    assert len(report["duplicates"]) == 1


def test_a_folder_of_ones_own_is_called_as_one_says(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    rows = "".join(f"{root / 'DC_a0'}{n}.wav,sad,{s}\n" for n, s in ((1, "Ann"), (2, "ann"), (3, "bob")))
    table.write_text(f"path,emotion,speaker\n{rows}", encoding="utf-8")
    text = run("scan", "folder", str(table), "--name", "mine", "-o", str(tmp_path / "m.csv"))
    assert "corpus      mine: A folder of your own" in text
    assert "note        Speakers whose names differ by case or blanks only" in text
    assert Manifest.read(tmp_path / "m.csv").speakers == ("mine/Ann", "mine/ann", "mine/bob")
    assert "corpus      folder:" in run("scan", "folder", str(table))


def test_a_published_corpus_has_its_name(root: Path, monkeypatch, capsys) -> None:
    for arguments, message in (
        (("savee", str(root), "--name", "mine"), "savee has its name"),
        (("folder", str(root), "--name", "savee"), 'cannot be called "savee"'),
    ):
        monkeypatch.setattr("sys.argv", ["vocalics", "scan", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2 and message in capsys.readouterr().err


def test_an_error_is_one_line_and_exit_code_1(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["vocalics", "scan", "ravdess", str(root)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "holds no clip of ravdess" in lines[0]
