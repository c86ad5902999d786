"""What a collection of clips is like: :func:`explore` measures it, :func:`page` shows it as one HTML file."""

from __future__ import annotations

from vocalics.explore.examples import examples
from vocalics.explore.exploration import Copies, Exploration, explore
from vocalics.explore.figures import Drawing, drawings, sound_drawing, write_png
from vocalics.explore.page import page
from vocalics.explore.projection import require
from vocalics.explore.suspicions import KINDS, Suspicion

__all__ = [
    "KINDS",
    "Copies",
    "Drawing",
    "Exploration",
    "Suspicion",
    "drawings",
    "examples",
    "explore",
    "page",
    "require",
    "sound_drawing",
    "write_png",
]
