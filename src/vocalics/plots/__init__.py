"""Figures, and the only place that knows matplotlib.

Every function returns a ``matplotlib.figure.Figure`` drawn without a screen; :func:`save` writes it. Colours can be
told apart with the common colour-vision deficiencies (Okabe and Ito, 2008), and no figure says a thing by hue alone.
"""

from __future__ import annotations

from vocalics.plots.canvas import FAINT, INK, PALETTE, png, require, save, svg
from vocalics.plots.curves import learning_curves
from vocalics.plots.recording import Track, recording
from vocalics.plots.reports import confusion_matrix, reliability
from vocalics.plots.reproduced import promises
from vocalics.plots.robustness import robustness
from vocalics.plots.search import fold_scores, search_history
from vocalics.plots.sound import sound, spectrogram, timeline, waveform
from vocalics.plots.tables import bars, clouds, heat_map, histograms

__all__ = [
    "FAINT",
    "INK",
    "PALETTE",
    "Track",
    "bars",
    "clouds",
    "confusion_matrix",
    "fold_scores",
    "heat_map",
    "histograms",
    "learning_curves",
    "png",
    "promises",
    "recording",
    "reliability",
    "require",
    "robustness",
    "save",
    "search_history",
    "sound",
    "spectrogram",
    "svg",
    "timeline",
    "waveform",
]
