"""A made call is taken apart as it was put together."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import fakes
import made
import numpy as np
import pytest
import soundfile

from vocalics import audio, modelfile, timeline
from vocalics.audio import Clip
from vocalics.calls import analysis, parties
from vocalics.calls.about import About
from vocalics.calls.analysis import Settings, analyse
from vocalics.calls.call import Kind, Trend
from vocalics.calls.record import record
from vocalics.calls.transcripts import Cue
from vocalics.errors import AudioError, VocalicsError
from vocalics.recognizer import Recognizer, load


class Parrot:
    """Says how long an utterance is."""

    name = "parrot"
    note = "It is a parrot."

    def words(self, clip: Clip) -> str:
        """One word for each second begun."""
        return " ".join(["squawk"] * int(np.ceil(clip.duration)))


def test_parties_turns_and_measures(recognizer: Recognizer, made_call: Path) -> None:
    call = analyse(recognizer, made_call, known=About("Bob", "Ann", datetime(2026, 1, 2, tzinfo=UTC)))
    assert [(t.number, t.party) for t in call.turns] == list(
        enumerate(["agent", "customer", "agent", "customer", "agent"], 1)
    )
    assert [round(t.start, 1) for t in call.turns] == pytest.approx([0.4, 2.2, 3.9, 5.9, 7.9], abs=0.15)
    assert [p.role for p in call.parties] == ["agent", "customer"] and [p.channel for p in call.parties] == [
        "left",
        "right",
    ]
    agent, customer = call.parties
    assert agent.n_turns == 3 and customer.n_turns == 2
    assert agent.talk_share + customer.talk_share == pytest.approx(1)
    assert agent.speech_seconds == pytest.approx(sum(t.speech_seconds for t in call.turns if t.party == "agent"))
    assert agent.emotions != customer.emotions and sum(agent.emotions.values()) == pytest.approx(1)
    assert call.duration == pytest.approx(24) and call.measures.longest_silence == pytest.approx(14, abs=0.2)
    (silence,) = call.moments
    assert silence.kind is Kind.SILENCE and silence.party == "" and silence.end == pytest.approx(24)
    assert agent.course.trend is customer.course.trend is Trend.TOO_FEW
    assert (call.agent, call.customer, call.started_at.year) == ("Bob", "Ann", 2026)
    assert call.digest == hashlib.sha256(made_call.read_bytes()).hexdigest() == analysis.digest(made_call)
    assert call.notes == (analysis.NO_TRANSCRIPT,) and call.turns[0].words is None


def test_a_turn_sounds_as_the_recognizer_says(recognizer: Recognizer, made_call: Path) -> None:
    call = analyse(recognizer, made_call)
    for turn in call.turns:
        part = audio.excerpt(audio.read(made_call, channel=int(turn.party == "customer")), turn.start, turn.end)
        wanted = recognizer.predict(part)
        assert turn.emotion == wanted.emotion and dict(turn.probabilities) == pytest.approx(dict(wanted.probabilities))
        assert turn.anger == turn.probabilities["angry"] and turn.confidence == max(turn.probabilities.values())
        assert turn.level_db == pytest.approx(10 * np.log10(np.mean(np.square(part.samples))), abs=0.1)
    assert len({turn.emotion for turn in call.turns}) > 1


def test_the_other_channel_can_be_the_agents(recognizer: Recognizer, made_call: Path) -> None:
    swapped = analyse(recognizer, made_call, Settings(agent="right"))
    assert [(p.role, p.channel) for p in swapped.parties] == [("agent", "right"), ("customer", "left")]
    assert [t.party for t in swapped.turns] == ["customer", "agent", "customer", "agent", "customer"]
    with pytest.raises(VocalicsError, match='on no channel "top"; expected left or right'):
        analyse(recognizer, made_call, Settings(agent="top"))


def test_the_agents_emotions_can_be_left_alone(
    recognizer: Recognizer, made_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = analyse(recognizer, made_call)
    heard: list[Clip] = []
    given = Recognizer.given
    monkeypatch.setattr(Recognizer, "given", lambda self, clip, name="": heard.append(clip) or given(self, clip, name))
    call = analyse(recognizer, made_call, Settings(customer_only=True))
    agent, customer = call.parties
    assert agent.emotions == {} and agent.track.starts == () and agent.course.trend is Trend.TOO_FEW
    assert {t.emotion for t in call.turns if t.party == "agent"} == {None} and customer == whole.parties[1]
    assert [(t.party, t.start, t.end) for t in call.turns] == [(t.party, t.start, t.end) for t in whole.turns]
    assert agent.talk_share == whole.parties[0].talk_share and call.measures == whole.measures
    assert parties.UNJUDGED in call.notes and whole.parties[0].emotions
    before, heard[:] = [*heard], []
    frames, rate = soundfile.read(made_call)
    frames[:, 0] = frames[::-1, 0]
    soundfile.write(tmp_path / "other agent.flac", frames, rate)
    analyse(recognizer, tmp_path / "other agent.flac", Settings(customer_only=True))
    assert len(before) == len(heard) > 3, "what the model hears does not depend on the agent"
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(before, heard, strict=True))
    soundfile.write(tmp_path / "mono.wav", audio.read(made_call).samples, made.RATE)
    with pytest.raises(AudioError, match="has one channel, which the agent shares"):
        analyse(recognizer, tmp_path / "mono.wav", Settings(customer_only=True))


def test_each_partys_voice_is_got_used_to(made_call: Path, tmp_path: Path) -> None:
    model = load(fakes.adaptable(tmp_path / "used.onnx"))
    plain, used = (analyse(model, made_call, Settings(adapt=adapt)) for adapt in (False, True))
    assert [(t.party, t.start) for t in plain.turns] == [(t.party, t.start) for t in used.turns] and plain.turns
    found = timeline.build(model, made_call, adapt=True)
    for party, channel in zip(("agent", "customer"), found.channels, strict=True):
        turns = [t for t in used.turns if t.party == party and t.emotion]
        told = {round(u.start, 3): u.probabilities["sad"] for u in channel.segments}
        spans = [(u.start, u.end) for u in channel.segments]  # a turn of one segment is that segment
        alone = [t for t in turns if any(abs(t.start - start) < 1e-3 and t.end == end for start, end in spans)]
        assert alone and all(t.probabilities["sad"] == pytest.approx(told[round(t.start, 3)]) for t in alone)
    assert any(a.probabilities != b.probabilities for a, b in zip(plain.turns, used.turns, strict=True))
    soundfile.write(tmp_path / "mono.wav", audio.read(made_call).samples, made.RATE)
    with pytest.raises(AudioError, match=r"has one channel, which the parties share; expected .* or no --adapt"):
        analyse(model, tmp_path / "mono.wav", Settings(adapt=True))


def test_utterances_are_transcribed(recognizer: Recognizer, made_call: Path) -> None:
    call = analyse(recognizer, made_call, Settings(transcriber=Parrot(), terms=("squawk",)))
    assert call.transcript_by == "parrot" and call.notes == ("It is a parrot.",)
    assert [len((t.words or "").split()) for t in call.turns] == [int(np.ceil(t.end - t.start)) for t in call.turns]
    assert len(call.keywords) == sum(len((t.words or "").split()) for t in call.turns)
    assert all(p.pace and 60 <= p.pace < 120 for p in call.parties)


def beside(call: Path, folder: Path, ending: str, text: str) -> Path:
    """The call's copy with a file beside it."""
    copy = folder / call.name
    shutil.copy(call, copy)
    copy.with_suffix(ending).write_text(text)
    return copy


