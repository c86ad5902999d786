"""What a probability is worth: sets of emotions that hold the true one as often as promised, how strange a sound is.

Split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; sets by least
probability: Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers", JASA 2019): clips that were not
trained on say how improbable a true emotion may be held; every emotion that is held at least as probable is a
candidate. The promise is for sound like those clips. New speakers are less like them than one another's clips are, so
that the coverage on speakers who calibrated nothing is measured, and told, in every report.

A net gives probabilities to any sound. How far its last layers are from where voices put them says whether it was made
for it (Mahalanobis distance to the nearest class: Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

COVERAGES = (0.8, 0.9, 0.95)
"""How often the true emotion is to be among the candidates: the sets that a card knows."""


def least_probability(
    probabilities: npt.ArrayLike, truth: npt.ArrayLike, coverage: float, weights: npt.ArrayLike | None = None
) -> float:
    """Return the probability from which on an emotion is a candidate.

    Args:
        probabilities: Shape (n, n_emotions), of clips that were not trained on.
        truth: Positions of their emotions, shape (n,).
        coverage: Share of the sets that are to hold the true emotion, above 0 and below 1.
        weights: What each clip counts, shape (n,), above 0; all the same where ``None``.

    Returns:
        From 0 to 1; 0 where the clips are too few for the coverage: every emotion is a candidate then.

    >>> least_probability([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1], 0.6)
    0.7
    """
    chances = np.asarray(probabilities, np.float64)
    given = chances[np.arange(len(chances)), np.asarray(truth, np.int64)]
    order = np.argsort(-given, kind="stable")
    counts = np.ones(len(given)) if weights is None else np.asarray(weights, np.float64)
    counted = np.cumsum(counts[order] / (counts.mean() if len(counts) else 1))
    # The n + 1 stands for the clip that is to come (Vovk et al., proposition 2.3); it counts as the mean clip does.
    rank = int(np.searchsorted(counted, (len(given) + 1) * coverage - 1e-9))
    return float(given[order[rank]]) if rank < len(given) else 0.0


def thresholds(
    probabilities: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Return the least probabilities of all :data:`COVERAGES`, as a card holds them: {"0.9": 0.12, ...}."""
    return {f"{c:g}": least_probability(probabilities, truth, c, weights) for c in COVERAGES}


def mixture_weights(probabilities: Sequence[npt.ArrayLike], truth: npt.ArrayLike) -> list[float]:
    """Return what each of several models is to count in their mean, so that the truth is most likely.

    Found by expectation maximisation (Dempster, Laird and Rubin, 1977); the likelihood has one maximum.

    Args:
        probabilities: Of each model, shape (n, n_classes), for clips that none was trained on.
        truth: Positions of their classes, shape (n,).

    >>> mixture_weights([[[0.9, 0.1], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]]], [0, 1])
    [1.0, 0.0]
    """
    positions = np.asarray(truth, np.int64)
    of_truth = np.array([np.asarray(p, np.float64)[np.arange(len(positions)), positions] for p in probabilities])
    of_truth = np.maximum(of_truth, 1e-12)
    weights = np.full(len(of_truth), 1 / len(of_truth))
    for _ in range(2000):
        shares = weights[:, None] * of_truth
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return [round(float(w), 4) for w in weights]


def chosen(known: Mapping[str, Any], coverage: float) -> float | None:
    """Return the least probability that a card knows for a coverage; ``None`` where it knows none."""
    return next((float(value) for key, value in known.items() if math.isclose(float(key), coverage)), None)


def candidates(probabilities: npt.ArrayLike, least: float) -> npt.NDArray[np.bool_]:
    """Return which emotions are candidates; the most probable one always is.

    Args:
        probabilities: Shape (..., n_emotions).
        least: See :func:`least_probability`.

    Returns:
        Booleans of the same shape.
    """
    chances = np.asarray(probabilities, np.float64)
    found: npt.NDArray[np.bool_] = chances >= min(least, 1.0)
    found |= chances >= chances.max(axis=-1, keepdims=True)
    return found


ORDINARY = 0.95
"""Share of known voices whose strangeness is below 1."""


@dataclass(frozen=True, eq=False)
class Density:
    """Where a net's last layers are when it hears voices: a Gaussian per class, all of one shape.

    Attributes:
        projection: From a layer to the directions in which clips of one class differ most, each of deviation 1 (but for
            the common scale): shape (n_values, n_directions).
        centres: The classes' means there, shape (n_classes, n_directions).
    """

    projection: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float32]

    def strangeness(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the squared distance to the nearest class's centre: shape (n, n_values) to (n,)."""
        at = np.asarray(values, np.float64) @ self.projection
        return np.asarray(np.square(at[:, None] - self.centres[None]).sum(axis=2).min(axis=1), np.float64)

    def scaled(self, ordinary: npt.ArrayLike) -> Density:
        """Return the density by which :data:`ORDINARY` of some values of strangeness are below 1."""
        by = np.float32(1 / np.sqrt(max(float(np.quantile(np.asarray(ordinary), ORDINARY)), 1e-12)))
        return Density(self.projection * by, self.centres * by)


def density(values: npt.ArrayLike, classes: npt.ArrayLike, n_directions: int = 32, shrinkage: float = 0.05) -> Density:
    """Return where the values of clips are.

    Args:
        values: Shape (n, n_values).
        classes: Positions of their classes, shape (n,).
        n_directions: Directions that count, those of largest variance within a class.
        shrinkage: What is added to every variance, as a share of the variance of all clips.
    """
    x, which = np.asarray(values, np.float64), np.asarray(classes, np.int64)
    scale = x.std(axis=0) + 1e-3
    present = np.unique(which)
    means = np.stack([x[which == k].mean(axis=0) for k in present])
    rest = (x - means[np.searchsorted(present, which)]) / scale
    size, directions = np.linalg.eigh(rest.T @ rest / len(rest) + shrinkage * np.eye(x.shape[1]))
    n = min(n_directions, x.shape[1])
    projection = directions[:, ::-1][:, :n] / np.sqrt(size[::-1][:n]) / scale[:, None]
    return Density(projection.astype(np.float32), (means @ projection).astype(np.float32))
