"""The desktop program against the recognizer in Python, and what it says of all that is no wav file."""

from __future__ import annotations

import dataclasses
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from vocalics import audio, modelfile, records
from vocalics.audio import Clip
from vocalics.edge import front_end, network, source
from vocalics.export import waveform
from vocalics.export.card import with_card
from vocalics.features.feature_set import feature_set
from vocalics.features.logmel import LogMel
from vocalics.named_models import model_path
from vocalics.recognizer import Prediction, Recognizer, load

sys.path.insert(0, str(Path(__file__).parent))
import c_sound

SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program and the recognizer of the same model."""

    path: Path
    recognizer: Recognizer

    def __call__(self, *arguments: str | Path, stdin: bytes | None = None) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, the lines on standard output, standard error."""
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run([self.path, *arguments], capture_output=True, check=False, **given)  # type: ignore[call-overload]
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        return done.returncode, lines, done.stderr.decode()


def build(model: Path, folder: Path, *flags: str) -> Program:
    loaded = modelfile.load(model)
    card = loaded.card
    command = "vocalics compile"
    files = {
        **network.write(model, front_end.n_frames(card), command),
        **front_end.write(card, loaded.sha256, command),
    }
    copied = (*network.KERNELS, *front_end.sources(card), *front_end.program_sources(card))
    c_sound.write(folder, {**files, **source.copied(copied, "c")}, ())
    return Program(c_sound.compiled(folder, "emotion", *flags), Recognizer(loaded))


