"""``vocalics augment``."""

from __future__ import annotations

import os
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio
from vocalics.augment import Step
from vocalics.augment.copies import augmented
from vocalics.manifest import Manifest, Utterance
from vocalics.preprocess.settings import table_of
from vocalics.splits import splits

NOISE = "add_noise snr_db=[5,20]"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    for number, emotion in enumerate(("happy", "sad", "angry", "happy")):
        path = tmp_path / "corpus" / f"s{number % 2}" / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.write(path, fakes.voice(0.6, 120 + 20 * number))
        rows.append(Utterance(str(path), "own", f"own/s{number % 2}", "x", emotion, ratings={emotion: 3}))
    target = tmp_path / "corpus" / "manifest.csv"
    Manifest(tuple(rows)).with_digests().write(target)
    return target


def test_copies_name_their_parents_and_keep_the_annotation(run, manifest: Path, tmp_path: Path) -> None:
    code, out, err = run("augment", str(manifest), "-o", str(tmp_path / "out"), "--step", NOISE, "--copies", "2",
                         "--workers", "1")  # fmt: skip
    assert (code, out) == (0, "") and "manifest.csv: 12 clips, 8 of them copies" in err
    before, after = Manifest.read(manifest), Manifest.read(tmp_path / "out" / "manifest.csv")
    originals = after.where(lambda u: not u.parent)
    assert [u.path for u in originals] == [u.path for u in before]
    by_path = {u.path: u for u in before}
    for copy in after.where(lambda u: u.parent):
        parent = by_path[copy.parent]
        for key in ("corpus", "speaker", "label", "emotion", "ratings"):
            assert getattr(copy, key) == getattr(parent, key)
        sound, plain = audio.read(copy.path), audio.read(parent.path)
        assert copy.duration == sound.duration and copy.sample_rate == sound.sample_rate
        assert copy.digest not in ("", parent.digest) and not np.array_equal(sound.samples, plain.samples)
    assert after.with_digests() == after
    for split in splits(after, "speaker", np.random.default_rng(0)):
        assert len(split.train) == len(split.test) == 6


def test_a_copy_follows_from_seed_clip_and_number(run, manifest: Path, tmp_path: Path) -> None:
    def made(name: str, *more: str) -> dict[str, bytes]:
        arguments = ("augment", str(manifest), "-o", str(tmp_path / name), "--step", NOISE, *more)
        assert run(*arguments, "--workers", "1")[0] == 0
        return {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in (tmp_path / name).rglob("*.wav")}

    one, more, other = made("a"), made("b", "--copies", "2"), made("c", "--seed", "1")
    assert sorted(one) == ["s0/0_1.wav", "s0/2_1.wav", "s1/1_1.wav", "s1/3_1.wav"]
    assert all(more[name] == one[name] for name in one) and more["s0/0_2.wav"] != more["s0/0_1.wav"]
    assert all(other[name] != one[name] for name in one)
    row = Manifest.read(manifest)[0]
    clip = augmented(audio.read(row.path), [Step.parse(table_of(NOISE))], 0, 0, row.digest)
    written = audio.read(tmp_path / "a" / "s0" / "0_1.wav").samples
    assert np.abs(written - clip.samples).max() <= 1 / 2**15


