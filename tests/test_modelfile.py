"""A model file is what its card says, or it is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import fakes
import numpy as np
import onnx
import onnxruntime
import pytest

from vocalics.emotions import EMOTIONS
from vocalics.errors import MissingExtraError, ModelFileError
from vocalics.export import card as card_writer
from vocalics.modelfile import CARD_KEY, Card, load


def with_card_text(text: str) -> bytes:
    model = onnx.load_model_from_string(fakes.waveform_graph())
    model.metadata_props.add(key=CARD_KEY, value=text)
    return bytes(model.SerializeToString())


def test_a_card_survives_its_json() -> None:
    card = fakes.card(recipe={"seed": 1}, training_speakers=("ravdess/01",), excluded=("boredom",))
    again = Card.from_json(card.to_json())
    assert again == card
    assert again != fakes.card()


def test_a_card_takes_lists_read_only_mappings_and_numpy_numbers() -> None:
    card = fakes.card(emotions=["sad", "happy"], front_end=MappingProxyType({"n_mels": np.int64(64)}))
    again = Card.from_json(card.to_json())
    assert again.emotions == ("sad", "happy")
    assert again.front_end == {"n_mels": 64}


def test_keys_of_later_versions_are_ignored() -> None:
    values = {**json.loads(fakes.card().to_json()), "mood_ring": 1}
    assert Card.from_json(json.dumps(values)) == fakes.card()


@pytest.mark.parametrize("key", ["format_version", "name", "emotions", "input", "sample_rate"])
def test_a_missing_key_is_named(key: str) -> None:
    values = json.loads(fakes.card().to_json())
    del values[key]
    with pytest.raises(ModelFileError, match=f"the card lacks {key}$"):
        Card.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "x\x1b[8m"}, r"name is 'x\\x1b\[8m'; expected one without control characters"),
        ({"name": "x\nsha256: 0"}, r"name is 'x\\nsha256: 0'; expected one without"),
        ({"format_version": 2}, "format version 2, this is vocalics for version 1; install the version that wrote it"),
        ({"emotions": []}, "names no emotion"),
        ({"emotions": ["happy", "angri"]}, r'"angri" is not an emotion; did you mean "angry"\? Known'),
        ({"emotions": ["happy", "happy"]}, "names an emotion twice: happy, happy"),
        ({"emotions": "happy"}, 'emotions is "happy"; expected tuple'),
        ({"input": "image"}, 'input is "image"; expected waveform or features'),
        ({"sample_rate": 0}, "sample_rate is 0; expected a positive number"),
        ({"sample_rate": "16 kHz"}, 'sample_rate is "16 kHz"; expected int'),
        ({"window_seconds": -1}, "window_seconds is -1; expected a positive number"),
        ({"commercial": "no"}, 'commercial is "no"; expected bool'),
        ({"corpora": [3]}, r"corpora is \[3\]; expected tuple"),
        ({"input": "features"}, "names no feature_set"),
    ],
)
def test_a_card_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    values = {**json.loads(fakes.card().to_json()), **change}
    with pytest.raises(ModelFileError, match=message):
        Card.from_json(json.dumps(values))


def test_a_written_file_loads_with_its_card(tmp_path: Path) -> None:
    path = tmp_path / "a model é.onnx"
    card_writer.write(path, fakes.waveform_graph(), fakes.card())
    model = load(path)
    assert model.card == fakes.card()
    assert model.sha256 == load(path.read_bytes()).sha256
    assert model.sha256 != load(fakes.waveform_model(seed=8)).sha256
    result = model.probabilities(fakes.voice().samples[None])
    assert result.shape == (1, 8)
    assert result.sum() == pytest.approx(1, abs=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_card_is_replaced_and_other_metadata_kept() -> None:
    model = onnx.load_model_from_string(fakes.waveform_graph())
    model.metadata_props.add(key="note", value="kept")
    once = card_writer.with_card(bytes(model.SerializeToString()), fakes.card(seed=1))
    twice = load(card_writer.with_card(once, fakes.card(seed=2)))
    assert twice.card.seed == 2
    assert twice.session.get_modelmeta().custom_metadata_map["note"] == "kept"


def test_a_file_that_would_not_load_does_not_replace_one_that_does(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    card_writer.write(path, fakes.waveform_graph(), fakes.card())
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match=r"m\.onnx: not written, the graph gives 8 probabilities"):
        card_writer.write(path, fakes.waveform_graph(), fakes.card(emotions=EMOTIONS[:7]))
    with pytest.raises(ModelFileError, match="not an ONNX graph"):
        card_writer.write(path, b"nonsense", fakes.card())
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_writing_without_onnx_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"writing a model file needs the extra 'train'.*vocalics\[train\]"):
        card_writer.write(tmp_path / "m.onnx", fakes.SERIALISED, fakes.card())


def test_a_features_model_is_checked_against_its_card() -> None:
    card = fakes.card(input="features", feature_set="s", n_features=4)
    assert load(card_writer.with_card(fakes.features_graph(4), card)).card == card
    with pytest.raises(ModelFileError, match="takes 5 features, its card says 4"):
        load(card_writer.with_card(fakes.features_graph(5), card))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not a model at all", "not a usable ONNX file"),
        (fakes.waveform_model()[:-300], "not a usable ONNX file"),
        (
            fakes.waveform_graph(),
            r"a foreign ONNX file \(it has no vocalics card\); expected a model made by vocalics train",
        ),
        (with_card_text("{"), "the card is not JSON"),
        (with_card_text("[]"), "the card is not a JSON object"),
        (
            card_writer.with_card(fakes.waveform_graph(7), fakes.card()),
            "the graph gives 7 probabilities, its card names 8 emotions",
        ),
        (
            card_writer.with_card(fakes.waveform_graph(7, declared=False), fakes.card()),
            "the graph gives 7 probabilities, its card names 8 emotions",
        ),
        (
            card_writer.with_card(fakes.waveform_graph(input_name="x"), fakes.card()),
            'takes x; its card says "waveform"',
        ),
        (card_writer.with_card(fakes.waveform_graph(rank=3), fakes.card()), r"expected \(batch, n_samples\)"),
    ],
)
def test_a_foreign_or_damaged_file_is_one_line(
    data: bytes, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def elsewhere(tensor: onnx.TensorProto, location: str, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "*/_ORT_MEM_ADDR_/*"])
@pytest.mark.parametrize("place", ["initializer", "constant", "sparse", "branch", "function"])
def test_weights_outside_the_file_are_refused(
    place: str, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash says what judged: so it has to be all that judges."""
    model = onnx.load_model_from_string(fakes.waveform_model())
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2], raw_data=bytes(8))
    length = 8
    if place == "initializer":
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        length = len(tensor.raw_data)
    elif place == "constant":
        tensor = model.graph.node.add(op_type="Constant", output=["w"]).attribute.add(name="value", t=tensor).t
    elif place == "sparse":
        tensor = model.graph.sparse_initializer.add(values=tensor).values
    elif place == "branch":
        branch = model.graph.node.add(op_type="If").attribute.add(name="then_branch", g=onnx.GraphProto(name="g")).g
        tensor = branch.initializer.add()
    else:
        function = model.functions.add(name="f", domain="d")
        tensor = function.node.add(op_type="Constant").attribute.add(name="value").tensors.add()
    elsewhere(tensor, location, length)
    folder = tmp_path / "here"
    folder.mkdir()
    for path in (folder / "secret.bin", tmp_path / "secret.bin", folder / "m.onnx"):
        path.write_bytes(bytes(length))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(folder)
    with pytest.raises(ModelFileError, match=r"^m\.onnx: has weights in another file, which its hash would not know"):
        load("m.onnx")


