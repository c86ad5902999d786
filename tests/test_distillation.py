"""What a net learns from a teacher, and that the teacher has not heard what it speaks of."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import fakes
import numpy as np
import pytest

from vocalics import audio, distillation, modelfile, training
from vocalics.dataset import Data
from vocalics.distillation import STEEPEST, Lesson, components, folds, lesson, tilted
from vocalics.errors import EncoderError, RecipeError
from vocalics.feature_rows import Rows
from vocalics.manifest import Manifest, Utterance
from vocalics.models import calibration
from vocalics.recipe import Fit, Recipe, Teacher, parse, read
from vocalics.training.folder import COMPARISON

TOML = {
    "name": "taught",
    "description": "a small net for tests",
    "model": "logmel_cnn",
    "scheme": "three",
    "corpora": ["folder"],
    "validation": 0.0,
    "model_settings": {"channels": [4, 8, 8, 8], "n_hidden": 8},
    "batch": {"n_frames": 48},
    "fit": {"n_epochs": 2, "batch_size": 8, "rate": 5e-3},
    "teacher": {"features": "mfcc_pitch_energy_statistics", "n_folds": 3, "n_hints": 4, "hint_weight": 0.5},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder, rows = tmp_path_factory.mktemp("voices"), []
    for speaker in range(5):
        for emotion, pitch in {"neutral": 110.0, "happy": 170.0, "angry": 250.0}.items():
            for take in range(3):
                path = folder / f"{speaker}-{emotion}-{take}.wav"
                audio.write(path, fakes.voice(0.7, pitch * (1 + 0.03 * take + 0.01 * speaker)))
                rows.append(Utterance(str(path), "folder", f"folder/{speaker}", "", emotion))
    manifest = Manifest(tuple(rows)).with_digests()
    return Data(manifest, tuple(range(36)), tuple(range(36, 45)), {}, ("neutral", "happy", "angry"))


def quiet(*_: object) -> None:
    """No progress."""


def test_a_teacher_is_not_fitted_to_the_speakers_it_speaks_of(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[np.ndarray] = []
    real = distillation.check_teacher

    def spied(teacher: Teacher) -> object:
        spec = real(teacher)

        def build(*a: object, **k: object) -> object:
            classifier = spec.build(*a, **k)
            fit = classifier.fit
            classifier.fit = lambda x, y: (heard.append(x), fit(x, y))[1]
            return classifier

        return dataclasses.replace(spec, build=build)

    monkeypatch.setattr(distillation, "check_teacher", spied)
    monkeypatch.setattr(distillation, "compute", lambda clips, *_: np.array([[[float(i)]] for i in range(len(clips))]))
    told = lesson(Teacher("mfcc_pitch_energy_statistics", n_folds=4), data, 0, tmp_path, quiet)
    assert len(heard) == 4 and not told.hints.size
    # What was heard are the clips' numbers, standardised: speakers of nine clips each, one of them left out.
    left_out = []
    for x in heard:
        steps = np.diff(np.sort(x[:, 0]))
        step = steps.min()
        rows = np.round((np.sort(x[:, 0]) - x.min()) / step).astype(int)
        assert len(rows) == 27
        missing = sorted(set(range(int(rows.max()) + 1)) - set(rows.tolist()))
        assert len(missing) in (0, 9) and (not missing or missing == list(range(missing[0], missing[0] + 9)))
        left_out.append(len(missing))
    assert sorted(left_out) == [0, 0, 9, 9]  # the first and the last speaker leave no gap
    monkeypatch.undo()
    told = lesson(Teacher("mfcc_pitch_energy_statistics", n_folds=4), data, 0, tmp_path, quiet)
    assert told.probabilities.shape == (36, 3) and told.hints.shape == (36, 0)
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1, atol=1e-6)
    truth = np.array([data.emotions.index(data.manifest[i].emotion) for i in data.train])
    assert (told.probabilities.argmax(axis=1) == truth).mean() > 0.8


def test_what_hardly_varies_is_not_blown_up_for_a_teacher_and_the_rest_is_what_it_was() -> None:
    """A column that is constant in the rest of a fold, and off by 1e-5 in a clip that was left out, was 1000 there."""
    rng = np.random.default_rng(0)
    varied = rng.normal(size=(300, 20)) * np.geomspace(1e-4, 1e4, 20) + rng.normal(size=20)
    rows = np.concatenate([np.tile([0.1, -700.3, 0.0], (300, 1)), varied], axis=1).astype(np.float32)
    values = rows.astype(np.float64)
    mean, scale = distillation._scaler(values)
    left_out = values[0] + 1e-5
    np.testing.assert_allclose(((left_out - mean) / scale)[:3], 1e-5, rtol=1e-6)
    assert ((left_out - values.mean(axis=0)) / (values.std(axis=0) + 1e-8))[:3].min() > 900
    np.testing.assert_array_equal(mean, values.mean(axis=0))
    np.testing.assert_array_equal(scale[3:], values.std(axis=0)[3:] + 1e-8)
    # The rows of a net of features are told apart by the same rule.
    every = np.arange(300)
    own = Rows(rows, np.array(["sad"] * 300), every, every * 0, every, every[:0]).scaler
    np.testing.assert_array_equal(own[1] == 1, np.arange(23) < 3)
    np.testing.assert_allclose(own[1], scale, rtol=2e-4)


def test_a_dense_net_teaches_too_and_says_the_same_twice(data: Data, tmp_path: Path) -> None:
    fit = Fit(optimiser="adamw", rate=5e-3, schedule="cosine", n_epochs=8, batch_size=8, average=0.9)
    teacher = Teacher(
        "mfcc_pitch_energy_statistics", "dense_head", {"widths": [16], "dropout": 0.2}, fit, n_folds=3, n_hints=2
    )
    told = lesson(teacher, data, 0, tmp_path, quiet)
    again = lesson(teacher, data, 0, tmp_path, quiet)
    np.testing.assert_array_equal(told.probabilities, again.probabilities)
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1, atol=1e-6)
    truth = np.array([data.emotions.index(data.manifest[i].emotion) for i in data.train])
    assert (told.probabilities.argmax(axis=1) == truth).mean() > 0.8
    untaught = lesson(dataclasses.replace(teacher, fit=Fit(rate=0.0, n_epochs=1)), data, 0, tmp_path, quiet)
    assert (untaught.probabilities.argmax(axis=1) == truth).mean() < 0.7


def test_folds_hold_whole_groups_of_every_corpus() -> None:
    corpora = ["a"] * 12 + ["b"] * 8
    groups = [f"a{i // 2}" for i in range(12)] + [f"b{i // 4}" for i in range(8)]
    parts = folds(corpora, groups, 3, seed=1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(20))
    held = [{groups[i] for i in part} for part in parts]
    assert all(not a & b for k, a in enumerate(held) for b in held[k + 1 :])
    assert all(any(g.startswith("a") for g in part) for part in held)
    assert [p.tolist() for p in folds(corpora, groups, 3, seed=2)] != [p.tolist() for p in parts]
    with pytest.raises(RecipeError, match="n_folds = 3, but there are only 2"):
        folds(["a", "a"], ["x", "y"], 3, 0)


# The deal when the bundled models were trained.
DEALT = [[3, 4, 5, 9], [0, 2, 7, 11], [1, 6, 8, 10]]


def test_groups_of_one_corpus_are_dealt_as_they_always_were() -> None:
    parts = folds(["a"] * 7 + ["b"] * 5, [f"{i}.wav" for i in range(12)], 3, 1)
    assert [p.tolist() for p in parts] == DEALT


def test_a_group_in_two_corpora_is_dealt_once() -> None:
    parts = folds(["a", "a", "b", "b", "b"], ["x", "y", "x", "z", "z"], 3, 0)
    assert sorted(map(len, parts)) == [1, 2, 2]
    assert [0, 2] in [p.tolist() for p in parts]
    with pytest.raises(RecipeError, match="n_folds = 2, but there are only 1"):
        folds(["a", "b"], ["x", "x"], 2, 0)


def test_a_teacher_of_clips_has_heard_no_copy_of_what_it_speaks_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emotions = ("neutral", "happy", "angry")
    rows = [Utterance(f"{i}.wav", "x", "", "", emotions[i % 3], digest=f"{i}") for i in range(24)]
    copies = [
        *(dataclasses.replace(u, path=f"noisy/{u.path}", digest="n" + u.digest, parent=u.path) for u in rows[:12]),
        *(dataclasses.replace(u, path=f"again/{u.path}", corpus="y") for u in rows[6:18]),  # the very file
    ]
    dealt: list[list[np.ndarray]] = []
    real = distillation.folds
    monkeypatch.setattr(distillation, "folds", lambda *given: dealt.append(real(*given)) or dealt[-1])
    monkeypatch.setattr(distillation, "compute", lambda clips, *_: np.array([[[float(i)]] for i in range(len(clips))]))
    teacher = Teacher("mfcc_pitch_energy_statistics", n_folds=4, apart="clips")
    for clips in (rows, rows + copies):
        data = Data(Manifest(tuple(clips)), tuple(range(len(clips))), (), {}, emotions)
        lesson(teacher, data, 3, tmp_path, quiet)
    alone, whole = ([p.tolist() for p in parts] for parts in dealt)
    # Without copies every clip is a group of its own.
    assert alone == [p.tolist() for p in real(["x"] * 24, [u.path for u in rows], 4, 3)]
    assert sorted(map(len, alone)) == [6] * 4
    fold_of = {i: k for k, part in enumerate(whole) for i in part}
    assert len(fold_of) == 48
    for i in range(12):
        assert fold_of[24 + i] == fold_of[i]
        assert fold_of[36 + i] == fold_of[6 + i]


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (150, 80), (80, 150)])
def test_components_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    expected = np.linalg.svd(scaled, full_matrices=False)[0][:, :3]
    found = components(values, 3)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(np.abs(expected / expected.std(axis=0)), np.abs(found), atol=1e-4)
    assert (found[np.abs(found).argmax(axis=0), range(3)] > 0).all()
    assert components(values, 100).shape[1] == min(shape)
    np.testing.assert_array_equal(components(values, 3), found)  # to the last bit


def test_components_of_rows_that_vary_in_fewer_ways() -> None:
    rng = np.random.default_rng(0)
    assert not components(np.ones((50, 60)), 4).any()
    flat = rng.normal(size=(90, 2)) @ rng.normal(size=(2, 100))
    found = components(flat, 4)
    np.testing.assert_allclose(found[:, :2].std(axis=0), 1, atol=1e-5)
    assert np.abs(found[:, 2:]).max() < 1e-3


def test_targets_mix_label_and_teacher() -> None:
    told = Lesson(np.array([[0.2, 0.8], [0.5, 0.5]], np.float32), np.array([[3.0], [-3.0]], np.float32))
    np.testing.assert_allclose(told.targets(np.eye(2, dtype=np.float32), 0.5), [[0.6, 0.4, 3.0], [0.25, 0.75, -3.0]])
    np.testing.assert_allclose(told.targets(np.eye(2, dtype=np.float32), 0.0)[:, :2], np.eye(2))


def test_a_taught_net_is_another_net_of_the_same_size(data: Data, tmp_path: Path) -> None:
    recipe: Recipe = parse(Recipe, TOML, "test")
    alone = dataclasses.replace(recipe, teacher=None)
    cards, sounds = [], audio.read(data.manifest[0].path)
    said = []
    for name, one in (("taught", recipe), ("alone", alone)):
        path = training.train_on(data, one, tmp_path / name, cache=tmp_path / "cache", threads=1)
        model = modelfile.load(path)
        cards.append(model.card)
        said.append(model.probabilities(sounds.samples[None]))
    assert cards[0].n_parameters == cards[1].n_parameters  # the hints' layer is gone
    assert cards[0].recipe["teacher"]["features"] == "mfcc_pitch_energy_statistics"
    assert np.abs(said[0] - said[1]).max() > 1e-4


def test_tilted_weights_have_the_mean_that_is_asked_for() -> None:
    losses = np.random.default_rng(0).gamma(1.0, size=400)
    for mean in (0.7, 1.0, 1.4):
        weights = tilted(losses, mean)
        assert weights.mean() == pytest.approx(1) and (weights * losses).mean() == pytest.approx(mean, abs=1e-6)
        assert (np.diff(weights[np.argsort(losses)]) * (mean - losses.mean()) >= 0).all()
    np.testing.assert_allclose(tilted(losses, losses.mean()), 1.0, atol=1e-6)
    steepest = tilted(np.array([0.0, 1.0, 3.0]), 9.0)
    np.testing.assert_allclose(np.log(steepest / steepest[0]), STEEPEST * np.array([0.0, 1.0, 3.0]), atol=1e-6)
    assert not tilted(np.zeros(0), 1.0).size and tilted(np.ones(3), 0.5).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("strength", "easy"), [(3.0, True), (0.5, False)])
def test_validation_speakers_count_as_if_they_were_as_hard_as_others(
    strength: float, easy: bool, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    known = {u.path: rng.normal(size=3) for u in data.manifest}  # how far a clip is from its emotion

    wrong = data.manifest[data.validation[4]].path

    def computed(clips: Manifest, *_: object) -> np.ndarray:
        validates, rows = {data.manifest[i].path for i in data.validation}, []
        for clip in clips:
            own = np.eye(3)[data.emotions.index(clip.emotion)]
            near = strength if clip.path in validates else 1.5
            rows.append(4 * np.roll(own, 1) if clip.path == wrong and not easy else near * own + known[clip.path])
        return np.array(rows)[:, None]

    heard: list[tuple[np.ndarray, float]] = []
    monkeypatch.setattr(distillation, "compute", computed)
    monkeypatch.setattr(distillation, "tilted", lambda *given: heard.append(given) or tilted(*given))
    teacher = Teacher("mfcc_pitch_energy_statistics", n_folds=4)
    assert lesson(teacher, data, 0, tmp_path, quiet).counts is None and not heard
    told = lesson(dataclasses.replace(teacher, calibrates=True), data, 0, tmp_path, quiet)
    ((losses, others),) = heard  # of one corpus
    clips = data.manifest.take(data.train)
    truth = np.array([data.emotions.index(u.emotion) for u in clips])
    assert others == pytest.approx(-np.log(told.probabilities[np.arange(36), truth]).mean(), rel=0.05)
    assert (losses.mean() < others) == easy
    assert easy or losses.argmax() == 4  # in the order of the clips
    assert told.counts is not None and told.counts.mean() == pytest.approx(1)
    assert np.corrcoef(losses, told.counts)[0, 1] * (1 if easy else -1) > 0.5


def test_clips_of_a_corpus_without_speakers_are_judged_by_who_never_heard_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, emotions = np.random.default_rng(0), ("neutral", "happy", "angry")
    rows = [
        Utterance(f"{corpus}{i}", corpus, f"{corpus}/{i % 8}" if corpus == "known" else "", "", emotions[i % 3])
        for corpus in ("known", "unknown")
        for i in range(150)
    ]
    data = Data(Manifest(tuple(rows)), tuple(range(240)), tuple(range(240, 300)), {}, emotions)

    def computed(clips: Manifest, *_: object) -> np.ndarray:
        # Each corpus says the emotions in its own way.
        said = [np.eye(6)[emotions.index(u.emotion) + 3 * (u.corpus == "unknown")] for u in clips]
        return (np.array(said) + 0.5 * rng.normal(size=(len(clips), 6)))[:, None]

    heard: list[tuple[np.ndarray, float]] = []
    monkeypatch.setattr(distillation, "compute", computed)
    monkeypatch.setattr(distillation, "tilted", lambda *given: heard.append(given) or tilted(*given))
    lesson(Teacher("mfcc_pitch_energy_statistics", n_folds=4, calibrates=True), data, 0, tmp_path, quiet)
    (nobody, _), (losses, others) = heard
    assert not nobody.size and len(losses) == 60
    assert others > 0.9  # as good as by chance, or worse
    assert losses.mean() == pytest.approx(others, rel=0.2)


def test_what_a_teacher_said_is_kept(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    real = distillation._fitted
    monkeypatch.setattr(distillation, "_fitted", lambda *given: fitted.append(1) or real(*given))

    def told(seed: int = 0, own: Data = data, **changes: object) -> tuple[Lesson, int]:
        fitted.clear()
        teacher = Teacher(**{"features": "mfcc_pitch_energy_statistics", "n_folds": 4, "calibrates": True, **changes})
        return lesson(teacher, own, seed, tmp_path, quiet), len(fitted)

    first, n = told()
    again, m = told(n_hints=3, hint_weight=0.5, share=0.2)  # what a net does with it is its own affair
    assert (n, m) == (4, 0) and again.hints.shape == (36, 3)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    np.testing.assert_array_equal(first.counts, again.counts)
    (kept,) = tmp_path.glob("teacher-*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    repaired, m = told()
    assert m == 4 and told()[1] == 0
    np.testing.assert_array_equal(first.probabilities, repaired.probabilities)
    # Whatever it may hang on makes it another one.
    others = [u if i else dataclasses.replace(u, emotion="happy") for i, u in enumerate(data.manifest)]
    relabelled = dataclasses.replace(data, manifest=Manifest(tuple(others)))
    fewer = dataclasses.replace(data, train=data.train[1:])
    new = [{"seed": 1}, {"own": relabelled}, {"own": fewer}, {"n_folds": 2}, {"calibrates": False}, {"apart": "clips"}]
    new += [{"settings": {"C": 0.1}}, {"features": "mfcc_chroma_mel"}]
    assert [told(**change)[1] for change in new] == [4, 4, 4, 2, 4, 4, 4, 4]


def test_a_net_may_be_calibrated_among_its_corpora_classes(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus without an emotion is not asked whether a net doubts it; a test clip's emotion is nobody's knowledge."""
    clips = [
        dataclasses.replace(u, corpus="other", emotion="neutral" if u.emotion == "angry" else u.emotion)
        if u.speaker in ("folder/0", "folder/4") and i != 1
        else u
        for i, u in enumerate(data.manifest)
    ]
    own = dataclasses.replace(data, manifest=Manifest(tuple(clips)))
    own = dataclasses.replace(own, train=own.train[2:], tests={"test": (0, 1)})  # test clip 1 alone is its corpus'
    both = training.inputs.possible(own, [*own.validation, 10])
    assert both.tolist() == [[True, True, False]] * 9 + [[True] * 3]
    asked: list[object] = []
    real = calibration.temperature
    monkeypatch.setattr(calibration, "temperature", lambda *given: asked.append(given[3]) or real(*given))
    cards = []
    for among in ("all", "corpus"):
        table = {**TOML, "corpora": ["folder", "other"], "fit": {**TOML["fit"], "calibrate": True}}
        recipe: Recipe = parse(Recipe, {**table, "fit": {**table["fit"], "calibrate_among": among}}, "test")
        assert ("calibrate_among" in recipe.as_dict()["fit"]) == (among == "corpus")  # runs made before it go on
        path = training.train_on(own, recipe, tmp_path / among, cache=tmp_path / "cache", threads=1)
        cards.append(modelfile.load(path).card)
    assert asked[0] is None and np.array_equal(np.asarray(asked[1]), both[:9])
    assert cards[1].recipe["fit"]["calibrate_among"] == "corpus" and "calibrate_among" not in cards[0].recipe["fit"]
    with pytest.raises(RecipeError, match=r'fit\.calibrate_among = "corpora" is unknown'):
        Fit(calibrate=True, calibrate_among="corpora")
    with pytest.raises(RecipeError, match=r"calibrate_among = \"corpus\" goes with fit\.calibrate"):
        Fit(calibrate_among="corpus")


