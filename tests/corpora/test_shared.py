"""The real corpora, wherever they are: their counts, and their known traps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vocalics.corpora import ScanReport, canonical_name, corpora

CLIPS = {"ravdess": 1440, "crema_d": 7432, "tess": 2800, "savee": 480, "emodb": 535}


@pytest.mark.corpus
@pytest.mark.parametrize("name", CLIPS)
def test_every_clip_is_found(scanned: Callable[[str], ScanReport], name: str) -> None:
    report = scanned(name)
    assert len(report.manifest) == CLIPS[name]
    assert len(report.manifest.speakers) == corpora()[name].n_speakers
    assert report.n_missing == (10 if name == "crema_d" else 0) == len(report.missing)
    assert not report.unexpected and not report.unreadable and not report.repeated
    assert len(report.duplicates) == (name == "ravdess")
    if name == "crema_d":
        assert "1040_ITH_SAD_XX" not in report.missing and "1057_DFA_NEU_XX" in report.missing
        assert all(u.ratings and u.age and u.sex for u in report.manifest)
    if name == "ravdess":
        pair = {canonical_name(u) for u in report.manifest if u.path in report.duplicates[0]}
        assert pair == {"03-01-03-01-02-01-07", "03-01-03-01-02-02-07"}
    if name == "emodb":
        assert report.emotions["boredom"] == 81


def test_the_four_english_corpora_are_12162_clips_when_complete() -> None:
    english = [c for c in corpora().values() if c.language == "en"]
    assert sum(c.n_clips or 0 for c in english) == 12_162 and len(english) == 4
