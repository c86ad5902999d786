"""What is done with a block: the same function whatever the engine."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from vocalics.batch import remote, store, tables
from vocalics.batch.job import FOLDERS, Block, Input, Job, Report
from vocalics.batch.judges import Row, judge_of
from vocalics.errors import AudioError, MissingExtraError, VocalicsError

_FIRST_PAUSE = 0.5  # seconds before the second attempt; doubled for every one after it
_LONGEST_REASON = 500

_LONG_BYTES = 256 * 1024  # a smaller file is judged in a few seconds, however its sound is packed
_SLOWEST = 0.2  # seconds of work per second of sound that are no hang

Heard = Callable[[int, float, float], None]
"""Called with the position of the input that is begun or still worked on, the seconds of sound judged before, and the
seconds that this input may take more than another, since it is long."""


@dataclass(frozen=True)
class _Done:
    """What became of one input: rows, or the reason why there are none."""

    rows: tuple[Row, ...]
    sound_seconds: float
    reason: str
    attempts: int


class Worker:
    """Holds the model and processes blocks.

    Raises:
        VocalicsError: When the model or feature set is not the one that the job names, or a library is missing.
    """

    def __init__(self, job: Job) -> None:
        remote.sweep()
        self._job = job
        self._judge = judge_of(job)
        self._schema = self._judge.schema()

    def process(self, block: Block, heard: Heard = lambda _at, _seconds, _more: None) -> Report:
        """Judge a block's inputs and commit them.

        Args:
            block: The inputs.
            heard: Called when an input is begun, now and then while it takes, and before the commit, with the number of
                inputs then.

        Raises:
            MissingExtraError: When nothing can be judged for want of a library.
            OSError: When the results cannot be written.
        """
        if (known := store.committed(self._job, block.name)) is not None and not block.piece:
            return _report(block, known, {}, {})
        if block.pieces:
            heard(len(block.inputs), 0.0, 0.0)
            store.commit(self._job, block.name, store.together(self._job, block.pieces))
            store.drop(self._job, block.pieces)
            return Report(len(block.inputs))
        rows: list[Row] = []
        failed: list[Row] = []
        done: list[Row] = []
        reasons: Counter[str] = Counter()
        retried: Counter[str] = Counter()
        seconds = 0.0
        for i, item in enumerate(block.inputs):
            heard(i, seconds, 0.0)
            key = tables.key(item, self._job.by_content)
            if block.lost:
                one = _Done((), 0.0, block.lost, block.attempts)
            else:
                # Said again while a long recording is listened to, so that nobody takes it for stuck.
                one = self._attempted(item, retried, lambda m, i=i, s=seconds: heard(i, s, m))  # type: ignore[misc]
            seconds += one.sound_seconds
            rows += [{**key, **row} for row in one.rows]
            if one.reason:
                reasons[kind_of(one.reason)] += 1
                failed.append({**key, "reason": one.reason, "attempts": one.attempts})
            done.append(
                {**key, "failed": bool(one.reason), "sound_seconds": one.sound_seconds, "attempts": one.attempts}
            )
        heard(len(block.inputs), seconds, 0.0)
        parts = {
            FOLDERS[self._job.task]: tables.table(rows, self._schema),
            tables.FAILURES: tables.table(failed, tables.failures(self._job.by_content)),
            tables.LEDGER: tables.table(done, tables.ledger(self._job.by_content)),
        }
        if block.piece:
            store.put_aside(self._job, block.piece, parts)
        else:
            store.commit(self._job, block.name, parts)
        return _report(block, parts[tables.LEDGER], reasons, retried)

    def _attempted(self, item: Input, retried: Counter[str], still: Callable[[float], None]) -> _Done:
        for attempt in range(1, self._job.attempts + 1):
            local = item.path
            still(0.0)
            try:
                with remote.fetched(item.path, lambda: still(0.0)) as local:
                    _refuse_special(local)
                    more = _more_seconds(local)
                    still(more)
                    return _Done(*self._judge.judged(local, lambda more=more: still(more)), "", attempt)  # type: ignore[misc]
            except (MissingExtraError, remote.FullError):
                raise
            except Exception as fault:  # one input, whatever is wrong with it, costs itself alone
                error = _of_the_disk(fault, local) or fault
                reason = _reason(error, local, item.path)
                if not remote.is_passing(error) or attempt == self._job.attempts:
                    return _Done((), 0.0, reason, attempt)
                retried[kind_of(reason)] += 1
                time.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        raise AssertionError("attempts is at least 1")


def _report(block: Block, ledger: Any, reasons: Mapping[str, int], retried: Mapping[str, int]) -> Report:
    seconds, failed = (sum(ledger[name].to_pylist()) for name in ("sound_seconds", "failed"))
    n_bytes = sum(item.size or 0 for item in block.inputs)
    return Report(len(block.inputs), failed, n_bytes, seconds, dict(reasons), dict(retried))


def _refuse_special(path: str) -> None:
    """Refuse what may never end or never begin: a pipe, a device."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - what cannot be a path is told when it is opened
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise AudioError(f"{path}: is no file but a pipe or a device; expected an audio file")


def _of_the_disk(fault: Exception, path: str) -> OSError | None:
    """The disk's own error where that is why sound could not be decoded: to a decoder it looks like an early end."""
    if isinstance(fault, AudioError) and not isinstance(fault.__cause__, OSError) and Path(path).is_file():
        try:
            with Path(path).open("rb") as file:
                while file.read(1 << 20):
                    pass
        except OSError as error:
            return error
    return None


def _more_seconds(path: str) -> float:
    """What a long recording may take besides what any may; its header tells."""
    try:
        long = Path(path).stat().st_size >= _LONG_BYTES
        return _SLOWEST * float(soundfile.info(path).duration) if long else 0.0
    except (OSError, ValueError, TypeError, soundfile.SoundFileError):  # TypeError: a name that ends in .raw
        return 0.0  # whatever it is, it is told when it is judged


def _reason(error: Exception, local: str, path: str) -> str:
    """An error in one line, without the path that stands beside it in its row."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, VocalicsError):
        text = f"{type(error).__name__}: {text}"
    for name in (local, path, tables.text(path)):
        text = text.removeprefix(f"{' '.join(name.split())}: ")
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST_REASON]


def kind_of(reason: str) -> str:
    """Return what a reason is counted by: its words up to the first particulars.

    >>> kind_of("is truncated (its header promises 9 bytes, 3 are there); expected a complete file")
    'is truncated'
    """
    return reason.split(" (")[0].split("; ")[0].split(", ")[0][:80]
