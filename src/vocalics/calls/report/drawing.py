"""The drawings of a report: shapes that stretch with the page; words stand beside them as elements of the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from vocalics.calls.call import Party, Track, Turn
from vocalics.calls.report.intervals import Estimate, Values
from vocalics.calls.report.values import Period
from vocalics.markup import counted, text
from vocalics.timeline.chart import colour

MOST_COLUMNS = 240
"""Of a strip; of more windows, neighbours are averaged."""

_WIDTH, _HEIGHT, _MARGIN = 1000, 100, 0.03


def percent(value: float | None) -> str:
    """Return a share as words.

    >>> percent(0.256)
    '26 %'
    """
    return "–" if value is None else f"{100 * value:.0f} %"


def ends(estimate: Estimate) -> str:
    """Return an interval as words, a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f} %"


def top(periods: Sequence[Period]) -> float:
    """Return the end of an axis that holds all means and intervals: a multiple of 0.2, at most 1."""
    values = [e.high or e.value or 0.0 for period in periods for e in period.emotions.values()]
    return float(min(1.0, max(0.2, 0.2 * np.ceil(max(values, default=0.0) / 0.2 - 1e-9))))


def panel(periods: Sequence[Period], emotion: str, highest: float, unit: str) -> str:
    """Return an emotion's means with their intervals over time; grey where there are few calls."""
    shapes = [_grid(i / 2) for i in (0, 1, 2)]
    for period, x in zip(periods, _places(periods), strict=True):
        estimate = period.emotions.get(emotion)
        if estimate is None or estimate.value is None:
            continue
        y = _y(estimate.value / highest)
        words = f"{name(period, unit)}: {emotion} {percent(estimate.value)}, {counted(round(estimate.n), 'call')}"
        if estimate.low is None or estimate.high is None:
            kind, whisker = "few", ""
            words += ", too few for an interval"
        else:
            kind = "enough"
            whisker = f'<path class="whisker" d="M{x} {_y(estimate.low / highest)}V{_y(estimate.high / highest)}"/>'
            words += f", {ends(estimate)}"
        dot = f'<path class="ring" d="M{x} {y}h0"/><path class="dot" stroke="{colour(emotion)}" d="M{x} {y}h0"/>'
        shapes.append(
            f'<g class="{kind}"><title>{text(words)}</title><path class="hit" d="M{x} 0V100"/>{whisker}{dot}</g>'
        )
    return _svg("panel", "".join(shapes))


def bars(periods: Sequence[Period], least: int, unit: str) -> str:
    """Return how many calls there are over time, in which a customer is heard."""
    highest = max((period.n_heard for period in periods), default=0) or 1
    shapes = [_grid(i / 2) for i in (0, 1, 2)]
    for period, x in zip(periods, _places(periods), strict=True):
        kind = "enough" if period.n_heard >= least else "few"
        words = f"{name(period, unit)}: {counted(period.n_heard, 'call')} in which a customer is heard"
        shapes.append(
            f'<g class="{kind}"><title>{text(words)}</title><path class="hit" d="M{x} 0V100"/>'
            f'<path class="bar" d="M{x} 100V{_y(period.n_heard / highest)}"/></g>'
        )
    return _svg("panel", "".join(shapes))


def name(period: Period, unit: str) -> str:
    """Return a period's name: 2026-03-31, the week from that day on, or 2026-03."""
    if unit == "month":
        return f"{period.start:%Y-%m}"
    return period.start.isoformat() if unit == "day" else f"week of {period.start.isoformat()}"


def span(share: float, low: float, high: float) -> str:
    """Return a share with its interval on an axis from 0 to 1, with a line in the middle."""
    x, a, b = (round(_WIDTH * value) for value in (share, low, high))
    return _svg(
        "span",
        f'<path class="rule" d="M0 50H1000M500 0V100"/><path class="whisker" d="M{a} 50H{b}M{a} 25V75M{b} 25V75"/>'
        f'<path class="ring" d="M{x} 50h0"/><path class="dot" d="M{x} 50h0"/>',
    )