def test_a_teacher_that_calibrates_changes_what_is_calibrated_alone(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe: Recipe = parse(Recipe, {**TOML, "fit": {**TOML["fit"], "calibrate": True}}, "test")
    assert "calibrates" not in recipe.as_dict()["teacher"]  # so that runs made before there was it go on
    asked: list[list[float] | None] = []
    real = calibration.temperature

    def spied(said: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, among: object) -> float:
        asked.append(None if counts is None else np.asarray(counts).tolist())
        assert among is None
        return real(said, truth, counts)

    monkeypatch.setattr(calibration, "temperature", spied)
    said, cards = [], []
    for calibrates in (False, True):
        one = dataclasses.replace(recipe, teacher=dataclasses.replace(recipe.teacher, calibrates=calibrates))
        run = tmp_path / f"{calibrates}"
        path = training.train_on(data, one, run, cache=tmp_path / "cache", threads=1)
        cards.append(modelfile.load(path).card)
        said.append((run / "history.json").read_text())
    # A training that was over before its file was written asks the teacher once more.
    path.unlink()
    (run / COMPARISON).unlink()
    training.train_on(data, one, run, True, cache=tmp_path / "cache", threads=1)
    cards.append(modelfile.load(path).card)
    plain, tilt, again = asked
    assert plain is None and tilt == again and tilt is not None and len(tilt) == 9 and np.ptp(tilt) > 0.01
    assert cards[0].temperature != cards[1].temperature == cards[2].temperature
    assert cards[0].conformal != cards[1].conformal == cards[2].conformal
    assert cards[1].recipe["teacher"]["calibrates"]
    losses = [[epoch["train_loss"] for epoch in json.loads(text)] for text in said]
    assert losses[0] == losses[1]


def test_what_a_teacher_cannot_be_is_refused(data: Data, tmp_path: Path) -> None:
    recipe: Recipe = parse(Recipe, TOML, "test")
    for wrong, message in (
        ({"apart": "corpora"}, 'teacher.apart = "corpora" is unknown'),
        ({"share": 1.5}, r"teacher\.share = 1\.5 is not a share"),
        ({"n_folds": 1}, "n_folds of at least 2"),
    ):
        with pytest.raises(RecipeError, match=message):
            dataclasses.replace(recipe, teacher=dataclasses.replace(recipe.teacher, **wrong))
    with pytest.raises(RecipeError, match="are no vector; expected"):
        training.check(dataclasses.replace(recipe, teacher=Teacher("mfcc_frames")))
    with pytest.raises(RecipeError, match="takes no vector; expected a classifier or a dense net"):
        lesson(Teacher("mfcc_pitch_energy_statistics", model="cnn"), data, 0, tmp_path, quiet)
    for fit, apart in (({}, "speakers"), ({"calibrate": True}, "clips")):
        told = {**TOML["teacher"], "calibrates": True, "apart": apart}
        with pytest.raises(RecipeError, match=r"calibrates goes with fit\.calibrate = true and teacher\.apart"):
            parse(Recipe, {**TOML, "fit": {**TOML["fit"], **fit}, "teacher": told}, "test")
    table = {k: v for k, v in TOML.items() if k not in ("model_settings", "batch")}
    with pytest.raises(RecipeError, match="only nets over spectrograms learn from a teacher"):
        training.check(parse(Recipe, {**table, "model": "svm"}, "test"))


def test_a_teacher_without_its_encoder_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> Path:
        raise EncoderError(f'there is no encoder "{name}" on this machine.')

    monkeypatch.setattr("vocalics.encoders.find", nowhere)
    with pytest.raises(EncoderError, match=r'no encoder "whisper-base".* default sits on it; --set teacher=none'):
        training.check(read("default"))
    training.check(read("default", {"teacher": "none"}))
