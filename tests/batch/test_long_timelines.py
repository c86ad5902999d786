"""A timeline of hours, with a model and a detector that take no time: memory does not grow with the recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import batch

pytestmark = pytest.mark.slow

RATE = 8_000
ROUND = 20  # seconds, in which either speaks once
HOURS = 1

DETECTOR = """
# Loud is speech: stands in for the detector in the worker processes that a test starts.
import sys

import numpy as np

from vocalics import audio
from vocalics.segment import utterances

def loud(source, check=None):
    frames, rest, n_samples = [], np.zeros(0, np.float32), 0
    for block in audio.stream(source.source, channel=source.channel):
        n_samples += len(block.samples)
        held = np.concatenate([rest, block.samples])
        n_whole = len(held) // 256 * 256
        frames.append((np.abs(held[:n_whole].reshape(-1, 256)[:, ::8]).max(axis=1) > 0.02).astype(np.float32))
        rest = held[n_whole:]
    return np.concatenate(frames), n_samples / 8_000

sys.modules[utterances.__module__].speech_probability = loud
"""


def recorded(path: Path, hours: float) -> Path:
    """A call of so many hours: two channels that speak in turns."""
    sides = np.zeros((ROUND * RATE, 2), np.float32)
    sides[: 2 * RATE, 0] = fakes.voice(2, 120, RATE).samples
    sides[10 * RATE : 12 * RATE, 1] = fakes.voice(2, 200, RATE).samples
    with soundfile.SoundFile(path, "w", RATE, 2, "ULAW") as file:
        for _ in range(round(hours * 3600) // ROUND):
            file.write(sides)
    return path


def test_a_timeline_of_hours_takes_no_more_memory_than_its_rows(
    tmp_path: Path, rows: Callable[[Path, str], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(DETECTOR, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    model = tmp_path / "fake.onnx"
    fakes.waveform_model(model, window_seconds=10.0, hop_seconds=10.0)
    peaks = {}
    for hours in (1 / 6, HOURS):
        path = recorded(tmp_path / "call.wav", hours)
        out = tmp_path / f"out-{hours:.0f}"
        summary = batch.run(path, out, "timeline", model, workers=1, timeout=20.0)
        assert (summary.n_done, summary.n_failed) == (1, 0)
        assert summary.sound_seconds == pytest.approx(hours * 3600)
        peaks[hours] = summary.worker_memory
        found = rows(out, "timeline")
        assert len(found) == hours * 3600 / ROUND * 2, "one segment of either side in every round"
        assert {row["channel"] for row in found} == {"left", "right"}
        assert [row["start"] for row in found if row["channel"] == "left"] == pytest.approx(
            np.arange(len(found) // 2) * ROUND, abs=0.5
        )
        path.unlink()
    print({f"{hours:.2g} h": f"{peak / 1e6:.0f} MB" for hours, peak in peaks.items()})
    assert 0 < peaks[HOURS] < peaks[1 / 6] + 40e6, "one channel in memory would take 230 MB an hour"
