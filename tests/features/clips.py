"""Sounds for the feature tests: synthetic edge cases, and real clips where the corpora are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vocalics.audio import EXTENSIONS, Clip, excerpt, read, resample

RATE = 22_050


def _noise(n: int, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def _tone(frequency: float, seconds: float = 0.7, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def _voice(seconds: float = 1.0) -> np.ndarray:
    """A gliding harmonic sound with some breath, louder and softer by turns."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.5 * time)) / RATE
    harmonics = sum(np.sin(k * phase) / k**1.3 for k in range(1, 25))
    return (0.1 * harmonics * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))).astype(np.float32) + _noise(len(time), 1e-3)


EDGE_CASES: dict[str, Clip] = {
    name: Clip(np.asarray(samples, np.float32), RATE)
    for name, samples in {
        "one_sample": [0.5],
        "two_samples": [0.5, -0.5],
        "shorter_than_a_hop": _noise(300),
        "odd_length": _noise(12_347),
        "exactly_a_frame": _noise(2048),
        "silent": np.zeros(9_000),
        "silent_then_loud": np.concatenate([np.zeros(8_000), _noise(8_000, 0.5)]),
        "loud": np.clip(_noise(15_000, 3.0), -1, 1),
        "beyond_full_scale": _noise(10_000, 20.0),
        "very_quiet": _noise(10_000, 1e-5),
        "tone": _tone(440),
        "low_tone": _tone(101.3),
        "voice": _voice(),
    }.items()
}


def corpus_clips(count: int = 50, seconds: float = 2.5, sample_rate: int = RATE) -> list[tuple[str, Clip]]:
    """Return real clips spread over the corpora at hand; skips the test where there are none."""
    root = Path(os.environ.get("VOCALICS_DATA") or Path(__file__).resolve().parents[3] / "shared") / "corpora"
    corpora = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    if not corpora:
        pytest.skip(f"no corpora in {root}")
    chosen: list[tuple[str, Clip]] = []
    each = -(-count // len(corpora))
    for corpus in corpora:
        files = sorted(p for p in corpus.rglob("*") if p.suffix.lower() in EXTENSIONS)
        for path in files[:: max(1, len(files) // each)][:each]:
            chosen.append((path.name, resample(excerpt(read(path), 0.0, seconds), sample_rate)))
    return chosen[:count]
