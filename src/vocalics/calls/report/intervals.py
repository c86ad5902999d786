"""How far a share or a mean of few calls can be from that of many such calls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_Z = 1.959963984540054  # of the normal distribution, 97.5 %
_DRAWS = 2000
_MOST_DRAWN = 2_000_000  # calls drawn at once


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        n: Calls that it is of; weights summed up where calls have weights.
        value: ``None`` for no calls at all.
        low: Lower end of the 95 % interval; ``None`` where there are too few calls to tell one.
        high: Upper end.
    """

    n: float
    value: float | None
    low: float | None = None
    high: float | None = None


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22: 209-212).

    It holds what it promises for few calls too, and for shares near 0 and 1 (Brown, Cai, DasGupta 2001).

    Args:
        n_hits: Calls that count.
        n: Of so many, at least 1.

    >>> [round(end, 4) for end in wilson(4, 10)]
    [0.1682, 0.6873]
    """
    share, z2 = n_hits / n, _Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap(values: Values, weights: Values | None = None) -> tuple[Values, Values, Values]:
    """Return weighted means over calls, and the ends of their 95 % percentile bootstrap intervals (Efron 1979).

    It draws as :mod:`vocalics.calls.questions` does, so that both tell the same of the same calls.

    Args:
        values: (n_calls, n_means), at least one call.
        weights: (n_calls,); all 1 where ``None``.

    Returns:
        Means, lower and upper ends, (n_means,) each.
    """
    n, n_means = values.shape
    weight = np.ones(n) if weights is None else weights
    rng, means = np.random.default_rng(0), np.empty((_DRAWS, n_means))
    step = max(1, _MOST_DRAWN // n)
    for first in range(0, _DRAWS, step):
        drawn = rng.integers(0, n, (min(step, _DRAWS - first), n))
        rows = np.arange(len(drawn))[:, None] * n
        times = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * n).reshape(len(drawn), n) * weight
        means[first : first + len(drawn)] = (times @ values) / times.sum(axis=1, keepdims=True)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return (weight @ values) / weight.sum(), low, high
