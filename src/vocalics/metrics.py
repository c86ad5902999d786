"""How well predictions agree with the truth, in the field's words.

Truth and prediction are integer arrays of class indices. A prediction of :data:`NO_SPEECH` is a clip that the model
declined to label: it counts as a miss for its class and as a prediction of none. All figures are fractions, 0 to 1.
Every score is a function of a confusion matrix, so that resampling thousands of times is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vocalics.errors import VocalicsError

NO_SPEECH = -1
"""The prediction's value for a clip that was given no emotion."""

Counts = npt.NDArray[Any]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A bootstrap percentile interval.

    Attributes:
        low: Lower end.
        high: Upper end.
        unit: What was resampled: whole "speakers", or "clips" where there is one speaker only (then the interval says
            nothing about other speakers).
        n_units: How many of them there are.
    """

    low: float
    high: float
    unit: Literal["speakers", "clips"]
    n_units: int


@dataclass(frozen=True)
class Bins:
    """A reliability diagram in numbers; all arrays have shape (n_bins,).

    Attributes:
        edges: Shape (n_bins + 1,); bin i holds confidences in (edges[i], edges[i + 1]].
        confidence: Mean confidence, NaN where a bin is empty.
        accuracy: Share of hits, NaN where a bin is empty.
        n: Clips.
    """

    edges: Scores
    confidence: Scores
    accuracy: Scores
    n: npt.NDArray[np.int64]


def confusion(truth: npt.ArrayLike, prediction: npt.ArrayLike, n_classes: int | None = None) -> npt.NDArray[np.int64]:
    """Count clips by truth (rows) and prediction (columns).

    Args:
        truth: Class indices, shape (n,).
        prediction: Class indices or ``NO_SPEECH``, shape (n,).
        n_classes: Number of classes; ``None`` takes the largest index.

    Returns:
        Shape (n_classes, n_classes + 1); the last column counts the clips that were given no emotion.

    Raises:
        VocalicsError: For no clips, unequal lengths, values that are no integers, or an index out of range.

    >>> confusion([0, 0, 1], [0, 1, NO_SPEECH]).tolist()
    [[1, 1, 0], [0, 0, 1]]
    """
    t, p, n = _checked(truth, prediction, n_classes)
    return _count(t, p, n)


def accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of clips that were given their emotion (weighted average recall).

    >>> accuracy([0, 0, 0, 1], [0, 0, 0, 0])
    0.75
    """
    return float(accuracy_of(confusion(truth, prediction)))


