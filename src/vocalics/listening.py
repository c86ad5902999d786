"""Listeners beside the machine: what each takes a clip for, against what the actor meant and against each other.

A listener's vote says how a clip sounds, the actor's intention how it was meant: where they differ, so may a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vocalics.emotions import EMOTIONS, OTHER_EMOTIONS, Scheme

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Listening:
    """The votes of listeners beside a model's probabilities, on the clips that have both.

    Attributes:
        n_clips: Clips with votes in which speech was heard.
        n_votes: Votes on them for one of the classes.
        listeners_accuracy: Share of clips whose most voted class is the actor's; of several with as many votes each
            counts its part.
        listeners_uar: The same, averaged over the actor's classes.
        model_accuracy: Share of the same clips whose most probable class is the actor's.
        model_uar: The same, averaged over the actor's classes.
        agreement: Share of clips whose most probable class is the most voted one; ties as above.
        divergence: Kullback-Leibler divergence of the model's probabilities from the shares of votes, in nats, mean.
        constant_divergence: That of always saying the mean shares of all these votes, knowing nothing of a clip.
        entropy_correlation: Pearson's correlation of the votes' entropy with the probabilities': whether the model
            doubts where listeners differ; NaN where either is always the same.
    """

    n_clips: int
    n_votes: int
    listeners_accuracy: float
    listeners_uar: float
    model_accuracy: float
    model_uar: float
    agreement: float
    divergence: float
    constant_divergence: float
    entropy_correlation: float


def votes_in(ratings: Sequence[Mapping[str, int]], classes: Scheme) -> Floats:
    """Return votes by class, shape (n_clips, n_emotions); a row of zeros where there are none.

    Args:
        ratings: Of every clip, votes by emotion.
        classes: Merges emotions; a vote for what is outside is left out.
    """
    known = {*EMOTIONS, *OTHER_EMOTIONS}
    position: dict[str | None, int] = {emotion: i for i, emotion in enumerate(classes.emotions)}
    found = np.zeros((len(ratings), len(position)))
    for row, votes in zip(found, ratings, strict=True):
        for emotion, n in votes.items():
            merged = classes.emotion(emotion) if emotion in known else None
            if merged in position and isinstance(n, int | float) and n > 0:
                row[position[merged]] += n
    return found


def compare(truth: npt.ArrayLike, probabilities: npt.ArrayLike, votes: npt.ArrayLike) -> Listening | None:
    """Set listeners and a model beside each other.

    Args:
        truth: Positions of the actors' classes, shape (n,).
        probabilities: Shape (n, n_classes); a row of NaN or zeros is "no speech".
        votes: Shape (n, n_classes).

    Returns:
        ``None`` where no clip has a vote.
    """
    chances, counts, meant = np.asarray(probabilities, float), np.asarray(votes, float), np.asarray(truth, np.int64)
    kept = (counts.sum(axis=1) > 0) & (np.nan_to_num(chances).sum(axis=1) > 0) & np.isfinite(chances).all(axis=1)
    if not kept.any():
        return None
    chances, counts, meant = chances[kept], counts[kept], meant[kept]
    shares = counts / counts.sum(axis=1, keepdims=True)
    most = counts == counts.max(axis=1, keepdims=True)
    part = most / most.sum(axis=1, keepdims=True)
    clips, best = np.arange(len(meant)), chances.argmax(axis=1)
    own, right = part[clips, meant], (best == meant).astype(float)
    mean = np.broadcast_to(shares.mean(axis=0), shares.shape)
    doubt = _entropy(shares), _entropy(chances / chances.sum(axis=1, keepdims=True))
    alike = min(float(d.std()) for d in doubt) < 1e-12
    return Listening(
        n_clips=len(meant),
        n_votes=int(counts.sum()),
        listeners_accuracy=float(own.mean()),
        listeners_uar=_by_class(own, meant),
        model_accuracy=float(right.mean()),
        model_uar=_by_class(right, meant),
        agreement=float(part[clips, best].mean()),
        divergence=_divergence(shares, chances),
        constant_divergence=_divergence(shares, mean),
        entropy_correlation=float("nan") if alike else float(np.corrcoef(*doubt)[0, 1]),
    )


def _by_class(score: Floats, truth: npt.NDArray[np.int64]) -> float:
    return float(np.mean([score[truth == k].mean() for k in np.unique(truth)]))


def _entropy(shares: Floats) -> Floats:
    values: Floats = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    return values


def _divergence(shares: Floats, chances: Floats) -> float:
    """Mean of Σ s·ln(s / p); a probability below a millionth counts as one."""
    floor = np.maximum(chances, 1e-6)
    return float((shares * np.log(np.where(shares > 0, shares, 1.0) / floor)).sum(axis=1).mean())


def soft_labels(truth: npt.NDArray[np.int64], votes: Floats, share: float) -> npt.NDArray[np.float32]:
    """Return labels that hold what listeners voted beside what the actor meant.

    Args:
        truth: Positions of the actors' classes, shape (n,).
        votes: Shape (n, n_classes); a clip without votes keeps its label.
        share: Of the votes, from 0 to 1.

    Returns:
        Rows that sum to 1, shape (n, n_classes).
    """
    labels = np.eye(votes.shape[1])[truth]
    total = votes.sum(axis=1, keepdims=True)
    heard = np.where(total > 0, votes / np.where(total > 0, total, 1.0), labels)
    mixed: npt.NDArray[np.float32] = ((1 - share) * labels + share * heard).astype(np.float32)
    return mixed
