"""Each file once, when it is complete, whatever else lies in the folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from vocalics.calls.watch import Arrivals, arrivals


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at 0."""
    return Clock()


def test_a_file_is_taken_once_and_when_it_has_settled(tmp_path: Path, clock: Clock) -> None:
    seen, path = Arrivals(tmp_path, 1.5, clock), tmp_path / "a.wav"
    path.write_bytes(b"half")
    assert seen.complete() == []
    clock.now = 1.4
    path.write_bytes(b"half and half")
    assert seen.complete() == []
    clock.now = 2.8
    assert seen.complete() == []
    clock.now = 2.9
    assert seen.complete() == [path]
    clock.now = 99
    assert seen.complete() == []
    path.write_bytes(b"another one")
    assert seen.complete() == []
    clock.now = 101
    assert seen.complete() == [path] and seen.complete() == []


def test_a_file_that_went_away_and_came_back_is_new(tmp_path: Path, clock: Clock) -> None:
    seen, path = Arrivals(tmp_path, 0, clock), tmp_path / "a.wav"
    path.write_bytes(b"x")
    seen.complete()
    assert seen.complete() == [path]
    path.unlink()
    assert seen.complete() == []
    path.write_bytes(b"x")
    seen.complete()
    assert seen.complete() == [path]


def test_only_recordings_that_hold_something_and_are_not_hidden(tmp_path: Path, clock: Clock) -> None:
    for name in (".a.wav", "a.wav.part", "a.txt", "sub/b.FLAC", ".hidden/c.wav", "odd '\"; name\n.mp3", "empty.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if name == "empty.wav" else b"x")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.wav").mkdir()
    seen = Arrivals(tmp_path, 0, clock)
    seen.complete()
    assert {p.name for p in seen.complete()} == {"b.FLAC", "odd '\"; name\n.mp3"}
    assert Arrivals(tmp_path / "none", 0, clock).complete() == []


def test_arrivals_end_when_told(tmp_path: Path) -> None:
    stop, found = threading.Event(), []

    def listen() -> None:
        for path in arrivals(tmp_path, stop, settled=0.05, poll=0.02):
            found.append(path.name)
            if len(found) == 2:
                stop.set()

    listener = threading.Thread(target=listen)
    listener.start()
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"x")
        time.sleep(0.2)
    listener.join(30)
    assert not listener.is_alive() and found == ["a.wav", "b.wav"]
