"""Speed of time stretch and pitch shift against librosa's phase vocoder, in one process, one thread each, by turns.

Both get the same 3 s of speech-like sound at 22.05 kHz in memory. Counted is the time the processor spends on it, all
threads together, so that other work on the machine counts for neither.
"""

# ruff: noqa: E402  (the number of threads must be set before NumPy is imported)

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from typing import Any

import librosa
from bench_features import RATE, compare, speech

from vocalics.audio import Clip
from vocalics.augment import pitch_shift, stretch_and_shift, time_stretch

TARGET = 10


def run() -> dict[str, Any]:
    """Return a row for each change."""
    samples = speech()
    clip = Clip(samples, RATE)
    stretch, shift = librosa.effects.time_stretch, librosa.effects.pitch_shift
    rows = [
        compare(
            f"time_stretch of a 3 s clip, rate {rate}",
            lambda rate=rate: time_stretch(clip, rate).samples,  # type: ignore[misc]
            lambda rate=rate: stretch(samples, rate=rate),  # type: ignore[misc]
            TARGET,
        )
        for rate in (0.8, 1.25)
    ]
    rows += [
        compare(
            f"pitch_shift of a 3 s clip, {semitones:+g} semitones",
            lambda semitones=semitones: pitch_shift(clip, semitones).samples,  # type: ignore[misc]
            lambda semitones=semitones: shift(samples, sr=RATE, n_steps=semitones),  # type: ignore[misc]
            TARGET,
        )
        for semitones in (0.7, -4)
    ]
    rows.append(
        compare(
            "time_stretch and pitch_shift of a 3 s clip in one go, rate 0.8, +0.7 semitones",
            lambda: stretch_and_shift(clip, 0.8, 0.7).samples,
            lambda: shift(stretch(samples, rate=0.8), sr=RATE, n_steps=0.7),
            TARGET,
        )
    )
    return {"rows": rows}


if __name__ == "__main__":
    for row in run()["rows"]:
        print(f"{row['name']}: {row['ours_ms']} ms, {row['peer']} {row['peer_ms']} ms, {row['ratio']}x")
