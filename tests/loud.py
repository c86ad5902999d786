"""Sound that speaks up: a detector of voice activity that takes for speech what is loud, and talk that it hears.

Made voices are no speech to the real detector.
"""

from __future__ import annotations

import sys

import fakes
import numpy as np
import pytest

from vocalics import modelfile
from vocalics.recognizer import Recognizer
from vocalics.segment import utterances


class Loud:
    """A detector that takes for speech what is loud."""

    def process_samples(self, samples: list[float]) -> float:
        """1 where the frame is loud."""
        return float(np.sqrt(np.mean(np.square(samples))) > 0.005)


def hear_loudness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the detector of voice activity be one of loudness for a test."""
    monkeypatch.setattr(sys.modules[utterances.__module__], "_detector", Loud)


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let the detector be one of loudness, but on real speech; for a folder whose conftest imports it."""
    if "corpus" not in request.keywords:
        hear_loudness(monkeypatch)


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    """A model whose emotion follows the pitch."""
    return Recognizer(modelfile.load(fakes.waveform_model(), 1))


def talk(rate: int, *turns: tuple[float, float]) -> np.ndarray:
    """Samples of (pitch, seconds) one after the other; a pitch of 0 is silence."""
    pieces = [
        fakes.voice(seconds, pitch, rate).samples if pitch else np.zeros(round(seconds * rate), np.float32)
        for pitch, seconds in turns
    ]
    return np.concatenate(pieces)
