"""What commands that train share: notes on copies, and where a test's report is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.cli import runs
from vocalics.errors import VocalicsError
from vocalics.manifest import Manifest, Utterance


def test_a_note_is_of_a_corpus_that_is_there() -> None:
    clips = Manifest((Utterance("a.wav", "crema_d", "x", "", "sad"), Utterance("b.wav", "savee", "y", "", "sad")))
    assert runs.notes(["crema_d=resynthesised"], clips) == {"crema_d": "resynthesised"}
    with pytest.raises(VocalicsError, match=r'--note crema: no corpus of that name is there; did you mean "crema_d"\?'):
        runs.notes(["crema=resynthesised"], clips)
    with pytest.raises(VocalicsError, match="expected NAME=VALUE"):
        runs.notes(["resynthesised"], clips)


def test_reports_of_different_tests_have_different_folders(tmp_path: Path) -> None:
    specs = ["speaker=spk/x y", "speaker=spk/x-y", "speaker=spk/x+y", "speaker=spk/é", "speaker=spk/e"]
    assert len({runs.test_folder(tmp_path, spec) for spec in specs}) == len(specs)
    assert runs.test_folder(tmp_path, "speaker=savee/KL") == tmp_path / "test-speaker-savee-KL"
    folds = runs.test_folder(tmp_path, "folds=P/crema_d_tfds.csv#test")
    assert folds == tmp_path / "test-folds-crema-d-tfds-csv-test"