def strip(party: Party, turns: Sequence[Turn], emotions: Sequence[str], duration: float) -> str:
    """Return the course of a party's emotions: probabilities stacked to 1 where it speaks, nothing elsewhere.

    Of a party that was not judged, only where it has turns is drawn.
    """
    seconds = max(duration, 1e-6)
    own = [turn for turn in turns if turn.party == party.role]
    edges, chances = _columns(party.track)
    if not len(chances):
        spoken = [(round(_WIDTH * turn.start / seconds), round(_WIDTH * turn.end / seconds)) for turn in own]
        return _svg("strip", f'<path class="unjudged" d="{_boxes(spoken)}"/>' if spoken else "")
    every = -(-len(chances) // MOST_COLUMNS)
    edges = np.append(edges[:-1:every], edges[-1])
    chances = np.array([chances[i : i + every].mean(axis=0) for i in range(0, len(chances), every)])
    sums = chances.sum(axis=1, keepdims=True)
    tops = np.cumsum(np.divide(chances, sums, out=np.zeros_like(chances), where=sums > 0), axis=1)
    x = np.rint(_WIDTH * edges / seconds).astype(int).tolist()
    shapes = [
        f'<path fill="{colour(emotion)}" d="{_steps(x, tops[:, i].tolist())}"/>'
        for i, emotion in reversed(list(enumerate(emotions[: tops.shape[1]])))
    ]
    return _svg("strip", "".join(shapes) + _veil(own, seconds))


def place(seconds: float, duration: float) -> str:
    """Return where a time stands, in per cent of a call's length."""
    return f"{100 * min(max(seconds / max(duration, 1e-6), 0.0), 1.0):.2f}%"


def _svg(kind: str, shapes: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{shapes}</svg>"
    )


def _grid(share: float) -> str:
    return f'<path class="rule" d="M0 {_y(share)}H{_WIDTH}"/>'


def _y(share: float) -> str:
    return f"{_HEIGHT * (1 - share):.1f}".removesuffix(".0")


def _places(periods: Sequence[Period]) -> list[int]:
    """Where periods stand on the axis of time: by their days, so that days without calls leave a gap."""
    days = [_middle(period.start, period.end) for period in periods]
    first, length = days[0], (days[-1] - days[0]) or 1.0
    if len(days) == 1:
        return [_WIDTH // 2]
    return [round(_WIDTH * (_MARGIN + (1 - 2 * _MARGIN) * (day - first) / length)) for day in days]


def _middle(start: date, end: date) -> float:
    return (start.toordinal() + end.toordinal()) / 2


def _columns(track: Track) -> tuple[Values, Values]:
    """Windows without overlap: each ends where the next one begins; gaps between them are columns of nothing."""
    edges: list[float] = []
    chances: list[Sequence[float]] = []
    following = [*track.starts, float("inf")][1:]
    for start, end, after, values in zip(track.starts, track.ends, following, track.probabilities, strict=True):
        edges.append(start)
        chances.append(values)
        if end < after and after != float("inf"):
            edges.append(end)
            chances.append([0.0] * len(values))
    return np.array([*edges, *track.ends[-1:]]), np.array(chances)


def _steps(x: Sequence[int], tops: Sequence[float]) -> str:
    """Columns from the bottom up, one path; those without speech are left out."""
    parts, under = [], False
    for left, right, height in zip(x, x[1:], tops, strict=False):
        if height > 0:
            y = round(_HEIGHT * (1 - height))
            parts.append(f"{'' if under else f'M{left} {_HEIGHT}'}V{y}H{right}")
        elif under:
            parts.append(f"V{_HEIGHT}Z")
        under = height > 0
    return "".join(parts) + (f"V{_HEIGHT}Z" if under else "")


def _veil(turns: Sequence[Turn], seconds: float) -> str:
    """A veil where the party has no turn: what is heard there is an echo, the other party or a noise."""
    edges = [0.0, *(edge for turn in turns for edge in (turn.start, turn.end)), seconds]
    x = [round(_WIDTH * edge / seconds) for edge in edges]
    gaps = [(a, b) for a, b in zip(x[::2], x[1::2], strict=True) if b > a]
    return f'<path class="veil" d="{_boxes(gaps)}"/>' if gaps else ""


def _boxes(spans: Sequence[tuple[int, int]]) -> str:
    return "".join(f"M{a} 0H{b}V{_HEIGHT}H{a}Z" for a, b in spans)
