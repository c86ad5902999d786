"""The sheet that every figure is drawn on: colours, size, title and caption; and the saving of it."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

from vocalics.errors import MissingExtraError

PALETTE: dict[str, str] = {
    "neutral": "#CDCDCD",
    "calm": "#56B4E9",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "angry": "#D55E00",
    "fear": "#CC79A7",
    "disgust": "#009E73",
    "surprise": "#F0E442",
    "boredom": "#333333",
}
"""One colour per emotion, in every figure."""

INK, FAINT = "#222222", "#8A8A8A"
_DPI = 150


def require() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed; for use before long work."""
    blank(1, 1)


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all."""
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    figure.savefig(part, format="png", dpi=_DPI, metadata={"Software": "vocalics"})
    part.replace(target)


def blank(width: float, height: float) -> Any:
    """Return an empty white figure of a size in inches, drawn without a screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing a figure", "train") from None
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Any) -> None:
    """Leave of a panel's frame what is read: left and bottom line, and faint lines across."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def titled(figure: Any, axes: Any, title: str, caption: str, pad: float = 8) -> Any:
    """Write the title above a panel and the caption, broken into lines, below the figure; return the figure."""
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=pad)
    if caption:
        n_letters = int(16 * figure.get_size_inches()[0])
        lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, n_letters) or [""]]
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color="#555555")
    return figure
