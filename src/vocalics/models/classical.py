"""Classifiers of scikit-learn: the settings that are ours to give, checked, and the rest as it is.

Every one takes scaled features (n, n_features) and class positions, knows ``sample_weight``, and becomes ONNX through
:func:`vocalics.export.onnx.from_sklearn`. ``balanced`` weighs the clips so that every emotion counts alike, however
many clips it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from vocalics.errors import RecipeError
from vocalics.models import ModelSpec
from vocalics.registry import suggestion

VECTOR = "mfcc_pitch_energy_statistics"
"""The feature set that the classifiers here are made for; they take any other vector too."""

Positions = npt.NDArray[np.intp]


class Folds:
    """Folds of neighbours: every class's clips in their order, cut into ``n`` parts (fewer for a class of fewer).

    A manifest lists a speaker's clips one after another, so that neighbours are mostly of one speaker: what is
    calibrated on a fold is calibrated on other speakers than it was fitted to, but for those at the cuts.
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:  # noqa: N803
        """Yield (positions to fit, positions to judge) fold by fold."""
        smallest = int(np.unique(y, return_counts=True)[1].min())
        yield from StratifiedKFold(min(self.n, smallest)).split(X, y)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return the number of folds that :meth:`split` gives at most."""
        return self.n


class CalibratedMachine(CalibratedClassifierCV):  # type: ignore[misc]  # scikit-learn is untyped
    """Scikit-learn's calibration whose ``balanced`` makes every class count alike in machine and sigmoids.

    A machine's own ``class_weight`` would not do: the sigmoids fitted behind it would bring the clips' shares back.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        method: str = "sigmoid",
        cv: Any = None,
        n_jobs: int | None = None,
        ensemble: Any = False,
        balanced: bool = True,
    ) -> None:
        super().__init__(estimator, method=method, cv=cv, n_jobs=n_jobs, ensemble=ensemble)
        self.balanced = balanced

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> CalibratedMachine:  # noqa: N803
        """Fit the sigmoids to folds, then the machine to all."""
        weight = np.ones(len(y)) if sample_weight is None else np.array(sample_weight, np.float64)
        if self.balanced:
            weight = _equalised(weight, np.asarray(y))
        super().fit(X, y, sample_weight=weight)
        return self


def fit(classifier: Any, features: Any, truth: Any, weight: npt.ArrayLike | None = None) -> Any:
    """Fit a classifier of this module, and return it; one that is ``balanced`` balances what weights leave.

    Scikit-learn multiplies weights by those of ``class_weight``, which older releases find from the clips' numbers
    alone: what weights balance already would be balanced twice.

    Args:
        classifier: Not fitted; it gives its ``class_weight`` up where there are weights.
        features: Scaled, shape (n, ...).
        truth: Class positions, shape (n,).
        weight: Of each clip; ``None``: every clip counts as one.
    """
    if weight is None:
        return classifier.fit(features, truth)
    given = np.array(weight, np.float64)
    if classifier.get_params().get("class_weight") is not None:
        classifier.set_params(class_weight=None)
        given = _equalised(given, np.asarray(truth))
    return classifier.fit(features, truth, sample_weight=given)


