"""Temperature scaling: one number that makes a net's probabilities mean what they say.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: logits are divided by the
temperature that makes held-out labels most likely. The most probable class stays the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

LIMITS = (0.2, 5.0)
"""Between which a temperature is looked for."""
IMPOSSIBLE = -1e6
"""A logit that no temperature brings back, and that is still a number."""


def temperature(
    probabilities: npt.ArrayLike,
    truth: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    among: npt.ArrayLike | None = None,
) -> float:
    """Return the temperature of highest likelihood on clips that were not trained on.

    Args:
        probabilities: Shape (n, n_classes), rows sum to 1; how a net without a temperature judges the clips.
        truth: Positions of their classes, shape (n,).
        weights: What each clip counts, shape (n,), of a positive sum; all the same where ``None``.
        among: Which classes a clip may be of, bool, shape (n, n_classes), its own among them: it is judged as if the
            others were not there. Any where ``None``.

    Returns:
        Above 1 where the net is too sure, below where it is not sure enough.

    >>> temperature([[0.9, 0.1], [0.9, 0.1]], [0, 1])
    5.0
    >>> temperature([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], [0, 1], among=[[True, True, False]] * 2)
    5.0
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12))
    if among is not None:
        logits = np.where(np.asarray(among, bool), logits, IMPOSSIBLE)
    positions = np.asarray(truth, np.int64)
    counts = np.ones(len(positions)) if weights is None else np.asarray(weights, np.float64)
    counts = counts / counts.sum()
    wanted = counts @ logits[np.arange(len(positions)), positions]

    def slope(factor: float) -> float:
        """Of the mean negative log-likelihood, over the factor on the logits; it rises with the factor."""
        scaled = factor * logits
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return float(counts @ (shares * logits).sum(axis=1) - wanted)

    low, high = 1 / LIMITS[1], 1 / LIMITS[0]
    if slope(low) >= 0:
        return LIMITS[1]
    if slope(high) <= 0:
        return LIMITS[0]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(2 / (low + high))


def tempered(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Return probabilities as they are when the logits behind them are divided by a temperature.

    >>> tempered([[0.2, 0.8]], 2.0).round(3).tolist()
    [[0.333, 0.667]]
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12)) / temperature
    shares: npt.NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


class Tempered(nn.Module):
    """A net whose logits are divided by a temperature."""

    def __init__(self, module: nn.Module, temperature: float) -> None:
        super().__init__()
        self.module = module
        self.temperature = temperature

    def forward(self, inputs: Tensor) -> Tensor:
        """Map what the net maps."""
        logits: Tensor = self.module(inputs)
        return logits / self.temperature
