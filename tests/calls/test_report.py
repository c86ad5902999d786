"""A report's figures against those computed by hand, and none of a person on too few calls; on both databases."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import made
import numpy as np
import pytest
import soundfile

from vocalics.calls import questions, topics
from vocalics.calls.call import Kind, Moment, Track, Trend
from vocalics.calls.report import figures as computing
from vocalics.calls.report import sound
from vocalics.calls.report.figures import figures
from vocalics.calls.report.intervals import bootstrap, wilson
from vocalics.calls.report.queries import Time
from vocalics.calls.storage import Storage
from vocalics.errors import VocalicsError

DAY = timedelta(days=1)
UP, DOWN = [0.1] * 5 + [0.8] * 5, [0.8] * 5 + [0.1] * 5
CARS = "the engine and the brakes of my car make a noise, the garage repaired the engine and the tyre"
BILLS = "the invoice charged my account twice, the payment and the refund of the invoice are missing"


def test_wilson_intervals_are_the_published_ones() -> None:
    """The rows of Newcombe 1998 (Statistics in Medicine 17: 857-872), table I, method 3."""
    for hits, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                               (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((1 - wilson(0, 29)[1], 1)) and wilson(0, 29)[1] > 0.1


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        values = rng.normal(0.4, 0.1, (30, 1))
        mean, low, high = bootstrap(values)
        assert mean == pytest.approx(values.mean()) and low < mean < high
        held += int(low[0] < 0.4 < high[0])
    assert 180 <= held <= 197


def test_bootstrap_of_many_calls_at_once_is_that_of_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from vocalics.calls.report import intervals

    values, weights = np.random.default_rng(1).random((12, 3)), np.arange(1.0, 13.0)
    whole = bootstrap(values, weights)
    monkeypatch.setattr(intervals, "_MOST_DRAWN", 100)
    for a, b in zip(whole, bootstrap(values, weights), strict=True):
        assert a == pytest.approx(b)
    assert not np.allclose(whole[0], bootstrap(values)[0])


def test_days_are_means_over_calls_and_grey_where_there_are_few(address: str) -> None:
    with Storage(address) as storage:
        for i in range(12):  # anger 0.05, 0.10, ... 0.60: mean 0.325, whatever the calls' lengths
            chances = made.spread(angry=0.05 * (i + 1), sad=0.2)
            anger = [0.1] * (8 + i)
            storage.put(made.call(f"a {i}", anger, emotions=chances, started_at=made.BEGAN + timedelta(minutes=i)))
        for i, value in enumerate((0.3, 0.5)):
            storage.put(made.call(f"b {i}", emotions=made.spread(angry=value), started_at=made.BEGAN + 3 * DAY))
        found = figures(storage)
        later = figures(storage, Time(since=made.BEGAN + DAY))
        earlier = figures(storage, Time(until=made.BEGAN + timedelta(minutes=5)))
    assert found.unit == "day" and [p.start for p in found.periods] == [date(2026, 3, 31), date(2026, 4, 3)]
    full, few = found.periods
    angry = full.emotions["angry"]
    assert (full.n_calls, full.n_heard, angry.n) == (12, 12, 12) and angry.value == pytest.approx(0.325)
    # A bootstrap's interval is about that of the normal distribution with the plain (not the unbiased) deviation.
    half = 1.96 * np.std(0.05 * np.arange(1, 13)) / np.sqrt(12)
    assert angry.low == pytest.approx(0.325 - half, abs=0.01) and angry.high == pytest.approx(0.325 + half, abs=0.01)
    assert full.emotions["sad"].low == pytest.approx(0.2) == full.emotions["sad"].high
    assert few.emotions["angry"].value == pytest.approx(0.4)
    assert few.emotions["angry"].low is few.emotions["angry"].high is None
    assert (later.summary.n_calls, earlier.summary.n_calls) == (2, 5)
    assert found.summary.first == made.BEGAN and found.summary.last == made.BEGAN + 3 * DAY


def test_what_there_is_is_counted(tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(b"RIFF")
    lonely = made.call("lonely", agent=None)
    mono = made.call("mono", parties=(made.party("speaker", [0.1] * 9),), turns=(), moments=(), model="other")
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call("one", words=["a word"]), "all", tmp_path / "one.wav")
        storage.put(made.call("two", words=["a word"]), "none")
        storage.put(made.call("three"))
        storage.put(lonely)
        storage.put(mono)
        told = figures(storage).summary
    assert (told.n_calls, told.n_heard, told.n_nameless, told.n_agents) == (5, 4, 1, 1)
    assert (told.n_transcripts, told.n_words, told.n_audio) == (2, 1, 1)
    assert told.models == {"fake": 4, "other": 1} and told.transcripts_by == {"vtt file": 2}
    assert told.seconds == 5 * lonely.duration and told.customer_seconds == 4 * 36


def test_agents_stand_by_name_and_those_with_few_calls_without_a_figure(address: str) -> None:
    with Storage(address) as storage:
        for i in range(10):
            storage.put(made.call(f"b {i}", DOWN if i < 7 else UP, agent="bea"))
            storage.put(made.call(f"c {i}", UP if i < 9 else DOWN, agent="Carl"))
            if i < 9:
                storage.put(made.call(f"a {i}", DOWN, agent="Ada"))
        storage.put(made.call("short", DOWN[:3], agent="bea"))
        found = figures(storage)
        lower = figures(storage, least=9)
        nobody = figures(storage, with_agents=False)
    assert [a.standing.agent for a in found.agents] == ["Ada", "bea", "Carl"]
    ada, bea, carl = found.agents
    assert (ada.standing.n_calls, ada.n_calmer, ada.low, ada.high) == (9, None, None, None)
    assert ada.standing.change is None and ada.standing.share_calmer is None
    assert (bea.standing.n_calls, bea.standing.n_unknown, bea.n_calmer) == (10, 1, 7)
    assert (bea.low, bea.high) == pytest.approx((0.3968, 0.8922), abs=1e-4)  # Wilson of 7 in 10
    assert (carl.low, carl.high) == pytest.approx((0.0179, 0.4042), abs=1e-4)  # of 1 in 10: they overlap
    assert found.n_apart == 0 and bea.n_by_trend[Trend.FELL] == 7 and bea.n_by_trend[Trend.TOO_FEW] == 1
    assert lower.n_apart == 1 and lower.agents[0].low == pytest.approx(0.7009, abs=1e-4)  # of 9 in 9: apart from Carl
    assert nobody.agents == () and {c.call.agent for c in nobody.cards} == {None}
    agents = [p for c in nobody.cards for p in c.call.parties if p.role == "agent"]
    assert len(agents) == 30 and all(p.emotions == {} and p.track == Track() and p.talk_share for p in agents)
    assert all(c.call.parties[1].emotions for c in nobody.cards) and all(
        c.call.parties[0].emotions for c in found.cards
    )


def test_topics_say_what_the_question_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with Storage(str(tmp_path / "calls.db")) as storage:
        for i in range(24):
            chances = made.spread(sad=float(rng.uniform(0.1, 0.5)), angry=float(rng.uniform(0, 0.4)))
            storage.put(made.call(f"{i}", words=[CARS if i % 2 else BILLS], emotions=chances))
        assert figures(storage).topics == () and figures(storage).n_topic_calls == 0
        topics.fit(storage, 2)
        found = figures(storage, least=5)
        asked = {e: {m.number: m for m in questions.moods(storage, e, least=5)} for e in ("sad", "angry")}
        strict = figures(storage, least=20)
    assert found.n_topic_calls == 24 and len(found.topics) == 2
    for topic in found.topics:
        for emotion, moods in asked.items():
            told, mood = topic.emotions[emotion], moods[topic.number]
            assert topic.n_calls == pytest.approx(mood.n_calls) == pytest.approx(told.n)
            assert (told.value, told.low, told.high) == pytest.approx((mood.probability, mood.low, mood.high))
        assert sum(e.value or 0 for e in topic.emotions.values()) == pytest.approx(1)
    assert [t.emotions for t in strict.topics] == [{}, {}]
    (refund,) = found.mentions
    assert (refund.term, refund.n_calls, refund.n_times, refund.by) == ("refund", 24, 24, {"customer": 24})


def test_moments_are_the_strongest_of_everybody_but_agents(address: str) -> None:
    def moment(kind: Kind, party: str, strength: float) -> Moment:
        return Moment(kind, party, 3, 15.0, 19.0, strength, 0.99)

    with Storage(address) as storage:
        for i in range(12):
            storage.put(
                made.call(
                    f"{i}", words=["hello", "I am angry"] if i % 2 else (),
                    moments=(
                        moment(Kind.ESCALATION, "customer", 0.3 + 0.05 * i), moment(Kind.RECOVERY, "customer", 0.2),
                        moment(Kind.ESCALATION, "agent", 0.99), Moment(Kind.SILENCE, "", None, 30.0, 45.0, 15.0, 1.0),
                    ),
                ),
                "text" if i != 11 else "none",
            )  # fmt: skip
        found = figures(storage)
    assert [round(m.strength, 2) for m in found.worst] == [round(0.3 + 0.05 * i, 2) for i in range(11, 1, -1)]
    assert {m.role for m in found.worst} == {"customer"} and len(found.best) == computing.MOST_HIGHLIGHTS
    assert [m.words for m in found.worst[:3]] == [None, None, "I am angry"]  # not kept, no transcript, kept
    assert {m.digest for m in found.worst} <= {c.call.digest for c in found.cards}


def test_many_calls_get_cards_for_their_moments_and_the_latest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(computing, "MOST_CARDS", 3)
    with Storage(str(tmp_path / "calls.db")) as storage:
        for i in range(6):
            moments = (Moment(Kind.ESCALATION, "customer", 3, 15.0, 19.0, 0.4, 0.99),) if i == 1 else ()
            storage.put(made.call(f"{i}", started_at=made.BEGAN + i * DAY, moments=moments))
        found = figures(storage)
    assert [c.call.path for c in found.cards] == ["/calls/1.wav", "/calls/4.wav", "/calls/5.wav"]
    assert found.summary.n_calls == 6 == len(found.periods)


@pytest.mark.parametrize(("days", "unit", "ends"), [
    (99, "day", [date(2026, 3, 31), date(2026, 7, 8)]),
    (100, "week", [date(2026, 4, 5), date(2026, 7, 12)]),
    (800, "month", [date(2026, 3, 31), date(2028, 6, 30)]),
])  # fmt: skip
def test_long_times_are_told_by_week_or_month(tmp_path: Path, days: int, unit: str, ends: list[date]) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call("first"))
        storage.put(made.call("last", started_at=made.BEGAN + days * DAY))
        found = figures(storage)
    assert found.unit == unit and [p.end for p in found.periods] == ends


def test_models_that_know_other_emotions_are_averaged_apart(tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call("eight", emotions=made.spread(angry=0.2, calm=0.4)))
        storage.put(made.call("two", emotions={"angry": 0.6, "neutral": 0.4}, model="small"))
        (day,) = figures(storage).periods
    assert (day.emotions["angry"].n, day.emotions["angry"].value) == (2, pytest.approx(0.4))
    assert (day.emotions["calm"].n, day.emotions["calm"].value) == (1, pytest.approx(0.4))


def test_there_must_be_a_call(tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        with pytest.raises(VocalicsError, match="holds no call; vocalics calls RECORDING"):
            figures(storage)
        storage.put(made.call())
        with pytest.raises(VocalicsError, match="holds no call in that time"):
            figures(storage, Time(since=made.BEGAN + DAY))
        with pytest.raises(VocalicsError, match="1 call tells nothing of anybody"):
            figures(storage, least=1)
        assert figures(storage).summary.n_calls == 1


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A minute in two channels, silent but for a tone in one of them from 12 to 21 seconds."""
    time = np.arange(60 * 8000) / 8000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= 12) & (time < 21))
    path = tmp_path / "minute.flac"
    soundfile.write(path, np.stack([0 * tone, tone], axis=1), 8000)
    return path


