"""What the page computes by itself is what Python computes: the modules are run by node, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest

import vocalics
from vocalics import audio
from vocalics.audio import Clip
from vocalics.preprocess import trim_silence
from vocalics.recognizer import Prediction
from vocalics.segment import speech_seconds
from vocalics.streaming import Display
from vocalics.windows import Windows

LOCAL = Path(vocalics.__file__).parent / "web" / "static" / "js" / "local"


def node(script: str, given: Any, *, names: dict[str, str]) -> Any:
    """Run a script that turns ``given`` into ``told``; ``names`` says which module a name comes from."""
    if shutil.which("node") is None:
        pytest.skip("no node on the path")
    imports = [f'import {{ {name} }} from "{(LOCAL / module).as_uri()}";' for name, module in names.items()]
    program = "\n".join(
        [
            *imports,
            'import fs from "node:fs";',
            'const given = JSON.parse(fs.readFileSync(0, "utf8"));',
            script,
            "process.stdout.write(JSON.stringify(told));",
        ]
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sounds() -> list[Clip]:
    """Voices at many levels in noise, noise alone, tones, clicks and silence, at 16 kHz."""
    rng = np.random.default_rng(5)
    found = [Clip(np.zeros(8_000, np.float32), 16_000), fakes.voice(0.2), fakes.noise(1.0)]
    tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    found.append(Clip((0.3 * tone).astype(np.float32), 16_000))
    click = np.zeros(16_000, np.float32)
    click[7_000] = 0.9
    found.append(Clip(click, 16_000))
    for i in range(24):
        voice = fakes.voice(rng.uniform(0.3, 2.0), rng.uniform(70, 400), level=10 ** rng.uniform(-3, -0.3))
        power = float(np.std(voice.samples)) * 10 ** rng.uniform(-2, 0.3)
        pad = np.zeros(int(rng.uniform(0, 12_000)), np.float32)
        samples = np.concatenate([pad, voice.samples, pad[: len(pad) // 2]])
        found.append(Clip((samples + power * rng.standard_normal(len(samples)) * (i % 3)).astype(np.float32), 16_000))
    return found


def test_the_gate_hears_the_same_voices() -> None:
    clips = sounds()
    told = node(
        "const told = given.map((x) => speechSeconds(Float32Array.from(x), 16000));",
        [clip.samples.tolist() for clip in clips],
        names={"speechSeconds": "voicing.js"},
    )
    said = [speech_seconds(clip) for clip in clips]
    assert told == pytest.approx(said, abs=0.021), "to a frame"
    assert [one > 0 for one in told] == [one > 0 for one in said]
    assert 0 in said and max(said) > 1 and sum(one > 0 for one in said) > 12


def test_the_same_ends_are_cut() -> None:
    clips = sounds()
    told = node(
        "const told = given.map((x) => trimSilence(Float32Array.from(x), 16000, 30).length);",
        [clip.samples.tolist() for clip in clips],
        names={"trimSilence": "trim.js"},
    )
    assert told == [len(trim_silence(clip, 30).samples) for clip in clips]
    assert any(n < len(clip.samples) for n, clip in zip(told, clips, strict=True))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 22_222, 44_100, 44_101, 48_000, 96_000])
def test_sound_is_resampled_alike(rate: int) -> None:
    """In pieces and in one; against the resampler of the Python side, which is another implementation."""
    voice = fakes.voice(0.7, 190.0, rate)
    told = node(
        "const [x, rate] = [Float32Array.from(given.x), given.rate];\n"
        "const stream = new Resampler(rate, 16000);\n"
        "const pieces = [];\n"
        "for (let i = 0; i < x.length; i += 777) pieces.push(...stream.feed(x.slice(i, i + 777)));\n"
        "pieces.push(...stream.feed(new Float32Array(0), true));\n"
        "const told = { whole: [...resample(x, rate, 16000)], pieces };",
        {"x": voice.samples.tolist(), "rate": rate},
        names={"Resampler, resample": "resample.js"},
    )
    assert told["whole"] == told["pieces"]
    said = audio.resample(voice, 16_000).samples
    assert len(said) == len(told["whole"])
    apart = np.abs(said - told["whole"])
    # A voice that begins at once is no band-limited sound: only the first samples differ.
    assert apart.max() < 5e-3 and apart[320:-320].max() < 2e-4 < np.abs(said).max() / 1000


@pytest.mark.parametrize(
    ("window", "hop", "whole"), [(3.0, 1.5, 0.0), (3.0, 3.0, 10.0), (1.0, 0.5, 0.0), (2.5, 0.7, 0.0), (0.25, 0.1, 0.0)]
)
def test_windows_are_cut_alike(window: float, hop: float, whole: float) -> None:
    lengths, rate = [0, 30, 99, 150, 301, 449, 450, 451, 1_000, 1_001, 1_333], 100
    told = node(
        "const cuts = (n, piece) => {\n"
        "  const windows = new Windows(given.window, given.hop, given.rate, given.whole);\n"
        "  const x = Float32Array.from({ length: n }, (_, i) => i);\n"
        "  const found = [];\n"
        "  for (let i = 0; i < n; i += piece) found.push(...windows.feed(x.slice(i, i + piece)));\n"
        "  return [...found, ...windows.flush()].map((c) => [c.start, c.samples.length, c.samples[0] ?? null]);\n"
        "};\n"
        "const told = given.lengths.map((n) => [cuts(n, 7), cuts(n, 5000)]);",
        {"window": window, "hop": hop, "whole": whole, "rate": rate, "lengths": lengths},
        names={"Windows": "windows.js"},
    )
    for n, (pieces, at_once) in zip(lengths, told, strict=True):
        windows = Windows(window, hop, rate, whole)
        x = np.arange(n, dtype=np.float32)
        said = [*windows.feed(x), *windows.flush()]
        assert pieces == at_once == [[start, len(w), w[0] if len(w) else None] for start, w in said], n
    assert len(told[-1][0]) > 3


def test_a_display_shows_the_same() -> None:
    rng, emotions = np.random.default_rng(3), ("neutral", "happy", "sad", "angry")
    stream = []
    for i in range(120):
        quiet = 40 <= i < 50 or i in (70, 90, 91)
        values = np.zeros(4) if quiet else rng.dirichlet(np.where(np.arange(4) == i // 15 % 4, 2.0, 0.7))
        stream.append({
            "end": 3 + 0.5 * i, "confidence": float(values.max()),
            "emotion": None if quiet or 55 <= i < 65 or i % 20 == 19 else emotions[int(values.argmax())],
            "label": "unsure",
            "probabilities": dict(zip(emotions, values.tolist(), strict=True)),
        })  # fmt: skip
    told = node(
        "const display = new Display();\nconst told = given.map((one) => display.update(one));",
        stream,
        names={"Display": "display.js"},
    )
    display, changes = Display(), 0
    for one, given in zip(told, stream, strict=True):
        shown = display.update(
            Prediction("", 0.0, given["end"], given["emotion"], given["confidence"], given["probabilities"], "m")
        )
        said = [one[key] for key in ("emotion", "label", "since", "changed")]
        assert said == [shown.emotion, shown.label, shown.since, shown.changed]
        assert one["probabilities"] == pytest.approx(dict(shown.probabilities))
        assert one["confidence"] == pytest.approx(shown.confidence)
        changes += shown.changed
    assert 3 < changes < 60 and {"no speech", "unsure"} < {one["label"] for one in told}
