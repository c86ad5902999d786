"""Voices: what clips tell of one without labels, that nothing is told of a clip by itself, and what it is worth."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from vocalics import audio, modelfile, named_models, recognizer
from vocalics.audio import Clip
from vocalics.errors import ModelFileError, VocalicsError
from vocalics.export import familiarity
from vocalics.export import voice as graphs
from vocalics.manifest import Manifest, Utterance
from vocalics.recognizer import Recognizer
from vocalics.streaming import StreamingRecognizer
from vocalics.voices import PRIOR, Voice, apart, centres, directions, recordings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return recognizer.load(fakes.adaptable(tmp_path_factory.mktemp("model") / "used.onnx"))


def layers(n_speakers: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Clips of a mixed-effects model, each speaker mostly of one emotion; and the emotions' centres."""
    at, offsets = rng.normal(size=(4, 6)), 3 * rng.normal(size=(n_speakers, 6))
    speakers = np.repeat(np.arange(n_speakers), 30)
    truth = np.where(rng.random(len(speakers)) < 0.6, speakers % 4, rng.integers(0, 4, len(speakers)))
    values = at[truth] + offsets[speakers] + 0.3 * rng.normal(size=(len(speakers), 6))
    return values.astype(np.float32), truth, speakers, at


def test_centres_are_those_of_emotions_whoever_speaks() -> None:
    values, truth, speakers, at = layers(8, np.random.default_rng(0))

    def far(found: np.ndarray) -> float:
        """A shift common to all centres is the voices' as well."""
        return float(np.abs((found - found.mean(axis=0)) - (at - at.mean(axis=0))).max())

    plain = np.stack([values[truth == k].mean(axis=0) for k in range(4)])
    assert 3 * far(centres(values, truth, speakers, 4)) < far(plain)
    unnamed = centres(values, truth, [""] * len(values), 4)
    np.testing.assert_allclose(unnamed, plain, atol=1e-5)
    found = centres(values, truth, speakers, 6)
    np.testing.assert_allclose(found[4:], found[:4].mean(axis=0, keepdims=True).repeat(2, axis=0), atol=1e-5)


@pytest.mark.parametrize("n_often", [8, 800])
def test_centres_are_where_offsets_leave_them_however_often_one_speaks(n_often: int) -> None:
    rng = np.random.default_rng(2)
    speakers = np.array([0] * n_often + [k for k in range(1, 10) for _ in range(12)])
    truth = rng.integers(0, 3, len(speakers))
    values = (
        rng.normal(size=(10, 5))[speakers] + rng.normal(size=(3, 5))[truth] + rng.normal(size=(len(truth), 5))
    ).astype(np.float32)
    found = centres(values, truth, speakers, 3)
    rest = values - found[truth]
    offsets = np.stack([rest[speakers == k].sum(axis=0) / ((speakers == k).sum() + PRIOR) for k in range(10)])
    without = values - offsets[speakers]
    np.testing.assert_allclose(found, [without[truth == k].mean(axis=0) for k in range(3)], atol=1e-4)
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=1e-3)  # no voice differs from all voices


def test_what_is_known_of_a_voice_grows_with_what_it_says() -> None:
    voice = Voice.unknown("abc", 3)
    assert (voice.offset == 0).all()
    left = np.array([1.0, -2.0, 0.5], np.float32)
    once, often = voice.heard(left), voice
    for _ in range(200):
        often = often.heard(left)
    np.testing.assert_allclose(once.offset, left / (1 + PRIOR), rtol=1e-6)
    np.testing.assert_allclose(often.offset, left, rtol=0.02)
    half = voice.heard(left, 0.5).heard(left, 0.5)
    np.testing.assert_allclose(half.offset, once.offset)


def test_a_voice_comes_back_from_its_file_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    voice = Voice("f" * 64, rng.standard_normal(40).astype(np.float32), 2.75)
    voice.write(tmp_path / "ann.voice")
    back = Voice.read(tmp_path / "ann.voice")
    assert (back.model, back.n_clips) == (voice.model, 2.75) and (back.total == voice.total).all()
    assert not (back.total == 0).any()


