"""Ensembles: what the members count, and that one graph says what they say together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, encoders, ensembles, modelfile, recognizer, training
from vocalics.audio import Clip
from vocalics.confidence import mixture_weights, thresholds
from vocalics.dataset import Data
from vocalics.errors import ModelFileError, RecipeError, VocalicsError
from vocalics.export import average as graphs
from vocalics.export import card as card_file
from vocalics.export import encoder as export
from vocalics.export import half
from vocalics.manifest import Manifest
from vocalics.recipe import Fit, Recipe, read
from vocalics.training import classical, neural
from vocalics.training.checks import check
from vocalics.voices import apart

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

MEMBERS = {
    "pooled": 'model = "logistic_regression"\nfeatures = "whisper@1,2:course"\n',
    "deep": 'model = "logistic_regression"\nfeatures = "whisper@2:course"\n',
    "plain": 'model = "logistic_regression"\nfeatures = "whisper@2"\n',
    "tuned": 'model = "tuned_encoder"\nfeatures = "whisper@1"\n[model_settings]\nn_tuned = 1\nrank = 2\nn_hidden = 8\n'
    '[batch]\nn_frames = 30\nfill = "nothing"\n[fit]\nn_epochs = 2\nbatch_size = 6\nrate = 5e-3\n',
    "voiced": 'model = "dense_head"\nfeatures = "whisper@2:course"\n[model_settings]\nn_features = 64\nwidths = [12]\n'
    "[batch]\nvoice = 0.75\n[fit]\nn_epochs = 4\nbatch_size = 6\nrate = 5e-3\n",
    "sound": 'model = "logistic_regression"\nfeatures = "mfcc_pitch_energy_statistics"\n',
}


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.small_whisper(tmp_path_factory.mktemp("encoder") / "whisper", seed=3)


@pytest.fixture(autouse=True)
def _known(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encoders.FOLDER_VARIABLE, str(whisper.parent))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return fakes.three_emotions(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")  # one for all: an encoder's frames take long


HEAD = 'name = "{}"\ndescription = "x"\nscheme = "three"\ncorpora = ["folder"]\n'


def recipe(folder: Path, *names: str) -> Recipe:
    for name in names:
        text = HEAD.format(name) + MEMBERS[name.rstrip("2")]
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    paths = tuple(str(folder / f"{name}.toml") for name in names)
    return Recipe("both", "x", "ensemble", scheme="three", corpora=("folder",), validation=0.0, members=paths)


def recipe_alone(folder: Path, name: str) -> Recipe:
    path = folder / f"{name}.toml"
    path.write_text(HEAD.format(name) + MEMBERS[name], encoding="utf-8")
    return dataclasses.replace(read(path), validation=0.0)


def test_weights_are_those_of_highest_likelihood() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 400)
    models = [np.full((400, 3), 0.1) for _ in range(2)]
    for model, right in zip(models, (0.8, 0.6), strict=True):
        said = np.where(rng.uniform(size=400) < right, truth, rng.integers(0, 3, 400))
        model[np.arange(400), said] = 0.8
    weights = mixture_weights(models, truth)
    assert sum(weights) == pytest.approx(1, abs=1e-3) and weights[0] > weights[1] > 0.05

    def likelihood(w: float) -> float:
        mean = w * models[0] + (1 - w) * models[1]
        return float(np.log(mean[np.arange(400), truth]).mean())

    best = max(np.linspace(0, 1, 201), key=likelihood)
    assert weights[0] == pytest.approx(best, abs=0.01)


def _long_clips(folder: Path, clips: Manifest) -> Manifest:
    """One of all the clips behind one another, twelve seconds; and one of the clips."""
    sound = np.concatenate([audio.read(u.path).samples for u in clips])
    rate = audio.read(clips[0].path).sample_rate
    audio.write(folder / "long.wav", Clip(np.resize(sound, 12 * rate), rate))
    return Manifest((dataclasses.replace(clips[0], path=str(folder / "long.wav"), digest=""), clips[0])).with_digests()


@pytest.mark.parametrize("names", [("pooled", "tuned"), ("deep", "pooled", "tuned"), ("sound", "sound")])
def test_one_file_says_the_mean_of_its_members(names: tuple[str, ...], data: Data, cache: Path, tmp_path: Path) -> None:
    made = recipe(tmp_path, *dict.fromkeys(names))
    training.check(made)
    path = training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    known = json.loads((path.parent / ensembles.ENSEMBLE_FILE).read_text(encoding="utf-8"))
    assert known["members"] == list(dict.fromkeys(names)) and sum(known["weights"]) == pytest.approx(1, abs=1e-3)
    whole = recognizer.load(path)
    parts = [recognizer.load(path.parent / n / f"{n}.onnx") for n in known["members"]]
    clips = data.manifest.take(data.validation)
    for utterance in clips:
        said = np.array([[*part.predict(utterance.path).probabilities.values()] for part in parts])
        mean = np.asarray(known["weights"]) @ said
        expected = mean ** (1 / known["temperature"])
        found = [*whole.predict(utterance.path).probabilities.values()]
        np.testing.assert_allclose(found, expected / expected.sum(), atol=2e-4)
        assert len(parts) == 1 or np.abs(said[0] - said[1]).max() > 1e-3
    cached = ensembles.said_of(path, made, clips, cache)
    assert cached is not None
    straight = [[*whole.predict(u.path).probabilities.values()] for u in clips]
    np.testing.assert_allclose(cached, straight, atol=0.01)
    long = _long_clips(tmp_path, clips)
    of_long = ensembles.said_of(path, made, long, cache)
    straight = [[*whole.predict(u.path).probabilities.values()] for u in long]
    assert of_long is not None
    np.testing.assert_allclose(of_long, straight, atol=0.01)
    card = whole.card
    assert (
        card.temperature == known["temperature"]
        and card.conformal
        and card.training_speakers == ("folder/0", "folder/1", "folder/2")
    )
    assert card.n_parameters == sum(p.card.n_parameters for p in parts)


def test_what_it_is_calibrated_on_is_the_validation_clips(data: Data, cache: Path, tmp_path: Path) -> None:
    from vocalics.models import calibration

    # Validation clips that are often mislabelled, so that they give other figures than what was trained on.
    wrong = {data.validation[k]: data.emotions[(k + 1) % 3] for k in (0, 3)}
    rows = tuple(dataclasses.replace(u, emotion=wrong.get(i, u.emotion)) for i, u in enumerate(data.manifest))
    data = dataclasses.replace(data, manifest=Manifest(rows))
    made = recipe(tmp_path, "sound", "sound2")
    other = tmp_path / "sound2.toml"
    other.write_text(other.read_text(encoding="utf-8") + "[model_settings]\nC = 1e-3\n", encoding="utf-8")
    path = training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    parts = [recognizer.load(path.parent / n / f"{n}.onnx") for n in ("sound", "sound2")]

    def figures(positions: Sequence[int]) -> tuple[list[float], float, dict[str, float]]:
        clips = data.manifest.take(positions)
        truth = [data.emotions.index(u.emotion) for u in clips]
        said = [np.array([[*p.predict(u.path).probabilities.values()] for u in clips]) for p in parts]
        weights = mixture_weights(said, truth)
        mean = np.tensordot(weights, said, axes=1)
        factor = calibration.temperature(mean / mean.sum(axis=1, keepdims=True), truth)
        return weights, factor, thresholds(calibration.tempered(mean, factor), truth)

    weights, factor, least = figures(data.validation)
    known = json.loads((path.parent / ensembles.ENSEMBLE_FILE).read_text(encoding="utf-8"))
    card = modelfile.load(path).card
    assert known["weights"] == pytest.approx(weights, abs=0.02)
    assert known["temperature"] == card.temperature == pytest.approx(factor, rel=0.02)
    assert card.conformal == pytest.approx(least, abs=0.02)
    trained = figures(data.train)
    assert abs(trained[1] - factor) > 0.2 and abs(trained[2]["0.8"] - least["0.8"]) > 0.1


def test_the_mean_gets_used_to_a_voice_as_its_members_do(data: Data, cache: Path, tmp_path: Path) -> None:
    made = recipe(tmp_path, "voiced", "pooled")
    path = training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    whole, part = recognizer.load(path), recognizer.load(path.parent / "voiced" / "voiced.onnx")
    assert (part.model.voice_width, whole.model.voice_width) == (12, 13)
    known = json.loads((path.parent / ensembles.ENSEMBLE_FILE).read_text(encoding="utf-8"))
    # Other weights for known voices, so that they can be told from the first: those that were found are equal here.
    known |= {"weights": [0.7, 0.3], "known_weights": [0.2, 0.8], "temperature": 0.8, "known_temperature": 1.3}
    (path.parent / ensembles.ENSEMBLE_FILE).write_text(json.dumps(known), encoding="utf-8")
    files = [(path.parent / n / f"{n}.onnx").read_bytes() for n in ("voiced", "pooled")]
    graph, _ = graphs.average(files, graphs.Mixture((0.7, 0.3), 0.8, (0.2, 0.8), 1.3))
    path.write_bytes(card_file.with_card(graph, whole.card))
    whole = recognizer.load(path)
    clips = data.manifest.take(data.train)
    parts = apart(clips, 4, np.random.default_rng(0))
    cached = ensembles.said_of(path, made, clips, cache, parts=parts)
    unknown = ensembles.said_of(path, made, clips, cache)
    assert cached is not None and unknown is not None and np.abs(cached - unknown).max() > 0.01
    for judged, heard in parts:
        assert len(heard) == 4
        voice, own = whole.unknown_voice(), part.unknown_voice()
        for i in heard:
            voice, own = whole.learn(clips[i].path, voice=voice), part.learn(clips[i].path, voice=own)
        np.testing.assert_allclose(voice.total[:-1], own.total, atol=1e-3)
        assert voice.total[-1] == pytest.approx(voice.n_clips)
        knowing = dataclasses.replace(whole, voice=voice)
        found = [[*knowing.predict(clips[i].path).probabilities.values()] for i in judged]
        np.testing.assert_allclose(found, cached[judged], atol=0.02)
        plain = [[*whole.predict(clips[i].path).probabilities.values()] for i in judged]
        np.testing.assert_allclose(plain, unknown[judged], atol=0.02)
    long = _long_clips(tmp_path, clips)
    for kept in (known, {k: v for k, v in known.items() if "known" not in k}):  # as where nobody validated, too
        (path.parent / ensembles.ENSEMBLE_FILE).write_text(json.dumps(kept), encoding="utf-8")
        told = ensembles.said_of(path, made, long, cache, parts=[([0], [1]), ([1], [])])
        expected = [*whole.knowing(long[1].path).predict(long[0].path).probabilities.values()]
        assert told is not None
        np.testing.assert_allclose(told[0], expected, atol=1e-6)
        assert np.abs(told[0] - [*whole.predict(long[0].path).probabilities.values()]).max() > 1e-4


@pytest.mark.parametrize("names", [("pooled", "tuned"), ("voiced", "tuned")])
def test_it_joins_its_encoder_like_any_other(
    names: tuple[str, ...], whisper: Path, data: Data, cache: Path, tmp_path: Path
) -> None:
    made = recipe(tmp_path, *names)
    path = training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    assert modelfile.load(path).card.feature_set == "whisper@1,2:frames"
    files = [(path.parent / n / f"{n}.onnx").read_bytes() for n in names]  # each counts, whatever was found
    card_file.write(path, graphs.average(files, graphs.Mixture.of([0.7, 0.3]))[0], modelfile.load(path).card)
    export.join(path, str(whisper), tmp_path / "whole.onnx")
    whole, split = recognizer.load(tmp_path / "whole.onnx"), recognizer.load(path)
    clips = data.manifest.take(data.validation)
    for utterance in clips:
        found, expected = ([*m.predict(utterance.path).probabilities.values()] for m in (whole, split))
        np.testing.assert_allclose(found, expected, atol=5e-3)
    assert whole.model.voice_width == split.model.voice_width == (13 if "voiced" in names else 0)
    if whole.model.voice_width:
        told = []
        for model in (whole, split):
            voice = model.learn(clips[0].path, voice=model.learn(clips[1].path))
            known = dataclasses.replace(model, voice=voice).predict(clips[2].path)
            told.append([*known.probabilities.values()])
        np.testing.assert_allclose(told[0], told[1], atol=5e-3)
        assert np.abs(np.array(told[0]) - [*whole.predict(clips[2].path).probabilities.values()]).max() > 0.01
        light = half.halved(path.read_bytes(), 100)  # a default stays what may be given
        assert modelfile.load(light).voice_width == 13


def test_members_keep_to_the_ensembles_data(tmp_path: Path) -> None:
    made = dataclasses.replace(recipe(tmp_path, "plain", "sound"), seed=7, validation=0.25)
    assert {(m.seed, m.validation, m.scheme) for m in ensembles.members(made)} == {(7, 0.25, "three")}


def test_what_does_not_fit_is_said(data: Data, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"members belong together"):
        Recipe("both", "x", "dense_head", members=("plain",))
    with pytest.raises(RecipeError, match=r"members belong together"):
        Recipe("both", "x", "ensemble")
    made = recipe(tmp_path, "plain", "sound")
    recipe(tmp_path, "tuned")
    unlike = r"plain takes whisper@2, sound takes mfcc_.*: expected one input, or blocks"
    with pytest.raises(RecipeError, match=f"recipe both: {unlike}"):
        training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    assert not (tmp_path / "run").exists()  # before anything is trained
    plain, sound = (
        training.train_on(data, recipe_alone(tmp_path, n), tmp_path / n, False, cache, threads=1).read_bytes()
        for n in ("plain", "sound")
    )
    with pytest.raises(ModelFileError, match=unlike):
        graphs.average([plain, sound], graphs.Mixture.of([0.5, 0.5]))
    graph, taken = graphs.average([sound, sound], graphs.Mixture.of([0.5, 0.5]))
    assert graph and taken == "mfcc_pitch_energy_statistics"
    with pytest.raises(
        RecipeError, match=r'recipe tuned: tuned_encoder takes the frames .*"whisper@1", without ":course"'
    ):
        check(dataclasses.replace(read(str(tmp_path / "tuned.toml")), features="whisper@1:course"))


def test_levels_that_one_file_cannot_have_are_refused_before_training(data: Data, cache: Path, tmp_path: Path) -> None:
    """Statistics alone are of a clip as loud as it is; a file for different inputs hears its peak at 1."""
    made = recipe(tmp_path, "plain", "tuned")
    with pytest.raises(RecipeError, match="recipe both: plain takes statistics of a clip at its own level"):
        training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    assert not (tmp_path / "run").exists()
    check(recipe(tmp_path, "plain", "plain2"))  # of one input: each as it was trained
    files = []
    for name in ("plain", "deep"):
        one = recipe_alone(tmp_path, name)
        files.append(training.train_on(data, one, tmp_path / name, False, cache, threads=1).read_bytes())
    with pytest.raises(ModelFileError, match="plain: takes statistics of a clip at its own level"):
        graphs.average(files, graphs.Mixture.of([0.5, 0.5]))


def test_members_of_an_ensemble_that_names_no_corpora_keep_their_own() -> None:
    default = read("default")
    listed = ensembles.members(Recipe("both", "x", "ensemble", members=("default", "open")))
    assert listed[0].corpora == default.corpora and listed[0].shares == default.shares
    fewer = ensembles.members(Recipe("both", "x", "ensemble", corpora=("savee",), members=("default", "tiny")))
    assert [m.shares for m in fewer] == [{"savee": default.shares["savee"]}, {"savee": read("tiny").shares["savee"]}]


def test_no_weights_without_speech(data: Data, cache: Path, tmp_path: Path) -> None:
    rows = list(data.manifest)
    for k, i in enumerate(data.validation):
        silent = tmp_path / f"{k}.wav"
        audio.write(silent, Clip(np.zeros(8_000, np.float32), 16_000))
        rows[i] = dataclasses.replace(rows[i], path=str(silent), digest="")
    made = recipe(tmp_path, "sound", "sound2")
    with pytest.raises(RecipeError, match="in no validation clip do all members hear speech"):
        training.train_on(
            dataclasses.replace(data, manifest=Manifest(tuple(rows))), made, tmp_path / "run", False, cache, threads=1
        )


def test_members_that_prepare_clips_in_different_ways_are_refused_and_in_one_way_kept(
    data: Data, cache: Path, tmp_path: Path
) -> None:
    made = recipe(tmp_path, "sound", "sound2")
    for name, depth in (("sound", 20.0), ("sound2", 40.0)):
        path = tmp_path / f"{name}.toml"
        text = MEMBERS["sound"] + f'\n[[preprocess]]\nname = "trim_silence"\nbelow_db = {depth}\n'
        path.write_text(HEAD.format(name) + text, encoding="utf-8")
    with pytest.raises(RecipeError, match="its members prepare their clips in different ways"):
        training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    assert not (tmp_path / "run").exists()
    other = tmp_path / "sound2.toml"
    other.write_text(other.read_text(encoding="utf-8").replace("40.0", "20.0"), encoding="utf-8")
    path = training.train_on(data, made, tmp_path / "again", False, cache, threads=1)
    whole = recognizer.load(path)
    (step,) = whole.card.preprocess
    assert step["name"] == "trim_silence"
    parts = [recognizer.load(path.parent / name / f"{name}.onnx") for name in ("sound", "sound2")]
    clip = data.manifest[0].path
    found = json.loads((path.parent / ensembles.ENSEMBLE_FILE).read_text(encoding="utf-8"))
    said = [np.array([[*p.predict(clip).probabilities.values()]]) for p in parts]
    (expected,) = ensembles._mean(said, found["weights"], found["temperature"])
    np.testing.assert_allclose([*whole.predict(clip).probabilities.values()], expected, atol=1e-4)


def test_what_no_member_would_hear_of_is_refused(tmp_path: Path) -> None:
    made = recipe(tmp_path, "plain", "sound")
    for change in ({"n_copies": 2}, {"fit": Fit(n_epochs=3)}, {"preprocess": ({"name": "trim_silence"},)}):
        (name,) = change
        with pytest.raises(RecipeError, match=f"recipe both: {name} is a setting of the models that it averages"):
            check(dataclasses.replace(made, **change))


def test_a_member_that_differs_from_its_file_is_never_finished(
    data: Data, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe(tmp_path, "sound", "sound2")
    for module in (neural, classical):
        monkeypatch.setattr(module, "TOLERANCE", -1.0)
    for resume in (False, True, True):
        with pytest.raises(VocalicsError, match="differs from the trained"):
            training.train_on(data, made, tmp_path / "run", resume, cache, threads=1)


def test_the_weights_for_known_voices_come_from_validation_clips_with_their_voice_known(
    data: Data, cache: Path, tmp_path: Path
) -> None:
    from vocalics.models import calibration

    # Validation clips that are often mislabelled, so that no member is sure to be right.
    wrong = {data.validation[k]: data.emotions[(k + 1) % 3] for k in (0, 3)}
    rows = tuple(dataclasses.replace(u, emotion=wrong.get(i, u.emotion)) for i, u in enumerate(data.manifest))
    data = dataclasses.replace(data, manifest=Manifest(rows))
    made = recipe(tmp_path, "voiced", "pooled")
    voiced = tmp_path / "voiced.toml"  # trained for long enough to be sure of itself
    voiced.write_text(voiced.read_text(encoding="utf-8").replace("n_epochs = 4", "n_epochs = 40"), encoding="utf-8")
    path = training.train_on(data, made, tmp_path / "run", False, cache, threads=1)
    known = json.loads((path.parent / ensembles.ENSEMBLE_FILE).read_text(encoding="utf-8"))
    members = [recognizer.load(path.parent / n / f"{n}.onnx") for n in ("voiced", "pooled")]
    clips = data.manifest.take(data.validation)
    truth = [data.emotions.index(u.emotion) for u in clips]
    others = apart(clips, len(clips), np.random.default_rng(made.seed))
    assert {len(heard) for _, heard in others} == {4, 5}

    def figures(with_voice: bool) -> tuple[list[float], float]:
        said = np.zeros((2, len(clips), 3))
        for judged, heard in others:
            for k, member in enumerate(members):
                if with_voice and member.model.voice_width:
                    member = member.knowing(clips[i].path for i in heard)
                for i in judged:
                    said[k, i] = [*member.predict(clips[i].path).probabilities.values()]
        weights = mixture_weights([*said], truth)
        mean = np.tensordot(weights, said, axes=1)
        return weights, calibration.temperature(mean / mean.sum(axis=1, keepdims=True), truth)

    for said, key in ((figures(False), ""), (figures(True), "known_")):
        assert known[f"{key}weights"] == pytest.approx(said[0], abs=2e-3)
        assert known[f"{key}temperature"] == pytest.approx(said[1], abs=2e-3)
    assert abs(known["known_weights"][0] - known["weights"][0]) > 0.01