def test_a_users_transcript_goes_before_a_recognizer(recognizer: Recognizer, made_call: Path, tmp_path: Path) -> None:
    lines = [
        (0.6, 1.8, "good morning", ""), (2.0, 4.2, "my car", "customer"), (3.3, 3.7, "left behind", "Left"),
        (6, 7, "broke", "RIGHT"), (20, 21, "late", ""), (8, 9, "see you", "somebody"),
    ]  # fmt: skip
    rows = [{"start": a, "end": b, "text": t, "speaker": s} for a, b, t, s in lines]
    copy = beside(made_call, tmp_path, ".json", json.dumps(rows))
    call = analyse(recognizer, copy, Settings(transcriber=Parrot(), terms=("car", "behind")))
    assert [t.words for t in call.turns] == ["good morning", "my car", "left behind", "broke", "see you late"]
    assert [(k.term, k.turn, k.party) for k in call.keywords] == [("car", 2, "customer"), ("behind", 3, "agent")]
    assert call.transcript_by == "json file" and call.notes == ()
    ignored = analyse(recognizer, copy, Settings(own_transcripts=False))
    assert ignored.turns[0].words is None and ignored.notes == (analysis.NO_TRANSCRIPT,)


def test_a_transcript_without_times_belongs_to_the_call(
    recognizer: Recognizer, made_call: Path, tmp_path: Path
) -> None:
    call = analyse(recognizer, beside(made_call, tmp_path, ".txt", "my car broke"), Settings(terms=("car",)))
    assert call.text == "my car broke" and call.turns[0].words is None and call.notes == (analysis.NO_TIMES,)
    assert [(k.term, k.turn) for k in call.keywords] == [("car", None)]


