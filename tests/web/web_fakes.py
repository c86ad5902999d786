"""Files as bytes, and servers in a process of their own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import soundfile
from waiting import until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from vocalics.audio import Clip

PROBLEM = "application/problem+json"

START = {"sample_rate": 16_000, "window": 1.0, "hop": 0.5}
"""How a client begins a stream."""


def encoded(clip: Clip, format: str = "WAV", channels: int = 1, rate: int | None = None) -> bytes:
    """A clip as the bytes of a file."""
    file = io.BytesIO()
    samples = np.repeat(clip.samples[:, None], channels, axis=1)
    soundfile.write(file, samples, rate or clip.sample_rate, format=format)
    return file.getvalue()


class Served:
    """A server in a process of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        fakes.waveform_model(folder / "fake.onnx")
        self._log = (folder / "log").open("w+")
        script, what = str(Path(__file__).with_name("served.py")), json.dumps(settings)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", script, str(folder / "fake.onnx"), what],
            stderr=self._log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            until(self._listens)
        except BaseException:
            self.close()
            raise
        self.port = next(line["port"] for line in self.lines() if line["event"] == "listening")
        self.url = f"http://127.0.0.1:{self.port}"
        self.stream = f"ws://127.0.0.1:{self.port}/v1/stream"

    def _listens(self) -> bool:
        assert self.process.poll() is None, Path(self._log.name).read_text()
        return any(line.get("event") == "listening" for line in self.lines())

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        text = Path(self._log.name).read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def stop(self) -> None:
        """Ask it to end."""
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self._log.close()


def begun(connection: ClientConnection, **start: Any) -> ClientConnection:
    """A stream after its ready."""
    connection.send(json.dumps({**START, **start}))
    assert json.loads(connection.recv(60))["type"] == "ready"
    return connection


def rest(connection: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All events to the close, and its code."""
    events: list[dict[str, Any]] = []
    try:
        while True:
            events.append(json.loads(connection.recv(60)))
    except ConnectionClosed:
        return events, connection.close_code or 0
