"""Transcripts of every kind put the same words to the same times; what is broken is told."""

from __future__ import annotations

import json
from pathlib import Path

import made
import pytest

from vocalics import timeline
from vocalics.calls import about, diarisation, keywords, transcripts
from vocalics.calls.transcripts import Cue
from vocalics.errors import VocalicsError
from vocalics.recognizer import Prediction
from vocalics.timeline import Channel

FILES = {
    "a.vtt": "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Agent>good <b>morning</b>\n\n"
    "1:00:03.000 --> 1:00:04.000\nmy car\nbroke\n",
    "a.srt": "1\n00:00:01,000 --> 00:00:02,500\ngood morning\n\n2\n01:00:03,000 --> 01:00:04,000\nmy car\nbroke\n",
    "a.json": json.dumps(
        {
            "segments": [
                {"start": 1, "end": 2.5, "text": " good morning", "speaker": "Agent"},
                {"start": 3603.0, "end": 3604.0, "text": "my car broke"},
            ]
        }
    ),
    "a.txt": "[0:01] Agent: good morning\n[1:00:03] my car broke\n",
}


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """A file with this in it."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_kind_says_the_same(name: str, tmp_path: Path) -> None:
    found = transcripts.read(write(tmp_path, name, FILES[name]))
    assert found.by == f"{name[2:]} file" and found.text is None
    assert [(c.start, c.text) for c in found.cues] == [(1.0, "good morning"), (3603.0, "my car broke")]
    assert found.cues[0].end == (3603.0 if name == "a.txt" else 2.5)
    assert found.cues[0].speaker == ("" if name == "a.srt" else "Agent") and found.cues[1].speaker == ""


def test_each_voice_of_a_cue_says_its_own_words(tmp_path: Path) -> None:
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v agent>Hello</v>\n<v.loud customer>I want to <i>cancel</i></v>\n\n"
        "00:03.000 --> 00:04.000\nso <v Ann>R&amp;D, we don&#39;t</v> <v Bo>1 &lt; 2</v>\n"
    )
    found = transcripts.read(write(tmp_path, "a.vtt", text)).cues
    assert sorted((c.start, c.end, c.speaker, c.text) for c in found) == [
        (1.0, 2.0, "agent", "Hello"),
        (1.0, 2.0, "customer", "I want to cancel"),
        (3.0, 4.0, "", "so"),
        (3.0, 4.0, "Ann", "R&D, we don't"),
        (3.0, 4.0, "Bo", "1 < 2"),
    ]
    (only,) = transcripts.read(write(tmp_path, "a.srt", "1\n00:00:01,000 --> 00:00:02,500\n<i>R&amp;D</i>\n")).cues
    assert only.text == "R&D"


BESIDE = {
    "a.vtt": transcripts.beside, "a.txt": transcripts.beside, "a.wav.json": transcripts.beside,
    "a.rttm": diarisation.beside, "a.call.json": about.beside, "a.wav.call.json": about.beside,
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_elsewhere_is_not_beside_a_recording(name: str, tmp_path: Path) -> None:
    folder, text = tmp_path / "in", '{"customer": "Ann"}'
    (folder / "below").mkdir(parents=True)
    secret = write(tmp_path, "private.env", text)
    write(tmp_path, "in-another", text)  # begins as the folder does
    link, beside = folder / name, BESIDE[name]
    for target in (secret, Path("../private.env"), Path("../in-another"), Path("below/../../private.env")):
        link.symlink_to(target)
        with pytest.raises(VocalicsError, match=r"is a link out of the folder .*in; put the file itself there") as told:
            beside(folder / "a.wav")
        assert str(link) in str(told.value) and "\n" not in str(told.value)
        link.unlink()
    nothing = beside(folder / "a.wav")
    write(folder / "below", "mine", text)
    link.symlink_to("below/mine")
    assert beside(folder / "a.wav") != nothing, "a link within is as good as the file"
    (tmp_path / "way").symlink_to(folder)  # of the folder itself it does not matter how it is reached
    assert beside(tmp_path / "way" / "a.wav") != nothing


def test_words_with_times_of_their_own(tmp_path: Path) -> None:
    words = [{"word": " good", "start": 1, "end": 1.4}, {"word": " day", "start": 1.5, "end": 2}]
    rows = [{"start": 1, "end": 2, "text": "good day", "words": words}]
    assert [c.text for c in transcripts.read(write(tmp_path, "a.json", json.dumps(rows))).cues] == ["good", "day"]
    words[0].pop("end")
    assert [c.text for c in transcripts.read(write(tmp_path, "a.json", json.dumps(rows))).cues] == ["good day"]


def test_a_text_without_times_is_one_text(tmp_path: Path) -> None:
    found = transcripts.read(write(tmp_path, "a.txt", "Agent: good morning\n\nCustomer: at 10:30 it broke\n"))
    assert found.cues == () and found.text == "Agent: good morning\n\nCustomer: at 10:30 it broke"


def test_the_first_that_lies_beside_is_found(tmp_path: Path) -> None:
    recording = write(tmp_path, "a.wav", b"")
    assert transcripts.beside(recording) is None
    for name in ("a.wav.txt", "a.txt", "a.wav.vtt", "a.vtt"):
        written = write(tmp_path, name, FILES["a." + name.rsplit(".", 1)[1]])
        assert transcripts.beside(recording) == written
    assert transcripts.beside(tmp_path / "b.wav") is None


def test_a_timeline_of_ours_is_no_transcript_and_tells_no_speakers_apart(tmp_path: Path) -> None:
    heard = [
        Prediction("a.wav", 1.0, 2.5, "angry", 0.83, {"angry": 0.83, "sad": 0.17}, "default"),
        Prediction("a.wav", 3.0, 4.0, None, 0.0, {"angry": 0.0, "sad": 0.0}, "default"),
        Prediction("a.wav", 4.0, 5.0, None, 0.4, {"angry": 0.4, "sad": 0.4}, "default"),
    ]
    channels = tuple(Channel(name, tuple(heard), tuple(heard), (0.0,), 0.05) for name in ("left", "right"))
    found = timeline.Timeline("a.wav", 5.0, 8000, "default", ("angry", "sad"), channels)
    recording = write(tmp_path, "a.wav", b"")
    for ending in (".vtt", ".json", ".txt", ".rttm"):
        file = tmp_path / f"a{ending}"
        for windows in (False, True):
            timeline.write(found, file, timeline.format_of(file), windows=windows)
            assert timeline.is_timeline(file)
            assert transcripts.beside(recording) is None and diarisation.beside(recording) is None
        file.unlink()
    for name, content in FILES.items():
        assert not timeline.is_timeline(write(tmp_path, name, content))
        assert transcripts.beside(recording) == tmp_path / name
        (tmp_path / name).unlink()
    turns = write(tmp_path, "a.rttm", "SPEAKER a 1 0.5 1.0 <NA> <NA> angry <NA> <NA>\n")
    assert diarisation.beside(recording) == turns
    # Somebody's labels of Audacity are his words.
    assert not timeline.is_timeline(write(tmp_path, "b.txt", "0.5\t1.0\tI am angry\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.vtt", "no header"), ("a.json", "{"), ("a.json", '{"a": 1}'), ("a.json", '[{"start": "x"}]'),
        ("a.json", "[1]"), ("a.json", "[" * 100_000), ("a.json", b"\xff\xfe\x00"), ("a.json", '[{"start": 1}]'),
        ("a.doc", "words"),
    ],
)  # fmt: skip
def test_what_is_no_transcript_is_told(name: str, content: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(VocalicsError, match=rf"{name}: "):
        transcripts.read(write(tmp_path, name, content))


def test_hostile_contents_are_words(tmp_path: Path) -> None:
    hostile = "'; DROP TABLE calls; -- <script>alert(1)</script>\x00 \u202e {{x}} %s"
    found = transcripts.read(write(tmp_path, "a.json", json.dumps([{"start": 0, "end": 1, "text": hostile}])))
    assert found.cues[0].text == "'; DROP TABLE calls; -- <script>alert(1)</script>\x00 \u202e {{x}} %s"
    infinite = '[{"start": Infinity, "end": NaN, "text": "x"}, {"start": 1, "end": -1, "text": "y"}]'
    assert transcripts.read(write(tmp_path, "a.json", infinite)).cues == (Cue(1, 1, "y"),)


def test_a_missing_or_huge_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VocalicsError, match=r"b\.vtt: cannot be read"):
        transcripts.read(tmp_path / "b.vtt")
    monkeypatch.setattr(transcripts, "LARGEST_BYTES", 10)
    with pytest.raises(VocalicsError, match="too large"):
        transcripts.read(write(tmp_path, "a.txt", FILES["a.txt"]))


def test_keywords_are_whole_words_in_any_case_with_their_turns() -> None:
    turns = [
        made.turn(1, words="I want a Refund, a refund!"),
        made.turn(2, "agent", words="no refunds. cancelled (sic)"),
    ]
    found = keywords.spot(("refund", "cancel*", "a refund", "(sic)", "want  a"), turns)
    assert [(k.term, k.turn, k.party) for k in found] == [
        ("refund", 1, "customer"), ("refund", 1, "customer"), ("a refund", 1, "customer"),
        ("a refund", 1, "customer"), ("want  a", 1, "customer"), ("cancel*", 2, "agent"), ("(sic)", 2, "agent"),
    ]  # fmt: skip
    assert found[0].start == turns[0].start
    assert keywords.spot(("refund",), [made.turn(1)], "a refund") == (keywords.Keyword("refund"),)


def test_a_list_of_keywords_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "k.txt", "\ufeff# mine\nrefund\n\n  money   back \nrefund\n")
    assert keywords.read(path) == ("refund", "money back")
    with pytest.raises(VocalicsError, match="holds no terms"):
        keywords.read(write(tmp_path, "k.txt", "# nothing\n"))
    with pytest.raises(VocalicsError, match="more than 200 characters"):
        keywords.read(write(tmp_path, "k.txt", "x" * 201))
    with pytest.raises(VocalicsError, match="cannot be read"):
        keywords.read(tmp_path / "none.txt")