NONE_CAN = "holds a voice of numbers that none can have"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RIFF....", "is no voice"),
        ("[]", "is no voice"),
        ('{"format": "vocalics voice 1", "model": "a", "n_clips": 1}', "is no voice"),
        ('{"format": "vocalics voice 1", "model": "a", "n_clips": 1, "total": "???"}', "is no voice"),
        ('{"format": "vocalics voice 2", "model": "a", "n_clips": 1, "total": ""}', "is no voice"),
        ('{"format": "vocalics voice 1", "model": "a", "n_clips": 1%s, "total": ""}' % ("0" * 400), "is no voice"),
        (
            '{"format": "vocalics voice 1", "model": "a", "n_clips": -1, "total": ""}',
            NONE_CAN,
        ),
        (
            '{"format": "vocalics voice 1", "model": "a", "n_clips": 1, "total": "AADAfw=="}',
            NONE_CAN,
        ),
    ],
)
def test_what_is_no_voice_is_said(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.voice").write_text(text, encoding="utf-8")
    with pytest.raises(VocalicsError, match=rf"a\.voice: {told}"):
        Voice.read(tmp_path / "a.voice")


def test_a_missing_voice_is_said(tmp_path: Path) -> None:
    with pytest.raises(VocalicsError, match=r"b\.voice: no such file; vocalics voice writes one"):
        Voice.read(tmp_path / "b.voice")


def _clips(speakers: list[str], digests: list[str] | None = None) -> list[Utterance]:
    known = digests or [""] * len(speakers)
    return [Utterance("", "", speaker, "", "neutral", digest=d) for speaker, d in zip(speakers, known, strict=True)]


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), n=st.integers(1, 50), seed=st.integers(0, 9))
def test_no_clip_tells_anything_of_itself(counts: list[int], n: int, seed: int) -> None:
    speakers = [f"s{k}" for k, count in enumerate(counts) for _ in range(count)] + ["", ""]
    parts = apart(_clips(speakers), n, np.random.default_rng(seed))
    judged = [i for together, _ in parts for i in together]
    assert sorted(judged) == list(range(len(speakers)))
    for together, heard in parts:
        assert not {*together} & {*heard} and len({*heard}) == len(heard)
        (name,) = {speakers[i] for i in (*together, *heard)}
        assert len(heard) == (min(n, speakers.count(name) - len(together)) if name else 0)
        assert not name or len(together) <= -(-speakers.count(name) // 5)


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30), n=st.integers(1, 30), seed=st.integers(0, 9))
def test_copies_of_one_recording_tell_nothing_of_each_other(names: list[str], n: int, seed: int) -> None:
    speakers = ["s"] * len(names) + ["t"] * 3
    recordings = [*names, "", "", ""]
    parts = apart(_clips(speakers, recordings), n, np.random.default_rng(seed))
    assert sorted(i for together, _ in parts for i in together) == list(range(len(speakers)))
    for together, heard in parts:
        (name,) = {speakers[i] for i in (*together, *heard)}
        own, others = ([recordings[i] or i for i in which] for which in (together, heard))
        assert not {*own} & {*others} and len({*others}) == len(others)
        assert len(others) == min(n, (len({*names}) if name == "s" else 3) - len({*own}))


