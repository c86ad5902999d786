"""No recording is lost to a fault that passes, and none that is broken ends the watching of the others."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import made
import pytest

from vocalics.calls import recordings, watch
from vocalics.calls.storage import Storage
from vocalics.cli import calls as command
from vocalics.errors import AudioError, StorageError

SETTLED = 0.02

Watched = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where calls arrive."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def watched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Watch until the named recordings were kept, or ten seconds; returns the names of those that were."""

    def run(expected: Iterable[str], heard: Callable[[Path], None] = lambda _: None, **options: Any) -> list[str]:
        wanted, stop, kept = {*expected}, threading.Event(), []

        def analysed(_recognizer: Any, path: Path, *_: Any) -> Any:
            heard(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            return dataclasses.replace(made.call(), digest=digest, path=str(path))

        def shown(call: Any) -> str:
            kept.append(Path(call.path).name)
            if wanted <= {*kept}:
                stop.set()
            return str(call.path)

        with monkeypatch.context() as patch:
            patch.setattr(watch, "RETRY_SECONDS", 0.2)
            patch.setattr(command, "_analysed", analysed)
            patch.setattr(command, "_loaded", lambda *_: None)
            patch.setattr(command, "_stopping", lambda: stop)
            patch.setattr(command, "_line", shown)
            late = threading.Timer(10, stop.set)
            late.start()
            try:
                command.watch(folder, str(tmp_path / "calls.db"), transcript="none", settle=SETTLED, **options)
            finally:
                late.cancel()
        return kept

    return run


def test_a_recording_is_taken_again_when_its_copy_could_not_be_made(
    folder: Path, tmp_path: Path, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    vault, n_heard = tmp_path / "vault", 0
    vault.write_bytes(b"no folder")

    def repaired(_path: Path) -> None:
        nonlocal n_heard
        n_heard += 1
        if n_heard == 2:
            vault.unlink()

    assert watched(["a.wav"], repaired, keep=command.Keep.audio, audio=vault) == ["a.wav"] and n_heard == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "a.wav: no copy can be kept" in err
    with Storage(str(tmp_path / "calls.db"), vault) as storage:
        (copy,) = storage.copies()
        assert copy.read_bytes() == b"sound"


def test_whose_fault_a_copy_that_fails_is(tmp_path: Path) -> None:
    with Storage(str(tmp_path / "calls.db"), tmp_path / "vault") as storage:
        (tmp_path / "vault").write_bytes(b"no folder")
        (tmp_path / "a.wav").write_bytes(b"sound")
        with pytest.raises(StorageError, match=r"a\.wav: no copy can be kept"):
            storage.put(made.call(), "audio", tmp_path / "a.wav")
        with pytest.raises(recordings.VocalicsError, match=r"none\.wav: no copy can be kept") as told:
            storage.put(made.call(), "audio", tmp_path / "none.wav")
        assert not isinstance(told.value, StorageError), "what went away is not waited for"


def test_a_recording_is_taken_again_when_the_system_failed(
    folder: Path, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    faults = [PermissionError(13, "Permission denied"), OSError(24, "Too many open files")]

    def failing(_path: Path) -> None:
        if faults:
            raise faults.pop(0)

    assert watched(["a.wav"], failing) == ["a.wav"]
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "Permission denied", "Too many open files",
    ]  # fmt: skip


def test_one_recording_that_fails_as_nobody_foresaw_does_not_end_it(
    folder: Path, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = {
        "a.wav": ZeroDivisionError("what Ann said"), "b.wav": RecursionError(), "c.wav": AudioError("c.wav: is broken"),
        "d.wav": FileNotFoundError(2, "No such file"),
    }  # fmt: skip
    for name in (*faults, "e.wav"):
        (folder / name).write_bytes(name.encode())
    n_heard = 0

    def failing(path: Path) -> None:
        nonlocal n_heard
        n_heard += 1
        if path.name in faults:
            raise faults[path.name]

    assert watched(["e.wav"], failing) == ["e.wav"] and n_heard == 5, "what is wrong with itself is taken once"
    err = capsys.readouterr().err
    assert err.count("\n") == 4 and "a.wav: is not analysed, for a reason not foreseen (ZeroDivisionError)" in err
    assert "b.wav: is not analysed, for a reason not foreseen (RecursionError)" in err and "Ann" not in err


def test_a_recording_that_lies_elsewhere_is_refused(
    folder: Path, tmp_path: Path, watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "another's.wav").write_bytes(b"private")
    (folder / "a.wav").symlink_to("../another's.wav")
    (folder / "parts").mkdir()
    (folder / "parts" / "b.part").write_bytes(b"sound")
    (folder / "b.wav").symlink_to("parts/b.part")
    heard: list[str] = []
    assert watched(["b.wav"], lambda path: heard.append(path.name)) == heard == ["b.wav"]
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "a.wav: is a link out of the folder" in err


def test_a_file_that_may_be_read_now_is_another_one(folder: Path) -> None:
    path, now = folder / "a.wav", 0.0
    path.write_bytes(b"sound")
    path.chmod(0)
    seen = watch.Arrivals(folder, 1.0, lambda: now)
    seen.complete()
    now = 2.0
    assert seen.complete() == [path] and seen.complete() == []
    path.chmod(0o600)
    assert seen.complete() == []
    now = 4.0
    assert seen.complete() == [path] and seen.complete() == []
