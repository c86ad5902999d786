"""A real call and a real conversation, with the model that comes with vocalics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from readers import Page, audacity_rows, csv_rows, json_rows, rttm_rows, textgrid_rows, vtt_rows

from vocalics import recognizer, timeline

pytestmark = pytest.mark.corpus


def test_a_call_has_both_parties_in_every_format(shared: Path, tmp_path: Path) -> None:
    call = shared / "audio" / "calls" / "auto_repairs_40_stereo.flac"
    found = timeline.build(recognizer.load(), call)
    assert [channel.name for channel in found.channels] == ["left", "right"]
    assert found.duration == pytest.approx(245.38) and found.sample_rate == 8_000
    for channel in found.channels:
        assert 60 < channel.summary.speech_seconds < 150 and channel.summary.changes > 3
        assert len(channel.segments) > 15 and len(channel.windows) == 163
    left, right = (spoken(channel.segments, 245.38) for channel in found.channels)
    assert (left & right).sum() < 0.15 * (left | right).sum(), "they take turns"
    files = {name: timeline.encode(found, name, source=call) for name in timeline.FORMATS}
    wanted = sorted(
        ((c.name, s.start, s.end, s.emotion) for c in found.channels for s in c.segments if s.emotion),
        key=lambda row: (row[1], row[0]),
    )
    read = {
        "vtt": vtt_rows(files["vtt"]),
        "rttm": rttm_rows(files["rttm"], "auto_repairs_40_stereo"),
        "audacity": audacity_rows(files["audacity"]),
        "textgrid": textgrid_rows(files["textgrid"], tmp_path),
        "json": [row for row in json_rows(files["json"]) if row[3] != "no speech"],
        "csv": [row for row in csv_rows(files["csv"]) if row[3] != "no speech"],
        "html": [row for row in Page(files["html"].decode()).rows if row[3] != "no speech"],
    }
    for name, rows in read.items():
        assert [(c, e) for c, _, _, e in rows] == [(c, e) for c, _, _, e in wanted], name
        assert [row[1] for row in rows] == pytest.approx([row[1] for row in wanted], abs=0.00101), name
    assert {c for c, *_ in wanted} == {"left", "right"} and len({e for *_, e in wanted}) > 3
    assert files["png"].startswith(b"\x89PNG") and set(read) | {"png"} == set(timeline.FORMATS)


def test_most_of_a_conversation_is_covered_by_segments(shared: Path) -> None:
    recording = shared / "audio" / "conversation" / "two_speakers.flac"
    found = timeline.build(recognizer.load(), recording)
    marks = [line.split()[3:5] for line in recording.with_suffix(".rttm").read_text().splitlines()]
    truth = np.zeros(3_000, bool)
    for start, seconds in marks:
        truth[round(100 * float(start)) : round(100 * (float(start) + float(seconds)))] = True
    covered = spoken(found.channels[0].segments, 30.0)
    assert (covered & truth).sum() > 0.97 * truth.sum()
    assert (covered & truth).sum() > 0.9 * covered.sum() and 0.5 < truth.mean() < 0.9
    assert max(s.end - s.start for s in found.channels[0].segments) <= timeline.LONGEST_SECONDS


def spoken(segments: tuple[recognizer.Prediction, ...], seconds: float) -> np.ndarray:
    """Hundredths of a second that segments cover."""
    covered = np.zeros(round(100 * seconds), bool)
    for segment in segments:
        covered[round(100 * segment.start) : round(100 * segment.end)] = True
    return covered