def test_changed_copies_tell_nothing_of_what_they_were_made_from() -> None:
    rows = []
    for k in range(12):
        rows += [
            Utterance(f"{k}.wav", "", "s", "", "neutral", digest=f"{k}"),
            Utterance(f"{k}-noise.wav", "", "s", "", "neutral", digest=f"{k}n", parent=f"{k}.wav"),
            Utterance(f"x/../{k}-again.wav", "", "s", "", "neutral", digest=f"{k}n", parent=f"./{k}-noise.wav"),
            Utterance(f"{k}-lost.wav", "", "s", "", "neutral", digest=f"{k}l", parent=f"lost/{k}.wav"),
        ]
    parts = apart(rows, 100, np.random.default_rng(0))
    assert sorted(i for together, _ in parts for i in together) == list(range(48))
    for together, heard in parts:
        told = [i // 4 for i in heard if i % 4 < 3]
        assert not {i // 4 for i in together if i % 4 < 3} & {*told} and len({*told}) == len(told)
        assert not {i for i in together if i % 4 == 3} & {*heard}
    assert {len(heard) for _, heard in parts} == {19, 20}  # of 24 recordings


def test_a_recording_is_what_shares_a_digest_or_an_origin() -> None:
    def clip(path: str, digest: str, speaker: str, parent: str = "") -> Utterance:
        return Utterance(path, "", speaker, "", "neutral", digest=digest, parent=parent)

    rows = [
        clip("b.wav", "1", "s"),
        clip("c.wav", "", "s"),
        clip("a.wav", "2", "t"),
        clip("a-noise.wav", "1", "", "a.wav"),  # of the content of the first, made from the third
        clip("d.wav", "", "s"),
    ]
    assert recordings(rows) == [[0, 2, 3], [1], [4]]  # a digest that is not stated is nobody's
    assert recordings(rows[:3]) == [[0], [1], [2]] and recordings([]) == []


# What the deal was when the figures of docs/results/benchmark.md with known voices were measured.
DEALT = [([1, 4], [0, 5]), ([2], [0, 1]), ([3], [2, 4]), ([5], [2, 1]), ([0], [4, 3]), ([7], [6]), ([6], [7])]


def test_who_has_no_recording_twice_is_dealt_as_in_published_figures() -> None:
    speakers = ["s"] * 6 + ["t"] * 2
    plain = apart(_clips(speakers), 2, np.random.default_rng(5))
    assert plain == apart(_clips(speakers, [f"{k}" for k in range(8)]), 2, np.random.default_rng(5))
    assert plain == DEALT


def test_a_link_to_a_voice_stays_one(model: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "ann.voice").symlink_to(tmp_path / "kept" / "real.voice")
    model.unknown_voice().write(tmp_path / "ann.voice")
    assert (tmp_path / "ann.voice").is_symlink()
    assert Voice.read(tmp_path / "kept" / "real.voice").n_clips == 0
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["real.voice"]


def test_the_graph_takes_the_voice_from_its_layer(model: Recognizer) -> None:
    clip = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32) * 0.1
    plain = model.model.probabilities(clip)
    width = model.model.voice_width
    assert width == 96
    same, _, left = model.model.hear(clip, np.zeros(width, np.float32))
    np.testing.assert_array_equal(plain, same)
    bundled = recognizer.load()
    np.testing.assert_allclose(plain, bundled.model.probabilities(clip), atol=1e-6)
    graph = onnx.load(str(named_models.model_path()))
    name = fakes.hidden_layer(graph)
    graph.graph.output.append(helper.make_empty_tensor_value_info(name))
    exposed = modelfile.load(graph.SerializeToString())
    held = exposed.session.run([name], {"waveform": clip})[0]
    at = np.random.default_rng(0).standard_normal((8, 96)).astype(np.float32)  # as fakes.adaptable
    np.testing.assert_allclose(left, held - plain @ at, atol=1e-3)
    voice = np.random.default_rng(1).standard_normal(width).astype(np.float32)
    known, strange = model.model.judge(clip, voice)
    assert np.abs(known - plain).max() > 0.01
    np.testing.assert_array_equal(strange, model.model.judge(clip)[1])
    net = {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}
    last = net[next(k for k in net if k.endswith("head.5.weight"))], net[next(k for k in net if k.endswith("5.bias"))]
    logits = (np.maximum(held - voice, 0) @ last[0].T + last[1]) / model.card.temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(known, shares / shares.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_recognizer_learns_from_recordings(model: Recognizer, tmp_path: Path) -> None:
    clips = [fakes.voice(1.5, pitch) for pitch in (120.0, 180.0)]
    voice = model.unknown_voice()
    for clip in clips:
        voice = model.learn(clip, voice=voice)
    assert voice.n_clips == pytest.approx(2.0)
    given = [model.given(clip) for clip in clips]
    first = model.model.hear(given[0], np.zeros(96, np.float32))[-1][0]
    second = model.model.hear(given[1], first / np.float32(1 + PRIOR))[-1][0]
    np.testing.assert_allclose(voice.total, first + second, rtol=1e-4, atol=1e-4)
    knowing = dataclasses.replace(model, voice=voice)
    third = fakes.voice(1.5, 150.0)
    said = [[*m.predict(third).probabilities.values()] for m in (model, knowing)]
    np.testing.assert_allclose(said[1], model.model.judge(model.given(third), voice.offset)[0][0], atol=1e-6)
    assert np.abs(np.array(said[0]) - said[1]).max() > 1e-3
    more = knowing.learn(third)
    assert more.n_clips == pytest.approx(3.0) and voice.n_clips == pytest.approx(2.0)
    silent = model.learn(Clip(np.zeros(16_000, np.float32), 16_000))
    assert silent.n_clips == 0


def test_a_long_recording_counts_by_its_windows(model: Recognizer) -> None:
    voice = model.learn(fakes.voice(15.0, 140.0))
    assert voice.n_clips == pytest.approx(15.0 / model.card.window_seconds)


def test_a_voice_is_of_use_to_its_model_alone(model: Recognizer, tmp_path: Path) -> None:
    deaf = recognizer.load(fakes.unadaptable(tmp_path / "deaf.onnx"))
    voice = model.learn(fakes.voice(1.0))
    with pytest.raises(VocalicsError, match="default gets used to no voice; the voice is for another one"):
        recognizer.load(tmp_path / "deaf.onnx", voice=voice)
    with pytest.raises(VocalicsError, match="learned by another model"):
        recognizer.load(voice=voice)
    foreign = Voice.unknown("0" * 64, 96)
    with pytest.raises(VocalicsError, match="learned by another model"):
        model.learn(fakes.voice(1.0), voice=foreign)
    with pytest.raises(VocalicsError, match="learned by another model"):
        model.follow(foreign)
    with pytest.raises(VocalicsError, match="holds 3 numbers, default takes 96"):
        dataclasses.replace(model, voice=Voice.unknown(model.model.sha256, 3))
    with pytest.raises(
        VocalicsError, match="model default gets used to no voice; expected one that does: a bundled one"
    ):
        deaf.learn(fakes.voice(1.0))
    with pytest.raises(VocalicsError, match="gets used to no voice"):
        deaf.timeline(fakes.voice(5.0), adapt=True)
    with pytest.raises(VocalicsError, match="gets used to no voice"):
        StreamingRecognizer(deaf, 16_000, adapt=True)


@pytest.mark.parametrize("hop", [0.5, 2.0])
def test_a_stream_gets_used_to_a_voice_as_a_timeline_does(model: Recognizer, hop: float) -> None:
    sound = np.concatenate([fakes.voice(3.0, pitch).samples for pitch in (120.0, 190.0, 150.0)])
    found = list(model.timeline(sound, 16_000, 2.0, hop, adapt=True))
    stream, told = StreamingRecognizer(model, 16_000, 2.0, hop, adapt=True), []
    for start in range(0, len(sound), 1_234):
        told += stream.feed(sound[start : start + 1_234])
    told += stream.flush()
    assert [p.start for p in told] == [p.start for p in found] and len(found) > 3
    for one, other in zip(told, found, strict=True):
        np.testing.assert_allclose([*one.probabilities.values()], [*other.probabilities.values()], atol=2e-5)
    plain = list(model.timeline(sound, 16_000, 2.0, hop))
    assert plain[0].probabilities == found[0].probabilities  # of the first window nothing was known
    assert max(abs(a.probabilities["sad"] - b.probabilities["sad"]) for a, b in zip(plain, found, strict=True)) > 1e-3
    assert stream.voice is not None
    ends = [0.0, *(p.end for p in found)]
    counts = [(p.end - max(p.start, before)) / (p.end - p.start) for p, before in zip(found, ends, strict=False)]
    assert stream.voice.n_clips == pytest.approx(sum(counts), rel=0.02)  # what is heard twice counts once
    assert sum(counts) < len(found) or hop == 2.0


def test_sound_counts_once_whatever_lies_between(model: Recognizer) -> None:
    follower, clip = model.follow(), fakes.voice(2.0, 150.0)
    quiet = Clip(np.zeros(32_000, np.float32), 16_000)
    follower.judge(0, clip)
    assert follower.voice.n_clips == pytest.approx(1.0)
    follower.judge(16_000, clip)  # the first second of it was heard before
    assert follower.voice.n_clips == pytest.approx(1.5)
    follower.judge(48_000, quiet)
    follower.judge(96_000, clip)
    assert follower.voice.n_clips == pytest.approx(2.5)


@pytest.mark.parametrize("name", ["tiny", "tiny-int8"])
def test_in_c_nothing_is_left_of_voices(name: str, tmp_path: Path) -> None:
    from vocalics.edge import network

    plain = onnx.load(str(fakes.unadaptable(tmp_path / "plain.onnx", name)))
    used = onnx.load(str(named_models.model_path(name)))
    assert network.text(used, 200) == network.text(plain, 200)


def test_in_c_a_net_of_features_is_as_without_voices() -> None:
    pytest.importorskip("torch")
    from vocalics.edge import network
    from vocalics.export import onnx as onnx_export
    from vocalics.models.dense import dense_head

    net = dense_head(3, 8, (16,), 0.0, 0.0).eval()
    plain, used = (onnx_export.from_torch(net, (8,)) for _ in range(2))
    name = graphs.layer(used)
    assert name is not None
    graphs.add(used, name, np.ones((3, 16), np.float32))
    wanted, found = (network.text(g, 1) for g in (plain, used))
    assert found == wanted and "TELLS_STRANGENESS 0" in found["network.h"]


def test_what_sets_corpora_apart_is_no_voice(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values, truth, speakers, _ = layers(12, rng)
    corpora = speakers % 3
    apart_by = 5 * rng.normal(size=(3, 6))
    values = (values + apart_by[corpora]).astype(np.float32)
    at = centres(values, truth, speakers, 4)
    found = directions(values, truth, speakers, corpora, at)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-5)
    known = (apart_by - apart_by.mean(axis=0)) / np.linalg.norm(apart_by - apart_by.mean(axis=0), axis=1, keepdims=True)
    assert (
        np.linalg.norm(known @ found.T, axis=1).min() > 0.8
    )  # the speakers' own differences, four each, are in it too
    assert directions(values, truth, speakers, ["x"] * len(values), at).shape == (0, 6)
    graph = onnx.load(str(fakes.unadaptable(tmp_path / "plain.onnx")))
    made = rng.standard_normal((8, 96)).astype(np.float32)
    spared = np.linalg.qr(rng.standard_normal((96, 3)))[0].T.astype(np.float32)
    plain, used = (onnx.ModelProto.FromString(graph.SerializeToString()) for _ in range(2))
    graphs.add(plain, fakes.hidden_layer(graph), made)
    graphs.add(used, fakes.hidden_layer(graph), made, spared)
    clip, unknown = rng.standard_normal((2, 20_000)).astype(np.float32) * 0.1, np.zeros(96, np.float32)
    whole, rest = (modelfile.load(g.SerializeToString()).hear(clip, unknown)[-1] for g in (plain, used))
    np.testing.assert_allclose(rest, whole - whole @ spared.T @ spared, atol=1e-3)
    assert np.abs(whole @ spared.T).max() > 1
    told = graphs.take_away(used)
    assert told is not None and told[2] is not None and (told[2] == spared).all()
    assert used.graph.SerializeToString() == graph.graph.SerializeToString()
    # Of whom corpora tell nothing, as of a graph from before, all is a voice.
    graphs.add(used, told[0], told[1], spared[:0])
    assert used.graph.SerializeToString() == plain.graph.SerializeToString()


def test_what_was_added_can_be_taken_away(tmp_path: Path) -> None:
    graph = onnx.load(str(fakes.adaptable(tmp_path / "used.onnx")))
    found = graphs.take_away(graph)
    assert found is not None and found[0] == fakes.hidden_layer(graph) and found[2] is None
    np.testing.assert_array_equal(found[1], np.random.default_rng(0).standard_normal((8, 96)).astype(np.float32))
    onnx.checker.check_model(graph)
    plain = onnx.load(str(fakes.unadaptable(tmp_path / "plain.onnx")))
    assert graph.graph.SerializeToString() == plain.graph.SerializeToString()
    assert graphs.take_away(graph) is None
    graphs.add(graph, *found)
    assert graph.graph.SerializeToString() == onnx.load(str(tmp_path / "used.onnx")).graph.SerializeToString()


def test_half_a_voice_is_refused() -> None:
    graph = onnx.load_model_from_string(fakes.waveform_model())
    graph.graph.input.append(helper.make_tensor_value_info("voice", TensorProto.FLOAT, [3]))
    graph.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "voice"))
    with pytest.raises(ModelFileError, match=r'takes a "voice" of shape \[3\] and gives "voice_left" of shape None'):
        modelfile.load(graph.SerializeToString())


