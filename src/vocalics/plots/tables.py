"""What a collection of clips is like: bars, tables in shades, histograms and clouds, one small panel per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.errors import VocalicsError
from vocalics.plots.canvas import FAINT, INK, PALETTE, PAPER, blank, headed, plain, plain_axes

ACCENT = PALETTE["sad"]
_ON_LIGHT, _ON_DARK = "#010101", "#FEFEFE"  # writing on a shade, which no page recolours
_EITHER = 0.179  # luminance on which both have the same contrast, 4.5 to 1
_WIDTH = 4.8  # inches: legible on a phone, and not lost on a desk
_LONGEST_NAME = 34  # letters: more would leave a panel no room


def bars(
    values: Mapping[str, float],
    label: str,
    title: str = "",
    caption: str = "",
    form: str = "{:,.0f}",
    colours: Mapping[str, str] | None = None,
) -> Any:
    """Draw one horizontal bar per name, the first on top, with its number at the end.

    Args:
        values: Numbers by name.
        label: What the numbers are, with their unit.
        title: The heading.
        caption: What they are of.
        form: How a number is written.
        colours: Of the bars by name, such as ``PALETTE``; names that are not in it have the plain one.

    Raises:
        VocalicsError: Without any value.
    """
    if not values:
        raise VocalicsError("there is nothing to draw bars of; expected at least one value")
    names, heights = list(values), np.array(list(values.values()), dtype=float)
    figure = blank(_WIDTH, 0.8 + 0.29 * len(names) + 0.3 * bool(title))
    axes = figure.add_subplot()
    shades = [(colours or {}).get(name, ACCENT) for name in names]
    axes.barh(range(len(names)), heights, height=0.72, color=shades, edgecolor=FAINT, linewidth=0.6)
    widest = max(float(np.nanmax(np.abs(heights), initial=0.0)), 1e-12)
    for row, value in enumerate(heights):
        axes.annotate(
            form.format(value), (max(value, 0.0) if np.isfinite(value) else 0.0, row), xytext=(4, 0), va="center",
            textcoords="offset points", fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_xlim(min(0.0, float(np.nanmin(heights, initial=0.0)) * 1.1), 1.17 * widest)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    _plain_across(axes)
    return headed(figure, title, caption)


def heat_map(
    values: npt.ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    caption: str = "",
    form: str = "{:,.0f}",
    limits: tuple[float, float] | None = None,
    diverging: bool = False,
    row_label: str = "",
    column_label: str = "",
) -> Any:
    """Draw a table whose cells are shaded by their value and hold it in figures; NaN is a dash.

    Args:
        values: Shape (n_rows, n_columns).
        rows: Their names.
        columns: Their names.
        title: The heading.
        caption: What the values are of.
        form: How a value is written.
        limits: The values of the first and the last shade; by default 0 (diverging: less the largest) and the largest.
        diverging: Shades of two colours that part at zero, for differences.
        row_label: What the rows are.
        column_label: What the columns are.

    Raises:
        VocalicsError: For a shape that does not fit the names, or no cell at all.
    """
    cells = np.asarray(values, dtype=float)
    if cells.shape != (len(rows), len(columns)) or not cells.size:
        raise VocalicsError(f"values of shape {cells.shape}; expected ({len(rows)}, {len(columns)}), and not empty")
    if limits is None:
        largest = max(float(np.nan_to_num(np.abs(cells)).max()), 1e-12)
        limits = (-largest if diverging else 0.0, largest)
    figure = blank(max(3.4, 1.75 + 0.46 * len(columns)), 1.25 + 0.32 * len(rows) + 0.3 * bool(title))
    axes = figure.add_subplot()
    image = axes.imshow(
        np.nan_to_num(cells), cmap="RdBu_r" if diverging else "Blues", vmin=limits[0], vmax=limits[1], aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    for row, column in np.ndindex(cells.shape):
        value = cells[row, column]
        dark = _luminance(image.cmap(image.norm(np.nan_to_num(value)))[:3]) < _EITHER
        text = "–" if np.isnan(value) else form.format(value).replace("-", "−")
        if text[:1] in "+−" and not text.strip("+−0."):  # nothing, once rounded, has no sign
            text = text[1:]
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=_ON_DARK if dark else _ON_LIGHT)
    axes.set_xticks(range(len(columns)), [_short(c) for c in columns], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [_short(r) for r in rows])
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel=column_label, ylabel=row_label)
    return headed(figure, title, caption)


def histograms(
    edges: npt.ArrayLike,
    counts: Mapping[str, npt.ArrayLike],
    label: str,
    title: str = "",
    caption: str = "",
    unit: str = "clips",
) -> Any:
    """Draw one histogram per group, below one another on one axis, each as high as its own fullest bin.

    Args:
        edges: Shape (n_bins + 1,), rising.
        counts: By group, each of shape (n_bins,).
        label: What is counted, with its unit.
        title: The heading.
        caption: What it is of.
        unit: What the counts are of.

    Raises:
        VocalicsError: Without any group, or for a shape that does not fit the edges.
    """
    ends = np.asarray(edges, dtype=float)
    groups = {name: np.asarray(n, dtype=float) for name, n in counts.items()}
    if not groups or any(n.shape != (len(ends) - 1,) for n in groups.values()):
        raise VocalicsError(f"expected at least one group, each of {len(ends) - 1} counts (one less than edges)")
    figure = blank(_WIDTH, 0.75 + 0.56 * len(groups) + 0.3 * bool(title))
    axes = figure.add_subplot()
    for row, (name, n) in enumerate(groups.items()):
        height = 0.85 * n / max(float(n.max()), 1.0)
        axes.stairs(row - height, ends, baseline=row, fill=True, color=PALETTE.get(name, ACCENT))
        axes.stairs(row - height, ends, baseline=row, color=FAINT, linewidth=0.5)
        axes.axhline(row, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(groups)), [f"{_short(name)}\n{n.sum():,.0f} {unit}" for name, n in groups.items()])
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    for label_of_group in axes.get_yticklabels():
        label_of_group.set_verticalalignment("bottom")
    axes.spines[:].set_visible(False)
    axes.set(xlabel=label, xlim=(ends[0], ends[-1]), ylim=(len(groups) - 1 + 0.06, -0.95))
    return headed(figure, title, caption)


def clouds(
    points: npt.ArrayLike, groups: Sequence[str], shown: Sequence[str], title: str = "", caption: str = ""
) -> Any:
    """Draw points in a plane once per group: the group's dark, all others faint behind them.

    No hue tells the groups apart, so that any number of them can be shown.

    Args:
        points: Shape (n, 2).
        groups: The group of each point.
        shown: Which groups get a panel, in this order.
        title: The heading.
        caption: What the plane is.

    Raises:
        VocalicsError: For a shape that does not fit, or no group to show.
    """
    plane = np.asarray(points, dtype=float)
    if plane.shape != (len(groups), 2) or not len(shown):
        raise VocalicsError(f"points of shape {plane.shape}; expected ({len(groups)}, 2) and a group to show")
    n_columns = min(3, len(shown))
    n_rows = -(-len(shown) // n_columns)
    figure = blank(0.3 + 1.5 * max(n_columns, 2), 0.3 + 1.4 * n_rows + 0.3 * bool(title))
    panels = np.atleast_1d(figure.subplots(n_rows, n_columns, sharex=True, sharey=True)).ravel()
    own = np.asarray(groups, dtype=object)
    size = float(np.clip(4_000 / max(len(plane), 1), 1.5, 12))
    low, high = np.percentile(plane, [0.5, 99.5], axis=0) if len(plane) else np.array([[-1, -1], [1, 1]])
    margin = 0.12 * (high - low) + 1e-9
    for axes, name in zip(panels, shown, strict=False):
        mine = own == name
        axes.scatter(*plane[~mine].T, s=size, color=FAINT, alpha=0.4, linewidths=0, rasterized=True)
        axes.scatter(*plane[mine].T, s=size * 1.6, color=ACCENT, alpha=0.75, linewidths=0, rasterized=True)
        axes.set_title(f"{plain(name)} ({np.count_nonzero(mine):,})", fontsize=8.5, pad=3)
        axes.set(
            xticks=[], yticks=[], xlim=(low[0] - margin[0], high[0] + margin[0]),
            ylim=(low[1] - margin[1], high[1] + margin[1]),
        )  # fmt: skip
        axes.spines[:].set_color(FAINT)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return headed(figure, title, caption)


def _luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    encoded = np.asarray(colour)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _plain_across(axes: Any) -> None:
    plain_axes(axes)
    axes.grid(axis="y", visible=False)


def _short(name: str) -> str:
    """Return a name to stand beside a panel: of a long one the beginning and the end."""
    return plain(name if len(name) <= _LONGEST_NAME else f"{name[:17]}…{name[-16:]}")
