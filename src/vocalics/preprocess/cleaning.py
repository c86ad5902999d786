"""Cutting quiet ends off, and taking steady noise away."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from vocalics.audio import Clip, Samples
from vocalics.errors import MissingExtraError
from vocalics.preprocess.settings import Within

_FRAME = 0.064  # seconds, of the quiet parts that noise is measured on
_QUIET = 0.2  # share of the frames that are taken for noise alone


def trim_silence(
    clip: Clip, below_db: Annotated[float, Within(1, 200)] = 35.0, margin: Annotated[float, Within(0, 60)] = 0.1
) -> Clip:
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


def reduce_noise(clip: Clip, strength: Annotated[float, Within(0, 1)] = 0.8) -> Clip:
    """Take steady noise (hiss, hum, rain, an engine) away by spectral gating.

    The noise is measured on the quietest fifth of the clip, so it must have pauses. What wavers as speech does stays.
    Speech itself loses up to 2 dB. In clean recordings it does harm: what is quiet or reverberates is taken for noise.

    Sainburg, Thielk & Gentner (2020), *Finding, visualizing, and quantifying latent structure across diverse animal
    vocal repertoires*, as in the library noisereduce.

    Args:
        clip: Any clip. One shorter than a quarter of a second, or silent, is returned as it is.
        strength: Share of the noise's amplitude that is taken away: 0.8 are 14 dB, at most.

    Returns:
        A clip of the same length.

    Raises:
        MissingExtraError: Where noisereduce is not installed.
    """
    try:
        from noisereduce import reduce_noise as gate
    except ImportError:
        raise MissingExtraError("noise reduction", "prepare") from None
    if clip.duration < 0.25 or not clip.samples.any() or strength == 0:
        return clip
    n_fft = 1 << round(np.log2(0.032 * clip.sample_rate))
    peak = np.abs(clip.samples).max()  # it has a floor of its own: at one level, whatever the clip's
    quieter = gate(
        (clip.samples / peak).astype(np.float32),
        clip.sample_rate,
        stationary=True,
        y_noise=_quietest(clip.samples / peak, clip.sample_rate),
        prop_decrease=strength,
        n_std_thresh_stationary=1.0,
        n_fft=n_fft,
        freq_mask_smooth_hz=max(200.0, 2.01 * clip.sample_rate / n_fft),
        time_mask_smooth_ms=40,
    )
    return Clip(np.asarray(quieter * peak, np.float32), clip.sample_rate)


def _quietest(samples: Samples, sample_rate: int) -> Samples:
    """The quietest frames, in a row."""
    n_frame = round(_FRAME * sample_rate)
    frames = samples[: len(samples) // n_frame * n_frame].reshape(-1, n_frame)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    n_kept = max(3, round(_QUIET * len(frames)))
    # Digital silence, as codecs and editors leave it, is not the noise.
    order = [i for i in np.argsort(power, kind="stable") if power[i] > 1e-9] or [int(power.argmax())]
    return np.ascontiguousarray(frames[np.sort(order[:n_kept])].reshape(-1))
