"""How much there is: clips and seconds by emotion, corpus, speaker and sex, and histograms of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.manifest import Manifest

UNKNOWN = "unknown"
"""What stands for a speaker or sex that a manifest does not tell."""

_BINS = 40
_EDGE_SHARE = 0.5  # per cent of the clips at either end that may be counted in the outer bins


@dataclass(frozen=True)
class Tally:
    """Clips and seconds of one group.

    Attributes:
        name: The emotion, corpus, speaker, sex or sample rate.
        n_clips: Readable or not.
        seconds: Of the readable ones.
        speakers: How many known speakers it has.
    """

    name: str
    n_clips: int
    seconds: float
    speakers: int


@dataclass(frozen=True)
class Crossing:
    """Clips by two properties at once.

    Attributes:
        rows: Emotions.
        columns: Corpora, in the order of the manifest's.
        n_clips: Shape (n_rows, n_columns).
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    n_clips: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Histogram:
    """How one measure spreads within each group.

    Attributes:
        measure: A name of ``MEASURES``.
        by: What the groups are: "corpus" or "emotion".
        edges: Of the bins; values beyond the outer ones are counted in the outermost bins.
        counts: By group, one number per bin.
        quantiles: By group, the values below which 5, 50 and 95 % of its clips lie; NaN where no clip has the measure.
    """

    measure: str
    by: str
    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]] = field(hash=False)
    quantiles: Mapping[str, tuple[float, float, float]] = field(hash=False)


def tally(
    names: Sequence[str], manifest: Manifest, seconds: npt.NDArray[Any], order: Sequence[str]
) -> tuple[Tally, ...]:
    """Return one tally per name that occurs, in the given order; the others follow by name.

    Args:
        names: The group of each clip.
        manifest: The clips.
        seconds: Their lengths; NaN for a clip that could not be read.
        order: Which names come first.
    """
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        found.setdefault(name, []).append(i)
    ordered = [n for n in order if n in found] + sorted(n for n in found if n not in order)
    return tuple(
        Tally(
            name,
            len(found[name]),
            float(np.nansum(seconds[found[name]])),
            len({manifest[i].speaker for i in found[name] if manifest[i].speaker}),
        )
        for name in ordered
    )


def cross(manifest: Manifest) -> Crossing:
    """Count the clips of every emotion in every corpus."""
    rows, columns = manifest.emotions, manifest.corpora
    n = [[0] * len(columns) for _ in rows]
    for utterance in manifest:
        n[rows.index(utterance.emotion)][columns.index(utterance.corpus)] += 1
    return Crossing(rows, columns, tuple(map(tuple, n)))


def histogram(
    measure: str, by: str, values: npt.NDArray[Any], names: Sequence[str], order: Sequence[str]
) -> Histogram | None:
    """Count a measure's values in bins that are the same for all groups; ``None`` where no clip has the measure.

    Args:
        measure: Its name.
        by: What the groups are.
        values: Of each clip; NaN is left out.
        names: The group of each clip.
        order: The groups, in the order to be shown.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    low, high = np.percentile(values[known], [_EDGE_SHARE, 100 - _EDGE_SHARE])
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    inside, own = np.clip(values, low, high), np.asarray(names, dtype=object)
    counts, quantiles = {}, {}
    for name in order:
        mine = known & (own == name)
        counts[name] = tuple(int(n) for n in np.histogram(inside[mine], edges)[0])
        low, median, high = np.percentile(values[mine], [5, 50, 95]) if mine.any() else (np.nan,) * 3
        quantiles[name] = (float(low), float(median), float(high))
    return Histogram(measure, by, tuple(float(e) for e in edges), counts, quantiles)
