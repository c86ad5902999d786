"""Files of labels that other programs open: WebVTT, RTTM, Audacity's labels, Praat's TextGrid.

WebVTT, RTTM and Audacity's labels hold the stretches with speech of all channels, by their start; a TextGrid has a tier
for every channel's segments and one for its windows, from the beginning to the end. A window stands for the time up to
the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from vocalics.recognizer import Prediction
from vocalics.timeline.recording import Timeline
from vocalics.timeline.stretches import spans, stretches

_LEAST = 1e-4  # seconds: a gap that is shorter comes from rounding


def webvtt(timeline: Timeline, windows: bool = False) -> str:
    """Return subtitles (WebVTT, W3C 2019): a cue per stretch, the channel as its voice: ``<v left>angry 83%``."""
    lines = ["WEBVTT", "", f"NOTE {_one_line(Path(timeline.path).name)}, judged by {_one_line(timeline.model)}", ""]
    for stretch in stretches(timeline, windows):
        start, end = round(1000 * stretch.start), round(1000 * stretch.end)
        lines += [
            f"{_timestamp(start)} --> {_timestamp(max(end, start + 1))}",
            f"<v {stretch.channel}>{stretch.words}",
            "",
        ]
    return "\n".join(lines)


def rttm(timeline: Timeline, windows: bool = False) -> str:
    """Return rich transcription time marks (RTTM, NIST, RT-09 evaluation plan, appendix A): ten fields a line.

    Type SPEAKER; the file's name without its ending; the channel's number from 1; start and length in seconds; no
    orthography; the emotion as subtype; the channel's name as speaker; the emotion's probability as confidence; no
    signal look-ahead. Programs that read who speaks when pass over the subtype. Spaces in a name are underscores.
    """
    file = _word(Path(timeline.path).stem)
    lines = [
        f"SPEAKER {file} {s.number} {s.start:.3f} {s.end - s.start:.3f} <NA> {_word(s.prediction.label)} "
        f"{_word(s.channel)} {s.prediction.confidence:.4f} <NA>\n"
        for s in stretches(timeline, windows)
    ]
    return "".join(lines)


def audacity(timeline: Timeline, windows: bool = False) -> str:
    """Return a label track of Audacity: start, end and label between tabs, a line per stretch.

    A label is the emotion and its probability, after the channel's name where there are several.
    """
    several = len(timeline.channels) > 1
    lines = [
        f"{s.start:.6f}\t{s.end:.6f}\t{f'{s.channel}: ' if several else ''}{s.words}\n"
        for s in stretches(timeline, windows)
    ]
    return "".join(lines)


def textgrid(timeline: Timeline, windows: bool = True) -> str:
    """Return a TextGrid of Praat in its long form: interval tiers without gaps from 0 to the recording's end.

    A channel has the tier "left segments", and "left windows" too. An interval's text is the emotion, empty where
    nobody speaks.

    Args:
        timeline: The recording.
        windows: Whether the windows have tiers.
    """
    end = timeline.duration
    tiers = [
        (f"{channel.name} {kind}", list(_intervals(spans(channel, of_windows), end)))
        for channel in timeline.channels
        for kind, of_windows in (("segments", False), ("windows", True))
        if windows or not of_windows
    ]
    head = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", f"xmax = {end:.6f} ",
        "tiers? <exists> ", f"size = {len(tiers)} ", "item []: ",
    ]  # fmt: skip
    return "\n".join([*head, *chain.from_iterable(_tier(i, *tier, end) for i, tier in enumerate(tiers, 1))]) + "\n"


def _tier(number: int, name: str, intervals: list[tuple[float, float, str]], end: float) -> Iterator[str]:
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier" '
    yield f"        name = {_quoted(name)} "
    yield "        xmin = 0 "
    yield f"        xmax = {end:.6f} "
    yield f"        intervals: size = {len(intervals)} "
    for i, (first, last, words) in enumerate(intervals, 1):
        yield f"        intervals [{i}]:"
        yield f"            xmin = {first:.6f} "
        yield f"            xmax = {last:.6f} "
        yield f"            text = {_quoted(words)} "


def _intervals(marked: list[tuple[float, float, Prediction]], end: float) -> Iterator[tuple[float, float, str]]:
    """Intervals without gaps from 0 to ``end``; empty ones fill up."""
    position = 0.0
    for start, stop, prediction in marked:
        start, stop = max(start, position), min(stop, end)
        if start - position >= _LEAST:
            yield position, start, ""
            position = start
        if end - stop < _LEAST:
            stop = end
        if stop - position >= _LEAST:
            yield position, stop, prediction.label if prediction.confidence > 0 else ""
            position = stop
    if end > position:
        yield position, end, ""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _word(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip()) or "-"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("-->", "->")


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
