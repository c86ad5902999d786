"""Uploaded sound: measured before it is judged, so that a small file cannot grow without bounds."""

from __future__ import annotations

import io
from collections.abc import Callable

import soundfile

from vocalics import audio
from vocalics.web.problems import Problem
from vocalics.web.settings import Limits

BLOCK_SECONDS = 1.0


def measured(data: bytes, limits: Limits, check: Callable[[], None] = lambda: None) -> float:
    """Return the length of a file in seconds, decoded block by block and thrown away.

    A header can be wrong about how much it announces: what is decoded counts.

    Args:
        data: The file's bytes.
        limits: Those of length, channels and decoded values.
        check: Called with every block; what it raises ends the decoding.

    Raises:
        Problem: For a sound beyond the limits, found without decoding more than the limits.
        AudioError: For what is no sound.
    """
    n_channels = _channels(data)
    if n_channels > limits.channels:
        raise Problem(
            "too-many-channels",
            f"the sound has {n_channels} channels; expected at most {limits.channels}, mix it down first",
            limits.channels,
            "channels",
        )
    seconds, n_samples = 0.0, 0
    for block in audio.stream(data, None, BLOCK_SECONDS):
        check()
        seconds += block.duration
        n_samples += len(block.samples) * n_channels
        if seconds > limits.seconds:
            raise Problem(
                "too-long",
                f"the sound is longer than {limits.seconds:g} s; expected at most that, cut it into pieces",
                limits.seconds,
                "seconds",
            )
        if n_samples > limits.samples:
            raise Problem(
                "too-many-samples",
                f"the sound decodes to more than {limits.samples:,} samples; expected at most that, send a lower "
                "sample rate or fewer channels",
                limits.samples,
                "samples",
            )
    return seconds


def _channels(data: bytes) -> int:
    """Of the header; 1 for what is no sound, of which :func:`vocalics.audio.stream` says what is wrong."""
    try:
        return int(soundfile.info(io.BytesIO(data)).channels)
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return 1
