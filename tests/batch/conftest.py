"""What the tests of a batch share: clips, a small model, what came out, and decoders that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakes
import pytest

from vocalics import audio

pytest.importorskip("pyarrow", reason="a batch needs the extra 'batch'")

MISBEHAVIOUR = """
# Stands in for a decoder that misbehaves, by the name of the file; only in processes that a test starts.
import errno, os, signal, time
import vocalics.audio as audio

decoded = audio.stream

def stream(source, *arguments, **options):
    name = os.path.basename(str(source))
    time.sleep(float(os.environ.get("TEST_SLOWER", 0)))
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(3600)
    if name.startswith(("once", "lost")) or name.startswith("killed once"):
        seen = f"{source}.seen"
        first = not os.path.exists(seen)
        open(seen, "a").close()
        if name.startswith("killed once") and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("lost") or (name.startswith("once") and first):
            raise OSError(errno.EIO, "Input/output error", str(source))
    if os.environ.get("TEST_PIDS"):
        with open(os.environ["TEST_PIDS"], "a") as file:
            print(name, os.getpid(), file=file)
    if name.startswith("grow"):
        audio.held = b"x" * 700_000_000
    if name.startswith("bug"):
        raise ZeroDivisionError("division by zero")
    return decoded(source, *arguments, **options)

audio.stream = stream
"""


@pytest.fixture
def misbehaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes meet decoders that crash, hang or lose the disk, by the names of files."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(MISBEHAVIOUR, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model file that is quick."""
    path = tmp_path / "model.onnx"
    fakes.waveform_model(path)
    return str(path)


@pytest.fixture
def clips(tmp_path: Path) -> Callable[..., Path]:
    """``clips(n)`` writes short clips of different pitches into a folder; ``clips("a", "b")`` clips of these names."""

    def written(*names: Any) -> Path:
        folder = tmp_path / "clips"
        folder.mkdir(exist_ok=True)
        if names and isinstance(names[0], int):
            names = tuple(f"{i:04}" for i in range(names[0]))
        for i, name in enumerate(names):
            audio.write(folder / f"{name}.wav", fakes.voice(0.6, 90 + 7 * (i % 40)))
        return folder

    return written


def table(output: Path, name: str) -> list[dict[str, Any]]:
    """All rows of one of a batch's tables, sorted by path."""
    import pyarrow.parquet

    rows: list[dict[str, Any]] = []
    for path in (output / name).glob("*.parquet"):
        rows += pyarrow.parquet.ParquetFile(path).read().to_pylist()
    return sorted(rows, key=lambda row: (row["path"], row["version"], row.get("channel"), row.get("start", 0)))


@pytest.fixture
def rows() -> Callable[[Path, str], list[dict[str, Any]]]:
    """See :func:`table`."""
    return table


def command(*arguments: str) -> list[str]:
    """The command line of ``vocalics batch``."""
    return [sys.executable, "-c", "from vocalics.cli.main import main; main()", "batch", *arguments]


def heed() -> None:
    """Let an interrupt be heard: what a shell starts in its background is deaf to it, and so would be its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``started("clips/", "-o", "out")`` starts the command as a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
            preexec_fn=heed,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def descendants(pid: int) -> Iterator[int]:
    """The processes below one, by /proc."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in file.read_text().split()]
        except OSError:  # ended meanwhile
            continue
        for child in children:
            yield child
            yield from descendants(child)


def command_line(pid: int) -> str:
    """How a process was started; empty where it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


@pytest.fixture
def processes() -> Callable[[int, str], list[int]]:
    """``processes(pid, "ray::")`` lists the processes below one whose command line holds a text."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("processes are looked for in /proc, which is Linux's")

    def below(pid: int, text: str) -> list[int]:
        return [child for child in descendants(pid) if text in command_line(child)]

    return below
