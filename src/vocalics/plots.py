"""Figures, and the only place that knows matplotlib.

Every function returns a ``matplotlib.figure.Figure`` drawn without a screen; :func:`save` writes it. Colours can be
told apart with the common colour-vision deficiencies (Okabe and Ito, 2008), and no figure says a thing by hue alone.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vocalics.audio import Clip
from vocalics.errors import MissingExtraError, VocalicsError
from vocalics.evaluation import EvaluationReport

PALETTE: dict[str, str] = {
    "neutral": "#CDCDCD",
    "calm": "#56B4E9",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "angry": "#D55E00",
    "fear": "#CC79A7",
    "disgust": "#009E73",
    "surprise": "#F0E442",
    "boredom": "#333333",
}
"""One colour per emotion, in every figure."""

INK, FAINT = "#222222", "#8A8A8A"
_DPI = 150
_MAX_COLUMNS = 2000


def require() -> None:
    """Raise :class:`MissingExtraError` where matplotlib is not installed; for use before long work."""
    _figure(1, 1)


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole or not at all."""
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    figure.savefig(part, format="png", dpi=_DPI, metadata={"Software": "vocalics"})
    part.replace(target)


def confusion_matrix(report: EvaluationReport) -> Any:
    """Draw the confusion matrix: shade and large figure are % of the row, the small figure is clips."""
    n = len(report.emotions)
    percent, counts = report.row_percent, report.counts
    columns = [*report.emotions]
    if report.n_no_speech:
        columns.append("no speech")
    percent, counts = percent[:, : len(columns)], counts[:, : len(columns)]
    figure = _figure(2.3 + 0.72 * len(columns), 2.4 + 0.6 * n)
    axes = figure.add_subplot()
    axes.imshow(np.nan_to_num(percent), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(percent.shape):
        value = percent[row, column]
        dark = np.nan_to_num(value) > 62
        hit = row == column
        if np.isnan(value):
            axes.text(column, row, "–", ha="center", va="center", color=FAINT, fontsize=9)
            continue
        colour = "white" if dark else INK if counts[row, column] else FAINT
        axes.text(
            column, row - 0.1, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=11,
            fontweight="bold" if hit else "normal",
        )  # fmt: skip
        axes.text(column, row + 0.28, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), [f"{e} ({s.support:,})" for e, s in zip(report.emotions, report.by_emotion, strict=True)])
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction (% of the truth; clips below)")
    axes.set_ylabel("truth (clips)")
    return _titled(figure, axes, f"Confusion: {report.model}", report.caption)


def reliability(report: EvaluationReport) -> Any:
    """Draw accuracy over confidence, with the clips per bin below.

    Raises:
        VocalicsError: When the report was made without probabilities.
    """
    bins = report.bins
    if bins is None or report.calibration_error is None:
        raise VocalicsError("this report holds no probabilities; evaluate with probabilities to see their reliability")
    figure = _figure(6.0, 5.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled, width = bins.n > 0, np.diff(bins.edges)
    left = bins.edges[:-1]
    upper.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="perfectly calibrated")
    upper.bar(
        left[filled],
        bins.accuracy[filled],
        width[filled],
        align="edge",
        color="#A9CBE3",
        edgecolor="white",
        label="hits",
    )
    upper.plot(
        bins.confidence[filled], bins.accuracy[filled], color=PALETTE["sad"], marker="o", markersize=4.5,
        label=f"model (calibration error {100 * report.calibration_error:.1f} %)",
    )  # fmt: skip
    upper.set(ylabel="share of hits", ylim=(0, 1.02), xlim=(0, 1))
    upper.legend(frameon=False, loc="upper left", fontsize=8)
    lower.bar(left, bins.n, width, align="edge", color=FAINT, edgecolor="white")
    lower.set(xlabel="confidence (the largest probability)", ylabel="clips")
    for axes in (upper, lower):
        _plain_axes(axes)
    return _titled(figure, upper, f"Reliability: {report.model}", report.caption)


