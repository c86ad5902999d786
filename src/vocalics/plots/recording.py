"""A long recording: every channel's waveform coloured by emotion, and the probabilities below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.plots.canvas import (
    FAINT,
    INK,
    PALETTE,
    PAPER,
    RULE,
    SOFT,
    blank,
    captioned,
    plain,
    plain_axes,
    title_lines,
)

_WIDTH, _ROW = 11.0, 3.1  # inches
_PER_LETTER = 0.0075  # of the panel's width
_PALE = 0.78  # how much of a colour is taken away where nobody speaks
_MANY = 80  # stretches: outlines of more would hide their colours
_STEPS, _MOST_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200), 12  # seconds between ticks


@dataclass(frozen=True, eq=False)
class Track:
    """One channel.

    Attributes:
        name: What it is called.
        envelope: Peak levels, full scale 1, shape (n,).
        step: Seconds of each.
        stretches: (start, end, emotion) of what was spoken, in seconds, without overlap; an emotion of ``None`` where
            none is named.
        windows: (start, end) in seconds, shape (n_windows, 2), each begins where the one before ends.
        probabilities: Shape (n_windows, n_emotions); a row of zeros holds no speech.
    """

    name: str
    envelope: npt.NDArray[np.floating]
    step: float
    stretches: Sequence[tuple[float, float, str | None]]
    windows: npt.NDArray[np.floating]
    probabilities: npt.NDArray[np.floating]


def recording(
    tracks: Sequence[Track], duration: float, emotions: Sequence[str], title: str = "", caption: str = ""
) -> Any:
    """Draw a recording, a row per channel: its waveform in the colours of the emotions, their probabilities below.

    As many stretches as there is room for, the longest first, are named by a word too. Between stretches the
    probabilities are pale.

    Args:
        tracks: The channels, at least one.
        duration: Of the recording, in seconds.
        emotions: The columns of the probabilities.
        title: The heading.
        caption: The recording and the model.
    """
    figure = blank(_WIDTH, 0.9 + _ROW * len(tracks))
    panels = figure.subplots(
        2 * len(tracks), 1, sharex=True, squeeze=False, height_ratios=[1.0, 1.0] * len(tracks)
    )[:, 0]  # fmt: skip
    for i, track in enumerate(tracks):
        _wave(panels[2 * i], track, duration)
        _chances(panels[2 * i + 1], track, emotions, duration)
    bottom = panels[-1]
    step = next((step for step in _STEPS if duration / step <= _MOST_TICKS), _STEPS[-1])
    ticks = np.arange(0, duration + 1e-6, step)
    bottom.set(xlim=(0, duration), xlabel="time, min:s")
    bottom.set_xticks(ticks, [f"{int(tick) // 60}:{int(tick) % 60:02}" for tick in ticks])
    handles, names = panels[1].get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], frameon=False, loc="outside right upper", fontsize=8.5)
    if title:
        panels[0].set_title(title_lines(figure, title), loc="left", fontsize=12, fontweight="bold", color=INK, pad=20)
    return captioned(figure, caption)


def _wave(axes: Any, track: Track, duration: float) -> None:
    time = (np.arange(len(track.envelope)) + 0.5) * track.step
    limit = max(float(track.envelope.max(initial=0)) * 1.08, 1e-3)
    axes.fill_between(time, -track.envelope, track.envelope, color=RULE, linewidth=0)
    for start, end, emotion in track.stretches:
        inside = (time + track.step / 2 > start) & (time - track.step / 2 < end)
        colour = FAINT if emotion is None else PALETTE[emotion]
        axes.fill_between(
            time[inside], -track.envelope[inside], track.envelope[inside], facecolor=colour, edgecolor=INK,
            linewidth=0.2 if len(track.stretches) < _MANY else 0,
        )  # fmt: skip
    _words(axes, [s for s in track.stretches if s[2] is not None], limit, duration)
    axes.set(ylim=(-limit, limit), yticks=[])
    axes.set_ylabel(plain(track.name), fontsize=10, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _words(axes: Any, stretches: Sequence[tuple[float, float, str | None]], height: float, end: float) -> None:
    """Name the stretches above the panel, as many as have room beside each other; the longest first."""
    taken: list[tuple[float, float]] = []
    for start, stop, emotion in sorted(stretches, key=lambda stretch: stretch[0] - stretch[1]):
        word = emotion or ""
        half, gap = _PER_LETTER * len(word) * end / 2, _PER_LETTER * end
        middle = min(max((start + stop) / 2, half), end - half)
        if all(middle + half + gap <= left or right + gap <= middle - half for left, right in taken):
            axes.text(middle, height * 1.02, word, ha="center", va="bottom", fontsize=7.5, color=SOFT)
            taken.append((middle - half, middle + half))


def _chances(axes: Any, track: Track, emotions: Sequence[str], duration: float) -> None:
    # One shape per emotion, not one bar per window: a recording of hours has thousands.
    edges = np.append(track.windows[:, 0], track.windows[-1:, 1])
    floor = np.zeros(len(edges))
    for emotion, column in zip(emotions, track.probabilities.T, strict=True):
        top = floor + np.append(column, column[-1:])
        axes.fill_between(
            edges, floor, top, step="post", color=PALETTE[emotion], label=emotion, linewidth=0, antialiased=False
        )
        floor = top
    # What is heard between the stretches is an echo, the other party or a noise: it is there, but pale.
    turns = [0.0, *(edge for start, end, _ in track.stretches for edge in (start, end)), duration]
    for start, end in zip(turns[::2], turns[1::2], strict=True):
        axes.axvspan(start, end, facecolor=PAPER, alpha=_PALE, linewidth=0, zorder=2)
    axes.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    axes.set_ylabel("probability", fontsize=8, color=SOFT)
    axes.tick_params(labelsize=8)
    plain_axes(axes)
