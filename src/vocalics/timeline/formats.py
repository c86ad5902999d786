"""A timeline as a file: one table of the formats, by name and by ending."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from vocalics import records
from vocalics.errors import UsageError, VocalicsError
from vocalics.files import replacing
from vocalics.registry import lookup
from vocalics.spreadsheets import cell, path_cell
from vocalics.timeline import labels
from vocalics.timeline.analysis import Source
from vocalics.timeline.page import page
from vocalics.timeline.picture import picture
from vocalics.timeline.recording import Timeline


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        title: What a reader knows it as.
        ending: Of a file's name, as it is written; any case is read.
        media_type: For a server.
        encode: Returns a timeline's file, given whether lines are windows instead of segments, and the recording (or
            ``None``) for a page that plays it.
    """

    title: str
    ending: str
    media_type: str
    encode: Callable[[Timeline, bool, Source | None], bytes]


def encode(timeline: Timeline, format: str, *, windows: bool = False, source: Source | None = None) -> bytes:
    """Return a timeline as the bytes of a file.

    Args:
        timeline: The recording.
        format: A name of ``FORMATS``.
        windows: Lines stand for windows instead of segments; JSON, TextGrid, PNG and HTML have both anyway.
        source: The recording, for a page that plays it.

    Raises:
        VocalicsError: For an unknown format.
        MissingExtraError: For a PNG, where matplotlib is not installed.
        AudioError: When the source of a page cannot be read.
    """
    return _known(format).encode(timeline, windows, source)


def write(
    timeline: Timeline,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    windows: bool = False,
    source: Source | None = None,
) -> None:
    """Write a timeline to a file, whole or not at all; the arguments and errors are those of :func:`encode`.

    A page that plays the recording is for its owner alone, as calls are kept: whoever can read it can hear it.

    Args:
        timeline: The recording.
        path: The file.
        format: A name of ``FORMATS``; by default it follows from the file's ending, see :func:`format_of`.
        windows: See :func:`encode`.
        source: See :func:`encode`.
    """
    name = format or format_of(path)
    data = encode(timeline, name, windows=windows, source=source)
    with replacing(path, mode=0o600 if name == "html" and source is not None else None) as part:
        part.write_bytes(data)


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the name of the format that a file's ending stands for.

    Raises:
        VocalicsError: Where it stands for none.
    """
    ending = Path(path).suffix
    for name, format in FORMATS.items():
        if ending.lower() == format.ending.lower():
            return name
    known = ", ".join(format.ending for format in FORMATS.values())
    raise UsageError(f'{path}: cannot write a timeline with the ending "{ending}"; use {known}, or name a format')


def _known(format: str) -> Format:
    return lookup(FORMATS, format, "format", VocalicsError)


def _json(timeline: Timeline, _windows: bool, _source: Source | None) -> bytes:
    return (json.dumps(timeline.to_dict(), indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _csv(timeline: Timeline, windows: bool, _source: Source | None) -> bytes:
    """A row per segment or window, channel by channel; no cell is a formula."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["path", "channel", *records.columns(timeline.emotions)])
    for channel in timeline.channels:
        for said in channel.windows if windows else channel.segments:
            row = records.row(dataclasses.replace(said, model=timeline.model))  # as in JSON, the timeline's
            writer.writerow([path_cell(timeline.path), cell(channel.name), *row])
    return sheet.getvalue().encode("utf-8", "replace")


def _lines(make: Callable[[Timeline, bool], str]) -> Callable[[Timeline, bool, Source | None], bytes]:
    return lambda timeline, windows, _source: make(timeline, windows).encode("utf-8", "replace")


FORMATS: MappingProxyType[str, Format] = MappingProxyType({
    "json": Format("JSON, all of it", ".json", "application/json", _json),
    "csv": Format("CSV, a row per segment", ".csv", "text/csv; charset=utf-8", _csv),
    "vtt": Format("WebVTT subtitles", ".vtt", "text/vtt; charset=utf-8", _lines(labels.webvtt)),
    "rttm": Format("RTTM", ".rttm", "text/plain; charset=utf-8", _lines(labels.rttm)),
    "audacity": Format("Audacity labels", ".txt", "text/plain; charset=utf-8", _lines(labels.audacity)),
    "textgrid": Format(
        "Praat TextGrid", ".TextGrid", "text/plain; charset=utf-8",
        lambda timeline, _windows, _source: labels.textgrid(timeline).encode("utf-8", "replace"),
    ),
    "png": Format("picture", ".png", "image/png", lambda timeline, _windows, _source: picture(timeline)),
    "html": Format(
        "page to look at and listen to", ".html", "text/html; charset=utf-8",
        lambda timeline, _windows, source: page(timeline, source).encode("utf-8", "replace"),
    ),
})  # fmt: skip
"""The formats by name."""
