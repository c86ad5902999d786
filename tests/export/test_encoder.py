"""Whisper's encoder as a graph: what torch computes, and a head on it that is one model file."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import onnx
import pytest

from vocalics import audio, encoders, modelfile, named_models, recognizer, training
from vocalics.audio import Clip
from vocalics.dataset import Data
from vocalics.errors import EncoderError, ModelFileError, VocalicsError
from vocalics.export import card as card_file
from vocalics.export import encoder as export
from vocalics.export.half import halved
from vocalics.features.feature_set import at_peak
from vocalics.manifest import Manifest, Utterance
from vocalics.recipe import Recipe

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Whisper with random weights that say something."""
    folder = tmp_path_factory.mktemp("encoder") / "whisper"
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=3, decoder_layers=1, vocab_size=60_000, max_source_positions=1500,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=0.3,
    )  # fmt: skip
    net = transformers.WhisperModel(config)
    for name, parameter in net.named_parameters():
        if name.endswith("bias") or "layer_norm" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    net.half().save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def run(model: onnx.ModelProto, clip: Clip) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["features"], {"waveform": clip.samples[None]})[0][0]


@pytest.mark.parametrize("n_samples", [16_000, 15_903, 16_161, 1_600, 700, 480_000])
def test_the_graphs_features_are_torchs(whisper: Path, n_samples: int) -> None:
    clip = Clip(fakes.voice(30.0).samples[:n_samples], 16_000)
    found = run(export.whisper(whisper, (1, 3)), clip)
    expected = encoders.statistics(encoders.load(str(whisper), 3).frames(clip), (1, 3))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert expected.std() > 0.1 and not np.allclose(found[:32], found[32:], atol=0.05)


@pytest.mark.parametrize("n_samples", [16_000, 15_903, 1_600, 700])
def test_the_graphs_course_of_a_clip_is_torchs_whatever_its_level(whisper: Path, n_samples: int) -> None:
    clip = Clip(fakes.voice(30.0).samples[8_000:][:n_samples], 16_000)
    model = export.whisper(whisper, (1, 3), course=True)
    expected = encoders.statistics(encoders.load(str(whisper), 3).frames(at_peak(clip)), (1, 3), course=True)
    for gain in (1.0, 0.01):
        found = run(model, Clip(clip.samples * np.float32(gain), 16_000))
        np.testing.assert_allclose(found, expected, atol=5e-5)


def test_what_is_beyond_the_positions_is_cut(whisper: Path) -> None:
    model, long = export.whisper(whisper, (1,)), fakes.voice(31.0)
    np.testing.assert_allclose(run(model, long), run(model, Clip(long.samples[:480_000], 16_000)), atol=1e-6)


def test_weights_stay_as_small_as_they_are_published(whisper: Path) -> None:
    size = len(export.whisper(whisper, (1, 2)).SerializeToString())
    assert size < 2 * 1500 * 16 + 4 * 80 * 201 + 60_000  # positions in float16, the bands in float32, and little else
    assert len(export.whisper(whisper, (3,)).SerializeToString()) > size


@pytest.fixture(scope="module")
def head(whisper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logistic regression on the encoder's blocks, trained on 18 voices."""
    folder, rows = tmp_path_factory.mktemp("head"), []
    for speaker in range(3):
        for emotion, pitch in {"neutral": 110.0, "happy": 170.0, "angry": 250.0}.items():
            for take in range(2):
                path = folder / f"{speaker}-{emotion}-{take}.wav"
                audio.write(path, fakes.voice(0.7, pitch * (1 + 0.03 * take + 0.01 * speaker)))
                rows.append(Utterance(str(path), "folder", f"folder/{speaker}", "", emotion))
    data = Data(Manifest(tuple(rows)).with_digests(), tuple(range(18)), (), {}, ("neutral", "happy", "angry"))
    recipe = Recipe("head", "for tests", "logistic_regression", scheme="three", features=f"{whisper}@1,2")
    return training.train_on(data, recipe, folder / "run", threads=1)


def test_head_and_encoder_in_one_file_say_what_they_say_apart(
    whisper: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))
    target = tmp_path / "joined.onnx"
    export.join(head, str(whisper), target)
    one, two = recognizer.load(head), recognizer.load(target)
    assert two.card.input == "waveform" and two.card.name == "head"
    assert two.card.n_parameters > one.card.n_parameters
    assert one.card.feature_set == "whisper@1,2"  # no folder of this machine
    with pytest.raises(VocalicsError, match="a window of 60 s is more than head hears, 30 s"):
        next(two.timeline(fakes.voice(1.0), window=60.0))
    # The last window takes in a rest of which the graph would hear nothing.
    with pytest.raises(
        VocalicsError, match=r"a window of 25 s every 25 s, the last up to 37\.5 s long, is more than head"
    ):
        next(two.timeline(fakes.voice(1.0), window=25.0, hop=25.0))
    assert two.windows(20.0, 20.0).longest < two.windows(30.0, 15.0).longest == 30.0
    said = []
    for clip in (fakes.voice(1.0, 112.0), fakes.voice(2.0, 260.0, sample_rate=44_100)):
        padded = Clip(np.concatenate([np.zeros(8_000, np.float32), clip.samples]), clip.sample_rate)
        a, b = one.predict(padded), two.predict(padded)
        np.testing.assert_allclose(list(a.probabilities.values()), list(b.probabilities.values()), atol=1e-4)
        said.append(a.probabilities["angry"])
    assert abs(said[0] - said[1]) > 0.01


