"""What a random split promised, and what was left of it on new speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vocalics.errors import VocalicsError
from vocalics.plots.canvas import FAINT, INK, PALETTE, blank, headed, plain, plain_axes


def promises(
    names: Sequence[str],
    printed: Sequence[float | None],
    random: Sequence[tuple[float, float, float]],
    alike: Sequence[float],
    honest: Sequence[tuple[float, float, float]],
    title: str = "What the leak was worth",
    caption: str = "",
) -> Any:
    """Draw each system's accuracy on a random split and on new speakers, with intervals.

    The line joins what can be compared: new speakers, and the random split on the same corpora.

    Args:
        names: The systems.
        printed: The published accuracy of each, a fraction; ``None`` where none is known.
        random: Accuracy on a random split, and both ends of its interval; fractions.
        alike: Accuracy on the random split of those corpora alone that ``honest`` is measured on.
        honest: The same as ``random`` on speakers that were not heard.
        title: The heading.
        caption: Corpora and protocols.

    Raises:
        VocalicsError: For no systems, or lengths that differ.
    """
    if not names or not len(names) == len(printed) == len(random) == len(alike) == len(honest):
        raise VocalicsError(f"{len(names)} systems, {len(random)} and {len(honest)} figures; expected one of each")
    figure = blank(8.0, 1.9 + 0.55 * len(names))
    axes = figure.add_subplot()
    at = np.arange(len(names))[::-1]
    for y, one, other in zip(at, alike, honest, strict=True):
        axes.plot([100 * one, 100 * other[0]], [y, y], color="#D0D0D0", linewidth=4, zorder=1)
    axes.plot(
        100 * np.asarray(alike, dtype=float), at, "s", markerfacecolor="white", markeredgecolor=PALETTE["happy"],
        markersize=7, label="random split, same corpora", zorder=3, clip_on=False,
    )  # fmt: skip
    for values, colour, marker, label in (
        (random, PALETTE["happy"], "s", "random split, speakers shared"),
        (honest, PALETTE["sad"], "o", "new speakers"),
    ):
        centre, low, high = (100 * np.array(column, dtype=float) for column in zip(*values, strict=True))
        axes.errorbar(
            centre, at, xerr=np.maximum(0, [centre - low, high - centre]), fmt=marker, color=colour, ecolor=colour,
            elinewidth=1.2, capsize=3, markersize=7, label=label, zorder=3, clip_on=False,
        )  # fmt: skip
    known = [(100 * p, y) for p, y in zip(printed, at, strict=True) if p]
    if known:
        axes.plot(
            *zip(*known, strict=True), "|", color=INK, markersize=16, markeredgewidth=2, label="as printed", zorder=4,
            clip_on=False,
        )  # fmt: skip
    for y, one, other in zip(at, alike, honest, strict=True):
        axes.annotate(f"{100 * (one - other[0]):+.0f} points", (100 * (one + other[0]) / 2, y), xytext=(0, 7),
                      textcoords="offset points", ha="center", fontsize=8, color=FAINT)  # fmt: skip
    axes.set_yticks(at, [plain(name) for name in names])
    axes.set(xlim=(0, 100), ylim=(-0.6, len(names) - 0.25), xlabel="accuracy, %")
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=2)
    plain_axes(axes)
    return headed(figure, title, caption)
