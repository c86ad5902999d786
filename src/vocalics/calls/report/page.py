"""A report as one HTML page that needs no network: figures, drawings and sounds are all inside."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import vocalics
from vocalics.calls.report import cards, sections
from vocalics.calls.report.sound import Excerpt
from vocalics.calls.report.values import Figures
from vocalics.markup import head, text


def page(
    figures: Figures,
    worst: Sequence[Excerpt] | None = None,
    best: Sequence[Excerpt] | None = None,
    title: str = "Calls",
) -> str:
    """Return the page.

    It names no address outside itself, and tells the browser to load none. All text of the database is escaped.

    Args:
        figures: What it shows.
        worst: What can be heard of the escalations (:func:`vocalics.calls.report.sound.excerpts`), in their order;
            ``None`` for a page without sound.
        best: What can be heard of the recoveries.
        title: The heading.
    """
    parts = (
        ("worth", "What the figures can and cannot tell", sections.worth(figures)),
        ("trend", f"The customers, {figures.unit} by {figures.unit}", sections.trend(figures)),
        ("agents", "Agents side by side", sections.agents(figures)),
        ("moments", "Moments worth hearing", cards.moments(figures, worst, best)),
        ("topics", "What the calls are about", sections.topics(figures)),
        ("calls", "Call by call", cards.cards(figures)),
    )
    contents = "".join(f'<li><a href="#{name}">{text(words)}</a></li>' for name, words, _ in parts)
    body = "".join(
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{text(words)}</h2>{inner}</section>'
        for name, words, inner in parts
    )
    style = _file("vocalics.explore", "page.css") + _file(__package__, "page.css")
    script = _file("vocalics.explore", "page.js")
    return (
        head(title, style, script, "media-src data:")
        + f'<a class="skip" href="#main">Skip to the content</a>\n<header><h1>{text(title)}</h1>\n'
        f'{sections.summary(figures)}\n<nav aria-label="Contents"><ol>{contents}</ol></nav></header>\n'
        f'<main id="main">\n{body}\n</main>\n<footer>Made by vocalics {text(vocalics.__version__)} with <code>vocalics '
        f"calls report</code>.</footer>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _file(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
