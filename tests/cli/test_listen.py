"""``vocalics listen``: files, raw samples and a microphone, as JSON, as lines, as a picture."""

from __future__ import annotations

import io
import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
from rich.console import Console

from vocalics import audio, recognizer
from vocalics.audio import Clip
from vocalics.cli import listen as listening
from vocalics.cli import sources
from vocalics.cli.meter import Meter
from vocalics.cli.sources import Encoding, Sound, file, raw
from vocalics.errors import AudioError
from vocalics.recognizer import load
from vocalics.streaming import Display, StreamingRecognizer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "talk.wav"
    pause = np.zeros(6 * 22_050, np.float32)
    voices = [audio.resample(fakes.voice(4.0, pitch), 22_050).samples for pitch in (120.0, 240.0)]
    audio.write(path, Clip(np.concatenate([voices[0], pause, voices[1]]), 22_050))
    return path


def test_json_lines_are_the_timeline_and_what_is_shown(run: Run, recording: Path) -> None:
    code, out, err = run("listen", str(recording), "--fast", "--format", "json", "--window", "2")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    expected = list(recognizer.load().timeline(recording, window=2.0, hop=0.5))
    told = [(x["start"], x["end"], x["emotion"], x["label"]) for x in lines]
    assert told == [(p.start, p.end, p.emotion, p.label) for p in expected]
    assert lines[3]["probabilities"] == pytest.approx(dict(expected[3].probabilities), abs=1e-6)
    display = Display()
    shown = [display.update(p) for p in expected]
    assert [x["shown"]["emotion"] for x in lines] == [s.emotion for s in shown]
    assert len({x["emotion"] for x in lines}) > 1 and any(x["shown"]["changed"] for x in lines)


def test_raw_samples_of_standard_input(run: Run, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = audio.read(recording).samples
    stereo = np.stack([samples, samples], axis=1)
    said = []
    for encoding, data in (
        ("float32", stereo.astype("<f4").tobytes()),
        ("pcm16", np.round(stereo * 32_767).astype("<i2").tobytes()),
    ):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
        options = ("--rate", "22050", "--channels", "2", "--encoding", encoding, "--format", "json", "--window", "2")
        code, out, err = run("listen", "-", *options)
        assert (code, err) == (0, "")
        said.append([json.loads(line)["label"] for line in out.splitlines()])
    assert said[0] == [p.label for p in recognizer.load().timeline(recording, window=2.0, hop=0.5)]
    assert sum(a == b for a, b in zip(*said, strict=True)) >= len(said[0]) - 1  # 16 bits are a little coarser
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"abc")))
    code, _, err = run("listen", "-")
    assert code == 1 and "ends within a sample (1 of 2 bytes)" in err
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(b"")))
    code, _, err = run("listen", "-")
    assert code == 1 and "holds no samples" in err


def test_a_pipe_is_read_as_it_comes() -> None:
    class Pipe(io.RawIOBase):
        pieces = [b"\x01\x00\x02", b"\x00", b"\x03\x00\x04\x00", b""]  # noqa: RUF012

        def read1(self, _: int) -> bytes:
            return self.pieces.pop(0)

    blocks = [b.ravel().tolist() for b in raw(Pipe(), 16_000, 1, Encoding.PCM16).blocks]  # type: ignore[arg-type]
    assert blocks == [[1], [2], [3, 4]]


