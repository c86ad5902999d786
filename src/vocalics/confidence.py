"""What a probability is worth: sets of emotions that hold the true one as often as promised.

Split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; sets by least
probability: Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers", JASA 2019): clips that were not
trained on say how improbable a true emotion may be held; every emotion that is held at least as probable is a
candidate. The promise is for sound like those clips. New speakers are less like them than one another's clips are, so
that the coverage on speakers who calibrated nothing is measured, and told, in every report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

COVERAGES = (0.8, 0.9, 0.95)
"""How often the true emotion is to be among the candidates: the sets that a card knows."""


def least_probability(probabilities: npt.ArrayLike, truth: npt.ArrayLike, coverage: float) -> float:
    """Return the probability from which on an emotion is a candidate.

    Args:
        probabilities: Shape (n, n_emotions), of clips that were not trained on.
        truth: Positions of their emotions, shape (n,).
        coverage: Share of the sets that are to hold the true emotion, above 0 and below 1.

    Returns:
        From 0 to 1; 0 where the clips are too few for the coverage: every emotion is a candidate then.

    >>> least_probability([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1], 0.6)
    0.7
    """
    chances = np.asarray(probabilities, np.float64)
    given = np.sort(chances[np.arange(len(chances)), np.asarray(truth, np.int64)])[::-1]
    # The n + 1 stands for the clip that is to come (Vovk et al., proposition 2.3).
    rank = math.ceil((len(given) + 1) * coverage - 1e-9)
    return float(given[rank - 1]) if 0 < rank <= len(given) else 0.0


def thresholds(probabilities: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, float]:
    """Return the least probabilities of all :data:`COVERAGES`, as a card holds them: {"0.9": 0.12, ...}."""
    return {f"{c:g}": least_probability(probabilities, truth, c) for c in COVERAGES}


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
