"""The command ``explore``: a page, figures or numbers, and words for what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import fakes
import pytest

from vocalics import audio
from vocalics.manifest import Manifest, Utterance

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def manifests(tmp_path: Path) -> list[Path]:
    """Two manifests, of a corpus each; the second lists a file that is not there."""
    paths = []
    for c, corpus in enumerate(("mine", "yours")):
        rows = []
        for i, emotion in enumerate(("happy", "sad", "happy", "sad")):
            name = tmp_path / f"{corpus}_{i}.wav"
            audio.write(name, fakes.voice(0.7 + 0.1 * c, 120 + 30 * i + 5 * c))
            rows.append(Utterance(str(name), corpus, f"{corpus}/{i // 2}", emotion[0], emotion))
        if c:
            rows.append(Utterance(str(tmp_path / "gone.wav"), corpus, f"{corpus}/1", "s", "sad"))
        paths.append(tmp_path / f"{corpus}.csv")
        Manifest(tuple(rows)).write(paths[-1])
    return paths


def test_a_page_and_figures_are_written(run: Run, manifests: list[Path], tmp_path: Path) -> None:
    report, folder = tmp_path / "new" / "report.html", tmp_path / "figures"
    code, out, err = run(
        "explore", *map(str, manifests), "-o", str(report), "--png", str(folder), "--clips", "1", "--workers", "1"
    )
    assert (code, err.strip()) == (0, f"vocalics: {tmp_path / 'gone.wav'}: cannot be read (No such file or directory)")
    assert "clips       9" in out and "corpora     mine 4, yours 5" in out
    assert "suspicious  unreadable 1" in out
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "gone.wav: cannot be read (No such file or directory)" in report.read_text(encoding="utf-8")
    assert {"clips_by_emotion.png", "differences.png", "pca_by_emotion.png", "sound_happy_1.png"} <= {
        p.name for p in folder.iterdir()
    }
    assert not list(tmp_path.rglob("*.part"))


def test_numbers_are_written_and_printed_alike(run: Run, manifests: list[Path], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, out, _ = run(
        "explore", *map(str, manifests), "-o", str(report), "--format", "json", "--workers", "1", "--cache",
        str(tmp_path / "cache"),
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert told == json.loads(report.read_text(encoding="utf-8"))
    assert told["n_clips"] == 9 and len(told["clips"]) == 9
    assert [t["n_clips"] for t in told["by_corpus"]] == [4, 5]
    again = run(
        "explore", *map(str, manifests), "--format", "json", "--cache", str(tmp_path / "cache"), "--workers", "1"
    )
    assert json.loads(again[1]) == told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["-o", "/dev/null/report.html"],
            1,
            "null/report.html: cannot be written (File exists); choose another place",
        ),
        (["-o", "report.pdf"], 2, 'report.pdf: cannot write a report with the ending ".pdf"; use .html or .json'),
        (["--clips", "-1"], 2, "--clips"),
        (["--workers", "0"], 2, "--workers"),
        (["--format", "xml"], 2, "'xml' is not one of 'table', 'json'"),
    ],
)
def test_wrong_options_are_refused_before_work(
    run: Run, manifests: list[Path], arguments: list[str], code: int, words: str
) -> None:
    got, out, err = run("explore", str(manifests[0]), *arguments)
    assert (got, out) == (code, "")
    assert words in err


def test_a_manifest_must_be_there(run: Run, tmp_path: Path) -> None:
    assert run("explore")[0] == 2
    code, out, err = run("explore", str(tmp_path / "none.csv"), "-o", str(tmp_path / "report.html"))
    assert (code, out) == (1, "")
    assert "none.csv: no such manifest; make one with: vocalics scan" in err
    assert not (tmp_path / "report.html").exists()


def test_the_help_speaks_of_licences(run: Run) -> None:
    code, out, _ = run("explore", "--help")
    assert code == 0
    assert "do not allow their sound to be passed on" in " ".join(out.split())
