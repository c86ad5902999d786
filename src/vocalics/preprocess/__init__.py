"""What is done to a clip before its features are taken: pure functions from clip to clip, and steps of a recipe."""

from __future__ import annotations

from vocalics.preprocess.cleaning import loud_part, reduce_noise, trim_silence
from vocalics.preprocess.levels import loudness, normalise_loudness, normalise_peak, normalise_rms
from vocalics.preprocess.steps import PREPROCESSING, Preparation, chain

__all__ = [
    "PREPROCESSING",
    "Preparation",
    "chain",
    "loud_part",
    "loudness",
    "normalise_loudness",
    "normalise_peak",
    "normalise_rms",
    "reduce_noise",
    "trim_silence",
]
