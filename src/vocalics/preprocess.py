"""What is done to a clip before its features are taken: pure functions from clip to clip."""

from __future__ import annotations

import numpy as np

from vocalics.audio import Clip


def trim_silence(clip: Clip, below_db: float = 35.0, margin: float = 0.1) -> Clip:
    """Cut the quiet ends of a clip.

    Args:
        clip: Any clip.
        below_db: A 20 ms frame is quiet when its level is more than this below the loudest frame's, in dB.
        margin: Seconds kept before the first and after the last frame that is not quiet.

    Returns:
        The inner part; the same clip where nothing is to cut or the clip is all zeros.
    """
    n_frame = max(1, round(0.02 * clip.sample_rate))
    n_frames = len(clip.samples) // n_frame
    if n_frames == 0:
        return clip
    frames = clip.samples[: n_frames * n_frame].reshape(n_frames, n_frame)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    if power.max() <= 0:
        return clip
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    n_margin = round(margin * clip.sample_rate)
    start = max(0, loud[0] * n_frame - n_margin)
    end = min(len(clip.samples), (loud[-1] + 1) * n_frame + n_margin)
    return Clip(clip.samples[start:end], clip.sample_rate)
