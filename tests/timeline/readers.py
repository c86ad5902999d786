"""Strict readers of the formats, each by its own rules; the formats' own libraries where there are some."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import webvtt
from praatio import textgrid

Row = tuple[str, float, float, str]
"""Channel, start, end, label."""


def json_rows(data: bytes, kind: str = "segments") -> list[Row]:
    """Those of all channels, by start."""
    told = json.loads(data)
    rows = [(c["name"], s["start"], s["end"], s["label"]) for c in told["channels"] for s in c[kind]]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def csv_rows(data: bytes) -> list[Row]:
    """A row per line; the probabilities of each add up to 1 or 0."""
    head, *lines = csv.reader(io.StringIO(data.decode()))
    first, last = head.index("confidence") + 1, head.index("model")
    for line in lines:
        chances = [float(x) for x in line[first:last]]
        assert len(line) == len(head) and (abs(sum(chances) - 1) < 1e-4 or not any(chances))
        assert float(line[first - 1]) == max(chances)
    label = head.index("label")
    rows = [(line[1], float(line[2]), float(line[3]), line[label]) for line in lines]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def vtt_rows(data: bytes) -> list[Row]:
    """By webvtt-py; the first word of a cue is the emotion."""
    captions = webvtt.from_buffer(io.BytesIO(data))
    rows = []
    for caption in captions:
        assert caption.voice and caption.text.endswith("%")
        seconds = [t.hours * 3600 + t.minutes * 60 + t.seconds + t.milliseconds / 1000
                   for t in (caption.start_time, caption.end_time)]  # fmt: skip
        rows.append((caption.voice, *seconds, caption.text.split()[0]))
    assert [row[1] for row in rows] == sorted(row[1] for row in rows), "cues are in the order of their start"
    return rows


def rttm_rows(data: bytes, file: str) -> list[Row]:
    """Ten fields a line, as NIST defines them."""
    rows = []
    for line in data.decode().splitlines():
        kind, name, number, start, length, orthography, subtype, speaker, confidence, ahead = line.split(" ")
        assert (kind, name, orthography, ahead) == ("SPEAKER", file, "<NA>", "<NA>")
        assert int(number) >= 1 and float(length) > 0 and 0 < float(confidence) <= 1
        rows.append((speaker, float(start), round(float(start) + float(length), 3), subtype))
    return rows


def audacity_rows(data: bytes) -> list[Row]:
    """Start, end and label between tabs."""
    rows = []
    for line in data.decode().splitlines():
        start, end, label = line.split("\t")
        channel, _, words = label.rpartition(": ")
        assert float(start) < float(end) and words.endswith("%")
        rows.append((channel or "mono", float(start), float(end), words.split()[0]))
    return rows


def textgrid_rows(data: bytes, folder: Path, kind: str = "segments") -> list[Row]:
    """By praatio; every tier goes from 0 to the end without a gap."""
    path = folder / "read.TextGrid"
    path.write_bytes(data)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    rows = []
    for name in grid.tierNames:
        entries = grid.getTier(name).entries
        assert entries[0].start == grid.minTimestamp == 0 and entries[-1].end == grid.maxTimestamp
        assert all(a.end == b.start for a, b in itertools.pairwise(entries))
        channel, _, what = name.rpartition(" ")
        if what == kind:
            rows += [(channel, e.start, e.end, e.label) for e in entries if e.label]
    return sorted(rows, key=lambda row: (row[1], row[0]))


@dataclass
class Page(HTMLParser):
    """What stands in a page: tags with their attributes, and the text of some."""

    data: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.data)
        self.close()
        assert not self.open, f"{self.open} not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        self.tags.append((tag, given))
        if tag not in ("meta", "input", "br"):
            self.open.append(given.get("id") or tag)
            if tag != self.open[-1]:
                self.texts[self.open[-1]] = ""
            self._names = [*getattr(self, "_names", []), tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._names.pop() == tag
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for name in self.open:
            if name in self.texts:
                self.texts[name] += data

    @property
    def told(self) -> dict[str, Any]:
        """The data of the script."""
        told: dict[str, Any] = json.loads(self.texts["timeline"])
        return told

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of a name."""
        return [given for name, given in self.tags if name == tag]

    @property
    def rows(self) -> list[Row]:
        """The segments."""
        return [(s["channel"], s["start"], s["end"], s["label"]) for s in self.told["segments"]]
