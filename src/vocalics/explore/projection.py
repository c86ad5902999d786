"""Clips as points in a plane, and what lies closest together there: emotions, corpora or speakers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vocalics.errors import MissingExtraError
from vocalics.explore.differences import Matrix, explained, without_means

MOST_COMPARED = 2_000
"""Clips that silhouettes are taken of, and that t-SNE arranges: drawn by chance where there are more."""

_PERPLEXITY = 30.0


def require() -> None:
    """Raise :class:`MissingExtraError` where scikit-learn is not installed; for use before long work."""
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("exploring", "train")


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane of points.

    Attributes:
        method: "pca" or "tsne".
        rows: The positions in the manifest of the clips shown, shape (n,).
        points: Shape (n, 2).
        variance: The share of the features' variance on either axis, for PCA; else empty.
    """

    method: Literal["pca", "tsne"]
    rows: npt.NDArray[np.int64]
    points: Matrix
    variance: tuple[float, ...] = ()


@dataclass(frozen=True)
class Grouping:
    """How much the features tell of emotions, corpora and speakers.

    Attributes:
        n_compared: Clips that the silhouettes were taken of.
        explained: By property, the share of the features' variance that lies between its groups (epsilon squared).
        silhouette: By property, the mean silhouette (Rousseeuw 1987): 1 its groups lie apart, 0 they overlap, below
            they are mixed; NaN with one group.
        silhouette_within: The same once every speaker's mean is taken away; for emotions only.
        explained_within: Likewise the share of variance.
    """

    n_compared: int
    explained: Mapping[str, float] = field(hash=False)
    silhouette: Mapping[str, float] = field(hash=False)
    silhouette_within: float
    explained_within: float


def standardised(features: npt.NDArray[Any], columns: Sequence[str]) -> Matrix:
    """Return features that weigh alike: mean 0 and deviation 1, mel powers in dB first; constant ones are 0.

    Args:
        features: Shape (n, n_columns), finite.
        columns: Their names; those that begin with "mel_" are powers.
    """
    values = np.asarray(features, dtype=np.float64).copy()
    powers = np.array([name.startswith("mel_") for name in columns], dtype=bool)
    values[:, powers] = 10 * np.log10(np.maximum(values[:, powers], 1e-10))
    values -= values.mean(axis=0)
    deviation = values.std(axis=0)
    return np.where(deviation > 1e-9, values / np.maximum(deviation, 1e-9), 0.0)


def pca(values: Matrix, rows: npt.NDArray[np.int64]) -> Projection:
    """Project centred values onto their two directions of greatest variance (Pearson 1901).

    The sign of an axis is set so that its largest weight is positive, so that the same clips give the same picture.
    """
    spread, axes = np.linalg.eigh(values.T @ values)
    spread, axes = np.maximum(spread[::-1], 0), axes[:, ::-1]
    plane = axes[:, :2] * np.sign(axes[np.abs(axes[:, :2]).argmax(axis=0), np.arange(2)])
    total = float(spread.sum()) or 1.0
    return Projection("pca", rows, values @ plane, tuple(float(s) / total for s in spread[:2]))


def tsne(values: Matrix, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Projection:
    """Arrange at most ``MOST_COMPARED`` clips so that neighbours stay neighbours (van der Maaten & Hinton 2008).

    Distances between clusters and their sizes mean nothing in this picture.
    """
    from sklearn.manifold import TSNE

    drawn = _drawn(len(values), rng)
    perplexity = min(_PERPLEXITY, max(1.0, (len(drawn) - 1) / 3))
    arranged = TSNE(perplexity=perplexity, init="pca", random_state=int(rng.integers(2**31)), n_jobs=1)
    return Projection("tsne", rows[drawn], np.asarray(arranged.fit_transform(values[drawn]), dtype=np.float64))


def grouping(
    values: Matrix, properties: Mapping[str, Sequence[str]], units: Sequence[str], rng: np.random.Generator
) -> Grouping:
    """Tell what the features tell apart.

    Args:
        values: Shape (n, n_features), standardised.
        properties: "emotion", "corpus", "speaker": the group of each row.
        units: Whose mean is taken away for the figures within speakers.
        rng: Draws the clips compared.
    """
    drawn = np.sort(_drawn(len(values), rng))
    emotions = properties["emotion"]
    within = without_means(values, emotions, units)
    return Grouping(
        n_compared=len(drawn),
        explained={name: explained(values, groups) for name, groups in properties.items()},
        silhouette={name: silhouette(values[drawn], _at(groups, drawn)) for name, groups in properties.items()},
        silhouette_within=silhouette(within[drawn], _at(emotions, drawn)),
        explained_within=explained(within, emotions),
    )


def silhouette(values: Matrix, groups: Sequence[str]) -> float:
    """Return the mean silhouette of groups, -1 to 1; NaN with one group, or none that has two members."""
    from sklearn.metrics import silhouette_score

    n_groups = len(set(groups))
    if not 2 <= n_groups < len(groups):
        return float("nan")
    return float(silhouette_score(values, np.asarray(groups, dtype=str)))


def _drawn(n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.permutation(n)[:MOST_COMPARED]


def _at(groups: Sequence[str], rows: npt.NDArray[np.int64]) -> list[str]:
    return [groups[i] for i in rows.tolist()]
