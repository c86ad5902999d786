"""Streams say what a timeline says of the same samples, however they are fed; displays are steady, and change."""

from __future__ import annotations

import dataclasses
import itertools
import tracemalloc
from types import MappingProxyType

import fakes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocalics import recognizer
from vocalics.audio import Clip
from vocalics.errors import AudioError, VocalicsError
from vocalics.recognizer import Prediction, Recognizer
from vocalics.streaming import Backlog, Display, StreamingRecognizer

MODEL = recognizer.load("default")


def _sound(sample_rate: int, seconds: float = 9.3) -> np.ndarray:
    """Speech-like sound with a pause in it."""
    parts = [
        fakes.voice(seconds / 3, 120.0),
        Clip(np.zeros(16_000, np.float32), 16_000),
        fakes.voice(seconds / 3, 210.0),
    ]
    whole = np.concatenate([p.samples for p in parts])
    rng = np.random.default_rng(3)
    n = int(seconds * sample_rate)
    return np.interp(np.arange(n) / sample_rate, np.arange(len(whole)) / 16_000, whole).astype(np.float32) + 1e-3 * (
        rng.standard_normal(n).astype(np.float32)
    )


SOUNDS = {rate: _sound(rate) for rate in (8_000, 16_000, 44_100)}
OFFLINE = {
    (rate, hop): list(MODEL.timeline(sound, rate, 2.0, hop))
    for rate, sound in SOUNDS.items()
    for hop in (0.5, 1.3, 2.0)
}


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from(sorted(SOUNDS)),
    hop=st.sampled_from([0.5, 1.3, 2.0]),
    sizes=st.lists(st.integers(0, 30_000) | st.integers(0, 700), min_size=1, max_size=12),
)
def test_any_pieces_give_the_timeline(rate: int, hop: float, sizes: list[int]) -> None:
    stream, sound, found, at = StreamingRecognizer(MODEL, rate, 2.0, hop), SOUNDS[rate], [], 0
    while at < len(sound):
        for size in sizes:
            found += stream.feed(sound[at : at + size])
            at += size
        at += sum(sizes) == 0 and len(sound)
    if sum(sizes) == 0:
        found += stream.feed(sound)
    found += stream.flush()
    expected = OFFLINE[rate, hop]
    assert [(p.start, p.end, p.label) for p in found] == [(p.start, p.end, p.label) for p in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.probabilities == other.probabilities
    assert len({p.label for p in expected}) > 1 and stream.seconds == len(sound) / rate


def test_one_sample_at_a_time_and_a_prediction_as_soon_as_a_window_is_full() -> None:
    stream, sound = StreamingRecognizer(MODEL, 16_000, 1.0, 0.5), SOUNDS[16_000][:24_100]
    when = [i for i, sample in enumerate(sound) if stream.feed(sample[None])]
    assert when == [15_999, 23_999]


def test_streams_over_one_model_know_nothing_of_one_another() -> None:
    first, second = (StreamingRecognizer(MODEL, 16_000, 2.0, 0.5) for _ in range(2))
    found: list[Prediction] = []
    for i in range(0, len(SOUNDS[16_000]), 1_600):
        found += first.feed(SOUNDS[16_000][i : i + 1_600])
        second.feed(SOUNDS[16_000][::-1][i : i + 1_600])
    assert [p.probabilities for p in found + first.flush()] == [p.probabilities for p in OFFLINE[16_000, 0.5]]


@pytest.mark.parametrize(
    ("max_lag", "heard", "expected", "n_skipped"),
    [
        (None, 9.0, [1.0, 1.5, 2.0, 2.5], 0),
        (0.0, 2.5, [2.5], 3),
        (0.5, 2.5, [2.0, 2.5], 2),
        (5.0, 2.5, [1.0, 1.5, 2.0, 2.5], 0),
        (0.5, 9.0, [2.5], 3),  # the last one is never left out
    ],
)
def test_a_backlog_leaves_out_what_is_too_old(
    max_lag: float | None, heard: float, expected: list[float], n_skipped: int
) -> None:
    backlog = Backlog(16_000, max_lag)
    backlog.extend(StreamingRecognizer(MODEL, 16_000, 1.0, 0.5).cut(SOUNDS[16_000][:40_000]))
    found = []
    while backlog:
        start, clip = backlog.take(heard)
        found.append((start + len(clip.samples)) / 16_000)
    assert (found, backlog.n_skipped) == (expected, n_skipped)
    with pytest.raises(IndexError):
        backlog.take(heard)


def test_memory_does_not_grow_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day, with a model that takes no time; what is held is a window and a piece."""
    monkeypatch.setattr(Recognizer, "judge_window", lambda self, start, clip, name="": start)
    stream = StreamingRecognizer(MODEL, 16_000)
    piece = np.zeros(16_000 * 20, np.float32)
    tracemalloc.start()
    peaks, n = [], 0
    for _ in range(4):
        tracemalloc.reset_peak()
        for _ in range(1080):
            n += len(stream.feed(piece))
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert n == pytest.approx(24 * 3600 / 0.5, abs=10) and stream.seconds == 24 * 3600
    assert max(peaks) < 1.05 * peaks[0] and peaks[0] < 6e6


def test_integers_channels_and_what_is_no_sound() -> None:
    plain, whole = (StreamingRecognizer(MODEL, 16_000, 2.0, 0.5) for _ in range(2))
    sound = np.clip(SOUNDS[16_000], -1, 1)
    integers = np.round(sound * 32_767).astype(np.int16)
    expected = plain.feed(integers.astype(np.float32) / 32_768)
    assert [p.probabilities for p in whole.feed(np.stack([integers, integers], axis=1))] == [
        p.probabilities for p in expected
    ]
    with pytest.raises(AudioError, match=r"call: sample 1 is not a finite number"):
        StreamingRecognizer(MODEL, 16_000, name="call").feed([0.0, np.nan])
    with pytest.raises(AudioError, match=r"holds no samples"):
        StreamingRecognizer(MODEL, 16_000).flush()
    with pytest.raises(AudioError, match=r"a sample rate of 12 Hz is out of range"):
        StreamingRecognizer(MODEL, 12)
    with pytest.raises(VocalicsError, match=r"a hop of 9 s leaves gaps"):
        StreamingRecognizer(MODEL, 16_000, 2.0, 9)
    plain.flush()
    assert plain.flush() == []
    with pytest.raises(VocalicsError, match=r"the stream has ended"):
        plain.feed(sound)


def _said(end: float, **chances: float) -> Prediction:
    values = {"neutral": 0.0, "happy": 0.0, "angry": 0.0, **chances}
    best = max(values, key=lambda e: values[e])
    silent = not any(values.values())
    return Prediction("", end - 2, end, None if silent else best, max(values.values()), MappingProxyType(values), "m")


def test_a_display_does_not_flicker_and_keeps_what_was_said() -> None:
    rng, display = np.random.default_rng(1), Display()
    raw, shown = [], []
    for k in range(200):
        happy = 0.45 + 0.1 * rng.standard_normal()
        said = _said(0.5 * k + 2, happy=happy, angry=0.9 - happy, neutral=0.1)
        raw.append(said.emotion)
        shown.append(display.update(said))
    changes = sum(a != b for a, b in itertools.pairwise(raw))
    assert changes > 50 and sum(s.changed for s in shown[1:]) < changes / 5
    assert [s.prediction.emotion for s in shown] == raw
    assert all(sum(s.probabilities.values()) == pytest.approx(1) for s in shown)


def test_a_display_follows_a_real_change_and_silence() -> None:
    display = Display()
    steps = [_said(0.5 * k, angry=0.8, happy=0.2) for k in range(1, 9)]
    steps += [_said(0.5 * k, happy=0.8, angry=0.2) for k in range(9, 17)]
    steps += [_said(0.5 * k) for k in range(17, 25)]
    shown = [display.update(s) for s in steps]
    names = [s.emotion for s in shown]
    assert names[:8] == ["angry"] * 8 and names[15] == "happy" and 8 < names.index("happy") <= 12
    assert names[-1] is None and names[17] == "happy" and shown[-1].confidence == 0
    assert [s.changed for s in shown].count(True) == 3 and shown[15].since == steps[names.index("happy")].end
    # A small lead is enough once it has lasted.
    patient = Display(smoothing=0.0, margin=0.5, patience=1.5)
    names = [patient.update(_said(0.5 * k, happy=0.4 + 0.1 * (k < 5), angry=0.45)).emotion for k in range(1, 12)]
    assert names == ["happy"] * 7 + ["angry"] * 4
    with pytest.raises(VocalicsError, match=r"margin = -1; expected 0 or more"):
        Display(margin=-1)


def test_a_display_names_no_emotion_that_is_left_open() -> None:
    display = Display(patience=1.0)

    def open_at(end: float) -> Prediction:
        return dataclasses.replace(_said(end, happy=0.4, angry=0.35), emotion=None)

    first = display.update(open_at(2.0))
    assert (first.emotion, first.label, first.confidence, first.changed) == (None, "unsure", 0.0, True)
    assert display.update(_said(2.5, happy=0.9)).label == "happy"
    # A moment of doubt does not flicker; doubt that lasts is shown.
    labels = [display.update(open_at(3.0 + 0.5 * k)).label for k in range(4)]
    assert labels == ["happy", "happy", "unsure", "unsure"]
    assert display.update(_said(5.0, angry=0.9)).emotion == "angry"
    strange = dataclasses.replace(open_at(5.5), unfamiliar=True)
    labels = [display.update(dataclasses.replace(strange, end=5.5 + 0.5 * k)).label for k in range(4)]
    assert labels == ["angry", "angry", "unfamiliar", "unfamiliar"]
    assert [display.update(_said(8.0 + k)).label for k in range(3)][-1] == "no speech"


def test_what_is_asked_of_the_recognizer_holds_in_streams() -> None:
    careful = dataclasses.replace(MODEL, abstain_below=1.0)
    assert {p.label for p in StreamingRecognizer(careful, 16_000, 2.0).feed(SOUNDS[16_000][:40_000])} == {"unsure"}
