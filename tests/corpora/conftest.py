"""Trees of tiny files, and the shared corpora where they are."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Write 10 ms of noise at a path below the root; the same ``content``, the same bytes."""

    def write(name: str, content: str | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = zlib.crc32((content or name).encode())
        samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 160)
        soundfile.write(path, samples, 16_000)
        return path

    return write
