"""Gaussian mixtures, one per emotion: what an emotion's clips, or their frames, look like."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vocalics.models import ModelSpec
from vocalics.models.classical import count, flag, number

Values = npt.NDArray[np.float64]
_ABSENT = -1e30  # logarithm of the weight of a component that a class of few clips does not have


class GaussianMixtureClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """One mixture of Gaussians with diagonal covariances per class; Bayes' rule makes probabilities of the likelihoods.

    Vectors (n, n_features) are judged as they are. Of matrices (n, n_features, n_frames) every frame is, and a clip's
    log-likelihood is the mean over its frames (Reynolds and Rose, "Robust text-independent speaker identification
    using Gaussian mixture speaker models", 1995). Log-likelihoods are multiplied by ``sharpness`` before Bayes' rule:
    neither features nor frames are as independent of each other as the model has it.

    Args:
        n_components: Gaussians per class; a class of fewer distinct values gets fewer.
        covariance_floor: Added to every variance, in units of the scaled features' variance.
        sharpness: Weight of a log-likelihood.
        balanced: Whether every class is as likely beforehand; else as often as it was met, or weighted, in training.
        n_starts: Fits from different starts, of which the likeliest is kept.
        n_frames: Most frames of a class that its mixture is fitted to; they are drawn.
        random_state: Seed of starts and draws.

    Attributes:
        classes_: Class positions, the order of the probabilities.
        log_weights_: Of the components, shape (n_classes, n_components).
        means_: Shape (n_classes, n_components, n_features).
        variances_: Same shape.
        log_priors_: Shape (n_classes,).
    """

    def __init__(
        self,
        n_components: int = 64,
        covariance_floor: float = 0.01,
        sharpness: float = 1.0,
        balanced: bool = True,
        n_starts: int = 1,
        n_frames: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_floor = covariance_floor
        self.sharpness = sharpness
        self.balanced = balanced
        self.n_starts = n_starts
        self.n_frames = n_frames
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> GaussianMixtureClassifier:
        """Fit a mixture to every class.

        Args:
            X: (n, n_features) or (n, n_features, n_frames).
            y: Classes, shape (n,).
            sample_weight: Of the clips, at least 0; a class's clips are drawn in proportion, with replacement, as many
                as there are.
        """
        values, truth = np.asarray(X, np.float64), np.asarray(y)
        weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        self.classes_ = np.unique(truth)
        rng = np.random.default_rng(self.random_state)
        shape = (len(self.classes_), self.n_components, values.shape[1])
        self.log_weights_ = np.full(shape[:2], _ABSENT)
        self.means_, self.variances_ = np.zeros(shape), np.ones(shape)
        priors = np.ones(len(self.classes_))
        for i, name in enumerate(self.classes_):
            own, own_weight = values[truth == name], weight[truth == name]
            priors[i] = own_weight.sum()
            if sample_weight is not None and priors[i] > 0:
                own = own[rng.choice(len(own), len(own), p=own_weight / priors[i])]
            mixture = self._mixture(_frames(own, self.n_frames, rng))
            n = mixture.n_components
            self.log_weights_[i, :n] = np.log(mixture.weights_)
            self.means_[i, :n], self.variances_[i, :n] = mixture.means_, mixture.covariances_
        self.log_priors_ = np.log(np.ones(len(priors)) / len(priors) if self.balanced else priors / priors.sum())
        return self

    def _mixture(self, rows: Values) -> Any:
        distinct = min(len(np.unique(rows, axis=0)), self.n_components)
        mixture = GaussianMixture(
            distinct,
            covariance_type="diag",
            reg_covar=self.covariance_floor,
            n_init=self.n_starts,
            random_state=self.random_state,
        )
        # GaussianMixture wants two rows, and a mixture that still moves a little after a hundred steps is one too.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(np.concatenate([rows, rows]) if len(rows) == 1 else rows)

    def log_likelihood(self, X: npt.ArrayLike) -> Values:  # noqa: N803
        """Return each clip's log-likelihood under each class, the mean over frames where there are, (n, n_classes)."""
        values = np.asarray(X, np.float64)
        frames = values[:, None] if values.ndim == 2 else values.transpose(0, 2, 1)
        square, linear, constant = self.coefficients()
        scores = np.stack([f**2 @ square + f @ linear for f in frames]) + constant
        scores = scores.reshape(*frames.shape[:2], len(self.classes_), self.n_components)
        highest = scores.max(axis=3, keepdims=True)
        likelihood: Values = (np.log(np.exp(scores - highest).sum(axis=3)) + highest[..., 0]).mean(axis=1)
        return likelihood

    def coefficients(self) -> tuple[Values, Values, Values]:
        """Return what makes a component's weighted log-likelihood of a frame x: x²·square + x·linear + constant.

        Returns:
            square and linear, (n_features, n_classes·n_components), and constant, (n_classes·n_components,).
        """
        n_features = self.means_.shape[2]
        means, variances = self.means_.reshape(-1, n_features), self.variances_.reshape(-1, n_features)
        constant = self.log_weights_.ravel() - 0.5 * (means**2 / variances + np.log(2 * np.pi * variances)).sum(axis=1)
        return (-0.5 / variances).T, (means / variances).T, constant

    def predict_proba(self, X: npt.ArrayLike) -> Values:  # noqa: N803
        """Return the classes' probabilities, (n, n_classes)."""
        scores = self.sharpness * self.log_likelihood(X) + self.log_priors_
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: Values = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Return the most probable class per clip."""
        chosen: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen


def _frames(clips: Values, most: int, rng: np.random.Generator) -> Values:
    """The clips' frames as rows, at most ``most`` of them; a vector is a single frame."""
    if clips.ndim == 2:
        return clips
    rows = clips.transpose(0, 2, 1).reshape(-1, clips.shape[1])
    return rows if len(rows) <= most else rows[rng.choice(len(rows), most, replace=False)]


def gmm(
    n_classes: int = 0,
    n_components: int = 64,
    covariance_floor: float = 0.01,
    sharpness: float = 1.5,
    balanced: bool = True,
    n_starts: int = 1,
    n_frames: int = 10_000,
) -> GaussianMixtureClassifier:
    """Return a Gaussian mixture per emotion, see :class:`GaussianMixtureClassifier`.

    The defaults are for frames; for a vector per clip take few components, a higher floor and less sharpness, such as
    4, 0.3 and 0.1.

    Args:
        n_classes: Unused; the classifier counts its classes itself.
        n_components: Gaussians per emotion, at least 1.
        covariance_floor: Added to every variance, above 0, in units of the scaled features' variance.
        sharpness: Weight of a log-likelihood, above 0.
        balanced: Whether every emotion is as likely beforehand.
        n_starts: Fits from different starts, at least 1.
        n_frames: Most frames of an emotion that its mixture is fitted to, at least 1.
    """
    return GaussianMixtureClassifier(
        count("n_components", n_components, 1),
        number("covariance_floor", covariance_floor, 0.0),
        number("sharpness", sharpness, 0.0),
        flag("balanced", balanced),
        count("n_starts", n_starts, 1),
        count("n_frames", n_frames, 1),
    )


MODELS: dict[str, ModelSpec] = {
    "gmm": ModelSpec(
        name="gmm",
        features="mfcc_pitch_energy_fixed",
        build=gmm,
        neural=False,
        summary="one Gaussian mixture per emotion over frames of MFCC, pitch and level, or over a vector per clip",
        takes_frames=True,
    ),
}
