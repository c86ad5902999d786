"""What the page computes by itself is what Python computes: the modules are run by node, without a browser."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile

import vocalics
from vocalics import audio, modelfile, named_models, records, timeline
from vocalics.audio import Clip
from vocalics.errors import AudioError, VocalicsError
from vocalics.preprocess import trim_silence
from vocalics.recognizer import Prediction, Recognizer
from vocalics.segment import speech_seconds, utterances
from vocalics.streaming import Backlog, Display
from vocalics.timeline.recording import summarise
from vocalics.windows import Windows

pytestmark = pytest.mark.slow

LOCAL = Path(vocalics.__file__).parent / "web" / "static" / "js" / "local"
CLIPS = sorted((Path(__file__).parents[2] / "examples" / "clips").glob("*.wav"))


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


def test_halves_are_rounded_alike() -> None:
    values = [*np.arange(-8, 8, 0.25).tolist(), *np.random.default_rng(1).uniform(-1e5, 1e5, 200).tolist(), 1e15 + 0.5]
    told = node("const told = given.map(round);", values, names={"round": "rounding.js"})
    assert told == [round(value) for value in values]
    assert told != [int(np.floor(value + 0.5)) for value in values], "halves go to the even number"


def strange(samples: np.ndarray) -> float:
    """A strangeness that depends on which samples are judged: three times their mean level."""
    return 3 * float(np.abs(samples).mean(dtype=np.float64))


class Strange(modelfile.LoadedModel):
    """The model of :func:`fakes.waveform_graph`, which tells a strangeness too."""

    tells_strangeness = True

    def judge(self, batch: Any, voice: Any = None) -> Any:
        return self.probabilities(batch), np.array([strange(batch[0])])


GRAPH = """
let runs = 0;
const graph = async (x) => {
  runs += 1;
  let changes = 0;
  for (let i = 1; i < x.length; i++) changes += Math.abs(Math.sign(x[i]) - Math.sign(x[i - 1]));
  const near = Array.from({ length: 8 }, (_, k) =>
    Math.exp(-40 * Math.abs(changes / (x.length - 1) - (0.01 + (0.19 * k) / 7))));
  const total = near.reduce((a, b) => a + b);
  const level = x.reduce((sum, value) => sum + Math.abs(value), 0) / x.length;
  return { probabilities: near.map((one) => one / total), strangeness: given.strange ? 3 * level : null };
};
const recognizer = new Recognizer(given.card, graph);
"""
"""The graph of :func:`fakes.waveform_graph` in place of a runtime, and a recognizer over it."""


def recognizer(strange: bool = False, **card: Any) -> tuple[Recognizer, dict[str, Any]]:
    """A recognizer, and what :data:`GRAPH` is given to make the same."""
    loaded = modelfile.load(fakes.waveform_model(**card))
    if strange:
        loaded = Strange(loaded.session, loaded.card, loaded.sha256)
    return Recognizer(loaded), {"card": json.loads(loaded.card.to_json()), "strange": strange}


def agree(told: dict[str, Any], said: Prediction) -> None:
    """Two predictions are the same, each field."""
    assert list(told) == list(records.record(said)), "the keys of every output, in their order"
    for name in ("path", "label", "emotion", "model"):
        assert told[name] == getattr(said, name), name
    for name in ("start", "end", "confidence", "strangeness"):
        assert told[name] == pytest.approx(getattr(said, name), abs=1e-5), name
    assert list(told["probabilities"]) == list(said.probabilities), "in the model's order"
    assert told["probabilities"] == pytest.approx(dict(said.probabilities), abs=1e-5)
    assert told["candidates"] == list(said.candidates)


def joined(*parts: float | Clip) -> Clip:
    """Clips at 16 kHz, and pauses between them in seconds."""
    pieces = [np.zeros(round(16_000 * p), np.float32) if isinstance(p, float) else p.samples for p in parts]
    return Clip(np.concatenate(pieces), 16_000)


@pytest.mark.parametrize(("trim_db", "strange"), [(None, False), (30.0, True)])
def test_a_recording_is_judged_alike(trim_db: float | None, strange: bool) -> None:
    low, high = fakes.voice(4.0, 110.0), fakes.voice(5.0, 320.0)
    clips = [
        joined(0.7, fakes.voice(1.6), 0.9),
        Clip(fakes.voice(12.0).samples[:160_000], 16_000),  # as long as what is judged in one piece
        Clip(fakes.voice(12.0, 230.0).samples[:160_001], 16_000),
        joined(low, 3.5, high, fakes.noise(2.0), 1.2),
        joined(fakes.noise(7.0), 5.0),
        joined(2.0),
        fakes.voice(0.2),
    ]
    judge, given = recognizer(strange, trim_db=trim_db)
    told = node(
        f"{GRAPH}const told = [];\n"
        "for (const x of given.clips) told.push(await recognizer.predict(Float32Array.from(x), ''));",
        {**given, "clips": [clip.samples.tolist() for clip in clips]},
        names={"Recognizer": "recognizer.js"},
    )
    said = [judge.predict(clip) for clip in clips]
    for one, other in zip(told, said, strict=True):
        agree(one, other)
    assert len({one["label"] for one in told}) > 2 and told[-1]["label"] == "no speech"
    assert len({one["strangeness"] for one in told}) == (5 if strange else 1)
    untrimmed = replace(judge, model=replace(judge.model, card=replace(judge.card, trim_db=None)))
    assert (untrimmed.predict(clips[0]).probabilities != said[0].probabilities) == strange


def test_the_same_sound_is_judged_once() -> None:
    _, given = recognizer()
    one, other = fakes.voice(1.0), fakes.voice(1.0, 200.0)
    told = node(
        f"{GRAPH}const [one, other] = given.clips.map((x) => Float32Array.from(x));\n"
        "const told = [];\n"
        "for (const x of [one, one.slice(), other, one]) {\n"
        "  const whole = await recognizer.predict(x, 'a');\n"
        "  told.push([runs, whole, await recognizer.judgeWindow(0, x, 'a'), runs]);\n"
        "}",
        {**given, "clips": [one.samples.tolist(), other.samples.tolist()]},
        names={"Recognizer": "recognizer.js"},
    )
    assert [(before, after) for before, _, _, after in told] == [(1, 1), (1, 1), (2, 2), (3, 3)]
    assert all(whole == window for _, whole, window, _ in told)
    assert told[0][1] == told[3][1] != told[2][1]


class Voiced(modelfile.LoadedModel):
    """The model of :func:`fakes.waveform_graph`, whose probabilities a known voice is taken away from."""

    voice_width = 8

    def hear(self, batch: Any, voice: Any) -> Any:
        chances = self.probabilities(batch)
        return np.exp(-voice) * chances / (np.exp(-voice) * chances).sum(), None, 3 * chances - 1


def test_a_voice_is_followed_alike() -> None:
    judge, given = recognizer(trim_db=30.0)
    judge = Recognizer(Voiced(judge.model.session, judge.card, judge.model.sha256))
    clips = [joined(0.4, fakes.voice(1.0 + 0.2 * k, 90.0 + 50 * k)) for k in range(4)] + [joined(1.0), fakes.voice(0.6)]
    starts = [0, 9_000, 30_000, 41_000, 70_000, 90_000]
    told = node(
        f"{GRAPH}const voiced = async (x, voice) => {{\n"
        "  const { probabilities: own, strangeness } = await graph(x);\n"
        "  const known = own.map((one, i) => one * Math.exp(-(voice?.[i] ?? 0)));\n"
        "  const total = known.reduce((a, b) => a + b);\n"
        "  const left = Float32Array.from(own, (one) => 3 * one - 1);\n"
        "  return { probabilities: known.map((one) => one / total), strangeness, left };\n"
        "};\n"
        "const follower = new Follower(new Recognizer(given.card, voiced));\n"
        "const told = [];\n"
        "for (const [k, x] of given.clips.entries())\n"
        "  told.push([await follower.judgeWindow(given.starts[k], Float32Array.from(x), 'a'), follower.clips]);",
        {**given, "clips": [clip.samples.tolist() for clip in clips], "starts": starts},
        names={"Recognizer": "recognizer.js", "Follower": "follower.js"},
    )
    follower = judge.follow()
    for (one, counted), clip, start in zip(told, clips, starts, strict=True):
        agree(one, follower.judge(start, clip, "a"))
        assert counted == pytest.approx(follower.voice.n_clips)
    assert 3 < told[-1][1] < 5 and told[4][1] == told[3][1]  # overlaps count once, silence not at all


def test_an_input_that_may_be_left_out_has_to_be_given(tmp_path: Path) -> None:
    path = named_models.model_path()
    script = "const file = new Uint8Array(fs.readFileSync(given));\nconst told = Array.from(required(file, 'voice'));"
    changed = bytes(node(script, str(path), names={"required": "graph.js"}))
    before, after = onnx.load(path), onnx.load_model_from_string(changed)
    assert len(changed) == path.stat().st_size and changed != path.read_bytes()
    kept = [value.name for value in before.graph.initializer if value.name != "voice"]
    assert [value.name for value in after.graph.initializer] == kept and len(kept) > 40
    session = onnxruntime.InferenceSession(changed)
    assert [i.name for i in session.get_inputs()] == ["waveform", "voice"]
    sound = fakes.voice(1.0).samples[None]
    said = session.run(["probabilities"], {"waveform": sound, "voice": np.zeros(96, np.float32)})[0]
    np.testing.assert_allclose(said, vocalics.load().model.probabilities(sound), atol=1e-6)


@pytest.mark.parametrize(
    ("window", "hop"),
    [(0.2, None), (1.0, 0.0), (1.0, 1.1), (2.1, None), (None, None), (1.0, None), (2.0, 1.0), (2.0, 1.2)],
)
def test_windows_that_cannot_be_are_refused_alike(window: float | None, hop: float | None) -> None:
    judge, given = recognizer(front_end={"longest_seconds": 2.0}, window_seconds=3.0 if window is None else 1.0)
    told = node(
        f"{GRAPH}let told = null;\n"
        "try { recognizer.windows(given.window, given.hop); } catch (error) { told = error.message; }",
        {**given, "window": window, "hop": hop},
        names={"Recognizer": "recognizer.js"},
    )
    try:
        judge.windows(window, hop)
        assert told is None and hop in (None, 1.0)
    except VocalicsError as error:
        assert str(error).split()[:5] == str(told).lower().split()[:5]
        assert (window, hop) not in ((1.0, None), (2.0, 1.0))


def test_stretches_lie_where_somebody_speaks() -> None:
    rng = np.random.default_rng(8)
    layouts: list[list[float | Clip]] = [[8.6, fakes.voice(2.7), 0.5]]  # across two blocks in which voices are sought
    for i in range(6):
        parts: list[float | Clip] = []
        for k in range(6):
            parts.append(float(rng.uniform(0.9, 2)) if k or i % 2 else 0.0)
            parts.append(fakes.voice(rng.uniform(0.3, 2.5), rng.uniform(80, 380), level=10 ** rng.uniform(-1, -0.3)))
        layouts.append([*parts, 0.0 if i % 3 else 1.0])
    clips = []
    for layout in layouts:
        samples = joined(*layout).samples
        clips.append(Clip(samples + 1e-3 * rng.standard_normal(len(samples)).astype(np.float32), 16_000))
    told = node(
        "const told = given.map((x) => stretchesOf(Float32Array.from(x), 16000));",
        [clip.samples.tolist() for clip in clips],
        names={"stretchesOf": "stretches.js"},
    )
    for stretches, layout, clip in zip(told, layouts, clips, strict=True):
        ends = np.cumsum([part if isinstance(part, float) else part.duration for part in layout])
        spoken = [(float(a), float(b)) for a, b in zip(ends[:-1:2], ends[1::2], strict=True)]
        expected = [bound for a, b in spoken for bound in (max(0.0, a - 0.15), min(clip.duration, b + 0.15))]
        assert [s[key] for s in stretches for key in ("start", "end")] == pytest.approx(expected, abs=0.06)
        assert stretches[0]["start"] >= 0 and stretches[-1]["end"] <= clip.duration


def test_pauses_bits_and_long_stretches() -> None:
    clips = [
        joined(1.0, fakes.voice(0.8), 0.3, fakes.voice(0.8), 0.9, fakes.voice(0.8), 1.0),
        joined(1.0, fakes.voice(0.06), 1.0, fakes.voice(0.8), 1.0),
        joined(1.0, fakes.voice(0.08), 1.0, fakes.voice(0.8), 1.0),
        joined(1.0, fakes.voice(24.0), 1.0),
        joined(3.0),
        fakes.noise(3.0),
    ]
    bridged, bit, least, long, silence, hiss = node(
        "const told = given.map((x) => stretchesOf(Float32Array.from(x), 16000));",
        [clip.samples.tolist() for clip in clips],
        names={"stretchesOf": "stretches.js"},
    )
    assert [round(s["end"] - s["start"], 1) for s in bridged] == [2.2, 1.1]
    assert [round(s["start"], 1) for s in bit] == [1.9], "less than 0.1 s of voice is none"
    assert [round(s["start"], 1) for s in least] == [0.8, 1.9]
    assert [s["end"] for s in long[:-1]] == pytest.approx([s["start"] for s in long[1:]])
    assert [s["end"] - s["start"] for s in long] == pytest.approx([24.3 / 3] * 3, abs=0.03)
    assert silence == hiss == []


def test_stretches_are_near_those_of_the_detector() -> None:
    """Real voices; what the neural detector hears and this does not, sounds without a pitch, is at their edges."""
    speech = joined(1.2, *(part for path in CLIPS for part in (audio.read(path, 16_000), 1.2)))
    sounds_given = sounds()
    told, *others = node(
        "const told = given.map((x) => stretchesOf(Float32Array.from(x), 16000));",
        [speech.samples.tolist(), *(clip.samples.tolist() for clip in sounds_given)],
        names={"stretchesOf": "stretches.js"},
    )
    said = utterances(speech, longest=10.0)
    assert len(said) == len(CLIPS) == 4
    assert [s[key] for s in told for key in ("start", "end")] == pytest.approx([t for s in said for t in s], abs=0.5)
    assert [bool(one) for one in others] == [speech_seconds(clip) > 0 for clip in sounds_given]
    assert {bool(one) for one in others} == {True, False}


A, B, C = (joined(0.6, fakes.voice(1.7, f0), 1.6, fakes.voice(1.1, 1.3 * f0)) for f0 in (110.0, 180.0, 270.0))
RECORDINGS = {
    "one": [A],
    "two": [A, B],
    "two alike": [B, B],
    "three, two alike": [A, B, A],
    "four, two alike": [A, A, B, C],
    "too many": [joined(A.duration)] * 8 + [C],
}


@pytest.mark.parametrize(("window", "hop"), [(None, None), (1.0, 0.4)])
@pytest.mark.parametrize("case", RECORDINGS)
def test_a_timeline_is_that_of_python(case: str, window: float | None, hop: float | None, tmp_path: Path) -> None:
    channels = RECORDINGS[case]
    judge, given = recognizer(strange=True, trim_db=30.0, window_seconds=2.0, hop_seconds=0.75)
    told = node(
        f"{GRAPH}const shares = [];\n"
        "const channels = given.channels.map((x) => Float32Array.from(x));\n"
        "const found = await timelineOf(\n"
        "  recognizer, channels, 16000, given.path, given.window, given.hop, (share) => shares.push(share));\n"
        "const told = { ...found, shares };",
        {
            **given,
            "channels": [clip.samples.tolist() for clip in channels],
            "path": str(tmp_path / "a.wav"),
            "window": window,
            "hop": hop,
        },
        names={"Recognizer": "recognizer.js", "timelineOf": "timeline.js"},
    )
    soundfile.write(tmp_path / "a.wav", np.stack([c.samples for c in channels], axis=1), 16_000, subtype="FLOAT")
    many = len(channels) > 8
    places = {"mono": 0, "left": 0, "right": 1, **{f"channel {i}": i - 1 for i in range(1, 5)}}
    if many:
        with pytest.raises(AudioError, match="at most 8"):
            timeline.build(judge, tmp_path / "a.wav")
    said = timeline.build(judge, tmp_path / "a.wav", window, hop, mix=many)
    assert (told["path"], told["model"], told["emotions"]) == (said.path, said.model, list(said.emotions))
    assert told["duration"] == pytest.approx(said.duration)
    assert [channel["name"] for channel in told["channels"]] == [channel.name for channel in said.channels]
    for one, other in zip(told["channels"], said.channels, strict=True):
        sound = audio.read(tmp_path / "a.wav") if many else channels[places[other.name]]
        assert len(one["windows"]) == len(other.windows) > 3
        for window_told, window_said in zip(one["windows"], other.windows, strict=True):
            agree(window_told, window_said)
        assert any(heard.emotion is None for heard in other.windows) == (window == 1.0), "in the pause"
        assert len(one["segments"]) == 2, "what is said before the pause, and after it"
        parts = []
        for segment in one["segments"]:
            start, end = segment["start"], segment["end"]
            part = judge.predict(audio.excerpt(sound, start, end))
            parts.append(replace(part, path=said.path, start=start, end=end))
            agree(segment, parts[-1])
        same_summary(one["summary"], summarise(parts))
        assert max(one["envelope"]) == pytest.approx(float(np.abs(sound.samples).max()))
    assert told["shares"] == sorted(told["shares"]) and 0.9 < told["shares"][-1] <= 1 + 1e-9


def test_a_timeline_of_another_rate_has_its_times() -> None:
    clip = audio.resample(joined(0.5, fakes.voice(2.4, 150.0), 0.6), 44_100)
    judge, given = recognizer()
    told = node(
        f"{GRAPH}const told = await timelineOf(\n"
        "  recognizer, [Float32Array.from(given.x)], 44100, 'a', 1.0, 0.25, () => {});",
        {**given, "x": clip.samples.tolist()},
        names={"Recognizer": "recognizer.js", "timelineOf": "timeline.js"},
    )
    (channel,) = told["channels"]
    said = list(judge.timeline(clip, window=1.0, hop=0.25))
    assert told["duration"] == pytest.approx(clip.duration)
    assert [(one["start"], one["end"]) for one in channel["windows"]] == [(one.start, one.end) for one in said]
    # In silence, two resamplers ring otherwise: signs, which this model counts, are those of the voice only within it.
    within = [i for i, one in enumerate(said) if one.start >= 0.5 and one.end <= 2.9]
    for i in within:
        assert channel["windows"][i]["probabilities"] == pytest.approx(dict(said[i].probabilities), abs=0.02)
    assert 4 < len(within) < len(said)
    ((start, end),) = [(one["start"], one["end"]) for one in channel["segments"]]
    assert (start, end) == pytest.approx((0.35, 3.05), abs=0.06)


def same_summary(told: dict[str, Any], said: Any) -> None:
    """A summary is that of Python."""
    assert set(told) == {field.name for field in dataclasses.fields(said)}
    assert (told["speech_seconds"], told["changes"]) == (pytest.approx(said.speech_seconds), said.changes)
    assert list(told["shares"]) == list(said.shares), "the largest first"
    assert told["shares"] == pytest.approx(dict(said.shares))
    assert [(one["emotion"], one["start"]) for one in told["strongest"]] == [
        (one.emotion, pytest.approx(one.start)) for one in said.strongest
    ]


def test_segments_are_summed_up_alike() -> None:
    rng, emotions = np.random.default_rng(11), ("neutral", "happy", "sad", "angry")
    channels: list[list[Prediction]] = [[]]
    for i in range(40):
        channels.append([])
        for k in range(rng.integers(1, 14)):
            kind = rng.choice(["named", "quiet", "unsure", "unfamiliar"], p=[0.6, 0.2, 0.1, 0.1]) if i > 4 else "quiet"
            values = np.zeros(4) if kind == "quiet" else rng.dirichlet([1.0] * 4).round(1 + i % 2)
            best = emotions[int(values.argmax())] if kind == "named" else None
            channels[-1].append(
                Prediction(
                    "a", 2.0 * k, 2 * k + float(rng.uniform(0.2, 2)), best, float(values.max()),
                    dict(zip(emotions, values.tolist(), strict=True)), "m", unfamiliar=kind == "unfamiliar",
                )
            )  # fmt: skip
    told = node(
        "const told = given.map(summaryOf);",
        [[{**dataclasses.asdict(one), "label": one.label} for one in channel] for channel in channels],
        names={"summaryOf": "timeline.js"},
    )
    said = [summarise(channel) for channel in channels]
    for one, other in zip(told, said, strict=True):
        same_summary(one, other)
    assert {label for one in said for label in one.shares} == {*emotions, "unsure", "unfamiliar"}
    assert max(one.changes for one in said) > 3 and said[0].shares == {}


@pytest.mark.parametrize("max_lag", [None, 0.0, 0.5, 3.0])
def test_a_stream_leaves_out_what_is_too_old(max_lag: float | None) -> None:
    rng = np.random.default_rng(4)
    steps = [(int(rng.integers(0, 4)), float(rng.uniform(0, 2))) for _ in range(40)]
    told = node(
        "const backlog = new Backlog(10, given.lag); const told = []; let [at, heard] = [0, 0];"
        "for (const [n, seconds] of given.steps) { heard += seconds;"
        " backlog.extend(Array.from({ length: n }, () => ({ start: (at += 5), samples: new Float32Array(10) })));"
        " told.push([backlog.take(heard)?.start ?? null, backlog.length, backlog.skipped]); }",
        {"steps": steps, "lag": max_lag},
        names={"Backlog": "backlog.js"},
    )
    backlog, found, at, heard = Backlog(10, max_lag), [], 0, 0.0
    for n, seconds in steps:
        heard += seconds
        starts = [at + 5 * (k + 1) for k in range(n)]
        at += 5 * n
        backlog.extend((start, Clip(np.zeros(10, np.float32), 10)) for start in starts)
        taken = backlog.take(heard)[0] if len(backlog) else None
        found.append([taken, len(backlog), backlog.n_skipped])
    assert told == found and len({tuple(step) for step in found}) > 10
    assert (found[-1][2] == 0) == (max_lag is None)


def test_who_asks_first_has_the_first_turn() -> None:
    told = node(
        "const turns = new Turns(); const told = [];"
        "const action = (word, fails) => async () => { told.push(`${word}<`); await null; told.push(`>${word}`);"
        " if (fails) throw new Error(word); return word; };"
        "const say = (...what) => turns.take(action(...what)).then("
        "(x) => told.push(x), (e) => told.push(`${e.message}!`));"
        "const again = async () => { for (let i = 0; i < 3; i++) await say('a'); };"
        "const long = again(); setTimeout(() => say('b', true)); await long; await say('c');",
        None,
        names={"Turns": "turns.js"},
    )
    begun = [i for i, word in enumerate(told) if word.endswith("<")]
    assert all(told[i + 1] == f">{told[i][0]}" for i in begun), "one thing at a time"
    assert sorted(told[i][0] for i in begun) == ["a", "a", "a", "b", "c"]
    assert told[-1] == "c" and told.count("b!") == 1 and told.index("b<") < told.index("c<")