def test_a_run_goes_on_where_it_was(run, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("augment", str(manifest), "-o", str(out), "--step", NOISE, "--workers", "1")
    assert run(*arguments)[0] == 0
    first = (out / "manifest.csv").read_text()
    kept, gone = out / "s0" / "0_1.wav", out / "s0" / "2_1.wav"
    gone.unlink()
    before = kept.stat().st_mtime_ns
    assert run(*arguments)[0] == 0
    assert kept.stat().st_mtime_ns == before and gone.exists() and (out / "manifest.csv").read_text() == first
    code, _, err = run(*arguments, "--seed", "1")
    assert code == 1 and "out: holds clips made with other settings (see settings.json there); choose another" in err


def test_originals_are_neither_overwritten_nor_taken_for_copies(run, tmp_path: Path) -> None:
    for name in ("take", "take_1", "x"):
        audio.write(tmp_path / f"{name}.wav", fakes.voice(0.4))
    rows = [Utterance(str(tmp_path / f"{n}.wav"), "c", "s", "", "sad") for n in ("take", "take_1", "x")]
    Manifest(tuple(rows)).with_digests().write(tmp_path / "list.csv")
    code, _, err = run("augment", str(tmp_path / "list.csv"), "-o", str(tmp_path), "--step", "gain gain_db=-6")
    assert code == 1 and "take_1.wav: is one of the clips that are read; choose another folder" in err
    assert not (tmp_path / "manifest.csv").exists()


def test_a_changed_original_is_augmented_anew(run, tmp_path: Path) -> None:
    source, listed = tmp_path / "in" / "a.wav", tmp_path / "list.csv"
    source.parent.mkdir()
    for seconds in (0.4, 0.7):
        audio.write(source, fakes.voice(seconds))
        Manifest((Utterance(str(source), "c", "s", "", "sad"),)).with_digests().write(listed)
        for made in (tmp_path / "out").glob("*.wav"):  # the first time's, long before
            os.utime(made, (1e9, 1e9))
        assert run("augment", str(listed), "-o", str(tmp_path / "out"), "--step", "gain gain_db=-6")[0] == 0
        assert run("prepare", str(listed), "-o", str(tmp_path / "plain"), "--step", "normalise_peak peak_db=-1")[0] == 0
        assert audio.read(tmp_path / "out" / "a_1.wav").duration == pytest.approx(seconds)
        for made in (tmp_path / "plain").glob("*.wav"):
            os.utime(made, (1e9, 1e9))
    assert run("prepare", str(listed), "-o", str(tmp_path / "plain"), "--step", "normalise_peak peak_db=-1")[0] == 0
    assert audio.read(tmp_path / "plain" / "a.wav").duration == pytest.approx(0.7)


def test_processes_make_the_same(run, manifest: Path, tmp_path: Path) -> None:
    for name, workers in (("a", "1"), ("b", "2")):
        code = run("augment", str(manifest), "-o", str(tmp_path / name), "--step", NOISE, "--workers", workers,
                   "--format", "flac", "--only-copies")[0]  # fmt: skip
        assert code == 0
    one, two = (Manifest.read(tmp_path / name / "manifest.csv") for name in "ab")
    assert [u.digest for u in one] == [u.digest for u in two] and all(u.path.endswith(".flac") for u in one)
    assert len(one) == 4 and all(u.parent for u in one), "only copies"


def test_a_copy_of_a_copy_names_the_original(run, manifest: Path, tmp_path: Path) -> None:
    run("augment", str(manifest), "-o", str(tmp_path / "a"), "--step", NOISE, "--only-copies", "--workers", "1")
    first = tmp_path / "a" / "manifest.csv"
    run("augment", str(first), "-o", str(tmp_path / "b"), "--step", "telephone", "--only-copies", "--workers", "1")
    originals = {u.path for u in Manifest.read(manifest)}
    assert {u.parent for u in Manifest.read(tmp_path / "b" / "manifest.csv")} == originals


def test_a_recipes_steps_are_taken(run, manifest: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\ndescription = "d"\nmodel = "m"\n[[augment]]\nname = "speed"\nfactor = 2.0\n', encoding="utf-8"
    )
    arguments = ("augment", str(manifest), "-o", str(tmp_path / "a"), "--steps", str(recipe), "--only-copies")
    assert run(*arguments, "--step", "speed factor=2.0", "--workers", "1")[0] == 0
    assert all(u.duration == pytest.approx(0.15, abs=0.001) for u in Manifest.read(tmp_path / "a" / "manifest.csv"))


def test_what_exceeds_full_scale_is_turned_down(run, manifest: Path, tmp_path: Path) -> None:
    code = run("augment", str(manifest), "-o", str(tmp_path / "a"), "--step", "gain gain_db=40", "--workers", "1")[0]
    assert code == 0
    plain, loud = audio.read(Manifest.read(manifest)[0].path), audio.read(tmp_path / "a" / "s0" / "0_1.wav")
    assert np.abs(loud.samples).max() > 0.999
    assert np.corrcoef(plain.samples, loud.samples)[0, 1] > 0.99999, "it is not clipped"


def test_a_broken_clip_is_one_line_and_the_others_are_made(run, manifest: Path, tmp_path: Path) -> None:
    Path(Manifest.read(manifest)[1].path).write_text("no sound")
    code, out, err = run("augment", str(manifest), "-o", str(tmp_path / "a"), "--step", NOISE, "--workers", "1")
    assert (code, out) == (1, "")
    assert "1.flac: cannot be decoded" in err and "1 of 4 clips failed and are not in" in err
    assert len(Manifest.read(tmp_path / "a" / "manifest.csv")) == 6
    assert not list((tmp_path / "a").rglob("*.part*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m.csv", "-o", "out"), "no step to apply; expected --steps RECIPE or --step 'add_noise snr_db=[5,20]'"),
        (("m.csv", "-o", "out", "--step", "ad_noise snr_db=3"), 'unknown augmentation "ad_noise"; did you mean "add_n'),
        (("m.csv", "-o", "out", "--step", "add_noise"), 'augmentation add_noise lacks the setting "snr_db"'),
        (("m.csv", "-o", "out", "--step", "add_noise 5"), '"5" is not of the form setting=value'),
        (("m.csv", "-o", "out", "--step", "recorded_room folder=nowhere"), "folder: nowhere: no such folder"),
        (("m.csv", "-o", "out", "--steps", "defualt"), 'unknown recipe "defualt"; did you mean "default"'),
        (("m.csv", "-o", "out", "--step", "telephone"), "m.csv: no such manifest; make one with"),
    ],
)
def test_wrong_requests_are_one_line(run, tmp_path: Path, monkeypatch, arguments, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("augment", *arguments)
    expected = 1 if message.startswith(("unknown recipe", "m.csv")) else 2
    assert (code, out) == (expected, "") and message in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
