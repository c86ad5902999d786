"""What models of features keep to from recipe to model file: equal, ordered, repeatable, clear where they cannot."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vocalics import audio, dataset, modelfile, recognizer, training
from vocalics.audio import Clip
from vocalics.confidence import thresholds
from vocalics.errors import RecipeError, VocalicsError
from vocalics.manifest import Manifest
from vocalics.models import models
from vocalics.recipe import Recipe, read, recipes
from vocalics.training import classical

RATE = 16_000
PITCH = {"angry": 260.0, "neutral": 170.0, "happy": 110.0}
SMALL: dict[str, dict[str, Any]] = {
    "gmm": {"n_components": 2},
    "random_forest": {"n_trees": 20},
    "gradient_boosting": {"n_rounds": 10},
    "lstm": {"width": 8},
    "cnn_lstm": {"width": 8, "channels": [8, 8]},
}
CLASSICAL = sorted(name for name, spec in models().items() if not spec.neural)
LEARNING = [name for name in CLASSICAL if name != "majority"]
TRAINED = [*CLASSICAL, "lstm", "cnn_lstm"]
RANDOM = ["random_forest", "gradient_boosting", "gmm", "cnn_lstm"]


def voice(emotion: str, rng: np.random.Generator) -> np.ndarray:
    """A second of a wavering harmonic tone whose pitch tells the emotion, if not quite."""
    t = np.arange(RATE) / RATE
    pitch = PITCH[emotion] * rng.uniform(0.8, 1.25) * (1 + 0.05 * np.sin(2 * np.pi * rng.uniform(2, 6) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(np.sin(k * phase) / k ** rng.uniform(0.8, 1.5) for k in range(1, 12))
    tone *= 0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)
    return (0.1 * tone + rng.uniform(0.001, 0.01) * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    lines = ["path,emotion,speaker"]
    for speaker in range(6):
        # More of one emotion than of the others, and the first in the file is not the first of the scheme.
        for emotion in ("angry", "happy", "neutral", "angry"):
            name = f"{len(lines)}.wav"
            audio.write(folder / name, Clip(voice(emotion, rng), RATE))
            lines.append(f"{name},{emotion},s{speaker}")
    table = folder / "clips.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def small(name: str, **values: Any) -> Recipe:
    recipe = Recipe(
        name=name,
        description="",
        model=name,
        scheme="three",
        corpora=("folder",),
        validation=0.2,
        model_settings=SMALL.get(name, {}),
        seed=1,
    )
    fit = dataclasses.replace(recipe.fit, n_epochs=2, batch_size=8)
    return dataclasses.replace(recipe, fit=fit, **values)


def manifest(corpus: Path, recipe: Recipe) -> Manifest:
    return dataset.gather({"folder": corpus}, recipe)


def train(corpus: Path, recipe: Recipe, folder: Path, *hold_outs: str) -> Path:
    clips = manifest(corpus, recipe)
    return training.train(recipe, clips, folder, hold_outs, cache=corpus.parent / "cache", threads=1)


@pytest.mark.parametrize("name", TRAINED)
def test_the_file_gives_what_training_gave(name: str, corpus: Path, tmp_path: Path) -> None:
    path = train(corpus, small(name), tmp_path / "run")
    compared = json.loads((tmp_path / "run" / "comparison.json").read_text())
    assert compared["clips"] == 16
    assert compared["largest_difference"] < 1e-5
    assert name not in CLASSICAL or compared["equal_emotions"] == 16
    (record, *_) = json.loads((tmp_path / "run" / "history.json").read_text())
    assert 0 <= record["valid_uar"] <= 1
    card = modelfile.load(path).card
    assert card.emotions == ("neutral", "happy", "angry")
    assert card.n_parameters >= 3
    said = recognizer.load(path).predict(Clip(voice("angry", np.random.default_rng(3)), RATE))
    assert sum(said.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert name in ("majority", "lstm", "cnn_lstm") or len(set(said.probabilities.values())) == 3


@pytest.mark.parametrize("name", ["logistic_regression", "gmm", "lstm"])
def test_sets_of_candidates_are_those_of_the_files_probabilities(name: str, corpus: Path, tmp_path: Path) -> None:
    recipe = small(name, validation=0.5)
    recipe = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, calibrate=True))
    model = recognizer.load(train(corpus, recipe, tmp_path / "run"))
    clips = manifest(corpus, recipe).where(lambda u: u.speaker in model.card.validation_speakers)
    assert len(model.card.validation_speakers) == 3 and len(clips) == 12
    said = np.array([list(model.predict(u.path).probabilities.values()) for u in clips])
    expected = thresholds(said, [model.emotions.index(u.emotion) for u in clips])
    assert model.card.conformal == pytest.approx(expected, abs=1e-4)
    assert expected["0.8"] > 0 == expected["0.95"]  # of twelve clips none can be missed
    assert not recognizer.load(train(corpus, small(name), tmp_path / "plain")).card.conformal


@pytest.mark.parametrize("name", LEARNING)
def test_a_pitch_is_told_from_another(name: str, corpus: Path, tmp_path: Path) -> None:
    model = recognizer.load(train(corpus, small(name, validation=0.0), tmp_path / "run"))
    rng = np.random.default_rng(9)
    clips = [(e, Clip(voice(e, rng), RATE)) for e in PITCH for _ in range(4)]
    assert sum(model.predict(clip).emotion == e for e, clip in clips) >= 8
    assert not (tmp_path / "run" / "history.json").exists()


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_fixes_the_model_and_another_changes_it(name: str, corpus: Path, tmp_path: Path) -> None:
    clip = Clip(voice("happy", np.random.default_rng(5)), RATE)
    found = []
    for k, seed in enumerate((1, 1, 2)):
        # The same speakers train: only what is random in the model itself differs.
        path = train(corpus, small(name, validation=0.0, seed=seed), tmp_path / str(k))
        found.append(list(recognizer.load(path).predict(clip).probabilities.values()))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_shares_weigh_the_clips(corpus: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    clips = [Clip(voice(e, rng), RATE) for e in ("happy", "neutral") for _ in range(6)]
    mean = {}
    for name, shares in (("plain", {}), ("weighed", {"folder": 3.0})):
        recipe = small("gradient_boosting", validation=0.0, shares=shares)
        model = recognizer.load(train(corpus, recipe, tmp_path / name))
        mean[name] = float(np.mean([model.predict(c).probabilities["angry"] for c in clips]))
    assert mean["weighed"] < mean["plain"]


@pytest.mark.parametrize("name", CLASSICAL)
def test_one_emotion_alone_is_no_training_set(name: str, corpus: Path, tmp_path: Path) -> None:
    recipe = small(name)
    clips = manifest(corpus, recipe)
    angry = clips.take([i for i, u in enumerate(clips) if u.emotion == "angry"])
    with pytest.raises(VocalicsError, match=r"every training clip is angry; expected two emotions or more of the sche"):
        training.train(recipe, angry, tmp_path / "run", cache=tmp_path / "cache")
    one = [i for i, u in enumerate(clips) if u.emotion == "happy"][1:]
    few = clips.take([i for i in range(len(clips)) if i not in one])
    with pytest.raises(VocalicsError, match=r"only one training clip is happy; expected two or more of every emotion"):
        training.train(small(name, validation=0.0), few, tmp_path / "few", cache=tmp_path / "cache")
    assert not [*tmp_path.glob("*/config.json")], "a folder that holds nothing can be taken again"


def test_a_manifests_order_changes_no_classifier(corpus: Path, tmp_path: Path) -> None:
    """Its folds are speakers, wherever their clips stand."""
    recipe = small("svm", validation=0.0)
    clips = manifest(corpus, recipe)
    shuffled = clips.take(np.random.default_rng(0).permutation(len(clips)).tolist())
    said = []
    for name, some in (("listed", clips), ("shuffled", shuffled)):
        path = training.train(recipe, some, tmp_path / name, cache=tmp_path / "cache", threads=1)
        model = recognizer.load(path)
        said.append([[*model.predict(u.path).probabilities.values()] for u in clips[:6]])
    np.testing.assert_allclose(said[0], said[1], atol=1e-6)


def test_a_classifiers_file_has_its_name_when_it_was_compared(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small("logistic_regression")
    monkeypatch.setattr(classical, "TOLERANCE", -1.0)
    with pytest.raises(VocalicsError, match="differs from the trained classifier"):
        training.train(recipe, manifest(corpus, recipe), tmp_path / "run", cache=tmp_path / "cache", threads=1)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json", "history.json"}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("svm", {"gama": 1.0}, 'unknown key "gama"; did you mean "gamma"?'),
        ("svm", {"n_classes": 8}, 'unknown key "n_classes"'),
        ("random_forest", {"trees": 10}, 'did you mean "n_trees"?'),
        ("gmm", {"components": 3}, 'did you mean "n_components"?'),
        ("cnn_lstm", {"widht": 3}, 'did you mean "width"?'),
        ("majority", {"C": 1.0}, 'unknown key "C". Known: none.'),
        ("svm", {"C": -1.0}, "model_settings.C = -1.0; expected a number above 0"),
    ],
)
def test_a_setting_is_checked_before_anything_is_computed(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        training.check(small(name, model_settings=settings))
    assert message in str(caught.value)
    assert training.check(small(name)).name == name


def test_mixtures_take_vectors_and_frames_but_no_frames_of_any_number() -> None:
    for features in ("mfcc_frames", "mfcc_pitch_energy_fixed", "zcr_chroma_mfcc_rms_mel"):
        assert training.check(small("gmm", features=features)).name == "gmm"
    with pytest.raises(RecipeError, match="logmel are 64 x any numbers, the model gmm takes n; it is made for mfcc_"):
        training.check(small("gmm", features="logmel"))
    with pytest.raises(RecipeError, match="mfcc_pitch_energy_fixed are 29 x 300 numbers, the model svm takes n"):
        training.check(small("svm", features="mfcc_pitch_energy_fixed"))


def test_mixtures_of_vectors_go_the_same_way(corpus: Path, tmp_path: Path) -> None:
    settings = {"n_components": 2, "covariance_floor": 0.3, "sharpness": 0.1}
    recipe = small("gmm", features="mfcc_pitch_energy_statistics", model_settings=settings)
    path = train(corpus, recipe, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "comparison.json").read_text())["largest_difference"] < 1e-5
    assert modelfile.load(path).card.n_features == 148


@pytest.mark.parametrize("name", [*LEARNING, "lstm", "cnn_lstm"])
def test_every_model_has_a_recipe_of_its_own_that_checks(name: str) -> None:
    assert name in recipes()
    recipe = read(name)
    assert training.check(recipe).name == recipe.name == name
    assert recipe.limits and recipe.intended_use