def test_a_head_is_not_used_on_another_encoder(
    whisper: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whisper, tmp_path / "whisper")
    data = bytearray((whisper / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "whisper" / "model.safetensors").write_bytes(bytes(data))
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(ModelFileError, match=r"head was trained on another encoder \(\w+\) than whisper@1,2 is here"):
        recognizer.load(head).predict(fakes.voice(1.0))


def test_a_head_takes_an_encoder_by_all_that_its_card_knows(
    whisper: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))
    about, weights = encoders.about(whisper), encoders.identity(whisper)
    card = modelfile.load(head).card
    known = {"encoder": about.key, "weights": weights}
    assert card.front_end == known

    def told(front_end: dict[str, str]) -> recognizer.Prediction:
        target = tmp_path / "head.onnx"
        card_file.write(target, head.read_bytes(), dataclasses.replace(card, front_end=front_end))
        return recognizer.load(target).predict(fakes.voice(1.0))

    said = told(known)
    # Heads of before know less, and stay usable.
    for old in ({"encoder": about.key}, {"encoder": about.key, "weights": weights[:16]}, {"encoder": about.sha256}, {}):
        assert told(old) == said
    # Another encoder of the same 48 bits.
    for forged in (
        {"encoder": about.key, "weights": weights[:16] + "0" * 48},
        {"encoder": about.key + "0" * 52},
        {"weights": weights[:16] + "0" * 48},
    ):
        with pytest.raises(ModelFileError, match=r"head was trained on another encoder \(\w+\) than"):
            told(forged)


def test_what_cannot_be_joined_is_said(whisper: Path, head: Path, tmp_path: Path) -> None:
    fakes.waveform_model(tmp_path / "sound.onnx")
    with pytest.raises(ModelFileError, match="the model fake takes no features; expected those of an encoder's blocks"):
        export.join(tmp_path / "sound.onnx", str(whisper), tmp_path / "x.onnx")
    wide = tmp_path / "wide"
    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=1, vocab_size=60_000, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
    )  # fmt: skip
    transformers.WhisperModel(config).save_pretrained(wide)
    with pytest.raises(EncoderError, match=r"wide: is another encoder \(\w+\) than head was trained on"):
        export.join(head, str(wide), tmp_path / "x.onnx")
    with pytest.raises(ModelFileError, match="takes 64 features; blocks 1,2 of wide have 128"):
        export.standalone(head.read_bytes(), wide)
    about = dataclasses.replace(encoders.about(whisper), kind="hubert")
    assert about.kind == "hubert"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(EncoderError, match="is a hubert; only Whisper's"):
        patch.setattr(encoders, "about", lambda folder: about)
        export.whisper(whisper, (1,))
    assert not (tmp_path / "x.onnx").exists()


def test_join_on_the_command_line(
    run: Callable[..., tuple[int, str, str]],
    whisper: Path,
    head: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))
    target = tmp_path / "joined.onnx"
    code, out, err = run("models", "join", str(head), "-o", str(target))
    assert code == 0 and "written to" in out and target.is_file(), err
    fakes.waveform_model(tmp_path / "sound.onnx")
    code, _, err = run("models", "join", str(tmp_path / "sound.onnx"), "-o", str(target))
    assert code == 1 and "takes no encoder's blocks; it can be used as it is" in err
    code, _, err = run("models", "join", str(head), "--encoder", "whisper-bass", "-o", str(target))
    assert code == 1 and 'did you mean "whisper-base"' in err


