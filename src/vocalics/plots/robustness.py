"""What is left of a model's figures under noise, rooms, lines and codecs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vocalics.errors import VocalicsError
from vocalics.plots.canvas import FAINT, PALETTE, RULE, blank, headed, plain, plain_axes


def robustness(
    names: Sequence[str],
    families: Sequence[str],
    values: Sequence[tuple[float, float, float]],
    chance: float,
    title: str = "Under other conditions",
    caption: str = "",
) -> Any:
    """Draw UAR under every condition, with intervals; the first is a line that the others are seen against.

    Args:
        names: The conditions.
        families: What kind each is of; kinds are set apart by a faint line.
        values: UAR and both ends of its interval; fractions.
        chance: UAR of always saying one emotion.
        title: The heading.
        caption: Model, corpus, clips.

    Raises:
        VocalicsError: For no conditions, or lengths that differ.
    """
    if not names or not len(names) == len(families) == len(values):
        raise VocalicsError(f"{len(names)} conditions, {len(families)} kinds, {len(values)} figures; expected one each")
    figure = blank(7.5, 1.6 + 0.26 * len(names))
    axes = figure.add_subplot()
    at = np.arange(len(names))[::-1]
    centre, low, high = (100 * np.array(column, dtype=float) for column in zip(*values, strict=True))
    plain_axes(axes)
    axes.grid(False)
    axes.axvline(centre[0], color=FAINT, linewidth=1, linestyle="--", zorder=1)
    axes.axvline(100 * chance, color=FAINT, linewidth=1, linestyle=":", zorder=1)
    axes.text(100 * chance + 0.7, at[0] + 0.6, "chance", fontsize=8, color=FAINT)
    for k in range(1, len(names)):
        if families[k] != families[k - 1]:
            axes.axhline(at[k] + 0.5, color=RULE, linewidth=0.8, zorder=0)
    axes.errorbar(
        centre, at, xerr=np.maximum(0, [centre - low, high - centre]), fmt="o", color=PALETTE["sad"],
        ecolor=PALETTE["sad"], elinewidth=1.2, capsize=2.5, markersize=5, zorder=3, clip_on=False,
    )  # fmt: skip
    axes.set_yticks(at, [plain(name) for name in names])
    axes.tick_params(axis="y", labelsize=8)
    axes.set(xlim=(0, 100), ylim=(-0.7, len(names) + 0.2), xlabel="UAR, %")
    return headed(figure, title, caption)
