"""The model's work, off the event loop: one queue, and as many threads as cores ask the model.

A stream has at most one window in the queue, and so has an upload, however long it is: first come, first served is
then fair to all of them, and the queue is never longer than the streams and requests that are admitted.

Windows are not put together into batches. One core takes 4.77 ms for a window of 3 s with the default model, and
4.70 ms for each of 16 in one run (processor time, ONNX Runtime 1.32): the graph keeps a core busy with one window, and
a batch would only make the first of them wait for the last. Batched probabilities are the same to 5e-7.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vocalics.modelfile import LoadedModel
from vocalics.recognizer import Recognizer
from vocalics.web.metrics import Metrics

T = TypeVar("T")


class StoppedError(Exception):
    """Raised in the thread of an upload that nobody waits for any more."""


class Judge:
    """The queue and its threads.

    Args:
        threads: How many ask the model at a time; ONNX Runtime leaves Python's lock alone meanwhile.
        metrics: Where the queue's length and waits are counted.
    """

    def __init__(self, threads: int, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(threads, "vocalics-judge")

    def submit(self, job: Callable[[], T], n_windows: int = 1) -> Future[T]:
        """Queue a run of the model; one that is cancelled before its turn is never run."""
        queued, metrics = time.perf_counter(), self._metrics

        def run() -> T:
            metrics.wait_seconds.observe(time.perf_counter() - queued)
            metrics.batch_size.observe(n_windows)
            return job()

        metrics.queue_length.inc()
        try:
            future = self._pool.submit(run)
        except RuntimeError:  # closed
            metrics.queue_length.dec()
            raise
        future.add_done_callback(lambda _: metrics.queue_length.dec())
        return future

    def close(self) -> None:
        """Take nothing any more; what is running ends, what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Work:
    """One upload's share of the queue, asked from the upload's own thread.

    Args:
        judge: The queue.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge, self._stopped = judge, threading.Event()

    def stop(self) -> None:
        """Let :meth:`check` end the upload."""
        self._stopped.set()

    def check(self) -> None:
        """Raise :class:`StoppedError` where nobody waits for the upload any more."""
        if self._stopped.is_set():
            raise StoppedError

    def through(self, recognizer: Recognizer, coverage: float | None = None) -> Recognizer:
        """Return a recognizer that says the same, and whose model is asked through the queue.

        Raises:
            VocalicsError: For a coverage that the model's card does not know.
        """
        model = recognizer.model
        queued = QueuedModel(model.session, model.card, model.sha256, model, self)
        return Recognizer(queued, recognizer.abstain_below, coverage, recognizer.unfamiliar_above, recognizer.voice)

    def ask(self, job: Callable[[], T], n_windows: int) -> T:
        """Return what a run of the model gives, when its turn has come."""
        self.check()
        return self._judge.submit(job, n_windows).result()


@dataclass(frozen=True, eq=False)
class QueuedModel(LoadedModel):
    """A model whose runs wait in the queue like those of all others.

    Attributes:
        model: The model itself.
        work: Whose share of the queue it is.
    """

    model: LoadedModel
    work: Work

    def judge(
        self, batch: npt.NDArray[np.float32], voice: npt.NDArray[np.float32] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """Do what the model does, in its turn."""
        return self.work.ask(lambda: self.model.judge(batch, voice), len(batch))

    def hear(
        self, batch: npt.NDArray[np.float32], voice: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None, npt.NDArray[np.float32]]:
        """Do what the model does, in its turn."""
        return self.work.ask(lambda: self.model.hear(batch, voice), len(batch))