def test_a_model_on_an_encoder_is_got_once_by_its_name(
    run: Callable[..., tuple[int, str, str]],
    whisper: Path,
    head: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(named_models, "heads", lambda: {"head": head})
    monkeypatch.setenv(named_models.MODELS_VARIABLE, str(tmp_path / "models"))
    with pytest.raises(ModelFileError, match="vocalics models get head fetches it, once"):
        recognizer.load("head")
    code, out, _ = run("models")
    assert code == 0 and "not here yet" in out
    assert run("models", "show", "head")[1].startswith("name:            head")
    code, _, err = run("models", "get", "head", "--encoder", str(tmp_path))
    assert code == 1 and "holds no config.json" in err and not named_models.joined_path("head").exists()
    code, out, err = run("models", "get", "head", "--encoder", str(whisper))
    assert code == 0 and "vocalics predict --model head takes it" in out, err
    said = recognizer.load("head").predict(fakes.voice(1.0))
    assert said.emotion in said.probabilities and said.model == "head"
    assert "is here already" in run("models", "get", "head")[1] and "not here yet" not in run("models")[1]
    code, _, err = run("models", "get", "heads")
    assert code == 1 and 'did you mean "head"' in err


def test_the_same_weights_stored_otherwise_are_the_same_encoder(
    whisper: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's file holds the decoder too, in float32, under names of their own."""
    stored = tmp_path / whisper.name
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(tmp_path))  # where the head by itself looks for its features
    judge = recognizer.load(head)
    net = transformers.WhisperModel.from_pretrained(whisper, dtype=torch.float32)
    net.save_pretrained(stored)
    shutil.copy(whisper / "preprocessor_config.json", stored)
    assert encoders.about(stored).key != encoders.about(whisper).key
    assert encoders.identity(stored) == encoders.identity(whisper)
    export.join(head, str(stored), tmp_path / "joined.onnx")
    clip = fakes.voice(1.0)
    export.join(head, str(whisper), tmp_path / "other.onnx")
    said = [recognizer.load(tmp_path / f"{name}.onnx").predict(clip) for name in ("joined", "other")]
    assert said[0].probabilities == pytest.approx(said[1].probabilities, abs=1e-3)
    assert judge.predict(clip).probabilities == pytest.approx(said[1].probabilities, abs=1e-3)
    with torch.no_grad():
        net.encoder.layers[0].fc1.weight[0, 0] += 0.5
    net.save_pretrained(stored)
    assert encoders.identity(stored) != encoders.identity(whisper)
    with pytest.raises(EncoderError, match="is another encoder"):
        export.join(head, str(stored), tmp_path / "x.onnx")
    with pytest.raises(ModelFileError, match="was trained on another encoder"):
        judge.predict(clip)
    (stored / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(EncoderError, match="cannot be read as weights"):
        encoders.identity(stored)


def test_weights_at_half_their_size_say_the_same(whisper: Path, head: Path) -> None:
    rng, n = np.random.default_rng(0), 300
    weight = rng.standard_normal((n, 8)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"]), onnx.helper.make_node("Add", ["y", "b"], ["features"])],
        "dense",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, n])],
        [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, [1, 8])],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(weight[0], "b")],
    )
    data = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()
    small = halved(data)
    assert len(small) < 0.6 * len(data)
    x = rng.standard_normal((1, n)).astype(np.float32)
    import onnxruntime

    said = [onnxruntime.InferenceSession(d).run(None, {"x": x})[0] for d in (data, small)]
    np.testing.assert_allclose(said[0], said[1], atol=0.05)
    assert np.abs(said[0] - said[1]).max() > 0
    eight = halved(data, in_eight=1000)
    assert len(eight) < 0.45 * len(data) < 0.9 * len(small)  # a scale for each of many short rows
    coarse = onnxruntime.InferenceSession(eight).run(None, {"x": x})[0]
    assert np.abs(said[0] - said[1]).max() < np.abs(said[0] - coarse).max() < 0.6
    large = onnx.load_model_from_string(data)
    large.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight * 1e6, "w"))
    with pytest.raises(OverflowError, match="w: holds"):
        halved(large.SerializeToString())


@pytest.mark.corpus
def test_the_shared_encoder_as_a_graph(shared: Path) -> None:
    folder = shared / "encoders" / "whisper-base"
    clip = audio.read(shared / "corpora" / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.flac", 16_000)
    found = run(export.whisper(folder, (2, 3)), clip)
    np.testing.assert_allclose(
        found, encoders.statistics(encoders.load(str(folder), 3).frames(clip), (2, 3)), atol=1e-4
    )
