"""Classical classifiers: what their settings do, and what settings cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from vocalics.errors import RecipeError
from vocalics.models import model_spec
from vocalics.models.classical import Folds, fit, random_forest, seeded, svm
from vocalics.models.gmm import GaussianMixtureClassifier, gmm


def blobs(n: int = 240, n_classes: int = 4, n_features: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % n_classes
    centres = np.random.default_rng(99).normal(size=(n_classes, n_features)) * 1.5
    return (rng.normal(size=(n, n_features)) + centres[truth]).astype(np.float32), truth


def test_the_svm_is_scikit_learns_and_its_probabilities_are_calibrated() -> None:
    features, truth = blobs()
    unseen, answers = blobs(2000, seed=1)
    classifier = svm(C=1.0).fit(features, truth)
    probabilities = classifier.predict_proba(unseen)
    plain = SVC(C=1.0).fit(features, truth).predict(unseen)
    assert (probabilities.argmax(axis=1) == plain).mean() > 0.95
    right = probabilities.argmax(axis=1) == answers
    assert 0.6 < right.mean() < 0.98
    assert abs(probabilities.max(axis=1).mean() - right.mean()) < 0.08
    assert probabilities.max() < 1


def test_folds_keep_neighbours_together_and_shrink_with_the_smallest_class() -> None:
    truth = np.repeat([0, 1], [40, 40])
    for fitted, judged in Folds(4).split(np.zeros((80, 1)), truth):
        of_first = judged[truth[judged] == 0]
        assert of_first.tolist() == list(range(of_first[0], of_first[0] + 10))
        assert not set(fitted) & set(judged)
    few = np.array([0] * 20 + [1] * 3)
    assert len(list(Folds(5).split(np.zeros((23, 1)), few))) == 3
    assert svm().fit(*blobs(9, 3)).predict_proba(blobs(9, 3)[0]).shape == (9, 3)


@pytest.mark.parametrize("name", ["svm", "logistic_regression", "random_forest", "gmm"])
def test_balanced_models_find_a_rare_class_more_often(name: str) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [300, 20])
    features, unseen = ((rng.normal(size=(320, 3)) + 0.8 * truth[:, None]).astype(np.float32) for _ in range(2))
    found = {}
    for balanced in (True, False):
        settings: dict[str, Any] = {"balanced": balanced}
        if name == "gmm":
            settings |= {"n_components": 1, "sharpness": 1.0}
        if name == "random_forest":
            settings |= {"n_trees": 50, "n_leaves": 4}
        classifier = seeded(model_spec(name).build(2, **settings), 0).fit(features, truth)
        found[balanced] = classifier.predict_proba(unseen)[truth == 1, 1].mean()
    assert found[True] > found[False] + 0.15


@pytest.mark.parametrize("name", ["svm", "logistic_regression", "random_forest", "gradient_boosting", "gmm"])
def test_a_clip_of_no_weight_is_not_heard(name: str) -> None:
    features, truth = blobs(120, 3)
    wrong = np.concatenate([features, features[:60]])
    answers, weight = np.concatenate([truth, (truth[:60] + 1) % 3]), np.repeat([1.0, 0.0], [120, 60])
    build = model_spec(name).build
    heard = seeded(build(3), 0).fit(wrong, answers).predict_proba(features)
    unheard = seeded(build(3), 0).fit(wrong, answers, sample_weight=weight).predict_proba(features)
    truths = np.arange(120), truth
    assert unheard[truths].mean() > heard[truths].mean() + 0.02


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest"])
def test_weights_that_balance_already_are_not_balanced_twice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [300, 20])
    features = (rng.normal(size=(320, 3)) + 0.8 * truth[:, None]).astype(np.float32)
    shares = np.where(truth, 160 / 20, 160 / 300)  # both classes count alike, as a recipe's shares make them
    build = model_spec(name).build
    kind, given = type(build(2)), []
    real = kind.fit

    def spy(self: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:  # noqa: N803
        given.append((self.class_weight, sample_weight))
        return real(self, X, y, sample_weight=sample_weight)

    monkeypatch.setattr(kind, "fit", spy)
    for weight in (shares, np.ones(320)):  # balanced by hand, and not
        fit(seeded(build(2), 0), features, truth, weight)
        class_weight, used = given.pop()
        assert class_weight is None  # releases differ in what they make of it
        np.testing.assert_allclose(used, shares)
    fit(seeded(build(2, balanced=False), 0), features, truth, np.ones(320))
    np.testing.assert_array_equal(given.pop()[1], 1)
    fit(seeded(build(2), 0), features, truth)
    assert given.pop() == ("balanced_subsample" if name == "random_forest" else "balanced", None)


def test_a_mixture_per_class_is_scikit_learns_gaussian_mixture() -> None:
    features, truth = blobs(300, 3)
    values = features.astype(np.float64)
    classifier = GaussianMixtureClassifier(2, covariance_floor=0.05, random_state=3).fit(features, truth)
    likelihood = np.stack(
        [
            GaussianMixture(2, covariance_type="diag", reg_covar=0.05, random_state=3)
            .fit(values[truth == k])
            .score_samples(values)
            for k in range(3)
        ],
        axis=1,
    )
    np.testing.assert_allclose(classifier.log_likelihood(values), likelihood, rtol=1e-9)
    odds = np.exp(likelihood)
    np.testing.assert_allclose(classifier.predict_proba(features), odds / odds.sum(axis=1, keepdims=True), atol=1e-9)
    assert (classifier.predict(features) == truth).mean() > 0.8


def test_frames_are_judged_one_by_one_and_their_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 2
    clips = rng.normal(size=(40, 3, 25)) * np.where(truth, 2.0, 1.0)[:, None, None]
    classifier = GaussianMixtureClassifier(3, random_state=0).fit(clips, truth)
    frames = clips.transpose(0, 2, 1)
    each = np.stack([classifier.log_likelihood(f).mean(axis=0) for f in frames])
    np.testing.assert_allclose(classifier.log_likelihood(clips), each)
    np.testing.assert_allclose(classifier.predict_proba(clips[:, :, ::-1]), classifier.predict_proba(clips))
    assert (classifier.predict(clips) == truth).mean() > 0.95
    assert np.abs(each[:, 0] - each[:, 1]).min() > 0


def test_a_class_of_one_clip_and_one_without_spread_have_a_mixture() -> None:
    features, truth = blobs(60, 3)
    features[truth == 1] = features[1]
    only = np.concatenate([np.flatnonzero(truth != 2), np.flatnonzero(truth == 2)[:1]])
    classifier = gmm(n_components=4, sharpness=1.0).fit(features[only], truth[only])
    probabilities = classifier.predict_proba(features)
    assert np.isfinite(probabilities).all()
    assert classifier.predict(features[1:2]) == [1]
    assert classifier.predict(features[only][-1:]) == [2]


def test_a_random_forest_does_not_grow_with_the_clips() -> None:
    leaves = [
        max(tree.get_n_leaves() for tree in random_forest(n_trees=5, n_leaves=16).fit(*blobs(n)).estimators_)
        for n in (400, 1600)
    ]
    assert leaves == [16, 16]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("svm", {"C": 0}, r"model_settings.C = 0; expected a number above 0"),
        ("svm", {"C": True}, r"model_settings.C = True; expected a number above 0"),
        ("svm", {"gamma": "scaled"}, r"model_settings.gamma = 'scaled' is unknown; did you mean \"scale\"\?"),
        ("svm", {"kernel": "rbg"}, r"did you mean \"rbf\"\? Known: rbf, linear, poly, sigmoid"),
        ("svm", {"n_folds": 1}, r"model_settings.n_folds = 1; expected a whole number from 2 on"),
        ("logistic_regression", {"balanced": "yes"}, r"model_settings.balanced = 'yes'; expected true or false"),
        ("random_forest", {"share_of_features": 1.5}, r"= 1.5; expected a number above 0, at most 1"),
        ("random_forest", {"n_trees": 2.5}, r"n_trees = 2.5; expected a whole number from 1 on"),
        ("gradient_boosting", {"rate": float("nan")}, r"rate = nan; expected a number above 0"),
        ("gmm", {"covariance_floor": 0.0}, r"covariance_floor = 0.0; expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        model_spec(name).build(4, **settings)
