"""Clips that deserve a second look, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.explore.listeners import doubted
from vocalics.explore.measures import LOWEST_DB, NAMES
from vocalics.manifest import Manifest, Utterance
from vocalics.segment import SILENT_PEAK

SHORTEST_SECONDS = 0.5
"""A clip shorter than this is listed as short."""

CLIPPED_SHARE = 0.001
"""A clip with at least this share of clipped samples is listed."""

OFFSET, OFFSET_SHARE = 0.005, 0.1
"""A clip is listed whose mean is at least this, of full scale, and at least this part of its root mean square."""

FENCE = 3.0
"""Outliers lie more than so many interquartile ranges beyond the quartiles of their corpus (Tukey 1977, "far out")."""

LEAST_FACTOR, LEAST_DB = 1.5, 6.0
"""Nor is a length an outlier that is within this factor of its corpus's median, or a level within so many dB of it."""

KINDS: dict[str, str] = {
    "unreadable": "The file cannot be read.",
    "silent": "The file holds silence only.",
    "no speech": "No voiced sound was found (segment.speech_seconds is 0): nothing to judge, or a whisper.",
    "short": f"Shorter than {SHORTEST_SECONDS:g} s.",
    "clipped": f"At least {100 * CLIPPED_SHARE:g} % of the samples are clipped.",
    "offset": f"The mean is off zero by at least {100 * OFFSET:g} % of full scale and {100 * OFFSET_SHARE:g} % of the "
    "level.",
    "sample rate": "Another sample rate than most clips of the corpus have.",
    "length": f"Far shorter or longer than its corpus: more than {FENCE:g} interquartile ranges beyond the quartiles.",
    "level": f"Far quieter or louder than its corpus: more than {FENCE:g} interquartile ranges beyond the quartiles.",
    "doubted": "Listeners vote for another emotion more often than for the acted one. Not an error of the file: acted "
    "emotions are often heard otherwise.",
}
"""What each kind of suspicion means, in the order of a page."""


@dataclass(frozen=True)
class Suspicion:
    """A clip, and what is odd about it.

    Attributes:
        row: Its position in the manifest.
        path: Its file.
        kind: One of ``KINDS``.
        reason: What was found, in numbers.
        weight: How odd it is; the list of a kind begins with the largest.
    """

    row: int
    path: str
    kind: str
    reason: str
    weight: float


def suspicions(manifest: Manifest, measures: npt.NDArray[Any], errors: Sequence[str]) -> tuple[Suspicion, ...]:
    """Return all suspicions, by kind in the order of ``KINDS`` and within a kind the oddest first.

    Args:
        manifest: The clips.
        measures: Shape (n, n_measures), NaN for a clip that could not be read.
        errors: Why a clip could not be read; empty where it could.
    """
    found: list[Suspicion] = []
    for row, (utterance, values, error) in enumerate(zip(manifest, measures, errors, strict=True)):
        for kind, reason, weight in _of_clip(utterance, dict(zip(NAMES, values.tolist(), strict=True)), error):
            found.append(Suspicion(row, utterance.path, kind, reason, weight))
    for corpus in manifest.corpora:
        rows = [i for i, u in enumerate(manifest) if u.corpus == corpus and not errors[i]]
        for row, kind, reason, weight in _of_corpus(rows, measures):
            found.append(Suspicion(row, manifest[row].path, kind, reason, weight))
    order = list(KINDS)
    return tuple(sorted(found, key=lambda s: (order.index(s.kind), -s.weight, s.row)))


def _of_clip(utterance: Utterance, value: dict[str, float], error: str) -> list[tuple[str, str, float]]:
    found = []
    if error:
        found.append(("unreadable", error, 1.0))
    elif value["peak_dbfs"] < 20 * np.log10(SILENT_PEAK):
        peak = value["peak_dbfs"]
        found.append(("silent", "all samples are 0" if peak <= LOWEST_DB else f"its peak is {peak:.0f} dBFS", -peak))
    elif value["voiced_seconds"] == 0:
        found.append(("no speech", f"no voiced sound in {value['seconds']:.2f} s", value["seconds"]))
    if value["seconds"] < SHORTEST_SECONDS:
        found.append(("short", f"{value['seconds']:.3f} s", -value["seconds"]))
    if value["clipped_share"] >= CLIPPED_SHARE:
        share = value["clipped_share"]
        found.append(("clipped", f"{100 * share:.2f} % of the samples, at {value['peak_dbfs']:.1f} dBFS", share))
    if abs(value["offset"]) >= OFFSET and value["offset_share"] >= OFFSET_SHARE:
        found.append(("offset", f"its mean is {100 * value['offset']:+.2f} % of full scale", abs(value["offset"])))
    if (heard := doubted(utterance)) is not None:
        best, share, acted = heard
        reason = f"{100 * share:.0f} % of the votes say {best}, {100 * acted:.0f} % say {utterance.emotion}"
        found.append(("doubted", reason, share - acted))
    return found


def _of_corpus(rows: list[int], measures: npt.NDArray[Any]) -> list[tuple[int, str, str, float]]:
    """What is odd among the clips of one corpus."""
    if not rows:
        return []
    found = []
    rates = measures[rows, NAMES.index("sample_rate")]
    known, n = np.unique(rates, return_counts=True)
    usual = known[n.argmax()]
    for row, rate in zip(rows, rates, strict=True):
        if rate != usual:
            found.append((row, "sample rate", f"{rate:.0f} Hz; most have {usual:.0f} Hz", float(abs(rate - usual))))
    seconds = measures[rows, NAMES.index("seconds")]
    for i, distance in _far_out(np.log(np.maximum(seconds, 1e-6)), float(np.log(LEAST_FACTOR))):
        reason = f"{seconds[i]:.2f} s; half of the corpus is {_middle(seconds, '.2f')} s"
        found.append((rows[i], "length", reason, distance))
    levels = measures[rows, NAMES.index("level_dbfs")]
    sounding = np.flatnonzero(levels > LOWEST_DB)
    for i, distance in _far_out(levels[sounding], LEAST_DB):
        level = levels[sounding[i]]
        reason = f"{level:.1f} dBFS; half of the corpus is {_middle(levels[sounding], '.1f')} dBFS"
        found.append((rows[sounding[i]], "level", reason, distance))
    return found


def _far_out(values: npt.NDArray[Any], least: float) -> list[tuple[int, float]]:
    """Positions of values beyond Tukey's outer fences and farther than ``least`` from the median; their distance."""
    if not len(values):
        return []
    low, median, high = np.percentile(values, [25, 50, 75])
    margin = FENCE * (high - low)
    outside = (values < low - margin) | (values > high + margin)
    distance = np.abs(values - median)
    return [(int(i), float(distance[i])) for i in np.flatnonzero(outside & (distance > least))]


def _middle(values: npt.NDArray[Any], form: str) -> str:
    low, high = np.percentile(values, [25, 75])
    return f"{low:{form}} to {high:{form}}"
