"""How a recording travels inside a page: as mp3, which every browser plays, at one rate of bits so that it finds a time
exactly.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import soundfile

from vocalics import audio
from vocalics.timeline.analysis import Source

PLAYED_RATE = 16_000
"""In Hz; higher than a model hears at, and all that speech needs."""

MOST_BYTES = 24_000_000
"""A recording that takes more of mp3 (80 minutes of one channel, 50 of two) does not travel inside a page."""

_LEVELS = {1: 0.8, 2: 0.6}  # libsndfile's degree of compression, by channels: 40 and 64 kbit/s


def data_uri(source: Source, stereo: bool, most_bytes: int = MOST_BYTES) -> str | None:
    """Return a recording as a ``data:`` address.

    Args:
        source: The recording.
        stereo: Both channels of it; otherwise their average.
        most_bytes: Of the mp3, before it is spelt in base64.

    Returns:
        ``None`` where it would be longer, or libsndfile writes no mp3.

    Raises:
        AudioError: When the recording cannot be read.
    """
    data = _mp3(source, stereo, most_bytes)
    return None if data is None else f"data:audio/mpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _mp3(source: Source, stereo: bool, most_bytes: int) -> bytes | None:
    chosen: tuple[int | None, ...] = (0, 1) if stereo else (None,)
    streams = [audio.stream(source, PLAYED_RATE, channel=channel) for channel in chosen]
    sheet = io.BytesIO()
    try:
        with _writer(sheet, len(chosen)) as file:
            for blocks in zip(*streams, strict=True):
                file.write(np.clip(np.stack([block.samples for block in blocks], axis=1), -1, 1))
                if sheet.tell() > most_bytes:
                    return None
    except (ValueError, soundfile.LibsndfileError):
        return None
    return sheet.getvalue() if len(sheet.getvalue()) <= most_bytes else None


def _writer(sheet: io.BytesIO, n_channels: int) -> Any:
    return soundfile.SoundFile(
        sheet, "w", PLAYED_RATE, n_channels, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT",
        compression_level=_LEVELS[n_channels],
    )  # fmt: skip