def test_a_word_in_the_card_is_no_other_file() -> None:
    card = fakes.card(description="location offset length external_data")
    assert load(card_writer.with_card(fakes.waveform_graph(), card)).card == card


def test_another_format_of_the_runtime_is_refused(tmp_path: Path) -> None:
    """It can lead to other files, too, and is not looked through."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "m.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(fakes.waveform_model(), options, providers=["CPUExecutionProvider"])
    onnxruntime.InferenceSession((tmp_path / "m.ort").read_bytes(), providers=["CPUExecutionProvider"])
    with pytest.raises(ModelFileError, match="is not a usable ONNX file"):
        load(tmp_path / "m.ort")


def test_a_width_that_the_graph_does_not_declare_is_tried() -> None:
    assert load(card_writer.with_card(fakes.waveform_graph(declared=False), fakes.card())).card == fakes.card()


def test_missing_empty_and_unreadable_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ModelFileError, match=r"none\.onnx: no such model file; check the path, or list the names: vocalics models"
    ):
        load(tmp_path / "none.onnx")
    with pytest.raises(ModelFileError, match="is a folder; expected a model file"):
        load(tmp_path)
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelFileError, match=r"is empty \(0 bytes\)"):
        load(tmp_path / "empty.onnx")

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ModelFileError, match="no permission to read it"):
        load(tmp_path / "empty.onnx")