def test_one_channel_is_one_party_and_says_so(recognizer: Recognizer, made_call: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", audio.read(made_call, channel=0).samples, made.RATE)
    call = analyse(recognizer, tmp_path / "mono.wav")
    assert [(p.role, p.talk_share) for p in call.parties] == [("speaker", 1.0)] and len(call.turns) == 3
    assert "nothing tells its speakers apart" in call.notes[0] and "--diarise" in call.notes[0]


def test_a_file_of_turns_tells_parties_apart(recognizer: Recognizer, made_call: Path, tmp_path: Path) -> None:
    samples = audio.read(made_call).samples
    soundfile.write(tmp_path / "mono.wav", samples, made.RATE)
    whole = analyse(recognizer, made_call)
    who = {"agent": "agent", "customer": "Ann"}
    lines = [f"SPEAKER mono 1 {t.start:.2f} {t.end - t.start:.2f} <NA> <NA> {who[t.party]} <NA>" for t in whole.turns]
    (tmp_path / "mono.rttm").write_text("\n".join(lines))
    call = analyse(recognizer, tmp_path / "mono.wav")
    assert [p.role for p in call.parties] == ["agent", "speaker 1"]
    assert [t.party for t in call.turns] == ["agent", "speaker 1", "agent", "speaker 1", "agent"]
    parts = [audio.excerpt(audio.read(tmp_path / "mono.wav"), t.start, t.end) for t in call.turns]
    assert [t.emotion for t in call.turns] == [recognizer.predict(part).emotion for part in parts]
    assert all(0 < len(p.track.starts) < 24 for p in call.parties)
    (tmp_path / "mono.rttm").write_text("SPEAKER mono 1 x 1 <NA> <NA> a <NA>")
    with pytest.raises(VocalicsError, match=r"mono\.rttm.*is no line of RTTM"):
        analyse(recognizer, tmp_path / "mono.wav")


def test_a_program_tells_speakers_apart(recognizer: Recognizer, made_call: Path, tmp_path: Path) -> None:
    class Halves:
        """The first half is one's, the second another's."""

        def speakers(self, recording: object) -> dict[str, list[tuple[float, float]]]:
            """By role."""
            return {"speaker 1": [(0, 5.0)], "speaker 2": [(5.0, 10.0)]}

    soundfile.write(tmp_path / "mono.wav", audio.read(made_call).samples, made.RATE)
    call = analyse(recognizer, tmp_path / "mono.wav", Settings(diariser=Halves()))
    assert [p.role for p in call.parties] == ["speaker 1", "speaker 2"] and len(call.turns) == 2
    assert "told apart by a program" in call.notes[0]


def test_silence_and_three_channels(recognizer: Recognizer, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", np.zeros((32_000, 2)), 16_000)
    call = analyse(recognizer, tmp_path / "quiet.wav")
    assert call.turns == () and analysis.NOBODY in call.notes and call.measures.silence == pytest.approx(2)
    left_only = np.stack([fakes.voice(2.0).samples, np.zeros(32_000, np.float32)], axis=1)
    soundfile.write(tmp_path / "left.wav", left_only, 16_000)
    one_sided = analyse(recognizer, tmp_path / "left.wav")
    assert [p.talk_share for p in one_sided.parties] == [1.0, 0.0] and one_sided.parties[1].emotions == {}
    soundfile.write(tmp_path / "three.wav", np.zeros((1000, 3)), 16_000)
    with pytest.raises(AudioError, match=r"three\.wav: has 3 channels; expected a call's two, or one"):
        analyse(recognizer, tmp_path / "three.wav")
    with pytest.raises(AudioError, match="no such file"):
        analyse(recognizer, tmp_path / "none.wav")


def test_a_model_without_anger_says_so(made_call: Path) -> None:
    emotions = ("neutral", "calm", "happy", "sad", "boredom", "fear", "disgust", "surprise")
    model = Recognizer(modelfile.load(fakes.waveform_model(emotions=emotions), 1))
    call = analyse(model, made_call)
    assert any('knows no "angry"' in note for note in call.notes) and {t.anger for t in call.turns} == {0.0}
    assert call.parties[0].course.trend is Trend.TOO_FEW


def test_progress_rises_and_can_stop(recognizer: Recognizer, made_call: Path) -> None:
    seen: list[float] = []
    analyse(recognizer, made_call, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0

    class StopError(Exception):
        """Enough."""

    def stop(_share: float) -> None:
        raise StopError

    with pytest.raises(StopError):
        analyse(recognizer, made_call, progress=stop)


def test_a_record_is_json_and_tells_all(recognizer: Recognizer, made_call: Path) -> None:
    call = analyse(recognizer, made_call)
    told = json.loads(json.dumps(record(call)))
    assert told["digest"] == call.digest and told["parties"][0]["course"]["trend"] == "too few turns"
    assert "track" not in told["parties"][0] and len(record(call, tracks=True)["parties"][0]["track"]["starts"]) > 3
    assert told["turns"][1]["probabilities"].keys() == set(call.emotions) and told["moments"][0]["kind"] == "silence"


def test_a_recording_that_changes_meanwhile_is_no_call(recognizer: Recognizer, made_call: Path, tmp_path: Path) -> None:
    copy = beside(made_call, tmp_path, ".txt", "hello")

    def growing(_share: float) -> None:
        with copy.open("ab") as file:
            file.write(b"more")

    with pytest.raises(VocalicsError, match="changed while it was analysed; try again when it is complete"):
        analyse(recognizer, copy, progress=growing)


def test_what_one_party_said_is_put_into_no_other_ones_mouth() -> None:
    agents = [turn for turn in made.call().turns if turn.party == "agent"]
    cues = [Cue(2.0, 3.0, "hello", "agent"), Cue(7.0, 8.0, "thank you", "Customer"), Cue(4.0, 4.5, "well", "Bob")]
    told, homeless = analysis._with_words(agents, cues, {}, {"agent", "customer"})
    # The customer has no turn, and is too quiet for one: whoever Bob is, he may be the agent.
    assert homeless == "thank you" and " ".join(turn.words for turn in told if turn.words) == "hello well"
