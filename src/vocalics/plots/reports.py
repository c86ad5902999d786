"""What an evaluation found: confusion and reliability."""

from __future__ import annotations

from typing import Any

import numpy as np

from vocalics.errors import VocalicsError
from vocalics.evaluation import EvaluationReport
from vocalics.plots.canvas import FAINT, INK, PALETTE, blank, plain_axes, titled

FEW = 10
"""Of so few clips, a share says next to nothing."""


def confusion_matrix(report: EvaluationReport) -> Any:
    """Draw the confusion matrix: shade and large figure are % of the row, the small figure is clips."""
    n = len(report.emotions)
    percent, counts = report.row_percent, report.counts
    columns = [*report.emotions]
    if report.n_no_speech:
        columns.append("no speech")
    percent, counts = percent[:, : len(columns)], counts[:, : len(columns)]
    figure = blank(2.3 + 0.72 * len(columns), 2.4 + 0.6 * n)
    axes = figure.add_subplot()
    axes.imshow(np.nan_to_num(percent), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(percent.shape):
        value = percent[row, column]
        dark = np.nan_to_num(value) > 67  # where white is read better
        hit = row == column
        if np.isnan(value):
            axes.text(column, row, "–", ha="center", va="center", color=FAINT, fontsize=9)
            continue
        colour = "white" if dark else INK if counts[row, column] else FAINT
        axes.text(
            column, row - 0.1, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=11,
            fontweight="bold" if hit else "normal",
        )  # fmt: skip
        axes.text(column, row + 0.28, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), [f"{e} ({s.support:,})" for e, s in zip(report.emotions, report.by_emotion, strict=True)])
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction (% of the truth; clips below)")
    axes.set_ylabel("truth (clips)")
    return titled(figure, axes, f"Confusion: {report.model}", report.caption)


def reliability(report: EvaluationReport) -> Any:
    """Draw accuracy over confidence, with the clips per bin below.

    Bins of fewer than :data:`FEW` clips are pale, and no line leads there: one clip is right or wrong altogether.

    Raises:
        VocalicsError: When the report was made without probabilities.
    """
    bins = report.bins
    if bins is None or report.calibration_error is None:
        raise VocalicsError("this report holds no probabilities; evaluate with probabilities to see their reliability")
    figure = blank(6.0, 5.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    many, width = bins.n >= FEW, np.diff(bins.edges)
    few = (bins.n > 0) & ~many
    left = bins.edges[:-1]
    upper.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="perfectly calibrated")
    for which, colour, label in ((many, "#A9CBE3", "hits"), (few, "#E6F0F7", f"hits of fewer than {FEW} clips")):
        if which.any():
            upper.bar(
                left[which], bins.accuracy[which], width[which], align="edge", color=colour, edgecolor="white",
                label=label,
            )  # fmt: skip
    upper.plot(
        bins.confidence[many], bins.accuracy[many], color=PALETTE["sad"], marker="o", markersize=4.5,
        label=f"model (calibration error {100 * report.calibration_error:.1f} %)",
    )  # fmt: skip
    upper.set(ylabel="share of hits", ylim=(0, 1.02), xlim=(0, 1))
    upper.legend(loc="upper left", fontsize=8, facecolor="white", edgecolor="none", framealpha=0.9)
    lower.bar(left, bins.n, width, align="edge", color=FAINT, edgecolor="white")
    lower.set(xlabel="confidence (the largest probability)", ylabel="clips")
    for axes in (upper, lower):
        plain_axes(axes)
    return titled(figure, upper, f"Reliability: {report.model}", report.caption)
