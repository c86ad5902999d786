"""How a party's anger goes over its turns: its trend, and where it changes.

A turn's anger is the probability of ``angry`` (see :mod:`vocalics.calls.call`). Single turns are judged with much
error, so nothing is read off one: a trend is told by an interval, a change by how often chance makes as large a one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vocalics.calls.call import Course, Trend

LEAST_TURNS = 8
"""Turns with enough speech that a party needs before anything is said of how its anger went."""

LEAST_SECONDS = 1.0
"""Of speech that a turn needs to count; a "yes" tells no emotion."""

LEAST_CHANGE = 0.15
"""Of anger; a smaller change is not named, however sure."""

MOST_CHANCE = 0.05
"""A change that a random order of the same turns shows more often than this is not named."""

MOST_TURNS = 200
"""Of a party with more turns, neighbours are averaged before changes are sought."""

_DRAWS, _ORDERS, _SHORTEST = 2000, 999, 2
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A lasting change of anger.

    Attributes:
        position: Of the first turn at the new level, counted from 0.
        end: Behind the last one.
        strength: The new level's mean anger minus the old one's.
        confidence: 1 minus the share of random orders of the turns that show as large a change.
    """

    position: int
    end: int
    strength: float
    confidence: float


def course(anger: Sequence[float]) -> Course:
    """Return how anger went from the first third of a party's turns to the last.

    The interval is a percentile bootstrap over the turns of both thirds, widened by sqrt(k / (k - 1)) for k turns: that
    of few values is too narrow by as much (Hesterberg 2015, What teachers should know about the bootstrap).

    Args:
        anger: Of the turns that count, in order, 0 to 1 each.
    """
    n = len(anger)
    if n < LEAST_TURNS:
        return Course(Trend.TOO_FEW, n)
    values = np.asarray(anger, np.float64)
    k = max(3, n // 3)
    first, last = values[:k], values[-k:]
    rng = np.random.default_rng(0)
    draws = (last[rng.integers(0, k, (_DRAWS, k))] - first[rng.integers(0, k, (_DRAWS, k))]).mean(axis=1)
    change = float(last.mean() - first.mean())
    low, high = change + (np.quantile(draws, [0.025, 0.975]) - change) * np.sqrt(k / (k - 1))
    named = abs(change) >= LEAST_CHANGE
    trend = Trend.ROSE if named and low > 0 else Trend.FELL if named and high < 0 else Trend.LEVEL
    return Course(trend, n, float(first.mean()), float(last.mean()), change, float(low), float(high))


def changes(anger: Sequence[float]) -> list[Change]:
    """Return where a party's anger changes for several turns, in order.

    Circular binary segmentation (Olshen, Venkatraman, Lucito, Wigler 2004, Biostatistics 5) of the turns' log odds,
    since probabilities crowd near 0 and stray near 1: the stretch of at least two turns that is furthest from the rest,
    kept where at most one in twenty random orders of the same turns shows as large a difference; then the same within
    each part. Of neighbouring levels, those whose means differ by less than ``LEAST_CHANGE`` are one.

    Args:
        anger: As for :func:`course`; nothing is found in fewer than ``LEAST_TURNS``.
    """
    n_each = 1 + (len(anger) - 1) // MOST_TURNS
    if n_each > 1:
        blocks = [anger[i : i + n_each] for i in range(0, len(anger), n_each)]
        coarse = changes([sum(block) / len(block) for block in blocks])
        return [replace(c, position=c.position * n_each, end=min(c.end * n_each, len(anger))) for c in coarse]
    values = np.asarray(anger, np.float64)
    if len(values) < LEAST_TURNS:
        return []
    bounds: dict[int, float] = {}
    _divide(values, 0, len(values), bounds, np.random.default_rng(0))
    edges = sorted(bounds)
    while edges:
        steps = _steps(values, edges)
        weakest = min(range(len(edges)), key=lambda i: abs(steps[i]))
        if abs(steps[weakest]) >= LEAST_CHANGE:
            break
        del edges[weakest]
    if not edges:
        return []
    ends, steps = [*edges[1:], len(values)], _steps(values, edges)
    return [Change(a, b, step, bounds[a]) for a, b, step in zip(edges, ends, steps, strict=True)]


def _steps(values: Values, edges: list[int]) -> list[float]:
    """The difference of mean levels at every edge."""
    means = [part.mean() for part in np.split(values, edges)]
    return [float(after - before) for before, after in itertools.pairwise(means)]


def _divide(values: Values, first: int, last: int, bounds: dict[int, float], rng: np.random.Generator) -> None:
    """Add the edges within [first, last), each with its confidence."""
    part = _log_odds(values[first:last])
    n = len(part)
    if n < 2 * _SHORTEST + 1 or part.std() < 1e-9:
        return
    (found,), start, end = _widest(part[None])
    orders = rng.permuted(np.repeat(part[None], _ORDERS, axis=0), axis=1)
    n_as_large = int((_widest(orders)[0] >= found - 1e-12).sum())
    chance = (1 + n_as_large) / (1 + _ORDERS)
    if chance > MOST_CHANCE:
        return
    inner = [edge for edge in (start, end) if 0 < edge < n]
    bounds.update({first + edge: 1 - chance for edge in inner})
    edges = [0, *inner, n]
    for a, b in itertools.pairwise(edges):
        _divide(values, first + a, first + b, bounds, rng)


def _log_odds(values: Values) -> Values:
    """The log odds of probabilities; what is nearer than a hundredth to 0 or 1 counts as a hundredth."""
    within = np.clip(values, 0.01, 0.99)
    odds: Values = np.log(within / (1 - within))
    return odds


def _widest(rows: Values) -> tuple[Values, int, int]:
    """The largest difference between a stretch and the rest in every row, (n_rows,), and the first row's stretch.

    Scaled as a test statistic of equal variances, but for the variance, which all orders share.
    """
    n = rows.shape[1]
    sums = np.concatenate(
        [np.zeros((len(rows), 1)), np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)], axis=1
    )
    best, start, end = np.zeros(len(rows)), 0, n
    for length in range(_SHORTEST, n - _SHORTEST + 1):
        inside = np.abs(sums[:, length:] - sums[:, :-length]) * np.sqrt(n / (length * (n - length)))
        # What is left before and behind is nothing, or long enough for a level of its own.
        allowed = [i for i in range(n - length + 1) if i != 1 and n - length - i != 1]
        largest = inside[:, allowed].max(axis=1)
        if largest[0] > best[0]:
            start = allowed[int(inside[0, allowed].argmax())]
            end = start + length
        best = np.maximum(best, largest)
    return best, start, end
