"""A worker process: ``python -m vocalics.batch.process`` reads a job and blocks on standard input, a line each.

It answers in lines: "ready"; "at 17 52.3 0" when it begins (or is still at) input 17, with 52.3 seconds of sound judged
before, and needs no more time than others; "done {report}"; "error {text}" where the job cannot go on. It ends when its
standard input does, at once and whatever it is at: that is also how it follows a parent that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import replace
from typing import TextIO

from vocalics.batch import store
from vocalics.batch.job import Block, Job
from vocalics.errors import VocalicsError
from vocalics.machine import usage


def main() -> int:
    """Work until standard input ends."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    job = Job.from_json(sys.stdin.buffer.readline().decode())
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    try:
        with store.writing(job.output):
            _work(job, lines, answers)
    except VocalicsError as error:
        answers.write(f"error {json.dumps(str(error))}\n")
    except OSError as error:
        what = error.strerror or str(error)
        answers.write(f"error {json.dumps(f'{error.filename or job.output}: cannot be written ({what})')}\n")
    return 1


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line.decode())
    os._exit(0)


def _work(job: Job, lines: queue.SimpleQueue[str], answers: TextIO) -> None:
    from vocalics.batch.work import Worker

    worker = Worker(job)
    answers.write("ready\n")

    def heard(at: int, sound_seconds: float, more: float = 0.0) -> None:
        answers.write(f"at {at} {sound_seconds:.3f} {more:.1f}\n")

    while True:
        report = worker.process(Block.from_json(lines.get()), heard)
        answers.write(f"done {replace(report, memory=_peak_memory()).to_json()}\n")


def _peak_memory() -> int:
    """In bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        # Linux: getrusage would tell the parent's peak before this program was loaded.
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    used = usage()
    if used is None:
        return 0
    return used.ru_maxrss if sys.platform == "darwin" else 1024 * used.ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
