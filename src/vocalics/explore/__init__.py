"""What a collection of clips is like: :func:`explore` measures it, :func:`page` shows it as one HTML file."""

from __future__ import annotations

from vocalics.explore.exploration import Copies, Exploration, explore
from vocalics.explore.suspicions import KINDS, Suspicion

__all__ = ["KINDS", "Copies", "Exploration", "Suspicion", "explore"]
