"""Manifests: what is written is read again, and what cannot be trusted is refused with its line."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS
from vocalics.errors import ManifestError
from vocalics.manifest import COLUMNS, Manifest, Utterance

HEAD = "path,corpus,speaker,label,emotion"
TEXT = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12)


def example(folder: Path) -> Manifest:
    return Manifest(
        (
            Utterance(
                str(folder / "a" / "ü,1.wav"),
                "crema_d",
                "crema_d/1001",
                "ANG",
                "angry",
                sex="male",
                age=51,
                language="en",
                statement="DFA",
                intensity="high",
                duration=2.25,
                sample_rate=16_000,
                digest="00ff",
                ratings=MappingProxyType({"angry": 6, "sad": 1}),
            ),
            Utterance("/elsewhere/03a01La.wav", "emodb", "", "L", "boredom", parent=str(folder / "a" / "ü,1.wav")),
        )
    )


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    manifest = example(tmp_path)
    manifest.write(tmp_path / f"m{ending}")
    assert Manifest.read(tmp_path / f"m{ending}") == manifest
    assert manifest[0] != manifest[1]


FORMULAS = ("=1+1", "+x", "-x", "@x", "'=1+1", "''@x", "'tis", "-0.5", "-", "'")


def test_no_cell_is_a_formula_and_all_are_read_again(tmp_path: Path) -> None:
    rows = [
        Utterance(str(tmp_path / f"{t}.wav"), t, t, t, "sad", statement=t, intensity=t, parent=str(tmp_path / f"{t}"))
        for t in FORMULAS
    ]
    Manifest(tuple(rows)).write(tmp_path / "m.csv")
    assert Manifest.read(tmp_path / "m.csv").utterances == tuple(rows)
    with (tmp_path / "m.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    begun = {cell for cell in cells if cell.startswith(("=", "+", "-", "@"))}
    assert begun == {"-0.5", "-"}, "a number and a dash compute nothing"
    assert {"'=1+1", "''=1+1", "./=1+1.wav", "./@x", "'tis"} <= set(cells)
    # As others write it, or in a Parquet, it is what it says.
    text = f"{HEAD}\n=a.wav,c,=1+1,'tis,sad\n"
    (tmp_path / "other.csv").write_text(text, encoding="utf-8")
    (row,) = Manifest.read(tmp_path / "other.csv")
    assert (row.path, row.speaker, row.label) == (str(tmp_path / "=a.wav"), "=1+1", "'tis")
    pytest.importorskip("pyarrow")
    Manifest(tuple(rows)).write(tmp_path / "m.parquet")
    assert Manifest.read(tmp_path / "m.parquet").utterances == tuple(rows)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(EMOTIONS + OTHER_EMOTIONS)), min_size=1, max_size=5))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]]) -> None:
    folder = tmp_path_factory.mktemp("m").resolve()
    manifest = Manifest(tuple(Utterance(str(folder / f"{n}.wav"), *row) for n, row in enumerate(rows)))
    manifest.write(folder / "m.csv")
    assert Manifest.read(folder / "m.csv") == manifest


def test_clips_below_the_file_are_relative_and_the_folder_can_move(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    example(tmp_path / "old").write(tmp_path / "old" / "m.csv")
    with (tmp_path / "old" / "m.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [r["path"] for r in rows] == ["a/ü,1.wav", "/elsewhere/03a01La.wav"] and rows[1]["parent"] == "a/ü,1.wav"
    (tmp_path / "old").rename(tmp_path / "new")
    assert Manifest.read(tmp_path / "new" / "m.csv")[0].path == str(tmp_path / "new" / "a" / "ü,1.wav")


def test_it_is_an_immutable_sequence(tmp_path: Path) -> None:
    manifest = example(tmp_path)
    assert len(manifest) == 2 and [u.emotion for u in manifest] == ["angry", "boredom"]
    assert manifest.corpora == ("crema_d", "emodb") and manifest.speakers == ("crema_d/1001",)
    assert (manifest + manifest).emotions == ("angry", "boredom")
    assert manifest.where(lambda u: u.corpus == "emodb") == manifest.take([1]) != manifest
    assert manifest.take([1, 0])[0] is manifest[1]
    assert manifest[0].name == "ü,1"
    with pytest.raises(AttributeError):
        manifest.utterances = ()  # type: ignore[misc]


def test_a_file_with_a_byte_order_mark_and_only_the_required_columns(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"{HEAD}\nx.wav,a,a/1,W,angry\n", encoding="utf-8-sig")
    (utterance,) = Manifest.read(tmp_path / "m.csv")
    assert (utterance.age, utterance.duration, dict(utterance.ratings)) == (None, None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}\nx.wav,a,a/1,W,angry\nx.wav,a,a/1,W,angri\n", r'm\.csv:3: .*"angri" .*did you mean "angry"\? K'),
        (f"{HEAD},age\nx.wav,a,a/1,W,angry,old\n", r'm\.csv:2: age "old" is not a whole number'),
        (f"{HEAD},age\nx.wav,a,a/1,W,angry,1985\n", r"m\.csv:2: .*age 1985 is out of range; expected 0 to 150 years"),
        (f"{HEAD},age\nx.wav,a,a/1,W,angry,-1\n", r"m\.csv:2: .*age -1 is out of range"),
        (
            f"{HEAD}\nx.wav,a,a/1,W,angry\ny.wav,a,a/1,W,sad\n./x.wav,a,a/1,W,sad\n",
            r"m\.csv:4: .*x\.wav was listed on line 2",
        ),
        (f"{HEAD},ratings\nx.wav,a,a/1,W,angry,many\n", r'm\.csv:2: ratings "many" are not JSON'),
        (f"{HEAD},ratings\nx.wav,a,a/1,W,angry,3\n", r'm\.csv:2: ratings "3" are not JSON like'),
        (f"{HEAD}\n,a,a/1,W,angry\n", r"m\.csv:2: the path is empty"),
        (f"{HEAD}\nx.wav,a,a/1,W,\n", r"m\.csv:2: the emotion is empty; fill it in"),
        (
            "path,emotion\nx.wav,angry\n",
            r"lacks the column\(s\) corpus, speaker, label; .* scan folder \S*m\.csv -o FILE$",
        ),
        ("file,emotion\nx.wav,angry\n", r'lacks the column\(s\) path, corpus, .*\. It has "file", "emotion"$'),
        ("path;emotion\nx.wav;angry\n", r'It has "path;emotion"; separate columns by commas, not by ";"'),
        ("path;emotion\nx.wav;angry, or so\n", r"m\.csv: expected a table with commas .* not by \";\""),
        (f"{HEAD}\n", "holds no utterance"),
    ],
)
def test_a_bad_manifest_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        Manifest.read(tmp_path / "m.csv")


def test_a_parquet_with_numbers_for_speakers(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"path": ["x.wav", "y.wav"], "corpus": ["a", "a"], "speaker": [0, 1], "label": ["W", "W"]}
    parquet.write_table(pyarrow.table({**columns, "emotion": ["angry", "sad"]}), tmp_path / "m.parquet")
    assert Manifest.read(tmp_path / "m.parquet").speakers == ("0", "1")


def test_a_parquet_with_votes_as_a_mapping(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"path": ["x.wav", "y.wav"], "corpus": ["a", "a"], "speaker": ["", ""], "label": ["W", "W"]}
    columns["emotion"] = ["angry", "sad"]
    votes = [{"angry": 3, "sad": None}, None]
    parquet.write_table(pyarrow.table({**columns, "ratings": votes}), tmp_path / "m.parquet")
    assert [u.ratings for u in Manifest.read(tmp_path / "m.parquet")] == [{"angry": 3}, {}]
    parquet.write_table(pyarrow.table({**columns, "ratings": [[3], [4]]}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"m\.parquet:2: ratings .* are not JSON like"):
        Manifest.read(tmp_path / "m.parquet")


def test_a_digest_that_is_not_stated_is_computed(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"sound")
    (tmp_path / "m.csv").write_text(f"{HEAD},digest\nx.wav,a,a/1,W,angry,\ny.wav,a,a/1,W,angry,ff\n")
    manifest = Manifest.read(tmp_path / "m.csv").with_digests()
    assert [u.digest for u in manifest] == [hashlib.sha256(b"sound").hexdigest(), "ff"]
    (tmp_path / "x.wav").unlink()
    with pytest.raises(ManifestError, match=r"x\.wav: cannot be read \(No such file"):
        Manifest.read(tmp_path / "m.csv").with_digests()


def test_ages_that_a_tool_for_tables_wrote(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"{HEAD},age\nx.wav,a,a/1,W,angry,26.0\ny.wav,a,a/1,W,angry,\n")
    assert [u.age for u in Manifest.read(tmp_path / "m.csv")] == [26, None]
    (tmp_path / "m.csv").write_text(f"{HEAD},age\nx.wav,a,a/1,W,angry,26.5\n")
    with pytest.raises(ManifestError, match=r'm\.csv:2: age "26\.5" is not a whole number'):
        Manifest.read(tmp_path / "m.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    target = tmp_path / f"m.{ending}"
    good = Manifest((Utterance(str(tmp_path / "x.wav"), "a", "a/1", "W", "angry"),))
    good.write(target)
    before = target.read_bytes()
    latin = Manifest((*good, Utterance(os.fsdecode(b"/a/\xe9.wav"), "a", "a/1", "W", "angry")))
    with pytest.raises(ManifestError, match=r"this path is not in UTF-8; rename the file"):
        latin.write(target)
    assert target.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [target.name]
    (tmp_path / "link.csv").symlink_to(target)
    if ending == "csv":
        good.write(tmp_path / "link.csv")
        assert (tmp_path / "link.csv").is_symlink() and Manifest.read(target) == good


def test_clips_that_are_links_keep_their_names(tmp_path: Path) -> None:
    """Of git-annex or a hub's snapshot: published folds go by the names, and two may be links to one file."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "0000.wav").write_bytes(b"x")
    (tmp_path / "real" / "DC").mkdir(parents=True)
    (tmp_path / "corpus").symlink_to(tmp_path / "real")
    for name in ("a01", "d05"):
        (tmp_path / "real" / "DC" / f"{name}.wav").symlink_to(tmp_path / "store" / "0000.wav")
    for below in ("real", "corpus"):
        paths = [str(tmp_path / below / "DC" / f"{n}.wav") for n in ("a01", "d05")]
        rows = Manifest(tuple(Utterance(p, "savee", "savee/DC", "a", "angry") for p in paths))
        for folder in ("real", "store"):
            rows.write(tmp_path / folder / "m.csv")
            back = Manifest.read(tmp_path / folder / "m.csv")
            assert [u.name for u in back] == ["a01", "d05"] and all(
                Path(u.path).samefile(p) for u, p in zip(back, paths, strict=True)
            )
            text = (tmp_path / folder / "m.csv").read_text()
            assert (str(tmp_path) in text) == (folder == "store")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest; make one with: vocalics scan"):
        Manifest.read(tmp_path / "m.csv")
    (tmp_path / "m.txt").write_text("x")
    with pytest.raises(ManifestError, match=r"expected a \.csv or \.parquet"):
        Manifest.read(tmp_path / "m.txt")
    with pytest.raises(ManifestError, match="cannot write a manifest with this ending"):
        example(tmp_path).write(tmp_path / "m.txt")


def test_some_are_drawn_in_their_order_the_same_every_time() -> None:
    clips = Manifest(tuple(Utterance(f"{i}.wav", "x", "x/1", "", "sad") for i in range(50)))
    some = clips.drawn(10, np.random.default_rng(0))
    numbers = [int(u.path.removesuffix(".wav")) for u in some]
    assert len(set(numbers)) == 10 and numbers == sorted(numbers) != list(range(10))
    assert some == clips.drawn(10, np.random.default_rng(0)) != clips.drawn(10, np.random.default_rng(1))
    assert clips.drawn(50, np.random.default_rng(0)) is clips