def test_a_net_trained_for_voices_hears_new_ones_better_the_more_it_knows_of_them() -> None:
    """Classes lie closer together than voices do; on new speakers, who say what nobody labelled."""
    torch = pytest.importorskip("torch")
    from vocalics.export import onnx as onnx_export
    from vocalics.models.dense import dense_head
    from vocalics.models.rows import RowAugmentation, RowClassifier

    rng = np.random.default_rng(4)
    n_new, n_old, n_classes = 12, 40, 4
    at = rng.normal(size=(n_classes, 12))

    def said(n_speakers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        speakers = np.repeat(np.arange(n_speakers), 40)
        truth = rng.integers(0, n_classes, len(speakers))
        offsets = 1.5 * rng.normal(size=(n_speakers, 12))
        x = at[truth] + offsets[speakers] + 0.7 * rng.normal(size=(len(speakers), 12))
        return x.astype(np.float32), truth, speakers

    x, truth, speakers = said(n_old)
    names = np.array([f"s{k}" for k in speakers])
    net = RowClassifier(
        dense_head,
        augmentation=RowAugmentation(voice=0.75),
        speakers=names,
        classes=["a", "b", "c", "d"],
        max_epochs=25,
        lr=3e-3,
        batch_size=64,
        optimizer=torch.optim.Adam,
        module__n_features=12,
        module__widths=(48,),
        module__dropout=0.1,
        module__input_dropout=0.0,
        module__n_classes=n_classes,
    )
    net.fit(x, np.array(["a", "b", "c", "d"])[truth])
    graph = onnx_export.from_torch(net.module_.eval(), (12,))
    layer = graphs.layer(graph)
    assert layer is not None
    graphs.add(graph, layer, centres(graphs.values(graph, layer, x), truth, names, n_classes))
    about = fakes.card(
        input="features", feature_set="zcr_chroma_mfcc_rms_mel", emotions=("neutral", "happy", "sad", "angry")
    )
    from vocalics.export.card import with_card

    model = modelfile.load(with_card(graph.SerializeToString(), about))
    x, truth, speakers = said(n_new)

    def right(heard_of: list[np.ndarray]) -> float:
        """Share of right answers, the voice known from some clips of each speaker."""
        good = 0
        for k, heard in enumerate(heard_of):
            voice = Voice.unknown(model.sha256, model.voice_width)
            for i in heard:
                voice = voice.heard(model.hear(x[i][None], voice.offset)[-1][0])
            own = np.setdiff1d(np.flatnonzero(speakers == k), heard)
            good += int((model.judge(x[own], voice.offset)[0].argmax(axis=1) == truth[own]).sum())
        return good / sum(len(np.setdiff1d(np.flatnonzero(speakers == k), h)) for k, h in enumerate(heard_of))

    own = [rng.permutation(np.flatnonzero(speakers == k)) for k in range(n_new)]
    nothing, few, many = (right([q[:n] for q in own]) for n in (0, 3, 20))
    assert nothing + 0.05 < few < many - 0.02, (nothing, few, many)
    # Heard in one emotion alone, a voice is not taken for one that always sounds so.
    one_sided = right([q[truth[q] == 1][:8] for q in own])
    assert one_sided > nothing + 0.03, (nothing, one_sided)


def test_a_single_path_is_one_recording(model: Recognizer, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", fakes.voice())
    one, many = model.knowing(str(tmp_path / "a.wav")).voice, model.knowing([tmp_path / "a.wav"]).voice
    assert one and many and (one.total == many.total).all() and one.n_clips == many.n_clips > 0


def spoken(folder: Path, n_speakers: int) -> Manifest:
    """Clips of speakers a, b and so on, of every emotion of the default net, which speak differently."""
    rows = []
    for speaker in "abcdef"[:n_speakers]:
        for k, emotion in enumerate(recognizer.load().emotions):
            path = folder / f"{speaker}-{emotion}.wav"
            audio.write(path, fakes.voice(0.8, 100 + 20 * k + 3 * (ord(speaker) - 97)))
            rows.append(Utterance(str(path), corpus="own", speaker=speaker, label="", emotion=emotion))
    return Manifest(tuple(rows))


def trained_on(speakers: tuple[str, ...], path: Path) -> Path:
    """The bundled default, said to be trained on other speakers, and that gets used to no voice."""
    return fakes.unadaptable(path, training_speakers=speakers)


def test_a_net_is_taught_to_get_used_to_voices(tmp_path: Path, run: Run) -> None:
    clips = spoken(tmp_path, 3)
    clips.write(tmp_path / "clips.csv")
    source, target = trained_on(("a", "b"), tmp_path / "before.onnx"), tmp_path / "after.onnx"
    code, out, err = run("models", "voices", str(source), str(tmp_path / "clips.csv"), "-o", str(target))
    assert (code, err) == (0, "") and "centres of 16 clips of 2 training speakers" in out
    before, after = recognizer.load(source), recognizer.load(target)
    assert (before.model.voice_width, after.model.voice_width) == (0, 96) and after.card == before.card
    sound = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32) * 0.1
    np.testing.assert_array_equal(before.model.probabilities(sound), after.model.probabilities(sound))
    graph = onnx.load(str(source))
    held, heard = familiarity.values(graph, fakes.hidden_layer(graph), [u.path for u in clips][:16], lambda *_: None)
    assert heard == [*range(16)]
    expected = centres(held, [*range(8), *range(8)], [u.speaker for u in clips][:16], 8)
    at = next(i for i in onnx.load(str(target)).graph.initializer if i.name == graphs.CENTRES)
    np.testing.assert_allclose(numpy_helper.to_array(at), expected, atol=1e-5)
    clips.where(lambda u: u.emotion != "calm").write(tmp_path / "few.csv")
    code, out, _ = run("models", "voices", str(source), str(tmp_path / "few.csv"), "-o", str(tmp_path / "few.onnx"))
    assert code == 0 and "centres of 14 clips" in out and "no clip of calm" in out
    learned = after.learn(clips[0].path)
    assert learned.n_clips > 0 and np.abs(learned.total).max() > 0
    for model, speakers, words in (
        (target, ("a", "b"), "gets used to voices already"),
        (
            fakes.unadaptable(tmp_path / "eight.onnx", "tiny-int8"),
            ("a", "b"),
            "in floats (a copy in eight bits is made afterwards)",
        ),
        (trained_on(("a",), tmp_path / "one.onnx"), ("a",), "(1 of 1); expected several speakers and emotions"),
        (
            trained_on(("z", "y"), tmp_path / "none.onnx"),
            (),
            "0 clips with speech are of training speakers of default (0 of 2)",
        ),
    ):
        code, out, err = run(
            "models", "voices", str(model), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "x.onnx")
        )
        assert (code, out) == (1, "") and words in err and err.count("\n") == 1, speakers
    assert not (tmp_path / "x.onnx").exists()


