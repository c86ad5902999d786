"""Ten hours, with a model that takes no time: nothing grows but what is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

HOURS = 10
RATE = 8_000

PROGRAM = """
import resource, sys, numpy as np
from vocalics import modelfile
from vocalics.segment import utterances
from vocalics import audio
detector = sys.modules[utterances.__module__]
def loud(source, check=None):
    frames, rest, n_samples = [], np.zeros(0, np.float32), 0
    for block in audio.stream(source.source, channel=source.channel):
        n_samples += len(block.samples)
        held = np.concatenate([rest, block.samples])
        n_whole = len(held) // 256 * 256
        frames.append((np.abs(held[:n_whole].reshape(-1, 256)[:, ::8]).max(axis=1) > 0.02).astype(np.float32))
        rest = held[n_whole:]
    return np.concatenate(frames), n_samples / 8_000
detector.speech_probability = loud
from vocalics.calls.analysis import Settings, analyse
from vocalics.calls.storage import Storage
from vocalics.recognizer import Recognizer
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
call = analyse(Recognizer(modelfile.load(sys.argv[2], 1)), sys.argv[1])
with Storage(sys.argv[3]) as storage:
    storage.put(call)
    back = storage.get(call.digest)
assert len(back.turns) == len(call.turns)
print(len(call.turns), call.duration, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_ten_hours_take_no_more_memory_than_their_turns(tmp_path: Path) -> None:
    agent, customer = np.zeros(20 * RATE, np.float32), np.zeros(20 * RATE, np.float32)
    agent[RATE : 3 * RATE] = fakes.voice(2, 120, RATE).samples
    customer[11 * RATE : 13 * RATE] = fakes.voice(2, 200, RATE).samples
    block = np.stack([agent, customer], axis=1)
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 2, "ULAW") as file:
        for _ in range(HOURS * 180):
            file.write(block)
    fakes.waveform_model(tmp_path / "fake.onnx", window_seconds=10.0, hop_seconds=10.0)
    command = [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "fake.onnx"), str(tmp_path / "calls.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n_turns, duration, grown = map(float, done.stdout.split())
    print(f"{n_turns:.0f} turns of {duration / 3600:g} h, {grown:.0f} MB more")
    assert n_turns == HOURS * 180 * 2 and duration == pytest.approx(HOURS * 3600)
    samples = HOURS * 3600 * 16_000 * 4 / 2**20
    assert grown < 250 < samples / 8, "one channel in memory would take 2 GB"
