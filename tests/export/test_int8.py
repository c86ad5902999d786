"""Models in eight bits: what is quantised, what is not, and that they still hear the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, modelfile, named_models, recognizer
from vocalics.confidence import Density
from vocalics.errors import ModelFileError
from vocalics.export import card, familiarity, int8
from vocalics.manifest import Manifest, Utterance

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for i in range(20):
        audio.write(folder / f"{i:02}.wav", fakes.voice(0.8 + 0.1 * (i % 5), 90.0 + 11 * i))
    return folder


@pytest.fixture(scope="module")
def small(voices: Path) -> tuple[bytes, modelfile.Card]:
    model = recognizer.load("default")
    clips = [audio.read(path, 16_000) for path in sorted(voices.iterdir())]
    return int8.quantised(named_models.model_path("default"), [model.given(clip) for clip in clips])


def test_weights_are_a_quarter_and_the_front_end_stays(small: tuple[bytes, modelfile.Card], tmp_path: Path) -> None:
    data, about = small
    card.write(tmp_path / "small.onnx", data, about)
    before, after = named_models.model_path("default").stat().st_size, (tmp_path / "small.onnx").stat().st_size
    assert after < 0.8e6 < before
    graph = onnx.load_model_from_string(data).graph
    made_by = {name: node for node in graph.node for name in node.output}
    weighted = [n for n in graph.node if n.op_type == "Conv"]
    eight = [n for n in weighted if made_by.get(n.input[1]) and made_by[n.input[1]].op_type == "DequantizeLinear"]
    others = {n.output[0] for n in weighted} - {n.output[0] for n in eight}
    assert len(eight) >= 12 and others == {"fe_real", "fe_imaginary"}
    kinds = {t.name: t.data_type for t in graph.initializer}
    assert all(kinds[made_by[n.input[1]].input[0]] == onnx.TensorProto.INT8 for n in eight)
    assert about.name == "default-int8" and about.figures == () and "eight bits" in about.description
    known = modelfile.load(named_models.model_path("default")).card
    assert about.training_speakers == known.training_speakers and about.conformal == known.conformal


def test_no_pair_of_products_exceeds_sixteen_bits(small: tuple[bytes, modelfile.Card]) -> None:
    """Processors with AVX2 but without VNNI add products of codes and weights by twos, and cut the sum off."""
    stored = [
        t for t in onnx.load_model_from_string(small[0]).graph.initializer if t.data_type == onnx.TensorProto.INT8
    ]
    weights = [onnx.numpy_helper.to_array(t).astype(int) for t in stored if t.name.endswith("_quantized")]
    largest = [int(np.abs(w).max()) for w in weights]
    assert len(largest) >= 14 and 255 * 2 * max(largest) < 2**15
    assert min(largest) > 60  # all of seven bits is used


def test_what_is_strange_is_told_in_floats(small: tuple[bytes, modelfile.Card]) -> None:
    graph = onnx.load_model_from_string(small[0]).graph
    made_by = {name: node for node in graph.node for name in node.output}
    at = made_by["strangeness_at"]
    assert at.input[1] == "strangeness_projection" and made_by[at.input[0]].op_type == "BatchNormalization"
    followed = [node.op_type for node in graph.node if "strangeness_at" in node.input]
    assert followed == ["Unsqueeze"]


def test_far_outside_the_calibration_clips_a_copy_is_as_surprised_as_the_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        onnx.helper.make_node("Gemm", ["features", "w"], ["hidden"]),
        onnx.helper.make_node("Relu", ["hidden"], ["positive"]),
        onnx.helper.make_node("Gemm", ["positive", "v"], ["logits"]),
        onnx.helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    shapes = {"features": 16, "probabilities": 8}
    tensors = [onnx.helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, ["n", w]) for k, w in shapes.items()]
    weights = {"w": rng.normal(0, 0.3, (16, 12)), "v": rng.normal(0, 0.3, (12, 8))}
    stored = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, "net", tensors[:1], tensors[1:], stored)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    projection, centres = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((16, 6), (8, 6)))
    familiarity.add(model, "features", Density(projection, centres))
    about = fakes.card(input="features", feature_set="mfcc", n_features=16)
    card.write(tmp_path / "whole.onnx", model.SerializeToString(), about)
    card.write(
        tmp_path / "small.onnx",
        *int8.quantised(tmp_path / "whole.onnx", list(rng.normal(0, 1, (20, 1, 16)).astype(np.float32))),
    )
    given = rng.normal(0, 20, (5, 16)).astype(np.float32)
    whole, small = (
        modelfile.load(tmp_path / f"{n}.onnx").session.run(["strangeness", "probabilities"], {"features": given})
        for n in ("whole", "small")
    )
    np.testing.assert_allclose(small[0], whole[0], rtol=0.01)
    assert not np.allclose(small[1], whole[1], atol=0.05)  # codes do end


def test_it_hears_nearly_the_same(small: tuple[bytes, modelfile.Card], tmp_path: Path) -> None:
    data, about = small
    card.write(tmp_path / "small.onnx", data, about)
    whole, eight = recognizer.load("default"), recognizer.load(tmp_path / "small.onnx")
    clips = [fakes.voice(1.1, 100.0 + 17 * i) for i in range(8)]
    said, again = ([[*p.probabilities.values()] for p in m.predict_clips(clips)] for m in (whole, eight))
    difference = np.abs(np.array(said) - np.array(again)).max()
    assert 0 < difference < 0.1  # other numbers, but near
    assert eight.predict(clips[0]).strangeness is not None


def test_a_copy_gets_used_to_voices_and_with_none_known_says_what_one_without_says(
    small: tuple[bytes, modelfile.Card], voices: Path, tmp_path: Path
) -> None:
    card.write(tmp_path / "small.onnx", *small)
    whole, eight = recognizer.load("default"), recognizer.load(tmp_path / "small.onnx")
    clips = [audio.read(path, 16_000) for path in sorted(voices.iterdir())]
    card.write(
        tmp_path / "deaf.onnx",
        *int8.quantised(fakes.unadaptable(tmp_path / "whole.onnx"), [whole.given(clip) for clip in clips]),
    )
    deaf = modelfile.load(tmp_path / "deaf.onnx")
    given = whole.given(clips[3])
    np.testing.assert_array_equal(eight.model.probabilities(given), deaf.probabilities(given))
    heard = [model.knowing(clips[:8]).voice for model in (whole, eight)]
    offsets = [voice.offset for voice in heard if voice is not None]
    assert np.corrcoef(*offsets)[0, 1] > 0.98
    # Far below what calibration clips reach, where codes end, it is told as in floats.
    far = 40 * np.ones(whole.model.voice_width, np.float32)
    left, again = (model.model.hear(given, far)[-1] for model in (whole, eight))
    assert np.corrcoef(left.ravel(), again.ravel())[0, 1] > 0.98
    nodes = onnx.load(tmp_path / "small.onnx").graph.node
    made_by = {name: node for node in nodes for name in node.output}
    assert made_by[made_by["voice_without"].input[0]].op_type == "Gemm"


def test_what_cannot_be_done_is_said(small: tuple[bytes, modelfile.Card], tmp_path: Path) -> None:
    source = named_models.model_path("default")
    with pytest.raises(ModelFileError, match=r"3 calibration clips are too few; expected 16"):
        int8.quantised(source, [np.zeros((1, 16_000), np.float32)] * 3)
    card.write(tmp_path / "small.onnx", *small)
    with pytest.raises(ModelFileError, match=r"small.onnx: its weights are in eight bits already"):
        int8.quantised(tmp_path / "small.onnx", [])


def test_the_command(run: Callable[..., tuple[int, str, str]], voices: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.onnx"
    code, said, err = run("export", "default", "--to", "onnx-int8", "--clips", str(voices), "-o", str(out))
    assert code == 0 and "20 calibration clips: the same emotion in" in said and "MB, from 2.3" in said, err
    assert recognizer.load(out).card.name == "default-int8"
    code, _, err = run("export", "default", "--to", "onnx-int8", "-o", str(out))
    assert code == 2 and "--clips MANIFEST or --clips FOLDER" in err
    code, _, err = run("export", "default", "--clips", str(voices), "-o", str(out))
    assert code == 2 and "add --to onnx-int8" in err
    code, _, err = run("export", "default", "-o", str(tmp_path / "not" / "there.onnx"))
    assert code == 1 and "no such folder" in err
    code, said, _ = run("export", "default", "-o", str(tmp_path / "same.onnx"))
    assert code == 0
    assert (tmp_path / "same.onnx").read_bytes() == named_models.model_path("default").read_bytes()


def test_a_manifest_calibrates_by_training_speakers_where_it_has_some(voices: Path) -> None:
    from vocalics.cli.calibration import recordings

    about = modelfile.load(named_models.model_path("default")).card
    names = [about.training_speakers[0]] * 3 + ["stranger/1"] * 17
    rows = [Utterance(str(p), "x", s, "", "sad") for p, s in zip(sorted(voices.iterdir()), names, strict=True)]
    Manifest(tuple(rows)).write(voices.parent / "clips.csv")
    Manifest(tuple(rows[3:])).write(voices.parent / "strangers.csv")
    assert len(recordings([str(voices.parent / "clips.csv")], about)) == 3
    assert len(recordings([str(voices.parent / "strangers.csv")], about)) == 17
