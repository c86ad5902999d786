"""What a long recording is found to hold: emotions by segment and by window, each channel by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from vocalics import records
from vocalics.recognizer import Prediction

ENVELOPE_SECONDS = 0.05
"""Step of an envelope, to a whole sample; in a long recording it is doubled as often as needed."""

ENVELOPE_VALUES = 4096
"""An envelope has at most this many values."""


@dataclass(frozen=True)
class Summary:
    """A channel in a few numbers, by its segments.

    Attributes:
        speech_seconds: Length of the segments that hold speech.
        shares: Of those seconds by label, the largest first; they add up to 1, and are empty where nobody speaks. A
            label is an emotion, or "unsure" or "unfamiliar" where the recognizer abstained.
        changes: How often the emotion is another one than that of the segment before; segments that name none are
            passed over.
        strongest: The most confident segment of every emotion that occurs, the most confident first.
    """

    speech_seconds: float
    shares: Mapping[str, float] = field(hash=False)
    changes: int
    strongest: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; see :meth:`Timeline.to_dict`."""
        return {
            "speech_seconds": round(self.speech_seconds, 3),
            "shares": {label: round(share, 6) for label, share in self.shares.items()},
            "changes": self.changes,
            "strongest": [records.part(prediction) for prediction in self.strongest],
        }


@dataclass(frozen=True)
class Channel:
    """One channel of a recording.

    Attributes:
        name: "left" or "right"; "mono" where there is one, or all were averaged; "channel 3" where there are more.
        segments: Where somebody speaks, by voice activity, each judged as a whole; in order, without overlap.
        windows: Every hop, whoever speaks or not; they overlap where the hop is shorter than a window.
        envelope: The peak level (full scale 1) of every ``envelope_step`` seconds, at most ``ENVELOPE_VALUES`` of them.
        envelope_step: In seconds.
    """

    name: str
    segments: tuple[Prediction, ...]
    windows: tuple[Prediction, ...]
    envelope: tuple[float, ...] = field(repr=False)
    envelope_step: float = ENVELOPE_SECONDS

    @property
    def summary(self) -> Summary:
        """The channel in a few numbers."""
        return summarise(self.segments)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; see :meth:`Timeline.to_dict`."""
        return {
            "name": self.name,
            "summary": self.summary.to_dict(),
            "segments": [records.part(prediction) for prediction in self.segments],
            "windows": [records.part(prediction) for prediction in self.windows],
            "envelope": [round(level, 4) for level in self.envelope],
            "envelope_step": self.envelope_step,
        }


@dataclass(frozen=True)
class Timeline:
    """A recording from beginning to end.

    Attributes:
        path: The file; "-" for bytes.
        duration: In seconds.
        sample_rate: Of the file, in Hz.
        model: The name of the model that judged.
        emotions: Of the model, in the order of its probabilities.
        channels: Each judged by itself.
    """

    path: str
    duration: float
    sample_rate: int
    model: str
    emotions: tuple[str, ...]
    channels: tuple[Channel, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in values that JSON has: seconds to the millisecond, probabilities to six places."""
        return {
            "path": self.path,
            "duration": round(self.duration, 3),
            "sample_rate": self.sample_rate,
            "model": self.model,
            "emotions": list(self.emotions),
            "channels": [channel.to_dict() for channel in self.channels],
        }


def summarise(segments: Sequence[Prediction]) -> Summary:
    """Return a channel's segments in a few numbers."""
    seconds: defaultdict[str, float] = defaultdict(float)
    strongest: dict[str, Prediction] = {}
    for segment in segments:
        if segment.confidence > 0:
            seconds[segment.label] += segment.end - segment.start
        if segment.emotion is not None:
            best = strongest.get(segment.emotion)
            if best is None or segment.confidence > best.confidence:
                strongest[segment.emotion] = segment
    total = sum(seconds.values())
    named = [segment.emotion for segment in segments if segment.emotion is not None]
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    return Summary(
        speech_seconds=total,
        shares=MappingProxyType({label: part / total for label, part in ranked}),
        changes=sum(before != after for before, after in pairwise(named)),
        strongest=tuple(sorted(strongest.values(), key=lambda segment: -segment.confidence)),
    )
