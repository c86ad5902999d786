"""The only path from audio to emotion: one result whatever the source, the level or the way of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vocalics
from vocalics import audio, modelfile
from vocalics.audio import Clip
from vocalics.emotions import EMOTIONS
from vocalics.errors import AudioError, ModelFileError, VocalicsError
from vocalics.export.card import with_card
from vocalics.named_models import bundled, model_path
from vocalics.recognizer import WHOLE_SECONDS, Recognizer, load
from vocalics.segment import speech_seconds
from vocalics.windows import Windows

MODEL = Recognizer(modelfile.load(fakes.waveform_model()))


def long_clip() -> Clip:
    """27 s: a low voice, silence, noise, a high voice."""
    parts = [fakes.voice(7), Clip(np.zeros(128_000, np.float32), 16_000), fakes.noise(3), fakes.voice(9, 300)]
    return Clip(np.concatenate([p.samples for p in parts]), 16_000)


def test_a_prediction_holds_every_emotion() -> None:
    prediction = MODEL.predict(fakes.voice(2.0))
    assert tuple(prediction.probabilities) == EMOTIONS == MODEL.emotions
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert (
        prediction.emotion
        == prediction.label
        == max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    )
    assert prediction.confidence == max(prediction.probabilities.values())
    assert (prediction.start, prediction.end, prediction.path, prediction.model) == (0, 2, "", "fake")
    assert MODEL.predict(fakes.voice(2.0, f0=420)).emotion != prediction.emotion


def test_every_kind_of_source_gives_the_same_probabilities(tmp_path: Path) -> None:
    clip = fakes.voice(2.0, sample_rate=44_100)
    path = tmp_path / "a.wav"
    audio.write(path, clip, "FLOAT")
    expected = MODEL.predict(clip).probabilities
    stereo = np.stack([clip.samples, clip.samples], axis=1)
    for source in ((path,), (str(path),), (path.read_bytes(),), (clip.samples, 44_100), (stereo, 44_100)):
        assert MODEL.predict(*source).probabilities == expected  # type: ignore[arg-type]
    assert MODEL.predict(path).path == str(path)
    assert MODEL.predict(path.read_bytes()).path == "-"
    assert MODEL.predict(clip.samples, 16_000).probabilities != expected


def test_level_changes_no_label() -> None:
    for clip in (fakes.voice(2.0), long_clip(), fakes.noise(2.0)):
        quiet = Clip(clip.samples * np.float32(0.1), 16_000)
        assert MODEL.predict(quiet).label == MODEL.predict(clip).label


@pytest.mark.parametrize(
    "clip",
    [
        Clip(np.zeros(16_000, np.float32), 16_000),
        fakes.noise(2.0),
        fakes.voice(0.2),
        Clip(np.ones(1, np.float32), 8_000),
    ],
    ids=["zeros", "noise", "too short", "one sample"],
)
def test_no_speech_is_no_emotion(clip: Clip) -> None:
    prediction = MODEL.predict(clip)
    assert prediction.emotion is None
    assert prediction.label == "no speech"
    assert prediction.confidence == 0
    assert dict(prediction.probabilities) == dict.fromkeys(EMOTIONS, 0.0)


def test_a_long_recording_is_the_mean_of_its_windows_by_their_speech() -> None:
    clip = long_clip()
    windows = [audio.excerpt(clip, start, start + 3) for start in range(0, 27, 3)]
    weights = np.array([speech_seconds(w) for w in windows])
    each = np.array([list(MODEL.predict(w).probabilities.values()) for w in windows])
    expected = weights @ each / weights.sum()
    assert list(MODEL.predict(clip).probabilities.values()) == pytest.approx(expected, abs=1e-9)
    assert 0 < np.count_nonzero(weights) < len(weights)
    assert np.abs(expected - each.mean(axis=0)).max() > 0.01


def test_up_to_ten_seconds_go_through_in_one_piece() -> None:
    clip = audio.excerpt(long_clip(), 27 - WHOLE_SECONDS)
    direct = MODEL.model.probabilities(clip.samples[None])[0]
    assert list(MODEL.predict(clip).probabilities.values()) == pytest.approx(direct, abs=1e-9)
    longer = Clip(np.append(clip.samples, clip.samples[:1]), 16_000)
    assert list(MODEL.predict(longer).probabilities.values()) != pytest.approx(direct, abs=1e-6)


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
def test_reading_in_blocks_equals_reading_whole(
    tmp_path: Path, sample_rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.wav"
    audio.write(path, audio.resample(long_clip(), sample_rate), "FLOAT")
    whole = MODEL.predict(audio.read(path))
    lines = list(MODEL.timeline(audio.read(path)))
    for seconds in (0.01, 0.7, 5.0, 100.0):
        stream = audio.stream
        with monkeypatch.context() as patch:
            patch.setattr(audio, "stream", lambda s, rate, seconds=seconds, stream=stream: stream(s, rate, seconds))
            assert MODEL.predict(path).probabilities == whole.probabilities
            assert [p.probabilities for p in MODEL.timeline(path)] == [p.probabilities for p in lines]
    assert len({tuple(p.probabilities.values()) for p in lines}) > 3


def cut(samples: np.ndarray, sizes: list[int], **settings: float) -> list[tuple[int, np.ndarray]]:
    windows = Windows(sample_rate=10, **settings)  # type: ignore[arg-type]
    found, position = [], 0
    for size in [*sizes, len(samples)]:
        found += list(windows.feed(samples[position : position + size]))
        position += size
    return found + list(windows.flush())


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(0, 300),
    sizes=st.lists(st.integers(0, 60), max_size=30),
    window=st.integers(3, 50),
    hop=st.integers(1, 50),
    whole=st.sampled_from([0, 0, 80]),
)
def test_windows_do_not_depend_on_how_they_are_fed(n: int, sizes: list[int], window: int, hop: int, whole: int) -> None:
    hop = window if whole else min(hop, window)
    samples = np.arange(n, dtype=np.float32)
    options = {"window": window / 10, "hop": hop / 10, "whole": whole / 10}
    expected = cut(samples, [], **options)
    found = cut(samples, sizes, **options)
    assert [start for start, _ in found] == [start for start, _ in expected]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))
    # Together they hold every sample, at its place; all are a window long but the last.
    assert all(np.array_equal(part, samples[start : start + len(part)]) for start, part in found)
    assert {int(s) for _, part in found for s in part} == set(range(n))
    assert all(len(part) == window for _, part in found[:-1])
    longest = Windows(sample_rate=10, **options).longest
    assert all(len(part) <= round(longest * 10) for _, part in found)
    reached = cut(np.zeros(round(longest * 10), np.float32), [], **options)
    assert len(reached[-1][1]) == round(longest * 10) or len(reached) > 1
    if len(found) > 1:
        assert window / 2 <= len(found[-1][1]) < 1.5 * window + 1
        assert [start for start, _ in found] == [hop * k for k in range(len(found))]
    if n <= whole:
        assert len(found) == 1


def test_a_timeline_names_its_windows(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    audio.write(path, long_clip(), "FLOAT")
    rows = list(MODEL.timeline(path))
    assert [(r.start, r.end) for r in rows] == [(1.5 * k, 1.5 * k + 3) for k in range(17)]
    assert {r.label for r in rows if r.start >= 7 and r.end <= 18} == {"no speech"}
    assert all(r.emotion for r in rows if r.end <= 7 or r.start >= 18)
    wide = list(MODEL.timeline(path, window=10, hop=10))
    assert [(r.start, r.end) for r in wide] == [(0, 10), (10, 20), (20, 27)]
    assert [(r.start, r.end) for r in MODEL.timeline(path, window=12)][:2] == [(0, 12), (1.5, 13.5)]


def test_a_timeline_of_a_short_clip_is_one_row() -> None:
    assert [(r.start, r.end) for r in MODEL.timeline(fakes.voice(1.0))] == [(0, 1)]


@pytest.mark.parametrize(
    ("window", "hop", "message"),
    [
        (0.1, None, r"a window of 0\.1 s is too short to judge; expected at least 0\.25 s"),
        (float("nan"), None, "too short to judge"),
        (2, 3, "a hop of 3 s leaves gaps or stands still; expected above 0, at most 2 s"),
        (2, 0, "a hop of 0 s leaves gaps or stands still"),
    ],
)
def test_windows_that_cannot_be(window: float, hop: float | None, message: str) -> None:
    with pytest.raises(VocalicsError, match=message):
        MODEL.timeline(fakes.voice(), window=window, hop=hop)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(9),), r"an array needs its sample rate; expected predict\(samples, sample_rate\)"),
        (("x.wav", 16_000), r"x\.wav: sample_rate=16000 is for arrays; a file carries its own, leave it out"),
        ((fakes.voice(), 8_000), "the clip's sample rate is 16000 Hz, not 8000"),
        ((np.zeros(0), 16_000), "the clip holds no samples"),
        ((np.array([0.1, np.nan]), 16_000), "sample 1 is not a finite number"),
        ((np.zeros((2, 9_000)), 16_000), r"shape \(2, 9000\) is not sound.*; transpose it"),
    ],
)
def test_sources_that_cannot_be(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        MODEL.predict(*arguments)


def test_many_clips_are_judged_as_one_by_one() -> None:
    clips = [fakes.voice(1.0), fakes.noise(), fakes.voice(2.0, 420)]
    results = MODEL.predict_clips(clips)
    assert [r.probabilities for r in results] == [MODEL.predict(c).probabilities for c in clips]
    assert len({r.label for r in results}) == 3


def test_a_clip_whose_features_are_not_finite_is_unusable_sound(tmp_path: Path) -> None:
    feature_sets = pytest.importorskip("vocalics.features.feature_set")
    n = len(feature_sets.feature_set("mfcc_chroma_mel").columns)
    card = fakes.card(input="features", feature_set="mfcc_chroma_mel", n_features=n, sample_rate=22_050)
    model = Recognizer(modelfile.load(with_card(fakes.features_graph(n), card)))
    voice = fakes.voice(1.0)
    loud = Clip(voice.samples * np.float32(1e30), voice.sample_rate)
    audio.write(tmp_path / "loud.wav", loud, "FLOAT")
    assert model.predict(voice).emotion is not None
    with np.errstate(all="ignore"), pytest.raises(AudioError, match=r"loud\.wav: .* is not finite; check the clip"):
        model.predict(tmp_path / "loud.wav")
    with np.errstate(all="ignore"), pytest.raises(AudioError, match=r"the clip: .* is not finite"):
        list(model.timeline(loud))


def test_a_features_model_asks_its_feature_set(monkeypatch: pytest.MonkeyPatch) -> None:
    feature_sets = pytest.importorskip("vocalics.features.feature_set")
    rates = []

    class FourNumbers:
        sample_rate = 8_000

        def extract(self, clip: Clip) -> np.ndarray:
            rates.append(clip.sample_rate)
            return np.array([clip.duration, 1, 2, 3], np.float32)

    monkeypatch.setattr(feature_sets, "feature_set", {"four": FourNumbers()}.__getitem__)
    card = fakes.card(input="features", feature_set="four", n_features=4, sample_rate=8_000)
    model = Recognizer(modelfile.load(with_card(fakes.features_graph(4), card)))
    assert model.predict(fakes.voice(2.0)).emotion
    assert rates == [8_000]
    monkeypatch.setattr(FourNumbers, "extract", lambda self, clip: np.zeros(3, np.float32))
    with pytest.raises(ModelFileError, match="expects 4 features, four gives 3"):
        model.predict(fakes.voice(2.0))


def test_models_are_loaded_by_path_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.waveform_model(tmp_path / "mine.onnx")
    assert load(tmp_path / "mine.onnx").card.name == "fake"
    assert vocalics.load(str(tmp_path / "mine.onnx")).predict(fakes.voice()).emotion
    with pytest.raises(ModelFileError, match=r"other\.onnx: no such model file"):
        load(tmp_path / "other.onnx")
    monkeypatch.setattr("vocalics.named_models.bundled", lambda: {"default": tmp_path / "mine.onnx"})
    assert load().card.name == "fake"
    assert model_path("default") == tmp_path / "mine.onnx"
    with pytest.raises(ModelFileError, match='unknown model "defualt"; did you mean "default"'):
        load("defualt")


def test_bundled_models_are_files() -> None:
    assert all(path.is_file() and path.stem == name for name, path in bundled().items())


def test_the_package_offers_its_names() -> None:
    assert {"load", "Recognizer", "Prediction"} <= set(dir(vocalics)) & set(vocalics.__all__)
    assert vocalics.Recognizer is Recognizer
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        vocalics.predict  # noqa: B018


def test_quiet_ends_are_cut_where_the_card_says_so() -> None:
    voice = fakes.voice(2.0)
    quiet = (1e-4 * np.sin(np.arange(16_000) * 2.9)).astype(np.float32)  # changes sign much more often than the voice
    around = Clip(np.concatenate([quiet, voice.samples, quiet]), 16_000)
    plain, cutting = (Recognizer(modelfile.load(fakes.waveform_model(trim_db=t))) for t in (None, 40.0))

    cut = cutting.predict(around).probabilities
    assert cut == plain.predict(Clip(around.samples[14_400:49_600], 16_000)).probabilities
    assert cut != plain.predict(around).probabilities
    assert cutting.predict(around).end == 4.0
