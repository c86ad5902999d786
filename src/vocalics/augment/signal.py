"""What several augmentations share: lengths, powers, mixing."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip, Samples
from vocalics.preprocess.settings import Within

Decibel = Annotated[float, Within(-150, 150)]


def mix(clip: Clip, noise: Clip, snr_db: float) -> Clip:
    """Add ``noise`` (same rate; repeated or cut to the clip's length) so that the power ratio is ``snr_db``."""
    if len(noise.samples) == 0 or len(clip.samples) == 0:
        return clip
    other = np.resize(noise.samples, len(clip.samples)).astype(np.float64)
    power = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    noise_power = float(np.mean(np.square(other)))
    if power == 0 or noise_power == 0:
        return clip
    scale = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    return Clip((clip.samples + scale * other).astype(np.float32), clip.sample_rate)


def power_of_two(n: int) -> int:
    """Return the first power of two from ``n`` on: a length whose transform is fast."""
    return 1 << max(0, n - 1).bit_length()


def fit(samples: npt.NDArray[np.floating[Any]], n_samples: int) -> Samples:
    """Cut, or pad with zeros, to a length."""
    out = np.zeros(n_samples, dtype=np.float32)
    n_kept = min(n_samples, len(samples))
    out[:n_kept] = samples[:n_kept]
    return out


def same_power(clip: Clip, samples: npt.NDArray[np.floating[Any]]) -> Clip:
    """Return ``samples`` brought to the power of the clip, at its rate."""
    before = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    after = float(np.mean(np.square(samples)))
    scale = np.sqrt(before / after) if after > 0 else 0.0
    return Clip((samples * scale).astype(np.float32), clip.sample_rate)
