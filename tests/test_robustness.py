"""A model under other conditions: what is changed and how much, what is told of it, and that chance plays no part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import numpy as np
import pytest

from vocalics import audio, modelfile, plots
from vocalics.audio import Clip
from vocalics.emotions import scheme
from vocalics.errors import RecipeError, VocalicsError
from vocalics.manifest import Manifest, Utterance
from vocalics.recognizer import Prediction, Recognizer
from vocalics.robustness import CLEAN, FAMILIES, Condition, conditions, measure, to_markdown

Run = Callable[..., tuple[int, str, str]]


def quiet(*_: object) -> None:
    """No progress."""


@pytest.fixture
def clips(tmp_path: Path) -> Manifest:
    """Twelve voices of three speakers, each what the fake model takes it for."""
    model, rows = Recognizer(modelfile.load(fakes.waveform_model())), []
    for i in range(12):
        path = tmp_path / f"{i}.wav"
        audio.write(path, fakes.voice(0.7 + 0.1 * i, 100 + 40.0 * i))
        rows.append(Utterance(str(path), "folder", f"folder/{i % 3}", "", str(model.predict(path).emotion)))
    return Manifest(tuple(rows)).with_digests()


def measured(clips: Manifest, under: tuple[Condition, ...], seed: int = 0) -> list[float]:
    model = Recognizer(modelfile.load(fakes.waveform_model()))
    return [row.report.uar.value for row in measure(model, clips, scheme("eight"), under, seed, quiet)]


def test_conditions_do_what_they_are_called(tmp_path: Path) -> None:
    under = {c.title: c for c in conditions()}
    assert next(iter(under)) == CLEAN and len(under) == 24
    clip, rng = fakes.voice(3.0), np.random.default_rng(0)
    power = float(np.square(clip.samples).mean())
    for snr in (20, 10, 5, 0):
        noise = under[f"white noise, {snr} dB"](clip, rng).samples - clip.samples
        assert 10 * np.log10(power / np.square(noise).mean()) == pytest.approx(snr, abs=0.1)
    assert len(under["length, 0.5 s"](clip, rng).samples) == 8000
    np.testing.assert_array_equal(under["length, 1 s"](clip, rng).samples, clip.samples[16_000:32_000])
    assert (
        under["length, 8 s"](clip, rng).samples is clip.samples
        or len(under["length, 8 s"](clip, rng).samples) == 48_000
    )
    assert len(under["speed, +10 %"](clip, rng).samples) == pytest.approx(48_000 / 1.1, abs=2)
    assert np.abs(under["gain, -20 dB"](clip, rng).samples).max() == pytest.approx(np.abs(clip.samples).max() / 10)
    for title in ("MP3, 22 kbit/s", "Opus, 9 kbit/s", "telephone, µ-law", "clipped, by 12 dB", "room, 1 s"):
        heard = under[title](clip, rng)
        assert len(heard.samples) == len(clip.samples) and not np.allclose(heard.samples, clip.samples, atol=1e-4)
    (tmp_path / "noise").mkdir()
    audio.write(tmp_path / "noise" / "hiss.wav", fakes.noise(1.0))
    more = [c.title for c in conditions(str(tmp_path / "noise"), str(tmp_path / "noise"))]
    assert len(more) == 29 and "recorded noise, 0 dB" in more and "recorded room" in more
    with pytest.raises(RecipeError, match="no such folder"):
        conditions(str(tmp_path / "none"))


def test_the_sound_as_recorded_is_the_measure_of_the_others(clips: Manifest) -> None:
    under = conditions()
    model = Recognizer(modelfile.load(fakes.waveform_model()))
    rows = measure(model, clips, scheme("eight"), under, 0, quiet)
    by_title = {row.condition.title: row for row in rows}
    assert rows[0].report.uar.value == 1 and rows[0].n_changed == 0
    assert by_title["length, 8 s"].n_changed == 0 and by_title["length, 1 s"].n_changed == 8
    assert by_title["gain, +20 dB"].report.accuracy.value == 1 and by_title["gain, +20 dB"].n_changed == 12
    assert by_title["white noise, 0 dB"].report.accuracy.value < 0.7  # noise changes sign more often than a voice
    page = to_markdown(rows, "fake", ["A note."])
    assert page.count("\n| ") == len(under) + 1 and "- A note." in page
    assert "| as recorded | 100.0 % [100.0, 100.0] | 0.0 |" in page


def test_what_is_random_is_the_same_every_time_and_for_every_strength(clips: Manifest) -> None:
    under = conditions()
    assert measured(clips, under) == measured(clips, under)
    alone = [c for c in under if c.family in (CLEAN, "white noise")]
    assert measured(clips, tuple(alone)) == measured(clips, under)[: len(alone)]
    loud, soft = (next(c for c in under if c.title == f"white noise, {snr} dB") for snr in (0, 20))
    clip = fakes.voice(1.0)
    one, other = (c(clip, np.random.default_rng(3)).samples - clip.samples for c in (loud, soft))
    assert np.corrcoef(one, other)[0, 1] > 0.999


def test_noise_follows_from_seed_and_clip_and_is_one_for_every_strength(tmp_path: Path) -> None:
    real = Recognizer(modelfile.load(fakes.waveform_model()))
    given: list[np.ndarray] = []

    def predict(clip: Clip) -> Prediction:
        given.append(clip.samples)
        return real.predict(clip)

    model: Any = SimpleNamespace(card=real.card, predict=predict)
    rows = []
    for pitch in (110, 170):
        path = tmp_path / f"{pitch}.wav"
        audio.write(path, fakes.voice(1.0, pitch))
        rows.append(Utterance(str(path), "folder", f"folder/{pitch}", "", "neutral"))
    clips = Manifest(tuple(rows)).with_digests()
    under = tuple(c for c in conditions() if c.title in (CLEAN, "white noise, 20 dB", "white noise, 0 dB"))

    def noises(seed: int) -> np.ndarray:
        """Shape (clip, strength, sample)."""
        given.clear()
        measure(model, clips, scheme("eight"), under, seed, quiet)
        clean, soft, loud = (np.array(given[k::3]) for k in range(3))
        return np.stack([soft - clean, loud - clean], axis=1)

    first, again, other = noises(0), noises(0), noises(1)
    np.testing.assert_array_equal(first, again)
    for noise in (*first, *other):
        assert np.corrcoef(noise[0], noise[1])[0, 1] > 0.999
        assert np.std(noise[1]) > 5 * np.std(noise[0]) > 0
    for one, another in ((first[0], first[1]), (first[0], other[0]), (first[1], other[1])):
        assert abs(np.corrcoef(one[0], another[0])[0, 1]) < 0.1


def test_a_clip_that_the_classes_leave_out_is_told_at_once() -> None:
    model: Any = None  # is not asked
    emotions = {"fine.wav": "happy", "odd.wav": "surprise"}
    clips = Manifest(tuple(Utterance(f"/a/{name}", "x", "x/0", "", emotion) for name, emotion in emotions.items()))
    with pytest.raises(VocalicsError, match=r'/a/odd.wav: surprise is dropped by the scheme "four"'):
        measure(model, clips, scheme("four"), conditions(), 0, quiet)


def test_what_is_random_does_not_depend_on_what_else_is_measured(clips: Manifest, tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    audio.write(tmp_path / "noise" / "hiss.wav", fakes.noise(1.0))
    wanted = {"room, 1 s", "telephone, µ-law", "white noise, 0 dB"}
    model = Recognizer(modelfile.load(fakes.waveform_model()))
    said = []
    for every in (conditions(), conditions(str(tmp_path / "noise"), str(tmp_path / "noise"))):
        assert {c.family for c in every} <= {*FAMILIES}
        some = tuple(c for c in every if c.title in wanted or c.family in (CLEAN, "recorded noise"))
        rows = measure(model, clips.take(range(4)), scheme("eight"), some, 0, quiet)
        said.append({r.condition.title: r.report.calibration_error for r in rows if r.condition.title in wanted})
    assert said[0] == said[1] and len(said[0]) == 3


def test_silence_is_a_miss(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", fakes.voice(1.0))
    clips = Manifest((Utterance(str(tmp_path / "a.wav"), "x", "x/1", "", "sad"),)).with_digests()
    mute = Condition("mute", "", ())
    object.__setattr__(mute, "steps", (lambda clip, rng: Clip(np.zeros_like(clip.samples), clip.sample_rate),))
    model = Recognizer(modelfile.load(fakes.waveform_model()))
    first, second = measure(model, clips, scheme("eight"), (Condition(CLEAN, ""), mute), 0, quiet)
    assert (first.report.n_no_speech, second.report.n_no_speech, second.report.accuracy.value) == (0, 1, 0)


def test_the_command_writes_a_page_and_a_figure(clips: Manifest, tmp_path: Path, run: Run) -> None:
    fakes.waveform_model(tmp_path / "m.onnx", training_speakers=("other/1",))
    clips.write(tmp_path / "clips.csv")
    command = ("robustness", str(tmp_path / "m.onnx"), str(tmp_path / "clips.csv"))
    code, out, err = run(*command, "-o", str(tmp_path / "out"), "--at-most", "8")
    assert code == 0, err
    assert "white noise, 0 dB" in out and "8 of 12 clips, drawn at random." in out
    assert "Clips of clips.csv." in out and "All clips" not in out
    assert "![UAR under every condition](robustness.png)" in (tmp_path / "out" / "robustness.md").read_text()
    rows = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert len(rows) == 24 and rows[0]["n_clips"] == 8 and rows[0]["family"] == CLEAN
    assert (tmp_path / "out" / "robustness.png").stat().st_size > 10_000
    code, _, err = run(*command, "--noise", str(tmp_path / "none"))
    assert code == 1 and "no such folder" in err
    fakes.waveform_model(tmp_path / "m.onnx", training_speakers=("folder/1",))
    code, _, err = run(*command)
    assert code == 1 and "leaks" in err
    assert "These figures leak" in run(*command, "--allow-seen-speakers")[1]


def test_the_figure_holds_every_condition() -> None:
    figure = plots.robustness(["as recorded", "noise, 0 dB"], ["a", "b"], [(0.7, 0.6, 0.8), (0.4, 0.3, 0.5)], 0.125)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["as recorded", "noise, 0 dB"]
    with pytest.raises(VocalicsError, match="0 conditions"):
        plots.robustness([], [], [], 0.1)
