"""The sheet that every figure is drawn on: colours, size, title and caption; and the saving of it."""

from __future__ import annotations

import io
import os
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vocalics.emotions import COLOURS
from vocalics.errors import MissingExtraError
from vocalics.files import replacing

PALETTE = COLOURS
"""One colour per emotion, in every figure."""

INK, FAINT, SOFT, RULE, PAPER = "#222222", "#8A8A8A", "#555555", "#E4E4E4", "#FFFFFF"
"""Writing, minor marks, captions, faint lines, and what they stand on."""

_THEMED = {"#000000": "ink", INK: "ink", FAINT: "faint", SOFT: "soft", RULE: "rule", PAPER: "paper"}
_DPI, _SCREEN_DPI = 150, 110


def require() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed; for use before long work."""
    blank(1, 1)


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as part:
        _write_png(figure, part)


def png(figure: Any) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    sheet = io.BytesIO()
    _write_png(figure, sheet)
    return sheet.getvalue()


def _write_png(figure: Any, target: Path | io.BytesIO) -> None:
    with _any_script():
        figure.savefig(target, format="png", dpi=_DPI, metadata={"Software": "vocalics"})


def svg(figure: Any, name: str, label: str) -> str:
    """Return a figure as an ``<svg>`` element to stand inside an HTML page, on a ground of the page's own.

    The colours of writing and lines are the page's ``--ink``, ``--faint``, ``--soft``, ``--rule`` and ``--paper`` where
    it sets them, so that a figure follows a dark page. The element names no address outside itself.

    Args:
        figure: What to draw.
        name: Set before every id of the element, which must be unique in a page.
        label: What a screen reader says in its place.
    """
    import html

    import matplotlib

    sheet = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), _any_script():
        figure.savefig(sheet, format="svg", dpi=_SCREEN_DPI, transparent=True, metadata=nothing)
    text = sheet.getvalue()
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    style = (
        f"min-width: {round(0.7 * width)}px; max-width: {round(1.25 * width)}px; aspect-ratio: {width} / {height}; "
        f"stroke-linejoin: round; fill: var(--ink, {INK})"
    )
    head = f'role="img" aria-label="{html.escape(label)}" style="{style}"'
    text = re.sub(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda m: f"<svg {m[1]} {head}>", text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'\bxlink:href="#', f'href="#{name}-', text).replace("xlink:href=", "href=")
    for colour, role in _THEMED.items():
        text = re.sub(rf"(?<=: ){colour}\b", f"var(--{role}, {colour})", text, flags=re.IGNORECASE)
    return text.strip()


@contextmanager
def _any_script() -> Iterator[None]:
    """Let names be drawn in scripts that the font has no letters of: as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def plain(text: str) -> str:
    """Return a name so that it is drawn as it is spelt: a dollar begins no formula, a control character is a box.

    >>> plain("a$b$c")
    'a\\\\$b\\\\$c'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text).replace("$", r"\$")


def blank(width: float, height: float) -> Any:
    """Return an empty white figure of a size in inches, drawn without a screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing a figure", "train") from None
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Any) -> None:
    """Leave of a panel's frame what is read: left and bottom line, and faint lines across."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)


def titled(figure: Any, axes: Any, title: str, caption: str, pad: float = 8) -> Any:
    """Write the title above a panel and the caption below the figure, both broken into lines; return the figure."""
    axes.set_title(title_lines(figure, title), loc="left", fontsize=12, fontweight="bold", color=INK, pad=pad)
    return captioned(figure, caption)


def headed(figure: Any, title: str, caption: str) -> Any:
    """Write the title, if any, over a figure's whole width, and the caption below it; return the figure.

    For figures whose panel is narrow, because names stand beside it.
    """
    if title:
        figure.suptitle(title_lines(figure, title), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    return captioned(figure, caption)


def title_lines(figure: Any, title: str) -> str:
    """Break a title into lines that no figure cuts off."""
    return "\n".join(map(plain, textwrap.wrap(title, int(7 * figure.get_size_inches()[0])) or [""]))


def captioned(figure: Any, caption: str) -> Any:
    """Write the caption, if any, broken into lines, below the figure; return the figure."""
    if caption:
        n_letters = int(16 * figure.get_size_inches()[0])
        lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, n_letters) or [""]]
        figure.supxlabel("\n".join(map(plain, lines)), x=0.01, ha="left", fontsize=7.5, color=SOFT)
    return figure
