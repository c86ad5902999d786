"""What stands on a line of a file of labels: who is heard, from when to when, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vocalics.recognizer import Prediction
from vocalics.timeline.recording import Channel, Timeline


@dataclass(frozen=True)
class Stretch:
    """A segment, or a window up to where the next one begins.

    Attributes:
        number: Of the channel, counted from 1.
        channel: The channel's name.
        start: In seconds.
        end: In seconds.
        prediction: What is heard.
    """

    number: int
    channel: str
    start: float
    end: float
    prediction: Prediction

    @property
    def words(self) -> str:
        """The emotion and its probability, as in ``angry 83%``; "no speech" alone."""
        chance = f" {self.prediction.confidence:.0%}" if self.prediction.confidence > 0 else ""
        return self.prediction.label + chance


def stretches(timeline: Timeline, windows: bool = False) -> list[Stretch]:
    """Return the stretches of all channels that hold speech, by their start.

    Args:
        timeline: The recording.
        windows: Those of the windows instead of the segments.
    """
    found = [
        Stretch(_number(channel.name, place), channel.name, start, end, prediction)
        for place, channel in enumerate(timeline.channels, 1)
        for start, end, prediction in spans(channel, windows)
        if prediction.confidence > 0
    ]
    return sorted(found, key=lambda stretch: (stretch.start, stretch.number))


def _number(name: str, place: int) -> int:
    """A channel's number in the recording, from 1: of three that hold two sounds, the second may be left out."""
    numbered = re.fullmatch(r"channel (\d+)", name)
    return int(numbered[1]) if numbered else {"left": 1, "right": 2}.get(name, place)


def spans(channel: Channel, windows: bool = False) -> list[tuple[float, float, Prediction]]:
    """Return a channel's segments, or its windows, without overlap: start and end in seconds, in order."""
    if not windows:
        return [(segment.start, segment.end, segment) for segment in channel.segments]
    return [(window.start, end, window) for window, end in zip(channel.windows, _ends(channel.windows), strict=True)]


def _ends(windows: Sequence[Prediction]) -> list[float]:
    """Where windows overlap, each ends where the next one begins."""
    return [min(a.end, b.start) for a, b in pairwise(windows)] + [window.end for window in windows[-1:]]
