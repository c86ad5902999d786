"""Things made for tests: sounds, and tiny models that need no training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vocalics import audio, named_models
from vocalics.audio import Clip
from vocalics.dataset import Data
from vocalics.emotions import EMOTIONS
from vocalics.export.card import with_card
from vocalics.manifest import Manifest, Utterance
from vocalics.modelfile import Card

LOGISTIC_REGRESSION = """
name = "lr"
description = "for tests"
model = "logistic_regression"
scheme = "four"
corpora = ["folder"]
features = "mfcc_chroma_mel"
validation = 0.0
"""
"""A recipe of a classifier on features, as a .toml file holds it."""


def voice(seconds: float = 1.0, f0: float = 140.0, sample_rate: int = 16_000, level: float = 0.3) -> Clip:
    """A voiced sound: a gliding harmonic series, one formant, four syllables per second."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * t))) / sample_rate
    n_harmonics = max(1, min(30, int(sample_rate / 2 / (f0 * 1.2))))
    sound = sum(np.sin(k * phase) / (1 + ((k * f0 - 500) / 300) ** 2) for k in range(1, n_harmonics + 1))
    sound = np.asarray(sound) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * t))
    return Clip((level * sound / (np.abs(sound).max() + 1e-9)).astype(np.float32), sample_rate)