def small_model(path: Path) -> Path:
    """A net of one linear map of the mean log-mel frame, with random weights."""
    model = waveform.front_end(LogMel())
    weights = np.random.default_rng(0).normal(0, 0.1, (64, 8)).astype(np.float32)
    level = np.array(12, np.float32)
    model.graph.initializer.extend(
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(level, "level")]
    )
    node = helper.make_node
    model.graph.node.extend(
        [
            node("ReduceMean", ["log_mel"], ["mean"], axes=[2], keepdims=0),
            node("Add", ["mean", "level"], ["levelled"]),
            node("MatMul", ["levelled", "weights"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 8]))
    card = fakes.card(front_end=dataclasses.asdict(LogMel()), trim_db=40.0)
    path.write_bytes(with_card(model.SerializeToString(), card))
    return path


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The small model's program, under the sanitizers."""
    folder = tmp_path_factory.mktemp("program")
    return build(small_model(folder / "small.onnx"), folder / "c", *SANITIZED)


def speech(seconds: float, seed: int = 0) -> Clip:
    """Voices of changing pitch with pauses."""
    rng = np.random.default_rng(seed)
    parts = [fakes.voice(0.7, float(rng.uniform(90, 260))).samples * np.float32(rng.uniform(0.2, 1)) for _ in range(40)]
    parts = [np.concatenate([p, np.zeros(rng.integers(500, 9_000), np.float32)]) for p in parts]
    samples = np.concatenate(parts)[: round(seconds * 16_000)]
    return Clip(samples + fakes.noise(len(samples) / 16_000, level=1e-4).samples[: len(samples)], 16_000)


def assert_same(line: dict[str, Any], prediction: Prediction, tolerance: float = 2e-5) -> None:
    assert (line["emotion"], line["label"]) == (prediction.emotion, prediction.label)
    assert list(line) == [*records.record(prediction), *(["speech_seconds"] if "speech_seconds" in line else [])]
    assert line["candidates"] == []
    assert line["probabilities"] == pytest.approx(dict(prediction.probabilities), abs=tolerance)
    assert line["confidence"] == pytest.approx(prediction.confidence, abs=tolerance)
    assert (line["start"], line["end"]) == pytest.approx((prediction.start, prediction.end), abs=0.001)
    assert line["model"] == prediction.model


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1.0, 3.0, 9.99, 10.0, 10.01, 14.4, 16.6])
def test_a_recording_is_judged_as_in_python(program: Program, tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "a.wav"
    audio.write(path, speech(seconds, round(seconds)))
    expected = program.recognizer.predict(path)
    code, [line], err = program(path)
    assert (code, err, line["path"]) == (0, "", str(path))
    assert_same(line, expected)
    assert (expected.emotion is not None) == (seconds > 0.25)


def test_recordings_of_the_same_model_differ(program: Program, tmp_path: Path) -> None:
    for seed in range(3):
        audio.write(tmp_path / f"{seed}.wav", speech(2.0, seed))
    code, lines, _ = program(*sorted(tmp_path.glob("*.wav")))
    assert (code, len(lines)) == (0, 3)
    confidences = [line["confidence"] for line in lines]
    assert np.ptp(confidences) > 0.01


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates_and_channels(program: Program, tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    clip = audio.resample(speech(2.5), rate)
    import soundfile

    soundfile.write(path, np.stack([clip.samples, clip.samples * np.float32(0.5)], axis=1), rate, subtype="FLOAT")
    _, [line], _ = program(path)
    assert_same(line, program.recognizer.predict(path), 1e-3)


def pcm(clip: Clip) -> bytes:
    return np.clip(np.round(clip.samples * 32_768), -32_768, 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_stream_gives_the_windows_of_a_timeline(program: Program, tmp_path: Path, rate: int) -> None:
    clip = audio.resample(speech(9.3), rate)
    path = tmp_path / "a.wav"
    audio.write(path, clip, "PCM_16")
    expected = list(program.recognizer.timeline(path))
    code, lines, err = program("--rate", str(rate), "-", stdin=path.read_bytes()[-2 * len(clip.samples) :])
    assert (code, err, len(lines)) == (0, "", len(expected))
    assert program("--timeline", path)[1] == [{**line, "path": str(path)} for line in lines]
    for line, prediction in zip(lines, expected, strict=True):
        assert_same(line, prediction, 1e-3)
    assert len(expected) > 4
    whole_windows = program("--timeline", "--hop", "3", path)[1]
    assert len(whole_windows) == len(list(program.recognizer.timeline(path, hop=3.0)))


def test_a_line_comes_as_soon_as_its_window_is_complete(program: Program) -> None:
    data = pcm(speech(10.0))
    with subprocess.Popen(
        [program.path, "--rate", "16000", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(data[: 2 * 16_000 * 4])  # 4 s of it, and the pipe stays open
        running.stdin.flush()
        line = json.loads(running.stdout.readline())
        assert (line["path"], line["start"], line["end"]) == ("-", 0, 3)
        running.stdin.close()
        assert running.wait(60) == 0


def test_raw_floats_of_two_channels(program: Program) -> None:
    clip = speech(2.0)
    one = program("--rate", "16000", "--f32", "-", stdin=clip.samples.astype("<f4").tobytes())[1]
    two = np.stack([clip.samples * np.float32(1.5), clip.samples * np.float32(0.5)], axis=1)
    both = program("--rate", "16000", "--f32", "--channels", "2", "-", stdin=two.astype("<f4").tobytes())[1]
    assert one[0]["probabilities"] == pytest.approx(both[0]["probabilities"], abs=1e-5)
    assert one[0]["confidence"] > 0


def wrong_sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Paths that are no wav files, and what is said of them."""
    good = folder / "good.wav"
    audio.write(good, speech(1.0))
    data = good.read_bytes()
    for name, content, words in (
        ("empty.wav", b"", "is empty (0 bytes)"),
        ("cut.wav", data[:-1_000], "is truncated (1000 bytes of its sound are missing)"),
        ("text.wav", b"not sound at all", "is no wav file"),
        ("a.flac", b"fLaC" + bytes(100), "is FLAC; expected wav"),
        ("silent.wav", data[:40] + struct.pack("<I", 0), "holds no samples"),
        ("nan.wav", None, "is not a finite number, number 3"),
        ("old.wav", data.replace(struct.pack("<I", 16_000), struct.pack("<I", 100), 1), "sample rate of 100 Hz"),
    ):
        if content is None:
            import soundfile

            soundfile.write(folder / name, np.array([0, 0.1, 0.2, np.nan, 0]), 16_000, subtype="FLOAT")
        else:
            (folder / name).write_bytes(content)
        yield str(folder / name), words
    yield str(folder), "is a folder"
    yield str(folder / "nowhere.wav"), "no such file"


def test_what_cannot_be_judged_is_told_and_the_rest_is_judged(program: Program, tmp_path: Path) -> None:
    for path, words in wrong_sources(tmp_path):
        code, lines, err = program(path, tmp_path / "good.wav")
        assert code == 1, path
        assert [line["path"] for line in lines] == [str(tmp_path / "good.wav")]
        assert err.startswith(f"emotion: {path}: ")
        assert words in err
        assert err.count("\n") == 1


def test_standard_input(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    audio.write(path, speech(1.0))
    code, [line], _ = program("-", stdin=path.read_bytes())
    assert (code, line["path"]) == (0, "-")
    assert line["probabilities"] == program(path)[1][0]["probabilities"]
    assert program("-", stdin=b"")[::2] == (1, "emotion: -: is empty (0 bytes); expected a wav file\n")
    assert program("--rate", "8000", "-", stdin=b"")[::2] == (1, "emotion: -: is empty; expected raw samples\n")


def test_a_name_of_any_bytes_is_json(program: Program, tmp_path: Path) -> None:
    path = tmp_path / 'n"e\\é\n.wav'
    audio.write(path, speech(1.0))
    assert program(path)[1][0]["path"] == str(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loud", "a.wav"], "--loud is no option"),
        (["--rate", "12", "-"], "--rate is no option, or its value is none"),
        (["--rate"], "--rate is no option, or its value is none"),
        (["--hop", "4", "a.wav"], "--hop is no option, or its value is none"),
        (["--f32", "a.wav"], "--rate HZ is missing"),
        ([], "no file was given"),
    ],
)
def test_wrong_use_is_told(program: Program, arguments: list[str], words: str) -> None:
    code, lines, err = program(*arguments)
    assert (code, lines) == (2, [])
    assert words in err
    assert "--help" in err


def test_help_and_version(program: Program) -> None:
    said = subprocess.run([program.path, "--help"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("Usage: emotion")
    assert max(map(len, said.splitlines())) <= 80
    version = subprocess.run([program.path, "--version"], capture_output=True, text=True, check=True).stdout
    assert version == f"{program.recognizer.card.name} {program.recognizer.model.sha256}\n"


def test_a_full_disk_is_told(program: Program, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    audio.write(tmp_path / "a.wav", speech(1.0))
    with full.open("wb") as out:
        done = subprocess.run([program.path, tmp_path / "a.wav"], stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr


@pytest.fixture(scope="session")
def features_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program of a model whose feature set has no front end in C."""
    folder = tmp_path_factory.mktemp("features")
    name = "mfcc_chroma_mel_contrast_tonnetz"
    card = fakes.card(input="features", feature_set=name, n_features=193, sample_rate=22_050, trim_db=None)
    model = folder / "features.onnx"
    model.write_bytes(with_card(fakes.features_graph(193), card))
    return build(model, folder / "c", *SANITIZED)


def test_features_are_judged_where_there_is_no_front_end(features_program: Program, tmp_path: Path) -> None:
    clip = fakes.voice(1.0, sample_rate=22_050)
    features = feature_set(features_program.recognizer.card.feature_set).extract(clip) / 100
    chances = features_program.recognizer.model.probabilities(features[None])[0]
    (tmp_path / "a.f32").write_bytes(features.astype("<f4").tobytes())
    code, [line], _ = features_program(tmp_path / "a.f32")
    assert code == 0
    np.testing.assert_allclose(list(line["probabilities"].values()), chances, atol=2e-6)
    assert np.ptp(chances) > 0.01
    assert features_program("-", stdin=(tmp_path / "a.f32").read_bytes())[1][0]["emotion"] == line["emotion"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (bytes(193 * 4 - 1), "ends within a number"),
        (bytes(192 * 4), "holds 192 numbers, which are no whole frames"),
        (bytes(194 * 4), "more features than the model takes"),
        (struct.pack("<f", float("inf")) + bytes(192 * 4), "a number that is not finite, number 0"),
    ],
)
def test_wrong_features_are_told(features_program: Program, tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.f32").write_bytes(data)
    code, lines, err = features_program(tmp_path / "a.f32")
    assert (code, lines) == (1, [])
    assert words in err
    assert features_program(tmp_path / "nowhere")[0] == 1
    assert features_program("--what")[0] == 2


@pytest.mark.slow
@pytest.mark.corpus
def test_the_default_model_says_of_real_clips_what_python_says(shared: Path, tmp_path: Path) -> None:
    program = build(model_path("default"), tmp_path / "c", "-O3")
    clips = (
        sorted((shared / "corpora/emodb/wav").iterdir())[::13]
        + sorted((shared / "corpora/crema_d").rglob("*.flac"))[::180]
    )
    for i, clip in enumerate(clips):
        audio.write(tmp_path / f"{i:03}.wav", audio.read(clip))
    paths = sorted(tmp_path.glob("*.wav"))
    code, lines, _ = program(*paths)
    assert (code, len(lines)) == (0, len(clips))
    recognizer = load("default")
    for path, line in zip(paths, lines, strict=True):
        assert_same(line, recognizer.predict(path), 1e-4)
    assert len({line["emotion"] for line in lines}) >= 5
