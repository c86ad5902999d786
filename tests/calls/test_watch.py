"""Each file once, when it is complete, whatever else lies in the folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from vocalics.calls.watch import RETRY_SECONDS, Arrivals, Grown, arrivals


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
        for path in arrivals(Arrivals(tmp_path, settled=0.05), stop, poll=0.02):
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


def test_what_failed_for_another_reason_is_taken_again_after_a_while(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"x")
    seen = Arrivals(tmp_path, 1.0, clock)
    seen.complete()
    clock.now += 1
    assert seen.complete() == [file]
    seen.again(file)
    clock.now += RETRY_SECONDS - 0.1
    assert seen.complete() == []
    clock.now += 0.2
    assert seen.complete() == [file] and seen.complete() == []
    seen.again(tmp_path / "never seen.wav")
    assert seen.complete() == []


def test_a_recording_that_has_grown_is_known_for_the_same(tmp_path: Path) -> None:
    file, grown, sound = tmp_path / "a.wav", Grown(), bytes(range(256)) * 200
    file.write_bytes(b"head" + sound[:20_000])
    assert grown.earlier(file) is None
    grown.take(file, "one")
    assert grown.earlier(file) is None, "it is as it was"
    file.write_bytes(b"HEAD" + sound[:30_000])  # a header tells the length
    assert grown.earlier(file) == "one"
    grown.take(file, "two")
    file.write_bytes(b"HEAD" + sound)
    assert grown.earlier(file) == "two"
    file.write_bytes(b"HEAD" + sound[::-1])
    assert grown.earlier(file) is None, "another call under the same name"
    file.write_bytes(b"HEAD")
    assert grown.earlier(file) is None
    file.write_bytes(sound[:8_000])
    grown.take(file, "short")
    file.write_bytes(sound[::-1])
    assert grown.earlier(file) is None, "of so little nothing can be told"
    file.unlink()
    (tmp_path / "b.wav").write_bytes(sound)
    grown.take(tmp_path / "b.wav", "three")
    assert [*grown._taken] == [tmp_path / "b.wav"], "nothing is kept of what is gone"
