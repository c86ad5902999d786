"""Speed and memory of ``vocalics predict``: a start to the first label, and recordings that last for hours.

The start is measured side by side with importing the libraries that it cannot do without, in turns. The hours are the
example clips over and over with pauses and noise, in a temporary flac file, read by the command on one core.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from vocalics import audio

CLIPS = sorted((Path(__file__).parents[1] / "examples" / "clips").glob("*.wav"))
MODEL = os.environ.get("VOCALICS_MODEL", "")
"""A model file to measure in place of the default one."""

STARTS = 15
IMPORTS = "import numpy, soundfile, onnxruntime"
PREDICT = "from vocalics.cli.main import main; main()"


def command(*arguments: str) -> list[str]:
    """Return the command line that runs ``vocalics predict`` as its script does."""
    return [sys.executable, "-c", PREDICT, "predict", *arguments, *(["--model", MODEL] if MODEL else [])]


def milliseconds(arguments: list[str]) -> float:
    """Run a program to its end and return how long that took."""
    start = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    return 1e3 * (time.perf_counter() - start)


def start_row() -> dict[str, Any]:
    """Return the row of a start, from process start to label."""
    ours, peer = command(str(CLIPS[0])), [sys.executable, "-c", IMPORTS]
    pairs = [(milliseconds(ours), milliseconds(peer)) for _ in range(STARTS + 1)][1:]  # the first fills the disk cache
    ours_ms, peer_ms = median(p[0] for p in pairs), median(p[1] for p in pairs)
    return {
        "name": "vocalics predict one.wav, from process start to label",
        "ours_ms": round(ours_ms, 1),
        "peer": f'python -c "{IMPORTS}"',
        "peer_ms": round(peer_ms, 1),
        "ratio": round(ours_ms / peer_ms, 2),
        "target": "at most 2.5",
    }


def write_recording(path: Path, hours: float, sample_rate: int = 16_000) -> None:
    """Write a recording of the example clips at changing levels, with pauses, under a little noise."""
    rng = np.random.default_rng(0)
    voices = [audio.read(clip, sample_rate).samples for clip in CLIPS]
    with soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_16") as file:
        n_written = 0
        while n_written < hours * 3600 * sample_rate:
            voice = voices[rng.integers(len(voices))] * np.float32(rng.uniform(0.05, 0.9))
            pause = np.zeros(rng.integers(sample_rate), np.float32)
            samples = np.concatenate([voice, pause])
            n_written += len(samples)
            file.write(samples + rng.normal(0, 0.001, len(samples)).astype(np.float32))


def hours_rows(hours: float) -> list[dict[str, Any]]:
    """Return the rows of a long recording: times real time, and the process's peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        write_recording(path, hours)
        seconds = soundfile.info(path).duration
        start = time.perf_counter()
        with subprocess.Popen(command(str(path)), stdout=subprocess.PIPE, preexec_fn=_one_core) as process:
            assert process.stdout is not None
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        spent = time.perf_counter() - start
    assert process.returncode == 0 and b"no speech" not in out, out
    megabytes = _megabytes(usage)
    return [
        {
            "name": f"vocalics predict of {hours:g} h of speech, one core",
            "ours_ms": round(1e3 * spent),
            "peer": "real time",
            "peer_ms": round(1e3 * seconds),
            "ratio": round(seconds / spent),
            "target": "at least 150",
        },
        {
            "name": f"peak memory of it, {hours:g} h",
            "value": f"{megabytes:.0f} MB",
            "ratio": round(megabytes),
            "target": "at most 400",
        },
    ]


def _one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run() -> list[dict[str, Any]]:
    """Return all rows."""
    return [start_row(), *hours_rows(1), *hours_rows(3)]


if __name__ == "__main__":
    for row in run():
        print(row)
