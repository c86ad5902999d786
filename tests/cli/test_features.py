"""``vocalics features``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.features.feature_set import feature_set
from vocalics.manifest import Manifest, Utterance


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    for number, emotion in enumerate(("happy", "sad", "angry")):
        path = tmp_path / f"{number}.wav"
        rng = np.random.default_rng(number)
        audio.write(path, Clip((0.1 * rng.standard_normal(30_000)).astype(np.float32), 22_050))
        rows.append(Utterance(str(path), "own", f"own/{number}", "x", emotion))
    target = tmp_path / "manifest.csv"
    Manifest(tuple(rows)).write(target)
    return target


def test_csv_and_parquet_hold_the_same(run, manifest: Path, tmp_path: Path) -> None:
    name = "zcr_chroma_mfcc_rms_mel"
    for ending in ("csv", "parquet"):
        code, out, err = run("features", name, str(manifest), "-o", str(tmp_path / f"f.{ending}"), "--workers", "1")
        assert (code, out) == (0, "")
        assert "3 clips, 162 columns" in err
    table = parquet.read_table(tmp_path / "f.parquet")
    with (tmp_path / "f.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert (
        tuple(header)
        == tuple(table.column_names)
        == ("path", "corpus", "speaker", "emotion", *feature_set(name).columns)
    )
    assert [row[3] for row in rows] == table["emotion"].to_pylist() == ["happy", "sad", "angry"]
    values = np.array([row[4:] for row in rows], np.float32)
    np.testing.assert_array_equal(values, np.column_stack([table[c].to_numpy() for c in header[4:]]))
    assert (values[0] != values[1]).any()
    np.testing.assert_array_equal(values[0], feature_set(name).extract(audio.read(tmp_path / "0.wav")))


def test_frames_are_lists_in_parquet_and_refused_in_csv(run, manifest: Path, tmp_path: Path) -> None:
    assert run("features", "logmel", str(manifest), "-o", str(tmp_path / "f.parquet"), "--workers", "1")[0] == 0
    column = parquet.read_table(tmp_path / "f.parquet")["log_mel_0"].to_pylist()
    assert len(column) == 3 and len(column[0]) > 100
    code, _, err = run("features", "logmel", str(manifest), "-o", str(tmp_path / "f.csv"))
    assert code == 2
    assert "logmel has many frames per clip and does not fit a CSV; use -o f.parquet" in err
    assert not (tmp_path / "f.csv").exists()


def test_no_cell_of_a_csv_is_a_formula(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write(tmp_path / "a.wav", Clip(np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32), 22_050))
    Manifest((Utterance(str(tmp_path / "a.wav"), "-own", "=1+1", "x", "sad"),)).write("m.csv")
    assert run("features", "zcr_chroma_mfcc_rms_mel", "m.csv", "-o", "f.csv", "--workers", "1")[0] == 0
    with Path("f.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["corpus"], row["speaker"], row["emotion"]) == ("'-own", "'=1+1", "sad")
    assert row["path"] == str(tmp_path / "a.wav") and any(v.startswith("-") for v in row.values()), "numbers stay"


def test_a_bad_file_is_named_and_the_others_are_written(run, manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "1.wav").write_text("no sound")
    code, _, err = run("features", "logmel", str(manifest), "-o", str(tmp_path / "f.parquet"), "--workers", "1")
    assert code == 1
    assert "1.wav: cannot be decoded" in err
    assert "1 of 3 clips failed" in err
    assert parquet.read_table(tmp_path / "f.parquet")["emotion"].to_pylist() == ["happy", "angry"]
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "m.csv", "-o", "f.csv"), 'unknown feature set "nothing"'),
        (("logmel", "m.csv", "-o", "f.txt"), 'cannot write features with the ending ".txt"; use .parquet or .csv'),
        (("logmel", "m.csv", "-o", "no/where/f.parquet"), "the folder no/where does not exist; make it first"),
        (("logmel", "m.csv", "-o", "f.parquet"), "m.csv: no such manifest"),
    ],
)
def test_wrong_requests_are_one_line(run, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("features", *arguments)
    assert (code, out) == (2 if "with the ending" in message else 1, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
