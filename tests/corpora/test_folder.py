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


def test_a_file_that_is_listed_twice_in_other_words_is_told_as_such(plant, tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        plant(f"{name}.wav")
    table = tmp_path / "mine.csv"
    table.write_text(
        "path,emotion,speaker\n1.wav,neutral,ann\n1.wav,angry,ann\n2.wav,sad,ann\n2.wav,sad,bob\n3.wav,sad,ann\n3.wav,sad,ann\n"
    )
    report = scan("folder", table)
    assert [(Path(f.path).name, f.reason) for f in report.unexpected] == [
        ("1.wav", "is listed as neutral and as angry; the first is kept"),
        ("2.wav", "is listed as of the speaker ann and of bob; the first is kept"),
    ]
    assert [Path(f.path).name for f in report.repeated] == ["3.wav"] and len(report.manifest) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\nx.wav,hapy\n", r"mine\.csv:2: \"hapy\" is no emotion; did you mean"),
        ("file,emotion\nx.wav,happy\n", r"mine\.csv: lacks the column\(s\) path"),
        ("path,emotion\n", r"mine\.csv: holds no row"),
        ("path,emotion\n,happy\n", r"mine\.csv:2: the path is empty"),
    ],
)
def test_a_bad_table_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        scan("folder", tmp_path / "mine.csv")
