"""The engine of a Ray cluster: Ray Data hands blocks to actors, each of which leads a worker process like a core here.

An actor that dies with its machine is started again by Ray and its block given to another; a block that was committed
in the meantime is left alone (:func:`vocalics.batch.store.commit`), so that doing one twice does no harm. The sources
and the folder of the results have to be reachable under the same path from every machine.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vocalics.batch.guard import run_guarded
from vocalics.batch.job import Block, Job, Report
from vocalics.batch.slot import Slot
from vocalics.errors import MissingExtraError, VocalicsError

_VARIABLES = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",  # ours is drawn
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # else every start warns of arguments that no actor of ours has
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody asked for statistics to be sent
    "RAY_worker_niceness": "0",  # of a cluster that is started here: workers as urgent as those of the local engine
}
"""How Ray is set up, where the user did not say otherwise."""

_CONNECT_SECONDS = 20.0


class Judge:
    """What an actor of the cluster holds: a slot for one worker process.

    It is made without arguments, and the job comes with every block: Ray cannot start an actor again whose arguments
    were on a machine that is gone.
    """

    def __init__(self) -> None:
        self._slot: Slot | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Return the reports of a batch of blocks, or the error that ends the job; all as JSON."""
        told: list[str] = []
        try:
            for text, about, timeout in zip(batch["block"], batch["job"], batch["timeout"], strict=True):
                job, block = Job.from_json(str(about)), Block.from_json(str(text))
                self._slot = self._slot or Slot(job, float(timeout))
                told.append(run_guarded(self._slot, block, job.attempts, lambda *_at: None).to_json())
        except VocalicsError as error:
            # Raised, it would be wrapped by Ray and tried again.
            return {"report": [*told, ""], "error": [*("" for _ in told), str(error)]}
        return {"report": told, "error": ["" for _ in told]}


@contextmanager
def reports(
    job: Job, divide: Callable[[int], Iterator[Block]], n_workers: int | None, timeout: float, address: str | None
) -> Iterator[Iterator[Report]]:
    """Give what becomes of blocks on a Ray cluster, as it becomes known.

    Args:
        job: What is to be done.
        divide: Gives the blocks for a number of workers.
        n_workers: Actors; ``None`` for one per core of the cluster.
        timeout: See :class:`Slot`.
        address: Of a cluster that runs; ``None`` starts one on this machine that ends with the context.

    Raises:
        MissingExtraError: Where Ray is not installed.
        VocalicsError: When the cluster cannot be reached or the job cannot go on.
    """
    on_termination = signal.getsignal(signal.SIGTERM)
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        _refuse_unreachable(address)
        try:
            # "local": without an address Ray would look for a cluster that runs here, and refuse to be told its cores.
            options: dict[str, Any] = {} if address else {"num_cpus": n_workers, "include_dashboard": False}
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # Ray's errors share no parent but Exception
            what = "cannot be reached" if address else "does not start"
            hint = "check the address" if address else "the machine may be too busy: try again, or the engine local"
            raise VocalicsError(
                f"the Ray cluster {address or 'of this machine'} {what} ({' '.join(str(error).split())}); {hint}"
            ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_termination)  # Ray put its own in place
    try:
        n_workers = n_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield _told(ray, job, list(divide(n_workers)), n_workers, timeout)
    finally:
        if started:
            ray.shutdown()


def _refuse_unreachable(address: str | None) -> None:
    """Find out in seconds what Ray takes minutes for: whether anybody listens at HOST:PORT."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise VocalicsError(
                f"the Ray cluster {address} cannot be reached ({error}); check the address and the network"
            ) from None


def _told(ray: Any, job: Job, blocks: Sequence[Block], n_workers: int, timeout: float) -> Iterator[Report]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"block": block.to_json(), "job": job.to_json(), "timeout": timeout} for block in blocks]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Judge,
        batch_size=1,
        concurrency=min(n_workers, len(rows)),
        num_cpus=1,
    )
    for row in dataset.iter_rows():
        if row["error"]:
            raise VocalicsError(row["error"])
        yield Report.from_json(row["report"])


def _ray() -> Any:
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("the engine ray", "cluster") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray
