"""A long recording: speech, emotions by segment and by window, each channel by itself.

:func:`build` judges it, and what it returns is written to files of several kinds by :func:`write`.
"""

from __future__ import annotations

from vocalics.timeline.analysis import LONGEST_SECONDS, MOST_CHANNELS, Source, build
from vocalics.timeline.formats import FORMATS, Format, encode, format_of, write
from vocalics.timeline.known import is_timeline
from vocalics.timeline.page import page
from vocalics.timeline.picture import picture, require_picture
from vocalics.timeline.recording import (
    ENVELOPE_SECONDS,
    ENVELOPE_VALUES,
    Channel,
    Summary,
    Timeline,
    summarise,
)

__all__ = [
    "ENVELOPE_SECONDS",
    "ENVELOPE_VALUES",
    "FORMATS",
    "LONGEST_SECONDS",
    "MOST_CHANNELS",
    "Channel",
    "Format",
    "Source",
    "Summary",
    "Timeline",
    "build",
    "encode",
    "format_of",
    "is_timeline",
    "page",
    "picture",
    "require_picture",
    "summarise",
    "write",
]
