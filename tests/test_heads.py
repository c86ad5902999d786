"""The heads that come with vocalics: complete, small, and one model with the encoder that they were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from vocalics import audio, encoders, modelfile, named_models
from vocalics.audio import Clip
from vocalics.export import card as card_file
from vocalics.export.encoder import _weights
from vocalics.export.thin import filled
from vocalics.named_models import heads
from vocalics.recognizer import Recognizer, load

if not heads():
    pytest.skip("no head is trained yet", allow_module_level=True)


@pytest.mark.parametrize("name", sorted(heads()))
def test_a_head_is_small_and_says_what_it_sits_on(name: str) -> None:
    path = heads()[name]
    assert path.stat().st_size <= 3e6
    card = modelfile.load(path).card
    assert card.name == name and card.input == "features" and "@" in card.feature_set
    assert set(card.front_end) == {"encoder", "weights"}
    for field in ("description", "corpora", "figures", "intended_use", "licence", "limits", "protocol", "recipe"):
        assert getattr(card, field), f"the card of {name} lacks {field}"
    assert card.commercial == all(c["commercial"] for c in card.corpora)
    assert card.conformal and not set(card.training_speakers) & set(card.validation_speakers)
    assert all(
        "of its recipe" in f["measured_on"] for f in card.figures
    )  # trained on everything, it has none of its own


@pytest.fixture(scope="module")
def got(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """The model "accurate" with the shared encoder, got as a user gets it."""
    from typer.testing import CliRunner

    from vocalics.cli.main import build

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(named_models.MODELS_VARIABLE, str(tmp_path_factory.mktemp("models")))
        folder = shared / "encoders" / "whisper-base"
        said = CliRunner().invoke(build(), ["models", "get", "accurate", "--encoder", str(folder)])
        assert said.exit_code == 0, said.output
        return load("accurate")


def some_clips(shared: Path) -> list[Path]:
    folder = shared / "corpora"
    return [
        *sorted((folder / "savee" / "ALL").glob("*.flac"))[::24],
        *sorted((folder / "emodb" / "wav").glob("*.flac"))[::40],
    ]


@pytest.mark.corpus
def test_it_says_what_the_head_says_of_the_features(
    shared: Path, got: Recognizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(shared / "encoders"))
    # With the encoder's weights put back, the head takes the encoder's frames as torch computes them.
    whole = filled(onnx.load(heads()["accurate"]), _weights(shared / "encoders" / "whisper-base"))
    card_file.write(tmp_path / "head.onnx", whole.SerializeToString(), modelfile.load(heads()["accurate"]).card)
    head = load(tmp_path / "head.onnx")
    for path in some_clips(shared)[::4]:
        expected = np.array(list(head.predict(path).probabilities.values()))
        said = np.array(list(got.predict(path).probabilities.values()))
        np.testing.assert_allclose(said, expected, atol=5e-3)


@pytest.mark.corpus
def test_level_changes_no_emotion_and_it_is_alive(shared: Path, got: Recognizer) -> None:
    named = set()
    for path in some_clips(shared):
        clip = audio.read(path, 16_000)
        said = got.predict(clip)
        quiet = got.predict(Clip(clip.samples * np.float32(0.03), 16_000))
        assert quiet.probabilities == pytest.approx(said.probabilities, abs=1e-3)
        named.add(said.emotion)
    assert len(named) >= 5


@pytest.mark.corpus
def test_it_answers_in_the_usual_ways(shared: Path, got: Recognizer) -> None:
    assert got.predict(Clip(np.zeros(16_000, np.float32), 16_000)).label == "no speech"
    long = audio.read(shared / "audio" / "calls" / "auto_repairs_40_stereo.flac", 16_000)
    windows = list(got.timeline(Clip(long.samples[: 12 * 16_000], 16_000)))
    assert len(windows) > 3 and all(w.emotion in {*got.emotions, None} for w in windows)
