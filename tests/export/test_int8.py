"""Models in eight bits: what is quantised, what is not, and that they still hear the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, modelfile, named_models, recognizer
from vocalics.errors import ModelFileError
from vocalics.export import card, int8
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


def test_it_hears_nearly_the_same(small: tuple[bytes, modelfile.Card], tmp_path: Path) -> None:
    data, about = small
    card.write(tmp_path / "small.onnx", data, about)
    whole, eight = recognizer.load("default"), recognizer.load(tmp_path / "small.onnx")
    clips = [fakes.voice(1.1, 100.0 + 17 * i) for i in range(8)]
    said, again = ([[*p.probabilities.values()] for p in m.predict_clips(clips)] for m in (whole, eight))
    difference = np.abs(np.array(said) - np.array(again)).max()
    assert 0 < difference < 0.1  # other numbers, but near
    assert eight.predict(clips[0]).strangeness is not None


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
    assert code == 1 and "--clips MANIFEST or --clips FOLDER" in err
    code, _, err = run("export", "default", "--clips", str(voices), "-o", str(out))
    assert code == 1 and "add --to onnx-int8" in err
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