def test_a_file_keeps_its_pace_unless_told_otherwise(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = types.SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(sources, "time", clock)
    for paced in (False, True):
        sound = file(str(recording), paced)
        for _ in range(4):
            next(sound.blocks)
        assert sum(slept) == pytest.approx(0.4 if paced else 0)


class _Microphone(types.ModuleType):
    """A stand-in for sounddevice: two seconds of a voice, then the user has enough."""

    PortAudioError = RuntimeError

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        super().__init__("sounddevice")
        self.samples, self.rate = samples, rate

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:
        about = {"name": "a microphone", "default_samplerate": float(self.rate), "max_input_channels": 1}
        if kind is None:
            return [about, {**about, "name": "loudspeaker", "max_input_channels": 0}]
        if device not in (None, 0, "micro"):
            raise ValueError(f"No input device matching {device!r}")
        return about

    def InputStream(self, samplerate: int, blocksize: int, callback: Any, **_: Any) -> Any:  # noqa: N802
        for start in range(0, len(self.samples), blocksize):
            callback(self.samples[start : start + blocksize, None], blocksize, None, None)

        class Stream:
            def __enter__(self) -> None: ...
            def __exit__(self, *_: object) -> None: ...

        return Stream()


def test_a_microphone_until_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import queue

    sound = fakes.voice(3.1).samples
    monkeypatch.setitem(sys.modules, "sounddevice", _Microphone(sound, 16_000))

    def get(self: queue.Queue[Any], *_: object, real: Any = queue.Queue.get) -> Any:
        if self.empty():
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(queue.Queue, "get", get)
    code, out, err = run("listen", "--device", "micro", "--format", "json", "--window", "2")
    assert (code, err) == (0, "")
    expected = list(recognizer.load().timeline(Clip(sound, 16_000), window=2.0, hop=0.5))
    assert [json.loads(line)["end"] for line in out.splitlines()] == [round(p.end, 3) for p in expected]
    code, _, err = run("listen", "--device", "9")
    assert code == 1 and '"9" is no microphone here' in err and "vocalics listen --devices" in err
    code, out, _ = run("listen", "--devices")
    assert out == "0  a microphone  16000 Hz\n"


def test_what_nobody_fetches_in_time_is_lost_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from vocalics.cli.sources import microphone

    monkeypatch.setitem(sys.modules, "sounddevice", _Microphone(np.arange(7 * 16_000, dtype=np.float32), 16_000))
    sound = microphone(None)
    first = next(sound.blocks)
    assert sound.n_lost == 20 and first[0] == 2 * 16_000  # the newest five of seven seconds are held


def test_lines_where_no_terminal_is_and_a_clear_word_for_wrong_use(run: Run, recording: Path) -> None:
    code, out, err = run("listen", str(recording), "--fast")
    assert (code, err) == (0, "")
    *changes, last = out.splitlines()
    assert changes and last.startswith(f"14.0 s of {recording}: ") and "no speech" in last
    code, out, _ = run("listen", str(recording), "--fast", "--seconds", "2.5")
    assert code == 0 and "2.5 s of" in out
    code, _, err = run("listen", str(recording), "--device", "x")
    assert code == 2 and "leave one of them out" in err
    for more in (["--rate", "8000"], ["--channels", "2"], ["--encoding", "float32"]):
        code, _, err = run("listen", str(recording), *more)
        assert code == 2 and "are of raw samples" in err
    for what in ([], ["-"]):
        code, _, err = run("listen", *what, "--fast")
        assert code == 2 and "--fast is for a file" in err
    code, _, err = run("listen", "nowhere.wav")
    assert code == 1 and "nowhere.wav: no such file" in err


@pytest.mark.parametrize(("rate", "seconds"), [(22_050, 0.25), (11_025, 2.5), (44_100, 3.333), (16_000, 1 / 3)])
def test_it_ends_after_so_much_sound_at_any_rate(rate: int, seconds: float) -> None:
    n_read = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal n_read
        for _ in range(100):
            n_read += 1
            yield np.zeros(rate // 10, np.float32)

    stream = StreamingRecognizer(load("default"), rate)
    list(listening._predictions(stream, Sound("x", rate, blocks()), seconds))
    assert abs(stream.seconds - seconds) <= 0.51 / rate
    assert n_read <= seconds * 10 + 2


def test_the_picture_names_what_it_shows(recording: Path) -> None:
    display, meter = Display(), Meter("talk", 0.5, 80)
    pictures = []
    for prediction in recognizer.load().timeline(recording, window=2.0, hop=0.5):
        shown = display.update(prediction)
        console = Console(record=True, width=80, file=io.StringIO())
        console.print(meter.draw(shown))
        pictures.append((shown, console.export_text()))
    shown, text = next((s, t) for s, t in reversed(pictures) if s.emotion)
    lines = text.splitlines()
    assert lines[0].startswith("talk  ") and lines[1].startswith(f"{shown.emotion}  {shown.confidence:.0%}")
    assert len(lines) == 3 + len(shown.probabilities) and all(len(line) <= 80 for line in lines)
    bars = {line.split()[0]: line.count("█") for line in lines[2:-1]}
    assert bars[shown.emotion or ""] == max(bars.values()) > 0
    cells = lines[-1].removeprefix("last 60 s ")
    assert cells.rstrip("·") != "" and (shown.emotion or "x")[0] in cells


def test_a_device_that_is_held_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from vocalics.cli.sources import microphone

    class Held(_Microphone):
        def InputStream(self, **_: Any) -> Any:  # noqa: N802
            raise RuntimeError("Device unavailable")

    monkeypatch.setitem(sys.modules, "sounddevice", Held(np.zeros(16, np.float32), 16_000))
    with pytest.raises(AudioError, match=r"a microphone: cannot be opened \(Device unavailable\)"):
        next(microphone(None).blocks)
