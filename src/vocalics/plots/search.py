"""Scores over folds, and over the trials of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vocalics.errors import VocalicsError
from vocalics.plots.canvas import FAINT, INK, PALETTE, blank, plain, plain_axes, titled


def fold_scores(
    names: Sequence[str],
    uar: Sequence[float],
    accuracy: Sequence[float],
    chance: float,
    title: str = "Folds",
    caption: str = "",
) -> Any:
    """Draw each fold's UAR as a bar and its accuracy as a point, with the mean and the deviation over folds.

    Args:
        names: The folds.
        uar: A fraction per fold.
        accuracy: A fraction per fold.
        chance: The UAR of a guess.
        title: The heading.
        caption: Corpus, protocol, classes, speakers.

    Raises:
        VocalicsError: For fewer than two folds, or lengths that differ.
    """
    if not len(names) == len(uar) == len(accuracy) or len(names) < 2:
        raise VocalicsError(
            f"{len(names)} folds, {len(uar)} UARs, {len(accuracy)} accuracies; expected one of each, at least 2 folds"
        )
    bars, points = 100 * np.asarray(uar, dtype=float), 100 * np.asarray(accuracy, dtype=float)
    mean, deviation = float(bars.mean()), float(bars.std(ddof=1))
    n = len(names)
    figure = blank(min(14.0, max(5.5, 2.2 + 0.42 * n)), 4.2)
    axes = figure.add_subplot()
    where = np.arange(n)
    axes.axhspan(mean - deviation, mean + deviation, color=PALETTE["calm"], alpha=0.25, linewidth=0)
    axes.bar(where, bars, width=0.68, color="#A9CBE3", edgecolor="white", label="UAR")
    axes.plot(where, points, "o", color=INK, markersize=4, label="accuracy")
    axes.axhline(mean, color=PALETTE["sad"], linewidth=1.4, label=f"mean UAR {mean:.1f} % ± {deviation:.1f}")
    axes.axhline(100 * chance, color=FAINT, linestyle="--", linewidth=1, label=f"chance {100 * chance:.1f} %")
    if n <= 12:
        for at, value in zip(where, bars, strict=True):
            axes.text(at, 1.5, f"{value:.0f}", ha="center", va="bottom", fontsize=8, color=INK)
    labels = [plain(name) for name in names]
    slanted = max(map(len, labels)) > 3 or n > 24
    axes.set_xticks(where, labels, rotation=60 if slanted else 0, ha="right" if slanted else "center",
                    rotation_mode="anchor" if slanted else "default", fontsize=8 if n <= 40 else 5)  # fmt: skip
    wide = n > 6
    axes.set(ylim=(0, 110 if wide else 118), yticks=range(0, 101, 20), xlim=(-0.7, n - 0.3), xlabel="fold", ylabel="%")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.02), ncols=4 if wide else 2)
    plain_axes(axes)
    return titled(figure, axes, title, caption)


def search_history(
    scores: Sequence[float], states: Sequence[str], reference: float, title: str = "Search", caption: str = ""
) -> Any:
    """Draw every trial's score, the best so far, and what was there before.

    Args:
        scores: A fraction per trial, in order; NaN where a trial gave none.
        states: "complete", "pruned" or "failed" for each.
        reference: The score without a search, a fraction.
        title: The heading.
        caption: What was searched, on which data.

    Raises:
        VocalicsError: Where no trial is complete.
    """
    values, kinds = 100 * np.asarray(scores, dtype=float), np.asarray(states)
    complete = kinds == "complete"
    if not complete.any():
        raise VocalicsError("no trial is complete; expected at least one to draw")
    numbers = np.arange(1, len(values) + 1)
    best = np.fmax.accumulate(np.where(complete, values, np.nan))
    figure = blank(7.2, 4.0)
    axes = figure.add_subplot()
    axes.axhline(100 * reference, color=FAINT, linestyle="--", linewidth=1,
                 label=f"the recipe as it stood, {100 * reference:.1f} %")  # fmt: skip
    axes.step(numbers, best, where="post", color=PALETTE["sad"], linewidth=1.4, label=f"best so far, {best[-1]:.1f} %")
    axes.plot(numbers[complete], values[complete], "o", color=INK, markersize=4.5, label="trial")
    pruned, failed = kinds == "pruned", kinds == "failed"
    if pruned.any():
        axes.plot(numbers[pruned], values[pruned], "x", color=PALETTE["angry"], markersize=5.5,
                  label="stopped early: mean of its first folds")  # fmt: skip
    shown = values[np.isfinite(values)]
    if failed.any():
        axes.plot(numbers[failed], np.full(failed.sum(), shown.min()), "v", color=FAINT, label="failed, no score")
    axes.set(xlabel="trial", ylabel="mean UAR of the inner folds, %")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(y=0.15)
    axes.legend(frameon=False, fontsize=8, loc="best")
    plain_axes(axes)
    return titled(figure, axes, title, caption)
