"""What is gathered for a run: manifests and folders told apart, what is wrong refused, what is left out told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio, dataset
from vocalics.cli import runs
from vocalics.corpora import scan
from vocalics.errors import RecipeError, VocalicsError
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Recipe

OWN = Recipe(name="own", description="", model="majority", corpora=("folder",), scheme="eight", validation=0.0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return fakes.speakers_table(tmp_path, n_speakers=2, n_takes=1)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_manifest_of_ones_own_is_read_as_what_it_is(table: Path, tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    original = scan("folder", table).manifest
    copies = tuple(replace(u, path=str(tmp_path / f"{u.name}_1.wav"), parent=u.path, digest="ab") for u in original)
    file = tmp_path / f"both{ending}"
    (original + Manifest(copies)).write(file)
    gathered = dataset.gather({"folder": file}, OWN)
    assert gathered == Manifest.read(file)
    assert [bool(u.parent) for u in gathered] == [False] * len(original) + [True] * len(original)
    assert gathered.speakers == ("clips/s0", "clips/s1") and {u.digest for u in gathered[len(original) :]} == {"ab"}


def test_a_bare_table_is_still_one(table: Path) -> None:
    table.write_text("label," + table.read_text(encoding="utf-8").replace("\n", "\nx,").removesuffix("x,"))
    gathered = dataset.gather({"folder": table}, OWN)
    assert gathered.speakers == ("clips/s0", "clips/s1") and all(u.digest for u in gathered)


def test_clips_of_another_corpus_are_not_taken_for_a_known_one(tmp_path: Path) -> None:
    row = Utterance(str(tmp_path / "a01.wav"), "savee", "savee/DC", "a", "angry", digest="ab")
    Manifest((row,)).write(tmp_path / "sav.csv")
    with pytest.raises(RecipeError, match=r"--corpus ravdess=.*sav\.csv: holds clips of savee; expected those of ravd"):
        dataset.gather({"ravdess": tmp_path / "sav.csv"}, replace(OWN, corpora=("ravdess",)))
    for name in ("savee", "mine", "folder"):
        gathered = dataset.gather({name: tmp_path / "sav.csv"}, replace(OWN, corpora=(name,)))
        assert gathered.corpora == ("savee",)


def test_a_corpus_is_given_once() -> None:
    assert runs.roots(["ravdess=a", "mine=b"]) == {"ravdess": Path("a"), "mine": Path("b")}
    with pytest.raises(VocalicsError, match=r"--corpus ravdess=b: ravdess was given already \(a\); give each"):
        runs.roots(["ravdess=a", "ravdess=b"])


# --- what is left out is told -----------------------------------------------------------------------------------------


def test_clips_that_are_left_out_are_told(table: Path) -> None:
    said: list[str] = []
    whole = dataset.gather({"folder": table}, OWN, say=said.append)
    assert said == []
    Path(whole[0].path).write_text("no sound")
    Path(whole[1].path).unlink()
    less = dataset.gather({"folder": table}, OWN, say=said.append)
    n = len(whole)
    assert len(less) == n - 2
    assert said == [f"folder: 2 of {n} clips are left out (2 unreadable); vocalics scan names them"]


def test_clips_that_are_missing_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    audio.write(tmp_path / "DC_a01.wav", fakes.voice(0.5))
    dataset.gather({"savee": tmp_path}, replace(OWN, corpora=("savee",)), say=said.append)
    assert said == ["savee: 479 of 480 clips are left out (479 missing); vocalics scan names them"]
    said.clear()
    audio.write(tmp_path / "1001_DFA_ANG_XX.wav", fakes.voice(0.5))
    dataset.gather({"crema_d": tmp_path}, replace(OWN, corpora=("crema_d",)), say=said.append)
    assert said == ["crema_d: 7,441 of 7,442 clips are left out (7,441 missing)"], "their names are not known"


@pytest.mark.parametrize(
    "command",
    [
        ("train", "lr.toml"),
        ("cross-validate", "lr.toml", "--protocol", "speaker-folds=2"),
        ("tune", "lr.toml"),
        ("benchmark", "tess-cross", "--model", "lr.toml"),
        ("reproduce",),
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_gathers_tells_it(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str, str]]
) -> None:
    def gather(roots: Any, recipe: Any, progress: Any = None, say: Any = None) -> Manifest:
        if say is not None:
            say("folder: 6 of 12 clips are left out")
        raise VocalicsError("enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset, "gather", gather)
    Path("lr.toml").write_text(fakes.LOGISTIC_REGRESSION, encoding="utf-8")
    known = ("ravdess", "tess", "savee", "crema_d", "emodb")
    corpora = ["folder"] if "lr.toml" in command and command[0] != "benchmark" else known
    code, out, err = run(*command, *(a for c in corpora for a in ("--corpus", f"{c}=voices")), "-o", "out")
    assert code == 1 and "enough" in err
    assert "folder: 6 of 12 clips are left out" in err and out.count("left out") == 0


# --- which fold is meant ----------------------------------------------------------------------------------------------


def listed(names: dict[str, str]) -> Manifest:
    """Two clips of each of five speakers; ``names`` gives the folds of those that are there."""
    return Manifest(
        tuple(
            Utterance(f"{s}-{e}.wav", "mine", f"mine/{s}", e, e, digest=f"{s}{e}")
            for s in names
            for e in ("sad", "angry")
        )
    )


def folds_of(file: Path, names: dict[str, str]) -> str:
    rows = [f"{s}-{e},{fold}\n" for s, fold in names.items() for e in ("sad", "angry")]
    file.write_text("utterance,test_fold\n" + "".join(rows))
    return f"folds={file}"


def test_a_published_fold_goes_by_its_number_and_not_by_its_place(tmp_path: Path) -> None:
    names = {s: str(k) for k, s in enumerate("abcde", start=1)}
    protocol = folds_of(tmp_path / "f.csv", names)
    there = listed({s: fold for s, fold in names.items() if s != "b"})  # fold 2 is not among the clips
    for fold, speaker in ((1, "a"), (3, "c"), (5, "e")):
        data = dataset.divide(there, OWN, protocol=protocol, fold=fold)
        ((title, test),) = data.tests.items()
        assert title == f"{protocol} {fold}" and {data.manifest[i].speaker for i in test} == {f"mine/{speaker}"}
    with pytest.raises(VocalicsError, match="has no fold 2 here; expected one of 1, 3, 4, 5"):
        dataset.divide(there, OWN, protocol=protocol, fold=2)
    whole = listed(names)
    by_place = [next(iter(d.tests.values())) for d in dataset.divisions(whole, OWN, protocol)]
    by_number = [next(iter(dataset.divide(whole, OWN, protocol=protocol, fold=k).tests.values())) for k in range(1, 6)]
    assert by_place == by_number and len(set(by_place)) == 5


def test_folds_without_numbers_go_by_their_place_where_all_are_there(tmp_path: Path) -> None:
    names = {"a": "one", "b": "two", "c": "six"}
    protocol = folds_of(tmp_path / "f.csv", names)
    second = dataset.divide(listed(names), OWN, protocol=protocol, fold=2)
    assert list(second.tests) == [f"{protocol} six"]  # they stand in the alphabet's order
    with pytest.raises(VocalicsError, match="has no fold 4; expected 1 to 3"):
        dataset.divide(listed(names), OWN, protocol=protocol, fold=4)
    with pytest.raises(VocalicsError, match=r"its folds have names \(one, six\) and 2 of its clips are not here"):
        dataset.divide(listed({"a": "one", "c": "six"}), OWN, protocol=protocol, fold=2)
