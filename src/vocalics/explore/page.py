"""An exploration as one HTML page that needs no network: figures, tables and sounds are all inside."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import numpy as np

import vocalics
from vocalics.explore import clip_sections, sections
from vocalics.explore.clip_sections import Sounds
from vocalics.explore.exploration import Exploration
from vocalics.explore.figures import drawings
from vocalics.markup import head, text


def page(
    exploration: Exploration,
    rng: np.random.Generator,
    n_clips: int = 3,
    title: str = "",
    progress: Callable[[str], None] | None = None,
) -> str:
    """Return the page.

    It names no address outside itself, and tells the browser to load none. All text of the manifest is escaped.

    Args:
        exploration: What it shows.
        rng: Chooses the clips shown for each emotion.
        n_clips: How many per emotion are shown and can be played; 0 leaves out all sound, and pictures of sound from
            which it could be rebuilt.
        title: The heading; by default the names of the corpora.
        progress: Called with the part that is being drawn.

    Raises:
        MissingExtraError: Where matplotlib is not installed.
    """
    figures = drawings(exploration)
    sounds = Sounds(exploration, n_clips)
    writers: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("amounts", "Clips and seconds", lambda: sections.amounts(exploration, figures)),
        ("spread", "Length, level and silence", lambda: sections.spread(exploration, figures)),
        ("sounds", "How the emotions sound", lambda: clip_sections.voices(exploration, sounds, rng)),
        ("differences", "What sets the emotions apart", lambda: sections.contrasts(exploration, figures)),
        ("plane", "The clips as points", lambda: sections.planes(exploration, figures)),
        ("listeners", "What listeners heard", lambda: sections.listeners(exploration, figures)),
        ("copies", "Copies", lambda: clip_sections.copies(exploration, sounds)),
        ("suspicious", "Clips that deserve a second look", lambda: clip_sections.suspicious(exploration, sounds)),
        ("measures", "How it was measured", lambda: sections.about(exploration)),
    )
    parts = []
    for name, heading, write in writers:
        if progress is not None:
            progress(heading)
        parts.append((name, heading, write()))
    heading = title or f"Exploration of {', '.join(exploration.manifest.corpora)}"
    contents = "".join(f'<li><a href="#{name}">{text(words)}</a></li>' for name, words, _ in parts)
    body = "".join(
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{text(words)}</h2>{inner}</section>'
        for name, words, inner in parts
    )
    style, script = _file("page.css"), _file("page.js")
    return (
        head(heading, style, script, "img-src data:; media-src data:")
        + f'<a class="skip" href="#main">Skip to the content</a>\n<header><h1>{text(heading)}</h1>\n'
        f'{sections.summary(exploration, sounds)}\n<nav aria-label="Contents"><ol>{contents}</ol></nav></header>\n'
        f'<main id="main">\n{body}\n</main>\n<footer>Made by vocalics {text(vocalics.__version__)} with '
        f"<code>vocalics explore</code>.</footer>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
