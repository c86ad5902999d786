"""The engine of one machine: a worker process per core, each led by a thread that has one block under way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vocalics.batch.guard import run_guarded
from vocalics.batch.job import Block, Job, Report
from vocalics.batch.slot import Slot, StoppedError

Under = Callable[[int, int, float], None]
"""Called with a worker's number, and the inputs and seconds of sound of its block that are done but not committed."""


@contextmanager
def reports(
    job: Job, blocks: Iterator[Block], n_workers: int, timeout: float, under_way: Under
) -> Iterator[Iterator[Report | None]]:
    """Give what becomes of blocks, as it becomes known, and ``None`` now and then in between.

    No more blocks are taken than there are workers. Leaving the context ends the processes at once; what they had not
    committed is not there.

    Args:
        job: What is to be done.
        blocks: Taken one by one, as workers get free.
        n_workers: Processes at a time.
        timeout: See :class:`vocalics.batch.slot.Slot`.
        under_way: Called from the workers' threads.

    Raises:
        VocalicsError: When the job cannot go on.
    """
    slots = [Slot(job, timeout) for _ in range(n_workers)]
    told: queue.SimpleQueue[Report | Exception | None] = queue.SimpleQueue()
    taking = threading.Lock()

    def lead(number: int) -> None:
        try:
            while True:
                with taking:
                    block = next(blocks, None)
                if block is None:
                    break
                report = run_guarded(slots[number], block, job.attempts, lambda *at: under_way(number, *at))
                under_way(number, 0, 0.0)
                told.put(report)
        except StoppedError:
            pass
        except Exception as error:  # raised where the reports are read
            told.put(error)
        finally:
            slots[number].end()
            told.put(None)

    threads = [threading.Thread(target=lead, args=(i,), daemon=True) for i in range(n_workers)]
    for thread in threads:
        thread.start()
    try:
        yield _told(told, n_workers)
    finally:
        for slot in slots:
            slot.close()
        for thread in threads:
            thread.join()


def _told(told: queue.SimpleQueue[Report | Exception | None], n_workers: int) -> Iterator[Report | None]:
    while n_workers:
        try:
            item = told.get(timeout=0.2)
        except queue.Empty:
            yield None
            continue
        if isinstance(item, Exception):
            raise item
        if item is None:
            n_workers -= 1
        else:
            yield item
