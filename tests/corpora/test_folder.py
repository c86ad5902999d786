"""A folder of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.corpora import scan
from vocalics.errors import CorpusError


def test_one_folder_per_emotion_in_any_case_and_by_synonym(plant, tmp_path: Path) -> None:
    for folder in ("Anger", "happiness", "SAD", "Pleasant Surprise", "deep/fearful", "neutral/studio"):
        plant(f"mine/{folder}/01.wav")
    report = scan("folder", tmp_path / "mine")
    assert report.emotions == {"neutral": 1, "happy": 1, "sad": 1, "angry": 1, "fear": 1, "surprise": 1}
    assert {u.label for u in report.manifest} >= {"Anger", "Pleasant Surprise"}, "labels are verbatim"
    assert {u.corpus for u in report.manifest} == {"mine"} and report.manifest.speakers == ()
    assert report.n_missing == 0


def test_what_the_root_is_called_does_not_count(plant, tmp_path: Path) -> None:
    plant("happy/sad/01.wav")
    plant("happy/02.wav")
    report = scan("folder", tmp_path / "happy")
    assert report.emotions == {"sad": 1}
    assert "no emotion's folder" in report.unexpected[0].reason


def test_an_unknown_emotion_is_an_error_with_a_suggestion(plant, tmp_path: Path) -> None:
    path = plant("hapy/01.wav")
    with pytest.raises(CorpusError) as caught:
        scan("folder", tmp_path)
    assert str(path) in str(caught.value) and '"hapy" is no emotion; did you mean "happy"?' in str(caught.value)


def test_a_table_of_path_emotion_speaker(plant, tmp_path: Path) -> None:
    plant("x/01.wav")
    plant("y/01.wav")
    table = tmp_path / "mine.csv"
    table.write_text("path,emotion,speaker\nx/01.wav,Joy,ann\ny/01.wav,bored,bob\ngone.wav,sad,bob\n")
    report = scan("folder", table)
    assert [(u.corpus, u.speaker, u.emotion) for u in report.manifest] == [
        ("mine", "mine/ann", "happy"),
        ("mine", "mine/bob", "boredom"),
    ]
    assert "no such file" in report.unreadable[0].reason


@pytest.mark.parametrize(
    ("second", "differing"),
    [
        ("1.wav,angry,ann", 'emotion ("neutral" there, "angry" here)'),
        ("./x/../1.wav,neutral,bob", 'speaker ("ann" there, "bob" here)'),
        ("1.wav,neutral,", 'speaker ("ann" there, "" here)'),
    ],
)
def test_a_file_that_is_listed_twice_in_other_words_is_refused(
    plant, tmp_path: Path, second: str, differing: str
) -> None:
    plant("1.wav")
    table = tmp_path / "mine.csv"
    table.write_text(f"path,emotion,speaker\n1.wav,neutral,ann\nother.wav,sad,ann\n{second}\n")
    with pytest.raises(CorpusError) as caught:
        scan("folder", table)
    assert str(caught.value).startswith(f"{table}:4: ") and differing in str(caught.value)
    assert "was listed on line 2 already" in str(caught.value)


def test_a_file_that_is_listed_twice_in_the_same_words_counts_once(plant, tmp_path: Path) -> None:
    plant("1.wav")
    table = tmp_path / "mine.csv"
    table.write_text(f"path,emotion,speaker\n1.wav,joy,ann\n1.wav,happy,ann\n{tmp_path / '1.wav'},joy,ann\n")
    report = scan("folder", table)
    assert [(Path(f.path).name, f.reason) for f in report.repeated] == [("1.wav", "is listed more than once")] * 2
    assert len(report.manifest) == 1 and report.unexpected == ()


@pytest.mark.parametrize("how", ["folder", "table"])
def test_files_that_differ_in_their_ending_are_two_clips(plant, tmp_path: Path, how: str) -> None:
    for name in ("happy/a.flac", "happy/a.wav", "happy/b.wav"):
        plant(f"mine/{name}")
    root = tmp_path / "mine"
    if how == "table":
        root = tmp_path / "mine.csv"
        root.write_text("path,emotion\n" + "".join(f"mine/happy/{n},sad\n" for n in ("a.wav", "a.flac", "b.wav")))
    report = scan("folder", root)
    assert {Path(u.path).name for u in report.manifest} == {"a.flac", "a.wav", "b.wav"} and report.unexpected == ()
    assert report.n_clashes == 0 and report.repeated == ()
    (tmp_path / "mine/happy/a.wav").write_bytes((tmp_path / "mine/happy/a.flac").read_bytes())
    assert len(scan("folder", root).repeated) == 1, "one content under one name is one clip, whatever the ending"


def test_a_table_says_what_a_manifest_can_say(plant, tmp_path: Path) -> None:
    plant("1.wav")
    plant("2.wav")
    table = tmp_path / "mine.csv"
    table.write_text(
        "Path, Emotion ,SPEAKER,sex,age,language,statement,intensity,ratings,parent,corpus,label,duration,\n"
        '1.wav,joy,ann,F,26.0,de,s1,strong,"{""happy"": 3}",2.wav,site A,HAP,9,\n'
        "2.wav,sad,ann\n"
    )
    one, two = scan("folder", table).manifest
    assert (one.corpus, one.speaker, one.label, one.emotion) == ("site A", "site A/ann", "HAP", "happy")
    assert (one.sex, one.age, one.language, one.statement, one.intensity) == ("female", 26, "de", "s1", "strong")
    assert one.ratings == {"happy": 3} and one.parent == str(tmp_path / "2.wav")
    assert one.duration == pytest.approx(0.01), "lengths are measured, whatever the table says"
    assert (two.corpus, two.speaker, two.label, two.age) == ("mine", "mine/ann", "sad", None)


def test_what_is_scanned_under_a_name_of_ones_own_has_it(plant, tmp_path: Path) -> None:
    plant("train/happy/1.wav")
    plant("train/happy/2.wav")
    assert {u.corpus for u in scan("folder", tmp_path / "train", called="mine").manifest} == {"mine"}
    table = tmp_path / "train.csv"
    table.write_text("path,emotion,speaker,corpus\ntrain/happy/1.wav,sad,en01,\ntrain/happy/2.wav,sad,en01,other\n")
    report = scan("folder", table, called="mine")
    assert [u.speaker for u in report.manifest] == ["mine/en01", "other/en01"]
    assert report.as_dict()["corpus"] == "mine"
    assert scan("folder", table).manifest.speakers == ("other/en01", "train/en01")
    for called, message in (
        ("tess", 'cannot be called "tess", which is known'),
        ("a/b", 'expected a name without "/"'),
        (" ", 'expected a name without "/"'),
    ):
        with pytest.raises(CorpusError, match=message):
            scan("folder", table, called=called)
    with pytest.raises(CorpusError, match="tess has its name; only a folder of your own"):
        scan("tess", tmp_path, called="mine")


def test_speakers_that_are_written_in_two_ways_are_told(plant, tmp_path: Path) -> None:
    for name in "1234":
        plant(f"{name}.wav")
    table = tmp_path / "mine.csv"
    table.write_text("path,emotion,speaker\n1.wav,sad,Ann Lee\n2.wav,sad,ann  lee\n3.wav,sad, Ann Lee\n4.wav,sad,bob\n")
    report = scan("folder", table)
    assert report.manifest.speakers == ("mine/Ann Lee", "mine/ann  lee", "mine/bob")
    (note,) = report.notes
    assert 'taken for different people: "mine/Ann Lee" and "mine/ann  lee"; write' in note
    assert report.as_dict()["notes"] == [note]
    table.write_text("path,emotion,speaker\n1.wav,sad,Ann\n4.wav,sad,bob\n")
    assert scan("folder", table).notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\nx.wav,hapy\n", r"mine\.csv:2: \"hapy\" is no emotion; did you mean"),
        ("file,emotion\nx.wav,happy\n", r"mine\.csv: lacks the column\(s\) path"),
        ("path,emotion\n", r"mine\.csv: holds no row"),
        ("path,emotion\n,happy\n", r"mine\.csv:2: the path is empty"),
        ("path,emotion\nx.wav, \n", r"mine\.csv:2: the emotion is empty; fill it in"),
        ("file,emotion\nx.wav,sad\n", r'and, if known, speaker\. It has "file", "emotion"$'),
        ("path;emotion\nx.wav;sad\n", r'It has "path;emotion"; separate columns by commas, not by ";"'),
        ("path\temotion\nx.wav\tsad\n", "separate columns by commas, not by tabs"),
        ("path,emotion,speaker_id\nx.wav,sad,a\n", r'"speaker_id" is not read; did you mean "speaker"\? Known: p'),
        ("path,emotion,take\nx.wav,sad,a\n", r'"take" is not read.* Rename it, or take it out'),
        ("path,emotion,\nx.wav,sad,a\n", 'the column "" is not read'),
        ("path,emotion,Path\nx.wav,sad,a\n", 'has the column "path" twice'),
        ("path,emotion,sex\nx.wav,sad,mail\n", r':2: sex "mail" is not known; expected female, male or nothing'),
        ("path,emotion,age\nx.wav,sad,1985\n", r':2: age "1985" is no whole number from 0 to 150'),
        ("path,emotion,age\nx.wav,sad,nan\n", r':2: age "nan" is no whole number'),
        ("path,emotion,ratings\nx.wav,sad,3\n", r':2: ratings "3" are not JSON'),
        ("path,emotion,corpus\nx.wav,sad,a/b\n", r':2: the corpus "a/b" has a "/" in its name'),
    ],
)
def test_a_bad_table_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        scan("folder", tmp_path / "mine.csv")