def small_whisper(folder: Path, width: int = 16, n_blocks: int = 2, seed: int = 1) -> Path:
    """A Whisper with random weights, as transformers write it; an encoder that can be told from another by its seed."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.WhisperConfig(
        d_model=width, encoder_layers=n_blocks, decoder_layers=1, vocab_size=60_000, max_source_positions=1500,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=2 * width, decoder_ffn_dim=32,
        init_std=0.3,
    )  # fmt: skip
    transformers.WhisperModel(config).half().save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def three_emotions(folder: Path) -> Data:
    """Two clips by each of four speakers in three emotions, told by their pitch; the last speaker validates."""
    rows = []
    for speaker in range(4):
        for emotion, pitch in {"neutral": 110.0, "happy": 170.0, "angry": 250.0}.items():
            for take in range(2):
                path = folder / f"{speaker}-{emotion}-{take}.wav"
                audio.write(path, voice(0.5 + 0.2 * take, pitch * (1 + 0.01 * speaker)))
                rows.append(Utterance(str(path), "folder", f"folder/{speaker}", "", emotion))
    manifest = Manifest(tuple(rows)).with_digests()
    return Data(manifest, tuple(range(18)), tuple(range(18, 24)), {}, ("neutral", "happy", "angry"))


def noise(seconds: float = 1.0, sample_rate: int = 16_000, level: float = 0.1, seed: int = 0) -> Clip:
    """White noise."""
    samples = level * np.random.default_rng(seed).standard_normal(round(seconds * sample_rate))
    return Clip(samples.astype(np.float32), sample_rate)


def card(**changes: Any) -> Card:
    """The card of :func:`waveform_model`."""
    values: dict[str, Any] = {
        "name": "fake",
        "description": "Counts sign changes; for tests.",
        "emotions": EMOTIONS,
        "input": "waveform",
        "sample_rate": 16_000,
        "window_seconds": 3.0,
        "hop_seconds": 1.5,
        "n_parameters": 16,
        "corpora": ({"name": "none", "licence": "CC0-1.0", "commercial": True, "clips": 0, "speakers": 0},),
        "commercial": True,
        "licence": "Apache-2.0",
        "protocol": "none",
        "seed": 7,
        "figures": ({"corpus": "none", "metric": "uar", "value": 0.125, "low": 0.1, "high": 0.2},),
        "intended_use": "tests",
        "limits": "everything else",
        "created": "2026-01-01",
        "vocalics_version": "0.1.0",
    }
    values.update(changes)
    return Card(**values)


def _constant(name: str, value: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype=kind), name)


def _serialised(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> bytes:
    graph = helper.make_graph(nodes, "fake", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def waveform_graph(n_outputs: int = 8, input_name: str = "waveform", rank: int = 2, declared: bool = True) -> bytes:
    """Waveform (batch, n) -> probabilities: softmax of distances of the sign-change rate to eight centres.

    Depends on signs only, hence on no level.
    """
    centres = np.linspace(0.01, 0.2, n_outputs)
    shape = ["batch", "n_samples", "channels"][:rank]
    nodes = [
        helper.make_node("Sign", ["flat"], ["sign"]),
        helper.make_node("Slice", ["sign", "one", "end", "axis"], ["later"]),
        helper.make_node("Slice", ["sign", "zero", "last", "axis"], ["earlier"]),
        helper.make_node("Sub", ["later", "earlier"], ["step"]),
        helper.make_node("Abs", ["step"], ["change"]),
        helper.make_node("ReduceMean", ["change"], ["rate"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["rate", "centres"], ["distance"]),
        helper.make_node("Abs", ["distance"], ["far"]),
        helper.make_node("Mul", ["far", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    if rank == 2:
        nodes.insert(0, helper.make_node("Identity", [input_name], ["flat"]))
    else:
        nodes.insert(0, helper.make_node("ReduceMean", [input_name], ["flat"], axes=[2], keepdims=0))
    constants = [
        _constant("one", [1], np.int64),
        _constant("zero", [0], np.int64),
        _constant("end", [2**62], np.int64),
        _constant("last", [-1], np.int64),
        _constant("axis", [1], np.int64),
        _constant("centres", centres[None]),
        _constant("sharpness", -40.0),
    ]
    width = n_outputs if declared else "n_emotions"
    return _serialised(
        nodes,
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", width])],
        constants,
    )


def features_graph(n_features: int = 4, n_outputs: int = 8) -> bytes:
    """Features (batch, n) -> probabilities: softmax of a fixed linear map."""
    weights = np.random.default_rng(0).standard_normal((n_features, n_outputs))
    return _serialised(
        [
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", n_features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", n_outputs])],
        [_constant("weights", weights)],
    )


def waveform_model(path: Path | None = None, **changes: Any) -> bytes:
    """A whole model file; written to ``path`` too where given. ``changes`` go into the card."""
    data = with_card(waveform_graph(), card(**changes))
    if path is not None:
        path.write_bytes(data)
    return data


SERIALISED = waveform_graph()
"""A serialised graph without a card, made while onnx is importable."""


PITCHES = {"sad": 110.0, "neutral": 165.0, "angry": 250.0}
"""The pitch that tells the emotion of a clip of :func:`speakers_table`."""


def speakers_table(folder: Path, n_speakers: int = 6, n_takes: int = 2) -> Path:
    """Write clips of several speakers whose pitch tells the emotion, and the table of them; return the table."""
    rng = np.random.default_rng(0)
    lines = ["path,emotion,speaker"]
    for speaker in range(n_speakers):
        for emotion, pitch in PITCHES.items():
            for take in range(n_takes):
                name = f"{speaker}_{emotion}_{take}.wav"
                f0 = pitch * (0.9 + 0.04 * speaker) * rng.uniform(0.93, 1.07)
                audio.write(folder / name, voice(1.0, f0, level=float(rng.uniform(0.1, 0.4))))
                lines.append(f"{name},{emotion},s{speaker}")
    table = folder / "clips.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def hidden_layer(graph: Any) -> str:
    """What the last dense layer but one of the bundled default gives."""
    return str([node for node in graph.graph.node if node.op_type == "Gemm"][-2].output[0])


def unadaptable(path: Path, name: str = named_models.DEFAULT, **card: Any) -> Path:
    """Write a bundled model as it is without getting used to voices; return the path.

    Args:
        path: Where.
        name: The model.
        card: What its card is to say instead.
    """
    from vocalics import modelfile
    from vocalics.export import voice as voices

    source = named_models.model_path(name)
    graph, about = onnx.load(str(source)), modelfile.load(source).card
    assert voices.take_away(graph) is not None
    path.write_bytes(with_card(graph.SerializeToString(), dataclasses.replace(about, **card)))
    return path


def adaptable(path: Path, seed: int = 0) -> Path:
    """Write the bundled default, the centres by which it gets used to voices drawn by chance; return the path."""
    from vocalics import recognizer
    from vocalics.export import voice as voices

    graph = onnx.load(str(unadaptable(path)))
    name = hidden_layer(graph)
    held = recognizer.load().emotions
    made = np.random.default_rng(seed).standard_normal((len(held), 96)).astype(np.float32)
    voices.add(graph, name, made)
    path.write_bytes(graph.SerializeToString())
    return path
