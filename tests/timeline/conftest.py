"""A call of two parties made of voices, and its timeline by a tiny model."""

from __future__ import annotations

import sys
from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile

from vocalics import modelfile, timeline
from vocalics.recognizer import Recognizer
from vocalics.segment import utterances

sys.path.insert(0, str(Path(__file__).parent))

RATE = 22_050


class Loud:
    """A detector that takes for speech what is loud: made voices are no speech to the real one."""

    def process_samples(self, samples: list[float]) -> float:
        """1 where the frame is loud."""
        return float(np.sqrt(np.mean(np.square(samples))) > 0.005)


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let the detector be one of loudness, but on real speech."""
    if "corpus" not in request.keywords:
        monkeypatch.setattr(sys.modules[utterances.__module__], "_detector", Loud)


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    """A model whose emotion follows the pitch."""
    return Recognizer(modelfile.load(fakes.waveform_model(), 1))


def talk(*turns: tuple[float, float]) -> np.ndarray:
    """Samples of (pitch, seconds) one after the other; a pitch of 0 is silence."""
    pieces = [
        fakes.voice(seconds, pitch, RATE).samples if pitch else np.zeros(round(seconds * RATE), np.float32)
        for pitch, seconds in turns
    ]
    return np.concatenate(pieces)


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds: left speaks three times and right twice, at other pitches."""
    left = talk((0, 0.5), (110, 1.5), (0, 2), (300, 1.5), (0, 1.5), (110, 1), (0, 1))
    right = talk((0, 2.2), (700, 1.2), (0, 2.2), (200, 1.4), (0, 2))
    path = tmp_path_factory.mktemp("call") / "a call.flac"
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    return path


@pytest.fixture
def found(recognizer: Recognizer, call: Path) -> timeline.Timeline:
    """The call's timeline."""
    return timeline.build(recognizer, call)