def learning_curves(history: Sequence[Mapping[str, float]], title: str = "Learning curves", caption: str = "") -> Any:
    """Draw losses and scores over epochs, and mark the best epoch by ``valid_uar`` (or ``validation_uar``).

    Args:
        history: One mapping per epoch; keys that end in "loss" go to one panel, those that end in "uar" or "accuracy"
            to the other, "rate" or "learning_rate" to a small third. The key "epoch" counts from 1 where absent.
        title: The heading.
        caption: Corpus, protocol, classes, speakers.

    Raises:
        VocalicsError: For an empty history.
    """
    if not history:
        raise VocalicsError("the history is empty; expected one entry per epoch")
    keys = list(dict.fromkeys(key for row in history for key in row))
    epochs = np.array([row.get("epoch", i) for i, row in enumerate(history, start=1)], dtype=float)
    losses = [k for k in keys if k.endswith("loss")]
    scores = [k for k in keys if k.endswith(("uar", "accuracy"))]
    rates = [k for k in keys if k in ("rate", "learning_rate")]
    panels = [(k, y) for k, y in ((losses, "loss"), (scores, "score, %"), (rates, "learning rate")) if k]
    if not panels:
        raise VocalicsError(f"the history holds {', '.join(keys)}; expected keys that end in loss, uar or accuracy")
    figure = _figure(7.2, 1.4 + 1.9 * len(panels))
    heights = [1 if label == "learning rate" else 2 for _, label in panels]
    drawn = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True, height_ratios=heights))
    styles = (
        ("train", FAINT, "--"),
        ("valid", PALETTE["sad"], "-"),
        ("test", PALETTE["angry"], "-."),
        ("", PALETTE["disgust"], ":"),
    )
    best = None
    judge = next((k for k in ("valid_uar", "validation_uar") if k in keys), None)
    if judge is not None:
        best = int(np.nanargmax([row.get(judge, np.nan) for row in history]))
    for axes, (names, label) in zip(drawn, panels, strict=True):
        factor = 100.0 if label.startswith("score") else 1.0
        for name in names:
            values = factor * np.array([row.get(name, np.nan) for row in history], dtype=float)
            _, colour, line = next(s for s in styles if name.startswith(s[0]))
            alpha = 0.45 if name.endswith("accuracy") else 1.0
            steps = "steps-post" if name in rates else "default"
            axes.plot(epochs, values, color=colour, linestyle=line, alpha=alpha, drawstyle=steps,
                      label=name.replace("valid_", "validation_").replace("_", " ").replace("uar", "UAR"),
                      marker="o" if len(epochs) < 2 else None)  # fmt: skip
            if name == judge and best is not None:
                axes.plot(epochs[best], values[best], "o", color=colour, markersize=6)
                axes.annotate(
                    f"best: {values[best]:.1f} % at epoch {epochs[best]:g}", (epochs[best], values[best]),
                    xytext=(0, 8), textcoords="offset points", ha="right" if best > len(epochs) / 2 else "left",
                    fontsize=8,
                )  # fmt: skip
        if label == "learning rate":
            axes.set_yscale("log")
        axes.set_ylabel(label)
        axes.margins(y=0.2)
        if best is not None:
            axes.axvline(epochs[best], color=FAINT, linewidth=0.8, linestyle=":")
        if label != "learning rate":
            axes.legend(frameon=False, fontsize=8, loc="best")
        _plain_axes(axes)
    drawn[-1].set_xlabel("epoch")
    drawn[-1].xaxis.get_major_locator().set_params(integer=True)
    return _titled(figure, drawn[0], title, caption)


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
    figure = _figure(9.0, 4.0)
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
    _plain_axes(axes)
    return _titled(figure, axes, title, caption, pad=18)


def waveform(clip: Clip, title: str = "Waveform", caption: str = "") -> Any:
    """Draw a clip's samples; a long one as the envelope of its extremes."""
    if not len(clip.samples):
        raise VocalicsError("the clip holds no samples; expected sound")
    figure = _figure(9.0, 2.8)
    axes = figure.add_subplot()
    per_column = max(1, len(clip.samples) // _MAX_COLUMNS)
    if per_column == 1:
        axes.plot(np.arange(len(clip.samples)) / clip.sample_rate, clip.samples, color=PALETTE["sad"], linewidth=0.7)
    else:
        whole = clip.samples[: len(clip.samples) // per_column * per_column].reshape(-1, per_column)
        time = np.arange(len(whole)) * per_column / clip.sample_rate
        axes.fill_between(time, whole.min(axis=1), whole.max(axis=1), color=PALETTE["sad"], linewidth=0.3)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set(xlim=(0, clip.duration), xlabel="time, s", ylabel="amplitude (full scale 1)")
    limit = max(float(np.abs(clip.samples).max()) * 1.08, 1e-3)
    axes.set_ylim(-limit, limit)
    _plain_axes(axes)
    return _titled(figure, axes, title, caption)


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
    size = max(16, round(window_seconds * clip.sample_rate))
    n_fft = 2 ** int(np.ceil(np.log2(size)))
    samples = np.pad(clip.samples, size // 2, mode="constant")
    hop = max(1, round(0.01 * clip.sample_rate), len(samples) // _MAX_COLUMNS)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, n_fft, axis=1)).T ** 2
    peak = max(float(power.max()), 1e-12)
    level_db = 10 * np.log10(np.maximum(power / peak, 1e-8))
    figure = _figure(9.0, 3.6)
    axes = figure.add_subplot()
    image = axes.imshow(
        level_db, origin="lower", aspect="auto", cmap="magma", vmin=-80, vmax=0, interpolation="nearest",
        extent=(0, clip.duration, 0, clip.sample_rate / 2000),
    )  # fmt: skip
    figure.colorbar(image, ax=axes, label="dB relative to the peak", pad=0.015)
    axes.set(xlabel="time, s", ylabel="frequency, kHz", ylim=(0, min(clip.sample_rate / 2000, 11.025)))
    return _titled(figure, axes, title, caption)


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


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing a figure", "train") from None
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _plain_axes(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def _titled(figure: Any, axes: Any, title: str, caption: str, pad: float = 8) -> Any:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=pad)
    if caption:
        n_letters = int(16 * figure.get_size_inches()[0])
        lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, n_letters) or [""]]
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color="#555555")
    return figure
