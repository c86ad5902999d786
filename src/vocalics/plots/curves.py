"""A training's course over its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vocalics.errors import VocalicsError
from vocalics.plots.canvas import FAINT, PALETTE, blank, plain_axes, titled


def learning_curves(history: Sequence[Mapping[str, float]], title: str = "Learning curves", caption: str = "") -> Any:
    """Draw losses and scores over epochs, and mark the best epoch by ``valid_uar`` (or ``validation_uar``).

    Args:
        history: One mapping per epoch; keys that end in "loss" go to one panel, those that end in "uar" or "accuracy"
            to the other, "rate" or "learning_rate" to a small third. The key "epoch" counts from 1 where absent.
        title: The heading.
        caption: Corpus, protocol, classes, speakers.

    Raises:
        VocalicsError: For an empty history.
    """
    if not history:
        raise VocalicsError("the history is empty; expected one entry per epoch")
    keys = list(dict.fromkeys(key for row in history for key in row))
    epochs = np.array([row.get("epoch", i) for i, row in enumerate(history, start=1)], dtype=float)
    losses = [k for k in keys if k.endswith("loss")]
    scores = [k for k in keys if k.endswith(("uar", "accuracy"))]
    rates = [k for k in keys if k in ("rate", "learning_rate")]
    panels = [(k, y) for k, y in ((losses, "loss"), (scores, "score, %"), (rates, "learning rate")) if k]
    if not panels:
        raise VocalicsError(f"the history holds {', '.join(keys)}; expected keys that end in loss, uar or accuracy")
    figure = blank(7.2, 1.4 + 1.9 * len(panels))
    heights = [1 if label == "learning rate" else 2 for _, label in panels]
    drawn = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True, height_ratios=heights))
    styles = (
        ("train", FAINT, "--"),
        ("valid", PALETTE["sad"], "-"),
        ("test", PALETTE["angry"], "-."),
        ("", PALETTE["disgust"], ":"),
    )
    best = None
    judge = next((k for k in ("valid_uar", "validation_uar") if k in keys), None)
    if judge is not None:
        best = int(np.nanargmax([row.get(judge, np.nan) for row in history]))
    for axes, (names, label) in zip(drawn, panels, strict=True):
        factor = 100.0 if label.startswith("score") else 1.0
        for name in names:
            values = factor * np.array([row.get(name, np.nan) for row in history], dtype=float)
            _, colour, line = next(s for s in styles if name.startswith(s[0]))
            alpha = 0.45 if name.endswith("accuracy") else 1.0
            steps = "steps-post" if name in rates else "default"
            axes.plot(epochs, values, color=colour, linestyle=line, alpha=alpha, drawstyle=steps,
                      label=name.replace("valid_", "validation_").replace("_", " ").replace("uar", "UAR"),
                      marker="o" if len(epochs) < 2 else None)  # fmt: skip
            if name == judge and best is not None:
                axes.plot(epochs[best], values[best], "o", color=colour, markersize=6)
                axes.annotate(
                    f"best: {values[best]:.1f} % at epoch {epochs[best]:g}", (epochs[best], values[best]),
                    xytext=(0, 8), textcoords="offset points", ha="right" if best > len(epochs) / 2 else "left",
                    fontsize=8,
                )  # fmt: skip
        if label == "learning rate":
            axes.set_yscale("log")
        axes.set_ylabel(label)
        axes.margins(y=0.2)
        if best is not None:
            axes.axvline(epochs[best], color=FAINT, linewidth=0.8, linestyle=":")
        if label != "learning rate":
            axes.legend(frameon=False, fontsize=8, loc="best")
        plain_axes(axes)
    drawn[-1].set_xlabel("epoch")
    if len(epochs) > 1:
        drawn[-1].xaxis.get_major_locator().set_params(integer=True)
    else:
        drawn[-1].set_xticks(epochs)
    return titled(figure, drawn[0], title, caption)
