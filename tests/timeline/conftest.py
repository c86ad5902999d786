"""A call of two parties made of voices, and its timeline by a tiny model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from loud import loud as loud
from loud import recognizer as recognizer
from loud import talk

from vocalics import timeline
from vocalics.recognizer import Recognizer

sys.path.insert(0, str(Path(__file__).parent))

RATE = 22_050


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds: left speaks three times and right twice, at other pitches."""
    left = talk(RATE, (0, 0.5), (110, 1.5), (0, 2), (300, 1.5), (0, 1.5), (110, 1), (0, 1))
    right = talk(RATE, (0, 2.2), (700, 1.2), (0, 2.2), (200, 1.4), (0, 2))
    path = tmp_path_factory.mktemp("call") / "a call.flac"
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    return path


@pytest.fixture
def found(recognizer: Recognizer, call: Path) -> timeline.Timeline:
    """The call's timeline."""
    return timeline.build(recognizer, call)