def played(uri: str | None) -> np.ndarray:
    """The samples of a data address."""
    import base64
    import io

    assert uri is not None
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert rate == 8000
    return np.asarray(samples)


def test_a_moment_is_cut_out_of_the_recording(recording: Path, tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call(), "audio", recording)  # its escalation begins at 15 s
        recording.unlink()
        (excerpt,) = sound.excerpts(storage, figures(storage).worst)
    assert (excerpt.start, excerpt.end) == (12.0, 21.0)
    samples = played(excerpt.uri)
    assert len(samples) == pytest.approx(9 * 8000, abs=2500)  # an encoder's frames
    for second in range(1, 8):  # all of it is the tone, of one channel of two
        part = samples[second * 8000 : (second + 1) * 8000]
        assert np.sqrt(np.mean(part**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.1)


def test_recordings_in_another_folder_are_found_and_left_alone(recording: Path, tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call(), "audio", recording)
        folder = tmp_path / "elsewhere"
        tmp_path.joinpath("calls-audio").rename(folder)
        foreign = folder / f"{'0' * 64}.wav"  # of another database, and old
        foreign.write_bytes(b"RIFF")
        os.utime(foreign, (0, 0))
        worst = figures(storage).worst
        assert [e.why for e in sound.excerpts(storage, worst)] == [sound.GONE]
        assert [bool(e.uri) for e in sound.excerpts(storage, worst, folder)] == [True] and foreign.is_file()


@pytest.mark.parametrize("keep", ["none", "text"])
def test_no_audio_is_heard_where_none_was_kept(recording: Path, tmp_path: Path, keep: str) -> None:
    with Storage(str(tmp_path / "calls.db")) as storage:
        storage.put(made.call(path=str(recording)), keep, recording)
        assert recording.is_file()
        (excerpt,) = sound.excerpts(storage, figures(storage).worst)
    assert excerpt.uri is None and excerpt.why == sound.NOT_KEPT


def test_what_cannot_be_heard_says_why(recording: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound")
    with Storage(str(tmp_path / "calls.db")) as storage:
        for name, file in (("gone", recording), ("here", recording), ("broken", broken)):
            storage.put(made.call(name), "all", file)
        gone = storage.audio(made.call("gone").digest)
        assert gone is not None
        gone.unlink()
        worst = sorted(figures(storage).worst, key=lambda m: ["gone", "here", "broken"].index(_name(m.digest)))
        told = sound.excerpts(storage, worst)
        size = len(told[1].uri or "")
        assert [bool(e.uri) for e in told] == [False, True, False] and size > 1000
        assert told[0].why == sound.GONE and "cannot be played" in told[2].why
        twice = [worst[1], worst[1]]
        assert [e.why for e in sound.excerpts(storage, twice, most_characters=size + 10)] == ["", sound.FULL]
        assert [e.why for e in sound.excerpts(storage, twice, most_characters=2 * size)] == ["", ""]


def _name(digest: str) -> str:
    return next(name for name in ("gone", "here", "broken") if made.call(name).digest == digest)