def test_a_net_that_ends_in_one_linear_map_tells_no_voice() -> None:
    """Its logits are no layer of voices, whatever maps stand before."""
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["rows"]),
        helper.make_node("ReduceMax", ["rows"], ["pooled"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["pooled", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [modelfile.OUTPUT]),
    ]
    constants = [numpy_helper.from_array(np.ones((4, 4), np.float32), name) for name in "ab"]
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "rows", 4])
    given_ = helper.make_tensor_value_info(modelfile.OUTPUT, TensorProto.FLOAT, ["n", 4])
    graph = helper.make_model(helper.make_graph(nodes, "net", [taken], [given_], constants))
    assert graphs.inner(graph) is None and familiarity.layer(graph) == "pooled"
    graph.graph.node.insert(3, helper.make_node("MatMul", ["logits", "b"], ["more"]))
    graph.graph.node[-1].input[0] = "more"
    assert graphs.inner(graph) == "logits" and familiarity.layer(graph) == "pooled"


def test_a_voice_is_taught_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
    """What writes the file is the onnx package alone, and where it is missing its own extra is named."""
    monkeypatch.setitem(sys.modules, "torch", None)
    spoken(tmp_path, 2).write(tmp_path / "clips.csv")
    source = trained_on(("a", "b"), tmp_path / "before.onnx")
    command = ("models", "voices", str(source), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "after.onnx"))
    assert run(*command)[0] == 0
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, _, err = run(*command)
    assert code == 1 and "pip install 'vocalics[export]'" in err
