"""Sound: waveform, spectrogram, and the emotions heard over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import VocalicsError
from vocalics.plots.canvas import INK, PALETTE, blank, plain_axes, titled

_MAX_COLUMNS, _FEW_COLUMNS = 2000, 400


def waveform(clip: Clip, title: str = "Waveform", caption: str = "") -> Any:
    """Draw a clip's samples; a long one as the envelope of its extremes."""
    if not len(clip.samples):
        raise VocalicsError("the clip holds no samples; expected sound")
    figure = blank(9.0, 2.8)
    axes = figure.add_subplot()
    _draw_wave(axes, clip, _MAX_COLUMNS)
    axes.set(xlabel="time, s", ylabel="amplitude (full scale 1)")
    plain_axes(axes)
    return titled(figure, axes, title, caption)


def spectrogram(clip: Clip, title: str = "Spectrogram", caption: str = "", window_seconds: float = 0.025) -> Any:
    """Draw a clip's power spectrum over time in dB below its loudest point, 80 dB deep, Hann windows.

    Args:
        clip: The sound.
        title: The heading.
        caption: The recording.
        window_seconds: Length of a window; the hop is 10 ms, or longer where the clip is.
    """
    if not len(clip.samples):
        raise VocalicsError("the clip holds no samples; expected sound")
    level_db = _levels(clip, window_seconds, _MAX_COLUMNS)
    figure = blank(9.0, 3.6)
    axes = figure.add_subplot()
    image = axes.imshow(
        level_db, origin="lower", aspect="auto", cmap="magma", vmin=-80, vmax=0, interpolation="nearest",
        extent=(0, clip.duration, 0, clip.sample_rate / 2000),
    )  # fmt: skip
    figure.colorbar(image, ax=axes, label="dB relative to the peak", pad=0.015)
    axes.set(xlabel="time, s", ylabel="frequency, kHz", ylim=(0, min(clip.sample_rate / 2000, 11.025)))
    return titled(figure, axes, title, caption)


def sound(clip: Clip, title: str = "", caption: str = "") -> Any:
    """Draw a clip's waveform above its spectrogram (80 dB deep) on one time axis, small: one of many on a page."""
    if not len(clip.samples):
        raise VocalicsError("the clip holds no samples; expected sound")
    figure = blank(4.4, 2.7)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    _draw_wave(upper, clip, _FEW_COLUMNS)
    lower.imshow(
        _levels(clip, 0.025, _FEW_COLUMNS), origin="lower", aspect="auto", cmap="magma", vmin=-80, vmax=0,
        extent=(0, clip.duration, 0, clip.sample_rate / 2000),
    )  # fmt: skip
    upper.set_ylabel("amplitude", fontsize=8.5)
    lower.set(ylim=(0, min(clip.sample_rate / 2000, 8.0)))
    lower.set_ylabel("kHz", fontsize=8.5)
    lower.set_xlabel("time, s", fontsize=8.5)
    for axes in (upper, lower):
        axes.tick_params(labelsize=8)
    plain_axes(upper)
    return titled(figure, upper, title, caption) if title or caption else figure


def timeline(
    start: npt.ArrayLike,
    end: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    emotions: Sequence[str],
    title: str = "Emotion over time",
    caption: str = "",
) -> Any:
    """Draw each emotion's probability over a recording, stacked to 1; windows without speech stay hatched.

    Args:
        start: Beginning of each window in seconds, shape (n,), rising.
        end: End of each window in seconds, shape (n,). Where windows overlap, each is drawn up to the next one's start.
        probabilities: Shape (n, n_emotions); a row of NaN or zeros is "no speech".
        emotions: The columns.
        title: The heading.
        caption: The recording and the model.

    Raises:
        VocalicsError: For shapes that do not fit.
    """
    first, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    chances = np.asarray(probabilities, dtype=float)
    if chances.shape != (len(first), len(emotions)) or last.shape != first.shape or not len(first):
        raise VocalicsError(f"probabilities of shape {chances.shape}; expected ({len(first)}, {len(emotions)})")
    until = last.copy()
    until[:-1] = np.minimum(last[:-1], first[1:])
    figure = blank(9.0, 4.0)
    axes = figure.add_subplot()
    speech = np.nan_to_num(chances).sum(axis=1) > 0
    floor = np.zeros(len(first))
    for emotion, column in zip(emotions, np.where(speech[:, None], chances, 0.0).T, strict=True):
        axes.bar(
            first, column, until - first, bottom=floor, align="edge", color=PALETTE[emotion], label=emotion,
            linewidth=0, antialiased=False,
        )  # fmt: skip
        floor = floor + column
    silent = ~speech
    if silent.any():
        axes.bar(
            first[silent], 1.0, (until - first)[silent], align="edge", color="white", edgecolor="#CCCCCC", hatch="///",
            linewidth=0, label="no speech",
        )  # fmt: skip
    _name_longest_runs(axes, first, until, chances, speech, emotions)
    axes.set(xlim=(first[0], last[-1]), ylim=(0, 1), xlabel="time, s", ylabel="probability")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5)
    plain_axes(axes)
    return titled(figure, axes, title, caption, pad=18)


def _name_longest_runs(
    axes: Any, first: Any, until: Any, chances: Any, speech: npt.NDArray[np.bool_], emotions: Sequence[str]
) -> None:
    """Write the leading emotion above each stretch that it leads and that is wide enough to hold the word."""
    leader = np.where(speech, np.where(speech[:, None], chances, 0.0).argmax(axis=1), -1)
    edges = np.flatnonzero(np.diff(leader)) + 1
    span = until[-1] - first[0]
    for begin, stop in zip([0, *edges], [*edges, len(leader)], strict=True):
        width = until[stop - 1] - first[begin]
        if leader[begin] >= 0 and width > 0.07 * span:
            axes.text(
                (first[begin] + until[stop - 1]) / 2, 1.02, emotions[leader[begin]], ha="center", va="bottom",
                fontsize=8, color=INK,
            )  # fmt: skip


def _draw_wave(axes: Any, clip: Clip, n_columns: int) -> None:
    """Draw samples, or the envelope of their extremes where there are more than columns."""
    per_column = max(1, len(clip.samples) // n_columns)
    if per_column == 1:
        axes.plot(np.arange(len(clip.samples)) / clip.sample_rate, clip.samples, color=PALETTE["sad"], linewidth=0.7)
    else:
        whole = clip.samples[: len(clip.samples) // per_column * per_column].reshape(-1, per_column)
        time = np.arange(len(whole)) * per_column / clip.sample_rate
        axes.fill_between(time, whole.min(axis=1), whole.max(axis=1), color=PALETTE["sad"], linewidth=0.3)
    axes.axhline(0, color=INK, linewidth=0.5)
    limit = max(float(np.abs(clip.samples).max()) * 1.08, 1e-3)
    axes.set(xlim=(0, clip.duration), ylim=(-limit, limit))


def _levels(clip: Clip, window_seconds: float, n_columns: int) -> npt.NDArray[np.floating]:
    """Return the power of Hann windows in dB below the loudest, at least -80, shape (n_bins, about n_columns)."""
    size = max(16, round(window_seconds * clip.sample_rate))
    n_fft = 2 ** int(np.ceil(np.log2(size)))
    samples = np.pad(clip.samples, size // 2, mode="constant")
    hop = max(1, round(0.01 * clip.sample_rate), len(samples) // n_columns)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, n_fft, axis=1)).T ** 2
    peak = max(float(power.max()), 1e-12)
    return np.asarray(10 * np.log10(np.maximum(power / peak, 1e-8)))