def unweighted_average_recall(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean over the classes that occur in the truth of the share of their clips that were found (UAR).

    The field's first figure since the INTERSPEECH 2009 emotion challenge (Schuller et al.), because it does not
    reward a model for naming the most frequent class; chance is 1 / number of classes.

    >>> unweighted_average_recall([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return float(uar_of(confusion(truth, prediction)))


def recall(truth: npt.ArrayLike, prediction: npt.ArrayLike, n_classes: int | None = None) -> Scores:
    """Share of each class's clips that were found, shape (n_classes,); NaN for a class that the truth lacks."""
    return recall_of(confusion(truth, prediction, n_classes))


def precision(truth: npt.ArrayLike, prediction: npt.ArrayLike, n_classes: int | None = None) -> Scores:
    """Share of each class's predictions that are right, shape (n_classes,); 0 for a class never predicted."""
    return precision_of(confusion(truth, prediction, n_classes))


def f1(truth: npt.ArrayLike, prediction: npt.ArrayLike, n_classes: int | None = None) -> Scores:
    """Harmonic mean of precision and recall, shape (n_classes,); NaN for a class neither true nor predicted."""
    return f1_of(confusion(truth, prediction, n_classes))


def macro_f1(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean F1 of the classes that occur in the truth."""
    return float(macro_f1_of(confusion(truth, prediction)))


def accuracy_of(counts: Counts) -> Scores:
    """Accuracy of confusion counts, shape (..., n_classes, n_classes + 1) to (...)."""
    return np.asarray(_hits(counts).sum(axis=-1) / counts.sum(axis=(-2, -1)), dtype=np.float64)


def uar_of(counts: Counts) -> Scores:
    """UAR of confusion counts, shape (..., n_classes, n_classes + 1) to (...)."""
    return _mean_where(recall_of(counts), counts.sum(axis=-1) > 0)


def macro_f1_of(counts: Counts) -> Scores:
    """Macro F1 of confusion counts, shape (..., n_classes, n_classes + 1) to (...)."""
    return _mean_where(f1_of(counts), counts.sum(axis=-1) > 0)


def recall_of(counts: Counts) -> Scores:
    """Recalls of confusion counts, shape (..., n_classes, n_classes + 1) to (..., n_classes)."""
    return _ratio(_hits(counts), counts.sum(axis=-1), np.nan)


def precision_of(counts: Counts) -> Scores:
    """Precisions of confusion counts, shape (..., n_classes, n_classes + 1) to (..., n_classes)."""
    return _ratio(_hits(counts), counts[..., :-1].sum(axis=-2), 0.0)


def f1_of(counts: Counts) -> Scores:
    """F1 of confusion counts, shape (..., n_classes, n_classes + 1) to (..., n_classes)."""
    return _ratio(2 * _hits(counts), counts.sum(axis=-1) + counts[..., :-1].sum(axis=-2), np.nan)


def bootstrap_interval(
    metric: Callable[[Counts], Scores],
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    speakers: Sequence[str],
    rng: np.random.Generator,
    n: int = 1000,
    level: float = 0.95,
    clips: Sequence[str] | None = None,
) -> Interval:
    """Percentile interval of a score, resampling whole speakers with replacement (Efron, 1979).

    The clips of one speaker are alike, so that resampling clips would promise too much. Each draw is a sum of
    per-speaker confusion matrices.

    Args:
        metric: A score of confusion counts: :func:`uar_of`, :func:`accuracy_of`, :func:`macro_f1_of`.
        truth: Class indices, shape (n_clips,).
        prediction: Class indices or ``NO_SPEECH``, shape (n_clips,).
        speakers: One name per clip; empty where it is not known.
        rng: Source of randomness.
        n: Number of draws.
        level: Share of draws inside the interval, between 0 and 1.
        clips: The clip that each row is of, where one may come several times (once per seed): where the unit is clips,
            a clip's rows are drawn together. ``None``: every row is a clip of its own.

    Returns:
        The interval; its ``unit`` is "clips" where there is one named speaker at most.

    Raises:
        VocalicsError: As :func:`confusion`, or for a level out of range.
    """
    if not 0 < level < 1 or n < 1:
        raise VocalicsError(f"level {level} and n {n}: expected a level between 0 and 1 and at least one draw")
    t, p, n_classes = _checked(truth, prediction, None)
    if len(speakers) != len(t):
        raise VocalicsError(f"{len(speakers)} speakers for {len(t)} clips; expected one per clip")
    if clips is not None and len(clips) != len(t):
        raise VocalicsError(f"{len(clips)} names for {len(t)} clips; expected one per clip")
    names, which = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    shape = (n_classes, n_classes + 1)
    several = int((names != "").sum()) > 1  # clips of no named speaker are one unit more: they may all be of one
    n_clips = len(t) if clips is None else len(set(clips))
    if several:
        per_speaker = _counts_of_each(which, len(names), t, p, n_classes)
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
        draws = times.astype(np.float64) @ per_speaker.astype(np.float64)
    elif clips is not None and n_clips < len(t):
        clip = np.unique(np.asarray(clips, dtype=str), return_inverse=True)[1]
        per_clip = _counts_of_each(clip, n_clips, t, p, n_classes)
        # Clips of the same counts are alike: drawing how many of each kind there are takes far less memory.
        kinds, n_alike = np.unique(per_clip, axis=0, return_counts=True)
        times = rng.multinomial(n_clips, n_alike / n_clips, size=n)
        draws = times.astype(np.float64) @ kinds.astype(np.float64)
    else:
        counts = _count(t, p, n_classes).ravel()
        draws = rng.multinomial(len(t), counts / len(t), size=n).astype(np.float64)
    scores = metric(draws.reshape(n, *shape))
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    n_units = int((names != "").sum()) if several else n_clips
    return Interval(float(low), float(high), "speakers" if several else "clips", n_units)


def reliability(probabilities: npt.ArrayLike, truth: npt.ArrayLike, n_bins: int = 10) -> Bins:
    """Confidence and accuracy of predictions in bins of equal width of the confidence.

    Args:
        probabilities: Shape (n, n_classes), rows sum to 1; the confidence is a row's maximum.
        truth: Class indices, shape (n,).
        n_bins: Number of bins over 0 to 1.

    Raises:
        VocalicsError: For shapes that do not fit, or values that are not between 0 and 1.
    """
    chances, t = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    if chances.ndim != 2 or t.shape != chances.shape[:1] or not len(t) or n_bins < 1:
        raise VocalicsError(f"probabilities {chances.shape}, truth {t.shape}: expected (n, n_classes) and (n,)")
    if not (np.isfinite(chances).all() and chances.min() >= 0 and chances.max() <= 1 + 1e-6):
        raise VocalicsError("probabilities out of range; expected finite values from 0 to 1")
    confidence = np.minimum(chances.max(axis=1), 1.0)
    hit = chances.argmax(axis=1) == t
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    bins = _bins_of(confidence, edges)
    n = np.bincount(bins, minlength=n_bins)
    return Bins(
        edges,
        _ratio(np.bincount(bins, weights=confidence, minlength=n_bins), n, np.nan),
        _ratio(np.bincount(bins, weights=hit, minlength=n_bins), n, np.nan),
        n,
    )


def expected_calibration_error(probabilities: npt.ArrayLike, truth: npt.ArrayLike, n_bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over the bins of :func:`reliability`, weighted by clips (ECE).

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.

    >>> expected_calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    0.0
    """
    bins = reliability(probabilities, truth, n_bins)
    return _error_of(bins.confidence, bins.accuracy, bins.n)


def calibration_error_by_chance(
    probabilities: npt.ArrayLike, clips: Sequence[str] | None = None, n_bins: int = 10, n_draws: int = 200
) -> float:
    """Return what :func:`expected_calibration_error` is on average where these probabilities are perfectly calibrated.

    It is not 0: of few clips in a bin, more or fewer are right than on average. So much of a measured error tells
    nothing of the model. Clips of one speaker are taken to be independent; as they are not, it is the least that chance
    can be expected to do.

    Args:
        probabilities: As of :func:`reliability`.
        clips: The clip that each row is of, where one may come several times (once per seed): what is drawn of it is
            the same each time.
        n_bins: As of :func:`reliability`.
        n_draws: How often right and wrong are drawn, always in the same way.

    Source: the bias of the plain estimate, e.g. Roelofs et al., Mitigating bias in calibration error estimation,
    AISTATS 2022.

    Raises:
        VocalicsError: As :func:`reliability`, or for clips that are not as many as the rows.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    bins = reliability(chances, np.zeros(chances.shape[:1], dtype=np.int64), n_bins)
    if clips is not None and len(clips) != len(chances):
        raise VocalicsError(f"{len(clips)} names for {len(chances)} clips; expected one per clip")
    confidence = np.minimum(chances.max(axis=1), 1.0)
    place = _bins_of(confidence, bins.edges)
    _, clip = np.unique(range(len(confidence)) if clips is None else list(clips), return_inverse=True)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(n_draws):
        hit = rng.random(clip.max() + 1)[clip] < confidence
        right = _ratio(np.bincount(place, weights=hit, minlength=n_bins), bins.n, np.nan)
        errors.append(_error_of(bins.confidence, right, bins.n))
    return float(np.mean(errors))


def _bins_of(confidence: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def _error_of(
    confidence: npt.NDArray[np.float64], accuracy: npt.NDArray[np.float64], n: npt.NDArray[np.int64]
) -> float:
    """The mean distance over the bins, weighted by the clips in each; empty ones are not numbers."""
    return float((np.nan_to_num(np.abs(confidence - accuracy)) * n).sum() / n.sum())


def _checked(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, n_classes: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    t, p = np.asarray(truth), np.asarray(prediction)
    if t.ndim != 1 or t.shape != p.shape or not len(t):
        raise VocalicsError(f"truth {t.shape} and prediction {p.shape}: expected two equal lengths, at least one clip")
    if t.dtype.kind not in "iu" or p.dtype.kind not in "iu":
        raise VocalicsError(f"truth {t.dtype} and prediction {p.dtype}: expected integer class indices")
    t, p = t.astype(np.int64), p.astype(np.int64)
    n = max(int(t.max()), int(p.max())) + 1 if n_classes is None else n_classes
    if t.min() < 0 or t.max() >= n or p.min() < NO_SPEECH or p.max() >= n:
        raise VocalicsError(
            f"truth {t.min()} to {t.max()}, prediction {p.min()} to {p.max()}: expected indices from 0 to {n - 1}"
        )
    return t, p, n


def _count(t: npt.NDArray[np.int64], p: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    columns = np.where(p == NO_SPEECH, n, p)
    return np.bincount(t * (n + 1) + columns, minlength=n * (n + 1)).reshape(n, n + 1)


def _counts_of_each(
    unit: npt.NDArray[np.intp], n_units: int, t: npt.NDArray[np.int64], p: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.int64]:
    """Each unit's confusion counts in one row, shape (n_units, n * (n + 1))."""
    cell = (unit * n + t) * (n + 1) + np.where(p == NO_SPEECH, n, p)
    return np.bincount(cell, minlength=n_units * n * (n + 1)).reshape(n_units, -1)


def _hits(counts: Counts) -> Counts:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(part: Counts, whole: Counts, empty: float) -> Scores:
    filled = np.full(np.shape(whole), empty, dtype=np.float64)
    return np.asarray(np.divide(part, whole, out=filled, where=np.asarray(whole) > 0), dtype=np.float64)


def _mean_where(values: Scores, present: npt.NDArray[np.bool_]) -> Scores:
    return np.asarray(np.where(present, values, 0.0).sum(axis=-1) / present.sum(axis=-1), dtype=np.float64)
