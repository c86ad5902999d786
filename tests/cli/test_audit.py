"""``vocalics audit``: what it prints and writes, its exit codes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import fakes
import pytest

from vocalics import audio
from vocalics.augment import gain
from vocalics.manifest import Manifest, Utterance

Run = Callable[..., tuple[int, str, str]]

EMOTIONS = ("neutral", "happy", "sad", "angry")


def utterance(folder: Path, speaker: int, n: int) -> Utterance:
    path = folder / f"{speaker}{n}.wav"
    # What is said, the emotion and the voice all stand in the sound, so that a probe can learn all three.
    audio.write(path, fakes.voice(0.8 + 0.05 * n, 90 + 17 * speaker + 60 * (n % 4) + 3 * (n // 4)))
    return Utterance(str(path), "x", f"x/{speaker}", EMOTIONS[n % 4][0], EMOTIONS[n % 4])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Manifests of four speakers of eight clips: all; and two and two of them as train and test."""
    monkeypatch.chdir(tmp_path)
    rows = [utterance(tmp_path, s, n) for s in range(4) for n in range(8)]
    Manifest(tuple(rows)).write("all.csv")
    Manifest(tuple(rows[:16])).write("train.csv")
    Manifest(tuple(rows[16:])).write("test.csv")
    Path("folds.csv").write_text("utterance,test_fold\n" + "".join(f"{u.name},{u.name[1]}\n" for u in rows))
    return tmp_path


def test_clean_parts_exit_with_0_and_leaking_ones_with_1(folder: Path, run: Run) -> None:
    code, out, err = run("audit", "train.csv", "test.csv")
    assert (code, err) == (0, "")
    assert out.startswith("clean: train.csv / test.csv; 0 of 16 test clips touched")
    assert "speed or pitch" in out
    copy = gain(audio.read("00.wav"), -9.0)
    audio.write("20.wav", copy)
    code, out, _ = run("audit", "train.csv", "test.csv")
    assert code == 1
    assert out.startswith("leaks: train.csv / test.csv; 1 of 16 test clips touched")
    assert "20.wav = " in out and "(gain; correlation 1.000; gain -9.0 dB)" in out
    code, out, _ = run("audit", "train.csv", "test.csv", "--no-fingerprint")
    assert code == 0
    assert "the audio was not read" in out
    code, out, _ = run("audit", "train.csv", "train.csv", "test.csv", "--no-fingerprint")
    assert code == 1 and "identical with train" in out and "speakers with train" in out


def test_files_of_one_name_are_told_apart_by_their_folders(folder: Path, run: Run) -> None:
    for part, site in (("train", "a"), ("test", "b")):
        Path(site).mkdir()
        Manifest.read(f"{part}.csv").write(f"{site}/m.csv")
    for place in (Path(), folder):
        out = run("audit", str(place / "a/m.csv"), str(place / "b/m.csv"), "--no-fingerprint")[1]
        assert out.startswith("clean: a/m.csv / b/m.csv; 0 of 16")
    assert run("audit", "a/m.csv", "a/m.csv", "--no-fingerprint")[1].startswith("leaks: m.csv / m.csv;")


def test_a_table_that_is_no_manifest_yet_is_told_how_it_becomes_one(tmp_path: Path, run: Run) -> None:
    table = fakes.speakers_table(tmp_path, n_speakers=1, n_takes=1)
    for command in (("audit",), ("explore",), ("evaluate", "default")):
        code, out, err = run(*command, str(table))
        assert (code, out) == (1, "")
        assert f"vocalics scan folder {table} -o FILE" in err


def test_folds_are_listed_one_by_one(folder: Path, run: Run) -> None:
    code, out, _ = run("audit", "all.csv", "--protocol", "folds=folds.csv", "--no-fingerprint")
    assert code == 1
    assert any(line.startswith("fold ") and line.endswith("verdict") for line in out.splitlines())
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line.split()[-1:] in (["leaks"], ["clean"])}
    assert set(lines) == {*"01234567", "total"}
    assert lines["3"] == ["3", "4", "4", "0", "0", "0", "0", "4", "leaks"]
    assert lines["total"][1:3] == ["32", "32"]
    code, out, _ = run("audit", "all.csv", "--protocol", "leave-one-speaker-out", "--no-fingerprint")
    assert code == 0 and "x/3" in out


