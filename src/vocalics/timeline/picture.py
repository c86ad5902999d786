"""A timeline as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocalics import plots
from vocalics.errors import MissingExtraError
from vocalics.timeline.recording import Channel, Timeline
from vocalics.timeline.stretches import spans


def require_picture() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed; for use before long work."""
    try:
        plots.require()
    except MissingExtraError:
        raise MissingExtraError("a picture of a timeline", "timeline") from None


def picture(timeline: Timeline) -> bytes:
    """Return a PNG: every channel's waveform coloured by the segments' emotions, the windows' probabilities below.

    Raises:
        MissingExtraError: Where matplotlib is not installed.
    """
    require_picture()
    figure = plots.recording(
        [_track(channel, timeline.emotions) for channel in timeline.channels],
        timeline.duration,
        timeline.emotions,
        "Emotions by segment, and their probabilities by window",
        f"{Path(timeline.path).name}, judged by {timeline.model}: each segment as a whole, each window by itself. "
        "Pale: voice activity finds nobody speaking. The model learnt from acted speech; what is shown is expression "
        "as it hears it, and can be wrong.",
    )
    return plots.png(figure)


def _track(channel: Channel, emotions: tuple[str, ...]) -> plots.Track:
    windows = spans(channel, windows=True)
    return plots.Track(
        channel.name,
        np.array(channel.envelope),
        channel.envelope_step,
        [(start, end, segment.emotion) for start, end, segment in spans(channel) if segment.confidence > 0],
        np.array([(start, end) for start, end, _ in windows]).reshape(-1, 2),
        np.array([list(window.probabilities.values()) for _, _, window in windows]).reshape(-1, len(emotions)),
    )
