"""Augmentation of features: SpecAugment and mixup, on arrays of any kind.

The log-mel nets do the same to whole batches (:mod:`vocalics.models.logmel_batches`), where it is drawn for all clips
at once; these are for features of one clip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import FeatureError

Floats = npt.NDArray[np.floating[Any]]


def mask_spectrogram(
    log_mel: Floats,
    rng: np.random.Generator,
    *,
    frequency_masks: int = 2,
    frequency_mask: int = 10,
    time_masks: int = 2,
    time_mask: int = 30,
    fill: float | None = None,
) -> Floats:
    """Return a copy in which random bands and stretches of time are hidden.

    Park et al. (2019), *SpecAugment: a simple data augmentation method for automatic speech recognition*, Interspeech;
    without its time warp. A mask's size is drawn evenly from 0 to the largest, its place evenly from where it fits.

    Args:
        log_mel: (n_bands, n_frames), not empty.
        rng: Source of randomness.
        frequency_masks: Number of masked bands.
        frequency_mask: Largest width, in bands; no more than there are.
        time_masks: Number of masked stretches.
        time_mask: Largest length, in frames; no more than there are.
        fill: What hidden places hold; the mean of the whole where ``None``.

    Raises:
        FeatureError: For an array that is not of two axes, or is empty.
    """
    if log_mel.ndim != 2 or log_mel.size == 0:
        raise FeatureError(f"shape {log_mel.shape} is no spectrogram; expected (n_bands, n_frames)")
    masked = log_mel.copy()
    value = log_mel.mean() if fill is None else fill
    for axis, n_masks, largest in ((0, frequency_masks, frequency_mask), (1, time_masks, time_mask)):
        n = log_mel.shape[axis]
        for _ in range(n_masks):
            size = int(rng.integers(0, min(largest, n) + 1))
            start = int(rng.integers(0, n - size + 1))
            np.moveaxis(masked, axis, 0)[start : start + size] = value
    return masked


def mixup(features: Floats, other: Floats, share: float) -> Floats:
    """Return ``share`` of one and ``1 - share`` of the other; mix the targets by the same share.

    Zhang et al. (2018), *mixup: beyond empirical risk minimization*, ICLR.

    >>> mixup(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.75)
    array([0.75, 0.25])

    Args:
        features: Features, or a target as probabilities of the classes.
        other: The same of another clip, of the same shape.
        share: From 0 to 1; see :func:`mixup_share`.

    Raises:
        FeatureError: For unlike shapes, or a share out of range.
    """
    if features.shape != other.shape:
        raise FeatureError(f"shapes {features.shape} and {other.shape} cannot be mixed; cut or pad to one length")
    if not 0 <= share <= 1:
        raise FeatureError(f"share {share:g} is out of range; expected 0 to 1")
    return np.asarray(share * features + (1 - share) * other, features.dtype)


def mixup_share(alpha: float, rng: np.random.Generator) -> float:
    """Draw mixup's share from the beta distribution (alpha, alpha), turned so that the first one weighs more.

    Args:
        alpha: Above 0: the smaller, the nearer to 1 most shares are; 1 is even.
        rng: Source of randomness.

    Returns:
        From 0.5 to 1.

    Raises:
        FeatureError: For an alpha that is not above 0.
    """
    if not alpha > 0:
        raise FeatureError(f"alpha {alpha:g} is out of range; expected above 0")
    share = float(rng.beta(alpha, alpha))
    return max(share, 1 - share)