def test_one_manifest_is_searched_for_copies(folder: Path, run: Run) -> None:
    code, out, _ = run("audit", "all.csv")
    assert code == 0
    assert "A division by speakers is possible: 4 speakers" in out
    Path("31.wav").write_bytes(Path("00.wav").read_bytes())
    code, out, _ = run("audit", "all.csv")
    assert code == 1
    assert "2 of 32 clips, identical" in out and "4 speakers in 3 groups" in out


def test_reports_are_written_whole(folder: Path, run: Run) -> None:
    arguments = ("audit", "all.csv", "--protocol", "random", "--no-fingerprint", "-o")
    code, out, _ = run(*arguments, "new/report.md")
    assert code == 1 and "written to new/report.md" in out
    assert Path("new/report.md").read_text().startswith("# Audit of random\n")
    code, out, _ = run(*arguments, "report.json", "--format", "json")
    assert code == 1
    written, printed = json.loads(Path("report.json").read_text()), json.loads(out)
    assert written == printed
    (division,) = printed["divisions"]
    assert printed["verdict"] == division["verdict"] == "leaks"
    assert division["n_touched"] == len(division["touched"]) == division["clips"]["test"] > 3
    assert run(*arguments[:-1], "--seed", "1", "--format", "json")[1] != out


def test_an_estimate_compares_the_same_clips(folder: Path, run: Run) -> None:
    arguments = (
        "audit",
        "all.csv",
        "--protocol",
        "folds=folds.csv",
        "--no-fingerprint",
        "--estimate",
        "--workers",
        "1",
    )
    code, out, _ = run(*arguments, "--format", "json", "--cache", "cache")
    assert code == 1
    estimate = json.loads(out)["estimate"]
    assert (estimate["n_clips"], estimate["unit"], estimate["n_units"]) == (32, "speakers", 4)
    assert estimate["touched"] == [estimate["given"], 32] and estimate["untouched"] is None
    assert estimate["low"] <= estimate["gain"] == pytest.approx(estimate["given"] - estimate["apart"])
    assert estimate["gain"] <= estimate["high"]
    assert estimate["given"] > 0.3, "better than chance, so that there is something to lose"
    code, again, _ = run(*arguments, "--cache", "cache")
    assert "Estimate: a probe gains" in again and "logistic regression" in again
    clean = json.loads(run("audit", "train.csv", "test.csv", "--no-fingerprint", *arguments[5:], "--format", "json")[1])
    assert clean["estimate"]["touched"] is None and clean["estimate"]["untouched"][1] == 16
    assert "over clips" in " ".join(clean["estimate"]["notes"])


WRONG = {
    "a protocol for two": (["a.csv", "b.csv", "--protocol", "random"], "--protocol divides one manifest; 2 were given"),
    "too many": (["a.csv", "b.csv", "c.csv", "d.csv"], "4 manifests were given"),
    "an ending": (["a.csv", "-o", "x.txt"], '"x.txt" is neither .md nor .json'),
    "nothing to estimate": (["a.csv", "--estimate"], "--estimate needs a division"),
    "a format": (["a.csv", "--format", "xml"], "'xml' is not one of"),
    "no manifest": ([], "Missing argument 'MANIFEST...'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_exits_with_2(case: str, run: Run) -> None:
    arguments, expected = WRONG[case]
    code, out, err = run("audit", *arguments)
    assert (code, out) == (2, "")
    assert expected in err


def test_what_cannot_be_done_is_one_line(folder: Path, run: Run) -> None:
    for arguments, expected in (
        (["nope.csv"], "nope.csv: no such manifest"),
        (["all.csv", "--protocol", "speakers"], 'unknown protocol "speakers"; did you mean "speaker"?'),
        (["all.csv", "--protocol", "folds=nope.csv"], "nope.csv: no such file"),
    ):
        code, out, err = run("audit", *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert expected in err
    Path("00.wav").unlink()
    Manifest((Utterance("00.wav", "x", "x/1", "h", "happy"), Manifest.read("all.csv")[1])).write("gone.csv")
    code, _, err = run("audit", "gone.csv")
    assert code == 1 and "00.wav: cannot be read (No such file or directory)" in err


def test_help_tells_the_exit_codes(run: Run) -> None:
    code, out, _ = run("audit", "--help")
    assert code == 0
    assert "Exits with 0 where nothing leaks" in " ".join(out.split())
