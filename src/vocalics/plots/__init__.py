"""Figures, and the only place that knows matplotlib.

Every function returns a ``matplotlib.figure.Figure`` drawn without a screen; :func:`save` writes it. Colours can be
told apart with the common colour-vision deficiencies (Okabe and Ito, 2008), and no figure says a thing by hue alone.
"""

from __future__ import annotations

from vocalics.plots.canvas import FAINT, INK, PALETTE, require, save
from vocalics.plots.curves import learning_curves
from vocalics.plots.reports import confusion_matrix, reliability
from vocalics.plots.sound import spectrogram, timeline, waveform

__all__ = [
    "FAINT",
    "INK",
    "PALETTE",
    "confusion_matrix",
    "learning_curves",
    "reliability",
    "require",
    "save",
    "spectrogram",
    "timeline",
    "waveform",
]
