"""The models that come with vocalics: complete, small, indifferent to level, and alive."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from vocalics import audio, modelfile
from vocalics.audio import Clip
from vocalics.emotions import EMOTIONS
from vocalics.export import voice
from vocalics.named_models import bundled
from vocalics.recognizer import Recognizer, load

CLIPS = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.wav"))

FIELDS = (
    *("description", "corpora", "figures", "front_end", "intended_use", "licence", "limits", "protocol", "recipe"),
    *("created", "vocalics_version", "training_speakers", "validation_speakers"),
)
"""What every card of ours says."""

if "default" not in bundled():
    pytest.skip("src/vocalics/bundled/default.onnx is not trained yet", allow_module_level=True)


@pytest.fixture(scope="module", params=sorted(bundled()))
def model(request: pytest.FixtureRequest) -> Recognizer:
    return load(request.param)


def test_the_card_is_complete(model: Recognizer) -> None:
    card = model.card
    assert bundled()[card.name].is_file()
    for field in FIELDS:
        assert getattr(card, field), f"the card of {card.name} lacks {field}"
    assert all({"name", "licence", "commercial", "clips", "speakers"} <= c.keys() for c in card.corpora)
    assert card.commercial == all(c["commercial"] for c in card.corpora)
    assert all({"corpus", "protocol", "metric", "value"} <= f.keys() for f in card.figures)
    assert not set(card.training_speakers) & set(card.validation_speakers)
    assert card.input == "waveform"


def test_the_default_knows_the_eight_emotions() -> None:
    assert load().emotions == EMOTIONS
    assert load().card.name == "default"


def test_it_is_small(model: Recognizer) -> None:
    path = bundled()[model.card.name]
    assert path.stat().st_size <= (0.8e6 if model.card.name.endswith("-int8") else 2.5e6)
    assert 0 < model.card.n_parameters <= 600_000
    graph = onnx.load(path).graph
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8)
    weights = sum(int(np.prod(t.dims)) for t in graph.initializer if t.data_type in kinds)
    assert weights >= 0.9 * model.card.n_parameters


@pytest.mark.parametrize("path", CLIPS, ids=lambda p: p.stem)
def test_it_predicts_the_example_clips_at_any_level(model: Recognizer, path: Path) -> None:
    clip = audio.read(path)
    prediction = model.predict(clip)
    assert prediction.emotion in model.emotions
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-4)
    for gain in (0.1, 0.01, 3.0):
        other = model.predict(Clip(clip.samples * np.float32(gain), clip.sample_rate))
        assert other.label == prediction.label
        assert list(other.probabilities.values()) == pytest.approx(list(prediction.probabilities.values()), abs=0.02)


def test_it_gets_used_to_a_voice(model: Recognizer) -> None:
    clip, others = CLIPS[0], CLIPS[1:]
    said, unknown, known = (
        np.array([*judge.predict(clip).probabilities.values()])
        for judge in (model, replace(model, voice=model.unknown_voice()), model.knowing(others))
    )
    np.testing.assert_array_equal(said, unknown)
    assert 0.005 < np.abs(said - known).max() < 0.5
    told = voice.take_away(onnx.load(bundled()[model.card.name]))
    assert told is not None and told[2] is not None and len(told[2]) == len(model.card.corpora) - 1
    heard = model.knowing(others).offset
    assert heard is not None and np.abs(told[2] @ heard).max() < 1e-3 * np.abs(heard).max()


def test_it_does_not_say_the_same_of_everything(model: Recognizer) -> None:
    assert len(CLIPS) >= 4
    rows = np.array([list(model.predict(path).probabilities.values()) for path in CLIPS])
    assert rows.std(axis=0).max() > 0.02


def test_batches_and_odd_lengths_are_accepted(model: Recognizer) -> None:
    samples = audio.read(CLIPS[0], model.card.sample_rate).samples
    loaded = modelfile.load(bundled()[model.card.name])
    pair = loaded.probabilities(np.stack([samples[:16_000], samples[16_000:32_000]]))
    assert pair[0] == pytest.approx(loaded.probabilities(samples[None, :16_000])[0], abs=1e-4)
    for n in (4_000, 16_001, 48_013):
        assert np.isfinite(loaded.probabilities(samples[None, :n])).all()


def test_the_example_script_runs() -> None:
    script = Path(__file__).parents[1] / "examples" / "predict.py"
    done = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, check=True)
    assert all(f"{path.name}: " in done.stdout for path in CLIPS)
    assert "window by window" in done.stdout
    assert done.stderr == ""
