"""What a developer may hand over by mistake is taken for what it is, or refused in words; predictions can be kept."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest

import vocalics
from vocalics import audio, modelfile
from vocalics.cli import sources
from vocalics.errors import AudioError, ModelFileError, VocalicsError
from vocalics.recognizer import Recognizer
from vocalics.streaming import StreamingRecognizer


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    audio.write(tmp_path / "a.wav", fakes.voice())
    return tmp_path / "a.wav"


@pytest.fixture
def model(tmp_path: Path) -> vocalics.Recognizer:
    fakes.waveform_model(tmp_path / "m.onnx")
    return vocalics.load(tmp_path / "m.onnx")


def test_a_prediction_can_be_kept_sent_and_written(model: vocalics.Recognizer, clip: Path) -> None:
    said = model.predict(clip)
    assert pickle.loads(pickle.dumps(said)) == copy.deepcopy(said) == said
    assert dataclasses.asdict(said)["probabilities"] == json.loads(json.dumps(said.probabilities))
    assert len({said, model.predict(clip)}) == 1


def test_a_recognizer_reaches_another_process_with_its_settings(tmp_path: Path, clip: Path) -> None:
    """A process that knows nothing of this one, as those that are spawned."""
    fakes.waveform_model(tmp_path / "m.onnx", conformal={"0.9": 0.1})
    model = vocalics.load(tmp_path / "m.onnx", threads=2, abstain_below=0.999, coverage=0.9)
    kept = pickle.dumps(model)
    (tmp_path / "m.onnx").unlink()  # it travels along
    code = "import pickle, sys; print(repr(pickle.load(sys.stdin.buffer).predict(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(clip)], input=kept, capture_output=True, check=True)
    said = model.predict(clip)
    assert done.stdout.decode().strip() == repr(said)
    assert said.emotion is None and said.candidates, "the settings matter"
    again = pickle.loads(kept)
    assert again.model.threads == 2 and again.model.sha256 == model.model.sha256 and again.model.card == model.card
    assert pickle.loads(pickle.dumps(again)).predict(clip) == said
    # So do what stands on one, and a model of bytes.
    assert pickle.loads(pickle.dumps(StreamingRecognizer(model, 16_000))).recognizer.coverage == 0.9
    whole = Recognizer(modelfile.load(fakes.waveform_model()))
    assert pickle.loads(pickle.dumps(whole)).predict(clip) == whole.predict(clip)


def test_what_a_recognizer_knows_of_a_voice_is_pickled_with_it(tmp_path: Path, clip: Path) -> None:
    model = vocalics.load(fakes.adaptable(tmp_path / "used.onnx"))
    known = model.knowing([clip])
    again = pickle.loads(pickle.dumps(known))
    assert again.predict(clip) == known.predict(clip) != model.predict(clip)


def test_a_large_model_is_read_again_and_must_be_the_same(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelfile, "CARRIED", 10)
    fakes.waveform_model(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    model = vocalics.load("m.onnx")
    kept = pickle.dumps(model)
    assert len(kept) < 1000 < (tmp_path / "m.onnx").stat().st_size
    monkeypatch.chdir("/")  # wherever it arrives
    assert pickle.loads(kept).predict(clip) == model.predict(clip)
    fakes.waveform_model(tmp_path / "m.onnx", description="another")
    with pytest.raises(ModelFileError, match=r"m\.onnx: was changed since its model was pickled \(now \w+, then"):
        pickle.loads(kept)
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(ModelFileError, match=r"m\.onnx: no such model file"):
        pickle.loads(kept)


def test_a_model_that_came_from_no_file_cannot_be_pickled(model: vocalics.Recognizer) -> None:
    made = modelfile.LoadedModel(model.model.session, model.card, model.model.sha256)
    with pytest.raises(TypeError, match="the model fake was made of a session and cannot be pickled"):
        pickle.dumps(Recognizer(made))


def test_bytes_of_any_kind_are_a_file(model: vocalics.Recognizer, clip: Path) -> None:
    data = clip.read_bytes()
    whole = model.predict(data).probabilities
    assert model.predict(bytearray(data)).probabilities == model.predict(memoryview(data)).probabilities == whole
    with pytest.raises(AudioError, match="is for arrays; a file carries its own"):
        model.predict(bytearray(data), 16000)
    with clip.open("rb") as file, pytest.raises(AudioError, match="file object is no sound; expected its path"):
        model.predict(file)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match=r"what its read\(\) returns"):
        model.predict(io.BytesIO(data), 16000)  # type: ignore[arg-type]


def test_integers_of_unknown_scale_are_refused(model: vocalics.Recognizer) -> None:
    samples = (fakes.voice().samples * 20000).astype(np.int16)
    known = model.predict(samples, 16000)
    assert known.emotion is not None
    for unknown, what in ((samples.tolist(), "a list of integers"), (samples.astype(np.int64), "an array of integers")):
        with pytest.raises(AudioError, match=f"{what} does not tell its full scale; expected floats .* numpy.int16"):
            model.predict(unknown, 16000)
    as_list = model.predict((samples / 32768).tolist(), 16000)
    assert as_list.probabilities == pytest.approx(known.probabilities)


@pytest.mark.parametrize("rate", ["16000", 16000.5, None])
def test_a_rate_is_a_whole_number(model: vocalics.Recognizer, rate: object) -> None:
    with pytest.raises(AudioError, match=r"whole number|needs its sample rate"):
        model.predict(np.zeros(16000, np.float32), rate)  # type: ignore[arg-type]


def test_an_empty_path_is_told(model: vocalics.Recognizer) -> None:
    with pytest.raises(AudioError, match="an empty path; expected an audio file"):
        model.predict("")


def test_what_is_no_voice_and_no_strangeness(model: vocalics.Recognizer) -> None:
    with pytest.raises(VocalicsError, match="the voice is a str; expected a Voice"):
        dataclasses.replace(model, voice="ann.voice")  # type: ignore[arg-type]
    with pytest.raises(VocalicsError, match="unfamiliar_above = nan: expected above 0"):
        dataclasses.replace(model, unfamiliar_above=float("nan"))


def test_a_short_window_shortens_the_hop(model: vocalics.Recognizer) -> None:
    voice = fakes.voice()
    stream = StreamingRecognizer(model, voice.sample_rate, window=0.3)
    ends = [p.end for p in stream.feed(voice.samples)]
    assert ends[:2] == pytest.approx([0.3, 0.6])


def test_a_file_in_a_pipe_of_raw_samples_is_told(clip: Path) -> None:
    with clip.open("rb") as file, pytest.raises(AudioError, match=r"begins as an audio file does \(RIFF\)"):
        list(sources.raw(file, 16000, 1, sources.Encoding.PCM16).blocks)
