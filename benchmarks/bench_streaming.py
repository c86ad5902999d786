"""Streams: how long a hop takes, and what a day of one takes in memory.

    python benchmarks/run_all.py bench_streaming

A day is 24 times two minutes of a voice and 58 of silence, fed in pieces of 20 s as fast as it goes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from vocalics import audio, recognizer
from vocalics.streaming import Display, StreamingRecognizer

CLIPS = Path(__file__).parents[1] / "examples" / "clips"
SAMPLE_RATE, HOP, PIECE = 48_000, 0.5, 0.02
HOURS = 24


def run() -> list[dict[str, Any]]:
    """Return the rows."""
    voice = np.concatenate([audio.read(path, SAMPLE_RATE).samples for path in sorted(CLIPS.glob("*.wav"))])
    return [*_hops(voice), _day(voice)]


def _hops(voice: np.ndarray) -> list[dict[str, Any]]:
    """Time of half a second of a stream, in pieces of 20 ms as from a microphone; resampling and display included."""
    rows = []
    for name in ("default", "default-int8"):
        stream, display = StreamingRecognizer(recognizer.load(name), SAMPLE_RATE, hop=HOP), Display()
        piece, hop = round(PIECE * SAMPLE_RATE), round(HOP * SAMPLE_RATE)
        sound = np.tile(voice, 1 + int(200 * SAMPLE_RATE / len(voice)))[: 200 * SAMPLE_RATE]
        taken = []
        for start in range(0, len(sound), hop):
            began, n = time.perf_counter(), 0
            for at in range(start, start + hop, piece):
                for prediction in stream.feed(sound[at : at + piece]):
                    display.update(prediction)
                    n += 1
            if n:
                taken.append(1e3 * (time.perf_counter() - began))
        for share, target in ((50, "at most 15"), (95, "at most 15")):
            value = float(np.percentile(taken[5:], share))
            rows.append(
                {
                    "name": f"{HOP} s of a stream at {SAMPLE_RATE // 1000} kHz, `{name}`, percentile {share}",
                    "value": f"{value:.1f} ms",
                    "ratio": value,
                    "target": target,
                }
            )
    return rows


def _day(voice: np.ndarray) -> dict[str, Any]:
    """Memory at the end of a day of a stream, beside that after its first hour."""
    stream, display = StreamingRecognizer(recognizer.load(), SAMPLE_RATE, hop=HOP), Display()
    spoken = np.tile(voice, 1 + int(120 * SAMPLE_RATE / len(voice)))[: 120 * SAMPLE_RATE]
    silence, piece = np.zeros(20 * SAMPLE_RATE, np.float32), 20 * SAMPLE_RATE
    peaks = []
    for _ in range(HOURS):
        for start in range(0, len(spoken), piece):
            for prediction in stream.feed(spoken[start : start + piece]):
                display.update(prediction)
        for _ in range(58 * 3):
            for prediction in stream.feed(silence):
                display.update(prediction)
        peaks.append(_resident())
    return {
        "name": f"memory after {HOURS} h of a stream, beside that after 1 h",
        "value": f"{peaks[-1] / 1e6:.0f} MB, {peaks[0] / 1e6:.0f} MB",
        "ratio": peaks[-1] / peaks[0],
        "target": "at most 1.05",
    }


def _resident() -> int:
    """Bytes that this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


if __name__ == "__main__":
    for row in run():
        print(row)
