"""A recognizer whose chromagram is that of C: pitch classes of A = 440 Hz, without a search for the tuning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.edge import front_end
from vocalics.features.chroma import chroma_stft
from vocalics.features.feature_set import feature_set
from vocalics.recognizer import Recognizer


class Untuned(Recognizer):
    """A recognizer of one of the sets of means that C computes, see :func:`vocalics.edge.front_end.kind`."""

    def _features(self, clip: Clip, name: str) -> npt.NDArray[np.float32]:
        values = super()._features(clip, name).copy()
        chosen = feature_set(self.card.feature_set)
        first = next(i for i, column in enumerate(chosen.columns) if column.startswith("chroma"))
        values[first : first + 12] = chroma_stft(chosen.excerpt(clip), tuning=0.0).mean(axis=1)
        return values


def reference(recognizer: Recognizer) -> Recognizer:
    """Return what a program of C is to be compared with: the model itself, or without a search for the tuning."""
    return Untuned(recognizer.model) if front_end.kind(recognizer.card) == front_end.VECTOR else recognizer
