"""Sets of candidates: how often they hold the truth, what a prediction says of them, and a calibrated model."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocalics import audio, confidence, dataset, modelfile, training
from vocalics.emotions import EMOTIONS
from vocalics.errors import LeakageError, ModelFileError, VocalicsError
from vocalics.evaluation import evaluate
from vocalics.export import familiarity
from vocalics.export.recalibration import recalibrate
from vocalics.manifest import Manifest, Utterance
from vocalics.named_models import model_path
from vocalics.recipe import Recipe, parse
from vocalics.recognizer import UNFAMILIAR, UNSURE, Recognizer

Run = Callable[..., tuple[int, str, str]]
SETS = {"0.8": 0.3, "0.9": 0.2, "0.95": 0.01}


def drawn(n: int, seed: int, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of four classes, and truths that follow them."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((n, 4))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return chances, np.array([rng.choice(4, p=row) for row in chances])


@pytest.mark.parametrize("coverage", confidence.COVERAGES)
@pytest.mark.parametrize("n", [60, 500])
def test_the_true_class_is_in_the_set_as_often_as_promised(coverage: float, n: int) -> None:
    held = []
    for seed in range(150):
        chances, truth = drawn(n, seed)
        least = confidence.least_probability(chances, truth, coverage)
        others, theirs = drawn(50, 1000 + seed)
        held.append(confidence.candidates(others, least)[np.arange(50), theirs].mean())
    # On average over calibrations: at least the promise, and hardly more than 1 / (n + 1) above it; the set that holds
    # at least the most probable class adds to it where the promise is small.
    assert coverage - 0.01 < np.mean(held) < coverage + 1 / (n + 1) + 0.02


@given(st.integers(1, 400), st.floats(0.05, 0.99))
def test_a_threshold_leaves_out_no_more_clips_than_it_may(n: int, coverage: float) -> None:
    chances, truth = drawn(n, n)
    least = confidence.least_probability(chances, truth, coverage)
    given = chances[np.arange(n), truth]
    assert 0 <= least <= 1
    assert (given >= least).sum() >= min(n, (n + 1) * coverage - 1e-6)


def test_with_too_few_clips_every_emotion_is_a_candidate() -> None:
    chances, truth = drawn(8, 0)
    assert confidence.least_probability(chances, truth, 0.95) == 0
    assert confidence.candidates(chances, 0.0).all()
    assert confidence.candidates([[0.4, 0.35, 0.25]], 0.9).tolist() == [[True, False, False]]  # never an empty set


def test_a_prediction_names_its_candidates_or_abstains() -> None:
    model = modelfile.load(fakes.waveform_model(conformal=SETS))
    clip = fakes.voice(2.0)
    plain = Recognizer(model).predict(clip)
    assert plain.candidates == () and plain.emotion is not None
    sets = [Recognizer(model, coverage=c).predict(clip) for c in (0.8, 0.9, 0.95)]
    assert all(s.probabilities == plain.probabilities and s.candidates[0] == plain.emotion for s in sets)
    for said, least in zip(sets, SETS.values(), strict=True):
        ranked = sorted(plain.probabilities.items(), key=lambda item: -item[1])
        assert said.candidates[1:] == tuple(e for e, p in ranked[1:] if p >= least)
    assert len(sets[2].candidates) > len(sets[0].candidates)
    unsure = Recognizer(model, abstain_below=plain.confidence + 0.01, coverage=0.8).predict(clip)
    assert unsure.emotion is None and unsure.label == UNSURE and unsure.confidence == plain.confidence
    assert unsure.candidates == sets[0].candidates
    assert Recognizer(model, abstain_below=plain.confidence).predict(clip).emotion == plain.emotion
    silent = Recognizer(model, abstain_below=0.9, coverage=0.8).predict(np.zeros(16_000), 16_000)
    assert (silent.label, silent.candidates, silent.confidence) == ("no speech", (), 0)


def test_what_cannot_be_asked_for_is_refused() -> None:
    model = modelfile.load(fakes.waveform_model(conformal=SETS))
    with pytest.raises(VocalicsError, match=r"coverage = 0\.5: the model fake knows the coverages 0\.8, 0\.9, 0\.95"):
        Recognizer(model, coverage=0.5)
    with pytest.raises(VocalicsError, match="was not calibrated for sets of candidates"):
        Recognizer(modelfile.load(fakes.waveform_model()), coverage=0.9)
    with pytest.raises(VocalicsError, match=r"abstain_below = 1\.5 is no probability"):
        Recognizer(model, abstain_below=1.5)
    for wrong in ({"0.9": 2.0}, {"often": 0.1}, {"0.9": True}, {"0.9": None}):
        with pytest.raises(ModelFileError, match="the card's conformal holds"):
            fakes.card(conformal=wrong)


def test_a_report_tells_what_the_sets_are_worth() -> None:
    chances = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [np.nan] * 3])
    emotions = ("sad", "happy", "angry")
    report = evaluate(
        ["sad", "happy", "angry", "sad"],
        None,
        emotions,
        speakers=["a", "b", "c", "d"],
        corpora=["x"] * 4,
        rng=np.random.default_rng(0),
        probabilities=chances,
        conformal={"0.9": 0.15, "0.8": 0.35},
    )
    first, second = report.sets
    assert (first.promised, second.promised) == (0.8, 0.9)
    assert first.coverage == pytest.approx(2 / 3) and first.size == pytest.approx(4 / 3)  # {sad}, {sad, happy}, {happy}
    assert first.single == pytest.approx(2 / 3)
    assert second.coverage == pytest.approx(2 / 3) and second.size == pytest.approx(2)
    assert "| 80.0 % | 66.7 | 1.33 | 66.7 |" in report.to_markdown()
    assert report.to_json()["sets"][1]["size"] == pytest.approx(2)


@pytest.fixture
def voices(tmp_path: Path) -> tuple[Path, Manifest]:
    """A model, and 64 clips whose emotion it knows better than it says."""
    fakes.waveform_model(tmp_path / "m.onnx", training_speakers=("x/1",), figures=({"metric": "uar", "value": 0.5},))
    model, rows = Recognizer(modelfile.load(tmp_path / "m.onnx")), []
    for i in range(64):
        clip = fakes.voice(0.6, 90 + 9.0 * i)
        audio.write(tmp_path / f"{i}.wav", clip)
        emotion = str(model.predict(tmp_path / f"{i}.wav").emotion) if i % 8 else EMOTIONS[i // 8]
        rows.append(Utterance(str(tmp_path / f"{i}.wav"), "folder", f"folder/{i % 7}", "", emotion))
    return tmp_path / "m.onnx", Manifest(tuple(rows))


def test_a_calibrated_copy_says_the_same_emotions_with_truer_probabilities(
    voices: tuple[Path, Manifest], tmp_path: Path, run: Run
) -> None:
    path, manifest = voices
    manifest.write(tmp_path / "clips.csv")
    code, out, err = run("models", "calibrate", str(path), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "c.onnx"))
    assert code == 0, err
    assert "found on 64 clips of 7 speakers" in out and "candidates for 90%" in out
    assert "strangeness: not learned (fake ends in no linear layer); no --unfamiliar-above with it" in out
    before, after = (Recognizer(modelfile.load(p)) for p in (path, tmp_path / "c.onnx"))
    losses = []
    for model in (before, after):
        said = [model.predict(u.path) for u in manifest]
        losses.append(
            -np.mean([np.log(s.probabilities[u.emotion] + 1e-9) for s, u in zip(said, manifest, strict=True)])
        )
    assert losses[1] < losses[0] - 0.01
    assert [before.predict(u.path).emotion for u in manifest] == [after.predict(u.path).emotion for u in manifest]
    assert after.card.temperature != 1 and after.card.figures == before.card.figures
    held = [u.emotion in Recognizer(after.model, coverage=0.8).predict(u.path).candidates for u in manifest]
    assert np.mean(held) >= 0.8
    # What it promises holds for these clips by construction: it is not measured on them.
    command = ("evaluate", str(tmp_path / "c.onnx"), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "report"))
    code, _, err = run(*command)
    assert code == 1 and "leaks: 7 of 7 speakers were heard in training or calibration" in err
    assert set(after.card.validation_speakers) == {*before.card.validation_speakers, *manifest.speakers}
    # A second time there is nothing left to find.
    code, out, err = run(
        "models", "calibrate", str(tmp_path / "c.onnx"), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "d.onnx")
    )
    assert modelfile.load(tmp_path / "d.onnx").card.temperature == pytest.approx(after.card.temperature, rel=1e-3)


def test_a_model_is_not_calibrated_on_those_it_was_trained_on_or_on_next_to_nothing(
    voices: tuple[Path, Manifest], tmp_path: Path, run: Run
) -> None:
    path, manifest = voices
    heard = Manifest(tuple(Utterance(u.path, "x", "x/1", "", u.emotion) for u in manifest))
    chances = np.full((64, 8), 1 / 8)
    with pytest.raises(LeakageError, match="x/1 of these clips were trained on"):
        recalibrate(path, heard, chances, np.zeros(64, int), tmp_path / "c.onnx")
    with pytest.raises(ModelFileError, match="20 clips with speech are too few"):
        recalibrate(path, manifest.take(range(20)), chances[:20], np.zeros(20, int), tmp_path / "c.onnx")
    heard.write(tmp_path / "heard.csv")
    code, _, err = run("models", "calibrate", str(path), str(tmp_path / "heard.csv"), "-o", str(tmp_path / "c.onnx"))
    assert code == 1 and "by a speaker that the model was not trained on" in err
    assert not (tmp_path / "c.onnx").exists()


def test_the_command_prints_candidates_and_abstains(tmp_path: Path, run: Run) -> None:
    fakes.waveform_model(tmp_path / "m.onnx", conformal=SETS)
    audio.write(tmp_path / "a.wav", fakes.voice(2.0))
    command = ("predict", str(tmp_path / "a.wav"), "--model", str(tmp_path / "m.onnx"))
    code, out, _ = run(*command, "--coverage", "0.95", "--format", "json")
    among = json.loads(out)["candidates"]
    assert code == 0 and len(among) > 1 and among[0] == json.loads(out)["emotion"]
    assert json.loads(run(*command, "--format", "json")[1])["candidates"] == []
    (row,) = csv.DictReader(run(*command, "--coverage", "0.95", "--format", "csv")[1].splitlines())
    assert row["candidates"] == " ".join(among)
    assert run(*command, "--coverage", "0.95")[1].splitlines()[-1].endswith(", ".join(among))
    out = run(*command, "--abstain-below", "0.999")[1].splitlines()[-1]
    assert " unsure " in out and out.rstrip().endswith("%") and f"{among[0]} " in out
    code, _, err = run(*command, "--coverage", "0.7")
    assert code == 1 and "knows the coverages 0.8, 0.9, 0.95" in err
    code, _, err = run(*command, "--abstain-below", "2")
    assert code == 2 and "--abstain-below" in err


def two_clouds(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of two classes, whose spread differs from direction to direction."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 2, n)
    return rng.standard_normal((n, 6)) * [1, 2, 0.5, 1, 3, 1] + 4 * np.eye(6)[which], which


def test_strangeness_is_the_distance_to_the_nearest_class() -> None:
    values, which = two_clouds(4000, 0)
    found = confidence.density(values, which, n_directions=6, shrinkage=0.0)
    others, _ = two_clouds(500, 1)
    means = np.stack([values[which == k].mean(axis=0) for k in (0, 1)])
    rest = values - means[which]
    inverse = np.linalg.inv(rest.T @ rest / len(rest))
    expected = np.min([np.einsum("ni,ij,nj->n", others - m, inverse, others - m) for m in means], axis=0)
    np.testing.assert_allclose(found.strangeness(others), expected, rtol=0.02)  # deviations have 0.001 added
    scaled = found.scaled(found.strangeness(values))
    assert (scaled.strangeness(others) < 1).mean() == pytest.approx(0.95, abs=0.03)
    assert (scaled.strangeness(np.add(others, 9 * np.eye(6)[2])) > 1).all()
    few = confidence.density(values, which, n_directions=3)
    assert few.projection.shape == (6, 3) and few.centres.shape == (2, 3)


def test_the_layer_is_what_the_last_linear_maps_read() -> None:
    import onnx

    assert familiarity.layer(onnx.load_model_from_string(fakes.features_graph())) == "features"
    assert familiarity.layer(onnx.load_model_from_string(fakes.waveform_graph())) is None
    bundled = onnx.load(str(model_path("default")))
    name = familiarity.layer(bundled)
    assert name is not None and "BatchNormalization" in name  # what the head reads, pooled over time


def test_a_calibrated_net_tells_what_is_strange(tmp_path: Path, run: Run) -> None:
    rng, rows = np.random.default_rng(0), []
    for i in range(90):
        emotion, speaker = ("sad", "neutral", "angry")[i % 3], i // 9
        clip = fakes.voice(0.8, fakes.PITCHES[emotion] * rng.uniform(0.8, 1.2) * (1 + 0.02 * speaker))
        audio.write(tmp_path / f"{i}.wav", audio.Clip(clip.samples + fakes.noise(0.8, seed=i).samples * 0.02, 16_000))
        rows.append(Utterance(str(tmp_path / f"{i}.wav"), "x", f"x/{speaker}", "", emotion))
    Manifest(tuple(rows)).write(tmp_path / "clips.csv")
    shutil.copy(model_path("default"), tmp_path / "m.onnx")
    path = tmp_path / "c.onnx"
    code, out, err = run("models", "calibrate", str(tmp_path / "m.onnx"), str(tmp_path / "clips.csv"), "-o", str(path))
    assert code == 0, err
    assert "strangeness: learned from 90 clips" in out
    model = Recognizer(modelfile.load(path))
    known = [model.predict(u.path).strangeness for u in rows]
    assert all(s is not None and s > 0 for s in known)
    assert 0.6 < np.mean([s < 1 for s in known if s is not None]) <= 1
    crackling = np.sign(np.random.default_rng(1).standard_normal(32_000)).astype(np.float32)
    crackling *= 0.3 + 0.3 * np.sin(np.arange(32_000) / 40)
    strange = model.predict(0.5 * crackling + 4 * fakes.voice(2.0, 420).samples, 16_000).strangeness
    assert strange is not None and strange > 2 * np.median([s for s in known if s is not None])
    # Probabilities are the same with and without; windows are weighed as they are.
    assert modelfile.load(path).judge(model.given(fakes.voice(1.0)))[1] is not None
    limit = float(strange) - 0.01
    strict = Recognizer(model.model, unfamiliar_above=limit)
    said = strict.predict(0.5 * crackling + 4 * fakes.voice(2.0, 420).samples, 16_000)
    assert said.label == UNFAMILIAR and said.emotion is None and said.confidence > 0
    record = json.loads(run("predict", rows[0].path, "--model", str(path), "--format", "json")[1])
    assert record["strangeness"] == pytest.approx(known[0], abs=1e-3)
    code, out, _ = run("predict", rows[0].path, "--model", str(path), "--unfamiliar-above", "0.000001")
    assert code == 0 and " unfamiliar " in out
    # Calibrated again, it has one such output still.
    run("models", "calibrate", str(path), str(tmp_path / "clips.csv"), "-o", str(tmp_path / "d.onnx"))
    again = Recognizer(modelfile.load(tmp_path / "d.onnx")).predict(rows[0].path).strangeness
    assert again == pytest.approx(known[0], rel=1e-3)


def test_a_model_that_does_not_tell_is_not_asked(tmp_path: Path) -> None:
    model = modelfile.load(fakes.waveform_model())
    assert Recognizer(model).predict(fakes.voice(1.0)).strangeness is None
    with pytest.raises(VocalicsError, match="unfamiliar_above = 1: the model fake does not tell it"):
        Recognizer(model, unfamiliar_above=1.0)


def test_a_net_that_calibrates_knows_what_is_strange(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    recipe = parse(
        Recipe,
        {
            "name": "small",
            "description": "a small net for tests",
            "model": "logmel_cnn",
            "scheme": "three",
            "corpora": ["folder"],
            "validation": 0.3,
            "model_settings": {"channels": [4, 8, 8, 8], "n_hidden": 8},
            "batch": {"n_frames": 48},
            "fit": {"n_epochs": 2, "batch_size": 8, "rate": 5e-3, "calibrate": True},
        },
        "test",
    )
    clips = dataset.gather({"folder": fakes.speakers_table(tmp_path / "voices")}, recipe)
    path = training.train(recipe, clips, tmp_path / "run", threads=1)
    model = Recognizer(modelfile.load(path), coverage=0.8)
    said = [model.predict(u.path) for u in clips if u.speaker in model.card.validation_speakers]
    assert model.card.conformal and all(s.candidates and s.strangeness is not None for s in said)
    assert np.median([s.strangeness for s in said if s.strangeness is not None]) < 1
    plain = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, calibrate=False))
    uncalibrated = modelfile.load(training.train(plain, clips, tmp_path / "plain", threads=1))
    assert not uncalibrated.tells_strangeness
    # Each gets used to voices, by what its first dense layer of eight makes of the training clips.
    assert model.model.voice_width == uncalibrated.voice_width == 8
    heard = [u.path for u in clips if u.speaker in model.card.validation_speakers]
    assert np.abs(model.knowing(heard).offset).max() > 0
    alone = clips.where(lambda u: u.speaker == clips[0].speaker)
    path = training.train(dataclasses.replace(plain, validation=0.0), alone, tmp_path / "alone", threads=1)
    assert modelfile.load(path).voice_width == 0
