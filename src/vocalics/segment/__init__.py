"""Where a recording holds speech: a light gate for single clips, and the utterances of a recording.

:func:`speech_seconds` needs NumPy alone and stands before every prediction. :func:`utterances` asks a neural detector
of voice activity and divides a recording of any length.
"""

from __future__ import annotations

from vocalics.segment.utterances import cut, utterances
from vocalics.segment.voicing import (
    LEAST_VOICED_SECONDS,
    SHORTEST_SECONDS,
    SILENT_PEAK,
    has_speech,
    speech_seconds,
)

__all__ = [
    "LEAST_VOICED_SECONDS",
    "SHORTEST_SECONDS",
    "SILENT_PEAK",
    "cut",
    "has_speech",
    "speech_seconds",
    "utterances",
]
