"""A place for one worker process, which is replaced when it dies, hangs or grows.

Every process has pipes of its own. Pools share a queue and its locks between processes, and a process that is killed
at the wrong moment takes a lock with it; here nothing is shared, and the pipe tells which input it was at.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from vocalics.batch.job import Block, Input, Job, Report
from vocalics.errors import VocalicsError

START_SECONDS = 180.0
"""A process that is not ready, or has not committed, after this time is given up."""

SECONDS_PER_BYTE = 20e-6
"""What an input may take for every byte of it, besides the time that any may take."""

_STARTS, _KILLED_STARTS = 3, 10  # in a row that may fail by themselves, or be killed
_GROWTH = 256 * 1024 * 1024  # bytes beyond twice its memory after the first block that a process may grow by
_LOOK_SECONDS = 0.25

Heard = Callable[[int, float], None]


class LostError(Exception):
    """A process ended, or was ended, before its block was done.

    Attributes:
        at: The position of the input it was at; the number of inputs where it was at none any more, ``None`` where it
            had not begun.
        reason: In words.
    """

    def __init__(self, at: int | None, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, reason


class StoppedError(Exception):
    """The slot was closed from another thread."""


class Slot:
    """Runs blocks in a process of its own, one at a time.

    Args:
        job: What is to be done.
        timeout: How long an input may take that gives no sign of life, in seconds; ``SECONDS_PER_BYTE`` is added.
    """

    def __init__(self, job: Job, timeout: float) -> None:
        self._job, self._timeout = job, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._first_memory = 0
        self._closed = False
        self._lock = threading.Lock()
        self._until = float("inf")
        self._overdue = False

    def run(self, block: Block, heard: Heard) -> Report:
        """Process a block and return what became of it.

        Args:
            block: The inputs.
            heard: Called when an input is begun, with its position and the seconds of sound judged before.

        Raises:
            LostError: When the process ended before.
            StoppedError: When the slot was closed.
            VocalicsError: When the job cannot go on.
        """
        process = self._started()
        at: int | None = None
        assert process.stdin is not None
        try:
            process.stdin.write(f"{block.to_json()}\n".encode())
            process.stdin.flush()
        except OSError:
            raise LostError(None, self._end(process)) from None
        for word, rest in self._answers(process, START_SECONDS):
            if word == "at":
                position, seconds, more = rest.split()
                at = int(position)
                self._until = time.monotonic() + self._allowed(block.inputs, at) + float(more)
                heard(at, float(seconds))
            elif word == "done":
                report = Report.from_json(rest)
                self._first_memory = self._first_memory or report.memory
                if report.memory > 2 * self._first_memory + _GROWTH:
                    self._end(process)
                return report
        raise LostError(at, self._end(process))

    def close(self) -> None:
        """End the process; may be called from another thread, and more than once."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """See the process off, if there is one; for the thread that ran the blocks."""
        if self._process is not None:
            with contextlib.suppress(StoppedError):
                self._end(self._process)

    def _allowed(self, inputs: tuple[Input, ...], at: int) -> float:
        if at >= len(inputs):
            return START_SECONDS  # to commit; a disk may be slow
        size = inputs[at].size
        return self._timeout + SECONDS_PER_BYTE * (size or 0)

    def _started(self) -> subprocess.Popen[bytes]:
        """A process that is ready for a block."""
        if self._process is not None:
            return self._process
        for i in range(_KILLED_STARTS):
            process = self._start()
            for word, _rest in self._answers(process, START_SECONDS):
                if word == "ready":
                    return process
            reason = self._end(process)
            if process.returncode >= 0 and i + 1 >= _STARTS:
                break
        raise VocalicsError(f"a worker process does not start: {reason}")

    def _start(self) -> subprocess.Popen[bytes]:
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        with self._lock:
            if self._closed:
                raise StoppedError
            # -P: a module in the current folder must not stand in for one of Python's.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "vocalics.batch.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **dict.fromkeys(threads, "1")},
            )
            self._process = process
        self._first_memory = 0
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it ended already; its answers say so
            process.stdin.write(f"{self._job.to_json()}\n".encode())
            process.stdin.flush()
        return process

    def _answers(self, process: subprocess.Popen[bytes], seconds: float) -> Iterator[tuple[str, str]]:
        """The answers of a process until it ends; it is killed when the next one is overdue."""
        self._until, self._overdue = time.monotonic() + seconds, False
        finished = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process, finished), daemon=True)
        watch.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not line.endswith(b"\n"):
                    return  # killed while it spoke
                word, _, rest = line.decode().strip().partition(" ")
                if word == "error":
                    self._end(process)
                    raise VocalicsError(json.loads(rest))
                yield word, rest
        finally:
            finished.set()

    def _watch(self, process: subprocess.Popen[bytes], finished: threading.Event) -> None:
        while not finished.wait(_LOOK_SECONDS):
            if time.monotonic() > self._until:
                self._overdue = True
                process.kill()
                return

    def _end(self, process: subprocess.Popen[bytes]) -> str:
        """See a process off, and say what it died of."""
        overdue = self._overdue
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        said = ""
        if self._errors is not None:
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            said = f" ({lines[-1].strip()[:200]})" if lines else ""
            self._errors.close()
            self._errors = None
        with self._lock:
            self._process = None
            if self._closed:
                raise StoppedError
        if overdue:
            return "took too long: its process gave no sign of life and was killed"
        return f"its process died of {_name(code)}{said}"


def _name(code: int) -> str:
    if code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
