"""The layouts in which the corpora circulate give the same clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics.corpora import canonical_name, scan
from vocalics.corpora.ravdess import SPEAKERS
from vocalics.errors import CorpusError


def names(name: str, root: Path) -> list[str]:
    return [canonical_name(u) for u in scan(name, root).manifest]


@pytest.mark.parametrize(
    ("corpus", "file", "name", "speaker", "emotion"),
    [
        ("ravdess", "Actor_12/03-01-06-01-02-01-12.wav", "03-01-06-01-02-01-12", "ravdess/12", "fear"),
        ("ravdess", "a/audio_speech_actors_01-24/Actor_12/03-01-08-02-02-01-12.WAV", None, "ravdess/12", "surprise"),
        ("crema_d", "AudioWAV/1001_DFA_ANG_XX.wav", "1001_DFA_ANG_XX", "crema_d/1001", "angry"),
        ("crema_d", "AudioMP3/1040_ITH_SAD_X.mp3", "1040_ITH_SAD_XX", "crema_d/1040", "sad"),
        ("tess", "OAF_Pleasant_surprise/OAF_back_ps.wav", "OAF_back_ps", "tess/OAF", "surprise"),
        ("tess", "YAF_pleasant_surprised/YAF_back_ps.wav", "YAF_back_ps", "tess/YAF", "surprise"),
        ("tess", "OAF_Fear/OAF_back_fear.wav", "OAF_back_fear", "tess/OAF", "fear"),
        ("tess", "OAF_neutral/OA_bite_neutral.wav", "OAF_bite_neutral", "tess/OAF", "neutral"),
        ("savee", "ALL/DC_sa01.wav", "DC_sa01", "savee/DC", "sad"),
        ("savee", "AudioData/KL/su15.wav", "KL_su15", "savee/KL", "surprise"),
        ("emodb", "wav/16b10Lb.flac", "16b10Lb", "emodb/16", "boredom"),
    ],
)
def test_a_clip_is_known_by_its_file_name(
    plant, tmp_path: Path, corpus: str, file: str, name: str | None, speaker: str, emotion: str
) -> None:
    plant(file)
    (utterance,) = scan(corpus, tmp_path).manifest
    assert (utterance.speaker, utterance.emotion) == (speaker, emotion)
    assert canonical_name(utterance) == (name or utterance.name)
    assert utterance.path == str(tmp_path / file)
    assert utterance.duration == pytest.approx(0.01, abs=0.06)
    assert len(utterance.digest) == 64


@pytest.mark.parametrize(
    ("corpus", "inner", "file"),
    [
        ("ravdess", "audio_speech_actors_01-24", "Actor_01/03-01-01-01-01-01-01.wav"),
        ("tess", "TESS Toronto emotional speech set data", "OAF_Fear/OAF_back_fear.wav"),
        ("savee", "ALL", "DC_a01.wav"),
    ],
)
def test_a_doubled_folder_counts_once_and_is_reported(
    plant, tmp_path: Path, corpus: str, inner: str, file: str
) -> None:
    kept = plant(file, "one")
    copy = plant(f"{inner}/{file}", "one")
    report = scan(corpus, tmp_path)
    assert [u.path for u in report.manifest] == [str(kept)]
    (finding,) = report.repeated
    assert finding.path == str(copy) and str(kept) in finding.reason
    assert report.duplicates == ()


def test_savee_in_both_layouts_counts_once(plant, tmp_path: Path) -> None:
    plant("ALL/DC_a01.wav", "one")
    plant("AudioData/DC/a01.wav", "one")
    report = scan("savee", tmp_path)
    assert len(report.manifest) == len(report.repeated) == 1


def test_one_name_with_two_contents_keeps_one_and_says_so(plant, tmp_path: Path) -> None:
    plant("wav/03a01Fa.wav", "one")
    plant("more/wav/03a01Fa.wav", "another")
    report = scan("emodb", tmp_path)
    assert len(report.manifest) == 1 and report.repeated == ()
    assert "other content" in report.unexpected[0].reason


def test_identical_clips_of_different_names_are_reported(plant, tmp_path: Path) -> None:
    plant("Actor_07/03-01-03-01-02-01-07.wav", "one")
    plant("Actor_07/03-01-03-01-02-02-07.wav", "one")
    plant("Actor_07/03-01-03-01-01-02-07.wav", "another")
    (group,) = scan("ravdess", tmp_path).duplicates
    assert [Path(p).stem for p in group] == ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]


def test_the_manifest_does_not_depend_on_where_files_lie(plant, tmp_path: Path) -> None:
    clips = [f"03-01-0{e}-01-01-01-{s}" for s in SPEAKERS[:3] for e in (3, 1, 2)]
    for clip in clips:
        plant(f"one/z{clip[-4]}/{clip}.wav", clip)
        plant(f"other/Actor_{clip[-2:]}/{clip}.wav", clip)
    assert names("ravdess", tmp_path / "one") == names("ravdess", tmp_path / "other") == sorted(clips)
    assert clips != sorted(clips)


@pytest.mark.parametrize(
    ("corpus", "file", "code"),
    [
        ("ravdess", "03-01-09-01-01-01-01.wav", 'emotion "09"'),
        ("ravdess", "03-01-01-01-01-01-25.wav", 'actor "25"'),
        ("ravdess", "09-01-01-01-01-01-01.wav", 'modality "09"'),
        ("crema_d", "1001_DFA_JOY_XX.wav", 'emotion "JOY"'),
        ("crema_d", "1092_DFA_ANG_XX.wav", 'actor "1092"'),
        ("crema_d", "1001_DFX_ANG_XX.wav", 'sentence "DFX"'),
        ("tess", "OAF_back_joy.wav", 'emotion "joy"'),
        ("tess", "MAF_back_fear.wav", 'speaker "MAF"'),
        ("savee", "DC_x01.wav", 'emotion "x"'),
        ("savee", "DC_a16.wav", '"16"'),
        ("emodb", "03a01Xa.wav", 'emotion "X"'),
        ("emodb", "04a01Fa.wav", 'speaker "04"'),
    ],
)
def test_an_unknown_code_names_the_file(plant, tmp_path: Path, corpus: str, file: str, code: str) -> None:
    path = plant(file)
    with pytest.raises(CorpusError) as caught:
        scan(corpus, tmp_path)
    assert str(path) in str(caught.value) and code in str(caught.value) and "Known: " in str(caught.value)


def test_song_video_and_strangers_are_unexpected_with_a_reason(plant, tmp_path: Path) -> None:
    plant("03-01-01-01-01-01-01.wav")
    for name in ("03-02-01-01-01-01-01", "02-01-01-01-01-01-01", "03-01-01-02-01-01-01", "readme", "._03-01-x"):
        plant(f"{name}.wav")
    (tmp_path / "notes.txt").write_text("no audio, no mention")
    report = scan("ravdess", tmp_path)
    reasons = {Path(f.path).stem: f.reason for f in report.unexpected}
    assert len(report.manifest) == 1 and len(reasons) == 5
    assert "song" in reasons["03-02-01-01-01-01-01"] and "video" in reasons["02-01-01-01-01-01-01"]
    assert "neutral" in reasons["03-01-01-02-01-01-01"] and "not called" in reasons["readme"]


def test_unreadable_clips_are_reported_and_not_called_missing(plant, tmp_path: Path) -> None:
    plant("DC_a01.wav")
    (tmp_path / "DC_a02.wav").write_text("text named .wav")
    (tmp_path / "DC_a03.wav").write_bytes(b"")
    report = scan("savee", tmp_path)
    assert [Path(f.path).name for f in report.unreadable] == ["DC_a02.wav", "DC_a03.wav"]
    assert "empty" in report.unreadable[1].reason and not report.unreadable[1].reason.startswith(str(tmp_path))
    assert report.n_missing == len(report.missing) == 480 - 3
    assert "DC_a02" not in report.missing and "DC_a04" in report.missing


def test_missing_clips_are_named_where_the_list_can_be_derived(plant, tmp_path: Path) -> None:
    plant("r/03-01-01-01-01-01-01.wav")
    plant("t/OAF_back_angry.wav")
    plant("e/03a01Fa.wav")
    ravdess, tess, emodb = (scan(n, tmp_path / n[0]) for n in ("ravdess", "tess", "emodb"))
    assert len(ravdess.missing) == 1439 and "03-01-01-02-01-01-01" not in ravdess.missing
    assert len(tess.missing) == 2799 and "YAF_youth_sad" in tess.missing
    assert (emodb.missing, emodb.n_missing) == ((), 534)


def test_a_root_that_is_missing_or_holds_nothing_is_an_error(plant, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder.*zenodo"):
        scan("ravdess", tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"holds no clip of ravdess \(no audio file\); expected files like 03-01"):
        scan("ravdess", tmp_path)
    plant("DC_a01.wav")
    with pytest.raises(CorpusError, match=r"holds no clip of ravdess \(1 other audio"):
        scan("ravdess", tmp_path)
    with pytest.raises(CorpusError, match='did you mean "ravdess"'):
        scan("ravdes", tmp_path)
    with pytest.raises(CorpusError, match="is a file; expected the folder"):
        scan("savee", tmp_path / "DC_a01.wav")


def test_linked_folders_are_followed_once(plant, tmp_path: Path) -> None:
    plant("elsewhere/DC_a01.wav")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "ALL").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    report = scan("savee", tmp_path / "root")
    assert len(report.manifest) == 1 and report.repeated == ()


def test_progress_is_told(plant, tmp_path: Path) -> None:
    for n in (1, 2, 3):
        plant(f"DC_a0{n}.wav")
    told: list[tuple[int, int]] = []
    scan("savee", tmp_path, lambda n, total: told.append((n, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
