"""How the emotions differ in what was measured, and how much of it is the speaker's or the corpus's doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Differences:
    """What sets each emotion apart from the others, within the same speakers.

    Every speaker's mean (over the emotions that the speaker has, each counting alike) is taken away first, so that
    neither who speaks nor how it was recorded can pass for an emotion.

    Attributes:
        emotions: The columns.
        measures: The rows: names of ``MEASURES``.
        effect: Cohen's d (Cohen 1988) of an emotion's clips against all others, shape (n_measures, n_emotions), in
            deviations pooled over both; NaN where either side has fewer than two clips.
        mean: The emotion's mean less the speaker's, in the measure's own unit, of the same shape.
        deviation: The pooled deviation in the measure's unit, of the same shape.
    """

    emotions: tuple[str, ...]
    measures: tuple[str, ...]
    effect: Matrix
    mean: Matrix
    deviation: Matrix


def differences(
    values: npt.NDArray[Any],
    measures: Sequence[str],
    emotions: Sequence[str],
    units: Sequence[str],
    order: Sequence[str],
) -> Differences:
    """Compare the emotions.

    Args:
        values: Shape (n_clips, n_measures); NaN is left out.
        measures: The columns' names.
        emotions: The emotion of each clip.
        units: Whose mean is taken away: the speaker of each clip.
        order: The emotions, in the order to be shown.
    """
    own = np.asarray(emotions, dtype=object)
    relative = without_means(np.asarray(values, dtype=np.float64), emotions, units)
    shape = (len(measures), len(order))
    effect, mean, deviation = (np.full(shape, np.nan) for _ in range(3))
    for row in range(len(measures)):
        column = relative[:, row]
        known = np.isfinite(column)
        for i, emotion in enumerate(order):
            inside, outside = column[known & (own == emotion)], column[known & (own != emotion)]
            if len(inside):
                mean[row, i] = inside.mean()
            if len(inside) > 1 and len(outside) > 1:
                effect[row, i], deviation[row, i] = cohens_d(inside, outside)
    return Differences(tuple(order), tuple(measures), effect, mean, deviation)


def cohens_d(inside: npt.NDArray[Any], outside: npt.NDArray[Any]) -> tuple[float, float]:
    """Return Cohen's d and the pooled deviation; d is NaN where nothing deviates.

    >>> cohens_d(np.array([2.0, 4.0]), np.array([1.0, 3.0]))[0]
    0.7071067811865475
    """
    n, m = len(inside), len(outside)
    pooled = float(np.sqrt(((n - 1) * inside.var(ddof=1) + (m - 1) * outside.var(ddof=1)) / (n + m - 2)))
    if pooled == 0:
        return float("nan"), 0.0
    return float((inside.mean() - outside.mean()) / pooled), pooled


def without_means(values: Matrix, emotions: Sequence[str], units: Sequence[str]) -> Matrix:
    """Return values less their unit's mean: the mean of its emotions' means, so that no emotion weighs more.

    Args:
        values: Shape (n, n_measures); NaN stays NaN and counts in no mean.
        emotions: Of each row.
        units: Of each row, such as its speaker.
    """
    relative = values.copy()
    feelings = np.unique(np.asarray(emotions, dtype=str), return_inverse=True)[1]
    who = np.unique(np.asarray(units, dtype=str), return_inverse=True)[1]
    rows_of: dict[int, list[int]] = {}
    for row, unit in enumerate(who.tolist()):
        rows_of.setdefault(unit, []).append(row)
    for rows in rows_of.values():
        parts = [values[rows][feelings[rows] == f] for f in np.unique(feelings[rows])]
        relative[rows] -= nan_mean(np.array([nan_mean(part) for part in parts]))
    return relative


def explained(values: Matrix, groups: Sequence[str]) -> float:
    """Return how much of the variance lies between groups, averaged over the columns: 0 none, 1 all.

    The estimate is epsilon squared (Kelley 1935), which expects 0 of groups drawn by chance, however many there are.

    Args:
        values: Shape (n, n_columns), finite.
        groups: Of each row.

    Returns:
        At least about 0; NaN with one group only, or as many groups as rows.
    """
    names, own = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    n, k = len(values), len(names)
    if k < 2 or n <= k:
        return float("nan")
    size = np.bincount(own, minlength=k)
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, own, values)
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    between = ((sums / size[:, None] - values.mean(axis=0)) ** 2 * size[:, None]).sum(axis=0)
    varies = total > 0
    if not varies.any():
        return float("nan")
    within = 1 - between[varies] / total[varies]
    return float(np.mean(1 - within * (n - 1) / (n - k)))


def nan_mean(values: Matrix) -> Matrix:
    """Return the mean of the rows, without NaN; NaN for a column that has nothing else."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(n, 1), np.nan)
