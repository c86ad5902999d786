"""What is gathered for a run: manifests and folders told apart, what is wrong refused, what is left out told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio, dataset, splits
from vocalics.cli import runs
from vocalics.corpora import scan
from vocalics.errors import CorpusError, RecipeError, VocalicsError
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


# --- names of one's own ---------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Path]:
    """Two tables of one name in two folders, whose speakers have the same names."""
    found = {}
    for site in ("a", "b"):
        (tmp_path / site).mkdir()
        found[site] = fakes.speakers_table(tmp_path / site, n_speakers=2, n_takes=1)
    return found


def test_a_table_has_the_name_that_stands_before_it(parts: dict[str, Path]) -> None:
    assert {file.name for file in parts.values()} == {"clips.csv"}
    said: list[str] = []
    for listed in ((), ("a", "b"), ("folder",)):
        gathered = dataset.gather(parts, replace(OWN, corpora=listed), say=said.append)
        assert gathered.corpora == ("a", "b") and gathered.speakers == ("a/s0", "a/s1", "b/s0", "b/s1")
    assert gathered.take(splits.tested(gathered, "corpus=b")).speakers == ("b/s0", "b/s1")
    assert said == []
    as_now = dataset.gather({"folder": parts["a"]}, OWN)
    assert as_now.speakers == ("clips/s0", "clips/s1")


def test_a_folder_has_the_name_that_stands_before_it(parts: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "root" / "happy").mkdir(parents=True)
    audio.write(tmp_path / "root" / "happy" / "1.wav", fakes.voice(0.5))
    either = replace(OWN, corpora=("folder", "mine"))
    gathered = dataset.gather({"folder": parts["a"], "mine": tmp_path / "root"}, either)
    assert gathered.corpora == ("clips", "mine")
    with pytest.raises(RecipeError, match=r"recipe own needs the corpora folder"):
        dataset.gather({"mine": tmp_path / "root"}, either)
    with pytest.raises(RecipeError, match=r"recipe own does not use savee; it trains on folder"):
        dataset.gather({"folder": parts["a"], "savee": tmp_path}, OWN)


def test_a_name_of_ones_own_that_is_nearly_a_known_one(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    audio.write(tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav", fakes.voice(0.5))
    anything = replace(OWN, corpora=())
    with pytest.raises(CorpusError, match=r'"ravdes" is taken for a folder of your own; did you mean "ravdess"\?\)$'):
        dataset.gather({"ravdes": tmp_path}, anything)
    with pytest.raises(CorpusError, match=r"is no emotion\. Known: [a-z, _]*$"):
        dataset.gather({"xyzzy": tmp_path}, anything)
    with pytest.raises(CorpusError, match='cannot be called "a/b"'):
        dataset.gather({"a/b": tmp_path}, anything)


def test_a_manifest_keeps_its_corpora_whatever_stands_before_it_and_that_is_told(parts: dict[str, Path]) -> None:
    said: list[str] = []
    manifests = {}
    for site, table in parts.items():
        manifests[site] = table.with_name("m.csv")
        scan("folder", table).manifest.write(manifests[site])
    gathered = dataset.gather(manifests, replace(OWN, corpora=()), say=said.append)
    assert gathered.corpora == ("clips",) and gathered.speakers == ("clips/s0", "clips/s1")
    assert said == [
        *(
            f"{site}: its manifest says that the clips are of clips; that is what they are held out and shared out by "
            "(--hold-out corpus=clips)"
            for site in "ab"
        ),
        "a and b: speakers of one name (clips/s0, clips/s1) are taken for the same people; if they are not, scan one "
        "of the two under another name (vocalics scan folder --name)",
    ]
    said.clear()
    for site, table in parts.items():
        scan("folder", table, called=site).manifest.write(manifests[site])
    gathered = dataset.gather(manifests, replace(OWN, corpora=()), say=said.append)
    assert gathered.corpora == ("a", "b") and said == []


def test_speakers_that_are_written_in_two_ways_are_told(table: Path) -> None:
    table.write_text(table.read_text(encoding="utf-8").replace(",s1", ",S0", 1), encoding="utf-8")
    said: list[str] = []
    dataset.gather({"mine": table}, replace(OWN, corpora=()), say=said.append)
    (line,) = said
    assert line.startswith("mine: Speakers whose names differ by case or blanks only")
    assert '"mine/S0" and "mine/s0"' in line


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


def test_clips_whose_name_another_has_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    for copy, seconds in (("one", 0.5), ("two", 0.6)):
        (tmp_path / copy).mkdir()
        audio.write(tmp_path / copy / "DC_a01.wav", fakes.voice(seconds))
    audio.write(tmp_path / "stranger.wav", fakes.voice(0.5))
    assert len(scan("savee", tmp_path).unexpected) == 2, "one clip of a name that is taken, one that is none"
    dataset.gather({"savee": tmp_path}, replace(OWN, corpora=("savee",)), say=said.append)
    assert said == [
        "savee: 480 of 481 clips are left out (1 whose name another has, 479 missing); vocalics scan names them"
    ]


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
