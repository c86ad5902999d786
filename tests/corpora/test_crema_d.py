"""CREMA-D's tables: votes, demographics, and the list of clips they imply."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.corpora import scan
from vocalics.errors import CorpusError

VOTES = """\ufeff"","A","D","F","H","N","S","fileName"
"100001",2,0,0,6,2,0,"1001_IEO_HAP_HI"
"100002",0,0,0,0,3,0,"1001_DFA_NEU_XX"
"200001",0,0,0,9,0,0,"1001_IEO_HAP_HI"
"300001",0,0,0,8,0,1,"1001_IEO_HAP_HI"
"""


@pytest.fixture
def root(plant, tmp_path: Path) -> Path:
    plant("AudioWAV/1001_IEO_HAP_HI.wav")
    (tmp_path / "processedResults").mkdir()
    (tmp_path / "processedResults" / "tabulatedVotes.csv").write_text(VOTES, encoding="utf-8")
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n', encoding="utf-8-sig")
    return tmp_path


def test_voice_only_votes_are_the_ratings(root: Path) -> None:
    (utterance,) = scan("crema_d", root).manifest
    assert dict(utterance.ratings) == {"angry": 2, "happy": 6, "neutral": 2}
    assert (utterance.sex, utterance.age, utterance.intensity) == ("male", 51, "high")


def test_the_votes_name_what_is_missing(root: Path) -> None:
    report = scan("crema_d", root)
    assert report.missing == ("1001_DFA_NEU_XX",) and report.n_missing == 1


def test_the_tables_are_found_from_the_audio_folder_too(root: Path) -> None:
    report = scan("crema_d", root / "AudioWAV")
    assert report.manifest[0].ratings == scan("crema_d", root).manifest[0].ratings
    assert report.manifest[0].age == 51


def test_without_tables_the_clips_are_still_found(plant, tmp_path: Path) -> None:
    plant("AudioWAV/1001_IEO_HAP_HI.wav")
    report = scan("crema_d", tmp_path)
    assert not report.manifest[0].ratings and report.manifest[0].sex == ""
    assert (report.missing, report.n_missing) == ((), 7441)


def test_a_foreign_table_is_refused_by_name(root: Path) -> None:
    (root / "processedResults" / "tabulatedVotes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorpusError, match=r"tabulatedVotes\.csv: lacks the column"):
        scan("crema_d", root)