def _equalised(weight: npt.NDArray[np.float64], truth: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Scale weights so that those of every class have the same sum, and all together one per clip."""
    found = weight.copy()
    for name in np.unique(truth):
        found[truth == name] /= max(found[truth == name].sum(), 1e-12)
    found *= len(found) / found.sum()
    return found


def svm(
    n_classes: int = 0,
    C: float = 10.0,  # noqa: N803 - its name everywhere
    gamma: float | str = "scale",
    kernel: str = "rbf",
    balanced: bool = True,
    n_folds: int = 5,
) -> Any:
    """Return a support vector machine (Cortes and Vapnik, 1995), one against one, with calibrated probabilities.

    Probabilities are Platt's (1999): a sigmoid per class, fitted to the decision values of ``n_folds`` folds of
    neighbours (see :class:`Folds`), scaled to a sum of 1. The machine itself is then fitted to all clips. Nothing in
    it is random.

    Args:
        n_classes: Unused; a scikit-learn classifier counts its classes itself.
        C: Cost of a clip on the wrong side, above 0.
        gamma: Of the kernel exp(-gamma·distance²): "scale" (one over the number of features, of scaled features),
            "auto" or a number above 0.
        kernel: "rbf", "linear", "poly" or "sigmoid".
        balanced: Whether every emotion counts alike.
        n_folds: Folds of the calibration, at least 2.
    """
    machine = SVC(
        C=number("C", C, 0.0),
        gamma=choice("gamma", gamma, ("scale", "auto")) if isinstance(gamma, str) else number("gamma", gamma, 0.0),
        kernel=choice("kernel", kernel, ("rbf", "linear", "poly", "sigmoid")),
    )
    return CalibratedMachine(machine, cv=Folds(count("n_folds", n_folds, 2)), balanced=flag("balanced", balanced))


def logistic_regression(
    n_classes: int = 0,
    C: float = 0.1,  # noqa: N803 - its name everywhere
    balanced: bool = True,
) -> Any:
    """Return multinomial logistic regression with an L2 penalty.

    Args:
        n_classes: Unused.
        C: One over the weight of the penalty, above 0.
        balanced: Whether every emotion counts alike.
    """
    return LogisticRegression(C=number("C", C, 0.0), class_weight=_weight(balanced), max_iter=10_000)


def random_forest(
    n_classes: int = 0,
    n_trees: int = 200,
    n_leaves: int = 64,
    share_of_features: float = 0.1,
    balanced: bool = True,
) -> Any:
    """Return a random forest (Breiman, 2001) of bounded size: with the defaults and 8 emotions, a file below 3 MB.

    Args:
        n_classes: Unused.
        n_trees: Number of trees, at least 1.
        n_leaves: Most leaves of a tree, at least 2; the file grows with ``n_trees``·``n_leaves``·n_classes, whatever
            the number of clips.
        share_of_features: Share of the features that a split chooses from, above 0, at most 1.
        balanced: Whether every emotion counts alike: in each tree's own draw of clips, or in the sum of a recipe's
            weights.
    """
    return RandomForestClassifier(
        count("n_trees", n_trees, 1),
        max_leaf_nodes=count("n_leaves", n_leaves, 2),
        max_features=number("share_of_features", share_of_features, 0.0, 1.0),
        class_weight=_weight(balanced, "balanced_subsample"),
        random_state=0,
    )


def gradient_boosting(
    n_classes: int = 0,
    n_rounds: int = 150,
    depth: int = 3,
    rate: float = 0.1,
    share_of_clips: float = 0.7,
    share_of_features: float = 0.1,
) -> Any:
    """Return stochastic gradient boosting of trees (Friedman, 2002).

    Emotions are balanced by a recipe's ``shares`` alone: the classifier has no weights of classes.

    Args:
        n_classes: Unused.
        n_rounds: Trees per emotion, at least 1.
        depth: Of a tree, at least 1.
        rate: What a tree's contribution is multiplied by, above 0.
        share_of_clips: Share of the clips drawn for a tree, above 0, at most 1.
        share_of_features: Share of the features that a split chooses from, above 0, at most 1.
    """
    return GradientBoostingClassifier(
        n_estimators=count("n_rounds", n_rounds, 1),
        max_depth=count("depth", depth, 1),
        learning_rate=number("rate", rate, 0.0),
        subsample=number("share_of_clips", share_of_clips, 0.0, 1.0),
        max_features=number("share_of_features", share_of_features, 0.0, 1.0),
        random_state=0,
    )


def majority(n_classes: int = 0) -> Any:
    """Return the baseline that always names the training part's most frequent class.

    Args:
        n_classes: Unused.
    """
    return DummyClassifier(strategy="most_frequent")


def seeded(classifier: Any, seed: int) -> Any:
    """Return the classifier with every source of randomness in it, its parts' too, set to a seed."""
    keys = [k for k in classifier.get_params() if k == "random_state" or k.endswith("__random_state")]
    return classifier.set_params(**dict.fromkeys(keys, seed))


def number(name: str, value: Any, above: float, at_most: float = math.inf) -> float:
    """Return a model setting that has to be a finite number above one limit and not above another."""
    given = isinstance(value, int | float) and not isinstance(value, bool)
    if not (given and math.isfinite(value) and above < value <= at_most):
        limit = f", at most {at_most:g}" if math.isfinite(at_most) else ""
        raise RecipeError(f"model_settings.{name} = {value!r}; expected a number above {above:g}{limit}")
    return float(value)


def share(name: str, value: Any) -> float:
    """Return a model setting that has to be a share from 0 to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise RecipeError(f"model_settings.{name} = {value!r}; expected a share from 0 to below 1")
    return float(value)


def count(name: str, value: Any, at_least: int) -> int:
    """Return a model setting that has to be a whole number of at least this size."""
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise RecipeError(f"model_settings.{name} = {value!r}; expected a whole number from {at_least} on")
    return value


def choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return a model setting that has to be one of these words."""
    if value not in known:
        close = suggestion(str(value), known) or "."
        raise RecipeError(f"model_settings.{name} = {value!r} is unknown{close} Known: {', '.join(known)}.")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """Return a model setting that has to be true or false."""
    if not isinstance(value, bool):
        raise RecipeError(f"model_settings.{name} = {value!r}; expected true or false")
    return value


def _weight(balanced: Any, name: str = "balanced") -> str | None:
    return name if flag("balanced", balanced) else None


def _spec(name: str, build: Any, summary: str) -> ModelSpec:
    return ModelSpec(name, VECTOR, build, neural=False, summary=summary)


MODELS: dict[str, ModelSpec] = {
    s.name: s
    for s in (
        _spec("svm", svm, "support vector machine with an RBF kernel and calibrated probabilities"),
        _spec("logistic_regression", logistic_regression, "multinomial logistic regression"),
        _spec("random_forest", random_forest, "random forest of bounded size"),
        _spec("gradient_boosting", gradient_boosting, "stochastic gradient boosting of small trees"),
        ModelSpec(
            name="majority",
            features="zcr_chroma_mfcc_rms_mel",
            build=majority,
            neural=False,
            summary="names the most frequent class, whatever it hears; the baseline to beat",
        ),
    )
}
