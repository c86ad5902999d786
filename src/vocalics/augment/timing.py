"""When and how fast it sounds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import soxr

from vocalics.audio import Clip
from vocalics.preprocess.settings import Within


def speed(clip: Clip, factor: Annotated[float, Within(0.1, 10)]) -> Clip:
    """Play ``factor`` times as fast: length divided by ``factor``, pitch and formants multiplied by it."""
    if factor == 1.0 or len(clip.samples) == 0:
        return clip
    samples = soxr.resample(clip.samples, clip.sample_rate * factor, clip.sample_rate, quality="MQ")
    return Clip(np.asarray(samples, dtype=np.float32), clip.sample_rate)


def time_shift(clip: Clip, seconds: float) -> Clip:
    """Move the sound later (positive) or earlier (negative) in a clip of the same length; zeros fill the gap."""
    n_shift = round(seconds * clip.sample_rate)
    samples = np.zeros_like(clip.samples)
    if abs(n_shift) < len(samples):
        if n_shift >= 0:
            samples[n_shift:] = clip.samples[: len(samples) - n_shift]
        else:
            samples[:n_shift] = clip.samples[-n_shift:]
    return Clip(samples, clip.sample_rate)
