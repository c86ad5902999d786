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
    first, last = loud_part(clip, below_db)
    if first == last:
        return clip
    n_margin = round(margin * clip.sample_rate)
    return Clip(clip.samples[max(0, first - n_margin) : last + n_margin], clip.sample_rate)


def loud_part(clip: Clip, below_db: float = 35.0) -> tuple[int, int]:
    """Return where a clip's loud part begins and ends, in samples; (0, 0) where it has none.

    Args:
        clip: Any clip.
        below_db: A 20 ms frame is quiet when its level is more than this below the loudest frame's, in dB.
    """
    n_frame = max(1, round(0.02 * clip.sample_rate))
    n_frames = len(clip.samples) // n_frame
    if n_frames == 0:
        return 0, 0
    frames = clip.samples[: n_frames * n_frame].reshape(n_frames, n_frame)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    if power.max() <= 0:
        return 0, 0
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    return int(loud[0]) * n_frame, int(loud[-1] + 1) * n_frame
