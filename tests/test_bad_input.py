"""Bad input is one clear line and exit code 1, and the good file beside it is predicted all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import audio
from vocalics.audio import Clip

Run = Callable[..., tuple[int, str, str]]
VOICE = fakes.voice(2.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fakes.waveform_model(tmp_path / "m.onnx")
    audio.write("good.wav", VOICE)
    return tmp_path


def make(name: str) -> None:
    """Make a bad file by its name."""
    path = Path(name)
    if name == "empty.wav":
        path.touch()
    elif name == "text.wav":
        path.write_text("this is no sound\n" * 20)
    elif name.startswith("truncated"):
        audio.write(path, VOICE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "header.wav":
        audio.write(path, VOICE)
        path.write_bytes(path.read_bytes()[:20])
    elif name == "no_samples.wav":
        soundfile.write(path, np.zeros(0), 16_000)
    elif name in ("nan.wav", "infinity.wav"):
        samples = VOICE.samples.copy()
        samples[12_345] = np.nan if name == "nan.wav" else -np.inf
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
    elif name == "short.snd":
        path.write_bytes(b".snd\0\0\0\1")
    elif name == "samples.raw":
        path.write_bytes(VOICE.samples.tobytes())
    elif name == "slow.wav":
        soundfile.write(path, VOICE.samples, 1_000)
    elif name == "no audio here":
        path.mkdir()
        (path / "notes.txt").write_text("")


BAD = {
    "missing.wav": "no such file; check the path",
    "empty.wav": "is empty (0 bytes); expected an audio file",
    "text.wav": "cannot be decoded (Format not recognised); expected wav, flac, ogg, opus, mp3 or aiff audio that is "
    "complete",
    "truncated.wav": "is truncated (its header promises 64044 bytes, 32022 are there); expected a complete file",
    "truncated.aiff": "is truncated (its header promises 64054 bytes, 32027 are there); expected a complete file",
    "truncated.au": "is truncated (its header promises 64024 bytes, 32012 are there); expected a complete file",
    "truncated.flac": "cannot be decoded (flac decoder lost sync); expected wav, flac, ogg, opus, mp3 or aiff audio "
    "that is complete",
    "truncated.ogg": "is truncated (its last Ogg page is missing); expected a complete file",
    "truncated.opus": "is truncated (its last Ogg page is missing); expected a complete file",
    "header.wav": None,
    "no_samples.wav": "holds no samples; expected sound",
    "nan.wav": "sample 12345 is not a finite number (NaN or infinity); repair or re-export the file",
    "infinity.wav": "sample 12345 is not a finite number (NaN or infinity); repair or re-export the file",
    "short.snd": None,
    "samples.raw": "cannot be decoded (Format not recognised); expected wav, flac, ogg, opus, mp3 or aiff audio that "
    "is complete",
    "slow.wav": "a sample rate of 1000 Hz is out of range; expected 4000 to 384000 Hz",
    "no audio here": f"the folder holds no audio file; expected {', '.join(sorted(audio.EXTENSIONS))} in it or below",
    "*.mp3": "matches no file; check the pattern",
    "na\0me.wav": None,
    "x" * 300 + ".wav": "cannot be opened (File name too long)",
    "/dev/null": "is neither a file nor a pipe; expected an audio file",
    "größe Ω 音.wav": "no such file; check the path",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_the_rest_is_predicted(name: str, run: Run) -> None:
    make(name)
    code, out, err = run("predict", "--model", "m.onnx", "--format", "json", "good.wav", name, "good.wav")
    assert code == 1
    assert [json.loads(line)["path"] for line in out.splitlines()] == ["good.wav", "good.wav"]
    assert err.count("\n") == 1
    if BAD[name] is not None:
        assert err == f"vocalics: {name}: {BAD[name]}\n"


def test_a_truncated_mp3_is_told_by_its_own_header(run: Run) -> None:
    soundfile.write("cut.mp3", VOICE.samples, 16_000)
    data = Path("cut.mp3").read_bytes()
    Path("cut.mp3").write_bytes(data[: len(data) // 2])
    code, _, err = run("predict", "--model", "m.onnx", "cut.mp3")
    assert code == 1
    assert err.startswith("vocalics: cut.mp3: is truncated (its header promises ")


def test_a_file_that_may_not_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    audio.write("secret.wav", VOICE)
    opened = Path.open

    def guarded(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "secret.wav":  # as for one who is not root
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    code, out, err = run("predict", "--model", "m.onnx", "--format", "csv", "secret.wav", "good.wav")
    assert code == 1
    assert err == "vocalics: secret.wav: no permission to read it; change the file's mode or run as its owner\n"
    assert len(out.splitlines()) == 2


def test_a_folder_that_may_not_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()

    def denied(path: str) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", denied)
    code, _, err = run("predict", "--model", "m.onnx", "locked")
    assert (code, err) == (1, "vocalics: locked: the folder cannot be read (Permission denied)\n")


def test_a_late_fault_loses_nothing_that_was_printed(run: Run) -> None:
    samples = np.tile(VOICE.samples, 12)
    samples[-10] = np.nan
    soundfile.write("late.wav", samples, 16_000, subtype="FLOAT")
    code, out, err = run("predict", "--model", "m.onnx", "--timeline", "--format", "json", "late.wav", "good.wav")
    assert code == 1
    paths = [json.loads(line)["path"] for line in out.splitlines()]
    assert paths.count("late.wav") >= 10
    assert paths[-1] == "good.wav"
    assert err.startswith(f"vocalics: late.wav: sample {len(samples) - 10} is not a finite number")


@pytest.mark.parametrize("samples", [np.ones(1), np.zeros(32_000)], ids=["one sample", "all zeros"])
def test_one_sample_and_zeros_are_no_speech(samples: np.ndarray, run: Run) -> None:
    soundfile.write("x.wav", samples, 44_100)
    code, out, err = run("predict", "--model", "m.onnx", "--format", "json", "x.wav")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert (record["emotion"], record["label"]) == (None, "no speech")


GOOD = {
    "8-bit.wav": (16_000, 1, "PCM_U8"),
    "16-bit.wav": (16_000, 1, "PCM_16"),
    "24-bit.wav": (16_000, 1, "PCM_24"),
    "32-bit.wav": (16_000, 1, "PCM_32"),
    "float.wav": (16_000, 1, "FLOAT"),
    "double.wav": (16_000, 1, "DOUBLE"),
    "mu-law.wav": (8_000, 1, "ULAW"),
    "a-law.au": (8_000, 1, "ALAW"),
    "stereo.flac": (44_100, 2, "PCM_16"),
    "5.1 channels.wav": (48_000, 6, "PCM_24"),
    "8 kHz.wav": (8_000, 1, "PCM_16"),
    "96 kHz.flac": (96_000, 1, "PCM_24"),
    "vorbis.ogg": (22_050, 2, "VORBIS"),
    "opus.opus": (48_000, 1, "OPUS"),
    "layer 3.mp3": (44_100, 2, "MPEG_LAYER_III"),
    "größe Ω 音 😀.aiff": (16_000, 1, "PCM_16"),
}


LOSSY = {"PCM_U8", "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_LAYER_III"}
"""Their noise shifts the sign changes that the fake model counts."""


@pytest.mark.parametrize("name", GOOD)
def test_good_formats_are_predicted(name: str, run: Run) -> None:
    rate, n_channels, subtype = GOOD[name]
    samples = np.stack([audio.resample(VOICE, rate).samples] * n_channels, axis=1)
    soundfile.write(name, samples, rate, subtype=subtype, format="OGG" if name.endswith(".opus") else None)
    code, out, err = run("predict", "--model", "m.onnx", "--format", "json", name)
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["path"] == name
    assert record["end"] == pytest.approx(2.0, abs=0.1)
    assert record["emotion"] == record["label"] in record["probabilities"]
    if rate >= 16_000 and subtype not in LOSSY:
        expected = json.loads(run("predict", "--model", "m.onnx", "--format", "json", "good.wav")[1])
        assert record["emotion"] == expected["emotion"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("corrupt.onnx", fakes.waveform_model()[:-300], "is not a usable ONNX file ("),
        ("text.onnx", b"no model", "is not a usable ONNX file ("),
        (
            "foreign.onnx",
            fakes.SERIALISED,
            "is a foreign ONNX file (it has no vocalics card); expected a model made by",
        ),
        ("missing.onnx", None, "no such model file; check the path"),
    ],
)
def test_a_bad_model_is_one_line(name: str, data: bytes | None, message: str, run: Run) -> None:
    if data is not None:
        Path(name).write_bytes(data)
    code, out, err = run("predict", "--model", name, "good.wav")
    assert (code, out) == (1, "")
    assert err.startswith(f"vocalics: {name}: {message}")
    assert err.count("\n") == 1


def test_values_out_of_all_bounds_are_judged_or_refused_but_never_a_crash() -> None:
    from vocalics import modelfile
    from vocalics.errors import AudioError
    from vocalics.recognizer import Recognizer

    model = Recognizer(modelfile.load("m.onnx"))
    assert model.predict(Clip(VOICE.samples * np.float32(1e30), 16_000)).label == model.predict(VOICE).label
    with pytest.raises(AudioError, match="not a finite number"):
        model.predict(VOICE.samples.astype(np.float64) * 1e300, 16_000)
