"""The drawing of a page: waveforms, segments and probabilities as shapes that stretch with the page's width.

Every strip is an ``<svg>`` of 1,000 by 100 units without words: x is the time from 0 to the recording's end. Words
stand above the strips as elements of the page, placed in per cent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vocalics.markup import text
from vocalics.plots import FAINT, PALETTE
from vocalics.timeline.recording import Channel, Timeline
from vocalics.timeline.stretches import spans

MOST_COLUMNS = 2000
"""Of probabilities; where there are more windows, neighbours are averaged."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds between two ticks
_FEW_TICKS = 6


def chart(timeline: Timeline) -> str:
    """Return all channels, one below the other, on one axis of time."""
    rows = "".join(_row(i, channel, timeline) for i, channel in enumerate(timeline.channels))
    return (
        '<div class="chart" id="chart"><div class="wide" id="wide" tabindex="0" role="slider" aria-label="Position" '
        f'aria-valuemin="0" aria-valuemax="{timeline.duration:.1f}" aria-valuenow="0" aria-valuetext="0:00">{rows}'
        f'<div class="axis" id="axis" aria-hidden="true">{_ticks(timeline.duration)}</div>'
        '<div class="head" id="head" aria-hidden="true"></div></div></div>'
    )


def colour(label: str) -> str:
    """Return an emotion's colour, or that of a label that names none."""
    return PALETTE.get(label, FAINT)


def clock(seconds: float) -> str:
    """Return a time as 0:07 or 1:02:03; tenths are cut off."""
    minutes, second = divmod(int(seconds + 1e-6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def _row(number: int, channel: Channel, timeline: Timeline) -> str:
    duration = timeline.duration
    spoken = [segment for segment in channel.segments if segment.confidence > 0]
    ends = [*(segment.start for segment in spoken), duration][1:]  # a word may reach to the next one
    words = "".join(
        f'<span style="left:{100 * s.start / duration:.3f}%;width:{100 * (end - s.start) / duration:.3f}%">'
        f"{text(s.label)}</span>"
        for s, end in zip(spoken, ends, strict=True)
    )
    bars = "".join(
        f'<path d="M{_x(s.start, duration)} 0H{_x(s.end, duration)}V100H{_x(s.start, duration)}Z" '
        f'fill="{colour(s.label)}"/>'
        for s in spoken
    )
    return (
        f'<div class="track" data-channel="{number}"><div class="name">{text(channel.name)}</div>'
        f'<div class="words" aria-hidden="true">{words}</div>{_svg("wave", _wave(channel, duration))}'
        f"{_svg('lane', bars)}{_svg('chances', _chances(channel, timeline))}</div>"
    )


def _svg(kind: str, shapes: str) -> str:
    return f'<svg class="{kind}" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>'


def _x(seconds: float, duration: float) -> str:
    return f"{1000 * seconds / duration:.2f}".rstrip("0").rstrip(".")


def _wave(channel: Channel, duration: float) -> str:
    """The envelope, mirrored: all of it faint, and each segment's part in its colour."""
    levels = np.array(channel.envelope)
    heights = 48 * levels / max(float(levels.max(initial=0)), 1e-3)
    time = np.minimum((np.arange(len(levels)) + 0.5) * channel.envelope_step, duration)
    shapes = [f'<path class="quiet" d="{_mirrored(time, heights, duration)}"/>']
    for segment in channel.segments:
        if segment.confidence > 0:
            inside = (time > segment.start) & (time < segment.end)
            drawn = _mirrored(time[inside], heights[inside], duration)
            shapes.append(f'<path class="spoken" fill="{colour(segment.label)}" d="{drawn}"/>')
    return "".join(shapes)


def _mirrored(time: npt.NDArray[np.floating], heights: npt.NDArray[np.floating], duration: float) -> str:
    if not len(time):
        return ""
    there = [f"{_x(t, duration)} {50 - h:.1f}" for t, h in zip(time, heights, strict=True)]
    back = [f"{_x(t, duration)} {50 + h:.1f}" for t, h in zip(time[::-1], heights[::-1], strict=True)]
    return f"M{'L'.join([*there, *back])}Z"


def _chances(channel: Channel, timeline: Timeline) -> str:
    """Probabilities stacked to 1: each emotion's shape reaches down to the bottom, and later ones hide the rest."""
    windows = spans(channel, windows=True)
    if not windows:
        return ""
    edges = np.array([start for start, _, _ in windows] + [windows[-1][1]])
    chances = np.array([list(window.probabilities.values()) for _, _, window in windows])
    every = -(-len(windows) // MOST_COLUMNS)
    edges = np.append(edges[:-1:every], edges[-1])
    chances = np.array([chances[i : i + every].mean(axis=0) for i in range(0, len(chances), every)])
    tops = np.cumsum(chances, axis=1)
    shapes = [
        f'<path fill="{colour(emotion)}" d="{_steps(edges, top, timeline.duration)}"/>'
        for emotion, top in reversed(list(zip(timeline.emotions, tops.T, strict=True)))
    ]
    return "".join(shapes) + _pale(channel, timeline.duration)


def _pale(channel: Channel, duration: float) -> str:
    """A veil between the segments: what is heard there is an echo, the other party or a noise."""
    spoken = [segment for segment in channel.segments if segment.confidence > 0]
    edges = [0.0, *(edge for segment in spoken for edge in (segment.start, segment.end)), duration]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    drawn = "".join(f"M{_x(start, duration)} 0H{_x(end, duration)}V100H{_x(start, duration)}Z" for start, end in gaps)
    return f'<path class="pale" d="{drawn}"/>'


def _steps(edges: npt.NDArray[np.floating], tops: Sequence[float], duration: float) -> str:
    parts = [f"V{100 - 100 * top:.1f}H{_x(end, duration)}" for top, end in zip(tops, edges[1:], strict=True)]
    return f"M{_x(edges[0], duration)} 100{''.join(parts)}V100Z"


def _ticks(duration: float) -> str:
    step = next((step for step in _STEPS if duration / step <= _FEW_TICKS), _STEPS[-1])
    return "".join(
        f'<span style="left:{100 * second / duration:.3f}%">{clock(second)}</span>'
        for second in range(0, int(duration) + 1, step)
    )
